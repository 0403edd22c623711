//! Whether the Socket.IO door speaks Engine.IO 4 and Socket.IO 5 as their specifications say: what a server
//! has to do for every client, over real sockets, against servers that only echo.

mod echo;
mod engineio;
mod polling;
mod socketio;
mod websocket;
