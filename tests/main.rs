//! All integration tests, in one binary: a module per file, and what they share in `support`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that meets what it does not expect has failed"
)]

mod architecture;
mod burst;
mod codecs;
mod email_smtp;
mod goodbye;
mod harness;
mod migrations;
mod persistence;
mod storage;
#[allow(
    dead_code,
    unreachable_pub,
    clippy::disallowed_methods,
    reason = "a vocabulary for tests, which stand outside of the program"
)]
mod support;
mod wire_shapes;
