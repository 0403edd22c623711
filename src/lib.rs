//! Bellhop, a self-hosted real-time notification server for booking platforms.
//!
//! The modules in reading order. A layer imports only those above it in this list, siblings never;
//! `tests/architecture.rs` holds that.

/// What bellhop is about, as plain values.
pub mod domain;

/// Settings, from built-in defaults, files and the environment.
pub mod config;

/// What operators see: log lines and figures.
pub mod telemetry;

/// Bytes and values of the wire, as pure functions.
pub mod protocol;

/// What is kept: Diesel over PostgreSQL and SQLite.
pub mod storage;

/// Mail: written from templates, sent by SMTP or to files.
pub mod email;

/// What goes between instances: none, or Redis.
pub mod bus;

/// Which tokens are believed, and who their bearers are.
pub mod auth;

/// The actors: persistence, the hub, sessions, e-mail.
pub mod actors;

/// What back ends and guests ask for, read and checked, whatever it came through.
pub mod requests;

/// What every HTTP door shares: errors, credentials, request ids, origins.
pub mod http;

/// Doors that stay open: the raw WebSocket.
pub mod transports;

/// Events from RabbitMQ.
pub mod ingest;

/// What people see: pages, the browser client and the bell.
pub mod web;

/// The REST API.
pub mod api;

/// The composition root: wires everything, starts and stops it.
pub mod app;

/// Arguments, and the commands that need no server.
pub mod cli;
