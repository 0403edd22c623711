//! What fails: the server is killed, frozen or told to stop, the database is stopped, the mail server
//! misbehaves, at random moments one after the other. At the end everything is in order again.

use std::ops::Range;
use std::time::Duration;

use nix::sys::signal::Signal;
use rand::RngExt;
use rand::rngs::StdRng;
use tokio::time::sleep;

use crate::support::postgres::Cluster;
use crate::support::process::Process;
use crate::support::smtp_sink::{Behaviour, SmtpSink};

/// How often it is the database that fails, where there is one that can.
const DATABASE_SHARE: f64 = 0.2;
/// How often the server is told to stop instead of being killed.
const DRAIN_SHARE: f64 = 0.1;
/// How often it is frozen for a while instead, as a machine that is moved or overloaded freezes.
const FREEZE_SHARE: f64 = 0.1;
/// How often it is killed once more while it starts.
const RELAPSE_SHARE: f64 = 0.2;

/// Everything that can fail. It may block: those who take part do not run on its thread.
#[derive(Debug)]
pub(super) struct Chaos<'a> {
    pub(super) server: &'a mut Process,
    /// None where the database is a file.
    pub(super) cluster: Option<&'a Cluster>,
    pub(super) sink: &'a SmtpSink,
    pub(super) choices: StdRng,
}

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Damage {
    pub(super) kills: usize,
    pub(super) drains: usize,
    pub(super) freezes: usize,
    pub(super) database_stops: usize,
}

impl Chaos<'_> {
    /// Breaks something time and again, until the server was killed so often.
    pub(super) async fn rage(&mut self, kills: usize) -> Damage {
        let mut damage = Damage::default();
        while damage.kills < kills {
            self.pause(100..1_500).await;
            let behaviour = self.behaviour();
            self.sink.set(behaviour);
            // A run is as long as its kills: whatever else is done is half as much at most.
            let enough = damage.drains + damage.freezes + damage.database_stops >= kills / 2;
            let mut is_time_for = |share| !enough && self.choices.random_bool(share);
            let drains = is_time_for(DRAIN_SHARE);
            let freezes = is_time_for(FREEZE_SHARE);
            // Once at least, also in a run that is short.
            let due = damage.database_stops == 0 && damage.kills == kills / 2;
            let database = self.cluster.filter(|_| is_time_for(DATABASE_SHARE) || due);
            if let Some(cluster) = database {
                self.stop_database(cluster).await;
                damage.database_stops += 1;
            } else if drains {
                let status = self.server.terminate();
                assert!(status.success(), "told to stop, the server ended with {status}");
                self.server.restart().await;
                damage.drains += 1;
            } else if freezes {
                self.server.signal(Signal::SIGSTOP);
                self.pause(500..4_000).await;
                self.server.signal(Signal::SIGCONT);
                damage.freezes += 1;
            } else {
                self.kill().await;
                damage.kills += 1;
            }
        }
        self.sink.set(Behaviour::Accept);
        damage
    }

    async fn kill(&mut self) {
        self.server.kill();
        self.pause(0..200).await;
        if self.choices.random_bool(RELAPSE_SHARE) {
            self.server.launch();
            self.pause(1..300).await;
            self.server.kill();
        }
        self.server.restart().await;
    }

    async fn stop_database(&mut self, cluster: &Cluster) {
        cluster.stop();
        self.pause(50..800).await;
        // Now and then nobody is left to notice that it comes back.
        let also_server = self.choices.random_bool(0.3);
        if also_server {
            self.server.kill();
        }
        cluster.start();
        if also_server {
            self.server.restart().await;
        }
    }

    async fn pause(&mut self, milliseconds: Range<u64>) {
        sleep(Duration::from_millis(self.choices.random_range(milliseconds))).await;
    }

    /// Mostly in order; never one that refuses for good, since then nobody promised anything.
    fn behaviour(&mut self) -> Behaviour {
        match self.choices.random_range(0..12) {
            0 => Behaviour::Busy,
            1 => Behaviour::CloseOnConnect,
            2 => Behaviour::CloseAfterData { recorded: false },
            3 => Behaviour::CloseAfterData { recorded: true },
            4 => Behaviour::Greylist,
            // Several answers make a mail: with the first it takes longer than the server waits.
            5 => Behaviour::Slow(Duration::from_millis(400)),
            6 => Behaviour::Slow(Duration::from_millis(50)),
            _ => Behaviour::Accept,
        }
    }
}
