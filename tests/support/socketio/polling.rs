//! HTTP long-polling (Engine.IO 4) as a device does it: one GET at a time, which stays open until there is
//! something, and one POST at a time. A GET that was begun goes on while nobody waits for it, and another
//! is begun only by who reads on: a device that is left alone has died with its last answer unread.

use std::collections::VecDeque;

use reqwest::Client;
use tokio::task::JoinHandle;

use super::super::door::{Call, Close};

/// What an HTTP request was answered: the status and the body, or nothing, where the connection broke.
type Answered = Option<(u16, String)>;

/// A request that goes on by itself and is broken off when this is dropped.
#[derive(Debug)]
struct Request(JoinHandle<Answered>);

impl Request {
    fn send(request: reqwest::RequestBuilder) -> Self {
        Self(tokio::spawn(async move {
            let answer = request.send().await.ok()?;
            let status = answer.status().as_u16();
            Some((status, answer.text().await.ok()?))
        }))
    }

    /// May be given up and asked again.
    async fn answer(&mut self) -> Answered {
        (&mut self.0).await.ok().flatten()
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[derive(Debug)]
pub struct Polling {
    client: Client,
    url: String,
    get: Option<Request>,
    post: Option<Request>,
}

impl Polling {
    /// Shakes hands; answers the open packet's text, or the status and body of a refusal. None: no server.
    pub async fn open(call: &Call) -> Option<Result<(Self, String), (u16, String)>> {
        // No request of a device's goes over another device's connection.
        let client = Client::new();
        let url = format!("http://{}{}", call.address, call.socketio_path("polling"));
        match Request::send(client.get(&url)).answer().await? {
            (200, text) => Some(Ok((Self { client, url, get: None, post: None }, text))),
            refused => Some(Err(refused)),
        }
    }

    /// All requests from here on belong to this session.
    pub fn belong_to(&mut self, sid: &str) {
        self.url = format!("{}&sid={sid}", self.url);
    }

    /// Begins a GET, unless one is open.
    pub fn begin(&mut self) {
        self.get.get_or_insert_with(|| Request::send(self.client.get(&self.url)));
    }

    pub fn is_open(&self) -> bool {
        self.get.is_some()
    }

    /// Waits for what the GET brings, and begins it first where none is open. May be given up: the next
    /// call waits for the same GET.
    pub async fn fetch(&mut self) -> Answered {
        let get = self.get.get_or_insert_with(|| Request::send(self.client.get(&self.url)));
        let answered = get.answer().await;
        self.get = None;
        answered
    }

    /// Sends these packets, after those before them. May be given up: nothing is sent twice or forgotten.
    pub async fn send(&mut self, packets: &mut VecDeque<String>) -> Result<(), Close> {
        self.sent().await?;
        if packets.is_empty() {
            return Ok(());
        }
        let payload = Vec::from(std::mem::take(packets)).join("\u{1e}");
        self.post = Some(Request::send(self.client.post(&self.url).body(payload)));
        self.sent().await
    }

    /// Waits until nothing is on its way.
    async fn sent(&mut self) -> Result<(), Close> {
        let Some(post) = &mut self.post else { return Ok(()) };
        let answered = post.answer().await;
        self.post = None;
        match answered {
            Some((200, text)) => {
                assert_eq!(text, "ok");
                Ok(())
            }
            Some((status, _)) => Err(Close::Gone(status)),
            None => Err(Close::Broken),
        }
    }
}
