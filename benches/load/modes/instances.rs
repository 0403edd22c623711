//! `instances`: bookings over several instances with one database and one Redis. With each host's device where the
//! host is booked nothing needs Redis; with each device one instance away everything goes through it. The difference
//! is what the bus costs.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;

use super::Database;
use super::booking_load::{Load, Shape, WARM_UP};
use crate::args::{Common, Instances};
use crate::process;
use crate::redis::{Passed, Redis};
use crate::report::{self, Table, grouped, micros_each, per_second};
use crate::server::{Server, Setting};

/// A run: how many instances, whether Redis is between them, and how far from its device a host is booked.
#[derive(Debug, Clone, Copy)]
struct Scene {
    instances: usize,
    on_redis: bool,
    away: usize,
}

impl Scene {
    fn name(self) -> String {
        match (self.instances, self.on_redis, self.away) {
            (1, false, _) => "1, without Redis".to_owned(),
            (1, true, _) => "1".to_owned(),
            (count, _, 0) => format!("{count}, device here"),
            (count, _, _) => format!("{count}, device elsewhere"),
        }
    }
}

pub(crate) fn run(common: &Common, options: &Instances) -> Result<()> {
    let mut table = Table::new(
        format!("Bookings over several instances, {} hosts connected (PostgreSQL)", options.hosts),
        &[
            "instances",
            "load",
            "bookings/s",
            "201 p50",
            "201 p99",
            "device p50",
            "device p99",
            "servers",
            "database",
            "Redis",
            "commands",
            "bytes",
        ],
    );
    let mut scenes = vec![Scene { instances: 1, on_redis: false, away: 0 }];
    for instances in options.over.iter().map(|&count| usize::from(count)) {
        scenes.push(Scene { instances, on_redis: true, away: 0 });
        if instances > 1 {
            scenes.push(Scene { instances, on_redis: true, away: 1 });
        }
    }
    for scene in scenes {
        measure(common, options, scene, &mut table)?;
    }
    table.print(common.markdown);
    report::say(
        "\nEach booking reached its own host's device exactly once, no seq was left out. Processor time, commands and \
         bytes of Redis are for each booking.",
    );
    Ok(())
}

/// Everything of one run.
struct Stage<'a> {
    database: &'a Database,
    redis: Option<&'a Redis>,
    servers: &'a [Server],
}

fn measure(common: &Common, options: &Instances, scene: Scene, table: &mut Table) -> Result<()> {
    let database = Database::open("postgres", common)?;
    let redis = if scene.on_redis { Some(Redis::start(&common.directory())?) } else { None };
    let url = redis.as_ref().map(Redis::url);
    let settings: Vec<Setting<'_>> = url.iter().map(|url| ("REDIS_URL", url.as_str())).collect();
    let mut servers = (0..scene.instances)
        .map(|number| database.serve_another(common, &format!("instance-{number}"), &settings))
        .collect::<Result<Vec<_>>>()?;
    let stage = Stage { database: &database, redis: redis.as_ref(), servers: &servers };
    let measured = stage.measure(common, options, scene, table);
    // What one of them said often says why.
    servers.iter_mut().fold(measured, |measured, server| server.explain(measured))
}

impl Stage<'_> {
    fn measure(&self, common: &Common, options: &Instances, scene: Scene, table: &mut Table) -> Result<()> {
        let addresses: Vec<SocketAddr> = self.servers.iter().map(|server| server.address).collect();
        let (mut load, mut crowd) = Load::gather_over(options.hosts, &addresses, scene.away, common)?;
        load.work_off(&mut crowd, Shape::InFlight(16), WARM_UP, common)?;
        load.settle(&mut crowd)?;
        let rate = Some(options.rate).filter(|rate| *rate > 0).map(Shape::Rate);
        for shape in [Shape::InFlight(options.in_flight)].into_iter().chain(rate) {
            let (before, passed) = (self.spent()?, self.passed()?);
            let took = load.work_off(&mut crowd, shape, options.count, common)?;
            load.settle(&mut crowd)?;
            let spent = self.spent()?.into_iter().zip(before).map(|(after, before)| {
                let spent = after.zip(before).map(|(after, before)| after.saturating_sub(before));
                spent.map_or_else(none, |spent| format!("{:.0} µs", micros_each(spent, options.count)))
            });
            let passed = match self.passed()?.zip(passed) {
                Some((after, before)) => [
                    format!("{:.1}", each(after.commands - before.commands, options.count)),
                    format!("{:.0}", each(after.bytes - before.bytes, options.count)),
                ],
                None => [none(), none()],
            };
            let rate = grouped(per_second(options.count, took));
            let (answers, devices) = (load.ledger.answers.quantiles(), load.ledger.devices.quantiles());
            let first = [scene.name(), shape.name(), rate].into_iter();
            table.row(first.chain(answers).chain(devices).chain(spent).chain(passed));
        }
        Ok(())
    }

    /// Processor time so far: of all instances, of the database, of Redis.
    fn spent(&self) -> Result<[Option<Duration>; 3]> {
        let servers = self.servers.iter().map(|server| process::cpu(server.id()));
        Ok([
            Some(servers.sum::<Result<Duration>>()?),
            self.database.id().map(process::cpu_of_family).transpose()?,
            self.redis.map(|redis| process::cpu(redis.id())).transpose()?,
        ])
    }

    fn passed(&self) -> Result<Option<Passed>> {
        self.redis.map(Redis::passed).transpose()
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn each(sum: u64, count: usize) -> f64 {
    sum as f64 / count.max(1) as f64
}

fn none() -> String {
    "–".to_owned()
}
