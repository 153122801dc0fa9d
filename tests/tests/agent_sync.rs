//! `airlock agent sync`: a folder that is kept equal to what was deployed.
//!
//! The server is a small one that says what each test wants it to.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::{MetadataExt, symlink},
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use airlock_tests::binary::{Process, Ran, command};
use flate2::{Compression, write::GzEncoder};
use tempfile::TempDir;

const DEPLOYMENT: &str = "cmjuohs003t3pr10qlva2l82c";
const TOKEN: &str = "agt_a-token";

/// What the server answers.
#[derive(Clone)]
enum Says {
    Bundle {
        etag: &'static str,
        archive: Vec<u8>,
    },
    /// The first half of one.
    Half {
        archive: Vec<u8>,
    },
    Status(u16, &'static str),
}

/// A gate that serves one bundle, and keeps the requests that it got.
struct Gate {
    url: String,
    says: Arc<Mutex<Says>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Gate {
    fn new(says: Says) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let gate = Self { url, says: Arc::new(Mutex::new(says)), requests: Arc::default() };
        let (says, requests) = (Arc::clone(&gate.says), Arc::clone(&gate.requests));
        // It ends with the process.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.expect("a connection");
                let request = head(&stream);
                let answer = answer(&request, &says.lock().expect("no panic"));
                requests.lock().expect("no panic").push(request);
                let _ = (&stream).write_all(&answer);
            }
        });
        gate
    }

    fn says(&self, says: Says) {
        *self.says.lock().expect("no panic") = says;
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no panic").clone()
    }

    /// Waits until it was asked so many times more.
    fn is_asked(&self, times: usize) {
        let enough = self.requests().len() + times;
        eventually(|| self.requests().len() >= enough);
    }
}

fn head(mut stream: &TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count > 0) {
        head.push(byte[0]);
    }
    String::from_utf8(head).expect("UTF-8").to_lowercase()
}

fn answer(request: &str, says: &Says) -> Vec<u8> {
    let known = request.lines().find_map(|line| line.strip_prefix("if-none-match: "));
    let http = |status: u16, headers: &str, body: &[u8]| {
        let head =
            format!("HTTP/1.1 {status} x\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n", body.len());
        [head.as_bytes(), body].concat()
    };
    match says {
        Says::Bundle { etag, .. } if known == Some(etag) => http(304, &format!("etag: {etag}\r\n"), b""),
        Says::Bundle { etag, archive } => http(200, &format!("etag: {etag}\r\n"), archive),
        Says::Half { archive } => {
            let mut answer = http(200, "etag: \"half\"\r\n", archive);
            answer.truncate(answer.len() - archive.len() / 2);
            answer
        }
        Says::Status(status, body) => http(*status, "", body.as_bytes()),
    }
}

fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        // Not `append_data`, which refuses what leads outside.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        tar.append(&header, content.as_bytes()).expect("in memory");
    }
    tar.into_inner().expect("in memory").finish().expect("in memory")
}

fn bundle(etag: &'static str, files: &[(&str, &str)]) -> Says {
    Says::Bundle { etag, archive: archive(files) }
}

/// A folder to be kept, and the command that does.
struct Machine {
    folder: TempDir,
    url: String,
}

impl Machine {
    fn of(gate: &Gate) -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), url: gate.url.clone() }
    }

    fn dest(&self) -> PathBuf {
        self.folder.path().join("dags")
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join(".dags.airlock")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        self.command_for(self.dest().as_os_str(), arguments)
    }

    fn command_for(&self, dest: &OsStr, arguments: &[&str]) -> Command {
        let mut command = command(&["agent", "sync", "--dest"]);
        command.arg(dest).args(arguments);
        command.env("AIRLOCK_URL", &self.url).env("AIRLOCK_TOKEN", TOKEN).env("AIRLOCK_DEPLOYMENT", DEPLOYMENT);
        command
    }

    fn once(&self) -> Ran {
        Ran::new(self.command(&[]))
    }

    fn watch(&self) -> Process {
        Process::start(self.command(&["--watch", "--interval", "1"]))
    }

    fn file(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.dest().join(name)).ok()
    }

    /// The names in the folder of versions.
    fn versions(&self) -> BTreeSet<String> {
        names(&self.store())
    }
}

fn names(folder: &Path) -> BTreeSet<String> {
    let name =
        |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name().into_string().expect("UTF-8");
    fs::read_dir(folder).expect("a folder").map(name).collect()
}

fn eventually(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(30), "it does not come about");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_folder_is_what_was_deployed() {
    let gate = Gate::new(bundle("\"1\"", &[("a.py", "one"), ("lib/b.py", "b")]));
    let machine = Machine::of(&gate);
    let dest = machine.dest();
    let said = machine.once().out();
    assert_eq!(said, format!("{} is now \"1\": 3 files, 4 bytes\n", dest.display()));
    assert_eq!((machine.file("a.py").as_deref(), machine.file("lib/b.py").as_deref()), (Some("one"), Some("b")));
    assert_eq!(names(&dest), BTreeSet::from(["a.py".into(), "lib".into()]), "and nothing else");

    let said = machine.once().out();
    assert_eq!(said, format!("{} is up to date\n", dest.display()));

    gate.says(bundle("\"2\"", &[("a.py", "two")]));
    let said = machine.once().out();
    assert_eq!(said, format!("{} is now \"2\": 1 files, 3 bytes\n", dest.display()));
    assert_eq!((machine.file("a.py").as_deref(), machine.file("lib/b.py")), (Some("two"), None));

    let requests = gate.requests();
    let path = format!("get /d/{DEPLOYMENT}/bundles/dags http/1.1\r\n");
    assert!(requests.iter().all(|request| request.starts_with(&path)), "{requests:?}");
    assert!(requests.iter().all(|request| request.contains(&format!("authorization: bearer {TOKEN}\r\n"))));
    let known =
        |request: &String| request.lines().find_map(|line| line.strip_prefix("if-none-match: ").map(str::to_owned));
    let known: Vec<_> = requests.iter().map(known).collect();
    assert_eq!(known, [None, Some("\"1\"".into()), Some("\"1\"".into())]);
}

/// As a shell completes it.
#[test]
fn a_slash_at_the_end_of_the_folder_says_nothing() {
    let gate = Gate::new(bundle("\"1\"", &[("a.py", "one")]));
    let machine = Machine::of(&gate);
    for expected in ["is now \"1\": 1 files, 3 bytes", "is up to date"] {
        let dest = format!("{}/", machine.dest().display());
        let said = Ran::new(machine.command_for(dest.as_ref(), &[])).out();
        assert_eq!(said, format!("{} {expected}\n", machine.dest().display()));
    }
    assert_eq!(machine.file("a.py").as_deref(), Some("one"));
}

/// Who has begun to read a version goes on reading it, also after one more; the one before that is
/// gone, and whatever else was left.
#[test]
fn the_version_before_is_kept_and_older_ones_are_not() {
    let gate = Gate::new(bundle("\"1\"", &[("a.py", "1")]));
    let machine = Machine::of(&gate);
    machine.once().out();
    let mut reading = Vec::new();
    for (etag, content) in [("\"2\"", "2"), ("\"3\"", "3"), ("\"4\"", "4")] {
        reading.push((machine.dest().canonicalize().expect("a folder"), machine.file("a.py").expect("a file")));
        gate.says(bundle(etag, &[("a.py", content)]));
        machine.once().out();
        let (path, content) = reading.last().expect("one");
        assert_eq!(&fs::read_to_string(path.join("a.py")).expect("still there"), content);
    }
    assert_eq!(machine.versions(), BTreeSet::from(["3".into(), "4".into(), "lock".into()]));
    // As after a power cut in the middle of a round.
    fs::create_dir_all(machine.store().join("5.new/content")).expect("made");
    fs::create_dir_all(machine.store().join("6/content")).expect("made");
    symlink("nowhere", machine.store().join("link")).expect("made");
    gate.says(bundle("\"5\"", &[("a.py", "5")]));
    machine.once().out();
    assert_eq!(machine.versions(), BTreeSet::from(["4".into(), "5".into(), "lock".into()]));
    assert_eq!(machine.file("a.py").as_deref(), Some("5"));
    // It can be moved, and mounted elsewhere.
    let elsewhere = machine.folder.path().with_extension("moved");
    fs::rename(machine.folder.path(), &elsewhere).expect("moved");
    assert_eq!(fs::read_to_string(elsewhere.join("dags/a.py")).expect("there"), "5");
    fs::rename(&elsewhere, machine.folder.path()).expect("moved back");
}

/// At no moment is there no folder, or half of one.
#[test]
fn readers_see_one_version_or_the_other() {
    let gate = Gate::new(bundle("\"0\"", &[("a.py", "0"), ("b.py", "0")]));
    let machine = Machine::of(&gate);
    machine.once().out();
    let (dest, stop) = (machine.dest(), Arc::new(Mutex::new(false)));
    let reader = thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            let mut seen = BTreeSet::new();
            while !*stop.lock().expect("no panic") {
                // Who wants one version throughout asks once where it is.
                let version = dest.canonicalize().expect("a folder, always");
                let read = |name: &str| fs::read_to_string(version.join(name)).expect("a whole version");
                let (a, b) = (read("a.py"), read("b.py"));
                assert_eq!(a, b);
                seen.insert(a);
            }
            seen
        }
    });
    for (etag, content) in [("\"1\"", "1"), ("\"2\"", "2"), ("\"3\"", "3"), ("\"4\"", "4")] {
        gate.says(bundle(etag, &[("a.py", content), ("b.py", content)]));
        machine.once().out();
    }
    *stop.lock().expect("no panic") = true;
    assert!(reader.join().expect("no half version").len() > 1);
}

/// What is somebody's is refused, and left as it is.
#[test]
fn what_is_there_is_never_touched() {
    let gate = Gate::new(bundle("\"1\"", &[("a.py", "new")]));
    type Make = fn(&Path);
    let theirs: [(&str, Make); 5] = [
        ("a folder", |dest| {
            fs::create_dir(dest).expect("made");
            fs::write(dest.join("a.py"), "old").expect("written");
        }),
        ("an empty folder", |dest| fs::create_dir(dest).expect("made")),
        ("a file", |dest| fs::write(dest, "old").expect("written")),
        ("a link elsewhere", |dest| symlink("/usr", dest).expect("made")),
        ("a link that looks like it", |dest| symlink(".dags.airlock/seven/content", dest).expect("made")),
    ];
    for (what, make) in theirs {
        let machine = Machine::of(&gate);
        make(&machine.dest());
        let before = machine.dest().symlink_metadata().expect("there").ino();
        let fault = machine.once().fault();
        let expected = "is there, and was not made by `airlock agent sync`; move it away, or give another --dest";
        assert_eq!(fault, format!("{} {expected}", machine.dest().display()), "{what}");
        assert_eq!(machine.dest().symlink_metadata().expect("there").ino(), before, "{what}");
        assert_eq!(names(machine.folder.path()), BTreeSet::from(["dags".into()]), "{what}: nothing was made");
        assert_ne!(machine.file("a.py").as_deref(), Some("new"), "{what}");
    }
    assert_eq!(gate.requests().len(), 0);
    for dest in ["/", ".."] {
        let mut command = command(&["agent", "sync", "--deployment", DEPLOYMENT, "--token", TOKEN, "--dest", dest]);
        let fault = Ran::new({
            command.current_dir("/");
            command
        })
        .fault();
        assert!(fault.contains("names no folder"), "{fault}");
    }
}

#[test]
fn the_last_good_version_stays() {
    let gate = Gate::new(bundle("\"1\"", &[("a.py", "good")]));
    let machine = Machine::of(&gate);
    machine.once().out();
    let whole = archive(&[("a.py", &"x".repeat(100_000))]);
    let url = &machine.url;
    for (says, fault) in [
        (bundle("\"2\"", &[("../a.py", "x")]), r#"version "2" is refused: "../a.py" has `..` in its path"#.to_owned()),
        (bundle("\"2\"", &[("a", "x"), ("a", "y")]), r#"version "2" is refused: "a" is in the archive twice"#.into()),
        (
            Says::Bundle { etag: "\"2\"", archive: whole[..whole.len() / 2].to_vec() },
            r#"version "2" is refused: the archive is cut off after "a.py""#.into(),
        ),
        (
            Says::Bundle { etag: "\"2\"", archive: b"<html>not here</html>".to_vec() },
            r#"version "2" is refused: the archive is no gzip file, or is damaged: invalid gzip header"#.into(),
        ),
        (
            Says::Half { archive: whole },
            format!("the archive cannot be read: {url} cannot be reached: end of file before message length reached"),
        ),
        (
            Says::Status(503, r#"{"detail": "the database does not answer"}"#),
            "the database does not answer (status 503)".into(),
        ),
        (Says::Status(502, "<html>"), "the server answered with status 502, but not as the API does: <html>".into()),
        (Says::Status(404, "<html>"), "the server answered with status 404, but not as the API does: <html>".into()),
        (
            Says::Status(200, ""),
            "the server answered with status 200, but not as the API does: an archive without an ETag".into(),
        ),
        (
            Says::Status(404, r#"{"detail": "the Deployment has no Dags; deploy some"}"#),
            format!(
                "there is nothing to put into {}: the Deployment has no Dags; deploy some",
                machine.dest().display()
            ),
        ),
        (
            Says::Status(401, r#"{"detail": "the token was deleted"}"#),
            "the token is refused: the token was deleted (status 401). What was synced before is still there".into(),
        ),
        (
            Says::Status(403, r#"{"detail": "the token has expired"}"#),
            "the token is refused: the token has expired (status 403). What was synced before is still there".into(),
        ),
    ] {
        gate.says(says);
        assert_eq!(machine.once().fault(), fault);
        assert_eq!(machine.file("a.py").as_deref(), Some("good"), "{fault}");
        assert_eq!(machine.versions(), BTreeSet::from(["1".into(), "lock".into()]), "{fault}");
    }
    gate.says(bundle("\"2\"", &[("a.py", "four")]));
    let fault = Ran::new(machine.command(&["--max-bytes", "3"])).fault();
    assert_eq!(fault, r#"version "2" is refused: the archive unpacks to more than 3 bytes, at "a.py""#);
    machine.once().out();
    assert_eq!(machine.file("a.py").as_deref(), Some("four"));
}

#[test]
fn no_server_and_no_token() {
    let gate = Gate::new(bundle("\"1\"", &[("a.py", "a")]));
    let machine = Machine::of(&gate);
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let mut away = machine.command(&[]);
    away.env("AIRLOCK_URL", format!("http://{nobody}"));
    assert!(Ran::new(away).fault().starts_with(&format!("http://{nobody} cannot be reached: ")));
    let mut without = machine.command(&[]);
    without.env_remove("AIRLOCK_TOKEN");
    assert_eq!(Ran::new(without).fault(), "there is no token; set AIRLOCK_TOKEN or AIRLOCK_TOKEN_FILE");

    let file = machine.folder.path().join("token");
    let mut from_file = machine.command(&[]);
    from_file.env_remove("AIRLOCK_TOKEN").env("AIRLOCK_TOKEN_FILE", &file);
    assert!(Ran::new(from_file).fault().starts_with(&format!("the token file {} cannot be read", file.display())));
    fs::write(&file, "\n").expect("written");
    let mut from_file = machine.command(&["--watch", "--interval", "1"]);
    from_file.env_remove("AIRLOCK_TOKEN").env("AIRLOCK_TOKEN_FILE", &file);
    let watching = Process::start(from_file);
    watching.logged(|log| log.contains("is empty"));
    fs::write(&file, "another-token\n").expect("written");
    eventually(|| machine.file("a.py").is_some());
    watching.stop();
    let mut from_file = machine.command(&[]);
    from_file.env_remove("AIRLOCK_TOKEN").env("AIRLOCK_TOKEN_FILE", &file);
    Ran::new(from_file).out();
    let requests = gate.requests();
    assert!(requests.iter().any(|request| request.contains("authorization: bearer another-token\r\n")), "{requests:?}");
}

#[test]
fn only_one_keeps_a_folder() {
    let gate = Gate::new(bundle("\"1\"", &[("a.py", "a")]));
    let machine = Machine::of(&gate);
    let watching = machine.watch();
    watching.logged(|log| log.contains("changed"));
    let fault = machine.once().fault();
    assert_eq!(fault, format!("another `airlock agent sync` keeps {}", machine.dest().display()));
    watching.kill();
    machine.once().out();
}

/// The lines of a log without their times: level and message.
fn lines(log: &str) -> Vec<String> {
    let line = |line: &str| {
        line.split_once("airlock::commands::agent_sync: ").unwrap_or_else(|| panic!("{line}")).1.to_owned()
    };
    log.lines().map(line).collect()
}

#[test]
fn watching() {
    let gate = Gate::new(Says::Status(404, r#"{"detail": "the Deployment has no Dags; deploy some"}"#));
    let machine = Machine::of(&gate);
    let watching = machine.watch();
    gate.is_asked(2);
    assert!(!machine.dest().exists());
    gate.says(bundle("\"1\"", &[("a.py", "1")]));
    eventually(|| machine.file("a.py").as_deref() == Some("1"));
    gate.is_asked(2);
    // Hostile: refused, and not fetched again and again.
    gate.says(bundle("\"2\"", &[("/etc/x", "")]));
    gate.is_asked(3);
    let known: Vec<_> =
        gate.requests().iter().rev().take(2).map(|request| request.contains("if-none-match: \"2\"\r\n")).collect();
    assert_eq!(known, [true, true]);
    // The version before, deployed again.
    gate.says(bundle("\"1\"", &[("a.py", "1")]));
    gate.is_asked(2);
    // Restarted.
    gate.says(Says::Status(503, r#"{"detail": "starting"}"#));
    gate.is_asked(3);
    gate.says(bundle("\"3\"", &[("a.py", "3")]));
    eventually(|| machine.file("a.py").as_deref() == Some("3"));
    gate.is_asked(1);
    let (status, out, log) = watching.stop();
    assert_eq!((status.code(), out.as_str()), (Some(0), ""));
    let dest = machine.dest().display().to_string();
    let expected = [
        format!("watching folder={dest} server={} deployment={DEPLOYMENT}", gate.url),
        format!("nothing to unpack yet folder={dest} why=\"the Deployment has no Dags; deploy some\""),
        format!("changed folder={dest} version=\"1\" files=1 bytes=1"),
        format!(
            "not brought up to date; trying again folder={dest} cause=version \"2\" is refused: \"/etc/x\" is an absolute path"
        ),
        format!("up to date again folder={dest}"),
        format!("not brought up to date; trying again folder={dest} cause=starting (status 503)"),
        format!("changed folder={dest} version=\"3\" files=1 bytes=1"),
        format!("stopped folder={dest}"),
    ];
    assert_eq!(lines(&log), expected, "{log}");
    assert!(!log.contains(TOKEN));
}

/// A deleted token ends the watch, so that somebody hears of it.
#[test]
fn watching_ends_when_the_token_does() {
    for status in [401, 403] {
        let gate = Gate::new(bundle("\"1\"", &[("a.py", "1")]));
        let machine = Machine::of(&gate);
        let watching = machine.watch();
        eventually(|| machine.file("a.py").is_some());
        gate.says(Says::Status(status, r#"{"detail": "the token was deleted"}"#));
        let (ended, _, log) = watching.ended();
        assert_eq!(ended.code(), Some(1), "{log}");
        let last = log.lines().last().expect("a line");
        let expected = format!(
            "airlock: the token is refused: the token was deleted (status {status}). What was synced before is still there"
        );
        assert_eq!(last, expected);
        assert_eq!(machine.file("a.py").as_deref(), Some("1"));
    }
}

/// Told to end while an archive comes, it ends, and leaves what was.
#[test]
fn ending_in_the_middle() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let machine = Machine { folder: tempfile::tempdir().expect("a folder"), url };
    let watching = machine.watch();
    let (mut stream, _) = listener.accept().expect("a connection");
    head(&stream);
    let archive = archive(&[("a.py", "x")]);
    stream.write_all(b"HTTP/1.1 200 x\r\netag: \"1\"\r\ncontent-length: 100000\r\n\r\n").expect("sent");
    stream.write_all(&archive[..20]).expect("sent");
    eventually(|| machine.store().join("1.new/content").exists());
    let began = Instant::now();
    let (status, _, log) = watching.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(began.elapsed() < Duration::from_secs(5), "{log}");
    assert!(!machine.dest().exists());
    assert_eq!(machine.versions(), BTreeSet::from(["lock".into()]));
}
