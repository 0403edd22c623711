//! What the process itself takes, as Linux tells it in `/proc`; elsewhere these figures stay at zero.

use std::fs;

use super::metrics::{Metrics, set};

/// Linux counts processor time in hundredths of a second, whatever the machine (`USER_HZ`).
const TICKS_A_SECOND: f64 = 100.0;

/// Reads memory, open files and processor time into `metrics`. Costs a few small reads, however many files
/// are open.
pub fn measure(metrics: &Metrics) {
    if let Some(kilobytes) = resident_kilobytes() {
        set(metrics.process_memory(), kilobytes * 1_024);
    }
    if let Some(open) = open_files() {
        set(metrics.process_fds(), open);
    }
    if let Some(most) = files_max() {
        set(metrics.process_fds_max(), most);
    }
    if let Some(seconds) = cpu_seconds() {
        let before = metrics.process_cpu().get();
        metrics.process_cpu().inc_by((seconds - before).max(0.0));
    }
}

fn resident_kilobytes() -> Option<usize> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Since Linux 6.2 the folder's size is the number of its entries; before, they are counted.
fn open_files() -> Option<usize> {
    const FOLDER: &str = "/proc/self/fd";
    let told = usize::try_from(fs::metadata(FOLDER).ok()?.len()).ok()?;
    if told > 0 { Some(told) } else { Some(fs::read_dir(FOLDER).ok()?.count()) }
}

fn files_max() -> Option<usize> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name in brackets may hold spaces; the times of user and system are the 12th and 13th after it.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_A_SECOND)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_takes_memory_files_and_time() {
        let metrics = Metrics::new().expect("a registry");
        let held: Vec<u8> = vec![1; 1 << 20];
        measure(&metrics);
        assert!(metrics.process_memory().get() > i64::try_from(held.len()).expect("it fits"));
        assert!((3..100_000).contains(&metrics.process_fds().get()));
        assert!(metrics.process_fds_max().get() >= metrics.process_fds().get());
        let before = metrics.process_cpu().get();
        let mut sum = 0_u64;
        while cpu_seconds().is_some_and(|seconds| seconds <= before) {
            sum = sum.wrapping_mul(31).wrapping_add(1);
        }
        measure(&metrics);
        assert!(metrics.process_cpu().get() > before, "{sum}");
    }
}
