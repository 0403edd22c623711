//! Bellhop, a self-hosted real-time notification server for booking platforms.
//!
//! The modules in reading order. A layer imports only those above it in this list, siblings never;
//! `tests/architecture.rs` holds that.

/// What bellhop is about, as plain values.
pub mod domain;

/// Settings, from built-in defaults, files and the environment.
pub mod config;

/// Logs and figures.
pub mod telemetry;

/// Who a token's bearer is.
pub mod auth;

/// Arguments, and the commands that need no server.
pub mod cli;
