//! Receipts: what happened to a notification on its way, step by step, kept for whoever asks later who
//! saw what, when and on which device.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::ids::{NotificationId, UserId};

/// Through what somebody was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    WebSocket,
    SocketIo,
    Sse,
    Rest,
    Email,
    /// A back end said so through the broker.
    Amqp,
}

impl Channel {
    /// Every channel, for filters and documents.
    pub const ALL: [Self; 6] =
        [Self::WebSocket, Self::SocketIo, Self::Sse, Self::Rest, Self::Email, Self::Amqp];

    /// As it is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::SocketIo => "socketio",
            Self::Sse => "sse",
            Self::Rest => "rest",
            Self::Email => "email",
            Self::Amqp => "amqp",
        }
    }
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// A device has it.
    Confirmed,
    /// Its user marked it as read.
    Read,
    /// Its user deleted it.
    Deleted,
    /// A try to send the mail failed; there will be another.
    Deferred,
    /// The mail server took the mail.
    Emailed,
    /// The recipient has no address, or does not want mail of this category.
    Suppressed,
    /// The booking was cancelled before anybody saw it.
    Withdrawn,
    /// Every try was used up, or the mail server refused for good.
    Failed,
}

impl Step {
    /// Every step, for filters and documents.
    pub const ALL: [Self; 8] = [
        Self::Confirmed,
        Self::Read,
        Self::Deleted,
        Self::Deferred,
        Self::Emailed,
        Self::Suppressed,
        Self::Withdrawn,
        Self::Failed,
    ];

    /// As it is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Read => "read",
            Self::Deleted => "deleted",
            Self::Deferred => "deferred",
            Self::Emailed => "emailed",
            Self::Suppressed => "suppressed",
            Self::Withdrawn => "withdrawn",
            Self::Failed => "failed",
        }
    }
}

/// A device of a user, as the audit names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    pub user: UserId,
    pub channel: Channel,
    /// The platform's session where the token names one, else the connection's own name; empty over REST
    /// without such a token.
    pub name: Box<str>,
}

/// A device has a notification.
#[derive(Debug, Clone)]
pub struct Proven {
    pub notification: NotificationId,
    pub device: Arc<Device>,
    pub at: Timestamp,
    /// Whether it was given again to who missed it. A device may miss the same over and over.
    pub replayed: bool,
}

/// A device says that it has everything of its user's inbox above one seq up to another.
#[derive(Debug, Clone)]
pub struct UpTo {
    pub device: Arc<Device>,
    pub above: i64,
    pub seq: i64,
}
