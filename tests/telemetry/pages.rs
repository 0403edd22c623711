//! What is written about the figures: the list for operators, the dashboard, the alert rules. Each names what there is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bellhop::telemetry::metrics::{CATALOGUE, Description};
use serde_json::Value;

use crate::support::app::{Database, TestApp};
use crate::support::process::ProcessBuilder;

/// Labels that Prometheus adds itself, and that of a histogram's buckets.
const FOREIGN_LABELS: [&str; 3] = ["job", "instance", "le"];

fn kept(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every name that a scrape may find, with its figure.
fn series() -> BTreeMap<String, &'static Description> {
    let suffixes = |one: &Description| -> &[&str] {
        if one.kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] }
    };
    CATALOGUE
        .iter()
        .flat_map(|one| suffixes(one).iter().map(move |suffix| (format!("{}{suffix}", one.name), one)))
        .collect()
}

/// Words of an expression that look like a figure's name.
fn names(expression: &str) -> BTreeSet<&str> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("bellhop_") || word.starts_with("process_")).collect()
}

/// Labels that it groups by or selects by.
fn labels(expression: &str) -> BTreeSet<&str> {
    let grouped = expression.split("by (").skip(1).filter_map(|rest| rest.split(')').next());
    let selected = expression.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let selected =
        selected.flat_map(|inside| inside.split(',')).filter_map(|one| one.split(['=', '!']).next());
    let grouped = grouped.flat_map(|inside| inside.split(','));
    grouped.chain(selected).map(str::trim).filter(|label| !label.is_empty()).collect()
}

fn assert_known(place: &str, expression: &str) {
    let series = series();
    let names = names(expression);
    assert!(!names.is_empty(), "{place}: {expression} names no figure");
    let mut known: BTreeSet<&str> = FOREIGN_LABELS.into();
    for name in names {
        let one = series.get(name).unwrap_or_else(|| panic!("{place}: there is no {name}"));
        known.extend(one.labels);
    }
    for label in labels(expression) {
        assert!(known.contains(label), "{place}: {expression} has no label {label}");
    }
}

/// Every value under `key`, wherever it is.
fn collect<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get(key).and_then(Value::as_str));
            fields.values().for_each(|value| collect(value, key, found));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, key, found)),
        _ => {}
    }
}

#[test]
fn the_dashboard_asks_for_what_there_is() {
    let text = kept("deploy/grafana/bellhop.json");
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    assert!(dashboard["schemaVersion"].as_u64().unwrap() >= 39, "a current Grafana's");
    let (mut expressions, mut shown) = (Vec::new(), BTreeSet::new());
    collect(&dashboard, "expr", &mut expressions);
    assert!(expressions.len() > 40, "{}", expressions.len());
    for expression in expressions {
        assert_known("the dashboard", &expression.replace("$__rate_interval", "5m"));
        let series = series();
        shown.extend(names(expression).into_iter().map(|name| series[name].name));
    }
    let all: BTreeSet<&str> = CATALOGUE.iter().map(|one| one.name).collect();
    assert_eq!(all.difference(&shown).collect::<Vec<_>>(), Vec::<&&str>::new(), "not on the dashboard");
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "each panel has an id of its own");
    for panel in panels {
        let place = &panel["gridPos"];
        assert!(place["x"].as_u64().unwrap() + place["w"].as_u64().unwrap() <= 24, "{}", panel["title"]);
    }
}

#[test]
fn alerts_ask_for_what_there_is_and_the_two_that_matter_are_there() {
    let rules = kept("deploy/prometheus/alerts.yml");
    let mut expressions: Vec<String> = Vec::new();
    let mut lines = rules.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(first) = line.trim_start().strip_prefix("expr:") else { continue };
        let mut expression = first.trim().trim_start_matches(">-").to_owned();
        // A folded text goes on where lines are indented further.
        let indent = line.len() - line.trim_start().len();
        while let Some(more) = lines.next_if(|next| next.len() - next.trim_start().len() > indent) {
            expression.push(' ');
            expression.push_str(more.trim());
        }
        expressions.push(expression);
    }
    assert_eq!(expressions.len(), rules.matches("- alert:").count());
    for expression in &expressions {
        assert_known("an alert", expression);
    }
    for name in ["bellhop_notifications_lost", "bellhop_deliveries_overdue"] {
        assert!(expressions.iter().any(|expression| expression.contains(name)), "{name}");
    }
}

#[test]
fn the_list_of_figures_is_current() {
    let mut process = ProcessBuilder::new(&["metrics"]).spawn();
    assert!(process.wait().success());
    let kept = kept("deploy/prometheus/METRICS.md");
    let last = kept.lines().last().unwrap();
    // A thread reads what the process wrote: wait until all of it is there.
    process.wait_for_output(last);
    let same = process.output() == kept;
    assert!(same, "it is not: run `cargo run -- metrics > deploy/prometheus/METRICS.md`");
}

#[tokio::test]
async fn the_page_has_nothing_that_is_not_in_the_list() {
    let app = TestApp::start(Database::Sqlite).await;
    let page = app.get("/metrics", "").await.expect_text(200);
    let told = page.lines().filter_map(|line| line.strip_prefix("# HELP ")).map(|line| {
        let (name, help) = line.split_once(' ').unwrap();
        (name, help)
    });
    let listed: BTreeMap<&str, &str> = CATALOGUE.iter().map(|one| (one.name, one.help)).collect();
    let mut count = 0;
    for (name, help) in told {
        assert_eq!(listed.get(name), Some(&help), "{name}");
        count += 1;
    }
    assert!(count > 20, "{page}");
}
