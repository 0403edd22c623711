//! What integration tests share: databases, the server in this process, the real binary as a child.

pub mod answer;
pub mod app;
pub mod both;
pub mod clock;
pub mod database;
pub mod deadline;
pub mod door;
pub mod event_stream;
pub mod node;
pub mod port;
pub mod postgres;
pub mod process;
pub mod proxy;
pub mod rabbitmq;
pub mod raw_socket;
pub mod records;
pub mod redis;
pub mod server;
pub mod shapes;
pub mod smtp_sink;
pub mod socket;
pub mod socketio;
pub mod store;
pub mod tickets;
pub mod tunnel;
pub mod wire;
