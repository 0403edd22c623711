//! `[rabbitmq]`: events that back ends send through a broker, and those that go out again.

use serde::{Deserialize, Serialize};

use super::secret_url::SecretUrl;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RabbitMqSettings {
    /// The broker (`AMQP_URL`): `amqp://`, or `amqps://` for TLS. Defaults to none: nothing is taken from a broker.
    pub url: SecretUrl,
    /// A file with the certificates of who signed the broker's, as PEM, beside the usual ones. Defaults to none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// The queue that is consumed; declared durable and without arguments, as NestJS declares its own, or used as it
    /// is. Defaults to `notifications`.
    pub queue: String,
    /// A durable topic exchange that the queue is bound to; empty for none. Defaults to `notifications`.
    pub exchange: String,
    /// With which patterns of routing keys. Defaults to the names of the events that are understood.
    pub bindings: Vec<String>,
    /// How many messages may be under way at once. Defaults to 100.
    pub prefetch: u16,
    /// Where messages go that are refused for good; empty for the queue's name and `.dead`. Defaults to empty.
    pub dead_letter_queue: String,
    /// A durable topic exchange that is told what was delivered and read; empty for none. Defaults to empty.
    pub events_exchange: String,
    /// How long an event waits for the broker before it is dropped, in hours. Defaults to 72.
    pub events_kept_hours: u64,
    /// How often the connection is proven to be alive, in seconds: one that is silent for twice as long is given up.
    /// Defaults to 5.
    pub heartbeat_seconds: u16,
    /// How long connecting may take, in milliseconds. Defaults to 5000.
    pub connect_timeout_ms: u64,
    /// The pause before what failed is tried again: before the second try, in milliseconds. Doubles from try to try.
    /// Defaults to 200.
    pub retry_first_ms: u64,
    /// The longest pause, in milliseconds. Defaults to 10000.
    pub retry_longest_ms: u64,
}

impl RabbitMqSettings {
    /// Whether there is a broker.
    pub fn is_used(&self) -> bool {
        !self.url.is_empty()
    }

    /// Whether events go out.
    pub fn tells(&self) -> bool {
        self.is_used() && !self.events_exchange.is_empty()
    }

    /// Where messages go that are refused for good.
    pub fn dead_letters(&self) -> String {
        if self.dead_letter_queue.is_empty() {
            format!("{}.dead", self.queue)
        } else {
            self.dead_letter_queue.clone()
        }
    }
}

/// The patterns of what goes out.
pub const OUTGOING: [&str; 2] = ["notification.delivered", "notification.read"];

/// Whether a topic exchange routes `key` by `binding`: words between dots, `*` for one of them, `#` for any number.
pub(super) fn routes(binding: &str, key: &str) -> bool {
    fn fits(binding: &[&str], key: &[&str]) -> bool {
        match (binding.split_first(), key.split_first()) {
            (None, None) => true,
            (Some((&"#", rest)), None) => fits(rest, key),
            (Some((&"#", rest)), Some((_, behind))) => fits(rest, key) || fits(binding, behind),
            (Some((word, rest)), Some((first, behind))) => {
                (*word == "*" || word == first) && fits(rest, behind)
            }
            _ => false,
        }
    }
    fits(&binding.split('.').collect::<Vec<_>>(), &key.split('.').collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bindings_route_as_a_topic_exchange_does() {
        for (binding, key, wanted) in [
            ("notification.read", "notification.read", true),
            ("notification.*", "notification.read", true),
            ("notification.#", "notification", true),
            ("#", "notification.read", true),
            ("#.read", "notification.read", true),
            ("*.*", "notification.read", true),
            ("*", "notification.read", false),
            ("notification.created", "notification.read", false),
            ("notification.*.*", "notification.read", false),
            ("", "notification.read", false),
        ] {
            assert_eq!(routes(binding, key), wanted, "{binding} {key}");
        }
    }
}
