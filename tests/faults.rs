//! Small faults of everyday life, each with a clear outcome: a full disk, a database that somebody else
//! holds, and clients that say the same thing twice.

mod disk;
mod held;
mod read_only;
mod repeats;
