//! Ports for servers that cannot be asked to choose one themselves.

use std::net::{Ipv4Addr, TcpListener};

/// A port that is free now. Another process may take it before it is used: callers try again.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port of the loopback interface");
    listener.local_addr().expect("a bound listener has an address").port()
}
