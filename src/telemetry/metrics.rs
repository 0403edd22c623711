//! The figures of one server, in a registry of its own, so that tests can run several in one process.
//! `app` makes one and hands clones to whoever counts; `GET /metrics` renders it.

use std::sync::Arc;

use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

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

        impl Metrics {
            /// A new registry with every figure at zero.
            pub fn new() -> Result<Self, MetricsError> {
                let registry = Registry::new();
                $(
                    let $field = figures!(@new $kind $name, $help.trim(), $($extra),*);
                    registry.register(Box::new($field.clone()))?;
                )*
                Ok(Self(Arc::new(Figures { registry, $($field,)* })))
            }

            $(figures!(@accessor $kind $field $help $($extra),*);)*
        }
    };

    (@type counter) => { IntCounter };
    (@type counters) => { IntCounterVec };
    (@type gauge) => { IntGauge };
    (@type gauges) => { IntGaugeVec };
    (@type histogram) => { Histogram };

    (@new counter $name:literal, $help:expr,) => { IntCounter::new($name, $help)? };
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

    (@accessor counter $field:ident $help:literal) => {
        #[doc = $help]
        pub fn $field(&self) -> &IntCounter { &self.0.$field }
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
}

figures! {
    gauges sessions_open("bellhop_sessions_open", door):
        /// Sessions that are open now, by door.
    counters sessions_closed("bellhop_sessions_closed_total", reason):
        /// Sessions that have ended, by the reason of their close.
    counter bookings_accepted("bellhop_bookings_accepted_total"):
        /// Bookings that were saved; a repeat under the same key is none.
    counter notifications_stored("bellhop_notifications_stored_total"):
        /// Notifications that were given a place in an inbox.
    counters deliveries_finished("bellhop_deliveries_finished_total", state):
        /// Deliveries that have come to an end: confirmed, emailed, suppressed, withdrawn or failed.
    histogram write_batch("bellhop_write_batch_events", BATCH_BUCKETS):
        /// Events that one transaction wrote.
    histogram commit("bellhop_commit_seconds", SECONDS_BUCKETS):
        /// Time that a transaction took, from its begin to its commit, in seconds.
    gauge revocations("bellhop_revocations"):
        /// Tokens, and users' tokens of before a time, that are revoked as far as this instance knows.
    counters key_reloads("bellhop_key_reloads_total", outcome):
        /// Changes of the files with keys, by outcome: loaded or failed.
    counters mail_attempts("bellhop_mail_attempts_total", outcome):
        /// Attempts to send a mail, by outcome.
    gauge write_queue_depth("bellhop_write_queue_events"):
        /// Events that wait to be written.
    counters http_requests_of("bellhop_http_requests_total", route, status):
        /// HTTP requests that were answered, by class of route and status.
    counters retention_removed("bellhop_retention_removed_total", table):
        /// Rows that were removed because they had become too old, by table.
    gauge connections_open("bellhop_connections_open"):
        /// Connections that are open now, of every kind.
    gauges rate_limit_buckets("bellhop_rate_limit_buckets", kind):
        /// Users and addresses whose requests are remembered for a limit, by its kind.
    counters refused("bellhop_refused_total", reason):
        /// Connections, requests and sessions that were refused because something was full or used up, by what was.
}

impl Metrics {
    /// Counts an HTTP request that was answered with `status`.
    pub fn http_request(&self, route: &'static str, status: u16) {
        self.http_requests_of(route, status_label(status)).inc();
    }

    /// All figures in Prometheus' text format. The encoder refuses only figures without a name or a
    /// sample, which a registry does not hand out; should it, the page says so.
    pub fn render(&self) -> String {
        TextEncoder::new()
            .encode_to_string(&self.0.registry.gather())
            .unwrap_or_else(|error| format!("# {error}\n"))
    }
}

/// The statuses that routes and doors answer with; a label from a fixed set keeps the figures few.
const fn status_label(status: u16) -> &'static str {
    match status {
        101 => "101",
        200 => "200",
        201 => "201",
        202 => "202",
        204 => "204",
        304 => "304",
        400 => "400",
        401 => "401",
        403 => "403",
        404 => "404",
        405 => "405",
        406 => "406",
        408 => "408",
        409 => "409",
        413 => "413",
        415 => "415",
        422 => "422",
        426 => "426",
        429 => "429",
        500 => "500",
        503 => "503",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_rendered_with_its_help() {
        let metrics = Metrics::new().expect("a registry");
        metrics.sessions_open("sse").inc();
        metrics.sessions_closed("ttl_elapsed").inc_by(2);
        metrics.deliveries_finished("confirmed").inc();
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
            "bellhop_deliveries_finished_total{state=\"confirmed\"} 1",
            "bellhop_bookings_accepted_total 0",
            "bellhop_write_batch_events_bucket{le=\"4\"} 1",
            "bellhop_write_batch_events_bucket{le=\"2\"} 0",
            "bellhop_write_queue_events 7",
            "bellhop_http_requests_total{route=\"bookings\",status=\"201\"} 1",
            "bellhop_http_requests_total{route=\"bookings\",status=\"other\"} 1",
            "bellhop_http_requests_total{route=\"websocket\",status=\"426\"} 1",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} in\n{page}");
        }
    }

    #[test]
    fn clones_share_their_figures_and_registries_do_not() {
        let (metrics, other) = (Metrics::new().expect("one"), Metrics::new().expect("another"));
        metrics.clone().notifications_stored().inc();
        assert_eq!(metrics.notifications_stored().get(), 1);
        assert_eq!(other.notifications_stored().get(), 0);
    }
}
