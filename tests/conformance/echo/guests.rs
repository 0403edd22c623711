//! Lets everybody into two namespaces and answers their events with the same arguments.

use std::task::{Context, Poll};

use actix_web::HttpRequest;
use bellhop::actors::session::{FrameRate, Socket};
use bellhop::domain::CloseReason;
use bellhop::protocol::{frame, socketio};
use bellhop::transports::engineio::Heard;
use bellhop::transports::socketio::{Event, Guest, NoSeat, Reception, Seat};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, ready};
use serde_json::value::RawValue;

use super::speaker::Queue;

const NAMESPACES: [&str; 2] = ["/", "/custom"];

/// Everybody's host, and everybody's guest.
#[derive(Debug, Clone)]
pub(super) struct Host;

impl Reception for Host {
    type Guest = Self;

    fn receive(&self, _: &HttpRequest, _: &Socket, _: &FrameRate) -> Self {
        Self
    }

    fn is_draining(&self) -> bool {
        false
    }
}

impl Guest for Host {
    type Seat = Parrot;

    fn connect(
        &self,
        namespace: &str,
        auth: Option<Box<RawValue>>,
    ) -> LocalBoxFuture<'static, Result<Parrot, NoSeat>> {
        let Some(namespace) = NAMESPACES.into_iter().find(|known| *known == namespace) else {
            let refused = NoSeat::Refused { message: "Invalid namespace".to_owned(), data: None };
            return ready(Err(refused)).boxed_local();
        };
        let parrot = Parrot { namespace, queue: Queue::default() };
        let sid = uuid::Uuid::now_v7().simple().to_string();
        parrot.say(&socketio::connect(namespace, &sid, None), &[]);
        let auth = auth.as_deref().map_or("{}", RawValue::get);
        parrot.say(&socketio::event_with(namespace, "auth", &[auth], 0), &[]);
        ready(Ok(parrot)).boxed_local()
    }

    fn is_draining(&self) -> bool {
        false
    }
}

/// A client in a namespace, which hears what it says.
#[derive(Debug)]
pub(super) struct Parrot {
    namespace: &'static str,
    queue: Queue,
}

impl Parrot {
    fn say(&self, packet: &str, attachments: &[Bytes]) {
        self.queue.push(&frame::text(packet));
        for attachment in attachments {
            self.queue.push(&frame::binary(attachment));
        }
    }
}

impl Seat for Parrot {
    fn event(&self, event: Event) -> Heard {
        let Event { name, arguments, attachments, id } = event;
        let arguments: Vec<&str> = arguments.iter().map(|argument| argument.get()).collect();
        let count = attachments.len();
        let packet = match (name.as_str(), id) {
            ("message", None) => socketio::event_with(self.namespace, "message-back", &arguments, count),
            ("message-with-ack", Some(id)) => socketio::ack(self.namespace, id, &arguments, count),
            _ => return Heard::Fine,
        };
        self.say(&packet, &attachments);
        Heard::Fine
    }

    fn ack(&self, _: u64) {}

    fn proven(&self, _: &[u8]) {}

    fn awaited_pong(&self) -> bool {
        false
    }

    fn poll_frames(&self, cx: &mut Context<'_>) -> Poll<Bytes> {
        self.queue.poll(cx)
    }

    fn ended(&self) -> Option<CloseReason> {
        None
    }

    fn close(&self, _: CloseReason) {}

    fn leave(&self) {}

    fn gone(&self) {}
}
