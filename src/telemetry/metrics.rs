//! The figures of one server, in a registry of its own, so that tests can run several in one process.
//! `app` makes one and hands clones to whoever counts; `GET /metrics` renders it. What there is stands in one
//! table, from which `bellhop metrics` writes the page for operators.

use std::sync::Arc;

use prometheus::{
    Counter, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

use super::status::status_label;

/// A figure that goes up and down, for who keeps one at hand.
pub type Figure = IntGauge;

/// Figures that could not be registered.
#[derive(Debug, thiserror::Error)]
#[error("a figure could not be registered")]
pub struct MetricsError(#[from] prometheus::Error);

/// Batch sizes: powers of two up to the most events that one transaction takes.
const BATCH_BUCKETS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];
/// Seconds from a quick disk's commit to a database that hardly answers.
const SECONDS_BUCKETS: [f64; 13] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// Seconds from a device that answers at once to a mail that is tried for a day.
const LONG_BUCKETS: [f64; 16] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 600.0, 3_600.0, 86_400.0];

/// What one figure is, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Description {
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

/// Makes the struct, its constructor and its accessors from one table, so that a figure's documentation
/// is its help text.
macro_rules! figures {
    ($($kind:ident $field:ident ( $name:literal $(, $extra:tt)* ) : #[doc = $help:literal])*) => {
        /// Every figure. Cloning shares them.
        #[derive(Debug, Clone)]
        pub struct Metrics(Arc<Figures>);

        #[derive(Debug)]
        struct Figures {
            registry: Registry,
            $($field: figures!(@type $kind),)*
        }

        /// Every figure there is, in the order of the table.
        pub const CATALOGUE: &[Description] = &[
            $(Description {
                name: $name,
                kind: figures!(@word $kind),
                labels: figures!(@labels $kind $($extra)*),
                help: $help.trim_ascii(),
            },)*
        ];

        impl Metrics {
            /// A new registry with every figure at zero.
            pub fn new() -> Result<Self, MetricsError> {
                let registry = Registry::new();
                $(
                    let $field = figures!(@new $kind $name, $help.trim(), $($extra),*);
                    registry.register(Box::new($field.clone()))?;
                )*
                let metrics = Self(Arc::new(Figures { registry, $($field,)* }));
                metrics.begin_at_zero();
                Ok(metrics)
            }

            $(figures!(@accessor $kind $field $help $($extra),*);)*
        }
    };

    (@type counter) => { IntCounter };
    (@type seconds) => { Counter };
    (@type counters) => { IntCounterVec };
    (@type gauge) => { IntGauge };
    (@type gauges) => { IntGaugeVec };
    (@type histogram) => { Histogram };
    (@type histograms) => { HistogramVec };

    (@word counter) => { "counter" };
    (@word seconds) => { "counter" };
    (@word counters) => { "counter" };
    (@word gauge) => { "gauge" };
    (@word gauges) => { "gauge" };
    (@word histogram) => { "histogram" };
    (@word histograms) => { "histogram" };

    (@labels counters $($label:ident)+) => { &[$(stringify!($label)),+] };
    (@labels gauges $($label:ident)+) => { &[$(stringify!($label)),+] };
    (@labels histograms $label:ident $buckets:ident) => { &[stringify!($label)] };
    (@labels $kind:ident $($extra:tt)*) => { &[] };

    (@new counter $name:literal, $help:expr,) => { IntCounter::new($name, $help)? };
    (@new seconds $name:literal, $help:expr,) => { Counter::new($name, $help)? };
    (@new gauge $name:literal, $help:expr,) => { IntGauge::new($name, $help)? };
    (@new counters $name:literal, $help:expr, $($label:ident),+) => {
        IntCounterVec::new(Opts::new($name, $help), &[$(stringify!($label)),+])?
    };
    (@new gauges $name:literal, $help:expr, $($label:ident),+) => {
        IntGaugeVec::new(Opts::new($name, $help), &[$(stringify!($label)),+])?
    };
    (@new histogram $name:literal, $help:expr, $buckets:ident) => {
        Histogram::with_opts(HistogramOpts::new($name, $help).buckets($buckets.to_vec()))?
    };
    (@new histograms $name:literal, $help:expr, $label:ident, $buckets:ident) => {
        HistogramVec::new(HistogramOpts::new($name, $help).buckets($buckets.to_vec()), &[stringify!($label)])?
    };

    (@accessor counter $field:ident $help:literal) => {
        #[doc = $help]
        pub fn $field(&self) -> &IntCounter { &self.0.$field }
    };
    (@accessor seconds $field:ident $help:literal) => {
        #[doc = $help]
        pub fn $field(&self) -> &Counter { &self.0.$field }
    };
    (@accessor gauge $field:ident $help:literal) => {
        #[doc = $help]
        pub fn $field(&self) -> &IntGauge { &self.0.$field }
    };
    (@accessor histogram $field:ident $help:literal $buckets:ident) => {
        #[doc = $help]
        pub fn $field(&self) -> &Histogram { &self.0.$field }
    };
    (@accessor counters $field:ident $help:literal $($label:ident),+) => {
        #[doc = $help]
        pub fn $field(&self, $($label: &'static str),+) -> IntCounter {
            self.0.$field.with_label_values(&[$($label),+])
        }
    };
    (@accessor gauges $field:ident $help:literal $($label:ident),+) => {
        #[doc = $help]
        pub fn $field(&self, $($label: &'static str),+) -> IntGauge {
            self.0.$field.with_label_values(&[$($label),+])
        }
    };
    (@accessor histograms $field:ident $help:literal $label:ident, $buckets:ident) => {
        #[doc = $help]
        pub fn $field(&self, $label: &'static str) -> Histogram {
            self.0.$field.with_label_values(&[$label])
        }
    };
}

figures! {
    gauges sessions_open("bellhop_sessions_open", door):
        /// Sessions that are open now, by door.
    counters sessions_closed("bellhop_sessions_closed_total", reason):
        /// Sessions that have ended, by the reason of their close.
    gauges presence_bytes("bellhop_presence_bytes", part):
        /// Memory that presence takes, estimated from what is kept: the hub's registry and the sessions' own state.
    counter bookings_accepted("bellhop_bookings_accepted_total"):
        /// Bookings that were saved; a repeat under the same key is none.
    counter notifications_stored("bellhop_notifications_stored_total"):
        /// Notifications that were given a place in an inbox.
    counters deliveries_finished("bellhop_deliveries_finished_total", state, channel):
        /// Deliveries that have come to an end, by how and where: confirmed or deleted at a door or by REST, emailed, suppressed or failed as mail, withdrawn with their booking.
    gauge deliveries_pending("bellhop_deliveries_pending"):
        /// Deliveries that wait for a device or a mail, looked up every few seconds; 10000 means that many or more.
    gauge deliveries_overdue("bellhop_deliveries_overdue"):
        /// Pending deliveries that nobody has looked at for longer than a grace after their time, looked up every few seconds; 10000 means that many or more.
    gauge notifications_lost("bellhop_notifications_lost"):
        /// Notifications that nothing would ever deliver: stored without a delivery or an end of one, or a pending delivery without its notification. Found by an audit of the database that goes round and round; must be 0.
    counter notifications_audited("bellhop_notifications_audited_total"):
        /// Notifications that the audit has looked at.
    gauge watched_at("bellhop_watch_last_success_timestamp_seconds"):
        /// When the database last answered what is pending, overdue and lost, in seconds since 1970: older, and those figures are old.
    histogram accepted_to_commit("bellhop_accepted_to_commit_seconds", SECONDS_BUCKETS):
        /// Time from a booking or publication that was taken to be written to its commit, in seconds.
    histogram accepted_to_push("bellhop_accepted_to_push_seconds", SECONDS_BUCKETS):
        /// Time from there to a device's socket, in seconds: for each write, that of the oldest notification in it.
    histogram created_to_confirm("bellhop_created_to_confirm_seconds", LONG_BUCKETS):
        /// Time from a notification's making to a device's proof that it has it, in seconds; what was given to a device that came back later is not in it.
    histogram created_to_mail("bellhop_created_to_mail_seconds", LONG_BUCKETS):
        /// Time from a notification's making to the mail server's taking its mail, in seconds.
    histogram write_batch("bellhop_write_batch_events", BATCH_BUCKETS):
        /// Events that one transaction wrote.
    histogram commit("bellhop_commit_seconds", SECONDS_BUCKETS):
        /// Time that a transaction took, from its begin to its commit, in seconds.
    gauge revocations("bellhop_revocations"):
        /// Tokens, and users' tokens of before a time, that are revoked as far as this instance knows.
    counters key_reloads("bellhop_key_reloads_total", outcome):
        /// Changes of the files with keys, by outcome: loaded or failed.
    gauges queue_items("bellhop_queue_items", queue):
        /// What waits, by queue: events to be written, clerical work, reads, publications for the hub, claimed mails and confirmations to be recorded.
    gauges database_connections("bellhop_database_connections", state):
        /// Connections to the database, idle and in use.
    histograms database_wait("bellhop_database_wait_seconds", whom, SECONDS_BUCKETS):
        /// Time that was waited for a connection to the database, in seconds: by requests that read, by who looks by the clock (apart), and by the pool's every user.
    gauge bus_connected("bellhop_bus_connected"):
        /// 1 while the other instances can be reached, 0 while they cannot; always 0 where there can be none.
    counters bus_messages("bellhop_bus_messages_total", direction):
        /// Messages between instances: sent, heard by nobody else of those that were asked about (unheard), heard from others, and of those not understood (strange).
    gauge rabbitmq_connected("bellhop_rabbitmq_connected"):
        /// 1 while the broker is reached, 0 while it is not; always 0 where none is configured.
    gauge rabbitmq_consuming("bellhop_rabbitmq_consuming"):
        /// 1 at the instance that takes messages from the broker, 0 at those that stand by.
    counters ingest_messages("bellhop_ingest_messages_total", outcome):
        /// Messages from the broker, by outcome: done, repeated (done before and left at that), ignored (an event of our own), dead (refused for good and put aside) and retried (put off because of our own trouble, counted each time).
    counters outgoing_events("bellhop_outgoing_events_total", outcome):
        /// Events for the broker, by outcome: published, failed (kept and tried again), and dropped because they waited for too long.
    gauge outgoing_waiting("bellhop_outgoing_events_waiting"):
        /// Events that wait for the broker, looked up every few seconds; 10000 means that many or more.
    counters mail_attempts("bellhop_mail_attempts_total", outcome):
        /// Attempts to send a mail, by outcome.
    counter mail_retries("bellhop_mail_retries_total"):
        /// Mails that were put off to be tried again.
    counters escalations("bellhop_escalations_total", cause):
        /// Notifications that were handed to mail: because their user was away, or because no device confirmed in time.
    counters http_requests_of("bellhop_http_requests_total", route, status):
        /// HTTP requests that were answered, by class of route and status.
    histograms http_request_seconds("bellhop_http_request_seconds", route, SECONDS_BUCKETS):
        /// Time to an answer's head, in seconds, by class of route; without long-polling, which waits on purpose.
    counters retention_removed("bellhop_retention_removed_total", table):
        /// Rows that were removed because they had become too old, by table.
    gauge connections_open("bellhop_connections_open"):
        /// Connections that are open now, of every kind.
    gauges rate_limit_buckets("bellhop_rate_limit_buckets", kind):
        /// Users and addresses whose requests are remembered for a limit, by its kind.
    counters refused("bellhop_refused_total", reason):
        /// Connections, requests and sessions that were refused because something was full or used up, by what was.
    gauges build_info("bellhop_build_info", version):
        /// Always 1; the version is the label.
    gauge process_memory("process_resident_memory_bytes"):
        /// Resident memory size in bytes.
    gauge process_fds("process_open_fds"):
        /// Number of open file descriptors.
    gauge process_fds_max("process_max_fds"):
        /// Maximum number of open file descriptors.
    gauge process_started("process_start_time_seconds"):
        /// Start time of the process since unix epoch in seconds.
    seconds process_cpu("process_cpu_seconds_total"):
        /// Total user and system CPU time spent in seconds.
}

/// What waits, see [`Metrics::queue_items`].
const QUEUES: [&str; 6] = ["write", "clerical", "read", "hub", "mail", "confirmations"];

impl Metrics {
    /// Figures that rules compare with others are there from the start: nothing is greater than what is missing.
    fn begin_at_zero(&self) {
        for queue in QUEUES {
            self.queue_items(queue);
        }
        for outcome in ["sent", "refused", "failed"] {
            self.mail_attempts(outcome);
        }
        for cause in ["away", "unconfirmed"] {
            self.escalations(cause);
        }
    }

    /// Counts an HTTP request that was answered with `status`.
    pub fn http_request(&self, route: &'static str, status: u16) {
        self.http_requests_of(route, status_label(status)).inc();
    }

    /// Events that wait to be written.
    pub fn write_queue_depth(&self) -> IntGauge {
        self.queue_items("write")
    }

    /// All figures in Prometheus' text format. The encoder refuses only figures without a name or a
    /// sample, which a registry does not hand out; should it, the page says so.
    pub fn render(&self) -> String {
        TextEncoder::new()
            .encode_to_string(&self.0.registry.gather())
            .unwrap_or_else(|error| format!("# {error}\n"))
    }
}

/// Sets a gauge to a number that fits one on every machine there is.
pub fn set(gauge: &IntGauge, value: usize) {
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_rendered_with_its_help() {
        let metrics = Metrics::new().expect("a registry");
        metrics.sessions_open("sse").inc();
        metrics.sessions_closed("ttl_elapsed").inc_by(2);
        metrics.deliveries_finished("confirmed", "websocket").inc();
        metrics.write_batch().observe(3.0);
        metrics.write_queue_depth().set(7);
        metrics.http_request("bookings", 201);
        metrics.http_request("bookings", 418);
        metrics.http_request("websocket", 426);
        let page = metrics.render();
        for line in [
            "# HELP bellhop_sessions_open Sessions that are open now, by door.",
            "# TYPE bellhop_sessions_open gauge",
            "bellhop_sessions_open{door=\"sse\"} 1",
            "bellhop_sessions_closed_total{reason=\"ttl_elapsed\"} 2",
            "bellhop_deliveries_finished_total{channel=\"websocket\",state=\"confirmed\"} 1",
            "bellhop_bookings_accepted_total 0",
            "bellhop_write_batch_events_bucket{le=\"4\"} 1",
            "bellhop_write_batch_events_bucket{le=\"2\"} 0",
            "bellhop_queue_items{queue=\"write\"} 7",
            "bellhop_http_requests_total{route=\"bookings\",status=\"201\"} 1",
            "bellhop_http_requests_total{route=\"bookings\",status=\"other\"} 1",
            "bellhop_http_requests_total{route=\"websocket\",status=\"426\"} 1",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} in\n{page}");
        }
    }

    #[test]
    fn names_and_units_are_as_prometheus_wants_them() {
        for Description { name, kind, labels, help } in CATALOGUE {
            let fits = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            assert!(fits && (name.starts_with("bellhop_") || name.starts_with("process_")), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == "counter", "{name}");
            assert!(
                *kind != "histogram" || name.ends_with("_seconds") || name.ends_with("_events"),
                "{name}"
            );
            assert!(help.ends_with('.') && !labels.contains(&"le"), "{name}");
        }
        let mut names: Vec<_> = CATALOGUE.iter().map(|one| one.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CATALOGUE.len());
    }

    #[test]
    fn clones_share_their_figures_and_registries_do_not() {
        let (metrics, other) = (Metrics::new().expect("one"), Metrics::new().expect("another"));
        metrics.clone().notifications_stored().inc();
        assert_eq!(metrics.notifications_stored().get(), 1);
        assert_eq!(other.notifications_stored().get(), 0);
    }
}
