//! Engine.IO, protocol 4: sessions over HTTP and WebSocket, without a meaning for their messages.

mod closing;
mod handshake;
mod heartbeat;
mod limits;
mod polling_messages;
mod upgrade;
mod websocket_messages;
