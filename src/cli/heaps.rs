//! How many heaps the C library keeps, and what goes into none of them. Left to itself, glibc has eight for each core and
//! gives threads one after the other; what a burst took from each stays there, so that a server that holds 16 MB grows to
//! several times that. It takes orders only from the environment a process begins with (`mallopt` wants `unsafe`): the
//! program starts itself again with it, as the same process, before it has read anything: what comes through a pipe comes
//! once. Other C libraries ignore the variables and need none.

use std::env;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;

/// How many heaps: this and the next are mallopt(3)'s.
const VARIABLE: &str = "MALLOC_ARENA_MAX";
/// From how many bytes on a piece is the system's, and given back when it is freed. It begins with as much, but goes up
/// with the largest that was freed.
const LARGE: (&str, &str) = ("MALLOC_MMAP_THRESHOLD_", "131072");
/// Says that it was done. The variable itself need not: glibc takes it away from programs with privileges of their file.
const DONE: &str = "MALLOC_ARENA_MAX_SET_BY";
/// Whoever sets one of these has a plan of their own.
const REASONS_NOT_TO: [&str; 3] = [DONE, VARIABLE, "GLIBC_TUNABLES"];

/// Begins the process again with few heaps, unless that was done or its environment says how many. Does not return
/// where it succeeds; nothing may be running yet.
pub fn keep_few() -> io::Result<()> {
    let is_chosen = REASONS_NOT_TO.iter().any(|name| env::var_os(name).is_some());
    if is_chosen || !cfg!(all(target_os = "linux", target_env = "gnu")) {
        return Ok(());
    }
    let mut arguments = env::args_os();
    let program = env::current_exe()?;
    if program.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"ld-")) {
        return Err(io::Error::other("the program was started by the dynamic loader"));
    }
    let mut again = Command::new(program);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    again.args(arguments).env(VARIABLE, heaps().to_string()).env(LARGE.0, LARGE.1).env(DONE, "bellhop");
    Err(again.exec())
}

/// One for each two cores: small pieces come from what each thread has set aside, so that threads seldom wait.
fn heaps() -> usize {
    thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2))
}
