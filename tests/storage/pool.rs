//! Connecting: the error says what is wrong and with what, and nothing is made by mistake.

use std::net::TcpListener;
use std::time::Duration;

use bellhop::config::DatabaseSettings;
use bellhop::storage::{ConnectError, Pool};
use tokio::time::Instant;

use crate::support::port::free_port;
use crate::support::postgres;
use crate::support::store::settings;

fn database(url: &str) -> DatabaseSettings {
    settings(&[("DATABASE_URL", url)]).database
}

/// Why a pool cannot be opened.
fn refusal(url: &str) -> String {
    match Pool::open(&database(url), 1) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("{url} opens"),
    }
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let port = free_port();
    let said = refusal(&format!("postgres://bellhop@127.0.0.1:{port}/bellhop"));
    assert!(said.contains("Connection refused") && said.contains(&port.to_string()), "{said}");
}

#[test]
fn a_host_that_does_not_exist_is_named() {
    let said = refusal("postgres://bellhop@no-such-host.invalid/bellhop");
    assert!(said.contains("no-such-host.invalid"), "{said}");
}

#[test]
fn a_database_that_does_not_exist_is_named() {
    let said = refusal(&postgres::shared().url("no_such_database"));
    assert!(said.contains("no_such_database") && said.contains("does not exist"), "{said}");
}

#[test]
fn a_user_that_does_not_exist_is_named() {
    let url = postgres::shared().url("postgres").replace("bellhop@", "nobody@");
    let said = refusal(&url);
    assert!(said.contains("\"nobody\""), "{said}");
}

/// The test cluster trusts everybody on TCP; one line before its rules asks one user for a password.
#[test]
fn a_wrong_password_is_called_that_and_never_repeated() {
    use diesel::{Connection, PgConnection, RunQueryDsl};
    let cluster = postgres::Cluster::start_new(postgres::Durability::NoFsync);
    let mut admin = PgConnection::establish(&cluster.socket_url("postgres")).unwrap();
    diesel::sql_query("CREATE ROLE locked LOGIN PASSWORD 'the right one'").execute(&mut admin).unwrap();
    let rules = cluster.folder().join("data/pg_hba.conf");
    let others = std::fs::read_to_string(&rules).unwrap();
    std::fs::write(&rules, format!("host all locked all scram-sha-256\n{others}")).unwrap();
    diesel::sql_query("SELECT pg_reload_conf()").execute(&mut admin).unwrap();

    let url = |password: &str| cluster.url("postgres").replace("bellhop@", &format!("locked:{password}@"));
    // The reload is taken up by the server in its own time.
    let said = crate::support::deadline::wait_until("the new rules are in force", || {
        Pool::open(&database(&url("the%20wrong%20one")), 1).err().map(|error| error.to_string())
    });
    assert!(said.contains("password authentication failed") && !said.contains("wrong one"), "{said}");
    Pool::open(&database(&url("the%20right%20one")), 1).unwrap();
}

#[test]
fn asking_for_tls_explains_what_this_build_lacks() {
    let url = format!("{}?sslmode=require", postgres::shared().url("postgres"));
    let said = refusal(&url);
    if cfg!(feature = "bundled-libpq") {
        assert!(said.contains("sslmode") && said.contains("pq-tls-vendored"), "{said}");
    } else {
        assert!(said.contains("SSL"), "{said}");
    }
}

#[test]
fn a_mistyped_url_is_refused_and_makes_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bellhop.db");
    for url in ["", "file:", "sqlite:", "sqllite://", "mysql://", "postgres:", " sqlite://"] {
        let mut settings = database("sqlite://unused.db");
        settings.url = bellhop::config::SecretUrl::new(format!("{url}{}", file.display()));
        let refused = Pool::open(&settings, 1);
        assert!(matches!(refused, Err(ConnectError::UnknownScheme)), "{url}: {refused:?}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
    assert!(!std::path::Path::new("unused.db").exists());
}

#[test]
fn a_folder_that_cannot_be_made_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let in_the_way = folder.path().join("file");
    std::fs::write(&in_the_way, "").unwrap();
    let said = refusal(&format!("sqlite://{}/bellhop.db", in_the_way.display()));
    assert!(said.contains("folder"), "{said}");
}

#[test]
fn a_file_that_is_no_database_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bellhop.db");
    std::fs::write(&file, "this is a letter and not a database, and long enough to be looked at ".repeat(20))
        .unwrap();
    let said = refusal(&format!("sqlite://{}", file.display()));
    assert!(said.contains("not a database"), "{said}");
}

#[test]
fn a_folder_that_is_missing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a/b/bellhop.db");
    Pool::open(&database(&format!("sqlite://{}", file.display())), 1).unwrap().ping().unwrap();
    assert!(file.exists());
}

/// A firewall that swallows packets, or a proxy whose server is gone: the connection is taken and nothing
/// ever answers.
#[test]
fn a_server_that_never_answers_is_given_up() {
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("postgres://bellhop@{}/bellhop", silent.local_addr().unwrap());
    let (answer, answered) = std::sync::mpsc::channel();
    let began = Instant::now();
    std::thread::spawn(move || {
        answer.send(Pool::open(&database(&url), 1).err().map(|error| error.to_string()))
    });
    let said =
        answered.recv_timeout(Duration::from_secs(15)).expect("it is given up").expect("it is refused");
    assert!(said.contains("timeout"), "{said} after {:?}", began.elapsed());
}
