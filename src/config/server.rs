//! `[server]`: where the server listens and how it stops.

use serde::{Deserialize, Serialize};

use super::network::Network;

/// Which header of a trusted proxy names the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`, a list of addresses to which every proxy adds its peer's.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSettings {
    /// What this instance is called among several, in letters and digits: the beginning of every Engine.IO `sid`
    /// (`a.…`), by which a balancer knows whose a polling request is. Defaults to empty: no name.
    pub instance: String,
    /// The address to listen on. Defaults to `127.0.0.1` in development, `0.0.0.0` in production.
    pub host: String,
    /// The port (`PORT`); 0 lets the system choose. Defaults to 3000.
    pub port: u16,
    /// A second port (`PORT_2`); none when absent. Defaults to none.
    #[serde(default)]
    pub port_2: Option<u16>,
    /// Worker threads; 0 means one per core. Defaults to 0.
    pub workers: usize,
    /// Where people reach the front end (`PUBLIC_URL`): what the link in a mail leads to. Defaults to empty,
    /// which means no link.
    pub public_url: String,
    /// Where browsers reach this server itself, for example `https://notify.example.com`: what mails link to where
    /// people choose what comes by mail. Defaults to empty, which means `http://localhost:{port}` in development, and
    /// no such link in production.
    pub external_url: String,
    /// Browser origins (scheme, host and port) that may connect (`CORS_ORIGIN`, comma separated).
    /// Defaults to `http://localhost:5173` in development, none in production.
    pub cors_origin: Vec<String>,
    /// The networks of proxies that are believed what they say of their clients' addresses, for example
    /// `10.0.0.0/8`. Defaults to none.
    pub trusted_proxies: Vec<Network>,
    /// Where those proxies say it: `x-forwarded-for` or `forwarded`. The other header is never looked at, for a
    /// proxy that does not know it passes on what the client wrote. Defaults to `x-forwarded-for`.
    pub forwarded_header: ForwardedHeader,
    /// Connections the kernel may queue before they are accepted. Defaults to 4096.
    pub backlog: u32,
    /// The time a client has to send a request's head, and as much again for its body, in milliseconds.
    /// Defaults to 10000.
    pub request_timeout_ms: u64,
    /// How long an idle HTTP connection is kept, in milliseconds. Defaults to 75000.
    pub keep_alive_ms: u64,
    /// How long what was sent may stay unacknowledged before the kernel gives a connection up, in milliseconds: what
    /// ends a peer that vanished without a word, and one that does not read its answer. Defaults to 60000.
    pub stall_timeout_ms: u64,
    /// A file with the certificate chain as PEM, the server's own first; with it every port speaks TLS. Defaults to
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_certificate: Option<String>,
    /// A file with its private key as PEM. Defaults to none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_key: Option<String>,
    /// How often is looked whether these files have changed, in milliseconds. Defaults to 10000.
    pub tls_reload_ms: u64,
    /// How long `/ready` answers 503 before connections are closed, in milliseconds, so that a
    /// balancer notices. Defaults to 0 in development, 3000 in production.
    pub drain_notice_ms: u64,
    /// Over how long the close frames of a drain are spread, in milliseconds: each session is told at a random moment of
    /// it, and served until then. Defaults to 500 in development, 5000 in production.
    pub drain_spread_ms: u64,
    /// How long a drain waits after that for sessions to end, and again for what was accepted to be written, for mail
    /// that is under way and for requests to finish, in milliseconds. Defaults to 5000.
    pub drain_timeout_ms: u64,
}
