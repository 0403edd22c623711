//! What the load program is asked to do.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Measures bellhop: bookings from the request to the host's device, fan-out, memory, and the limits
/// that they can be held against. It starts the server itself, and needs Linux.
#[derive(Debug, Parser)]
#[command(name = "cargo bench --bench load --")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) mode: Mode,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Mode {
    /// Bookings a second, and how long one takes to its host's device, at several loads.
    Bookings(Bookings),
    /// Bookings over one, two and three instances with Redis between them, and what that costs.
    Instances(Instances),
    /// What proof of receipt costs: bookings with it, with less of it and without.
    Proof(Proof),
    /// Everybody is cut off at once and comes back for what was missed.
    Reconnect(Reconnect),
    /// Processor time for each copy of a message to everybody, beside the limit of plain epoll.
    Fanout(Fanout),
    /// Memory of a connection that waits.
    Idle(Idle),
    /// Both of these for each door beside the raw one.
    Doors(Doors),
    /// Counting and listing one long inbox in a small table and in a large one, with the plans.
    History(History),
    /// Readers beside many who have stopped reading, and without them.
    Stalled(Stalled),
    /// Readers while many who are not let in try to connect, and without them.
    Refused(Refused),
    /// The bare inserts of the same rows on the same database.
    InsertLimit(InsertLimit),
    /// Everything, on both databases.
    All,
    /// The other end of the fan-out limit.
    #[command(hide = true)]
    LimitServer { frame_bytes: usize },
    /// Answers as bellhop would, without a database: to try this program itself.
    #[command(hide = true)]
    StandIn,
}

#[derive(Debug, Args)]
pub(crate) struct Common {
    /// The server's program, or `stand-in` to try the load program itself.
    #[arg(long, global = true, default_value = env!("CARGO_BIN_EXE_bellhop"))]
    pub(crate) server: PathBuf,
    /// `postgres` (a throw-away cluster), `sqlite` (a throw-away file) or a database's URL. The default is
    /// `postgres` for bookings, inserts and `reconnect`, and `sqlite` where no database is touched. `proof` takes
    /// `postgres,sqlite`, its default, or one of them.
    #[arg(long, global = true)]
    database: Option<String>,
    /// Where throw-away files go; what is measured is this disk. The default is the temporary directory.
    #[arg(long, global = true)]
    directory: Option<PathBuf>,
    /// How long any single wait may take, in seconds.
    #[arg(long, global = true, default_value_t = 120)]
    timeout: u64,
    /// Prints tables as Markdown.
    #[arg(long, global = true)]
    pub(crate) markdown: bool,
}

impl Common {
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    pub(crate) fn directory(&self) -> PathBuf {
        self.directory.clone().unwrap_or_else(env::temp_dir)
    }

    /// The databases that were named, separated by commas; none where nobody did.
    pub(crate) fn databases(&self) -> Option<impl Iterator<Item = &str>> {
        self.database.as_ref().map(|names| names.split(','))
    }

    pub(crate) fn database_or(&self, otherwise: &str) -> String {
        self.database.clone().unwrap_or_else(|| otherwise.to_owned())
    }
}

#[derive(Debug, Args)]
pub(crate) struct Bookings {
    /// Hosts that are connected.
    #[arg(long, value_parser = positive, default_value_t = 1000)]
    pub(crate) hosts: usize,
    /// Bookings at each load.
    #[arg(long, value_parser = positive, default_value_t = 10_000)]
    pub(crate) count: usize,
    /// Requests under way at once: a load each.
    #[arg(long, value_parser = positive, value_delimiter = ',', default_value = "1,16,64,256")]
    pub(crate) in_flight: Vec<usize>,
    /// Bookings a second of the last load, which sends by the clock whatever the answers do; 0 for none.
    #[arg(long, default_value_t = 500)]
    pub(crate) rate: usize,
    /// Leaves the bare inserts out.
    #[arg(long)]
    pub(crate) no_limit: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Instances {
    /// Over how many instances: a run each, with the devices where their hosts are booked, and one instance away.
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=8), value_delimiter = ',', default_value = "1,2,3")]
    pub(crate) over: Vec<u8>,
    /// Hosts that are connected, over all instances.
    #[arg(long, value_parser = positive, default_value_t = 1000)]
    pub(crate) hosts: usize,
    /// Bookings at each load.
    #[arg(long, value_parser = positive, default_value_t = 5_000)]
    pub(crate) count: usize,
    /// Requests under way at once, in all.
    #[arg(long, value_parser = positive, default_value_t = 64)]
    pub(crate) in_flight: usize,
    /// Bookings a second of the load that sends by the clock; 0 for none.
    #[arg(long, default_value_t = 200)]
    pub(crate) rate: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Proof {
    /// Hosts that are connected.
    #[arg(long, value_parser = positive, default_value_t = 1000)]
    pub(crate) hosts: usize,
    /// Bookings of each run.
    #[arg(long, value_parser = positive, default_value_t = 10_000)]
    pub(crate) count: usize,
    /// Requests under way at once.
    #[arg(long, value_parser = positive, default_value_t = 64)]
    pub(crate) in_flight: usize,
    /// Runs of each way, in turn; the table has their medians.
    #[arg(long, value_parser = positive, default_value_t = 3)]
    pub(crate) rounds: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Reconnect {
    /// Sockets connected, each a host's of its own.
    #[arg(long, value_parser = positive, default_value_t = 10_000)]
    pub(crate) sockets: usize,
    /// Notifications that each host misses.
    #[arg(long, default_value_t = 3)]
    pub(crate) missed: usize,
    /// Notifications to every host while they come back.
    #[arg(long, default_value_t = 1)]
    pub(crate) live: usize,
    /// What breaks.
    #[arg(long, value_enum, default_value_t = Cut::Sockets)]
    pub(crate) cut: Cut,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Cut {
    /// Every connection, while the server goes on.
    Sockets,
    /// The server: killed, and started again at once.
    Server,
}

#[derive(Debug, Args)]
pub(crate) struct Fanout {
    /// Sockets connected: a run each.
    #[arg(long, value_parser = positive, value_delimiter = ',', default_value = "1000,10000")]
    pub(crate) sockets: Vec<usize>,
    /// Copies of messages in each figure, over all sockets.
    #[arg(long, value_parser = positive, default_value_t = 500_000)]
    pub(crate) copies: usize,
    /// Messages of a burst.
    #[arg(long, value_parser = positive, default_value_t = 16)]
    pub(crate) burst: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Idle {
    /// Sockets connected.
    #[arg(long, value_parser = positive, default_value_t = 10_000)]
    pub(crate) sockets: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Doors {
    /// Sockets connected by each door; by all of them together fewer than a process may have files open.
    #[arg(long, value_parser = positive, default_value_t = 4_000)]
    pub(crate) sockets: usize,
    /// Times that everything is started anew.
    #[arg(long, value_parser = positive, default_value_t = 3)]
    pub(crate) starts: usize,
    /// Rounds by all doors in turn after each start; the table has their medians.
    #[arg(long, value_parser = positive, default_value_t = 5)]
    pub(crate) rounds: usize,
    /// Copies of messages by each door in each round, over all of its sockets, of each kind of load.
    #[arg(long, value_parser = positive, default_value_t = 100_000)]
    pub(crate) copies: usize,
    /// Messages of a burst.
    #[arg(long, value_parser = positive, default_value_t = 16)]
    pub(crate) burst: usize,
    /// Seconds of waiting, of which memory and processor time are looked at.
    #[arg(long, default_value_t = 60)]
    pub(crate) wait: u64,
}

#[derive(Debug, Args)]
pub(crate) struct History {
    /// Notifications in the small table, half of them in the inbox that is read.
    #[arg(long, value_parser = positive, default_value_t = 10_000)]
    pub(crate) small: usize,
    /// Notifications in the large table.
    #[arg(long, value_parser = positive, default_value_t = 5_000_000)]
    pub(crate) large: usize,
    /// Notifications of the inbox that is read in the large table.
    #[arg(long, value_parser = positive, default_value_t = 100_000)]
    pub(crate) own: usize,
    /// Times that each shape of query is run; the table has their medians.
    #[arg(long, value_parser = positive, default_value_t = 2_000)]
    pub(crate) rounds: usize,
    /// Bookings written in each of five turns with and without the lists' own index.
    #[arg(long, value_parser = positive, default_value_t = 12_800)]
    pub(crate) writes: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Stalled {
    /// Sockets that stop reading.
    #[arg(long, value_parser = positive, default_value_t = 1_000)]
    pub(crate) sleepers: usize,
    /// Sockets that read.
    #[arg(long, value_parser = positive, default_value_t = 200)]
    pub(crate) readers: usize,
    /// Broadcasts.
    #[arg(long, value_parser = positive, default_value_t = 5_000)]
    pub(crate) broadcasts: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Refused {
    /// Connections that are refused.
    #[arg(long, value_parser = positive, default_value_t = 10_000)]
    pub(crate) connections: usize,
    /// How many are tried in a second.
    #[arg(long, value_parser = positive, default_value_t = 1_000)]
    pub(crate) rate: usize,
    /// Sockets that read.
    #[arg(long, value_parser = positive, default_value_t = 200)]
    pub(crate) readers: usize,
}

#[derive(Debug, Args)]
pub(crate) struct InsertLimit {
    /// Bookings inserted at each size of batch.
    #[arg(long, value_parser = positive, default_value_t = 50_000)]
    pub(crate) rows: usize,
}

fn positive(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| "a whole number from 1 on is wanted".to_owned())
}

/// A mode with nothing but defaults, for `all`.
pub(crate) fn defaults<T: Args>() -> T {
    let command = T::augment_args(clap::Command::new("defaults"));
    T::from_arg_matches(&command.get_matches_from(["defaults"])).unwrap_or_else(|error| error.exit())
}
