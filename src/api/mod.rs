//! The REST API: a file per resource. A handler says who may, asks an actor or the reader, and answers.

mod admin;
mod bookings;
mod development;
mod documentation;
mod idempotency;
mod inbox;
mod mails;
pub mod openapi;
mod operations;
mod preferences;
mod publish;
mod receipts;
pub mod routes;
mod tag;
mod tickets;
mod unsubscribe;

pub use admin::stats::StatsTurn;
pub use development::TokenDesk;
pub use documentation::Document;
pub use operations::MetricsGate;
