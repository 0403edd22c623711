//! What a connection's home is told, by requests and by the WebSocket that took over.

use std::sync::Arc;

use actix::prelude::*;
use bytes::Bytes;
use bytestring::ByteString;
use tokio::sync::oneshot;

use super::super::handshake::Refusal;
use super::super::link::Link;
use super::super::polling::Answer;
use crate::actors::session::Socket;
use crate::domain::CloseReason;

/// A GET waits for what is to be said.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), Refusal>")]
pub(in crate::transports::engineio) struct Get {
    pub(in crate::transports::engineio) answer: oneshot::Sender<Answer>,
    /// What tells this GET from every other, where the client says so.
    pub(in crate::transports::engineio) stamp: Option<String>,
}

/// The packets of a POST.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), Refusal>")]
pub(in crate::transports::engineio) struct Post {
    pub(in crate::transports::engineio) payload: ByteString,
}

/// A WebSocket came to take the connection over.
#[derive(Debug, Message)]
#[rtype(result = "Result<Arc<Link>, Refusal>")]
pub(in crate::transports::engineio) struct Attach {
    pub(in crate::transports::engineio) socket: Socket,
}

/// What a WebSocket that was attached has heard. Refused with the reason to close it.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), CloseReason>")]
pub(in crate::transports::engineio) struct FromSocket {
    pub(in crate::transports::engineio) link: Arc<Link>,
    pub(in crate::transports::engineio) frame: Frame,
}

#[derive(Debug)]
pub(in crate::transports::engineio) enum Frame {
    Text(ByteString),
    Binary(Bytes),
    Pong(Bytes),
}

/// A WebSocket cannot be listened to any more, for this reason. Answers whether the connection says goodbye on it.
#[derive(Debug, Message)]
#[rtype(result = "bool")]
pub(in crate::transports::engineio) struct Closing {
    pub(in crate::transports::engineio) link: Arc<Link>,
    pub(in crate::transports::engineio) reason: CloseReason,
}

/// The WebSocket is gone.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::transports::engineio) struct Detached {
    pub(in crate::transports::engineio) link: Arc<Link>,
}

/// What a POST says is not to be known, for this reason.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::transports::engineio) struct Broken(pub(in crate::transports::engineio) CloseReason);

/// The connection is gone.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(in crate::transports::engineio) struct Gone;
