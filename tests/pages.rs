//! Pages, the browser client and the bell in a real Chromium: each script of `tests/clients/browser` has a server of its
//! own, and says what it found. See its `support.mjs`.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::timeout;

use crate::support::app::{Database, TestApp, TestAppBuilder};

/// How long a script may take on a machine that does much else; it gives up earlier itself.
const LONGEST: Duration = Duration::from_mins(4);
/// Where the browser finds the server, and the origin of pages that are not the server's own.
const SITE: &str = "http://bellhop.localhost";
const FOREIGN: &str = "http://foreign.localhost";

/// A server on which nobody is too fast.
fn server() -> TestAppBuilder {
    TestAppBuilder::new(Database::Sqlite)
        .with("BELLHOP_MODE", "development")
        .with("CORS_ORIGIN", FOREIGN)
        .with("BELLHOP__SERVER__EXTERNAL_URL", SITE)
        .with("RATE_LIMIT_MAX_REQUESTS", "100000")
        .with("API_RATE_LIMIT_PER_MINUTE", "1000000")
}

/// Runs a script to its end; answers the names of the checks that passed, of which there is at least one.
async fn run(script: &str, settings: &Value) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    assert!(
        folder.join("node_modules/playwright-core").exists(),
        "the browser's driver is not installed: run scripts/test, or `npm ci --ignore-scripts` in tests/clients"
    );
    let child = Command::new("node")
        .arg(folder.join("browser").join(script))
        .arg(settings.to_string())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(LONGEST, child).await.expect("the script ends in time").expect("Node is installed");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{script}: {}\n{said}{errors}", output.status);
    let passed: Vec<String> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .filter(|line: &Value| line["saw"] == "passed")
        .map(|line| line["data"].as_str().expect("a name").to_owned())
        .collect();
    assert!(!passed.is_empty(), "{script} checked nothing: {said}{errors}");
    passed
}

/// Makes a test of each script, with a server of its own.
macro_rules! scripts {
    ($(fn $name:ident() $script:literal $(, $setting:literal = $value:literal)*;)+) => {
        $(
            #[tokio::test]
            async fn $name() {
                let mut app = server()$(.with($setting, $value))*.start().await;
                app.leave_mail_unread();
                run($script, &settings(&app)).await;
            }
        )+

        const SCRIPTS: &[&str] = &[$($script),+];
    };
}

fn settings(app: &TestApp) -> Value {
    json!({"server": app.url("")})
}

scripts! {
    fn the_client_is_pushed_to_over_web_socket() "client_websocket.mjs";
    fn the_client_falls_back_where_a_door_is_shut() "client_doors.mjs";
    fn the_client_shares_one_connection_between_tabs() "client_tabs.mjs";
    fn the_client_renews_its_token() "client_tokens.mjs";
    fn the_client_weathers_what_a_network_does() "client_weather.mjs";
    fn the_bell_rings_in_another_tab() "bell_arrivals.mjs";
    fn the_bell_lists_what_came() "bell_list.mjs";
    fn the_bell_is_worked_by_keyboard() "bell_keyboard.mjs";
    fn the_bell_says_when_it_is_not_connected() "bell_states.mjs";
    fn the_bell_is_accessible_in_every_look() "bell_looks.mjs";
    fn the_bell_speaks_languages() "bell_languages.mjs";
    fn the_bell_hangs_in_pages_of_elsewhere() "bell_anywhere.mjs", "BELLHOP__SERVER__EXTERNAL_URL" = "";
    fn the_demonstration_shows_what_bellhop_does() "demo.mjs";
    fn the_desk_lets_administrators_in() "desk_signin.mjs", "BELLHOP__AUTH__LEEWAY_SECONDS" = "1";
    fn the_desk_shows_who_is_there() "desk_presence.mjs";
    fn the_desk_follows_a_notification() "desk_log.mjs";
    fn the_desk_says_when_the_server_is_away() "desk_away.mjs";
    fn the_desk_tells_how_it_goes() "desk_overview.mjs";
    fn the_desk_is_accessible_in_every_look() "desk_looks.mjs";
    fn front_ends_work_as_they_stand() "front_ends.mjs";
    fn preferences_are_chosen_by_a_link() "preferences.mjs";
}

#[test]
fn every_script_is_run() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/browser");
    let found = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut found: Vec<String> = found.map(|name| name.into_string().unwrap()).collect();
    found.retain(|name| !["support.mjs", "proxy.mjs", "pages.mjs", "embed.mjs"].contains(&name.as_str()));
    found.sort();
    let mut run = SCRIPTS.to_vec();
    run.sort_unstable();
    assert_eq!(found, run);
}
