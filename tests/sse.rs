//! The event stream: who is let in and what they are told, what they missed, how streams end, what proves receipt.

mod ends;
mod front_end;
mod opening;
mod proof;
mod proxy;
mod replay;
mod trial;
