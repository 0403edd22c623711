//! What attackers try, a file per kind: the table in SECURITY.md names these tests.

mod neighbours;
mod table;
