//! The WebSocket of a connection that began with polling: what it hears goes to the connection's home, one message
//! at a time, so that its client is slowed down rather than heard ahead.

use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use bytes::Bytes;
use bytestring::ByteString;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use super::home::{Closing, Detached, Frame, FromSocket, Home};
use super::link::Link;
use super::{Heard, Speaker};
use crate::actors::session::FrameRate;
use crate::domain::CloseReason;
use crate::transports::websocket::{Conversation, Kind};

/// How long the connection's last words may take to come here from its thread.
const GOODBYE_TIME: Duration = Duration::from_millis(500);

/// What is said on such a WebSocket.
#[derive(Debug)]
pub(super) struct Upgraded<S: Speaker> {
    home: Addr<Home<S>>,
    link: Arc<Link>,
    /// Counts the frames that the home never hears of.
    beside: FrameRate,
}

impl<S: Speaker> Upgraded<S> {
    pub(super) fn new(home: Addr<Home<S>>, link: Arc<Link>, beside: FrameRate) -> Self {
        Self { home, link, beside }
    }

    fn tell(&self, frame: Frame) -> Heard {
        let told = self.home.send(FromSocket { link: Arc::clone(&self.link), frame });
        let next = async move {
            match told.await {
                Ok(Ok(())) => Heard::Fine,
                Ok(Err(reason)) => Heard::Close(reason),
                // The home is gone, and with it the connection.
                Err(_) => Heard::Close(CloseReason::TryAgainLater),
            }
        };
        Heard::Wait(next.boxed_local())
    }
}

impl<S: Speaker> Conversation for Upgraded<S> {
    type Outgoing = Arc<Link>;
    const TAKES_BINARY: bool = true;

    fn begin(&mut self) -> LocalBoxFuture<'static, ()> {
        std::future::ready(()).boxed_local()
    }

    /// The home counts what it is told.
    fn counts_one_frame_too_many(&mut self, kind: Kind) -> bool {
        kind == Kind::Beside && self.beside.is_exceeded_by_one_more()
    }

    fn text(&mut self, text: ByteString) -> Heard {
        self.tell(Frame::Text(text))
    }

    fn binary(&mut self, bytes: Bytes) -> Heard {
        self.tell(Frame::Binary(bytes))
    }

    fn pong(&mut self, payload: Bytes) -> Heard {
        self.tell(Frame::Pong(payload))
    }

    /// The connection says goodbye itself, after what it has said before; where it cannot, its WebSocket does.
    fn close(&mut self, reason: CloseReason) -> LocalBoxFuture<'static, ()> {
        let told = self.home.send(Closing { link: Arc::clone(&self.link), reason });
        let link = Arc::clone(&self.link);
        async move {
            if let Ok(true) = told.await {
                let said = std::future::poll_fn(|cx| link.poll_goodbye(cx));
                // Late is as good as never: the WebSocket is closed then without the rest.
                let _ = tokio::time::timeout(GOODBYE_TIME, said).await;
            }
        }
        .boxed_local()
    }

    fn end(&mut self) {
        self.home.do_send(Detached { link: Arc::clone(&self.link) });
    }
}
