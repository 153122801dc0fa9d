//! What the figures depend on: the machine, and the processor time that a process has used.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::Context;

/// The unit of processor time in `/proc/PID/stat`. It is 100 a second wherever Linux lets programs
/// see it (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// The processor time, user's and kernel's, of a process (its id, or `self`) with all its threads.
pub(crate) fn cpu_time(process: &str) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // Behind the name, which is in brackets, the state is the first field; utime and stime follow.
    let fields = stat.rsplit_once(')').context("a process without a name")?.1.split_whitespace();
    let ticks: Vec<u32> = fields.skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(TICK * ticks.iter().sum())
}

/// The processor's name and the number of cores.
pub(crate) fn processor() -> anyhow::Result<String> {
    let text = fs::read_to_string("/proc/cpuinfo")?;
    let names = text.lines().filter_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let name = names.map(|(_, name)| name.trim()).next().unwrap_or("unknown processor");
    Ok(format!("{name}, {} cores", std::thread::available_parallelism()?))
}

/// The kernel's version.
pub(crate) fn kernel() -> anyhow::Result<String> {
    Ok(format!("Linux {}", fs::read_to_string("/proc/sys/kernel/osrelease")?.trim()))
}

/// How many processes wanted to run in the last minute, on average: others disturb the figures.
pub(crate) fn load() -> anyhow::Result<String> {
    let text = fs::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').next().unwrap_or_default().to_owned())
}

/// The kind of file system that a folder is in.
pub(crate) fn file_system(folder: &Path) -> anyhow::Result<String> {
    let output = Command::new("df").arg("--output=fstype").arg(folder).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().nth(1).unwrap_or("unknown file system").trim().to_owned())
}

/// The median time to append a page to a file and to have it on the disk: what a durable commit
/// cannot be faster than.
pub(crate) fn sync_time(folder: &Path) -> anyhow::Result<Duration> {
    let path = folder.join("sync");
    let mut file = File::create(&path)?;
    let mut times = Vec::new();
    for _ in 0..500 {
        let begun = Instant::now();
        file.write_all(&[1; 4096])?;
        file.sync_all()?;
        times.push(begun.elapsed());
    }
    fs::remove_file(path)?;
    times.sort_unstable();
    Ok(times[times.len() / 2])
}
