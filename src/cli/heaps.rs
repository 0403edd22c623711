//! How many heaps the C library keeps. Left to itself, glibc has eight for each core and gives threads one after the
//! other; what a burst took from each stays there, so that a server that holds 16 MB grows to several times that. How
//! many there are can be said only in the environment a process begins with (`mallopt` wants `unsafe`): the program
//! starts itself again with it, as the same process. Other C libraries ignore the variable and need none.

use std::env;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;

/// The variable of mallopt(3).
const VARIABLE: &str = "MALLOC_ARENA_MAX";
/// Whoever sets one of these has a plan of their own.
const CHOSEN: [&str; 2] = [VARIABLE, "GLIBC_TUNABLES"];

/// Begins the process again with few heaps, unless that was done or its environment says how many. Does not return
/// where it succeeds; nothing may be running yet.
pub fn keep_few() -> io::Result<()> {
    if !cfg!(all(target_os = "linux", target_env = "gnu"))
        || CHOSEN.iter().any(|name| env::var_os(name).is_some())
    {
        return Ok(());
    }
    let mut arguments = env::args_os();
    let mut again = Command::new(env::current_exe()?);
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    Err(again.args(arguments).env(VARIABLE, heaps().to_string()).exec())
}

/// One for each two cores: small pieces come from what each thread has set aside, so that threads seldom wait.
fn heaps() -> usize {
    thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2))
}
