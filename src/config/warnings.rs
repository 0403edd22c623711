//! What is allowed and hardly meant: said at the start of a server in production, and by `bellhop check-config`.

use std::net::IpAddr;

use super::{Mode, Settings};

/// A sentence for each, in the order of the sections.
pub fn warnings(settings: &Settings) -> Vec<String> {
    let Settings { server, auth, mail, limits, .. } = settings;
    let is_public = !server.host.parse::<IpAddr>().is_ok_and(|host| host.is_loopback());
    let is_open = settings.mode == Mode::Development && is_public;
    let is_production = settings.mode == Mode::Production;
    let is_clear = server.tls_key.is_none() && server.trusted_proxies.is_empty() && is_public;
    let clear_origin = server.cors_origin.iter().find(|origin| origin.starts_with("http://"));
    let clear_origin = clear_origin.map(String::as_str).unwrap_or_default();
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
            is_production && server.cors_origin.is_empty(),
            "server.cors_origin (CORS_ORIGIN) is empty: no page of a browser may connect",
        ),
        (
            is_production && !clear_origin.is_empty(),
            "server.cors_origin has an origin without TLS: whoever is on its way reads and writes in its name",
        ),
        (
            is_production && is_clear,
            "no TLS: set server.tls_certificate and server.tls_key, or the proxy in front in server.trusted_proxies",
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, load};

    /// Production as it should be.
    const FINE: [(&str, &str); 9] = [
        ("BELLHOP_MODE", "production"),
        ("JWT_SECRET", "0123456789abcdef0123456789abcdef"),
        ("DATABASE_URL", "postgres://app@db/bellhop"),
        ("CORS_ORIGIN", "https://app.example.com"),
        ("PUBLIC_URL", "https://app.example.com"),
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
            ("PUBLIC_URL", "", "server.public_url"),
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
}
