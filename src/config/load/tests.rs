//! Layers, types, and what is refused with which words.

use std::io::Write;
use std::time::Duration;

use super::*;
use crate::config::LogFormat;

const LONG_SECRET: &str = "0123456789abcdef0123456789abcdef";

fn sources(environment: &[(&str, &str)]) -> Sources {
    let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Sources { files: Vec::new(), environment }
}

fn loaded(environment: &[(&str, &str)]) -> Settings {
    load(&sources(environment)).expect("the settings are fine")
}

fn refused(environment: &[(&str, &str)]) -> String {
    load(&sources(environment)).expect_err("the settings are refused").to_string()
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("temporary file");
    file.write_all(text.as_bytes()).expect("write");
    file
}

fn refused_file(text: &str) -> String {
    let file = file(text);
    let sources = Sources { files: vec![file.path().to_owned()], environment: Vec::new() };
    let message = load(&sources).expect_err("the file is refused").to_string();
    let path = file.path().display().to_string();
    assert!(message.contains(&path), "{message} names {path}");
    message
}

#[test]
fn without_any_source_the_defaults_are_in_force() {
    let settings = load(&Sources::default()).expect("the defaults are fine");
    assert_eq!(settings.mode, Mode::Development);
    assert_eq!(settings.server.port, 3000);
    assert_eq!(settings.server.host, "127.0.0.1");
    assert_eq!(settings.server.port_2, None);
    assert_eq!(settings.database.url.reveal(), "sqlite://data/bellhop.db");
    assert_eq!(settings.auth.jwt_expires_in.duration(), Duration::from_hours(168));
    assert!(settings.delivery.escalate_after_ms_by_category.is_empty());
}

#[test]
fn development_makes_a_new_secret_at_each_start_and_says_so() {
    let (one, two) = (loaded(&[]), loaded(&[]));
    assert!(one.secret_is_random && one.auth.jwt_secret.reveal().len() >= 32);
    assert_ne!(one.auth.jwt_secret, two.auth.jwt_secret);
    assert!(!loaded(&[("JWT_SECRET", "short")]).secret_is_random);
}

#[test]
fn every_name_that_deployments_use_sets_its_key() {
    let settings = loaded(&[
        ("BELLHOP_MODE", "production"),
        ("PORT", "4000"),
        ("PORT_2", "5000"),
        ("PUBLIC_URL", "https://notify.example.com"),
        ("CORS_ORIGIN", "https://a.example.com, http://localhost:5173"),
        ("DATABASE_URL", "postgres://app:pw@db/bellhop"),
        ("JWT_SECRET", LONG_SECRET),
        ("JWT_PUBLIC_KEY", "-----BEGIN PUBLIC KEY-----"),
        ("JWT_JWKS_FILE", "/etc/jwks.json"),
        ("JWT_EXPIRES_IN", "90m"),
        ("SMTP_URL", "smtp://mail:587"),
        ("MAIL_FROM", "Stay <stay@example.com>"),
        ("RATE_LIMIT_WINDOW_MS", "1000"),
        ("RATE_LIMIT_MAX_REQUESTS", "7"),
        ("LOG_LEVEL", "debug"),
    ]);
    assert_eq!(settings.mode, Mode::Production);
    assert_eq!((settings.server.port, settings.server.port_2), (4000, Some(5000)));
    assert_eq!(settings.server.public_url, "https://notify.example.com");
    assert_eq!(settings.server.cors_origin, ["https://a.example.com", "http://localhost:5173"]);
    assert_eq!(settings.database.url.reveal(), "postgres://app:pw@db/bellhop");
    assert_eq!(settings.auth.jwt_secret.reveal(), LONG_SECRET);
    assert!(settings.auth.jwt_public_key.is_some());
    assert_eq!(settings.auth.jwks_file.as_deref(), Some("/etc/jwks.json"));
    assert_eq!(settings.auth.jwt_expires_in.duration(), Duration::from_mins(90));
    assert_eq!(settings.mail.smtp_url.reveal(), "smtp://mail:587");
    assert_eq!(settings.mail.from, "Stay <stay@example.com>");
    assert_eq!(settings.session.rate_limit_window_ms, 1000);
    assert_eq!(settings.session.rate_limit_max_requests, 7);
    assert_eq!(settings.log.level, "debug");
}

#[test]
fn every_other_key_is_set_by_its_section_and_name() {
    let settings = loaded(&[
        ("BELLHOP__SESSION__QUEUE_BYTES", "1000"),
        ("BELLHOP__DATABASE__MIGRATE_ON_START", "false"),
        ("BELLHOP__DELIVERY__PROOF", "sent"),
        ("BELLHOP__DELIVERY__ESCALATE_AFTER_MS_BY_CATEGORY__SOCIAL", "60000"),
        ("BELLHOP__AUTH__ISSUER", "https://accounts.example.com"),
        ("BELLHOP__LOG__FORMAT", "json"),
    ]);
    assert_eq!(settings.session.queue_bytes, 1000);
    assert!(!settings.database.migrate_on_start);
    assert_eq!(settings.delivery.escalate_after("social"), Duration::from_mins(1));
    assert_eq!(settings.delivery.escalate_after("bookings"), Duration::from_secs(5));
    assert_eq!(settings.auth.issuer.as_deref(), Some("https://accounts.example.com"));
    assert_eq!(settings.log.format, LogFormat::Json);
}

#[test]
fn a_layer_wins_over_the_layers_below_it() {
    let (low, high) =
        (file("[server]\nport = 1\nworkers = 1\n"), file("server.port = 2\nserver.backlog = 2\n"));
    let files = vec![low.path().to_owned(), high.path().to_owned()];
    let mut sources = Sources { files, environment: Vec::new() };
    let settings = load(&sources).expect("files");
    assert_eq!((settings.server.port, settings.server.workers, settings.server.backlog), (2, 1, 2));
    sources.environment.push(("PORT".to_owned(), "3".to_owned()));
    assert_eq!(load(&sources).expect("environment").server.port, 3);
    sources.environment.insert(0, ("BELLHOP__SERVER__PORT".to_owned(), "4".to_owned()));
    assert_eq!(load(&sources).expect("both spellings").server.port, 4);
}

#[test]
fn production_changes_defaults_but_not_what_the_operator_says() {
    let file = file("mode = \"production\"\n[server]\nhost = \"10.0.0.1\"\n");
    let environment = vec![
        ("JWT_SECRET".to_owned(), LONG_SECRET.to_owned()),
        ("DATABASE_URL".to_owned(), "sqlite:///var/lib/bellhop.db".to_owned()),
    ];
    let settings = load(&Sources { files: vec![file.path().to_owned()], environment }).expect("production");
    assert_eq!(settings.mode, Mode::Production);
    assert_eq!(settings.server.host, "10.0.0.1");
    assert_eq!(settings.server.drain_notice_ms, 3000);
    assert_eq!(settings.log.format, LogFormat::Json);
    assert!(settings.server.cors_origin.is_empty() && !settings.secret_is_random);
}

#[test]
fn production_refuses_to_start_without_a_key_and_a_database() {
    let message = refused(&[("BELLHOP_MODE", "production")]);
    assert!(message.contains("JWT_SECRET") && message.contains("DATABASE_URL"), "{message}");
    let database = ("DATABASE_URL", "postgres://db/bellhop");
    let message = refused(&[("BELLHOP_MODE", "production"), database, ("JWT_SECRET", "too short")]);
    assert!(message.contains("32 bytes") && !message.contains("too short"), "{message}");
    for key in [("JWT_SECRET", LONG_SECRET), ("JWT_PUBLIC_KEY", "pem"), ("JWT_JWKS_FILE", "/jwks")] {
        assert!(!loaded(&[("BELLHOP_MODE", "production"), database, key]).secret_is_random);
    }
}

#[test]
fn a_text_that_looks_like_a_number_or_a_list_stays_a_text() {
    let settings = loaded(&[("JWT_SECRET", "0123"), ("MAIL_FROM", "12345"), ("JWT_EXPIRES_IN", "3600")]);
    assert_eq!(settings.auth.jwt_secret.reveal(), "0123");
    assert_eq!(settings.mail.from, "12345");
    assert_eq!(loaded(&[("JWT_SECRET", "true")]).auth.jwt_secret.reveal(), "true");
    assert_eq!(loaded(&[("JWT_SECRET", "a,b")]).auth.jwt_secret.reveal(), "a,b");
}

#[test]
fn reminders_are_a_day_before_three_o_clock_unless_it_is_said_otherwise() {
    let reminders = loaded(&[]).reminders;
    assert_eq!(reminders.before.duration(), Duration::from_hours(24));
    assert_eq!(String::from(reminders.check_in_time), "15:00");
    assert!(!loaded(&[("BELLHOP__REMINDERS__BEFORE", "0")]).reminders.is_on());
    for (name, value, wanted) in [
        ("BELLHOP__REMINDERS__BEFORE", "soon", "must be a number of seconds"),
        ("BELLHOP__REMINDERS__BEFORE", "400d", "must be at most a year"),
        ("BELLHOP__REMINDERS__CHECK_IN_TIME", "3 pm", "must be a time of day"),
        ("BELLHOP__REMINDERS__INTERVAL_MS", "0", "must not be zero"),
        ("BELLHOP__REMINDERS__BATCH", "5001", "must be at most 5000"),
    ] {
        let message = refused(&[(name, value)]);
        assert!(message.contains(wanted), "{message}");
    }
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    assert_eq!(loaded(&[("PORT", ""), ("BELLHOP__SERVER__WORKERS", "")]).server.port, 3000);
}

#[test]
fn variables_of_others_are_left_alone() {
    loaded(&[("PATH", "/bin"), ("BELL", "1"), ("HOST", "x"), ("BELLHOP_SERVICE_HOST", "10.0.0.1")]);
}

#[test]
fn an_unknown_variable_is_named() {
    for name in [
        "BELLHOP_PORT",
        "BELLHOP_mode",
        "BELLHOP__PORT",
        "BELLHOP__SERVER__PROT",
        "BELLHOP__SERVER",
        "BELLHOP__",
        "BELLHOP__DELIVERY__ESCALATE_AFTER_MS_BY_CATEGORY",
        "BELLHOP__DELIVERY__ESCALATE_AFTER_MS_BY_CATEGORY__",
    ] {
        let message = refused(&[(name, "1")]);
        assert!(message.contains(&format!("variable {name}:")), "{message}");
    }
}

#[test]
fn a_variable_of_the_wrong_type_is_named_with_its_key() {
    for (name, value, key) in [
        ("PORT", "http", "server.port"),
        ("PORT", "3000.5", "server.port"),
        ("RATE_LIMIT_WINDOW_MS", "5s", "session.rate_limit_window_ms"),
        ("BELLHOP__AUTH__REQUIRE_EXP", "maybe", "auth.require_exp"),
        ("PORT", "70000", "server.port"),
        ("BELLHOP__SESSION__QUEUE_BYTES", "-1", "session.queue_bytes"),
        ("BELLHOP_MODE", "staging", "mode"),
        ("BELLHOP__LOG__FORMAT", "xml", "log.format"),
        ("JWT_EXPIRES_IN", "soon", "auth.jwt_expires_in"),
    ] {
        let message = refused(&[(name, value)]);
        assert!(message.contains(name) && message.contains(key), "{name}={value}: {message}");
    }
}

#[test]
fn a_variable_that_is_not_text_is_refused() {
    assert!(refused(&[("JWT_SECRET", "a\u{FFFD}")]).contains("JWT_SECRET"));
    loaded(&[("SOMETHING_ELSE", "a\u{FFFD}")]);
}

#[test]
fn a_file_with_an_unknown_key_is_refused_by_name() {
    assert!(refused_file("[server]\nprot = 1\n").contains("server.prot"));
    assert!(refused_file("[sever]\nport = 1\n").contains("sever"));
    assert!(refused_file("port = 1\n").contains("port"));
}

#[test]
fn a_file_with_a_value_of_the_wrong_type_is_refused_by_name() {
    assert!(refused_file("[server]\nport = \"3000\"\n").contains("server.port"));
    assert!(refused_file("server = 3000\n").contains("server in"));
    assert!(refused_file("[server.port]\nvalue = 1\n").contains("server.port in"));
    assert!(refused_file("[server]\ncors_origin = [1]\n").contains("server.cors_origin"));
    assert!(refused_file("[delivery.escalate_after_ms_by_category]\nsocial = \"1\"\n").contains("social"));
    assert!(!refused_file("[auth]\njwt_secret = 123456\n").contains("123456"));
}

#[test]
fn a_file_that_is_not_toml_is_refused_by_line_without_quoting_it() {
    let message = refused_file("[auth]\njwt_secret = \"s3cret\nport = 1\n");
    assert!(message.contains("line 2") && !message.contains("s3cret"), "{message}");
}

#[test]
fn a_file_that_is_missing_is_refused_by_name() {
    let sources = Sources { files: vec!["/nowhere/bellhop.toml".into()], environment: Vec::new() };
    assert!(load(&sources).expect_err("missing").to_string().contains("/nowhere/bellhop.toml"));
}

#[test]
fn values_that_cannot_work_are_refused_all_at_once() {
    let message = refused(&[
        ("BELLHOP__MAIL__LEASE_MS", "30000"),
        ("BELLHOP__LIMITS__WRITE_BATCH", "0"),
        ("JWT_EXPIRES_IN", "0"),
        ("DATABASE_URL", "mysql://root:s3cret@db/b"),
        ("SMTP_URL", "http://mail"),
        ("PUBLIC_URL", "notify.example.com"),
        ("BELLHOP__SERVER__EXTERNAL_URL", "https://example.com/notify"),
        ("PORT_2", "3000"),
        ("LOG_LEVEL", "verbose"),
    ]);
    for key in [
        "mail.lease_ms",
        "limits.write_batch",
        "auth.jwt_expires_in",
        "database.url",
        "mail.smtp_url",
        "server.public_url",
        "server.external_url",
        "server.port_2",
        "log.level",
    ] {
        assert!(message.contains(key), "{key} in {message}");
    }
    assert!(!message.contains("s3cret"), "{message}");
}

#[test]
fn an_origin_is_scheme_host_and_port_as_a_browser_sends_them() {
    for origin in ["http://localhost:5173", "https://app.example.com", "http://127.0.0.1:80000"] {
        let is_fine = load(&sources(&[("CORS_ORIGIN", origin)])).is_ok();
        assert_eq!(is_fine, !origin.ends_with(":80000"), "{origin}");
    }
    for origin in [
        "*",
        "null",
        "app.example.com",
        "localhost:5173",
        "ftp://app.example.com",
        "https://app.example.com/",
        "https://app.example.com/path",
        "https://app.example.com?x",
        "https://user@app.example.com",
        "https://App.example.com",
        "https://app.example.com:443",
        "https://*.example.com",
    ] {
        let message = refused(&[("CORS_ORIGIN", origin)]);
        assert!(message.contains("server.cors_origin"), "{origin}: {message}");
    }
}

#[test]
fn log_levels_and_targets_with_levels_are_accepted() {
    for level in ["warn", "OFF", "info,bellhop::hub=debug", "bellhop=trace/connect"] {
        assert_eq!(loaded(&[("LOG_LEVEL", level)]).log.level, level);
    }
}

#[test]
fn every_field_is_known_to_the_schema() {
    let mut settings = loaded(&[]);
    settings.server.port_2 = Some(5000);
    settings.auth.jwt_public_key = Some("pem".to_owned());
    settings.auth.jwks_file = Some("file".to_owned());
    settings.auth.issuer = Some("iss".to_owned());
    settings.auth.audience = Some("aud".to_owned());
    let all = Table::try_from(&settings).expect("settings are a table");
    let schema = Schema::of(&parse(DEFAULTS, &Origin::Defaults).expect("defaults"));
    schema.check(&all, &Origin::Defaults).expect("every field has a key");
}

#[test]
fn events_that_would_come_in_again_are_refused() {
    let environment = |bindings| {
        [
            ("AMQP_URL", "amqp://localhost"),
            ("BELLHOP__RABBITMQ__EVENTS_EXCHANGE", "notifications"),
            ("BELLHOP__RABBITMQ__BINDINGS", bindings),
        ]
    };
    for bindings in ["notification.*,booking.*", "#"] {
        assert!(refused(&environment(bindings)).contains("rabbitmq.bindings"), "{bindings}");
    }
    assert!(loaded(&environment("notification.created,booking.*")).rabbitmq.tells());
    let [url, _, bindings] = environment("#");
    assert!(!loaded(&[url, bindings]).rabbitmq.tells());
}

#[test]
fn a_broker_is_named_by_its_url() {
    assert!(refused(&[("AMQP_URL", "http://localhost")]).contains("rabbitmq.url"));
    let rabbitmq = loaded(&[("AMQP_URL", "amqps://app:s3cret@broker/vhost")]).rabbitmq;
    assert!(rabbitmq.is_used() && !format!("{rabbitmq:?}").contains("s3cret"));
    assert_eq!(rabbitmq.dead_letters(), "notifications.dead");
    assert!(!loaded(&[]).rabbitmq.is_used());
}
