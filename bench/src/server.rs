//! The real binary, as a child process.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};

use crate::load::Target;

/// How long the server may take to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running `airlock serve`, which ends with this value at the latest.
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
    _output: BufReader<ChildStdout>,
    pub(crate) first: First,
}

/// What the server says when it starts on an empty database.
#[derive(Clone)]
pub(crate) struct First {
    pub(crate) address: SocketAddr,
    pub(crate) organization: String,
    pub(crate) workspace: String,
    pub(crate) token: String,
}

impl Server {
    /// Starts the server on a free port, with its files in the folder.
    pub(crate) fn start(binary: &Path, folder: &Path, database_url: Option<&str>) -> anyhow::Result<Self> {
        let (mut child, log) = spawn(binary, folder, database_url)?;
        let output = child.stdout.take().context("the server's output is piped")?;
        let mut output = BufReader::new(output);
        match read_first(&mut output) {
            Ok(first) => Ok(Self { child, log, _output: output, first }),
            Err(error) => {
                let _ = child.kill(); // it may have ended by itself
                let _ = child.wait();
                Err(error.context(format!("the server did not start: {}", fs::read_to_string(log)?)))
            }
        }
    }

    /// Starts the server on a database that has its first records, and waits until it is ready.
    pub(crate) fn start_again(binary: &Path, folder: &Path, first: First) -> anyhow::Result<Self> {
        let (mut child, log) = spawn(binary, folder, None)?;
        let output = BufReader::new(child.stdout.take().context("the server's output is piped")?);
        let mut server = Self { child, log, _output: output, first };
        let begun = Instant::now();
        loop {
            let log = server.log()?;
            let serving = log.lines().find(|line| line.contains(" serving "));
            let address = serving.and_then(|line| line.split(' ').find_map(|word| word.strip_prefix("address=")));
            if let Some(address) = address {
                server.first.address = address.parse()?;
                return Ok(server);
            }
            ensure!(begun.elapsed() < PATIENCE, "the server is not ready: {log}");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// A number of bytes that the kernel tells of the server: `VmRSS`, or `VmHWM` for its height.
    pub(crate) fn memory(&self, what: &str) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':'));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")).context("no such figure")?;
        Ok(kilobytes.parse::<u64>()? * 1024)
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where to put load.
    pub(crate) fn target(&self) -> Target {
        Target { address: self.first.address, pid: self.pid() }
    }

    /// What the server has logged.
    pub(crate) fn log(&self) -> anyhow::Result<String> {
        Ok(fs::read_to_string(&self.log)?)
    }

    /// Asks the server to end, and waits for it.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        let asked = Command::new("kill").args(["-TERM", &self.pid().to_string()]).status()?;
        ensure!(asked.success(), "the server could not be asked to end");
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            match self.child.try_wait()? {
                None => thread::sleep(Duration::from_millis(10)),
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("the server failed at its end ({status}): {}", self.log()?),
            }
        }
        bail!("the server did not end within {} s", PATIENCE.as_secs())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill(); // it may end at this moment
            let _ = self.child.wait();
        }
    }
}

fn spawn(binary: &Path, folder: &Path, database_url: Option<&str>) -> anyhow::Result<(Child, PathBuf)> {
    let log = folder.join("server.log");
    let mut command = Command::new(binary);
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(folder.join("data"));
    if let Some(url) = database_url {
        command.args(["--database-url", url]);
    }
    // Settings of whoever runs this would change what is measured.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AIRLOCK_")) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(&log)?);
    let child = command.spawn().with_context(|| format!("{} cannot be started", binary.display()))?;
    Ok((child, log))
}

fn read_first(output: &mut impl BufRead) -> anyhow::Result<First> {
    let (mut address, mut organization, mut workspace, mut token) = (None, None, None, None);
    let mut line = String::new();
    while output.read_line(&mut line)? > 0 {
        let text = line.trim();
        let after = |label: &str| text.strip_prefix(label).map(|rest| rest.trim().to_owned());
        organization = organization.or_else(|| after("Organization"));
        workspace = workspace.or_else(|| after("Workspace"));
        token = token.or_else(|| after("API token"));
        if let Some(rest) = text.split_once("'http://").filter(|_| text.starts_with("curl")).map(|(_, rest)| rest) {
            address = Some(rest.split('/').next().unwrap_or_default().parse()?);
        }
        // The example ends with the request's body.
        if address.is_some() && text.starts_with("-d") {
            break;
        }
        line.clear();
    }
    Ok(First {
        address: address.context("it did not say where it listens")?,
        organization: organization.context("it did not name an Organization")?,
        workspace: workspace.context("it did not name a Workspace")?,
        token: token.context("it did not show a token")?,
    })
}
