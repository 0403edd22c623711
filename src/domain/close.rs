//! Why a session ends. Every close that the server starts has one of these: it is the code and
//! text the client sees and the label of the metric.

use std::fmt;

/// A reason to close a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The client said goodbye or its connection ended.
    ClientLeft,
    /// The server is stopping; another instance, or this one soon, takes over.
    ServerRestart,
    /// The time to live that the client asked for is over.
    TtlElapsed,
    /// The client asked for one notification and has got it.
    OnceDelivered,
    /// The token that the session goes by has expired.
    TokenExpired,
    /// An administrator revoked the token that the session goes by.
    TokenRevoked,
    /// An administrator ended the user's connections.
    Disconnected,
    /// The key that signed the session's token is none of the configured keys any more.
    KeyWithdrawn,
    /// The client went on sending after it was told to slow down.
    RateLimited,
    /// The client reads too slowly: its queue is full.
    SlowConsumer,
    /// Nothing was heard from the client for longer than the heartbeat allows.
    HeartbeatTimeout,
    /// The user has as many sessions as one may have.
    TooManySessions,
    /// A Socket.IO connection joined no namespace in time.
    NoNamespace,
    /// The client broke the protocol.
    ProtocolError,
    /// The client sent text that is not UTF-8.
    InvalidText,
    /// The client sent a message larger than is allowed.
    MessageTooLarge,
    /// The client sent binary where only text is understood.
    UnsupportedData,
    /// The server is over a limit or lost its database: try again later.
    TryAgainLater,
}

impl CloseReason {
    /// The WebSocket close code: RFC 6455 §7.4.1 and the registry it founded; 4000 and above are bellhop's.
    pub const fn code(self) -> u16 {
        match self {
            Self::ClientLeft => 1000,
            Self::UnsupportedData => 1003,
            Self::ProtocolError => 1002,
            Self::InvalidText => 1007,
            Self::MessageTooLarge => 1009,
            Self::ServerRestart => 1012,
            Self::TryAgainLater => 1013,
            Self::TtlElapsed => 4000,
            Self::OnceDelivered => 4001,
            Self::TokenExpired => 4002,
            Self::TokenRevoked => 4003,
            Self::Disconnected => 4004,
            Self::KeyWithdrawn => 4005,
            Self::RateLimited => 4008,
            Self::SlowConsumer => 4009,
            Self::HeartbeatTimeout => 4010,
            Self::TooManySessions => 4011,
            Self::NoNamespace => 4012,
        }
    }

    /// Whether it is for want of a token that is believed.
    pub const fn is_of_token(self) -> bool {
        matches!(self, Self::TokenExpired | Self::TokenRevoked | Self::KeyWithdrawn)
    }

    /// Whether a client that comes back by itself is welcome: with a fresh token, to another instance, or when its network is
    /// better. The others would only be closed again, or asked for the end themselves.
    pub const fn comes_back(self) -> bool {
        match self {
            Self::ServerRestart
            | Self::TokenExpired
            | Self::Disconnected
            | Self::KeyWithdrawn
            | Self::SlowConsumer
            | Self::HeartbeatTimeout
            | Self::TooManySessions
            | Self::TryAgainLater => true,
            Self::ClientLeft
            | Self::TtlElapsed
            | Self::OnceDelivered
            | Self::TokenRevoked
            | Self::RateLimited
            | Self::NoNamespace
            | Self::ProtocolError
            | Self::InvalidText
            | Self::MessageTooLarge
            | Self::UnsupportedData => false,
        }
    }

    /// The text of the close frame, and the metric's label.
    pub const fn text(self) -> &'static str {
        match self {
            Self::ClientLeft => "client_left",
            Self::ServerRestart => "server_restart",
            Self::TtlElapsed => "ttl_elapsed",
            Self::OnceDelivered => "once_delivered",
            Self::TokenExpired => "token_expired",
            Self::TokenRevoked => "token_revoked",
            Self::Disconnected => "disconnected",
            Self::KeyWithdrawn => "key_withdrawn",
            Self::RateLimited => "rate_limited",
            Self::SlowConsumer => "slow_consumer",
            Self::HeartbeatTimeout => "heartbeat_timeout",
            Self::TooManySessions => "too_many_sessions",
            Self::NoNamespace => "no_namespace",
            Self::ProtocolError => "protocol_error",
            Self::InvalidText => "invalid_text",
            Self::MessageTooLarge => "message_too_large",
            Self::UnsupportedData => "unsupported_data",
            Self::TryAgainLater => "try_again_later",
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
