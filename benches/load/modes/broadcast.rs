//! One broadcast to everybody, from the request until the last reader has it.

use std::time::Instant;

use anyhow::Result;

use super::fanout::{EVENT, Posts, Publisher};
use crate::args::Common;
use crate::clock::{self, Deadline};
use crate::crowd::{Audience, Crowd};
use crate::report::Latencies;
use crate::scan;

/// Tells everybody, and notes how long each waited.
pub(super) fn broadcast(
    posts: &mut Posts,
    crowd: &mut Crowd,
    latencies: &mut Latencies,
    common: &Common,
) -> Result<()> {
    let readers = crowd.len();
    let mut arrivals = Arrivals { since: clock::now(), count: 0, latencies };
    posts.publish(1)?;
    let deadline = Deadline::after(common.timeout());
    while arrivals.count < readers {
        crowd.turn(&mut arrivals)?;
        deadline.check(|| format!("{readers} copies; {} arrived", arrivals.count))?;
    }
    posts.settle(1)
}

/// When each reader has the broadcast that is under way.
struct Arrivals<'a> {
    since: Instant,
    count: usize,
    latencies: &'a mut Latencies,
}

impl Audience for Arrivals<'_> {
    fn text(&mut self, _: usize, text: &[u8]) -> Result<()> {
        if scan::event(text) == Some(EVENT) {
            self.latencies.add(self.since.elapsed());
            self.count += 1;
        }
        Ok(())
    }
}
