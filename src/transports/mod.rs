//! Doors that stay open: each pumps between a connection's bytes and its session.

pub mod websocket;
