//! Arguments, and the commands that need neither storage nor a server. `main` parses, loads the
//! settings and calls these or starts the server. Printing to standard output is this module's job.

mod heaps;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::app;
use crate::auth::{AuthSetupError, MintError, Minter};
use crate::config::{self, Lifetime, Settings};
use crate::domain::recipient::check_email;
use crate::domain::{IdGenerator, Identity, Invalid, Role, Room, TimeOrderedIds, Timestamp, UserId};
use crate::telemetry::catalogue;

pub use heaps::keep_few as keep_few_heaps;

/// A self-hosted real-time notification server for booking platforms.
#[derive(Debug, Parser)]
#[command(name = "bellhop", version)]
pub struct Cli {
    #[command(flatten)]
    files: Files,
    #[command(subcommand)]
    command: Option<Command>,
}

/// The files with settings. Every command has them too: were they one global argument, those named
/// before the command would be lost where some are named after it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Files {
    /// A TOML file with settings; may be given several times, a later file wins.
    #[arg(long = "config", value_name = "FILE")]
    files: Vec<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Run the server (the default).
    Serve(Files),
    /// Bring the database's tables up to date, then exit.
    Migrate(Files),
    /// Print a token signed with `JWT_SECRET`.
    Token(TokenArguments),
    /// Check the settings and print those in force, with secrets hidden.
    CheckConfig(Files),
    /// Print a Postman collection of the API.
    Postman(Files),
    /// Print the list of the figures in /metrics.
    Metrics(Files),
}

impl Cli {
    /// What to do, and the files with settings in the order they were named. Without a command the
    /// server runs.
    pub fn into_parts(self) -> (Command, Vec<PathBuf>) {
        let command = self.command.unwrap_or_else(|| Command::Serve(Files::default()));
        let mut files = self.files.files;
        files.extend_from_slice(&command.files().files);
        (command, files)
    }
}

impl Command {
    fn files(&self) -> &Files {
        match self {
            Self::Serve(files)
            | Self::Migrate(files)
            | Self::CheckConfig(files)
            | Self::Postman(files)
            | Self::Metrics(files) => files,
            Self::Token(arguments) => &arguments.files,
        }
    }
}

/// What a token is to say.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct TokenArguments {
    #[command(flatten)]
    files: Files,
    /// The user's id.
    #[arg(long, value_name = "ID", value_parser = user)]
    pub user: UserId,
    /// A role, for example CUSTOMER, PROFESSIONAL, ADMIN or SERVICE; may be given several times.
    #[arg(long = "role", value_name = "ROLE")]
    pub roles: Vec<String>,
    /// How long the token lives: seconds, or a number with s, m, h, d or w [default: what
    /// `JWT_EXPIRES_IN` says].
    #[arg(long, value_name = "TIME")]
    pub expires_in: Option<Lifetime>,
    /// The address for notifications that no device confirms.
    #[arg(long, value_name = "ADDRESS", value_parser = email)]
    pub email: Option<String>,
    /// The platform's own session.
    #[arg(long, value_name = "ID")]
    pub session: Option<String>,
    /// The user's name.
    #[arg(long)]
    pub name: Option<String>,
    /// A room that the user may join, for example booking:42; may be given several times.
    #[arg(long = "room", value_name = "ROOM", value_parser = room)]
    pub rooms: Vec<String>,
}

/// A command that failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error("JWT_SECRET is not set: no server would believe this token")]
    RandomSecret,
    #[error(transparent)]
    Setup(#[from] AuthSetupError),
    #[error(transparent)]
    Mint(#[from] MintError),
    #[error("cannot write the settings as TOML")]
    Toml(#[from] toml::ser::Error),
    #[error("cannot write the collection as JSON")]
    Json(#[from] serde_json::Error),
    #[error("cannot write to standard output")]
    Output(#[from] io::Error),
}

/// `bellhop metrics`: writes the list of figures as Markdown.
pub fn metrics(out: &mut impl Write) -> Result<(), CliError> {
    Ok(out.write_all(catalogue::page().as_bytes())?)
}

/// `bellhop token`: writes a token and nothing else, so that a script can use it as it is.
pub fn token(
    out: &mut impl Write,
    settings: &Settings,
    arguments: &TokenArguments,
    now: Timestamp,
) -> Result<(), CliError> {
    if settings.secret_is_random {
        return Err(CliError::RandomSecret);
    }
    let identity = Identity {
        user: arguments.user.clone(),
        roles: arguments.roles.iter().map(|name| Role::new(name)).collect(),
        session: arguments.session.clone(),
        email: arguments.email.clone(),
        name: arguments.name.clone(),
        locale: None,
        time_zone: None,
        rooms: arguments.rooms.clone(),
        expires_at: None,
        token_id: Some(TimeOrderedIds.next().to_string()),
        issued_at: None,
        signed_by: None,
    };
    let lifetime = arguments.expires_in.as_ref().unwrap_or(&settings.auth.jwt_expires_in);
    let token = Minter::new(&settings.auth)?.mint(&identity, lifetime.duration(), now)?;
    writeln!(out, "{token}")?;
    Ok(())
}

/// `bellhop check-config`: writes the settings in force as TOML; secrets and passwords are dots.
pub fn check_config(out: &mut impl Write, settings: &Settings) -> Result<(), CliError> {
    if settings.secret_is_random {
        writeln!(out, "# auth.jwt_secret is not set: serve makes a random one at each start.\n")?;
    }
    for said in config::warnings(settings) {
        writeln!(out, "# WARNING: {said}")?;
    }
    out.write_all(toml::to_string(settings)?.as_bytes())?;
    Ok(())
}

/// `bellhop postman`: writes a collection of what a server with these settings serves.
pub fn postman(out: &mut impl Write, settings: &Settings) -> Result<(), CliError> {
    let collection = app::collection(&app::document(settings)?);
    writeln!(out, "{}", serde_json::to_string_pretty(&collection)?)?;
    Ok(())
}

fn user(text: &str) -> Result<UserId, Invalid> {
    UserId::parse("user", text)
}

fn email(text: &str) -> Result<String, Invalid> {
    check_email("email", text).map(|()| text.to_owned())
}

fn room(text: &str) -> Result<String, Invalid> {
    Room::parse(text).map(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Verifier;
    use crate::config::{Secret, SecretUrl, Sources, load};

    const NOW: Timestamp = Timestamp::from_micros(1_767_713_445_123_000);

    fn parse(line: &str) -> Cli {
        Cli::try_parse_from(line.split(' ')).expect("arguments are fine")
    }

    fn settings() -> Settings {
        let environment = vec![("JWT_SECRET".to_owned(), "a secret of this test only".to_owned())];
        load(&Sources { files: Vec::new(), environment }).expect("the settings are fine")
    }

    fn token_for(line: &str, settings: &Settings) -> Result<String, CliError> {
        let (Command::Token(arguments), _) = parse(line).into_parts() else { panic!("not `token`: {line}") };
        let mut out = Vec::new();
        token(&mut out, settings, &arguments, NOW)?;
        Ok(String::from_utf8(out).expect("UTF-8"))
    }

    #[test]
    fn without_a_command_the_server_runs() {
        for (line, expected) in [
            ("bellhop", Command::Serve(Files::default())),
            ("bellhop serve", Command::Serve(Files::default())),
            ("bellhop migrate", Command::Migrate(Files::default())),
            ("bellhop check-config", Command::CheckConfig(Files::default())),
            ("bellhop postman", Command::Postman(Files::default())),
            ("bellhop metrics", Command::Metrics(Files::default())),
        ] {
            assert_eq!(parse(line).into_parts(), (expected, Vec::new()), "{line}");
        }
    }

    #[test]
    fn files_may_be_named_before_and_after_the_command() {
        for line in [
            "bellhop --config a --config b",
            "bellhop --config a --config b serve",
            "bellhop migrate --config a --config b",
            "bellhop --config a check-config --config b",
            "bellhop --config a token --user 7 --config b",
        ] {
            let (_, files) = parse(line).into_parts();
            assert_eq!(files, [PathBuf::from("a"), PathBuf::from("b")], "{line}");
        }
    }

    #[test]
    fn a_minted_token_is_believed_and_says_what_was_asked() {
        let settings = settings();
        let line = "bellhop token --user 7 --role professional --role ADMIN --expires-in 2h \
                    --email host@example.com --session s1 --name Ada --room booking:42";
        let printed = token_for(line, &settings).expect("a token");
        assert_eq!(printed.lines().count(), 1);
        let verifier = Verifier::new(&settings.auth).expect("keys");
        let identity = verifier.verify(printed.trim_end(), NOW).expect("believed");
        assert_eq!(identity.user.as_str(), "7");
        assert!(identity.is_admin() && identity.has_role("PROFESSIONAL"));
        assert_eq!(identity.email.as_deref(), Some("host@example.com"));
        assert_eq!(identity.session.as_deref(), Some("s1"));
        assert_eq!(identity.name.as_deref(), Some("Ada"));
        assert_eq!(identity.rooms, ["booking:42"]);
        assert_eq!(identity.expires_at.map(Timestamp::as_seconds), Some(NOW.as_seconds() + 7200));
    }

    #[test]
    fn a_token_lives_as_long_as_the_settings_say_unless_told_otherwise() {
        let settings = settings();
        let printed = token_for("bellhop token --user 7", &settings).expect("a token");
        let verifier = Verifier::new(&settings.auth).expect("keys");
        let identity = verifier.verify(printed.trim_end(), NOW).expect("believed");
        assert_eq!(identity.expires_at.map(Timestamp::as_seconds), Some(NOW.as_seconds() + 604_800));
    }

    #[test]
    fn a_token_that_no_server_would_believe_is_not_made() {
        let random = load(&Sources::default()).expect("defaults");
        assert!(matches!(token_for("bellhop token --user 7", &random), Err(CliError::RandomSecret)));
        let mut none = settings();
        none.auth.jwt_secret = Secret::default();
        let refused = token_for("bellhop token --user 7", &none);
        assert!(matches!(refused, Err(CliError::Setup(AuthSetupError::NoSecret))));
    }

    #[test]
    fn arguments_that_do_not_fit_are_refused() {
        for line in [
            "bellhop token",
            "bellhop token --user ",
            "bellhop token --user 7 --expires-in soon",
            "bellhop token --user 7 --email nobody",
            "bellhop token --user 7 --room lobby",
            "bellhop fly",
            "bellhop --port 1",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }

    #[test]
    fn the_settings_are_printed_as_toml_without_their_secrets() {
        let mut settings = settings();
        settings.database.url = SecretUrl::new("postgres://app:s3cret@db/bellhop".to_owned());
        settings.mail.smtp_url = SecretUrl::new("smtps://app:s3cret@mail:465".to_owned());
        settings.delivery.escalate_after_ms_by_category.insert("social".to_owned(), 60_000);
        let mut out = Vec::new();
        check_config(&mut out, &settings).expect("printed");
        let printed = String::from_utf8(out).expect("UTF-8");
        assert!(!printed.contains("s3cret") && !printed.contains("a secret of this test"), "{printed}");
        let table: toml::Table = printed.parse().expect("TOML");
        assert_eq!(table["database"]["url"].as_str(), Some("postgres://app:••••••@db/bellhop"));
        assert_eq!(table["mail"]["smtp_url"].as_str(), Some("smtps://app:••••••@mail:465"));
        assert_eq!(table["auth"]["jwt_secret"].as_str(), Some("••••••"));
        assert_eq!(table["auth"]["jwt_expires_in"].as_str(), Some("7d"));
        assert_eq!(table["server"]["port"].as_integer(), Some(3000));
        assert_eq!(table["delivery"]["escalate_after_ms_by_category"]["social"].as_integer(), Some(60_000));
        assert!(!printed.contains("secret_is_random"));
    }

    #[test]
    fn a_secret_that_was_made_up_is_mentioned() {
        let mut out = Vec::new();
        check_config(&mut out, &load(&Sources::default()).expect("defaults")).expect("printed");
        assert!(String::from_utf8_lossy(&out).starts_with("# auth.jwt_secret is not set"));
    }
}
