//! What processes have cost, from `/proc`: processor time and resident memory. Linux only.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// The unit of times in `/proc/PID/stat`: `USER_HZ`, which is 100 on every architecture in use.
const TICK: Duration = Duration::from_millis(10);

/// The processor time of a process, all threads together.
pub(crate) fn cpu(pid: u32) -> Result<Duration> {
    // `schedstat` counts nanoseconds but forgets threads that have ended; `stat` remembers them, in ticks.
    Ok(scheduled(pid).max(Stat::read(pid)?.own))
}

/// The processor time of a process and all its children, also of those that have ended.
pub(crate) fn cpu_of_family(pid: u32) -> Result<Duration> {
    let parent = Stat::read(pid)?;
    let mut sum = scheduled(pid).max(parent.own) + parent.reaped;
    for entry in fs::read_dir("/proc")? {
        let Some(child) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process may end while this looks at it; its time then moves to its parent's `reaped`.
        if let Ok(stat) = Stat::read(child)
            && stat.parent == pid
        {
            sum += scheduled(child).max(stat.own);
        }
    }
    Ok(sum)
}

/// The resident memory of a process, in bytes.
pub(crate) fn resident(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().context("VmRSS is not a number")?;
    Ok(kib * 1024)
}

/// Nanoseconds on a processor of the threads that live; zero where the kernel does not keep count.
fn scheduled(pid: u32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let nanoseconds = tasks.filter_map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

struct Stat {
    parent: u32,
    own: Duration,
    /// Of children that have ended and were waited for.
    reaped: Duration,
}

impl Stat {
    fn read(pid: u32) -> Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).context("the process is gone")?;
        // The second field, a name in brackets, may hold blanks: count from its end. See proc_pid_stat(5).
        let (_, rest) = text.rsplit_once(')').context("an unreadable stat file")?;
        let fields: Vec<u32> = rest.split_whitespace().map(|field| field.parse().unwrap_or(0)).collect();
        let [_state, parent, _, _, _, _, _, _, _, _, _, user, system, users, systems, ..] = *fields else {
            anyhow::bail!("a short stat file");
        };
        Ok(Self { parent, own: TICK * (user + system), reaped: TICK * (users + systems) })
    }
}
