//! A PostgreSQL server of a test's own, which can be stopped.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::Database;

/// How long it may take to start before the test gives up on it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A PostgreSQL server of the test's own, which can be stopped.
pub struct PrivatePostgres {
    folder: TempDir,
    binaries: PathBuf,
    arguments: &'static [&'static str],
    server: Option<Child>,
}

impl PrivatePostgres {
    /// A running server. Where PostgreSQL is not installed this says so loudly, and in CI it fails.
    #[expect(
        clippy::disallowed_methods,
        clippy::print_stderr,
        reason = "a test has no command line, and must be heard"
    )]
    pub fn new(arguments: &'static [&'static str]) -> Option<Self> {
        let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let binaries =
            versions.map(|version| version.path().join("bin")).filter(|folder| folder.join("initdb").exists());
        let Some(binaries) = binaries.max() else {
            assert!(std::env::var("CI").is_err(), "PostgreSQL is not installed: in CI no test may be skipped");
            eprintln!("SKIPPED: PostgreSQL is not installed; run scripts/test");
            return None;
        };
        // Not in $TMPDIR: the path of a socket can have 107 characters at the most.
        let folder = tempfile::tempdir_in("/tmp").expect("a folder for the server");
        let mut postgres = Self { folder, binaries, arguments, server: None };
        if is_root() {
            let owned = Command::new("chown").arg("postgres:").arg(postgres.folder.path()).status();
            assert!(owned.expect("chown runs").success());
        }
        let mut initdb = postgres.command("initdb");
        initdb.arg("-D").arg(postgres.data()).args([
            "-U",
            "postgres",
            "--auth=trust",
            "--no-sync",
            "--locale=C",
            "--encoding=UTF8",
        ]);
        let made = initdb.output().expect("initdb runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        postgres.start();
        Some(postgres)
    }

    /// The folder of its socket.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A program of PostgreSQL, which refuses to run as root. setpriv becomes the other program, so
    /// that the process that is known here is the server's own.
    fn command(&self, program: &str) -> Command {
        let program = self.binaries.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir("/").stdin(Stdio::null());
        command
    }

    /// Starts it, and waits until it takes connections.
    pub fn start(&mut self) {
        let log = std::fs::File::options().create(true).append(true).open(self.folder.path().join("log"));
        let log = log.expect("a file for the log");
        let mut server = self.command("postgres");
        server.arg("-D").arg(self.data()).arg("-k").arg(self.folder.path()).args(["-c", "listen_addresses="]);
        server.args(self.arguments).stdout(Stdio::null()).stderr(log);
        self.server = Some(server.spawn().expect("the server starts"));
        let began = Instant::now();
        let is_ready = || {
            let mut ready = self.command("pg_isready");
            ready.arg("-q").arg("-h").arg(self.folder.path());
            ready.status().expect("pg_isready runs").success()
        };
        while !is_ready() {
            assert!(began.elapsed() < PATIENCE, "{:?}", std::fs::read_to_string(self.folder.path().join("log")));
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops it: with INT it ends its connections, with QUIT it ends as if it crashed.
    pub fn stop(&mut self, signal: &str) {
        if let Some(mut server) = self.server.take() {
            send(signal, server.id());
            server.wait().expect("its end");
        }
    }

    /// Its database, as a connection URL.
    pub fn database(&self) -> Database {
        Database::Postgres(format!("postgres://postgres@/postgres?host={}", self.folder.path().display()))
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        self.stop("QUIT");
    }
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").expect("this process").uid() == 0
}

/// Sends a signal by name.
fn send(signal: &str, process: u32) {
    let status = Command::new("/bin/bash").arg("-c").arg(format!("kill -{signal} {process}")).status();
    assert!(status.expect("bash runs").success(), "{signal} could not be sent to {process}");
}
