//! What can be measured, a mode a file.

mod booking_load;
pub(crate) mod bookings;
mod broadcast;
mod deliveries;
pub(crate) mod doors;
pub(crate) mod fanout;
pub(crate) mod history;
pub(crate) mod idle;
pub(crate) mod insert_limit;
pub(crate) mod instances;
mod ledger;
mod notices;
pub(crate) mod proof;
pub(crate) mod reconnect;
pub(crate) mod refused;
mod returning;
#[path = "../../../tests/support/shapes.rs"]
#[expect(unreachable_pub, dead_code, reason = "shared with the tests")]
mod shapes;
mod spent;
pub(crate) mod stalled;
mod statement;

use std::fs;
use std::path::Path;

use anyhow::Result;
use tempfile::TempDir;

use crate::args::Common;
use crate::cluster::Cluster;
use crate::server::{Server, Setting};

/// A database for one server: made for the occasion, or somebody's own.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) name: &'static str,
    pub(crate) url: String,
    cluster: Option<Cluster>,
    directory: TempDir,
}

impl Database {
    /// `choice` is `postgres`, `sqlite` or a URL.
    pub(crate) fn open(choice: &str, common: &Common) -> Result<Self> {
        let within = common.directory();
        let directory = tempfile::Builder::new().prefix("bellhop-load-").tempdir_in(&within)?;
        let cluster = if choice == "postgres" { Some(Cluster::start(&within)?) } else { None };
        let (name, url) = match (choice, &cluster) {
            (_, Some(cluster)) => ("PostgreSQL", cluster.url()),
            ("sqlite", _) => ("SQLite", sqlite_url(&directory.path().join("bellhop.db"))),
            (url, _) if url.starts_with("sqlite:") => ("SQLite", url.to_owned()),
            (url, _) => ("PostgreSQL", url.to_owned()),
        };
        Ok(Self { name, url, cluster, directory })
    }

    /// The server over this database, as it is when nobody configures anything.
    pub(crate) fn serve(&self, common: &Common) -> Result<Server> {
        self.serve_with(common, &[])
    }

    pub(crate) fn serve_with(&self, common: &Common, settings: &[Setting<'_>]) -> Result<Server> {
        Server::start(&common.server, &self.url, self.directory.path(), settings)
    }

    /// Another instance over it, with a folder of its own.
    pub(crate) fn serve_another(
        &self,
        common: &Common,
        name: &str,
        settings: &[Setting<'_>],
    ) -> Result<Server> {
        let directory = self.directory.path().join(name);
        fs::create_dir_all(&directory)?;
        Server::start(&common.server, &self.url, &directory, settings)
    }

    /// Where the bare inserts go: the same cluster, or a file beside the server's.
    pub(crate) fn limit_url(&self) -> String {
        match self.name {
            "SQLite" => sqlite_url(&self.directory.path().join("limit.db")),
            _ => self.url.clone(),
        }
    }

    /// The process whose family is the database's; none where it is the server itself, or elsewhere.
    pub(crate) fn id(&self) -> Option<u32> {
        self.cluster.as_ref().map(Cluster::id)
    }
}

fn sqlite_url(path: &Path) -> String {
    format!("sqlite://{}", path.display())
}
