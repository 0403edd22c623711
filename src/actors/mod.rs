//! The actors: who owns what, and what they say to each other. The receiver owns a message's type;
//! a handler only delegates to a plain struct beside it.

pub mod email;
pub mod hub;
pub mod liaison;
pub mod locksmith;
pub mod persistence;
pub mod presence;
pub mod reader;
pub mod session;
pub mod warden;
pub mod watch;
