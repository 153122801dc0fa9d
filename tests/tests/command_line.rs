//! The real binary, as people and supervisors run it.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use airlock_core::Env;
use airlock_tests::{
    Database,
    agents::registered,
    binary::{Ran, Server, command},
};
use serde_json::Value;
use tempfile::TempDir;

/// A folder for a test's data.
fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    (folder, data)
}

/// Runs a command that only looks at or makes files, with a data folder, logging nothing but faults.
fn run(subcommand: &str, data: &Path, arguments: &[&str]) -> Ran {
    let mut command = command(&[subcommand, "--log", "error", "--listen", "127.0.0.1:0", "--data-dir"]);
    command.arg(data).args(arguments);
    Ran::new(command)
}

/// What the first start printed.
struct First {
    organization: String,
    workspace: String,
    deployment: String,
    token: String,
    curl: String,
}

impl First {
    #[track_caller]
    fn read(printed: &str) -> Self {
        let after = |label: &str| {
            let mut found = printed.lines().filter_map(|line| line.trim().strip_prefix(label));
            let value = found.next().unwrap_or_else(|| panic!("no {label} in {printed}")).trim().to_owned();
            assert_eq!(found.next(), None, "{label} twice in {printed}");
            value
        };
        let curl = &printed[printed.find("\ncurl ").expect("a curl line")..];
        let first = Self {
            organization: after("Organization"),
            workspace: after("Workspace"),
            deployment: after("Deployment"),
            token: after("API token"),
            curl: curl.trim().to_owned(),
        };
        for id in [&first.organization, &first.workspace, &first.deployment] {
            assert!(id.len() == 25 && id.starts_with('c'), "{id}");
        }
        assert_eq!(first.token.split('.').count(), 3, "{}", first.token);
        first
    }
}

/// Pastes a text into a shell.
fn paste(text: &str) -> Ran {
    let mut bash = Command::new("/bin/bash");
    let mut child =
        bash.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("bash runs");
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("pasted");
    let output = child.wait_with_output().expect("its end");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// A running server, its first records, and the command line beside it.
struct Site {
    server: Server,
    first: First,
    data: PathBuf,
    _folder: TempDir,
}

impl Site {
    fn new(arguments: &[&str]) -> Self {
        let (folder, data) = folder();
        let server = Server::start(&data, arguments);
        let first = First::read(&server.printed(|text| text.contains("curl")));
        Self { server, first, data, _folder: folder }
    }

    /// Runs a command that talks to the server.
    fn call(&self, arguments: &[&str]) -> Ran {
        self.call_as(&self.first.token, arguments)
    }

    fn call_as(&self, token: &str, arguments: &[&str]) -> Ran {
        let mut command = command(arguments);
        command.env("AIRLOCK_URL", self.server.url()).env("AIRLOCK_TOKEN", token);
        if arguments[0].starts_with("agent") {
            command.env("AIRLOCK_DEPLOYMENT", &self.first.deployment);
        }
        Ran::new(command)
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        let out = self.call(&[arguments, &["--json"]].concat()).out();
        serde_json::from_str(&out).unwrap_or_else(|cause| panic!("{cause}: {out}"))
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no {key} in {value}"))
}

/// A line of a table or of fields, as its words.
fn words(line: &str) -> Vec<&str> {
    line.split("  ").map(str::trim).filter(|word| !word.is_empty()).collect()
}

/// The first start makes everything that is needed and says how to go on; what it says works when
/// it is pasted. No later start says the token again, and it is in no log.
#[test]
fn the_first_start_and_those_after_it() {
    let (_folder, data) = folder();
    let server = Server::start(&data, &["--log", "trace"]);
    let printed = server.printed(|text| text.contains("curl"));
    let first = First::read(&printed);
    assert_eq!(printed.matches(&first.token).count(), 3, "to read, to export and to paste: {printed}");
    let key = fs::metadata(data.join("master.key")).expect("a master key");
    assert_eq!(key.permissions().mode() & 0o7777, 0o600);

    let answer = paste(&first.curl).out();
    let made: Value = serde_json::from_str(&answer).expect("the answer is JSON");
    assert_eq!(made["name"], "my first agent");
    let agent = text(&made, "token").to_owned();
    assert!(agent.starts_with(&format!("agt_{}_", text(&made, "id"))), "{made}");

    let (status, out, first_log) = server.stop();
    assert_eq!(status.code(), Some(0), "{first_log}");
    assert_eq!(out, printed);
    assert!(first_log.trim_end().ends_with("stopped"), "{first_log}");

    let server = Server::start(&data, &["--log", "trace"]);
    let again = first.curl.replace(first.curl.split('/').nth(2).expect("an address"), &server.url()["http://".len()..]);
    let made: Value = serde_json::from_str(&paste(&again).out()).expect("the answer is JSON");
    assert_eq!(made["name"], "my first agent");
    let (status, out, second_log) = server.stop();
    assert_eq!((status.code(), out.as_str()), (Some(0), ""), "{second_log}");

    let key = fs::read_to_string(data.join("master.key")).expect("the key");
    let secret = key.lines().last().and_then(|line| line.split_once(':')).expect("an id and a secret").1;
    for log in [first_log, second_log] {
        // The signature, and what follows the id. Either may hold the other's separator.
        let signature = first.token.rsplit('.').next().expect("a signature");
        let value = agent.splitn(3, '_').last().expect("a value");
        for part in [signature, value, secret] {
            assert!(part.len() > 20 && !log.contains(part), "a secret is in the log: {log}");
        }
    }
}

/// `init` and `migrate` do their part of the first start, and leave the rest.
#[test]
fn init_and_migrate() {
    let (_folder, data) = folder();
    assert_eq!(run("migrate", &data, &[]).out(), "the schema of the SQLite database is up to date\n");
    assert_eq!(run("migrate", &data, &[]).out(), "the schema of the SQLite database is up to date\n");
    let first = First::read(&run("init", &data, &["--public-url", "https://airlock.example/"]).out());
    assert!(first.curl.contains("'https://airlock.example/v1/organizations/"), "{}", first.curl);
    assert_eq!(run("init", &data, &[]).fault(), "the database has its first records already; nothing was changed");

    let server = Server::start(&data, &[]);
    let mut list = command(&["agent-token", "list", "--json", "--url", &server.url()]);
    list.args(["--token", &first.token, "--deployment", &first.deployment]);
    let page: Value = serde_json::from_str(&Ran::new(list).out()).expect("JSON");
    assert_eq!(page["totalCount"], 0);
    assert_eq!(server.stop().1, "");
}

#[test]
fn openapi_version_and_completions() {
    let checked_in = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../openapi.json"));
    assert_eq!(Ran::new(command(&["openapi"])).out(), checked_in.expect("openapi.json"), "run: airlock openapi");
    assert_eq!(Ran::new(command(&["version"])).out(), format!("airlock {}\n", env!("CARGO_PKG_VERSION")));

    let script = Ran::new(command(&["completions", "bash"])).out();
    let asks = "\nCOMP_WORDS=(airlock agent-token '') COMP_CWORD=2; _airlock airlock '' agent-token; echo \"${COMPREPLY[*]}\"\n";
    let offered = paste(&(script + "\ncomplete -p airlock >/dev/null || exit 3" + asks)).out();
    for word in ["create", "list", "get", "delete"] {
        assert!(offered.split_whitespace().any(|offer| offer == word), "{word}: {offered}");
    }
}

/// `doctor` says what is wrong, in plain words and with its exit code, and makes nothing.
#[test]
fn doctor() {
    let (_folder, data) = folder();
    let finding = |ran: &Ran, what: &str| {
        let found = ran.out.lines().find(|line| line.contains(&format!(" {what}: ")));
        found.unwrap_or_else(|| panic!("nothing about the {what}: {ran:?}")).to_owned()
    };
    let ran = run("doctor", &data, &[]);
    assert!(finding(&ran, "master key").starts_with("WRONG"), "{ran:?}");
    assert!(finding(&ran, "master key").contains("master.key cannot be read"), "{ran:?}");
    assert!(finding(&ran, "database").starts_with("WRONG"), "{ran:?}");
    assert!(finding(&ran, "database").ends_with("airlock.db is not there; run: airlock init"), "{ran:?}");
    assert!(finding(&ran, "address").starts_with("ok"), "{ran:?}");
    assert_eq!(ran.fault(), "2 of 3 checks found something wrong");
    assert!(!data.exists(), "looking has made something");

    run("migrate", &data, &[]).out();
    let ran = run("doctor", &data, &[]);
    assert!(finding(&ran, "database").starts_with("WRONG"), "{ran:?}");
    assert!(finding(&ran, "database").contains("no Organization in it; run: airlock init"), "{ran:?}");
    run("init", &data, &[]).out();
    let out = run("doctor", &data, &[]).out();
    assert_eq!(out.lines().count(), 3, "{out}");
    assert!(out.lines().all(|line| line.starts_with("ok ")), "{out}");

    let key = data.join("master.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).expect("a mode");
    let ran = run("doctor", &data, &[]);
    assert!(finding(&ran, "master key").starts_with("WRONG"), "{ran:?}");
    assert!(finding(&ran, "master key").contains(&format!("chmod 600 {}", key.display())), "{ran:?}");
    assert_eq!(ran.fault(), "1 of 3 checks found something wrong");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("a mode");

    let good = fs::read(&key).expect("the key");
    fs::write(&key, "nonsense\n").expect("written");
    let ran = run("doctor", &data, &[]);
    assert!(finding(&ran, "master key").starts_with("WRONG"), "{ran:?}");
    assert_eq!(ran.fault(), "1 of 3 checks found something wrong");
    fs::write(&key, good).expect("written");

    // Something runs at the address, first Airlock itself.
    let server = Server::start(&data, &[]);
    let mut doctor = command(&["doctor", "--listen", &server.url()["http://".len()..], "--data-dir"]);
    doctor.arg(&data);
    let out = Ran::new(doctor).out();
    assert!(out.contains("something answers at 127.0.0.1:"), "{out}");
    assert!(out.lines().all(|line| line.starts_with("ok ")), "{out}");
    server.stop();

    let database = rusqlite::Connection::open(data.join("airlock.db")).expect("the database");
    let newer = "INSERT INTO refinery_schema_history VALUES (999, 'future', '2030-01-01T00:00:00Z', '1')";
    database.execute_batch(newer).expect("a newer schema");
    drop(database);
    let ran = run("doctor", &data, &[]);
    assert!(finding(&ran, "database").starts_with("WRONG"), "{ran:?}");
    assert!(finding(&ran, "database").contains("a newer version of Airlock made this database"), "{ran:?}");
    assert_eq!(ran.fault(), "1 of 3 checks found something wrong");
    for subcommand in ["serve", "init", "migrate"] {
        let fault = run(subcommand, &data, &[]).fault();
        assert!(fault.starts_with("a newer version of Airlock made this database"), "{fault}");
    }

    fs::write(data.join("airlock.db"), "this is no database, but long enough to look at: ".repeat(100))
        .expect("written");
    let fault = run("serve", &data, &[]).fault();
    assert!(fault.contains("airlock.db") && fault.contains("not a database"), "{fault}");
    assert!(!fault.contains("internal"), "{fault}");
}

/// A start that would lose data or do nothing is refused in one line.
#[test]
fn a_start_that_cannot_be_good_is_refused() {
    let (folder, data) = folder();
    First::read(&run("init", &data, &[]).out());
    let key = data.join("master.key");
    let elsewhere = folder.path().join("elsewhere.key");
    fs::rename(&key, &elsewhere).expect("moved");
    let fault = run("serve", &data, &[]).fault();
    assert!(fault.contains(&format!("the master key {} is not there", key.display())), "{fault}");
    assert!(fault.contains("--master-key-file"), "{fault}");
    assert!(!key.exists(), "a new key would make every token useless");
    let server = Server::start(&data, &["--master-key-file", elsewhere.to_str().expect("UTF-8")]);

    // One process a data folder, and one an address.
    let fault = run("serve", &data, &["--master-key-file", elsewhere.to_str().expect("UTF-8")]).fault();
    assert!(fault.contains("airlock.db is in use by another Airlock process"), "{fault}");
    let other = folder.path().join("other");
    let mut serve = command(&["serve", "--listen", &server.url()["http://".len()..], "--data-dir"]);
    serve.arg(&other);
    let fault = Ran::new(serve).fault();
    assert!(fault.contains("cannot be listened on (--listen)"), "{fault}");
    assert!(!other.exists(), "a start that was refused has made something");
    server.stop();

    let fault = run("serve", Path::new("/proc/nowhere"), &[]).fault();
    assert!(fault.contains("/proc/nowhere"), "{fault}");
    let fault = run("serve", &other, &["--database-url", "postgres://u:hidden@127.0.0.1:1/x"]).fault();
    assert!(fault.contains("PostgreSQL") && fault.contains("refused"), "{fault}");
    assert!(!fault.contains("hidden"), "{fault}");
}

/// A wrong setting is refused with the key's name and what was expected, wherever it comes from.
#[test]
fn a_wrong_setting_is_refused_by_name() {
    let (folder, data) = folder();
    let mut unclear = Vec::new();
    for (key, value, expected) in [
        ("listen", "localhost", "ADDRESS:PORT"),
        ("public-url", "localhost", "http://"),
        ("database-url", "mysql://x", "postgres://"),
        ("agent-tokens-per-deployment", "many", "number"),
        ("agent-heartbeat-interval", "0", "seconds from 1"),
        ("rate-limit-get", "-1", "0"),
        ("audit-retention-days", "1.5", "number"),
        ("log", "airlock=loud", "filter"),
        ("log-format", "xml", "json"),
        ("master-key", "short", "base64"),
        ("catalogue", "/nowhere/catalogue.toml", "cannot be read"),
    ] {
        let mut refused = |mut command: Command, from: &str| {
            command.arg("--data-dir").arg(&data);
            let ran = Ran::new(command);
            assert!(matches!(ran.code, Some(1 | 2)), "{key} by {from}: {ran:?}");
            assert_eq!(ran.out, "", "{key} by {from}");
            if !ran.err.contains(key) || !ran.err.contains(expected) {
                unclear.push(format!("{key} by {from} does not say {key} and {expected}: {}", ran.err));
            }
            if data.exists() {
                unclear.push(format!("{key} by {from}: the start that was refused has made something"));
                fs::remove_dir_all(&data).expect("removed");
            }
        };
        refused(command(&["serve", &format!("--{key}={value}")]), "flag");
        let mut by_environment = command(&["serve"]);
        by_environment.env(format!("AIRLOCK_{}", key.replace('-', "_").to_uppercase()), value);
        refused(by_environment, "environment");
        let file = folder.path().join("airlock.toml");
        fs::write(&file, format!("{} = {value:?}\n", key.replace('-', "_"))).expect("written");
        refused(command(&["serve", "--config", file.to_str().expect("UTF-8")]), "file");
    }
    assert!(unclear.is_empty(), "{}", unclear.join("\n"));
    let file = folder.path().join("airlock.toml");
    for (text, says) in [
        ("lisen = 'x'\n", "unknown key lisen; known are listen, "),
        ("listen = [1]\n", " array for listen; expected a text or a number"),
        ("listen\n", "airlock.toml"),
    ] {
        fs::write(&file, text).expect("written");
        let fault = run("serve", &data, &["--config", file.to_str().expect("UTF-8")]).fault();
        assert!(fault.contains(says) && fault.contains("airlock.toml"), "{fault}");
    }
    let fault = run("serve", &data, &["--config", "/nowhere/airlock.toml"]).fault();
    assert!(fault.contains("/nowhere/airlock.toml cannot be read"), "{fault}");

    let help = Ran::new(command(&["serve", "--help"])).out();
    for key in ["listen", "public-url", "data-dir", "database-url", "master-key", "agent-tokens-per-deployment", "log"]
    {
        assert!(help.contains(&format!("--{key} ")), "--help says nothing of {key}");
        assert!(help.contains(&format!("AIRLOCK_{}", key.replace('-', "_").to_uppercase())), "{key}");
    }
}

/// The catalogue is printed to be changed, checked when the server starts, and served.
#[test]
fn a_catalogue_of_ones_own() {
    let (folder, data) = folder();
    let printed = Ran::new(command(&["catalogue"])).out();
    let file = folder.path().join("catalogue.toml");
    let path = file.to_str().expect("UTF-8");
    fs::write(&file, printed.replace("default_region = \"us-east-1\"", "default_region = \"mars\"")).expect("written");
    let fault = run("serve", &data, &["--catalogue", path]).err;
    assert!(fault.contains("--catalogue") && fault.contains("default_region: \"mars\" is none of"), "{fault}");
    assert!(!data.exists(), "the start that was refused has made something");

    fs::write(&file, printed.replace("m5.xlarge", "m7.xlarge")).expect("written");
    let site = Site::new(&["--catalogue", path]);
    let options = site.json(&["api", "get-cluster-options", "--type", "DEDICATED", "--provider", "AWS"]);
    assert_eq!(options[0]["defaultNodeInstance"]["name"], "m7.xlarge");
}

/// A good setting acts, from each source.
#[test]
fn a_good_setting_acts() {
    let (folder, _) = folder();
    let file = folder.path().join("airlock.toml");
    fs::write(&file, "agent_tokens_per_deployment = 1\npublic_url = \"https://airlock.example\"\n").expect("written");
    let site = Site::new(&["--config", file.to_str().expect("UTF-8")]);
    assert!(site.first.curl.contains("https://airlock.example/v1/"), "{}", site.first.curl);
    site.json(&["agent-token", "create", "one"]);
    let fault = site.call(&["agent-token", "create", "two"]).fault();
    assert!(fault.contains("has 1 agent token"), "{fault}");
}

#[test]
fn agent_tokens() {
    let site = Site::new(&[]);
    let made = site.json(&["agent-token", "create", "edge ü", "--description", "in Oslo", "--expires-in-days", "30"]);
    let id = text(&made, "id").to_owned();
    assert_eq!((&made["name"], &made["description"]), (&"edge ü".into(), &"in Oslo".into()));
    assert_eq!(made["expiryPeriodInDays"], 30);
    assert!(text(&made, "token").starts_with(&format!("agt_{id}_")));

    let out = site.call(&["agent-token", "create", "for people"]).out();
    let fields: Vec<Vec<&str>> = out.lines().map(words).collect();
    let field = |name: &str| fields.iter().find(|field| field[0] == name).map(|field| field[1]);
    let second = field("id").expect("an id").to_owned();
    assert_eq!(field("name"), Some("for people"));
    assert_eq!(field("createdBy"), Some("First owner"));
    assert!(field("token").is_some_and(|value| value.starts_with(&format!("agt_{second}_"))), "{out}");

    let page = site.json(&["agent-token", "list"]);
    assert_eq!(page["totalCount"], 2);
    assert_eq!([&page["tokens"][0]["id"], &page["tokens"][1]["id"]], [&id, &second]);
    assert_eq!(site.json(&["agent-token", "list", "--offset", "1", "--limit", "1"])["tokens"][0]["id"], *second);
    let out = site.call(&["agent-token", "list"]).out();
    let rows: Vec<Vec<&str>> = out.lines().map(words).collect();
    assert_eq!(rows[0], ["ID", "NAME", "VALUE", "CREATED", "ENDS", "LAST USED"]);
    assert_eq!((rows[1][0], rows[1][1], rows[1][5]), (id.as_str(), "edge ü", "never"));
    assert_eq!((rows[2][0], rows[2][1], rows[2][4]), (second.as_str(), "for people", "never"));
    assert_eq!(rows.len(), 3, "{out}");
    assert!(!out.contains("agt_"), "{out}");

    let mut shown = made.clone();
    shown.as_object_mut().expect("an object").remove("token");
    assert_eq!(site.json(&["agent-token", "get", &id]), shown);
    let out = site.call(&["agent-token", "get", &second]).out();
    assert!(out.contains(&second) && out.contains("for people") && !out.contains("agt_"), "{out}");

    assert_eq!(site.call(&["agent-token", "delete", &id, "--json"]).out(), "");
    assert_eq!(site.call(&["agent-token", "delete", &second]).out(), format!("{second} is deleted\n"));
    let fault = site.call(&["agent-token", "get", &id]).fault();
    assert!(fault.starts_with("agent token not found (status 404, request "), "{fault}");
    assert_eq!(site.json(&["agent-token", "list"])["tokens"], Value::Array(Vec::new()));
    let fault = site.call_as(text(&made, "token"), &["agent-token", "list"]).fault();
    assert!(fault.starts_with(&format!("the agent token {id} was deleted at ")), "{fault}");
}

/// Any operation by its name. That each of them can be called so is shown by the samples of the
/// documentation; here is how the command behaves.
#[test]
fn api() {
    let site = Site::new(&[]);
    let json = |arguments: &[&str]| -> Value {
        let mut command = command(&[&["api"], arguments].concat());
        command.env("AIRLOCK_URL", site.server.url()).env("AIRLOCK_TOKEN", &site.first.token);
        command.env("AIRLOCK_DEPLOYMENT", &site.first.deployment);
        serde_json::from_str(&Ran::new(command).out()).expect("JSON")
    };
    let made = json(&["create-agent-token", "--body", r#"{"name": "edge \u00fc"}"#]);
    assert_eq!(made["name"], "edge ü");
    let id = text(&made, "id").to_owned();
    let list = ["list-agent-tokens", "--limit", "1", "--sorts", "name:desc", "--sorts", "createdAt:asc"];
    let page = json(&list);
    assert_eq!((&page["limit"], &page["tokens"][0]["id"]), (&1.into(), &id.as_str().into()));
    let deployment = site.first.deployment.as_str();
    assert_eq!(json(&["get-deployment", "--deployment", deployment])["id"], deployment);

    // The Organization is found by the token, a download is written as it comes, and a 204 is silent.
    let audit = site.call(&["api", "get-organization-audit-logs"]).out();
    assert!(audit.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{audit}");
    assert!(audit.contains(&id), "{audit}");
    let at = ["--deployment", deployment];
    assert_eq!(site.call(&[&["api", "delete-agent-token", &id][..], &at].concat()).out(), "");

    let fault = site.call(&[&["api", "get-agent-token", "no/such?id"][..], &at].concat()).fault();
    assert!(fault.starts_with("agent token not found (status 404, request "), "{fault}");
    let fault = site.call(&[&["api", "create-agent-token", "--body", "{"][..], &at].concat()).fault();
    assert!(fault.starts_with("the body is not JSON: "), "{fault}");
    let fault = site.call(&[&["api", "create-agent-token", "--body", "{}"][..], &at].concat()).fault();
    assert!(fault.contains("name"), "{fault}");
    let help = Ran::new(command(&["api", "list-agent-tokens", "--help"])).out();
    assert!(help.contains("GET /v1/organizations/{organizationId}/deployments/{deploymentId}/agent-tokens"), "{help}");
}

/// A command runs in the environment that its Deployment has as environment objects.
#[test]
fn agent_run() {
    let site = Site::new(&[]);
    for (key, value, is_secret) in
        [("REGION", "eu", false), ("API_KEY", "the secret", true), ("HOME", "/nowhere", false)]
    {
        let body = serde_json::json!({
            "objectKey": key, "objectType": "ENVIRONMENT_VARIABLE", "scope": "DEPLOYMENT",
            "scopeEntityId": site.first.deployment, "environmentVariable": {"value": value, "isSecret": is_secret},
        });
        site.call(&["api", "create-environment-object", "--body", &body.to_string()]).out();
    }
    let token = site.json(&["agent-token", "create", "one"]);
    let run = |token: &str, arguments: &[&str]| {
        let mut command = command(&[&["agent", "run"], arguments].concat());
        command.env("AIRLOCK_URL", site.server.url()).env("AIRLOCK_DEPLOYMENT", &site.first.deployment);
        command.env("AIRLOCK_TOKEN", token).env("HOME", "/here");
        Ran::new(command)
    };
    let show = ["sh", "-c", r#"echo "$REGION, $API_KEY, $HOME, $1"; exit 7"#, "sh", "--flag"];
    let ran = run(text(&token, "token"), &show);
    assert_eq!((ran.code, ran.out.as_str()), (Some(7), "eu, the secret, /here, --flag\n"));
    assert_eq!(ran.err, "airlock: sets API_KEY, REGION; as they were here: HOME\n");
    let after_dashes = run(text(&token, "token"), &[&["--"][..], &show].concat());
    assert_eq!(after_dashes.out, ran.out);

    let missing = run(text(&token, "token"), &["no-such-command"]);
    assert_eq!(missing.code, Some(1));
    assert!(missing.err.contains("no-such-command cannot be run: "), "{}", missing.err);
    let without = run(text(&token, "token"), &[]);
    assert_eq!(without.code, Some(2));

    // Without its environment the command does not begin.
    let api_token = run(&site.first.token, &["echo", "it runs"]).fault();
    assert!(api_token.contains("(status 403)"), "{api_token}");
    site.call(&["agent-token", "delete", text(&token, "id")]).out();
    let deleted = run(text(&token, "token"), &["echo", "it runs"]).fault();
    assert!(deleted.contains("was deleted"), "{deleted}");
}

/// A token is bound as the flags say. A key file is looked at before it is sent: a private key
/// does not leave the machine.
#[test]
fn agent_tokens_that_are_bound() {
    let site = Site::new(&[]);
    let (folder, _) = folder();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    // The key pair of RFC 8410 section 10.
    let key = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";
    let public = file("public.pem", &format!("-----BEGIN PUBLIC KEY-----\n{key}\n-----END PUBLIC KEY-----\n"));
    let key = "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC";
    let private = file("private.pem", &format!("-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----\n"));

    let bound = ["--agent-name", "edge-1", "--queue", "gpu", "--queue", "default"];
    let create = |more: &[&str]| site.call(&[&["agent-token", "create", "x"], more].concat());
    let out = create(&[&bound[..], &["--public-key-file", &public]].concat()).out();
    let shown = |name: &str| out.lines().find(|line| line.starts_with(name)).map(|line| words(line)[1..].join(" "));
    assert_eq!(shown("agentName").as_deref(), Some("edge-1"), "{out}");
    assert_eq!(shown("queues").as_deref(), Some("gpu, default"), "{out}");
    assert_eq!(shown("shortToken").as_deref(), Some("...NJTaB8"), "{out}");
    assert_eq!(shown("token "), None, "{out}");

    let fault = create(&["--public-key-file", &private, "--url", "http://127.0.0.1:1"]).fault();
    assert!(fault.contains("private.pem is refused") && fault.contains("private key"), "{fault}");
    assert!(!fault.contains("MC4CAQAw"), "{fault}");
    let fault = create(&["--public-key-file", "/nowhere.pem"]).fault();
    assert!(fault.contains("/nowhere.pem cannot be read"), "{fault}");
    let fault = create(&["--agent-name", "a/b"]).fault();
    assert!(fault.contains("agentName"), "{fault}");
}

#[test]
fn agents() {
    let site = Site::new(&[]);
    let made = site.json(&["agent-token", "create", "edge"]);
    let token = text(&made, "id");
    let database = rusqlite::Connection::open(site.data.join("airlock.db")).expect("the server's database");
    database.busy_timeout(Duration::from_secs(5)).expect("a time-out");
    let (healthy, gone) = ("cagent0000000000000000001", "cagent0000000000000000002");
    let now = Env::system().now();
    database.execute_batch(&registered(healthy, token, "a.example", now.plus_seconds(-30))).expect("an agent");
    database.execute_batch(&registered(gone, token, "b\u{1b}[2J", now.plus_seconds(-7_300))).expect("another");

    let page = site.json(&["agent", "list"]);
    assert_eq!((&page["agents"][0]["id"], &page["agents"][1]["status"]), (&healthy.into(), &"UNHEALTHY".into()));
    let out = site.call(&["agent", "list"]).out();
    let rows: Vec<Vec<&str>> = out.lines().map(words).collect();
    assert_eq!(rows[0], ["ID", "NAME", "STATUS", "LAST HEARTBEAT", "JOBS", "QUEUES", "VERSION", "TOKEN"]);
    assert_eq!(rows[1][..3], [healthy, "a.example", "HEALTHY"]);
    assert!(rows[1][3].starts_with('3') && rows[1][3].ends_with(" s ago"), "{out}");
    assert_eq!(rows[1][4..], ["0", "default", "5.1.0", token]);
    assert_eq!(rows[2][..4], [gone, "b\\u{1b}[2J", "UNHEALTHY", "2 h ago"]);
    assert_eq!(rows.len(), 3, "{out}");
    let found = site.json(&["agent", "list", "--status", "UNHEALTHY", "--status", "TERMINATED"]);
    assert_eq!((&found["agents"][0]["id"], &found["totalCount"]), (&gone.into(), &1.into()));

    let shown = site.json(&["agent", "cordon", healthy, "--reason", "new disk"]);
    assert_eq!((&shown["status"], &shown["cordoningReason"]), (&"CORDONED".into(), &"new disk".into()));
    assert_eq!(site.json(&["agent", "get", healthy]), shown);
    let out = site.call(&["agent", "get", healthy]).out();
    let fields: Vec<Vec<&str>> = out.lines().map(words).collect();
    for field in
        [["status", "CORDONED"], ["queues", "default"], ["slots", "{\"free\":4,\"total\":4}"], ["address", "192.0.2.7"]]
    {
        assert!(fields.contains(&field.to_vec()), "{out}");
    }
    assert_eq!(site.json(&["agent", "uncordon", healthy])["isCordoned"], false);

    let fault = site.call(&["agent", "delete", healthy]).fault();
    assert!(fault.starts_with("the agent is connected. ") && fault.contains(token), "{fault}");
    assert_eq!(site.call(&["agent", "delete", gone]).out(), format!("{gone} is deleted\n"));
    assert_eq!(site.json(&["agent", "list"])["totalCount"], 1);
    assert_eq!(site.json(&["agent", "list", "--include-deleted"])["totalCount"], 2);
    let ran = site.call(&["agent", "list", "--status", "ILL"]);
    assert!(ran.code == Some(2) && ran.err.contains("UNHEALTHY"), "{ran:?}");
}

#[test]
fn api_tokens() {
    let site = Site::new(&[]);
    let workspace = site.first.workspace.clone();
    let made = site.json(&[
        "api-token",
        "create",
        "for CI",
        "--role",
        "WORKSPACE_OWNER",
        "--scope",
        "workspace",
        "--entity",
        &workspace,
        "--expires-in-days",
        "1",
    ]);
    let (id, value) = (text(&made, "id").to_owned(), text(&made, "token").to_owned());
    assert_eq!((&made["scope"], &made["roles"][0]["role"]), (&"WORKSPACE".into(), &"WORKSPACE_OWNER".into()));
    let out = site.call(&["api-token", "create", "member", "--role", "ORGANIZATION_MEMBER"]).out();
    assert!(out.lines().any(|line| words(line) == ["scope", "ORGANIZATION"]), "{out}");
    let fixed = site.json(&[
        "api-token",
        "create",
        "fixed",
        "--role",
        "DEPLOYMENT_ADMIN",
        "--scope",
        "deployment",
        "--entity",
        &site.first.deployment,
        "--direct-access",
    ]);
    assert_eq!(fixed["kind"], "DIRECT_ACCESS");

    assert_eq!(site.json(&["api-token", "list"])["totalCount"], 4);
    assert_eq!(site.json(&["api-token", "list", "--workspace", &workspace])["tokens"][0]["id"], *id);
    let out = site.call(&["api-token", "list"]).out();
    let rows: Vec<Vec<&str>> = out.lines().map(words).collect();
    assert_eq!(rows[0], ["ID", "NAME", "KIND", "SCOPE", "ROLES", "VALUE", "ENDS", "LAST USED"]);
    let row = rows.iter().find(|row| row[0] == id).expect("the token");
    assert_eq!(row[1..5], ["for CI", "STANDARD", "WORKSPACE", "WORKSPACE_OWNER"]);
    assert_eq!(rows.len(), 5, "{out}");
    assert!(!out.contains(&value), "{out}");

    let shown = site.json(&["api-token", "get", &id]);
    assert_eq!((&shown["name"], shown.get("token")), (&"for CI".into(), None));
    let rotated = site.json(&["api-token", "rotate", &id]);
    assert_eq!(rotated["id"], *id);
    let fault = site.call_as(&value, &["api-token", "list"]).fault();
    assert!(fault.contains("was replaced"), "{fault}");
    site.call_as(text(&rotated, "token"), &["api-token", "list"]).out();
    let out = site.call(&["api-token", "rotate", &id]).out();
    assert!(out.lines().any(|line| words(line)[0] == "token"), "{out}");

    assert_eq!(site.call(&["api-token", "delete", &id]).out(), format!("{id} is deleted\n"));
    let fault = site.call(&["api-token", "delete", &id]).fault();
    assert!(fault.starts_with("API token not found (status 404, request "), "{fault}");
    let fault = site.call(&["api-token", "create", "x", "--role", "NO_SUCH"]).fault();
    assert!(fault.contains("there is no role NO_SUCH"), "{fault}");
    let fault = site.call(&["api-token", "create", "x", "--role", "WORKSPACE_OWNER", "--scope", "workspace"]).fault();
    assert!(fault.contains("entityId: is required for the scope WORKSPACE"), "{fault}");
}

/// Whatever goes wrong is one line that says what to do, and exit code 1.
#[test]
fn an_error_is_one_clear_line() {
    let site = Site::new(&[]);
    let list = ["agent-token", "list"];
    assert_eq!(
        Ran::new(command(&["agent-token", "list", "--deployment", "x"])).fault(),
        "there is no API token; set AIRLOCK_TOKEN, or give --token"
    );
    let fault = site.call_as("garbage", &list).fault();
    assert!(fault.starts_with("the bearer token is malformed") && fault.contains("(status 401, request "), "{fault}");
    let fault = site.call_as("a\nb", &list).fault();
    assert_eq!(fault, "the token has characters that no token has");
    let fault = site.call(&["agent-token", "create", "", "--expires-in-days", "0"]).fault();
    assert!(fault.contains("name: ") && fault.contains("tokenExpiryPeriodInDays: "), "{fault}");
    let fault = site.call(&["agent-token", "list", "--deployment", "cnowhere"]).fault();
    assert!(fault.starts_with("Deployment not found (status 404"), "{fault}");
    let fault = site.call(&["agent-token", "get", "../../workspaces"]).fault();
    assert!(fault.contains("not found (status 404"), "{fault}");

    let closed = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("its address");
    let fault = site.call(&["agent-token", "list", "--url", &format!("http://{closed}")]).fault();
    assert_eq!(fault, format!("http://{closed} cannot be reached: Connection refused (os error 111)"));
    let fault = site.call(&["agent-token", "list", "--url", "nonsense"]).fault();
    assert!(fault.starts_with("nonsense cannot be reached"), "{fault}");

    // Something that is not Airlock.
    let other = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", other.local_addr().expect("its address"));
    let answers = std::thread::spawn(move || {
        let (mut stream, _) = other.accept().expect("a connection");
        let mut head = [0; 4096];
        let _ = stream.read(&mut head).expect("a request");
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n<html>\n<p>hi</html>").expect("answered");
    });
    let fault = site.call(&["agent-token", "list", "--url", &url]).fault();
    assert_eq!(fault, "the server answered with status 200, but not as the API does: <html> <p>hi</html>");
    answers.join().expect("it was called");
}

/// What others wrote into a token does not reach the terminal as anything but text of its field.
#[test]
fn a_description_cannot_pass_for_something_else() {
    let site = Site::new(&[]);
    let description = "first\nid           cforged\r\u{1b}[2J\u{9b}31m\u{7}end";
    let made = site.json(&["agent-token", "create", "x", "--description", description]);
    assert_eq!(made["description"], description);
    let out = site.call(&["agent-token", "get", text(&made, "id")]).out();
    assert!(!out.chars().any(|c| c.is_control() && c != '\n'), "{out:?}");
    assert_eq!(out.lines().filter(|line| line.starts_with("id ")).count(), 1, "{out:?}");
    assert!(out.contains("first") && out.contains("end"), "{out:?}");
}

/// SIGTERM and SIGINT: what was begun is finished, and the exit code is 0.
#[test]
fn a_stop_is_graceful() {
    for signal in ["TERM", "INT"] {
        let site = Site::new(&[]);
        let address = site.server.url()["http://".len()..].to_owned();
        let idle = TcpStream::connect(&address).expect("a connection");
        let mut busy = TcpStream::connect(&address).expect("a connection");
        busy.set_read_timeout(Some(Duration::from_secs(30))).expect("a time-out");
        let body = r#"{"name": "on the way"}"#;
        let head = format!(
            "POST /v1/organizations/{}/deployments/{}/agent-tokens HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
            site.first.organization,
            site.first.deployment,
            site.first.token,
            body.len()
        );
        busy.write_all(head.as_bytes()).expect("sent");
        let mut go_on = [0; 25];
        busy.read_exact(&mut go_on).expect("the server asks for the body");
        assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");

        site.server.signal(signal);
        let mut refused = 0;
        while refused < 2 {
            // No new connection is taken; the listener may take a moment to close.
            refused += usize::from(TcpStream::connect(&address).is_err());
        }
        busy.write_all(body.as_bytes()).expect("sent");
        let mut answer = String::new();
        busy.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        let Site { server, data, first, _folder } = site;
        let (status, _, log) = server.stop();
        assert_eq!(status.code(), Some(0), "{log}");
        drop(idle);

        let server = Server::start(&data, &[]);
        let mut list = command(&["agent-token", "list", "--json", "--url", &server.url()]);
        list.args(["--token", &first.token, "--deployment", &first.deployment]);
        let page: Value = serde_json::from_str(&Ran::new(list).out()).expect("JSON");
        assert_eq!(page["tokens"][0]["name"], "on the way");
    }
}

/// A client that never ends its request does not keep the server from ending.
#[test]
fn a_stop_does_not_wait_for_ever() {
    let site = Site::new(&[]);
    let mut half = TcpStream::connect(&site.server.url()["http://".len()..]).expect("a connection");
    half.write_all(b"GET /v1/organizations HTTP/1.1\r\nHost: x\r\n").expect("sent");
    // The server has seen it when it answers a later connection.
    site.call(&["agent-token", "list"]).out();
    let (status, _, log) = site.server.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    drop(half);
}

/// Two replicas that start at the same time on one empty PostgreSQL make the first records once.
#[tokio::test(flavor = "multi_thread")]
async fn replicas_make_the_first_records_once() {
    let Some(database) = Database::postgres().await else { return };
    let Database::Postgres(url) = &database else { panic!("asked for PostgreSQL") };
    let (_folder, data) = folder();
    let starts: Vec<_> = (0..2)
        .map(|_| {
            let mut serve = command(&["serve", "--listen", "127.0.0.1:0", "--data-dir"]);
            serve.arg(&data).env("AIRLOCK_DATABASE_URL", url);
            serve.env("AIRLOCK_MASTER_KEY", "ktest:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
            std::thread::spawn(move || Server::run(serve))
        })
        .collect();
    let servers: Vec<Server> = starts.into_iter().map(|start| start.join().expect("it serves")).collect();
    let printed: Vec<String> = servers.into_iter().map(|server| server.stop().1).collect();
    assert_eq!(printed.iter().filter(|text| text.contains("API token")).count(), 1, "{printed:?}");
}

/// The lines that begin with `curl` in a page of the docs.
fn curl_lines(page: &str) -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(page);
    let text = fs::read_to_string(page).expect("a page of the docs");
    text.lines().filter(|line| line.starts_with("curl ")).map(str::to_owned).collect()
}

/// The lines of docs/introspection.md work when they are pasted. An installation that has lost its
/// last Owner's token that way gets a new one, from whoever has its database and its master key.
#[test]
fn tokens_are_looked_at_and_revoked_as_the_docs_say_even_the_last() {
    let Site { server, first, data, _folder } = Site::new(&[]);
    let (id, value) = {
        let mut create = command(&["agent-token", "create", "x", "--json", "--deployment", &first.deployment]);
        create.env("AIRLOCK_URL", server.url()).env("AIRLOCK_TOKEN", &first.token);
        let made: Value = serde_json::from_str(&Ran::new(create).out()).expect("JSON");
        (text(&made, "id").to_owned(), text(&made, "token").to_owned())
    };
    let owner: Value = {
        let form = format!(
            "curl -sS '{}/oauth2/introspect' -H 'Authorization: Bearer {t}' -d token={t}",
            server.url(),
            t = first.token
        );
        serde_json::from_str(&paste(&form).out()).expect("JSON")
    };
    let with = |token: &str, line: &str| {
        let (url, own, id) = (server.url(), &first.token, text(&owner, "sub"));
        let settings = format!("AIRLOCK_URL='{url}' AIRLOCK_TOKEN='{own}' API_TOKEN_ID='{id}' AGENT_TOKEN='{token}'");
        paste(&format!("{settings}\n{line}\n")).out()
    };
    let [by_bearer, by_secret, revoke] = &curl_lines("introspection.md")[..] else { panic!("other lines") };
    for line in [by_bearer, by_secret] {
        let seen: Value = serde_json::from_str(&with(&value, line)).expect("JSON");
        assert_eq!(
            (&seen["active"], text(&seen, "sub"), text(&seen, "token_kind")),
            (&true.into(), id.as_str(), "agent_token")
        );
    }
    assert_eq!(with(&value, revoke), "200\n");
    assert_eq!(with(&value, by_bearer), r#"{"active":false}"#);

    assert_eq!(with(&first.token, revoke), "200\n");
    let list = |url: &str, token: &str| {
        let mut list = command(&["api-token", "list", "--json"]);
        list.env("AIRLOCK_URL", url).env("AIRLOCK_TOKEN", token);
        Ran::new(list)
    };
    assert!(list(&server.url(), &first.token).fault().contains("was deleted at"));
    let fault = run("new-owner", &data, &[]).fault();
    assert!(fault.contains("airlock.db is in use by another Airlock process"), "{fault}");
    server.stop();
    let fault = run("new-owner", &data, &["--organization", "cnowhere"]).fault();
    assert!(fault.contains(&format!("name one of the Organizations: {} (Airlock)", first.organization)), "{fault}");
    let made = run("new-owner", &data, &[]).out();
    let token = made.lines().find_map(|line| line.trim().strip_prefix("API token")).expect("a token").trim();
    let server = Server::start(&data, &[]);
    let listed = list(&server.url(), token).out();
    assert!(listed.contains("Recovered owner") && !listed.contains("First owner"), "{listed}");
}

/// An invited user is let in on the command line, and calls with the session.
#[test]
fn an_invited_user_signs_in() {
    let Site { server, first, data, _folder } = Site::new(&[]);
    let call = |url: &str, token: &str, rest: &str| -> Value {
        let line = format!("curl -sS '{url}/v1{rest} -H 'Authorization: Bearer {token}'");
        serde_json::from_str(&paste(&line).out()).expect("JSON")
    };
    let invite = format!(
        "/organizations/{}/invites' -d '{{\"inviteeEmail\": \"ada@example.org\", \"role\": \"ORGANIZATION_MEMBER\"}}' \
         -H 'Content-Type: application/json'",
        first.organization
    );
    assert!(text(&call(&server.url(), &first.token, &invite), "inviteId").len() == 25);
    server.stop();
    let fault = run("sign-in", &data, &["eve@example.org"]).fault();
    assert!(fault.contains("nobody with the address eve@example.org"), "{fault}");
    let printed = run("sign-in", &data, &["ada@example.org"]).out();
    let session = printed.lines().find_map(|line| line.trim().strip_prefix("Session")).expect("a session").trim();
    let server = Server::start(&data, &[]);
    let me = call(&server.url(), session, "/users/self'");
    assert_eq!((text(&me, "username"), text(&me, "status")), ("ada@example.org", "ACTIVE"));
}
