//! All integration tests, in one binary: a module per file, and what they share in `support`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that meets what it does not expect has failed"
)]

mod acks;
mod acquaintances;
mod administration;
mod architecture;
mod attacks;
mod bad_requests;
mod bad_tokens;
mod balancers;
mod bookings;
mod burst;
mod buses;
mod client_events;
mod codecs;
mod conformance;
mod crash;
mod delivery;
mod deploy;
mod drain;
mod email_smtp;
mod faults;
mod fleet;
mod front_ends;
mod goodbye;
mod harness;
mod head;
mod heaps;
mod history;
mod idempotency;
mod inbox;
mod ingest;
mod limits;
mod mail;
mod mail_fairness;
mod mail_queue;
mod migrations;
mod namespaces;
mod openapi;
mod overload;
mod pages;
mod persistence;
mod preference_links;
mod protocol_violations;
mod publishing;
mod recovery;
mod reminders;
mod resume;
mod retention;
mod rooms;
mod settling;
mod soak;
mod socketio_doors;
mod socketio_requests;
mod sse;
mod stopping;
mod storage;
#[allow(
    dead_code,
    unreachable_pub,
    clippy::disallowed_methods,
    reason = "a vocabulary for tests, which stand outside of the program"
)]
mod support;
mod telemetry;
mod tickets;
mod tokens;
mod trail;
mod wall_clock;
mod websocket_handshake;
mod wire_shapes;
