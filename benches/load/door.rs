//! By which door devices come in: what each asks for, and what it has to say before it is greeted.

use std::net::{SocketAddr, TcpStream};
use std::str;

use anyhow::{Context, Result};

use crate::{http, scan};

/// Connections that carry the polling of all devices, one device at a time. Two, because there are two worker threads on
/// the machine that this is measured on, each of which gets one.
const POLLING: usize = 2;

const POLLING_TARGET: &str = "/socket.io/?EIO=4&transport=polling";

/// See the module's documentation. A door of Socket.IO may be asked for notifications under certain names only,
/// separated by commas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Raw,
    SocketIo(Option<&'static str>),
    /// Socket.IO that begins with polling.
    Upgraded(Option<&'static str>),
}

/// What one device asks for, and says.
#[derive(Debug)]
pub(crate) struct Entry {
    /// A path with its query.
    pub(crate) target: String,
    pub(crate) script: Script,
}

/// What a device of Socket.IO says by itself: the packets of Engine.IO, and the namespace that it wants to join. On the
/// raw door nothing that comes is asked for by any of it.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// Said as soon as the WebSocket is open.
    pub(crate) opening: Option<&'static str>,
    /// Said when Engine.IO has opened.
    connect: Option<Box<str>>,
}

impl Script {
    /// What to say to a text; none if it is for somebody else.
    pub(crate) fn answer(&mut self, text: &[u8]) -> Option<Box<str>> {
        match text {
            b"2" => Some("3".into()),
            b"3probe" => Some("5".into()),
            [b'0', ..] => self.connect.take(),
            _ => None,
        }
    }
}

impl Entry {
    pub(crate) fn raw(query: &str) -> Self {
        Self { target: format!("/ws/notifications?{query}"), script: Script::default() }
    }
}

/// A door that devices come in by, one after the other.
#[derive(Debug)]
pub(crate) struct Entrance {
    door: Door,
    polling: Vec<TcpStream>,
}

impl Entrance {
    pub(crate) fn new(door: Door) -> Self {
        Self { door, polling: Vec::new() }
    }

    /// Lets a device in as far as it comes without a WebSocket.
    pub(crate) fn enter(&mut self, device: usize, address: SocketAddr, access: &str) -> Result<Entry> {
        match self.door {
            Door::Raw => Ok(Entry::raw(&format!("token={access}"))),
            Door::SocketIo(events) => {
                let connect = Some(connect(access, events).into());
                let target = "/socket.io/?EIO=4&transport=websocket".to_owned();
                Ok(Entry { target, script: Script { opening: None, connect } })
            }
            Door::Upgraded(events) => {
                let sid = self.poll(device, address, &connect(access, events))?;
                let target = format!("/socket.io/?EIO=4&transport=websocket&sid={sid}");
                Ok(Entry { target, script: Script { opening: Some("2probe"), connect: None } })
            }
        }
    }

    /// Opens a connection by polling and joins the namespace; what that is answered comes over the WebSocket.
    fn poll(&mut self, device: usize, address: SocketAddr, connect: &str) -> Result<String> {
        if self.polling.is_empty() {
            self.polling = (0..POLLING).map(|_| TcpStream::connect(address)).collect::<Result<_, _>>()?;
        }
        // Neighbours share one, so that half of all WebSockets come to the other thread, however these are dealt out.
        let polling = self.polling.get_mut(device / 2 % POLLING).context("no connection to poll with")?;
        let opened = exchange(polling, &format!("GET {POLLING_TARGET} HTTP/1.1\r\nHost: localhost\r\n\r\n"))?;
        let sid = scan::after(&opened, br#""sid":""#).and_then(scan::string).context("no sid")?;
        let sid = str::from_utf8(sid)?;
        let length = connect.len();
        let post = format!(
            "POST {POLLING_TARGET}&sid={sid} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n\
             Content-Length: {length}\r\n\r\n{connect}"
        );
        exchange(polling, &post)?;
        Ok(sid.to_owned())
    }
}

fn exchange(stream: &mut TcpStream, request: &str) -> Result<Vec<u8>> {
    let (status, body) = http::exchange(stream, request.as_bytes())?;
    http::Answer { status, body: &body }.expect(200)?;
    Ok(body)
}

/// The packet that joins the namespace, as socket.io-client sends it with `auth`.
fn connect(access: &str, events: Option<&str>) -> String {
    let events = events.map(|events| format!(r#","events":"{events}""#)).unwrap_or_default();
    format!(r#"40/ws/notifications,{{"token":"{access}"{events}}}"#)
}
