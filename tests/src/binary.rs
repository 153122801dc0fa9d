//! The real binary, run as people run it.

use std::{
    io::Read,
    ops::Deref,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, OnceLock, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// How long a process may take to begin or to end before the test gives up on it.
const PATIENCE: Duration = Duration::from_secs(60);

/// The binary's file, brought up to date once with the profile and in the target folder of this
/// test. Cargo does that by itself only for tests in the binary's own package.
pub fn airlock() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let test = std::env::current_exe().expect("the path of this test");
        let folder = test.parent().and_then(Path::parent).expect("the test is in target/<profile>/deps");
        let (target, profile) = (folder.parent().expect("a target folder"), folder.file_name().expect("a profile"));
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--package", "airlock", "--bin", "airlock", "--target-dir"]).arg(target);
        // The folder of the profile `dev` has another name, for history's sake.
        cargo.arg("--profile").arg(if profile == "debug" { "dev".as_ref() } else { profile });
        let status = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().expect("cargo runs");
        assert!(status.success(), "the binary could not be built");
        folder.join("airlock")
    })
}

/// A command of the binary, with no setting from the environment.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(airlock());
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

/// What a command that ended has said.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; absent when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ran {
    /// Runs a command to its end.
    #[track_caller]
    pub fn new(mut command: Command) -> Self {
        let output = command.output().expect("the command runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Standard output, of a command that succeeded and had nothing to complain about.
    #[track_caller]
    pub fn out(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""), "{}", self.out);
        self.out
    }

    /// What went wrong: one line on standard error, and exit code 1.
    #[track_caller]
    pub fn fault(self) -> String {
        assert_eq!(self.code, Some(1), "{self:?}");
        assert_eq!(self.err.lines().count(), 1, "{self:?}");
        let fault = self.err.strip_prefix("airlock: ");
        fault.unwrap_or_else(|| panic!("{self:?}")).trim_end().to_owned()
    }
}

/// A process that runs on. It does not outlive this value, however the test ends.
pub struct Process {
    child: Child,
    out: Pipe,
    err: Pipe,
}

impl Process {
    /// Starts a command that runs on.
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the process starts");
        let out = Pipe::read(child.stdout.take().expect("a pipe"));
        let err = Pipe::read(child.stderr.take().expect("a pipe"));
        Self { child, out, err }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to standard output, once that is as expected.
    pub fn printed(&self, expected: impl Fn(&str) -> bool) -> String {
        self.out.wait(expected)
    }

    /// Its log, once that is as expected.
    pub fn logged(&self, expected: impl Fn(&str) -> bool) -> String {
        self.err.wait(expected)
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        self.err.so_far()
    }

    /// Ends it as nothing can prepare for.
    pub fn kill(mut self) {
        self.child.kill().expect("a process that runs");
        self.child.wait().expect("its end");
    }

    /// Sends a signal by name, as operators and supervisors do.
    pub fn signal(&self, signal: &str) {
        let status = Command::new("/bin/bash").arg("-c").arg(format!("kill -{signal} {}", self.id())).status();
        assert!(status.expect("bash runs").success());
    }

    /// Ends it as operators do: how it ended, and all that it wrote.
    pub fn stop(self) -> (ExitStatus, String, String) {
        self.signal("TERM");
        self.ended()
    }

    /// Waits for the end of one that ends: how it did, and all that it wrote.
    pub fn ended(mut self) -> (ExitStatus, String, String) {
        let began = Instant::now();
        let status = loop {
            match self.child.try_wait().expect("its state") {
                Some(status) => break status,
                None => assert!(began.elapsed() < PATIENCE, "the process does not end: {}", self.err.so_far()),
            }
            thread::sleep(Duration::from_millis(5));
        };
        (status, self.out.whole(), self.err.whole())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill(); // does nothing to one whose end is known
        let _ = self.child.wait();
    }
}

/// A running server. It does not outlive this value, however the test ends.
pub struct Server {
    process: Process,
    address: String,
    admin_address: Option<String>,
}

impl Server {
    /// Starts a server with a data folder on a free port, and waits until it serves.
    pub fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut serve = command(&["serve", "--listen", "127.0.0.1:0", "--data-dir"]);
        serve.arg(folder).args(arguments);
        Self::run(serve)
    }

    /// Runs a command that becomes a server, and waits until it serves.
    pub fn run(command: Command) -> Self {
        let process = Process::start(command);
        let log = process.logged(|log| log.lines().any(|line| line.contains(" serving ")));
        let said = |label: &str| log.split_whitespace().find_map(|word| word.strip_prefix(label)).map(str::to_owned);
        let address = said("address=").unwrap_or_else(|| panic!("the server does not say where it serves: {log}"));
        Self { process, address, admin_address: said("admin_address=") }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it serves: an IP address and a port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The URL of its admin address.
    pub fn admin_url(&self) -> String {
        format!("http://{}", self.admin_address.as_deref().expect("an admin address"))
    }

    /// [`Process::kill`].
    pub fn kill(self) {
        self.process.kill();
    }

    /// [`Process::stop`].
    pub fn stop(self) -> (ExitStatus, String, String) {
        self.process.stop()
    }

    /// [`Process::ended`].
    pub fn ended(self) -> (ExitStatus, String, String) {
        self.process.ended()
    }
}

impl Deref for Server {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

/// What comes through a pipe: the text so far, and whether that is all.
struct Pipe(Arc<(Mutex<(String, bool)>, Condvar)>);

impl Pipe {
    /// Reads to the end: a process whose output nobody reads would stop at a full pipe.
    fn read(mut source: impl Read + Send + 'static) -> Self {
        let shared = Arc::new((Mutex::new((String::new(), false)), Condvar::new()));
        let pipe = Self(Arc::clone(&shared));
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            loop {
                let count = source.read(&mut bytes).unwrap_or_default();
                let mut text = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
                text.0 += &String::from_utf8_lossy(&bytes[..count]);
                text.1 = count == 0;
                shared.1.notify_all();
                if count == 0 {
                    break;
                }
            }
        });
        pipe
    }

    /// The text, once it is as expected. One that ends without being so fails the test.
    fn wait(&self, expected: impl Fn(&str) -> bool) -> String {
        let (text, changed) = &*self.0;
        let guard = text.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = |text: &mut (String, bool)| !text.1 && !expected(&text.0);
        let (text, _) = changed.wait_timeout_while(guard, PATIENCE, waits).unwrap_or_else(PoisonError::into_inner);
        assert!(expected(&text.0), "not what was expected of the process: {}", text.0);
        text.0.clone()
    }

    fn so_far(&self) -> String {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    fn whole(&self) -> String {
        let (text, changed) = &*self.0;
        let guard = text.lock().unwrap_or_else(PoisonError::into_inner);
        let (text, _) =
            changed.wait_timeout_while(guard, PATIENCE, |text| !text.1).unwrap_or_else(PoisonError::into_inner);
        assert!(text.1, "the output does not end");
        text.0.clone()
    }
}
