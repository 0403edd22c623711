//! What passed through a Redis server, for tests of how little should: commands by name, and bytes. The
//! test's own questions are counted as well, by Redis; here they are left out.

use std::collections::BTreeMap;
use std::ops::Sub;

use super::RedisServer;

/// What the tests ask themselves.
const OWN: [&str; 6] = ["info", "auth", "pubsub|numsub", "pubsub|channels", "dbsize", "keys"];

/// Counters since the server began, or between two moments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Calls by command; one with a subcommand is written `client|setinfo`.
    pub commands: BTreeMap<String, u64>,
    /// What Redis read and wrote, the tests' own questions included.
    pub bytes_in: u64,
    pub bytes_out: u64,
}

impl Traffic {
    /// How many commands there were, apart from those that this leaves out.
    pub fn commands_without(&self, left_out: &[&str]) -> u64 {
        let counted = self.commands.iter().filter(|(name, _)| !left_out.contains(&name.as_str()));
        counted.map(|(_, calls)| calls).sum()
    }
}

impl Sub for &Traffic {
    type Output = Traffic;

    fn sub(self, before: Self) -> Traffic {
        let since = |(name, calls): (&String, &u64)| {
            let calls = calls - before.commands.get(name).unwrap_or(&0);
            (calls > 0).then(|| (name.clone(), calls))
        };
        Traffic {
            commands: self.commands.iter().filter_map(since).collect(),
            bytes_in: self.bytes_in - before.bytes_in,
            bytes_out: self.bytes_out - before.bytes_out,
        }
    }
}

impl RedisServer {
    /// What has passed so far.
    pub fn traffic(&self) -> Traffic {
        let stats = self.command(&["INFO", "stats"]);
        let figure = |name: &str| -> u64 {
            let found = stats.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            found.and_then(|text| text.trim().parse().ok()).expect("Redis tells this figure")
        };
        let calls = self.command(&["INFO", "commandstats"]);
        let commands = calls.lines().filter_map(|line| {
            let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            let calls = rest.split(',').next()?.parse().ok()?;
            (!OWN.contains(&name)).then(|| (name.to_owned(), calls))
        });
        Traffic {
            commands: commands.collect(),
            bytes_in: figure("total_net_input_bytes"),
            bytes_out: figure("total_net_output_bytes"),
        }
    }

    /// How many connections listen to a channel.
    pub fn listeners(&self, channel: &str) -> i64 {
        self.ask(&["PUBSUB", "NUMSUB", channel]).unwrap().list()[1].number()
    }

    /// The channels that anybody listens to.
    pub fn channels(&self, pattern: &str) -> Vec<String> {
        let channels = self.ask(&["PUBSUB", "CHANNELS", pattern]).unwrap().list();
        channels.iter().map(ToString::to_string).collect()
    }

    /// The keys that are there.
    pub fn keys(&self, pattern: &str) -> Vec<String> {
        self.ask(&["KEYS", pattern]).unwrap().list().iter().map(ToString::to_string).collect()
    }
}
