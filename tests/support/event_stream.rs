//! A client of the event stream: reads it as the HTML standard's parser does (§9.2.6), keeps the last event's id as a
//! browser does, and shows it when it comes back.

use std::collections::VecDeque;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use super::app::TestApp;
use super::deadline::soon;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// An event as its handler gets it.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub name: String,
    /// What came with it; none where it had no id of its own.
    pub id: Option<String>,
    pub data: Value,
}

/// What a client asks for.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// Path and query.
    pub path: String,
    pub token: String,
    pub headers: Vec<(&'static str, String)>,
}

impl Ask {
    pub fn new(token: &str) -> Self {
        Self { path: "/notifications/sse".to_owned(), token: token.to_owned(), headers: Vec::new() }
    }

    /// Such as `?ttl=2`.
    pub fn with_query(mut self, query: &str) -> Self {
        self.path.push_str(query);
        self
    }

    pub fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// As a client that comes back.
    pub fn after(self, last: &str) -> Self {
        self.with_header("last-event-id", last)
    }
}

/// An open stream.
#[derive(Debug)]
pub struct EventStream {
    response: reqwest::Response,
    /// Bytes that are not a whole line yet.
    rest: Vec<u8>,
    /// The event that is being read.
    name: String,
    id: Option<String>,
    data: Option<String>,
    ready: VecDeque<Event>,
    last_id: String,
    retry: Vec<u64>,
}

impl EventStream {
    /// Opens a stream, which must succeed.
    pub async fn open(app: &TestApp, ask: &Ask) -> Self {
        let response = Self::request(app, ask).await;
        assert_eq!(response.status(), 200, "{ask:?}");
        Self::reading(response)
    }

    /// What the door answers.
    pub async fn request(app: &TestApp, ask: &Ask) -> reqwest::Response {
        Self::request_at(&app.url(&ask.path), ask).await
    }

    /// The same at another address than the server's own.
    pub async fn request_at(url: &str, ask: &Ask) -> reqwest::Response {
        // Of its own, so that a stream that is dropped is a connection that is closed.
        let mut request = reqwest::Client::new().get(url);
        if !ask.token.is_empty() {
            request = request.bearer_auth(&ask.token);
        }
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        soon("an answer", request.send()).await.unwrap()
    }

    pub fn reading(response: reqwest::Response) -> Self {
        Self {
            response,
            rest: Vec::new(),
            name: String::new(),
            id: None,
            data: None,
            ready: VecDeque::new(),
            last_id: String::new(),
            retry: Vec::new(),
        }
    }

    pub fn headers(&self) -> &HeaderMap<HeaderValue> {
        self.response.headers()
    }

    /// What a browser would show when it comes back; empty for nothing.
    pub fn last_id(&self) -> &str {
        &self.last_id
    }

    /// The times to wait that were said, in milliseconds.
    pub fn retry(&self) -> &[u64] {
        &self.retry
    }

    /// The next event; none when the stream has ended.
    pub async fn next(&mut self) -> Option<Event> {
        soon("an event, or the end of the stream", async {
            loop {
                if let Some(event) = self.ready.pop_front() {
                    return Some(event);
                }
                let chunk = self.response.chunk().await.expect("the stream is whole")?;
                self.take(&chunk);
            }
        })
        .await
    }

    /// The next event of this name; others before it are passed over.
    pub async fn next_event(&mut self, name: &str) -> Event {
        loop {
            let event = self.next().await.unwrap_or_else(|| panic!("the stream ended before {name}"));
            if event.name == name {
                return event;
            }
        }
    }

    /// Everything up to and including the first event of this name.
    pub async fn until(&mut self, name: &str) -> Vec<Event> {
        let mut events = Vec::new();
        loop {
            let event = self.next().await.unwrap_or_else(|| panic!("the stream ended before {name}"));
            let is_last = event.name == name;
            events.push(event);
            if is_last {
                return events;
            }
        }
    }

    /// Everything up to the end of the stream.
    pub async fn rest(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }

    fn take(&mut self, chunk: &[u8]) {
        self.rest.extend_from_slice(chunk);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8(line).expect("a stream is UTF-8");
            self.line(line.trim_end_matches('\n'));
        }
    }

    fn line(&mut self, line: &str) {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" if line.is_empty() => self.dispatch(),
            "" => {}
            "event" => value.clone_into(&mut self.name),
            "id" => self.id = Some(value.to_owned()),
            "data" => match &mut self.data {
                Some(data) => data.extend(["\n", value]),
                None => self.data = Some(value.to_owned()),
            },
            "retry" => self.retry.push(value.parse().expect("retry is a number")),
            other => panic!("no field of an event stream: {other}"),
        }
    }

    fn dispatch(&mut self) {
        let (name, id) = (std::mem::take(&mut self.name), self.id.take());
        if let Some(id) = &id {
            id.clone_into(&mut self.last_id);
        }
        if let Some(data) = self.data.take() {
            let data = serde_json::from_str(&data).unwrap_or_else(|error| panic!("{error}: {data}"));
            self.ready.push_back(Event { name, id, data });
        }
    }
}
