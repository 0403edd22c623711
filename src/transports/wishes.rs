//! What a client may ask of its connection when it opens it, in the query or in what else its door lets it say: how
//! long it lasts, what it is given first, and under which names.

use std::time::Duration;

use tokio::time::Instant;

use crate::actors::session::{LONGEST, Pass, Services, Terms};
use crate::config::SessionSettings;
use crate::domain::{Channel, Identity};
use crate::http::Problem;
use crate::protocol::wire::{Wanted, Wire};

/// How long a session may be silent where its connection looks after that.
const NEVER: Duration = LONGEST;
/// The most event names that a client may ask for, and the longest.
const EVENTS_MAX: usize = 64;
const EVENT_NAME_MAX: usize = 128;

/// See the module's documentation.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wishes {
    ttl: Option<Duration>,
    once: bool,
    pub(super) since: Option<i64>,
    /// The names under which notifications are wanted, their types where they have one name; none for all.
    pub(super) events: Option<Vec<String>>,
    /// Whether each notification asks for an ack, which alone proves it.
    pub(super) acks: bool,
}

impl Wishes {
    /// `ttl` in seconds, fractions allowed; `once` and `acks` are `true` or `false`; `since` is a seq; `events` are names
    /// with commas between them. `asked` finds what was asked under a name.
    pub(super) fn parse(
        asked: impl Fn(&str) -> Option<String>,
        settings: &SessionSettings,
    ) -> Result<Self, Problem> {
        let most = settings.max_ttl_seconds;
        let ttl = asked("ttl").map(|text| {
            let seconds = text.parse::<f64>().ok().filter(|seconds| *seconds > 0.0);
            let ttl = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            let ttl = ttl.filter(|ttl| *ttl <= Duration::from_secs(most));
            ttl.ok_or_else(|| invalid("ttl", format!("ttl must be seconds, above 0 and at most {most}")))
        });
        let since = asked("since").map(|text| {
            let seq = text.parse::<i64>().ok().filter(|seq| *seq >= 0);
            seq.ok_or_else(|| invalid("since", "since must be a seq: a whole number, 0 or above"))
        });
        Ok(Self {
            ttl: ttl.transpose()?,
            once: flag("once", asked("once").as_deref())?,
            since: since.transpose()?,
            events: asked("events").filter(|text| !text.is_empty()).map(|text| events(&text)).transpose()?,
            acks: flag("acks", asked("acks").as_deref())?,
        })
    }

    /// The types that are wanted over a door where a notification has one name, its type.
    pub(super) fn wanted(&self) -> Wanted {
        Wanted::new(self.events.as_deref())
    }

    /// `identity` is the token's bearer; `name` what the session is called where its token does not say.
    /// On the raw door the session itself minds its client's silence.
    pub(super) fn terms(
        &self,
        identity: &Identity,
        services: &Services,
        wire: Wire,
        name: Option<Box<str>>,
    ) -> Terms {
        let settings = &services.settings;
        let (channel, silence) = match wire {
            Wire::Raw(_) => (Channel::WebSocket, Duration::from_millis(settings.heartbeat_timeout_ms)),
            Wire::SocketIo(_) => (Channel::SocketIo, NEVER),
            Wire::Sse(_) => (Channel::Sse, NEVER),
        };
        Terms {
            queue_bytes: settings.queue_bytes,
            heartbeat_interval: Duration::from_millis(settings.heartbeat_interval_ms),
            heartbeat_timeout: silence,
            ends: self.ttl.map(|ttl| Instant::now() + ttl),
            pass: Pass::new(identity, services.tokens.believed_for(identity)).into(),
            once: self.once,
            since: self.since,
            claims_above: Some(0),
            proof: services.proof,
            channel,
            wire,
            name,
        }
    }
}

fn invalid(field: &'static str, detail: impl Into<String>) -> Problem {
    Problem::bad_request("invalid_query", detail).of_field(field)
}

fn flag(name: &'static str, asked: Option<&str>) -> Result<bool, Problem> {
    match asked {
        None | Some("false" | "0") => Ok(false),
        Some("true" | "1" | "") => Ok(true),
        Some(_) => Err(invalid(name, format!("{name} must be true or false"))),
    }
}

fn events(text: &str) -> Result<Vec<String>, Problem> {
    let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
    let fit = |name: &String| !name.is_empty() && name.len() <= EVENT_NAME_MAX;
    if names.len() > EVENTS_MAX || !names.iter().all(fit) {
        let bound =
            format!("events must be at most {EVENTS_MAX} names, each of at most {EVENT_NAME_MAX} bytes");
        return Err(invalid("events", bound));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::credentials::query_value;

    fn parse(query: &str) -> Result<Wishes, Problem> {
        let settings = crate::config::load(&crate::config::Sources::default()).expect("defaults");
        Wishes::parse(|name| query_value(query, name), &settings.session)
    }

    #[test]
    fn a_time_to_live_is_in_seconds_and_bounded() {
        assert_eq!(parse("ttl=2.5").expect("fits").ttl, Some(Duration::from_millis(2500)));
        for query in ["ttl=0", "ttl=-1", "ttl=NaN", "ttl=inf", "ttl=", "ttl=abc", "ttl=1e300", "ttl=99999999"]
        {
            assert!(parse(query).is_err(), "{query}");
        }
    }

    #[test]
    fn since_is_a_whole_number_from_0_on() {
        assert_eq!(parse("since=42").expect("fits").since, Some(42));
        assert_eq!(parse("").expect("fits").since, None);
        for query in ["since=", "since=-1", "since=1.5", "since=x", "since=9223372036854775808"] {
            assert!(parse(query).is_err(), "{query}");
        }
    }

    #[test]
    fn once_is_a_truth_value() {
        assert!(parse("once=true").expect("fits").once);
        assert!(!parse("once=false").expect("fits").once);
        assert!(parse("once=maybe").is_err());
    }
}
