//! The files in deploy/: that they are what the program and the system understand, and that they keep what they say.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::app::JWT_SECRET;
use crate::support::process::{Process, ProcessBuilder};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap()
}

/// The values that a unit gives to a key, in order.
fn values<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

/// The variables of a file for systemd and compose; those in comments too.
fn variables(file: &str) -> Vec<(String, String)> {
    let pairs = file.lines().map(|line| line.trim_start_matches('#')).filter_map(|line| line.split_once('='));
    let names =
        pairs.filter(|(name, _)| !name.is_empty() && !name.contains(|c: char| c.is_lowercase() || c == ' '));
    names.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn check_config(environment: &[(&str, &str)]) -> Process {
    let builder = ProcessBuilder::new(&["check-config"]).with("BELLHOP_MODE", "production");
    environment.iter().fold(builder, |builder, (name, value)| builder.with(name, value)).spawn()
}

/// The variables that are in force as the file stands.
fn in_force(file: &str) -> Vec<(String, String)> {
    let lines: Vec<&str> = file.lines().filter(|line| !line.starts_with('#')).collect();
    variables(&lines.join("\n"))
}

#[test]
fn the_settings_file_lacks_its_secrets_and_nothing_else() {
    let file = in_force(&read("bellhop.env"));
    let mut environment: Vec<(&str, &str)> =
        file.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut process = check_config(&environment);
    assert!(!process.wait().success(), "it must not start with a secret that everybody knows");
    process.wait_for_output("auth.jwt_secret is required in production");
    for secret in ["JWT_SECRET", "BELLHOP__METRICS__TOKEN"] {
        assert!(environment.contains(&(secret, "")), "{secret} is the operator's to make up");
        environment.retain(|(name, _)| *name != secret);
        environment.push((secret, JWT_SECRET));
    }
    let mut process = check_config(&environment);
    assert!(process.wait().success(), "{}", process.output());
    process.wait_for_output("[retention]");
    assert!(!process.output().contains("WARNING"), "{}", process.output());
}

#[test]
fn every_variable_that_the_files_name_is_a_setting() {
    let (file, compose) = (read("bellhop.env"), read("compose.yaml"));
    let mut names: BTreeSet<String> = variables(&file).into_iter().map(|(name, _)| name).collect();
    assert!(names.len() > 8, "{names:?}");
    let (_, service) = compose.split_once("    environment:\n").expect("variables");
    let lines = service.lines().take_while(|line| line.starts_with("      "));
    let of_compose: Vec<String> =
        lines.filter_map(|line| Some(line.trim().split_once(':')?.0.to_owned())).collect();
    assert!(of_compose.len() > 5, "{of_compose:?}");
    names.extend(of_compose);
    let dockerfile = read("Dockerfile");
    let of_image =
        dockerfile.lines().filter_map(|line| line.strip_prefix("ENV ")).flat_map(str::split_whitespace);
    names.extend(of_image.filter_map(|pair| Some(pair.split_once('=')?.0.to_owned())));
    for name in names {
        // A name that is known gets past the name: `x` may be no value for it. One alone that is not is refused by it.
        let mut process = ProcessBuilder::new(&["check-config"]).with(&name, "x").spawn();
        process.wait();
        process.wait_for_output("\n");
        assert!(!process.output().contains("no setting has this name"), "{name}");
    }
    let mut process = ProcessBuilder::new(&["check-config"]).with("BELLHOP__SERVER__NOTHING", "x").spawn();
    assert!(!process.wait().success());
    process.wait_for_output("no setting has this name");
}

#[test]
fn the_unit_runs_the_program_as_nobody_in_particular_and_gives_it_nothing() {
    let unit = read("bellhop.service");
    for (key, value) in [
        ("ExecStart", "/usr/local/bin/bellhop serve"),
        ("ExecStartPre", "/usr/local/bin/bellhop check-config"),
        ("Environment", "BELLHOP_MODE=production"),
        ("EnvironmentFile", "/etc/bellhop/bellhop.env"),
        ("DynamicUser", "yes"),
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("CapabilityBoundingSet", ""),
        ("KillSignal", "SIGTERM"),
        ("Restart", "on-failure"),
        ("LimitNOFILE", "1048576"),
    ] {
        assert_eq!(values(&unit, key), [value], "{key}");
    }
    // Longer than the server takes to stop at most: notice, goodbyes, sessions, confirmations, writes and mail.
    let defaults: toml::Table = include_str!("../config/default.toml").parse().unwrap();
    let production: toml::Table = include_str!("../config/production.toml").parse().unwrap();
    let millis = |table: &toml::Table, key: &str| table["server"][key].as_integer().unwrap();
    let drain = millis(&production, "drain_notice_ms")
        + millis(&production, "drain_spread_ms")
        + 5 * millis(&defaults, "drain_timeout_ms");
    let patience: i64 = values(&unit, "TimeoutStopSec")[0].parse().unwrap();
    assert!(patience * 1_000 > drain, "{patience} s for {drain} ms");
    assert!(read("compose.yaml").contains(&format!("stop_grace_period: {patience}s")));
}

#[test]
fn systemd_understands_the_unit_and_finds_little_exposed() {
    /// Of ten; what is left is what a server on the network cannot be without.
    const EXPOSURE_MAX: &str = "20";
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        eprintln!("systemd-analyze is not there: the unit is not looked at");
        return;
    }
    let unit = path("bellhop.service");
    // What it says of the program, which is not installed here, is left out.
    let verified = Command::new("systemd-analyze").arg("verify").arg(&unit).output().unwrap();
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    let complaints: Vec<&str> = said.lines().filter(|line| !line.contains("is not executable")).collect();
    assert!(complaints.is_empty(), "{complaints:?}");
    let security = Command::new("systemd-analyze")
        .args(["security", "--offline=yes", "--threshold", EXPOSURE_MAX])
        .arg(&unit)
        .output()
        .unwrap();
    assert!(security.status.success(), "{}", String::from_utf8_lossy(&security.stdout));
}

#[test]
fn the_image_runs_as_nobody_and_stops_when_told() {
    let dockerfile = read("Dockerfile");
    let last = |instruction: &str| {
        dockerfile.lines().rev().find_map(|line| line.strip_prefix(instruction)?.strip_prefix(' ')).unwrap()
    };
    assert_eq!(last("USER"), "65534:65534");
    assert_eq!(last("STOPSIGNAL"), "SIGTERM");
    assert_eq!(last("ENTRYPOINT"), "[\"/usr/local/bin/bellhop\"]");
    assert!(last("ENV").contains("BELLHOP_MODE=production"));
    let version = env!("CARGO_PKG_RUST_VERSION");
    assert!(dockerfile.contains(&format!("FROM rust:{version}-")), "the compiler that Cargo.toml asks for");
    let compose = read("compose.yaml");
    for kept in ["read_only: true", "no-new-privileges:true", "- ALL", "\"127.0.0.1:3000:3000\""] {
        assert!(compose.contains(kept), "{kept}");
    }
}

#[tokio::test]
async fn the_image_asks_after_its_health_as_the_server_answers() {
    let dockerfile = read("Dockerfile");
    let (_, check) = dockerfile.split_once("CMD [\"bash\", \"-c\", \"").expect("a check");
    let (script, _) = check.split_once("\"]").expect("its end");
    let script = script.replace("\\\\", "\\");
    let server = ProcessBuilder::new(&[]).with("JWT_SECRET", JWT_SECRET).serve().await;
    let ask = |port: u16| {
        let mut bash = Command::new("bash");
        bash.args(["-c", &script]).env("PORT", port.to_string()).status().unwrap().success()
    };
    assert!(ask(server.address().port()));
    drop(server);
    assert!(!ask(1));
}
