//! What a run is over: one server on SQLite, one on PostgreSQL, or several on PostgreSQL with a Redis between them
//! and a RabbitMQ before them; and the mail server that all of them use.

use std::fmt;
use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::json;

use super::plan::Plan;
use super::{HOSTS, address, host};
use crate::support::answer::Answer;
use crate::support::app::{JWT_SECRET, token_for};
use crate::support::postgres::{Cluster, Durability};
use crate::support::process::{Process, ProcessBuilder};
use crate::support::rabbitmq::Broker;
use crate::support::redis::RedisServer;
use crate::support::smtp_sink::SmtpSink;

const INSTANCES: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Sqlite,
    Postgres,
    /// Three instances.
    Fleet,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Fleet => "fleet",
        })
    }
}

/// Everything that can fail.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) servers: Vec<Process>,
    /// None where the database is a file.
    pub(super) cluster: Option<Cluster>,
    /// None where there is one server.
    pub(super) redis: Option<Arc<RedisServer>>,
    pub(super) broker: Option<Arc<Broker>>,
    pub(super) sink: Arc<SmtpSink>,
    /// The database, for who looks beside the servers.
    pub(super) url: String,
}

impl Site {
    /// Starts it; every host has an address.
    pub(super) async fn start(kind: Kind, plan: &Plan) -> Self {
        let sink = Arc::new(SmtpSink::start().await);
        let cluster = (kind != Kind::Sqlite).then(|| Cluster::start_new(Durability::Fsync));
        let redis = (kind == Kind::Fleet).then(|| Arc::new(RedisServer::start_new()));
        let broker = (kind == Kind::Fleet).then(|| Arc::new(Broker::start_new()));
        let mut server = server(plan, &sink);
        if let Some(cluster) = &cluster {
            server = server.with("DATABASE_URL", &cluster.url("postgres"));
        }
        if let Some(redis) = &redis {
            server = SEVERAL.iter().fold(server, |server, (name, value)| server.with(name, value));
            server = server.with("REDIS_URL", &redis.url());
        }
        if let Some(broker) = &broker {
            server = server.with("AMQP_URL", &broker.url());
        }
        let instances = if kind == Kind::Fleet { INSTANCES } else { 1 };
        let servers = join_all((0..instances).map(|_| server.clone().serve())).await;
        let url = match &cluster {
            Some(cluster) => cluster.url("postgres"),
            None => format!("sqlite://{}", servers[0].folder().join("data/bellhop.db").display()),
        };
        let site = Self { servers, cluster, redis, broker, sink, url };
        site.give_addresses().await;
        site
    }

    async fn give_addresses(&self) {
        let client = reqwest::Client::new();
        join_all((0..HOSTS).map(async |number| {
            let host = host(number);
            let request = client.put(self.servers[0].url("/notifications/preferences"));
            let request = request.bearer_auth(token_for(&host, &[])).json(&json!({"email": address(&host)}));
            Answer::of(request).await.expect(200);
        }))
        .await;
    }

    /// What all servers wrote, in all their lives.
    pub(super) fn output(&self) -> String {
        self.servers.iter().map(Process::output).collect()
    }
}

/// What servers that are several need to lose patience with each other and with Redis as soon.
const SEVERAL: [(&str, &str); 5] = [
    ("BELLHOP__BUS__TIMEOUT_MS", "500"),
    ("BELLHOP__BUS__POLL_MS", "300"),
    ("BELLHOP__PRESENCE__LEASE_MS", "1500"),
    ("BELLHOP__PRESENCE__GRACE_MS", "200"),
    ("BELLHOP__DATABASE__READ_CONNECTIONS", "3"),
];

/// A server that loses patience soon, so that much happens in little time.
fn server(plan: &Plan, sink: &SmtpSink) -> ProcessBuilder {
    [
        ("JWT_SECRET", JWT_SECRET),
        ("LOG_LEVEL", "warn"),
        ("SMTP_URL", &sink.url()),
        ("RATE_LIMIT_MAX_REQUESTS", "100000"),
        ("API_RATE_LIMIT_PER_MINUTE", "0"),
        ("BELLHOP__SERVER__WORKERS", "2"),
        ("BELLHOP__LIMITS__SESSIONS_PER_USER", "1000"),
        ("BELLHOP__SESSION__HEARTBEAT_INTERVAL_MS", "2000"),
        ("BELLHOP__SESSION__HEARTBEAT_TIMEOUT_MS", "8000"),
        ("BELLHOP__SOCKETIO__PING_INTERVAL_MS", "2000"),
        ("BELLHOP__SOCKETIO__PING_TIMEOUT_MS", "6000"),
        ("SSE_HEARTBEAT_INTERVAL", "2000"),
        ("SSE_CLEANUP_INTERVAL", "8000"),
        ("BELLHOP__DELIVERY__PROOF", &plan.proof),
        ("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "1500"),
        ("BELLHOP__DELIVERY__SETTLE_MS", "300"),
        ("BELLHOP__DELIVERY__SWEEP_INTERVAL_MS", "200"),
        ("BELLHOP__MAIL__CONCURRENCY", "16"),
        ("BELLHOP__MAIL__TIMEOUT_MS", "1000"),
        ("BELLHOP__MAIL__LEASE_MS", "2500"),
        ("BELLHOP__MAIL__RETRY_FIRST_MS", "200"),
        ("BELLHOP__MAIL__RETRY_LONGEST_MS", "1000"),
    ]
    .into_iter()
    .fold(ProcessBuilder::new(&[]), |server, (name, value)| server.with(name, value))
}
