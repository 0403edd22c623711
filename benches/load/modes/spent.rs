//! What a stretch of a run has cost: processor time of the server, of the database and of this program.

use std::time::Duration;

use anyhow::Result;

use super::Database;
use crate::process;
use crate::report::micros_each;
use crate::server::Server;

/// Of server, database and load program; a database that is the server itself, or elsewhere, has none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spent(pub(super) [Option<Duration>; 3]);

impl Spent {
    /// So far, since each of them was started.
    pub(super) fn read(server: &Server, database: &Database) -> Result<Self> {
        Ok(Self([
            Some(process::cpu(server.id())?),
            database.id().map(process::cpu_of_family).transpose()?,
            Some(process::cpu(std::process::id())?),
        ]))
    }

    pub(super) fn since(self, before: Self) -> Self {
        let mut spent = self.0;
        for (after, before) in spent.iter_mut().zip(before.0) {
            *after = after.zip(before).map(|(after, before)| after.saturating_sub(before));
        }
        Self(spent)
    }

    /// As text, for each of `count` things.
    pub(super) fn micros_each(self, count: usize) -> impl Iterator<Item = String> {
        self.text(move |spent| format!("{:.0} µs", micros_each(spent, count)))
    }

    /// As text, in all.
    pub(super) fn seconds(self) -> impl Iterator<Item = String> {
        self.text(|spent| format!("{:.2} s", spent.as_secs_f64()))
    }

    fn text(self, show: impl Fn(Duration) -> String) -> impl Iterator<Item = String> {
        self.0.into_iter().map(move |spent| spent.map_or_else(|| "–".to_owned(), &show))
    }
}
