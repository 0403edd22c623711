//! A Socket.IO device (Engine.IO 4, protocol 5), of the tests' own: over a WebSocket, over long-polling, or
//! from one to the other. It takes the several names under which a notification comes for one event.

pub mod packet;
pub mod polling;

use std::collections::VecDeque;

use serde_json::{Map, Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::door::{Call, Close, Door, End, Refused};
use super::socket::Event;
use super::wire::Wire;
use packet::Packet;
use polling::Polling;

/// Parts the packets of a payload.
const SEPARATOR: char = '\u{1e}';
/// The name of an event that answers a question asked by [`SocketIo::ask`].
pub const ACK: &str = "ack";

#[derive(Debug)]
enum Transport {
    Polling(Polling),
    WebSocket(Wire),
}

/// A connection's place in what was sent, as its client keeps it to be recovered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub pid: String,
    pub offset: String,
}

impl Place {
    /// The seq that an offset begins with, which only those know who wrote the server.
    pub fn seq(&self) -> i64 {
        let digits = self.offset.split(' ').next().unwrap_or("");
        digits.parse().unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

#[derive(Debug)]
pub struct SocketIo {
    transport: Transport,
    namespace: String,
    /// Engine.IO packets that came and were not looked at.
    received: VecDeque<String>,
    /// Engine.IO packets that are still to be sent.
    unsent: VecDeque<String>,
    /// What the CONNECT was answered; none before that.
    connected: Option<Map<String, Value>>,
    /// The `pid` that the CONNECT asked to be recovered.
    wanted: Option<Value>,
    offset: Option<String>,
    /// Whether each name counts, instead of the notification.
    keeps_copies: bool,
    /// The names under which `original` must still come.
    copies: VecDeque<&'static str>,
    original: Value,
    questions: u64,
    /// The acknowledgements that the server waits for.
    owed: Vec<u64>,
    disconnected: bool,
    /// How it ended, when that was seen before everything that came was looked at.
    ended: Option<Close>,
}

impl SocketIo {
    /// Shakes hands, sends the CONNECT and, where the door says so, changes over to a WebSocket.
    pub async fn open(call: &Call) -> Result<Self, Refused> {
        let connect = Packet::Connect(Value::Object(call.auth.clone())).encode(&call.namespace);
        match call.door {
            Door::Raw | Door::Sse => panic!("not a Socket.IO door"),
            Door::WebSocket => {
                let path = call.socketio_path("websocket");
                let mut wire = Wire::open(call.address, &path, "", call.narrow).await?;
                let open = wire.next_text().await.map_err(|_| Refused::Unreachable)?;
                handshake(&open);
                let mut device = Self::over(Transport::WebSocket(wire), call);
                // What became of it is heard of next.
                let _ = device.post(format!("4{connect}")).await;
                Ok(device)
            }
            Door::Polling | Door::Upgrade => {
                let opened = Polling::open(call).await.ok_or(Refused::Unreachable)?;
                let (mut polling, open) = opened.map_err(|(status, _)| Refused::Status(status))?;
                let handshake = handshake(&open);
                let sid = handshake["sid"].as_str().unwrap();
                assert_eq!(handshake["upgrades"], json!(["websocket"]), "{open}");
                polling.belong_to(sid);
                let mut device = Self::over(Transport::Polling(polling), call);
                let _ = device.post(format!("4{connect}")).await;
                if call.door == Door::Upgrade {
                    device.upgrade(call, sid).await;
                }
                Ok(device)
            }
        }
    }

    fn over(transport: Transport, call: &Call) -> Self {
        Self {
            transport,
            namespace: call.namespace.clone(),
            received: VecDeque::new(),
            unsent: VecDeque::new(),
            connected: None,
            wanted: call.auth.get("pid").cloned(),
            offset: call.auth.get("offset").and_then(Value::as_str).map(str::to_owned),
            keeps_copies: call.auth.contains_key("events"),
            copies: VecDeque::new(),
            original: Value::Null,
            questions: 0,
            owed: Vec::new(),
            disconnected: false,
            ended: None,
        }
    }

    /// Probes a WebSocket while polling goes on, and changes over when the last poll has come back. Where that is not
    /// to be, for the connection has ended or the probe fails, it stays with polling.
    async fn upgrade(&mut self, call: &Call, sid: &str) {
        let path = format!("{}&sid={sid}", call.socketio_path("websocket"));
        let probe = async {
            let mut wire = Wire::open(call.address, &path, "", call.narrow).await.ok()?;
            send(&mut wire, "2probe").await.ok()?;
            let answer = wire.next_text().await.ok()?;
            assert_eq!(answer, "3probe");
            Some(wire)
        };
        tokio::pin!(probe);
        let probed = loop {
            tokio::select! {
                wire = &mut probe => break wire,
                goes_on = self.poll() => if !goes_on { return },
            }
        };
        let Some(mut wire) = probed else { return };
        // What is open is released by the server, with something or with a noop.
        let Transport::Polling(polling) = &self.transport else { return };
        if polling.is_open() && !self.poll().await {
            return;
        }
        // Where this fails, what is received says why.
        let _ = send(&mut wire, "5").await;
        self.transport = Transport::WebSocket(wire);
    }

    /// Takes what a poll brings; false when the connection has ended.
    async fn poll(&mut self) -> bool {
        let Transport::Polling(polling) = &mut self.transport else { return false };
        match polling.fetch().await {
            Some((200, payload)) => {
                self.received.extend(payload.split(SEPARATOR).map(str::to_owned));
                !self.received.iter().any(|packet| packet == "1")
            }
            Some((status, _)) => {
                self.ended = Some(Close::Gone(status));
                false
            }
            None => {
                self.ended = Some(Close::Broken);
                false
            }
        }
    }

    /// The next event, or how the connection ended. May be given up: nothing is lost of what came.
    pub async fn receive(&mut self) -> Result<Event, End> {
        loop {
            // Where this fails, what is received says why.
            let _ = self.flush().await;
            let Some(packet) = self.received.pop_front() else {
                self.fetch().await?;
                continue;
            };
            let (kind, rest) = packet.split_at(1);
            match kind {
                "1" => return Err(self.end(Close::Packet)),
                "2" => self.unsent.push_back(format!("3{rest}")),
                "4" => {
                    if let Some(event) = self.hear(rest)? {
                        return Ok(event);
                    }
                }
                "6" => {}
                _ => panic!("no server says {packet:?}"),
            }
        }
    }

    /// Takes what came next; for polling, begins a GET where none is open.
    async fn fetch(&mut self) -> Result<(), End> {
        if let Some(close) = self.ended.clone() {
            return Err(self.end(close));
        }
        if let Transport::WebSocket(wire) = &mut self.transport {
            match wire.next_text().await {
                Ok(text) => self.received.push_back(text),
                Err(close) => self.ended = Some(close),
            }
        } else {
            self.poll().await;
        }
        Ok(())
    }

    fn hear(&mut self, message: &str) -> Result<Option<Event>, End> {
        let packet = Packet::parse(message, &self.namespace);
        let is_answer = matches!(packet, Packet::Connect(_) | Packet::ConnectError(_));
        assert_ne!(is_answer, self.connected.is_some(), "a CONNECT is answered first, and once: {packet:?}");
        match packet {
            Packet::Connect(Value::Object(data)) => {
                assert!(data["sid"].is_string() && data["pid"].is_string(), "{data:?}");
                self.connected = Some(data);
                Ok(None)
            }
            Packet::ConnectError(data) => Err(self.end(Close::Refused(data))),
            Packet::Disconnect => {
                self.disconnected = true;
                Ok(None)
            }
            Packet::Ack { id, mut arguments } => {
                let data = if arguments.is_empty() { Value::Null } else { arguments.remove(0) };
                Ok(Some(Event { name: ACK.to_owned(), data, id: Some(json!(id)) }))
            }
            Packet::Event { name, arguments, ack } => {
                self.owed.extend(ack);
                Ok(self.event(name, arguments))
            }
            Packet::Connect(data) => panic!("a CONNECT is answered with an object: {data}"),
        }
    }

    /// Data and, behind it, the offset of what can be recovered. As the client's library does it, any text in the
    /// last place is taken for one.
    fn event(&mut self, name: String, mut arguments: Vec<Value>) -> Option<Event> {
        assert!(arguments.len() <= 2, "{name} has too much to say: {arguments:?}");
        let offset = arguments.last().and_then(Value::as_str).map(str::to_owned);
        let data = if arguments.is_empty() { Value::Null } else { arguments.swap_remove(0) };
        let event = self.original_of(Event { name, data, id: None });
        if offset.is_some() {
            assert!(self.copies.is_empty(), "only the last frame of a notification has its offset");
            self.offset = offset;
        }
        event
    }

    /// The event, if it is not a notification that came already under another name.
    fn original_of(&mut self, mut event: Event) -> Option<Event> {
        if self.keeps_copies {
            return Some(event);
        }
        if let Some(name) = self.copies.pop_front() {
            assert_eq!((event.name.as_str(), &event.data), (name, &self.original), "the same once more");
            return None;
        }
        let Some(kind) = event.data["type"].as_str().map(str::to_owned) else { return Some(event) };
        if self.namespace != "/" && event.name == kind {
            self.copies.push_back("notification");
        } else if self.namespace == "/" && event.name == "notification" {
            self.copies.push_back("notification:new");
            self.copies.extend((kind == "booking.created").then_some("new_booking"));
            event.name = kind;
        }
        self.original = event.data.clone();
        Some(event)
    }

    /// Sends an event.
    pub async fn send(&mut self, name: &str, data: Value) -> Result<(), End> {
        let packet = Packet::Event { name: name.to_owned(), arguments: vec![data], ack: None };
        self.post(format!("4{}", packet.encode(&self.namespace))).await
    }

    /// Sends an event that wants an acknowledgement, which comes as an event named [`ACK`] with this id.
    pub async fn ask(&mut self, name: &str, data: Value) -> Result<Value, End> {
        self.questions += 1;
        let ack = Some(self.questions);
        let packet = Packet::Event { name: name.to_owned(), arguments: vec![data], ack };
        self.post(format!("4{}", packet.encode(&self.namespace))).await?;
        Ok(json!(self.questions))
    }

    /// Acknowledges everything that the server asked to be; answers how much that was.
    pub async fn acknowledge(&mut self) -> Result<usize, End> {
        let owed = std::mem::take(&mut self.owed);
        for id in &owed {
            let packet = Packet::Ack { id: *id, arguments: Vec::new() };
            self.post(format!("4{}", packet.encode(&self.namespace))).await?;
        }
        Ok(owed.len())
    }

    /// Begins to wait for more without doing so: over polling this says that what came was received.
    pub fn listen_on(&mut self) {
        if let Transport::Polling(polling) = &mut self.transport {
            polling.begin();
        }
    }

    /// Says goodbye; what the server still says is to be read.
    pub async fn close(&mut self) -> Result<(), End> {
        self.unsent.push_back(format!("4{}", Packet::Disconnect.encode(&self.namespace)));
        if matches!(self.transport, Transport::Polling(_)) {
            self.unsent.push_back("1".to_owned());
        }
        self.flush().await?;
        let closed = match &mut self.transport {
            Transport::Polling(_) => Ok(()),
            Transport::WebSocket(wire) => wire.close().await,
        };
        closed.map_err(|close| self.end(close))
    }

    /// Makes dropping it a break, with which what was not read yet is thrown away.
    pub fn reset_when_dropped(&self) {
        if let Transport::WebSocket(wire) = &self.transport {
            wire.reset_when_dropped();
        }
    }

    /// Where a later connection may go on; none before the first offset.
    pub fn place(&self) -> Option<Place> {
        let pid = self.connected.as_ref()?.get("pid")?.as_str()?.to_owned();
        Some(Place { pid, offset: self.offset.clone()? })
    }

    /// Whether each notification that began came under all of its names.
    pub fn is_whole(&self) -> bool {
        self.copies.is_empty()
    }

    /// Whether the CONNECT asked for a connection that was.
    pub fn wants_recovery(&self) -> bool {
        self.wanted.is_some()
    }

    /// The way that the connection goes now: one that could not be upgraded is polled on.
    pub fn is_polled(&self) -> bool {
        matches!(self.transport, Transport::Polling(_))
    }

    /// Whether the server took up the connection that the CONNECT named.
    pub fn is_recovered(&self) -> bool {
        self.wanted.is_some()
            && self.wanted.as_ref() == self.connected.as_ref().and_then(|data| data.get("pid"))
    }

    /// The `sid` of the namespace.
    pub fn sid(&self) -> Option<&str> {
        self.connected.as_ref()?.get("sid")?.as_str()
    }

    async fn post(&mut self, packet: String) -> Result<(), End> {
        self.unsent.push_back(packet);
        self.flush().await
    }

    /// Sends what is still to be sent. May be given up: nothing is sent twice or forgotten.
    async fn flush(&mut self) -> Result<(), End> {
        let sent = match &mut self.transport {
            Transport::Polling(polling) => polling.send(&mut self.unsent).await,
            Transport::WebSocket(wire) => flush(wire, &mut self.unsent).await,
        };
        sent.map_err(|close| self.end(close))
    }

    fn end(&self, close: Close) -> End {
        End { close, disconnected: self.disconnected }
    }
}

async fn send(wire: &mut Wire, text: &str) -> Result<(), Close> {
    wire.feed(Message::text(text)).await?;
    wire.flush().await
}

async fn flush(wire: &mut Wire, unsent: &mut VecDeque<String>) -> Result<(), Close> {
    while let Some(text) = unsent.front() {
        wire.feed(Message::text(text.as_str())).await?;
        unsent.pop_front();
    }
    wire.flush().await
}

/// What the open packet says.
fn handshake(text: &str) -> Value {
    let open = text.strip_prefix('0').unwrap_or_else(|| panic!("no open packet: {text}"));
    let open: Value = serde_json::from_str(open).unwrap();
    for key in ["pingInterval", "pingTimeout", "maxPayload"] {
        assert!(open[key].as_u64().is_some_and(|number| number > 0), "{text}");
    }
    assert!(open["sid"].is_string(), "{text}");
    open
}
