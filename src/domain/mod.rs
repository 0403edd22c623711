//! What bellhop is about, as plain values: no actors, no database, no HTTP.
//! Every other layer may import this one; it imports nothing of the crate.

pub mod audit;
pub mod backoff;
pub mod booking;
pub mod broadcast;
pub mod clock;
pub mod close;
pub mod identity;
pub mod ids;
pub mod invalid;
pub mod notification;
pub mod order;
pub mod page_address;
pub mod receipt;
pub mod recipient;
pub mod request_id;
pub mod room;
pub mod ticket;

pub use audit::{AdminAction, AuditEntry};
pub use booking::{Booking, BookingStatus, NewBooking, Transition};
pub use broadcast::Broadcast;
pub use clock::{Clock, SteadyClock, SystemClock, Timestamp};
pub use close::CloseReason;
pub use identity::{Credential, Identity, KeyMark, Member, Role};
pub use ids::{BookingId, IdGenerator, NotificationId, TimeOrderedIds, UserId};
pub use invalid::Invalid;
pub use notification::{Category, Content, Draft, InboxState, Notification, Priority, Selection};
pub use order::{Demand, Order};
pub use page_address::PageAddress;
pub use receipt::{Channel, Device, Proven, Step, UpTo};
pub use recipient::{Preferences, Profile, Recipient};
pub use request_id::RequestId;
pub use room::Room;
pub use ticket::Door;
