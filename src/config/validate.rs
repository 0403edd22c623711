//! What settings must keep to beyond their types. All problems are found at once, so that an operator
//! corrects them in one go. For `load` only.

use std::collections::BTreeSet;
use std::time::Duration;

use log::LevelFilter;
use url::Url;

use super::error::Problem;
use super::rabbitmq::{OUTGOING, routes};
use super::{Mode, Network, Settings};

/// The least length of an HS256 secret in production: that of the hash (RFC 7518 §3.2).
const SECRET_BYTES_MIN: usize = 32;

/// How many different bytes it has at least: a random one has many more, a filler like `aaaa…` fewer.
const SECRET_LETTERS_MIN: usize = 8;

/// Everything that is wrong, in the order of the sections.
pub(super) fn problems(settings: &Settings) -> Vec<Problem> {
    let mut found = Found(Vec::new());
    server(settings, &mut found);
    database(settings, &mut found);
    auth(settings, &mut found);
    mail(settings, &mut found);
    socketio(settings, &mut found);
    sse(settings, &mut found);
    bus(settings, &mut found);
    rabbitmq(settings, &mut found);
    reminders(settings, &mut found);
    nonzero(settings, &mut found);
    not_absurd(settings, &mut found);
    found.check(is_filter(&settings.log.level), "log.level", || {
        "must be error, warn, info, debug, trace or off, or targets with one of these".to_owned()
    });
    found.0
}

/// The most letters of an instance's name, which every polling request carries.
const INSTANCE_MAX: usize = 32;

#[derive(Debug)]
struct Found(Vec<Problem>);

impl Found {
    fn check(&mut self, holds: bool, key: &'static str, reason: impl FnOnce() -> String) {
        if !holds {
            self.0.push(Problem { key, reason: reason() });
        }
    }
}

fn server(settings: &Settings, found: &mut Found) {
    let server = &settings.server;
    let named = &server.instance;
    let is_name = named.len() <= INSTANCE_MAX && named.bytes().all(|b| b.is_ascii_alphanumeric());
    found.check(is_name, "server.instance", || format!("must be at most {INSTANCE_MAX} letters and digits"));
    found.check(!server.host.trim().is_empty(), "server.host", || "must not be empty".to_owned());
    found.check(server.port == 0 || server.port_2 != Some(server.port), "server.port_2", || {
        "must differ from server.port".to_owned()
    });
    let public_url_fits = server.public_url.is_empty() || is_web(&server.public_url);
    found.check(public_url_fits, "server.public_url", || "must be an http:// or https:// URL".to_owned());
    let external_url_fits =
        server.external_url.is_empty() || is_origin(server.external_url.trim_end_matches('/'));
    found.check(external_url_fits, "server.external_url", || {
        "must have scheme://host[:port] and no path: pages load what is beside them from the root".to_owned()
    });
    found.check(server.tls_certificate.is_some() == server.tls_key.is_some(), "server.tls_key", || {
        "and server.tls_certificate go together".to_owned()
    });
    let trusts_all = server.trusted_proxies.iter().any(Network::is_everything);
    found.check(settings.mode == Mode::Development || !trusts_all, "server.trusted_proxies", || {
        "must not be everybody in production: whoever connects could claim any address".to_owned()
    });
    for text in &server.cors_origin {
        found.check(is_origin(text), "server.cors_origin", || {
            format!("must have scheme://host[:port] as a browser sends it, without a path; {text:?} is not")
        });
    }
}

fn is_web(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// A browser's `Origin` is compared byte by byte, so only its own spelling can ever match: lower
/// case, no default port, no slash at the end. Patterns are not understood.
fn is_origin(text: &str) -> bool {
    is_web(text)
        && !text.contains('*')
        && Url::parse(text).is_ok_and(|url| url.origin().ascii_serialization() == text)
}

fn database(settings: &Settings, found: &mut Found) {
    let url = &settings.database.url;
    if settings.mode == Mode::Production && url.is_empty() {
        found.check(false, "database.url", || "is required in production: set DATABASE_URL".to_owned());
        return;
    }
    found.check(matches!(url.scheme(), "sqlite" | "postgres" | "postgresql"), "database.url", || {
        "must begin with sqlite:// or postgres://".to_owned()
    });
}

fn auth(settings: &Settings, found: &mut Found) {
    let auth = &settings.auth;
    let secret = auth.jwt_secret.reveal();
    if settings.mode == Mode::Production {
        let public = [&auth.jwt_public_key, &auth.jwt_public_key_file, &auth.jwks_file];
        let has_key = !secret.is_empty() || public.iter().any(|key| key.is_some());
        found.check(has_key, "auth.jwt_secret", || {
            "is required in production: set JWT_SECRET, JWT_PUBLIC_KEY or JWT_JWKS_FILE".to_owned()
        });
        let letters = secret.bytes().collect::<BTreeSet<u8>>().len();
        found.check(
            secret.len() < SECRET_BYTES_MIN || letters >= SECRET_LETTERS_MIN,
            "auth.jwt_secret",
            || "is too easy to guess for production: let `openssl rand -base64 48` make one".to_owned(),
        );
        found.check(secret.is_empty() || secret.len() >= SECRET_BYTES_MIN, "auth.jwt_secret", || {
            format!("must have at least {SECRET_BYTES_MIN} bytes in production")
        });
        for previous in &auth.jwt_secret_previous {
            found.check(previous.reveal().len() >= SECRET_BYTES_MIN, "auth.jwt_secret_previous", || {
                format!("must each have at least {SECRET_BYTES_MIN} bytes in production")
            });
        }
    }
    let has_empty = auth.jwt_secret_previous.iter().any(super::Secret::is_empty);
    found.check(!has_empty, "auth.jwt_secret_previous", || "must not be empty texts".to_owned());
    if let Some(age) = &auth.max_token_age {
        found.check(age.duration() >= auth.jwt_expires_in.duration(), "auth.max_token_age", || {
            "must not be shorter than auth.jwt_expires_in".to_owned()
        });
        found.check(auth.require_exp, "auth.max_token_age", || "needs auth.require_exp".to_owned());
    }
    found.check(!auth.jwt_expires_in.duration().is_zero(), "auth.jwt_expires_in", || {
        "must not be zero".to_owned()
    });
}

fn mail(settings: &Settings, found: &mut Found) {
    let mail = &settings.mail;
    let smtp_fits = mail.smtp_url.is_empty() || matches!(mail.smtp_url.scheme(), "smtp" | "smtps");
    found.check(smtp_fits, "mail.smtp_url", || "must begin with smtp:// or smtps://".to_owned());
    found.check(!mail.from.trim().is_empty(), "mail.from", || "must not be empty".to_owned());
    found.check(mail.lease_ms > mail.timeout_ms, "mail.lease_ms", || {
        "must be longer than mail.timeout_ms, or two instances send the same mail".to_owned()
    });
    found.check(mail.retry_longest_ms >= mail.retry_first_ms, "mail.retry_longest_ms", || {
        "must not be shorter than mail.retry_first_ms".to_owned()
    });
}

/// Names that Socket.IO keeps for itself: its clients fail the connection over an event called so.
const RESERVED_EVENTS: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

fn socketio(settings: &Settings, found: &mut Found) {
    let socketio = &settings.socketio;
    for (key, names) in [
        ("socketio.events_main", &socketio.events_main),
        ("socketio.events_notifications", &socketio.events_notifications),
    ] {
        for entry in names {
            let name = entry.split_once('=').map_or(entry.as_str(), |(_, name)| name.trim());
            let fits = !name.is_empty() && !RESERVED_EVENTS.contains(&name);
            found.check(fits, key, || {
                format!("must name events that Socket.IO can carry; {entry:?} does not")
            });
        }
    }
}

fn rabbitmq(settings: &Settings, found: &mut Found) {
    /// A short string of the protocol (AMQP 0-9-1 §4.2.5.3).
    const NAME_MAX: usize = 255;
    let rabbitmq = &settings.rabbitmq;
    let url_fits = rabbitmq.url.is_empty() || matches!(rabbitmq.url.scheme(), "amqp" | "amqps");
    found.check(url_fits, "rabbitmq.url", || "must begin with amqp:// or amqps://".to_owned());
    let fits = |name: &str| name.len() <= NAME_MAX && !name.contains(char::is_control);
    found.check(!rabbitmq.queue.is_empty() && fits(&rabbitmq.queue), "rabbitmq.queue", || {
        format!("must have 1 to {NAME_MAX} bytes")
    });
    let dead_letters = rabbitmq.dead_letters();
    found.check(fits(&dead_letters) && dead_letters != rabbitmq.queue, "rabbitmq.dead_letter_queue", || {
        format!("must have at most {NAME_MAX} bytes, and not be rabbitmq.queue")
    });
    for (key, name) in
        [("rabbitmq.exchange", &rabbitmq.exchange), ("rabbitmq.events_exchange", &rabbitmq.events_exchange)]
    {
        found.check(fits(name), key, || format!("must have at most {NAME_MAX} bytes"));
    }
    found.check(rabbitmq.bindings.iter().all(|binding| fits(binding)), "rabbitmq.bindings", || {
        format!("must each have at most {NAME_MAX} bytes")
    });
    let comes_back = |binding: &String| OUTGOING.iter().any(|pattern| routes(binding, pattern));
    let circles = rabbitmq.tells()
        && rabbitmq.events_exchange == rabbitmq.exchange
        && rabbitmq.bindings.iter().any(comes_back);
    found.check(!circles, "rabbitmq.bindings", || {
        "must not match notification.delivered or notification.read where rabbitmq.events_exchange is \
            rabbitmq.exchange: what goes out would come in again"
            .to_owned()
    });
    found.check(rabbitmq.retry_longest_ms >= rabbitmq.retry_first_ms, "rabbitmq.retry_longest_ms", || {
        "must not be shorter than rabbitmq.retry_first_ms".to_owned()
    });
}

fn bus(settings: &Settings, found: &mut Found) {
    /// What of a name every tool of Redis shows as it is; braces would move keys between a cluster's nodes.
    const PREFIX_MAX: usize = 64;
    let bus = &settings.bus;
    let fits = bus.redis_url.iter().all(|url| matches!(url.scheme(), "redis" | "rediss"));
    found.check(fits, "bus.redis_url", || "must begin with redis:// or rediss://".to_owned());
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_prefix = (1..=PREFIX_MAX).contains(&bus.prefix.len()) && bus.prefix.bytes().all(is_plain);
    found.check(is_prefix, "bus.prefix", || {
        format!("must have 1 to {PREFIX_MAX} letters, digits, hyphens, underscores or dots")
    });
    let renewals = settings.presence.lease_ms >= bus.timeout_ms.saturating_mul(3);
    found.check(bus.redis_url.is_empty() || renewals, "presence.lease_ms", || {
        "must be three times bus.timeout_ms at least, or it ends while Redis is only slow".to_owned()
    });
}

fn sse(settings: &Settings, found: &mut Found) {
    let sse = &settings.sse;
    found.check(sse.cleanup_interval_ms > sse.heartbeat_interval_ms, "sse.cleanup_interval_ms", || {
        "must be longer than sse.heartbeat_interval_ms, or streams end for want of something to take"
            .to_owned()
    });
}

fn reminders(settings: &Settings, found: &mut Found) {
    /// Nobody books longer ahead; a typing error is likelier.
    const BEFORE_MAX: Duration = Duration::from_hours(24 * 366);
    found.check(settings.reminders.before.duration() <= BEFORE_MAX, "reminders.before", || {
        "must be at most a year".to_owned()
    });
}

/// Figures of which none means that nothing works.
fn nonzero(settings: &Settings, found: &mut Found) {
    let Settings { server, database, mail, delivery, session, socketio, sse, limits, retention, .. } =
        settings;
    for (key, is_zero) in [
        ("server.backlog", server.backlog == 0),
        ("server.request_timeout_ms", server.request_timeout_ms == 0),
        ("server.stall_timeout_ms", server.stall_timeout_ms == 0),
        ("server.tls_reload_ms", server.tls_reload_ms == 0),
        ("database.read_connections", database.read_connections == 0),
        ("database.connection_timeout_ms", database.connection_timeout_ms == 0),
        ("database.statement_timeout_ms", database.statement_timeout_ms == 0),
        ("mail.concurrency", mail.concurrency == 0),
        ("mail.timeout_ms", mail.timeout_ms == 0),
        ("mail.retry_first_ms", mail.retry_first_ms == 0),
        ("mail.give_up_after_ms", mail.give_up_after_ms == 0),
        ("delivery.sweep_interval_ms", delivery.sweep_interval_ms == 0),
        ("delivery.claim_size", delivery.claim_size == 0),
        ("session.queue_bytes", session.queue_bytes == 0),
        ("session.message_bytes", session.message_bytes == 0),
        ("session.heartbeat_interval_ms", session.heartbeat_interval_ms == 0),
        ("session.heartbeat_timeout_ms", session.heartbeat_timeout_ms == 0),
        ("session.rate_limit_window_ms", session.rate_limit_window_ms == 0),
        ("session.rate_limit_max_requests", session.rate_limit_max_requests == 0),
        ("session.rate_limit_strikes", session.rate_limit_strikes == 0),
        ("session.max_rooms", session.max_rooms == 0),
        ("session.max_ttl_seconds", session.max_ttl_seconds == 0),
        ("socketio.ping_interval_ms", socketio.ping_interval_ms == 0),
        ("socketio.ping_timeout_ms", socketio.ping_timeout_ms == 0),
        ("socketio.connect_timeout_ms", socketio.connect_timeout_ms == 0),
        ("socketio.upgrade_timeout_ms", socketio.upgrade_timeout_ms == 0),
        ("socketio.max_payload_bytes", socketio.max_payload_bytes == 0),
        ("sse.heartbeat_interval_ms", sse.heartbeat_interval_ms == 0),
        ("sse.retry_ms", sse.retry_ms == 0),
        ("presence.lease_ms", settings.presence.lease_ms == 0),
        ("rabbitmq.prefetch", settings.rabbitmq.prefetch == 0),
        ("rabbitmq.events_kept_hours", settings.rabbitmq.events_kept_hours == 0),
        ("rabbitmq.heartbeat_seconds", settings.rabbitmq.heartbeat_seconds == 0),
        ("rabbitmq.connect_timeout_ms", settings.rabbitmq.connect_timeout_ms == 0),
        ("rabbitmq.retry_first_ms", settings.rabbitmq.retry_first_ms == 0),
        ("bus.timeout_ms", settings.bus.timeout_ms == 0),
        ("bus.poll_ms", settings.bus.poll_ms == 0),
        ("limits.body_bytes", limits.body_bytes == 0),
        ("limits.connections", limits.connections == 0),
        ("limits.users_per_address", limits.users_per_address == 0),
        ("limits.publish_per_second", limits.publish_per_second == 0),
        ("limits.tracked", limits.tracked == 0),
        ("limits.sessions", limits.sessions == 0),
        ("limits.sessions_per_user", limits.sessions_per_user == 0),
        ("limits.write_queue", limits.write_queue == 0),
        ("limits.write_batch", limits.write_batch == 0),
        ("limits.read_queue", limits.read_queue == 0),
        ("limits.idempotency_hours", limits.idempotency_hours == 0),
        ("reminders.interval_ms", settings.reminders.interval_ms == 0),
        ("reminders.batch", settings.reminders.batch == 0),
        ("retention.interval_ms", retention.interval_ms == 0),
        ("retention.batch", retention.batch == 0),
        ("limits.recipients_per_request", limits.recipients_per_request == 0),
        ("limits.tickets_per_user", limits.tickets_per_user == 0),
        ("auth.ticket_seconds", settings.auth.ticket_seconds == 0),
        ("auth.key_poll_ms", settings.auth.key_poll_ms == 0),
        ("auth.revocation_poll_ms", settings.auth.revocation_poll_ms == 0),
        ("metrics.watch_interval_ms", settings.metrics.watch_interval_ms == 0),
    ] {
        found.check(!is_zero, key, || "must not be zero".to_owned());
    }
}

/// The logger takes a word that is not a level for a target's name and then logs nothing.
fn is_filter(text: &str) -> bool {
    let directives = text.split_once('/').map_or(text, |(directives, _)| directives);
    directives.split(',').all(|directive| {
        let level = directive.split_once('=').map_or(directive, |(_, level)| level);
        level.trim().parse::<LevelFilter>().is_ok()
    })
}

/// Figures that no machine can honour, and of which a typing error is the likely cause.
fn not_absurd(settings: &Settings, found: &mut Found) {
    /// The HTTP server takes no more.
    const THREADS_MAX: usize = 512;
    const CONNECTIONS_MAX: usize = 1_000;
    /// What one transaction may hold of others' inboxes.
    const ROWS_MAX: usize = 10_000;
    /// Two notifications are written of each.
    const REMINDED_MAX: usize = ROWS_MAX / 2;
    const ITEMS_MAX: usize = 100_000_000;
    /// More than any machine answers, and few enough to be told apart by the clock.
    const RATE_MAX: u64 = 100_000_000;
    const FACTOR_MAX: u64 = 1_000_000;
    let Settings { server, database, mail, session, limits, .. } = settings;
    for (key, figure, most) in [
        ("server.workers", server.workers, THREADS_MAX),
        ("database.read_connections", database.read_connections as usize, CONNECTIONS_MAX),
        ("mail.concurrency", mail.concurrency, CONNECTIONS_MAX),
        ("session.queue_bytes", session.queue_bytes, ITEMS_MAX),
        ("session.message_bytes", session.message_bytes, ITEMS_MAX),
        ("socketio.max_payload_bytes", settings.socketio.max_payload_bytes, ITEMS_MAX),
        ("limits.body_bytes", limits.body_bytes, ITEMS_MAX),
        ("limits.connections", limits.connections, ITEMS_MAX),
        ("limits.connections_per_address", limits.connections_per_address, ITEMS_MAX),
        ("limits.tracked", limits.tracked, ITEMS_MAX),
        ("limits.sessions", limits.sessions, ITEMS_MAX),
        ("limits.write_queue", limits.write_queue, ITEMS_MAX),
        ("limits.write_batch", limits.write_batch, ITEMS_MAX),
        ("limits.read_queue", limits.read_queue, ITEMS_MAX),
        ("reminders.batch", settings.reminders.batch as usize, REMINDED_MAX),
        ("retention.batch", settings.retention.batch as usize, ROWS_MAX),
        ("limits.tickets_per_user", limits.tickets_per_user, ITEMS_MAX),
    ] {
        found.check(figure <= most, key, || format!("must be at most {most}"));
    }
    for (key, rate, most) in [
        ("limits.handshakes_per_minute", limits.handshakes_per_minute, RATE_MAX),
        ("limits.requests_per_minute", limits.requests_per_minute, RATE_MAX),
        ("limits.users_per_address", limits.users_per_address, FACTOR_MAX),
        ("limits.publish_per_second", limits.publish_per_second, RATE_MAX),
    ] {
        found.check(rate <= most, key, || format!("must be at most {most}"));
    }
}
