//! Hosts' devices, as they are: each comes, listens for a while, and then stalls, leaves, breaks off or
//! vanishes, over and over. What it receives goes into the ledger before it answers any ping.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::json;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::conversation::{Conversation, Told};
use super::ledger::SharedLedger;
use crate::support::socket::event;

/// What a device waits for a connection, and for the end of one that it has closed.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many devices at once may have vanished; the system of the one before forgets its connection.
const GRAVES: usize = 200;
/// How often a device that returns asks for what it missed.
const RESUMES: f64 = 0.8;
/// How often what was received is read at once.
const READS: f64 = 0.05;
/// A receive buffer that a stall soon fills.
const NARROW: u32 = 4_096;

type Socket = WebSocketStream<TcpStream>;

/// Connections of devices that are gone without a word: open, and neither read nor answered.
#[derive(Debug, Clone, Default)]
pub(super) struct Graveyard(Arc<Mutex<VecDeque<Socket>>>);

impl Graveyard {
    fn bury(&self, socket: Socket) {
        let mut graves = self.0.lock().unwrap();
        graves.push_back(socket);
        if graves.len() > GRAVES {
            graves.pop_front();
        }
    }
}

/// What a device has of its host's inbox.
#[derive(Debug, Default)]
struct Held {
    /// It has everything up to this seq.
    whole: i64,
    /// What it has beyond a hole.
    beyond: BTreeSet<i64>,
}

impl Held {
    fn insert(&mut self, seq: i64) {
        self.beyond.insert(seq);
        while self.beyond.remove(&(self.whole + 1)) {
            self.whole += 1;
        }
    }

    fn highest(&self) -> i64 {
        self.beyond.last().copied().unwrap_or(self.whole).max(self.whole)
    }
}

#[derive(Debug)]
pub(super) struct Device {
    pub(super) number: usize,
    pub(super) host: String,
    pub(super) token: String,
    pub(super) server: SocketAddr,
    pub(super) ledger: SharedLedger,
    pub(super) graveyard: Graveyard,
    /// Whether the day is over, after which half of the devices are not seen again.
    pub(super) evening: watch::Receiver<bool>,
    pub(super) choices: StdRng,
}

impl Device {
    /// One life after the other, until the task is ended.
    pub(super) async fn live(mut self) {
        let mut held = Held::default();
        loop {
            let since = self.choices.random_bool(RESUMES).then_some(held.whole);
            if let Some(socket) = self.connect(since).await {
                let conversation = Conversation::new(&self.host, since, held.highest());
                self.visit(socket, conversation, &mut held).await;
            }
            if self.is_gone_for_good() {
                return std::future::pending().await;
            }
            let away = if self.choices.random_bool(0.4) { 500..4_000 } else { 20..300 };
            sleep(Duration::from_millis(self.choices.random_range(away))).await;
        }
    }

    /// In the evening every other device vanishes, and never asks for what it missed.
    fn is_gone_for_good(&self) -> bool {
        *self.evening.borrow() && self.number % 2 == 1
    }

    /// A server that is down, starting or full is no news here.
    async fn connect(&mut self, since: Option<i64>) -> Option<Socket> {
        let query = since.map_or_else(String::new, |since| format!("?since={since}"));
        let url = format!("ws://{}/ws/notifications{query}", self.server);
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().insert(AUTHORIZATION, format!("Bearer {}", self.token).parse().unwrap());
        let tcp = TcpSocket::new_v4().unwrap();
        if self.choices.random_bool(0.3) {
            tcp.set_recv_buffer_size(NARROW).unwrap();
        }
        let opened = async { client_async(request, tcp.connect(self.server).await?).await };
        let (socket, _) = timeout(PATIENCE, opened).await.ok()?.ok()?;
        Some(socket)
    }

    /// One connection, from its beginning to one of its many ends.
    async fn visit(&mut self, mut socket: Socket, mut conversation: Conversation, held: &mut Held) {
        loop {
            let stay = Duration::from_millis(self.choices.random_range(200..3_000));
            if !self.listen(&mut socket, &mut conversation, held, stay).await {
                return;
            }
            if self.is_gone_for_good() {
                return self.graveyard.bury(socket);
            }
            match self.choices.random_range(0..10) {
                // Goes on.
                0..=2 => {}
                // Stalls and goes on: as long as it takes to become overdue, or not quite.
                3..=5 => sleep(Duration::from_millis(self.choices.random_range(500..2_500))).await,
                6 | 7 => return self.graveyard.bury(socket),
                8 => {
                    // What is thrown away now with a reset was never received.
                    socket.get_ref().set_zero_linger().unwrap();
                    return;
                }
                _ => {
                    if socket.close(None).await.is_ok() {
                        self.listen(&mut socket, &mut conversation, held, PATIENCE).await;
                    }
                    return;
                }
            }
        }
    }

    /// Reads, which is what answers pings, for as long as this; false when the connection has ended.
    async fn listen(
        &mut self,
        socket: &mut Socket,
        conversation: &mut Conversation,
        held: &mut Held,
        time: Duration,
    ) -> bool {
        let end = Instant::now() + time;
        while let Ok(next) = timeout_at(end, socket.next()).await {
            let Some(Ok(message)) = next else { return false };
            let Message::Text(text) = message else { continue };
            let told = match conversation.hear(&event(&text)) {
                Ok(None) => continue,
                Ok(Some(told)) => told,
                Err(why) => {
                    self.ledger.lock().unwrap().wrong(format_args!("device {}: {why}", self.number));
                    return false;
                }
            };
            let id = told.id.clone();
            held.insert(told.seq);
            self.write_down(told);
            if self.choices.random_bool(READS) {
                let read = json!({"event": "markNotificationRead", "data": {"id": id}}).to_string();
                conversation.ask();
                // A server that does not even take it any more is heard of next.
                let _ = timeout_at(end, socket.send(Message::text(read))).await;
            }
        }
        true
    }

    fn write_down(&self, told: Told) {
        let mut ledger = self.ledger.lock().unwrap();
        ledger.received(self.number, &self.host, &told.id, told.seq);
        ledger.left_out(self.number, &self.host, told.left_out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_whole_up_to_the_first_hole() {
        let mut held = Held::default();
        for (seq, whole, highest) in [(2, 0, 2), (5, 0, 5), (1, 2, 5), (4, 2, 5), (3, 5, 5), (6, 6, 6)] {
            held.insert(seq);
            assert_eq!((held.whole, held.highest()), (whole, highest), "after {seq}");
        }
    }
}
