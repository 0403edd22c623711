//! Holds the order of the layers: who may import whom, and which crate is known to which layer.
//! It reads the paths that the sources spell out, in `use` lines and in code, comments and texts left out.
//! A module that is new gets its place in [`rank`]; the rules themselves are those of the design.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A layer imports only lower ranks, so one of its own rank (a sibling) never.
/// None for a module whose place nobody has decided yet.
fn rank(layer: &str) -> Option<u8> {
    Some(match layer {
        "domain" => 0,
        "protocol" => 1,
        "storage" | "email" | "bus" | "auth" => 2,
        "actors" => 3,
        "requests" => 4,
        "http" => 5,
        "transports" | "ingest" | "api" | "web" => 6,
        "app" => 7,
        "cli" => 8,
        "main" => 9,
        _ => return None,
    })
}

/// Leaves that every layer above `domain` may import.
const LEAVES: [&str; 2] = ["config", "telemetry"];

/// Crates that are known to one layer, so that replacing one touches one folder.
const CRATES: [(&str, &str); 10] = [
    ("diesel", "storage"),
    ("diesel_migrations", "storage"),
    ("r2d2", "storage"),
    ("lettre", "email"),
    ("redis", "bus"),
    ("lapin", "ingest"),
    ("actix_web_actors", "transports"),
    ("jsonwebtoken", "auth"),
    ("env_logger", "telemetry"),
    ("prometheus", "telemetry"),
];

/// Where the environment may be read.
const ENVIRONMENT: [&str; 3] = ["config", "cli", "main"];

fn may_import(from: &str, to: &str) -> bool {
    if from == to {
        return true;
    }
    match (from, to) {
        // Nothing but the list of modules.
        ("lib", _) => true,
        ("config", _) => false,
        ("telemetry", to) => to == "config",
        (from, to) if LEAVES.contains(&to) => rank(from).is_some_and(|from| from > 0),
        (from, to) => rank(from).zip(rank(to)).is_some_and(|(from, to)| to < from),
    }
}

/// What `source`, the text of `src/{file}`, breaks, a sentence each.
fn violations(file: &str, source: &str) -> Vec<String> {
    let module = module_of(file);
    let layer = module.first().map_or("lib", String::as_str);
    let mut found = BTreeSet::new();
    if layer != "lib" && rank(layer).is_none() && !LEAVES.contains(&layer) {
        found.insert(format!("{file}: the layer `{layer}` has no place in the order"));
    }
    for path in paths(source, &module) {
        let spelt = path.join("::");
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        match names.as_slice() {
            ["crate" | "bellhop", to, ..] if !may_import(layer, to) => {
                found.insert(format!("{file}: `{layer}` may not import `{spelt}`"));
            }
            ["std", "env", ..] if !ENVIRONMENT.contains(&layer) => {
                found.insert(format!("{file}: the environment is not `{layer}`'s to read, but `config`'s"));
            }
            [name, ..] => {
                if let Some((_, owner)) =
                    CRATES.iter().find(|(known, owner)| known == name && *owner != layer)
                {
                    found.insert(format!("{file}: `{spelt}` is known to `{owner}` only, not to `{layer}`"));
                }
            }
            [] => {}
        }
    }
    found.into_iter().collect()
}

/// `storage/pool.rs` is the module `storage::pool`, `lib.rs` the root.
fn module_of(file: &str) -> Vec<String> {
    let mut names: Vec<String> = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if names.last().is_some_and(|name| name == "mod") || names == ["lib"] {
        names.pop();
    }
    names
}

/// Every path of two names or more, and every `use` of one, with groups taken apart and `super` and
/// `self` resolved: `use super::{pool::Pool, schema}` in `storage/a.rs` is `crate::storage::pool::Pool`
/// and `crate::storage::schema`.
fn paths(source: &str, module: &[String]) -> Vec<Vec<String>> {
    let tokens = tokens(source);
    let token = |at: usize| tokens.get(at).map(String::as_str);
    let mut module = module.to_vec();
    // Whether each brace that is open belongs to a module.
    let mut braces = Vec::new();
    let mut paths = Vec::new();
    let mut at = 0;
    while let Some(text) = token(at) {
        let starts_path = is_name(text) && (at == 0 || token(at - 1) != Some("::") || is_rooted(&tokens, at));
        if text == "mod" && token(at + 1).is_some_and(is_name) && token(at + 2) == Some("{") {
            module.extend(tokens.get(at + 1).cloned());
            braces.push(true);
            at += 3;
        } else if text == "{" {
            braces.push(false);
            at += 1;
        } else if text == "}" {
            if braces.pop() == Some(true) {
                module.pop();
            }
            at += 1;
        } else if text == "use" {
            let mut found = Vec::new();
            at = read_tree(&tokens, at + 1, &[], &mut found);
            paths.extend(found.into_iter().map(|path| resolve(path, &module)));
        } else if starts_path && token(at + 1) == Some("::") {
            let mut path = vec![text.to_owned()];
            while token(at + 1) == Some("::") && token(at + 2).is_some_and(is_name) {
                path.extend(tokens.get(at + 2).cloned());
                at += 2;
            }
            paths.push(resolve(path, &module));
            at += 1;
        } else {
            at += 1;
        }
    }
    paths
}

/// `::diesel::…`: the two colons before the name follow no other name.
fn is_rooted(tokens: &[String], at: usize) -> bool {
    at < 2 || !tokens.get(at - 2).is_some_and(|before| is_name(before) || before == ">")
}

/// Reads one tree of a `use` from `at`, adds its paths to `found`, answers where it ends.
fn read_tree(tokens: &[String], mut at: usize, before: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let mut path = before.to_vec();
    loop {
        match tokens.get(at).map(String::as_str) {
            Some("::") => at += 1,
            Some("{") => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token != "}") {
                    at = read_tree(tokens, at, &path, found);
                    if tokens.get(at).is_some_and(|token| token == ",") {
                        at += 1;
                    }
                }
                return at + 1;
            }
            Some("as") => at += 2,
            Some(name) if is_name(name) || name == "*" => {
                path.push(name.to_owned());
                at += 1;
            }
            _ => {
                found.push(path);
                return at;
            }
        }
    }
}

/// Turns leading `self` and `super` into the path from the root of the crate.
fn resolve(path: Vec<String>, module: &[String]) -> Vec<String> {
    if !path.first().is_some_and(|first| first == "self" || first == "super") {
        return path;
    }
    let mut base = module.to_vec();
    let mut rest = path.as_slice();
    while let [first, tail @ ..] = rest {
        match first.as_str() {
            "self" => {}
            "super" => drop(base.pop()),
            _ => break,
        }
        rest = tail;
    }
    ["crate".to_owned()].into_iter().chain(base).chain(rest.iter().cloned()).collect()
}

fn is_name(token: &str) -> bool {
    token.chars().next().is_some_and(|first| first.is_alphabetic() || first == '_')
}

/// Names, `::` and single signs; comments, texts, characters and lifetimes left out.
fn tokens(source: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = raw_text(rest) {
            length
        } else if first == '"' {
            text(rest)
        } else if first == '\'' {
            character_or_lifetime(rest)
        } else if first.is_alphanumeric() || first == '_' {
            let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            tokens.push(rest[..length].to_owned());
            length
        } else if rest.starts_with("::") {
            tokens.push("::".to_owned());
            2
        } else {
            if !first.is_whitespace() {
                tokens.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

/// The length of a block comment, which may hold others.
fn block_comment(source: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < source.len() {
        let rest = &source.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
        } else {
            at += 1;
        }
        if depth == 0 {
            return at;
        }
    }
    source.len()
}

/// The length of `r"…"`, `r#"…"#`, `br"…"` and their like at the start of `source`, if that is what it is.
fn raw_text(source: &str) -> Option<usize> {
    let body = source.strip_prefix("br").or_else(|| source.strip_prefix("cr"));
    let body = body.or_else(|| source.strip_prefix('r'))?;
    let hashes = body.len() - body.trim_start_matches('#').len();
    if !body[hashes..].starts_with('"') {
        return None;
    }
    let start = source.len() - body.len() + hashes + 1;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(source[start..].find(&end).map_or(source.len(), |at| start + at + end.len()))
}

fn text(source: &str) -> usize {
    let mut escaped = false;
    for (at, character) in source.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    source.len()
}

fn character_or_lifetime(source: &str) -> usize {
    let mut characters = source.char_indices().skip(1);
    match (characters.next(), characters.next()) {
        // An escape: what is escaped may itself be a quote.
        (Some((_, '\\')), Some((at, escaped))) => {
            let after = at + escaped.len_utf8();
            source[after..].find('\'').map_or(source.len(), |end| after + end + 1)
        }
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1,
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the entry can be read").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_layer_imports_only_what_is_below_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 10, "the scan found only {files:?}");
    let mut found = Vec::new();
    for file in files {
        let name = file.strip_prefix(&root).expect("it is below src").to_string_lossy().into_owned();
        found.extend(violations(&name, &fs::read_to_string(&file).expect("it is text")));
    }
    assert!(found.is_empty(), "{} violations:\n{}", found.len(), found.join("\n"));
}

#[test]
fn the_checker_catches_every_kind_of_violation() {
    for (file, source, what) in [
        ("domain/a.rs", "use crate::protocol::json;", "domain, of the layer above"),
        ("domain/a.rs", "use crate::config::Settings;", "domain, of a leaf"),
        ("storage/a.rs", "use crate::email::Mailer;", "a sibling"),
        ("storage/a.rs", "use crate::{domain::Room, actors::{Hub}};", "in a group"),
        ("storage/a.rs", "use super::super::actors;", "through super"),
        ("storage/mod.rs", "use super::actors::Hub;", "through super from a mod.rs"),
        ("storage/a.rs", "mod tests { use super::super::super::api; }", "through super in a module"),
        ("storage/a.rs", "fn f() { crate::api::routes() }", "in code"),
        ("config/mod.rs", "use crate::domain::Room;", "config, of anything"),
        ("telemetry/mod.rs", "use crate::domain::Room;", "telemetry, of anything but config"),
        ("api/a.rs", "use crate::transports::websocket;", "a door, of another"),
        ("http/a.rs", "use crate::api::routes;", "http, of a door"),
        ("app.rs", "use crate::cli::Arguments;", "app, of cli"),
        ("storage/a.rs", "use crate::novelty::Thing;", "a module without a place"),
        ("novelty/a.rs", "", "a layer without a place"),
        ("api/a.rs", "use diesel::prelude::*;", "diesel"),
        ("api/a.rs", "#[derive(diesel::Queryable)] struct A;", "diesel in an attribute"),
        ("api/a.rs", "use ::r2d2::Pool;", "r2d2, rooted"),
        ("api/a.rs", "use {std::fmt, r2d2::{self}};", "r2d2 in a group"),
        ("api/a.rs", "use redis as cache;", "redis, renamed"),
        ("actors/a.rs", "type A = lettre::Message;", "lettre"),
        ("actors/a.rs", "use actix_web_actors::ws;", "actix-web-actors"),
        ("api/a.rs", "use jsonwebtoken::decode;", "jsonwebtoken"),
        ("app.rs", "fn f() { env_logger::init() }", "env_logger"),
        ("actors/a.rs", "use prometheus::IntCounter;", "prometheus"),
        ("bus/a.rs", "use lapin::Channel;", "lapin"),
        ("api/a.rs", "fn f() { std::env::var(\"A\") }", "the environment"),
        ("api/a.rs", "use std::{env, fmt};", "the environment in a group"),
        ("api/a.rs", "const A: char = '\"'; use diesel::A; const B: char = '\"';", "after a quote"),
    ] {
        assert_eq!(violations(file, source).len(), 1, "{what}: {source}");
    }
}

#[test]
fn the_checker_lets_pass_what_is_allowed() {
    for (file, source) in [
        ("protocol/a.rs", "use crate::{config::Settings, domain::{Room, ids::UserId}};"),
        ("storage/a.rs", "use super::{pool::Pool, schema}; use diesel::prelude::*; use self::inner::A;"),
        ("storage/a.rs", "mod tests { use super::*; use super::super::schema; }"),
        ("storage/mod.rs", "mod pool; pub use pool::Pool; use super::domain::Room;"),
        ("telemetry/mod.rs", "use crate::config::LogSettings; use prometheus::Registry;"),
        ("http/a.rs", "use crate::auth::Tokens; use crate::actors::hub::Hub;"),
        ("app.rs", "use crate::{api, transports, ingest, storage, telemetry};"),
        ("cli.rs", "use crate::app::App; fn f() { std::env::args() }"),
        ("main.rs", "fn main() { bellhop::cli::run(std::env::args()) }"),
        ("lib.rs", "pub mod domain; pub use domain::Room;"),
        (
            "api/a.rs",
            "// use diesel::A;\n/* lettre::A /* redis::B */ lapin::C */\nconst V: &str = env!(\"A\");",
        ),
        (
            "api/a.rs",
            "/// See crate::app::App.\nconst A: &str = \"use diesel::A\"; const B: &str = r#\"\" redis::B\"#;",
        ),
        ("api/a.rs", "fn f<'a>(x: &'a str) -> char { '\\'' } fn g() { crate::bus::redis::connect() }"),
    ] {
        assert_eq!(violations(file, source), Vec::<String>::new(), "{file}: {source}");
    }
}

/// The migrations below `migrations/{database}`, in order; each must be able to go forth and back.
fn migrations(database: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(database);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("the entry can be read"))
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    for name in &names {
        for script in ["up.sql", "down.sql"] {
            let path = folder.join(name).join(script);
            let sql = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert!(!sql.trim().is_empty(), "{} is empty", path.display());
        }
    }
    names
}

#[test]
fn both_databases_have_the_same_migrations() {
    let postgres = migrations("postgres");
    assert!(!postgres.is_empty(), "there are no migrations");
    assert_eq!(postgres, migrations("sqlite"));
}
