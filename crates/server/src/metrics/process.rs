//! What the operating system knows of this process, read from `/proc` (proc(5)) when it is scraped.
//!
//! The names are those that Prometheus' client libraries agree on. Where there is no `/proc`, they
//! are absent.

use std::fs;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
};

use super::Described;

/// The unit of times in `/proc`: USER_HZ is 100 on every architecture that Linux is built for today.
const TICKS: f64 = 100.0;

pub(super) const CPU: Described = Described {
    name: "process_cpu_seconds",
    kind: "counter",
    labels: &[],
    help: &["CPU seconds that the process has used, by itself and in the kernel."],
};
pub(super) const MEMORY: Described = Described {
    name: "process_resident_memory_bytes",
    kind: "gauge",
    labels: &[],
    help: &["Bytes of memory that the process has resident."],
};
pub(super) const THREADS: Described =
    Described { name: "process_threads", kind: "gauge", labels: &[], help: &["Threads of the process."] };
pub(super) const OPEN: Described = Described {
    name: "process_open_fds",
    kind: "gauge",
    labels: &[],
    help: &["File descriptors that the process has open: files, connections and the like."],
};
pub(super) const MOST_OPEN: Described = Described {
    name: "process_max_fds",
    kind: "gauge",
    labels: &[],
    help: &["File descriptors that the process may have open."],
};

#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        if let Some(seconds) = cpu_seconds() {
            counter(&mut encoder, &CPU, seconds)?;
        }
        if let Some(kilobytes) = status("VmRSS:") {
            gauge(&mut encoder, &MEMORY, kilobytes.saturating_mul(1024))?;
        }
        if let Some(threads) = status("Threads:") {
            gauge(&mut encoder, &THREADS, threads)?;
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // One of them is the folder's own.
            gauge(&mut encoder, &OPEN, open.count().saturating_sub(1) as u64)?;
        }
        if let Some(most) = most_open() {
            gauge(&mut encoder, &MOST_OPEN, most)?;
        }
        Ok(())
    }
}

fn counter(encoder: &mut DescriptorEncoder<'_>, of: &Described, value: f64) -> std::fmt::Result {
    let counter = ConstCounter::new(value);
    counter.encode(encoder.encode_descriptor(of.name, &(of.help() + "."), None, counter.metric_type())?)
}

pub(super) fn gauge(encoder: &mut DescriptorEncoder<'_>, of: &Described, value: u64) -> std::fmt::Result {
    let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
    gauge.encode(encoder.encode_descriptor(of.name, &(of.help() + "."), None, gauge.metric_type())?)
}

/// Fields 14 and 15 of `/proc/self/stat`, counted after the program's name, which may have spaces.
fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11).map(|field| field.parse::<f64>().ok());
    Some((fields.next()?? + fields.next()??) / TICKS)
}

/// The number after a word in `/proc/self/status`.
fn status(word: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix(word))?.split_whitespace().next()?.parse().ok()
}

/// The soft limit, which is the one that is enforced; absent when there is none.
fn most_open() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().next()?.parse().ok()
}
