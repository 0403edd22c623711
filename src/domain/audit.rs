//! What administrators do and look at, as it is kept for whoever asks later. Made at the routes and by sessions, kept
//! before the deed is done or the answer given.

use uuid::Uuid;

use super::clock::Timestamp;
use super::ids::UserId;

/// How much of a device's name is kept, in bytes.
const DEVICE_MAX: usize = 200;

/// What an administrator did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AdminAction {
    ReadPresence,
    ReadLogs,
    ReadStats,
    ReadTrail,
    ReadAudit,
    ReadBroadcast,
    ReadBooking,
    Broadcast,
    Publish,
    Book,
    MoveBooking,
    Disconnect,
    RevokeToken,
    RevokeUser,
    /// A connection came into a room that is open to nobody else but its parties.
    JoinRoom,
}

impl AdminAction {
    /// Every action, for filters and documents.
    pub const ALL: [Self; 15] = [
        Self::ReadPresence,
        Self::ReadLogs,
        Self::ReadStats,
        Self::ReadTrail,
        Self::ReadAudit,
        Self::ReadBroadcast,
        Self::ReadBooking,
        Self::Broadcast,
        Self::Publish,
        Self::Book,
        Self::MoveBooking,
        Self::Disconnect,
        Self::RevokeToken,
        Self::RevokeUser,
        Self::JoinRoom,
    ];

    /// As it is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadPresence => "read_presence",
            Self::ReadLogs => "read_logs",
            Self::ReadStats => "read_stats",
            Self::ReadTrail => "read_trail",
            Self::ReadAudit => "read_audit",
            Self::ReadBroadcast => "read_broadcast",
            Self::ReadBooking => "read_booking",
            Self::Broadcast => "broadcast",
            Self::Publish => "publish",
            Self::Book => "book",
            Self::MoveBooking => "move_booking",
            Self::Disconnect => "disconnect",
            Self::RevokeToken => "revoke_token",
            Self::RevokeUser => "revoke_user",
            Self::JoinRoom => "join_room",
        }
    }
}

/// One deed of an administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Ordered by time: the cursor of lists.
    pub id: Uuid,
    pub at: Timestamp,
    pub actor: UserId,
    /// The platform's session where the token names one, else empty.
    pub device: String,
    pub action: AdminAction,
    /// Whom or what it concerned: a user, a notification, a role.
    pub target: Option<String>,
    /// JSON: how it was asked.
    pub detail: Option<String>,
    /// The request's id, as log lines and answers carry it.
    pub request_id: String,
}

impl AuditEntry {
    /// What is noted of a log-in's name.
    pub fn device_of(session: Option<&str>) -> String {
        let device = session.unwrap_or_default();
        device.get(..device.floor_char_boundary(DEVICE_MAX)).unwrap_or_default().to_owned()
    }
}
