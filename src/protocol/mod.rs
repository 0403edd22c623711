//! What goes over the wire, as pure functions between bytes and values: no I/O, no actors.

pub mod engineio;
pub mod events;
pub mod frame;
pub mod json;
pub mod letter;
pub mod offset;
mod reading;
pub mod socketio;
pub mod sse;
pub mod whole;
pub mod wire;
