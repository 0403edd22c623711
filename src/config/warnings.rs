//! What is allowed and hardly meant: said at the start of a server in production, and by `bellhop check-config`.

use std::net::IpAddr;

use url::Url;

use super::{Mode, Settings};

/// A sentence for each, in the order of the sections.
pub fn warnings(settings: &Settings) -> Vec<String> {
    let Settings { server, auth, database, mail, limits, .. } = settings;
    let is_public = !server.host.parse::<IpAddr>().is_ok_and(|host| host.is_loopback());
    let is_open = settings.mode == Mode::Development && is_public;
    let is_production = settings.mode == Mode::Production;
    let is_clear = server.tls_key.is_none() && server.trusted_proxies.is_empty() && is_public;
    let has_clear_origin = server.cors_origin.iter().any(|origin| is_clear_origin(origin));
    let has_clear_redis = settings.bus.redis_url.iter().any(|url| is_clear_redis(url.reveal()));
    let smtp = mail.smtp_url.reveal();
    let is_clear_mail = smtp.starts_with("smtp://") && !smtp.contains("tls=required");
    let found = [
        (
            is_open,
            "server.host is not loopback in development mode: whoever reaches it gets a token for anybody",
        ),
        (
            is_production && server.public_url.is_empty(),
            "server.public_url (PUBLIC_URL) is not set: mail has no link",
        ),
        (
            is_production && server.external_url.is_empty(),
            "server.external_url is not set: nobody can choose by a mail's link what comes by mail",
        ),
        (
            is_production && server.cors_origin.is_empty(),
            "server.cors_origin (CORS_ORIGIN) is empty: no page of a browser may connect",
        ),
        (
            is_production && has_clear_origin,
            "server.cors_origin has an origin without TLS: whoever is on its way reads and writes in its name",
        ),
        (
            is_production && is_clear,
            "no TLS: set server.tls_certificate and server.tls_key, or the proxy in front in server.trusted_proxies",
        ),
        (
            is_production && is_clear_database(database.url.reveal()),
            "database.url (DATABASE_URL) does not require TLS: whoever is on its way reads what is kept (sslmode=verify-full)",
        ),
        (
            is_production && has_clear_redis,
            "bus.redis_url (REDIS_URL) has no TLS: whoever is on its way reads and sends what instances tell each other \
             (rediss://)",
        ),
        (!auth.require_exp, "auth.require_exp is off: a token that was stolen is good for ever"),
        (is_production && smtp.is_empty(), "mail.smtp_url (SMTP_URL) is not set: mail is written to files"),
        (
            is_production && is_clear_mail,
            "mail.smtp_url does not require TLS: mail goes in the clear where the server offers none (tls=required)",
        ),
        (
            is_production && mail.from.contains("@localhost"),
            "mail.from (MAIL_FROM) is not set: mail servers will refuse the sender",
        ),
        (
            is_production && limits.requests_per_minute == 0,
            "limits.requests_per_minute (API_RATE_LIMIT_PER_MINUTE) is 0: nobody's requests are limited",
        ),
        (
            is_production && (limits.connections_per_address == 0 || limits.handshakes_per_minute == 0),
            "limits.connections_per_address or limits.handshakes_per_minute is 0: one address may take all there is",
        ),
        (
            limits.recipients_per_request as u64 > limits.publish_per_second.saturating_mul(10),
            "limits.recipients_per_request is more than limits.publish_per_second allows at once: the largest request \
             needs all of it",
        ),
        (
            is_production && settings.metrics.token.is_empty(),
            "metrics.token (BELLHOP__METRICS__TOKEN) is not set: /metrics answers 404",
        ),
    ];
    found.into_iter().filter(|(holds, _)| *holds).map(|(_, said)| said.to_owned()).collect()
}

/// A page that everybody between can change, unless it is of this machine.
fn is_clear_origin(origin: &str) -> bool {
    Url::parse(origin).is_ok_and(|url| url.scheme() == "http" && !url.host_str().is_some_and(is_here))
}

/// Redis over a network in the clear.
fn is_clear_redis(url: &str) -> bool {
    url.strip_prefix("redis://").is_some_and(|rest| {
        let authority = rest.split(['/', '?']).next().unwrap_or(rest);
        !is_near(authority.rsplit_once('@').map_or(authority, |(_, host)| host))
    })
}

/// PostgreSQL over a network, and content with a connection in the clear. `prefer`, which is the default, takes one if
/// the server, or whoever answers in its place, offers no other.
fn is_clear_database(url: &str) -> bool {
    const REQUIRED: [&str; 3] = ["require", "verify-ca", "verify-full"];
    let Some((_, rest)) = url.split_once("://").filter(|(scheme, _)| scheme.starts_with("postgres")) else {
        return false;
    };
    // By hand: a list of hosts, and a folder in place of a host, are no URL to other parsers.
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let parameters = || query.split('&').filter_map(|pair| pair.split_once('='));
    let parameter = |name: &str| parameters().rfind(|(known, _)| *known == name).map(|(_, value)| value);
    if parameter("sslmode").is_some_and(|mode| REQUIRED.contains(&mode)) {
        return false;
    }
    let (authority, _) = place.split_once('/').unwrap_or((place, ""));
    let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
    let hosts = parameter("hostaddr").or_else(|| parameter("host")).unwrap_or(hosts);
    !hosts.split(',').all(is_near)
}

/// Whether a host of a database's URL, maybe with a port, is this machine: none at all and a folder mean a socket.
fn is_near(host: &str) -> bool {
    let is_socket = host.is_empty() || host.starts_with('/') || host.to_ascii_lowercase().starts_with("%2f");
    let without_port = host.rsplit_once(':').map_or(host, |(name, _)| name);
    is_socket || is_here(host) || is_here(without_port)
}

/// Whether a name or an address is this machine's own.
fn is_here(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, load};

    /// Production as it should be.
    const FINE: [(&str, &str); 10] = [
        ("BELLHOP_MODE", "production"),
        ("JWT_SECRET", "0123456789abcdef0123456789abcdef"),
        ("DATABASE_URL", "postgres://app@db/bellhop?sslmode=verify-full"),
        ("CORS_ORIGIN", "https://app.example.com"),
        ("PUBLIC_URL", "https://app.example.com"),
        ("BELLHOP__SERVER__EXTERNAL_URL", "https://notify.example.com"),
        ("SMTP_URL", "smtp://mail.example.com?tls=required"),
        ("MAIL_FROM", "Bookings <bookings@example.com>"),
        ("BELLHOP__METRICS__TOKEN", "a token of the figures"),
        ("BELLHOP__SERVER__TRUSTED_PROXIES", "10.0.0.1"),
    ];

    fn warned(changed: &[(&str, &str)]) -> Vec<String> {
        let environment = FINE.iter().chain(changed).map(|(name, value)| ((*name).into(), (*value).into()));
        let mut settings: Vec<(String, String)> = environment.collect();
        for (name, _) in changed {
            let first = settings.iter().position(|(known, _)| known == name);
            if let Some(first) = first.filter(|_| FINE.iter().any(|(known, _)| known == name)) {
                settings.remove(first);
            }
        }
        warnings(&load(&Sources { files: Vec::new(), environment: settings }).expect("settings"))
    }

    #[test]
    fn what_is_as_it_should_be_is_not_mentioned() {
        assert_eq!(warned(&[]), Vec::<String>::new());
        assert_eq!(warnings(&load(&Sources::default()).expect("defaults")), Vec::<String>::new());
    }

    #[test]
    fn each_weakness_is_named() {
        for (name, value, said) in [
            ("CORS_ORIGIN", "", "server.cors_origin (CORS_ORIGIN) is empty"),
            ("CORS_ORIGIN", "https://a.example.com,http://b.example.com", "an origin without TLS"),
            ("DATABASE_URL", "postgres://app:secret@db/bellhop", "database.url"),
            ("REDIS_URL", "redis://:secret@cache:6379/1", "bus.redis_url"),
            ("PUBLIC_URL", "", "server.public_url"),
            ("BELLHOP__SERVER__EXTERNAL_URL", "", "server.external_url"),
            ("SMTP_URL", "", "mail.smtp_url (SMTP_URL) is not set"),
            ("SMTP_URL", "smtp://user:secret@mail.example.com", "does not require TLS"),
            ("MAIL_FROM", "", "mail.from"),
            ("BELLHOP__SERVER__TRUSTED_PROXIES", "", "no TLS"),
            ("BELLHOP__METRICS__TOKEN", "", "metrics.token"),
            ("BELLHOP__AUTH__REQUIRE_EXP", "false", "auth.require_exp"),
            ("API_RATE_LIMIT_PER_MINUTE", "0", "limits.requests_per_minute"),
            ("BELLHOP__LIMITS__PUBLISH_PER_SECOND", "99", "limits.recipients_per_request"),
            ("BELLHOP__LIMITS__CONNECTIONS_PER_ADDRESS", "0", "limits.connections_per_address"),
            ("BELLHOP__LIMITS__HANDSHAKES_PER_MINUTE", "0", "limits.handshakes_per_minute"),
        ] {
            let found = warned(&[(name, value)]);
            assert_eq!(found.len(), 1, "{name}={value}: {found:?}");
            assert!(found[0].contains(said) && !found[0].contains("secret"), "{name}={value}: {found:?}");
        }
        let development = vec![("BELLHOP__SERVER__HOST".to_owned(), "0.0.0.0".to_owned())];
        let settings = load(&Sources { files: Vec::new(), environment: development }).expect("settings");
        assert!(warnings(&settings)[0].contains("gets a token for anybody"));
    }

    #[test]
    fn a_redis_over_a_network_must_have_tls() {
        for url in
            ["redis://cache", "redis://a:b@10.0.0.7:6379/0?x=localhost", "rediss://a,redis://cache:6379"]
        {
            assert_eq!(warned(&[("REDIS_URL", url)]).len(), 1, "{url}");
        }
        for url in
            ["rediss://cache:6379", "redis://localhost:6379/1", "redis://:pw@127.0.0.1", "redis://[::1]:6379"]
        {
            assert_eq!(warned(&[("REDIS_URL", url)]), Vec::<String>::new(), "{url}");
        }
    }

    #[test]
    fn a_database_over_a_network_must_require_tls() {
        for url in [
            "postgres://app@db/bellhop",
            "postgresql://app:p@ss/word@db:5432/bellhop",
            "postgres://app@db/bellhop?sslmode=disable",
            "postgres://app@db/bellhop?application_name=a&sslmode=prefer",
            "postgres://app@db/bellhop?sslmode=require&sslmode=allow",
            "postgres://app@10.0.0.7",
            "postgres://app@[fd00::7]:5432/bellhop",
            "postgres://app@localhost,db:5433/bellhop",
            "postgres:///bellhop?host=db",
            "postgres://localhost/bellhop?hostaddr=10.0.0.7",
            "postgres://localhost.example.com/bellhop",
        ] {
            assert!(is_clear_database(url), "{url}");
        }
        for url in [
            "sqlite://data/bellhop.db",
            "postgres://app@db/bellhop?sslmode=require",
            "postgres://app@db/bellhop?application_name=a&sslmode=verify-ca",
            "postgres://app@localhost/bellhop?sslmode=disable",
            "postgres://app@127.0.0.1:5432/bellhop",
            "postgres://app@[::1]:5432/bellhop",
            "postgres://app@[::1]/bellhop",
            "postgres:///bellhop",
            "postgres:///bellhop?host=/run/postgresql",
            "postgres://app@%2Frun%2Fpostgresql/bellhop",
        ] {
            assert!(!is_clear_database(url), "{url}");
        }
    }

    #[test]
    fn an_origin_without_tls_is_fine_on_this_machine_only() {
        for origin in ["http://a.example.com", "http://10.0.0.1:8080", "http://localhost.example.com"] {
            assert!(is_clear_origin(origin), "{origin}");
        }
        for origin in
            ["https://a.example.com", "http://localhost:5173", "http://127.0.0.1", "http://[::1]:80"]
        {
            assert!(!is_clear_origin(origin), "{origin}");
        }
    }
}
