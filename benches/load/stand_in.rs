//! A stand-in for the server (the hidden command `stand-in`): it answers as bellhop does, as far as
//! this program looks, and keeps nothing. With it the load program can be tried, and what it costs by
//! itself can be seen, with no server and no database: `--server stand-in`.

use std::collections::HashMap;
use std::env;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use uuid::Uuid;

use crate::scan::{after, number, string};

const LISTENER: Token = Token(usize::MAX);
const UPGRADE: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";

pub(crate) fn run() -> Result<()> {
    let port = env::var_os("PORT").and_then(|port| port.to_str()?.parse().ok()).context("PORT is not set")?;
    let mut listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(1024);
    let mut world = World::default();
    let mut scratch = vec![0; 64 * 1024];
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result?,
        }
        for event in &events {
            let Token(index) = event.token();
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    let token = Token(world.streams.len());
                    poll.registry().register(&mut stream, token, Interest::READABLE)?;
                    world.streams.push(Some(stream));
                }
            } else if let Some(place) = world.streams.get_mut(index) {
                let Some(stream) = place else { continue };
                let read = stream.read(&mut scratch).unwrap_or(0);
                if read == 0 {
                    *place = None;
                    continue;
                }
                world.hear(index, scratch.get(..read).unwrap_or_default())?;
            }
        }
    }
}

#[derive(Default)]
struct World {
    /// Those that are open, by number.
    streams: Vec<Option<TcpStream>>,
    /// User → the connection, and the last `seq`.
    inboxes: HashMap<String, (usize, u64)>,
    /// Connection → the beginning of a request whose end has not arrived.
    partial: HashMap<usize, Vec<u8>>,
}

impl World {
    /// Puts a request together that comes in pieces; only one that names many users does.
    fn hear(&mut self, index: usize, bytes: &[u8]) -> Result<()> {
        let mut request = self.partial.remove(&index).unwrap_or_default();
        request.extend_from_slice(bytes);
        let announced = after(&request, b"Content-Length: ").and_then(number).unwrap_or(0);
        let body = after(&request, b"\r\n\r\n").map_or(0, <[u8]>::len);
        if usize::try_from(announced)? > body {
            self.partial.insert(index, request);
            return Ok(());
        }
        self.obey(index, &request)
    }

    /// Pongs are let pass.
    fn obey(&mut self, index: usize, request: &[u8]) -> Result<()> {
        if request.starts_with(b"GET /ready") {
            self.write(index, answer("200 OK", "{}").as_bytes());
        } else if request.starts_with(b"GET /ws/") {
            let user = user(request).context("a token without a user")?;
            let (to, last) = self.inboxes.entry(user).or_insert((index, 0));
            *to = index;
            let last = *last;
            let hello = text(&format!(r#"{{"event":"connected","data":{{"seq":{last}}}}}"#));
            self.write(index, &[UPGRADE.as_bytes(), &hello].concat());
            if let Some(since) = after(request, b"since=").and_then(number) {
                (since + 1..=last).for_each(|seq| self.write(index, &review(seq)));
                let data = format!(r#"{{"from":{},"to":{last}}}"#, since + 1);
                self.write(index, &text(&format!(r#"{{"event":"resumed","data":{data}}}"#)));
            }
        } else if request.starts_with(b"POST /bookings") {
            self.book(index, request)?;
        } else if let Some(users) = after(request, br#""userIds":[""#) {
            let users = users.split(|byte| *byte == b']').next().unwrap_or_default();
            for user in std::str::from_utf8(users)?.trim_end_matches('"').split(r#"",""#) {
                let (to, last) = self.inboxes.get_mut(user).context("no such user")?;
                *last += 1;
                let (to, last) = (*to, *last);
                self.write(to, &review(last));
            }
            self.write(index, answer("201 Created", "{}").as_bytes());
        } else if request.starts_with(b"POST /notifications") {
            let data = "x".repeat(220);
            let frame = text(&format!(r#"{{"event":"system.maintenance","data":"{data}"}}"#));
            for to in self.inboxes.values().map(|(to, _)| *to).collect::<Vec<_>>() {
                self.write(to, &frame);
            }
            self.write(index, answer("202 Accepted", "{}").as_bytes());
        }
        Ok(())
    }

    fn book(&mut self, index: usize, request: &[u8]) -> Result<()> {
        let host = after(request, br#""hostId":""#).and_then(string).context("no hostId")?;
        let (to, seq) = self.inboxes.get_mut(std::str::from_utf8(host)?).context("no such host")?;
        *seq += 1;
        let (to, seq, id, told) = (*to, *seq, Uuid::now_v7(), Uuid::now_v7());
        let frame = text(&format!(
            r#"{{"event":"booking.created","data":{{"id":"{told}","seq":{seq},"type":"booking.created","data":{{"bookingId":"{id}"}}}}}}"#
        ));
        let ping = [&[0x89, 8], seq.to_be_bytes().as_slice()].concat();
        let count = text(&format!(r#"{{"event":"notification:unread_count","data":{{"unread":{seq}}}}}"#));
        self.write(to, &[frame, count, ping].concat());
        let body = format!(r#"{{"booking":{{"id":"{id}"}},"notification":{{"id":"{told}","seq":{seq}}}}}"#);
        self.write(index, answer("201 Created", &body).as_bytes());
        Ok(())
    }

    fn write(&mut self, index: usize, bytes: &[u8]) {
        // What is not taken is missed by the load program, which says so.
        let _ = self.streams.get_mut(index).and_then(Option::as_mut).map(|stream| stream.write(bytes));
    }
}

/// What a user is told of by name.
fn review(seq: u64) -> Vec<u8> {
    text(&format!(r#"{{"event":"review.created","data":{{"seq":{seq},"type":"review.created"}}}}"#))
}

fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// A text frame, of at most 65,535 bytes.
fn text(payload: &str) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    let mut frame = vec![0x81];
    match u8::try_from(length) {
        Ok(short) if short < 126 => frame.push(short),
        _ => {
            frame.push(126);
            frame.extend_from_slice(&length.to_be_bytes());
        }
    }
    frame.extend_from_slice(payload.as_bytes());
    frame
}

/// The user that a token names; who signed it does not matter here.
fn user(request: &[u8]) -> Option<String> {
    let token = after(request, b"token=")?;
    let claims = token.split(|byte| *byte == b'.').nth(1)?;
    let claims = URL_SAFE_NO_PAD.decode(claims).ok()?;
    after(&claims, br#""userId":""#).and_then(string).map(|user| String::from_utf8_lossy(user).into_owned())
}
