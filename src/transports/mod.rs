//! The doors for clients that stay connected: pumps between bytes and sessions.

pub mod raw;
pub mod websocket;
mod wishes;
