//! Figures as tables: aligned for a terminal, or as Markdown for the README.
#![expect(clippy::print_stdout, reason = "tables on standard output are what this program is for")]

use std::path::Path;
use std::time::Duration;
use std::{fs, thread};

/// Prints a line on its own.
pub(crate) fn say(line: impl AsRef<str>) {
    println!("{}", line.as_ref());
}

/// Prints what the figures were measured on.
pub(crate) fn machine(directory: &Path) {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let count = thread::available_parallelism().map_or(1, usize::from);
    let (_, model) = model.unwrap_or(("", "processor of an unknown model"));
    say(format!(
        "Load program, server and database share {count} × {model}; files in {}.",
        directory.display()
    ));
}

/// Prints what went wrong, with its causes.
#[expect(clippy::print_stderr, reason = "errors are not figures")]
pub(crate) fn complain(error: &anyhow::Error) {
    eprintln!("failed: {error:#}");
}

#[derive(Debug)]
pub(crate) struct Table {
    title: String,
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(title: impl Into<String>, header: &[&'static str]) -> Self {
        Self { title: title.into(), header: header.to_vec(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub(crate) fn print(&self, markdown: bool) {
        let header: Vec<String> = self.header.iter().map(|&cell| cell.to_owned()).collect();
        let lines: Vec<&Vec<String>> = std::iter::once(&header).chain(&self.rows).collect();
        let width = |column: usize| {
            let widths = lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count());
            widths.max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..header.len()).map(width).collect();
        let (open, between, close) = if markdown { ("| ", " | ", " |") } else { ("  ", "  ", "") };
        println!("\n{}\n", self.title);
        for (index, line) in lines.iter().enumerate() {
            let cells = line.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
                // The first column says what the row is, the others are figures.
                if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            });
            println!("{open}{}{close}", cells.collect::<Vec<_>>().join(between));
            if index == 0 && markdown {
                let rules = widths.iter().enumerate().map(|(column, width)| {
                    if column == 0 {
                        "-".repeat(*width)
                    } else {
                        format!("{}:", "-".repeat(width.saturating_sub(1)))
                    }
                });
                println!("| {} |", rules.collect::<Vec<_>>().join(" | "));
            }
        }
    }
}

/// Many durations, of which the quantiles are wanted.
#[derive(Debug, Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    pub(crate) fn add(&mut self, latency: Duration) {
        self.0.push(latency);
    }

    /// The 50th and the 99th percentile, as text.
    pub(crate) fn quantiles(&mut self) -> [String; 2] {
        self.0.sort_unstable();
        [self.quantile(50), self.quantile(99)].map(milliseconds)
    }

    /// How many times as long as others' these are, at one percentile.
    pub(crate) fn ratio(&mut self, others: &mut Self, percent: usize) -> f64 {
        self.0.sort_unstable();
        others.0.sort_unstable();
        self.quantile(percent).as_secs_f64() / others.quantile(percent).as_secs_f64().max(1e-9)
    }

    fn quantile(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100).saturating_sub(1);
        self.0.get(rank).copied().unwrap_or_default()
    }
}

pub(crate) fn milliseconds(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1e3)
}

/// Microseconds of `duration` for each of `count` things.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(crate) fn micros_each(duration: Duration, count: usize) -> f64 {
    duration.as_secs_f64() * 1e6 / count.max(1) as f64
}

/// How many a second.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(crate) fn per_second(count: usize, within: Duration) -> f64 {
    count as f64 / within.as_secs_f64().max(1e-9)
}

/// A whole number with thousands set apart.
pub(crate) fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub(crate) fn sorted<T: PartialOrd>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.collect();
    values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    values
}

/// The middle of what is sorted; the lower one of two.
pub(crate) fn middle<T: Copy>(sorted: &[T]) -> Option<T> {
    sorted.get(sorted.len().saturating_sub(1) / 2).copied()
}
