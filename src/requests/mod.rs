//! What back ends and guests ask for: bodies read into typed values and checked, whatever they came through. The REST
//! API and the ingest of messages take the same; no word of HTTP is known here.

pub mod body;
mod booking;
mod publication;
mod refused;
pub mod shapes;
pub mod values;

pub use booking::CreateBooking;
pub use publication::{PublishRequest, Target, draft_of, drafts_for, role_named};
pub use refused::{Fault, Refused};
