//! Every sample on the page of every operation is run as it stands there, unchanged, against a
//! server that has the things whose ids it names; and what it prints is the page's example answer.
//!
//! cURL, Python, JavaScript, Go and our own command line run as people run them. The Rust samples
//! are the modules of one program, `src/bin/rust-samples.rs`.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
    time::Duration,
};

use airlock_tests::{
    World, binary,
    operations::{Row, rows, shown, world_of_examples},
    samples::{pages, sample},
};
use futures_util::{StreamExt, stream};
use serde_json::Value;

/// How long a sample may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many samples of a language run at the same time.
const AT_ONCE: usize = 4;

static PAGES: LazyLock<BTreeMap<&str, &str>> = LazyLock::new(|| pages().collect());

static ANSWERS: LazyLock<BTreeMap<String, Value>> = LazyLock::new(|| {
    let file = root().join("docs/answers.json");
    serde_json::from_str(&fs::read_to_string(file).expect("the example answers")).expect("JSON")
});

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are in the repository")
}

/// The sample of an operation in a language.
fn code(operation: &str, language: &str) -> &'static str {
    let page = PAGES.get(operation).unwrap_or_else(|| panic!("{operation} has no page"));
    sample(page, language).unwrap_or_else(|| panic!("{operation} has no sample in {language}"))
}

/// Runs all samples of a language, each by the command that is made of its code and the name of
/// its operation.
async fn run_all(language: &str, command: impl Fn(&'static str, &'static str) -> Command) {
    let samples = rows().into_iter().map(|row| {
        let command = command(row.id, code(row.id, language));
        async move { run(&row, command).await.err().map(|fault| format!("{}: {fault}", row.id)) }
    });
    let faults: Vec<String> =
        stream::iter(samples).buffer_unordered(AT_ONCE).filter_map(async |fault| fault).collect().await;
    assert!(faults.is_empty(), "samples in {language} that do not do what their pages say:\n\n{}", faults.join("\n\n"));
}

/// Runs one sample, with nothing in its environment but what the pages say.
async fn run(row: &Row, command: Command) -> Result<(), String> {
    let world = world_of_examples().await;
    let mut command = tokio::process::Command::from(command);
    command.env_clear().env("PATH", path()).envs(settings(&world).await).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await.map_err(|_| "it does not end")?;
    let output = output.map_err(|cause| format!("it cannot be run: {cause}"))?;
    let complaints = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() || !complaints.is_empty() {
        return Err(format!("{}\n{complaints}\n{}", output.status, String::from_utf8_lossy(&output.stdout)));
    }
    let expected = ANSWERS.get(row.id).unwrap_or(&Value::Null);
    let said = shown(output.stdout.trim_ascii());
    let is_right = match (expected.as_str(), said.as_str()) {
        (Some(expected), Some(said)) => said.trim_end() == expected.trim_end(),
        _ => said == *expected,
    };
    if is_right { Ok(()) } else { Err(format!("it printed {said:#}\nand not {expected:#}")) }
}

async fn settings(world: &World) -> [(&'static str, String); 5] {
    [
        ("AIRLOCK_URL", world.serve().await),
        ("AIRLOCK_TOKEN", world.owner.clone()),
        ("AIRLOCK_ORGANIZATION", world.organization.to_string()),
        ("AIRLOCK_WORKSPACE", world.workspace.to_string()),
        ("AIRLOCK_DEPLOYMENT", world.deployment.to_string()),
    ]
}

/// Where programs are looked for: `airlock` where it was built, all others as always.
fn path() -> String {
    let airlock = binary::airlock().parent().expect("the binary is in a folder");
    format!("{}:{}", airlock.display(), variable("PATH"))
}

#[expect(clippy::disallowed_methods, reason = "a test has no command line")]
fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

/// Whether a program is there. Where it is not this says so loudly, and in CI it fails.
#[expect(clippy::print_stderr, reason = "a test must be heard")]
fn is_there(program: &str) -> bool {
    let found = env::split_paths(&variable("PATH")).any(|folder| folder.join(program).is_file());
    assert!(found || variable("CI").is_empty(), "there is no {program}: in CI no sample may be skipped");
    if !found {
        eprintln!("SKIPPED: there is no {program}, so that its samples are not run; run scripts/test");
    }
    found
}

fn of(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

#[tokio::test]
async fn curl() {
    run_all("cURL", |_, code| of("sh", &["-c", code])).await;
}

#[tokio::test]
async fn airlock() {
    run_all("airlock", |_, code| of("sh", &["-c", code])).await;
}

#[tokio::test]
async fn python() {
    let made = of(root().join("scripts/venv"), &["samples"]).output().expect("scripts/venv runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let python = PathBuf::from(String::from_utf8_lossy(&made.stdout).trim()).join("bin/python");
    run_all("Python", |_, code| of(&python, &["-c", code])).await;
}

#[tokio::test]
async fn javascript() {
    if is_there("node") {
        run_all("JavaScript", |_, code| of("node", &["--input-type=module", "--eval", code])).await;
    }
}

#[tokio::test]
async fn rust() {
    run_all("Rust", |operation, _| of(env!("CARGO_BIN_EXE_rust-samples"), &[operation])).await;
}

#[tokio::test]
async fn go() {
    if is_there("go") {
        let folder = tempfile::tempdir().expect("a folder for the programs");
        let programs = build_go(folder.path());
        run_all("Go", |operation, _| of(programs.join(operation), &[])).await;
    }
}

/// Builds all samples in Go, as the packages of one module: where the programs are.
fn build_go(folder: &Path) -> PathBuf {
    fs::write(folder.join("go.mod"), "module samples\n\ngo 1.19\n").expect("written");
    for row in rows() {
        let package = folder.join(row.id);
        fs::create_dir(&package).expect("made");
        fs::write(package.join("main.go"), code(row.id, "Go")).expect("written");
    }
    let programs = folder.join("programs");
    let go = |program: &str, arguments: &[&str]| {
        let mut command = of(program, arguments);
        command.current_dir(folder).env("GOCACHE", root().join("target/samples-go")).env("GOFLAGS", "-mod=mod");
        let output = command.output().expect("go runs");
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success() && said.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&said));
    };
    go("gofmt", &["-l", "."]);
    go("go", &["vet", "./..."]);
    go("go", &["build", "-ldflags=-s -w", "-o", "programs/", "./..."]);
    programs
}
