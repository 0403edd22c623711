//! What attackers try, a file per kind: the table in SECURITY.md names these tests.

mod limits;
mod neighbours;
mod table;
