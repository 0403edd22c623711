//! What fails: a server is killed, frozen or told to stop, the database is stopped, the mail server misbehaves, at
//! random moments one after the other. At the end everything is in order again.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use nix::sys::signal::Signal;
use rand::RngExt;
use rand::rngs::StdRng;
use tokio::time::{Instant, sleep};

use super::plan::Plan;
use super::site::Site;
use crate::support::process::Process;
use crate::support::smtp_sink::Behaviour;

/// How often it is the database that fails, where there is one that can.
const DATABASE_SHARE: f64 = 0.2;
/// How often a server is told to stop instead of being killed.
const DRAIN_SHARE: f64 = 0.1;
/// How often it is frozen for a while instead, as a machine that is moved or overloaded freezes.
const FREEZE_SHARE: f64 = 0.1;
/// How often it is killed once more while it starts.
const RELAPSE_SHARE: f64 = 0.2;

/// Breaks what a site has. It may block: those who take part do not run on its thread.
#[derive(Debug)]
pub(super) struct Chaos<'a> {
    pub(super) site: &'a mut Site,
    pub(super) choices: StdRng,
}

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Damage {
    kills: usize,
    drains: usize,
    freezes: usize,
    database_stops: usize,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, drains, freezes, database_stops } = self;
        write!(f, "kills {kills}, drains {drains}, freezes {freezes}, database stops {database_stops}")
    }
}

impl Chaos<'_> {
    /// Breaks something time and again, until a server was killed as often as the plan says, or for as long.
    pub(super) async fn rage(&mut self, plan: &Plan) -> Damage {
        let begun = Instant::now();
        let mut damage = Damage::default();
        while !plan.is_enough(damage.kills, begun.elapsed()) {
            self.pause(100..1_500).await;
            let behaviour = self.behaviour();
            self.site.sink.set(behaviour);
            // A run is as long as its kills: whatever else is done is half as much at most.
            let others = damage.drains + damage.freezes + damage.database_stops;
            let enough = others > 0 && others >= damage.kills.div_ceil(2);
            let mut is_time_for = |share| !enough && self.choices.random_bool(share);
            let drains = is_time_for(DRAIN_SHARE);
            let freezes = is_time_for(FREEZE_SHARE);
            // Once at least, also in a run that is short.
            let due = damage.database_stops == 0 && damage.kills >= plan.kills / 2;
            let database = self.site.cluster.is_some() && (is_time_for(DATABASE_SHARE) || due);
            let server = self.choices.random_range(0..self.site.servers.len());
            if database {
                self.stop_database(server).await;
                damage.database_stops += 1;
            } else if drains {
                let status = self.site.servers[server].terminate();
                assert!(status.success(), "told to stop, the server ended with {status}");
                self.site.servers[server].restart().await;
                damage.drains += 1;
            } else if freezes {
                self.site.servers[server].signal(Signal::SIGSTOP);
                self.pause(500..4_000).await;
                self.site.servers[server].signal(Signal::SIGCONT);
                damage.freezes += 1;
            } else {
                self.kill(server).await;
                damage.kills += 1;
            }
        }
        self.site.sink.set(Behaviour::Accept);
        damage
    }

    async fn kill(&mut self, server: usize) {
        self.server(server).kill();
        self.pause(0..200).await;
        if self.choices.random_bool(RELAPSE_SHARE) {
            self.server(server).launch();
            self.pause(1..300).await;
            self.server(server).kill();
        }
        self.server(server).restart().await;
    }

    async fn stop_database(&mut self, server: usize) {
        self.site.cluster.as_ref().expect("there is a database that stops").stop();
        self.pause(50..800).await;
        // Now and then nobody is left to notice that it comes back.
        let also_server = self.choices.random_bool(0.3);
        if also_server {
            self.server(server).kill();
        }
        self.site.cluster.as_ref().expect("it was just stopped").start();
        if also_server {
            self.server(server).restart().await;
        }
    }

    fn server(&mut self, number: usize) -> &mut Process {
        &mut self.site.servers[number]
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
