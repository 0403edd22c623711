//! Guests who book at a steady rate and write down what they were answered. Half of them name their request
//! with an `Idempotency-Key` and repeat it until they know what became of it.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use reqwest::Client;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::ledger::{Receipt, SharedLedger};
use crate::support::app::booking;

/// How long a guest waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a guest goes on asking what became of a booking when the load has ended.
const LAST_TRIES: Duration = Duration::from_secs(20);
/// How often a guest who was answered asks again all the same.
const DOUBTS: f64 = 0.1;

/// What all guests share.
#[derive(Debug, Clone)]
pub(super) struct Desk {
    client: Client,
    /// Each request is sent to any of these, also one that is sent again.
    urls: Vec<String>,
    hosts: Vec<String>,
    ledger: SharedLedger,
}

/// One request, which may be sent more than once if it has a key.
#[derive(Debug)]
struct Request {
    host: String,
    body: Value,
    key: Option<String>,
}

impl Desk {
    pub(super) fn new(urls: Vec<String>, hosts: Vec<String>, ledger: SharedLedger) -> Self {
        let client = Client::builder().timeout(PATIENCE).build().unwrap();
        Self { client, urls, hosts, ledger }
    }

    /// One guest: a booking every `pace` for as long as the desk is open.
    pub(super) async fn serve(
        self,
        guest: usize,
        token: String,
        pace: Duration,
        open: watch::Receiver<bool>,
        mut choices: StdRng,
    ) {
        let mut clock = interval(pace);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut unknown = None;
        let mut made = 0;
        let mut closed_at = None;
        loop {
            clock.tick().await;
            if !*open.borrow() {
                let since = *closed_at.get_or_insert_with(Instant::now);
                let Some(request) = &unknown else { return };
                if since.elapsed() > LAST_TRIES {
                    self.wrong(format_args!("{request:?} was never answered"));
                    return;
                }
            }
            let request = unknown.take().unwrap_or_else(|| {
                made += 1;
                self.request(guest, made, &mut choices)
            });
            let Some(receipt) = self.post(&request, &token, &mut choices).await else {
                unknown = Some(request).filter(|request| request.key.is_some());
                continue;
            };
            if request.key.is_some() && choices.random_bool(DOUBTS) {
                let again = self.post(&request, &token, &mut choices).await;
                if again.as_ref().is_some_and(|again| *again != receipt) {
                    self.wrong(format_args!("{request:?} was answered {receipt:?}, then {again:?}"));
                }
            }
        }
    }

    /// Its listing is in no other request, so that the database shows which request made a booking.
    fn request(&self, guest: usize, number: usize, choices: &mut StdRng) -> Request {
        let host = self.hosts[choices.random_range(0..self.hosts.len())].clone();
        let mut body = booking(&host);
        let name = format!("{guest}-{number}");
        body["listingId"] = format!("listing-{name}").into();
        let key = choices.random_bool(0.5).then_some(name);
        Request { host, body, key }
    }

    /// Sends it; answers the receipt, which is in the ledger by then.
    async fn post(&self, request: &Request, token: &str, choices: &mut StdRng) -> Option<Receipt> {
        let url = &self.urls[choices.random_range(0..self.urls.len())];
        let mut post = self.client.post(url).bearer_auth(token).json(&request.body);
        if let Some(key) = &request.key {
            post = post.header("idempotency-key", key);
        }
        let receipt = self.answer_of(post).await;
        let mut ledger = self.ledger.lock().unwrap();
        match &receipt {
            Some(receipt) => ledger.promised(&request.host, receipt),
            None => ledger.refused(),
        }
        receipt
    }

    /// Only a whole answer counts: a guest who got half of one was promised nothing.
    async fn answer_of(&self, post: reqwest::RequestBuilder) -> Option<Receipt> {
        let answer = post.send().await.ok()?;
        let status = answer.status().as_u16();
        let text = answer.text().await.ok()?;
        match status {
            201 => {
                let receipt = receipt(&text);
                if receipt.is_none() {
                    self.wrong(format_args!("201 with {text}"));
                }
                receipt
            }
            // The second crosses a request on a connection that was not used for so long that the server gives it up.
            503 | 408 => None,
            _ => {
                self.wrong(format_args!("a booking was answered {status}: {text}"));
                None
            }
        }
    }

    fn wrong(&self, what: impl std::fmt::Display) {
        self.ledger.lock().unwrap().wrong(what);
    }
}

fn receipt(text: &str) -> Option<Receipt> {
    let answer: Value = serde_json::from_str(text).ok()?;
    Some(Receipt {
        booking: answer["booking"]["id"].as_str()?.to_owned(),
        notification: answer["notification"]["id"].as_str()?.to_owned(),
        seq: answer["notification"]["seq"].as_i64()?,
    })
}
