//! The doors for clients that stay connected: pumps between bytes and sessions.

pub mod engineio;
pub mod entrance;
pub mod openapi;
pub mod raw;
pub mod socketio;
pub mod sse;
pub mod websocket;
mod wishes;
