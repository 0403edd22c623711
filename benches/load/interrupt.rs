//! Ctrl-C and SIGTERM end a run like any failure does, so that what was started is stopped and what
//! was made is removed. A second one ends the program at once.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Result, ensure};
use nix::sys::signal::{SigSet, Signal};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// What shells report for a program that Ctrl-C ended: 128 and the signal's number.
const EXIT_CODE: i32 = 130;

/// Begins to watch; called before any thread is started, since threads take over what is blocked.
pub(crate) fn watch() -> Result<()> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    signals.thread_block()?;
    thread::spawn(move || {
        while signals.wait().is_ok() {
            if INTERRUPTED.swap(true, Ordering::Relaxed) {
                process::exit(EXIT_CODE);
            }
        }
    });
    Ok(())
}

/// Fails once the run was interrupted.
pub(crate) fn check() -> Result<()> {
    ensure!(!INTERRUPTED.load(Ordering::Relaxed), "interrupted");
    Ok(())
}
