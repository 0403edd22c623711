//! What attackers try, a file per kind: the table in SECURITY.md names these tests.

mod crowding;
mod floods;
mod headers;
mod limits;
mod neighbours;
mod paths;
mod table;
mod tls;
mod tokens;
mod unread;
