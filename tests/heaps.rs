//! The program begins again with few heaps of the C library's, as the process it was, unless it is told how many.

use std::fs;

use crate::support::answer::Answer;
use crate::support::app::{JWT_SECRET, token_for};
use crate::support::process::{Process, ProcessBuilder};

/// What the process itself believes of the variable.
fn heaps_of(server: &Process) -> Option<String> {
    let environment = fs::read(format!("/proc/{}/environ", server.id())).unwrap();
    let text = String::from_utf8(environment).unwrap();
    text.split('\0').find_map(|pair| pair.strip_prefix("MALLOC_ARENA_MAX=").map(str::to_owned))
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[tokio::test]
async fn a_server_keeps_few_heaps_and_stays_the_process_it_was() {
    let server = ProcessBuilder::new(&["serve"]).with("JWT_SECRET", JWT_SECRET).serve().await;
    let cores = std::thread::available_parallelism().unwrap().get();
    assert_eq!(heaps_of(&server), Some(cores.div_ceil(2).to_string()));
    let program = fs::read_link(format!("/proc/{}/exe", server.id())).unwrap();
    assert_eq!(program, std::path::Path::new(env!("CARGO_BIN_EXE_bellhop")));
}

/// What comes through a pipe is there once.
#[tokio::test]
async fn settings_from_a_pipe_are_read_by_the_server_that_goes_on() {
    let shell = ["sh", "-c", "exec \"$@\" <<'END'\n[limits]\nbody_bytes = 2000\nEND\n", "sh"];
    let server = ProcessBuilder::new(&["--config", "/dev/stdin"])
        .with("JWT_SECRET", JWT_SECRET)
        .run_by(&shell)
        .serve()
        .await;
    let long = serde_json::json!({"userId": "x".repeat(3_000)});
    let request = reqwest::Client::new().post(server.url("/notifications")).json(&long);
    let request = request.bearer_auth(token_for("root", &["SERVICE"]));
    assert_eq!(Answer::of(request).await.status, 413);
}

#[tokio::test]
async fn whoever_says_how_many_heaps_there_are_is_believed() {
    let server =
        ProcessBuilder::new(&[]).with("JWT_SECRET", JWT_SECRET).with("MALLOC_ARENA_MAX", "7").serve().await;
    assert_eq!(heaps_of(&server).as_deref(), Some("7"));
}
