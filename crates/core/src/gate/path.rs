//! The allow-list: what a worker may call, by method and path; everything else is refused.
//!
//! A path is judged as it was sent, still percent-encoded, and goes on to Airflow as it was sent.
//! So there is no second spelling of a path: fixed words are compared raw, and whatever two
//! parsers might read differently (dot segments, encoded slashes, `;`, double encoding) is refused
//! outright.
//!
//! What workers send is read from `edge3/cli/api_client.py` and `airflow/sdk/api/client.py`, what
//! Airflow takes from `edge3/worker_api/routes` and `execution_api/routes` (edge3 5.1.0, core
//! 3.3.2, and 3.0.6 as the oldest).

use std::{
    borrow::Cow,
    fmt::{self, Write},
};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The longest path, in bytes. The longest that Airflow makes has three ids of 250 characters and
/// an XCom key of 512.
const LONGEST: usize = 4096;

/// The longest name of a worker that Airflow keeps (`edge_worker.worker_name`).
const LONGEST_WORKER: usize = 64;

/// The longest Dag id, task id or run id that Airflow keeps.
const LONGEST_ID: usize = 250;

/// In place of a variable's key: the list of all keys.
const KEYS: &str = "keys";

/// What is escaped in a path that we make: all but RFC 3986's unreserved characters, what run ids
/// have in plenty, and the slash between the segments.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/')
    .remove(b':')
    .remove(b'+')
    .remove(b'@');

/// What a worker asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// `POST worker/{worker}`: the worker starts.
    Register {
        /// The worker's name.
        worker: String,
    },
    /// `PATCH worker/{worker}`: the worker tells how it is.
    Heartbeat {
        /// The worker's name.
        worker: String,
    },
    /// `POST jobs/fetch/{worker}`: the worker asks for a job.
    Fetch {
        /// The worker's name.
        worker: String,
    },
    /// `PATCH jobs/state/{key}/{state}`: the worker tells how a job is.
    JobState {
        /// The job.
        key: JobKey,
        /// How it is.
        state: JobState,
    },
    /// `POST logs/push/{key}`: more of a job's log.
    PushLogs {
        /// The job.
        key: JobKey,
    },
    /// `GET logs/logfile_path/{key}`: where a job's log goes; asked by older workers.
    LogfilePath {
        /// The job.
        key: JobKey,
    },
    /// `GET health` of the edge API; no credential is needed.
    EdgeHealth,
    /// `GET environment-variables`: what the worker's environment shall have.
    EnvironmentVariables,
    /// `GET bundles`: what the Deployment's code is made of.
    Bundles,
    /// `GET` or `HEAD bundles/{mountPath}`: an archive of code; that of the Dags is at `dags`.
    Bundle {
        /// Where it is to be found.
        mount_path: String,
    },
    /// Below `execution/`: what a running task asks.
    Execution {
        /// What it is about.
        resource: Resource,
        /// The task instance that the path names; only that one's own token may ask.
        task: Option<TaskInstanceId>,
        /// The id of the connection, or the key of the variable, that the path names;
        /// percent-decoded.
        key: Option<String>,
    },
}

/// How Airflow names a job: one try of one task of one run. The ids are percent-decoded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JobKey {
    /// The Dag.
    pub dag_id: String,
    /// The task in it.
    pub task_id: String,
    /// The run, such as `scheduled__2026-01-31T00:00:00+00:00`.
    pub run_id: String,
    /// Which try, from 1; 0 for a callback.
    pub try_number: i64,
    /// Which of several mapped tasks; -1 when it is not mapped.
    pub map_index: i64,
}

/// What a worker says of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// It has started.
    Running,
    /// It has ended well.
    Success,
    /// It has ended badly.
    Failed,
}

impl JobState {
    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "running" => Self::Running,
            "success" => Self::Success,
            "failed" => Self::Failed,
            _ => return None,
        })
    }

    /// Airflow's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Success => "success",
            Self::Failed => "failed",
        }
    }
}

/// What a call of a running task is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    /// `task-instances`: mostly the task's own state.
    TaskInstances,
    /// `task-reschedules`.
    TaskReschedules,
    /// `dag-runs`.
    DagRuns,
    /// `dags`.
    Dags,
    /// `connections`.
    Connections,
    /// `variables`.
    Variables,
    /// `xcoms`.
    Xcoms,
    /// `assets`.
    Assets,
    /// `asset-events`.
    AssetEvents,
    /// `hitlDetails`: questions to people.
    HitlDetails,
    /// `store/ti`: what a task keeps.
    TaskStore,
    /// `store/asset`: what is kept with an asset.
    AssetStore,
    /// `health`; no credential is needed.
    Health,
}

/// A task instance's UUID in its one usual spelling (RFC 9562 section 4: lower case, hyphens).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TaskInstanceId(String);

impl TaskInstanceId {
    /// Reads the UUID. `None` for anything else, also for other spellings of a UUID: Python reads
    /// several, so that two texts could mean one task.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = text.len() == 36
            && text.bytes().enumerate().all(|(at, byte)| match at {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            });
        fits.then(|| Self(text.to_owned()))
    }

    /// The UUID as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TaskInstanceId {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0)
    }
}

impl Route {
    /// What is asked for. `method` is in capitals; `raw_path` is the path below
    /// `/d/{deploymentId}`, with its leading slash, still percent-encoded, without the query.
    ///
    /// `None` is a refusal.
    pub fn of(method: &str, raw_path: &str) -> Option<Self> {
        if raw_path.len() > LONGEST {
            return None;
        }
        let segments: Vec<&str> = raw_path.strip_prefix('/')?.split('/').collect();
        match *segments.as_slice() {
            ["edge_worker", "v1", ref rest @ ..] => edge(method, rest),
            ["execution", ref rest @ ..] => execution(method, rest),
            ["environment-variables"] => (method == "GET").then_some(Self::EnvironmentVariables),
            ["bundles"] => (method == "GET").then_some(Self::Bundles),
            ["bundles", ref rest @ ..] if matches!(method, "GET" | "HEAD") => {
                let parts = rest.iter().map(|part| decode(part)).collect::<Option<Vec<_>>>()?;
                Some(Self::Bundle { mount_path: parts.join("/") })
            }
            _ => None,
        }
    }

    /// The `method` claim that a JWT for this request carries: the path after `/edge_worker/v1/`,
    /// not percent-encoded (`edge3/worker_api/auth.py`). An agent with a key of its own signs a
    /// request that goes no further than the gate likewise, with the path after
    /// `/d/{deploymentId}/`. Empty for [`Self::Execution`], which is not signed this way.
    pub fn method_claim(&self) -> MethodClaim<'_> {
        MethodClaim(self)
    }

    /// The path of this request, percent-encoded, for a request that we make ourselves; `None` for
    /// [`Self::Execution`] and for what Airflow does not have. A worker's own request keeps the path
    /// that it came with.
    pub fn edge_path(&self) -> Option<String> {
        if matches!(self, Self::EnvironmentVariables | Self::Bundles | Self::Bundle { .. }) {
            return None;
        }
        let claim = self.method_claim().to_string();
        (!claim.is_empty()).then(|| format!("/edge_worker/v1/{}", utf8_percent_encode(&claim, ESCAPED)))
    }
}

/// Writes the `method` claim of a request's JWT; see [`Route::method_claim`].
#[derive(Clone, Copy, Debug)]
pub struct MethodClaim<'a>(&'a Route);

impl fmt::Display for MethodClaim<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Route::Register { worker } | Route::Heartbeat { worker } => write!(to, "worker/{worker}"),
            Route::Fetch { worker } => write!(to, "jobs/fetch/{worker}"),
            Route::JobState { key, state } => write!(to, "jobs/state/{key}/{}", state.as_str()),
            Route::PushLogs { key } => write!(to, "logs/push/{key}"),
            Route::LogfilePath { key } => write!(to, "logs/logfile_path/{key}"),
            Route::EdgeHealth => to.write_str("health"),
            Route::EnvironmentVariables => to.write_str("environment-variables"),
            Route::Bundles => to.write_str("bundles"),
            Route::Bundle { mount_path } => write!(to, "bundles/{mount_path}"),
            Route::Execution { .. } => Ok(()),
        }
    }
}

impl MethodClaim<'_> {
    /// Whether a claim is this one. Compares without making a text of it.
    ///
    /// A worker signs its name as it escapes it for the path (`quote`), which differs from what
    /// the path means for one character that we let names have: `@`.
    pub fn is(&self, claim: &str) -> bool {
        let escaped = match self.0 {
            Route::Register { .. } | Route::Heartbeat { .. } | Route::Fetch { .. } => claim.contains("%40"),
            Route::JobState { .. } | Route::PushLogs { .. } | Route::LogfilePath { .. } | Route::EdgeHealth => false,
            Route::EnvironmentVariables | Route::Bundles | Route::Bundle { .. } => false,
            Route::Execution { .. } => return false,
        };
        let claim = if escaped { Cow::Owned(claim.replace("%40", "@")) } else { Cow::Borrowed(claim) };
        let mut rest = Remaining(&claim);
        write!(rest, "{self}").is_ok() && rest.0.is_empty()
    }
}

/// What is left of a text after what was written into it; writing anything else fails.
struct Remaining<'a>(&'a str);

impl Write for Remaining<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.strip_prefix(text).ok_or(fmt::Error)?;
        Ok(())
    }
}

impl fmt::Display for JobKey {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dag_id, task_id, run_id, try_number, map_index } = self;
        write!(to, "{dag_id}/{task_id}/{run_id}/{try_number}/{map_index}")
    }
}

/// The allow-list below `edge_worker/v1/`.
fn edge(method: &str, segments: &[&str]) -> Option<Route> {
    Some(match (method, segments) {
        ("POST", ["worker", name]) => Route::Register { worker: worker(name)? },
        ("PATCH", ["worker", name]) => Route::Heartbeat { worker: worker(name)? },
        ("POST", ["jobs", "fetch", name]) => Route::Fetch { worker: worker(name)? },
        ("PATCH", ["jobs", "state", key @ .., state]) => {
            Route::JobState { key: job_key(key)?, state: JobState::of(state)? }
        }
        ("POST", ["logs", "push", key @ ..]) => Route::PushLogs { key: job_key(key)? },
        ("GET", ["logs", "logfile_path", key @ ..]) => Route::LogfilePath { key: job_key(key)? },
        ("GET", ["health"]) => Route::EdgeHealth,
        _ => return None,
    })
}

/// The allow-list below `execution/`: what a task needs, and no more than reading where a task
/// only reads. Airflow checks again what the task may do.
fn execution(method: &str, segments: &[&str]) -> Option<Route> {
    use Resource as R;
    let mut task = None;
    let mut key = None;
    let mut keyed = |parts: &[&str]| {
        let parts: Option<Vec<_>> = parts.iter().map(|part| decode(part)).collect();
        key = parts.map(|parts| parts.join("/")).filter(|key| !key.is_empty());
        key.is_some()
    };
    let mut own = |id: &str| {
        task = TaskInstanceId::parse(id);
        task.is_some()
    };
    let (resource, fits) = match (method, segments) {
        // What a task may do with itself grows with Airflow's versions (run, state, heartbeat,
        // rtif, skip-downstream, ...); it can only ever be itself, so any word will do.
        ("GET" | "PUT" | "PATCH", ["task-instances", id, action]) if own(id) => (R::TaskInstances, is_word(action)),
        ("GET", ["task-instances", "count" | "states" | "breadcrumbs"]) => (R::TaskInstances, true),
        ("GET", ["task-instances", "previous", dag, task]) => (R::TaskInstances, all_plain(&[dag, task])),
        ("GET", ["task-reschedules", id, "start_date"]) => (R::TaskReschedules, own(id)),
        ("GET", ["dag-runs", "count" | "previous"]) => (R::DagRuns, true),
        // The second is a run, or `previous` with Airflow below 3.2.
        ("GET" | "POST", ["dag-runs", dag, run]) => (R::DagRuns, all_plain(&[dag, run])),
        ("GET", ["dag-runs", dag, run, "state"]) => (R::DagRuns, all_plain(&[dag, run])),
        ("POST", ["dag-runs", dag, run, "clear"]) => (R::DagRuns, all_plain(&[dag, run])),
        ("GET", ["dags", dag]) => (R::Dags, all_plain(&[dag])),
        ("GET", ["connections", id]) => (R::Connections, keyed(&[id])),
        // All keys, since Airflow 3.3.
        ("GET", ["variables", KEYS]) => (R::Variables, true),
        ("GET" | "PUT" | "DELETE", ["variables", parts @ ..]) => (R::Variables, keyed(parts)),
        ("GET" | "HEAD" | "POST" | "DELETE", ["xcoms", rest @ ..]) => (R::Xcoms, rest.len() >= 4 && all_plain(rest)),
        ("GET", ["assets", "by-name" | "by-uri" | "by-alias"]) => (R::Assets, true),
        ("GET", ["asset-events", "by-asset" | "by-asset-alias"]) => (R::AssetEvents, true),
        ("GET" | "POST" | "PATCH", ["hitlDetails", id]) => (R::HitlDetails, own(id)),
        ("DELETE", ["store", "ti", id]) => (R::TaskStore, own(id)),
        ("GET" | "PUT" | "DELETE", ["store", "ti", id, key]) => (R::TaskStore, own(id) && stored_key(key)),
        ("GET" | "PUT" | "DELETE", ["store", "asset", "by-name" | "by-uri", "value"]) => (R::AssetStore, true),
        ("DELETE", ["store", "asset", "by-name" | "by-uri", "clear"]) => (R::AssetStore, true),
        ("GET", ["health"] | ["health", "ping"]) => (R::Health, true),
        _ => return None,
    };
    fits.then_some(Route::Execution { resource, task, key })
}

/// Whether a task can ask for a connection of this id: whether it stands for itself in a path.
pub fn is_connection_id(id: &str) -> bool {
    is_segment(id)
}

/// Whether a task can ask for a variable of this key, which may have slashes.
pub fn is_variable_key(key: &str) -> bool {
    key != KEYS && key.split('/').all(is_segment)
}

fn worker(raw: &str) -> Option<String> {
    let name = decode(raw)?;
    let fits = name.len() <= LONGEST_WORKER && airlock_contract::wire::text::worker_name(&name, &()).is_ok();
    fits.then(|| name.into_owned())
}

fn job_key(raw: &[&str]) -> Option<JobKey> {
    let [dag_id, task_id, run_id, try_number, map_index] = raw else { return None };
    let id = |raw: &str| {
        let id = decode(raw)?;
        // Airflow compares the `method` claim with a path that it cuts at these.
        let fits = id.chars().count() <= LONGEST_ID && !id.contains(['?', '#', '%']);
        fits.then(|| id.into_owned())
    };
    Some(JobKey {
        dag_id: id(dag_id)?,
        task_id: id(task_id)?,
        run_id: id(run_id)?,
        try_number: number(try_number).filter(|number| *number >= 0)?,
        map_index: number(map_index).filter(|number| *number >= -1)?,
    })
}

/// A whole number in its one spelling: Python would also read `+1`, `01`, `1_0` and other digits.
fn number(text: &str) -> Option<i64> {
    let number: i32 = text.parse().ok()?;
    (number.to_string() == text).then_some(number.into())
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}

fn all_plain(raw: &[&str]) -> bool {
    raw.iter().all(|raw| decode(raw).is_some())
}

/// A key of the task store. It alone may have encoded slashes: the SDK escapes it whole (`quote`
/// with `safe=''`), and Airflow takes all that follows for the key. Each part must stand for
/// itself nevertheless.
fn stored_key(raw: &str) -> bool {
    let mut rest = raw;
    while let Some(at) = rest.find("%2F").or_else(|| rest.find("%2f")) {
        if decode(&rest[..at]).is_none() {
            return false;
        }
        rest = &rest[at + 3..];
    }
    decode(rest).is_some()
}

/// Decodes a segment that can be read in only one way; `None` for any other.
fn decode(raw: &str) -> Option<Cow<'_, str>> {
    if !raw.bytes().all(|byte| byte.is_ascii_graphic()) || raw.contains(['"', '<', '>', '`', '{', '}', '?', '#']) {
        return None;
    }
    if !escapes_are_whole(raw) {
        return None;
    }
    let text = percent_decode_str(raw).decode_utf8().ok()?;
    is_segment(&text).then_some(text)
}

/// Whether a text can be one segment of a path that nobody reads differently.
fn is_segment(text: &str) -> bool {
    let is_dots = text.is_empty() || text == "." || text == "..";
    let is_odd = text.contains(['/', '\\', ';']) || text.chars().any(char::is_control) || has_escape(text);
    !is_dots && !is_odd
}

/// Whether each `%` begins an escape of two digits.
fn escapes_are_whole(raw: &str) -> bool {
    raw.split('%').skip(1).all(begins_with_hex)
}

/// Whether what was decoded still has an escape in it: it was encoded twice, and whoever decodes
/// it twice would read something else.
fn has_escape(text: &str) -> bool {
    text.split('%').skip(1).any(begins_with_hex)
}

fn begins_with_hex(text: &str) -> bool {
    matches!(text.as_bytes(), [first, second, ..] if first.is_ascii_hexdigit() && second.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TASK: &str = "019a0b5e-4d5c-7a30-8b1e-0123456789ab";

    fn key() -> JobKey {
        JobKey {
            dag_id: "daily".into(),
            task_id: "load.all".into(),
            run_id: "scheduled__2026-01-31T00:00:00+00:00".into(),
            try_number: 1,
            map_index: -1,
        }
    }

    fn edge(method: &str, rest: &str) -> Option<Route> {
        Route::of(method, &format!("/edge_worker/v1/{rest}"))
    }

    #[test]
    fn what_a_worker_sends_is_allowed() {
        let worker = || "agent-a.example".to_owned();
        let raw_key = "daily/load.all/scheduled__2026-01-31T00:00:00+00:00/1/-1";
        let escaped_key = "daily/load.all/scheduled__2026-01-31T00%3A00%3A00%2B00%3A00/1/-1";
        assert_eq!(edge("POST", "worker/agent-a.example"), Some(Route::Register { worker: worker() }));
        assert_eq!(edge("PATCH", "worker/agent-a.example"), Some(Route::Heartbeat { worker: worker() }));
        assert_eq!(edge("POST", "jobs/fetch/agent-a.example"), Some(Route::Fetch { worker: worker() }));
        for raw in [raw_key, escaped_key] {
            for state in [JobState::Running, JobState::Success, JobState::Failed] {
                let found = edge("PATCH", &format!("jobs/state/{raw}/{}", state.as_str()));
                assert_eq!(found, Some(Route::JobState { key: key(), state }));
            }
            assert_eq!(edge("POST", &format!("logs/push/{raw}")), Some(Route::PushLogs { key: key() }));
            assert_eq!(edge("GET", &format!("logs/logfile_path/{raw}")), Some(Route::LogfilePath { key: key() }));
        }
        assert_eq!(edge("GET", "health"), Some(Route::EdgeHealth));
        let callback = "ExecuteCallback/019a/ExecuteCallback-019a/0/-1";
        assert!(edge("POST", &format!("logs/push/{callback}")).is_some(), "a callback has try 0");
        let umlaut = edge("POST", "logs/push/t%C3%A4glich/t/r/1/0");
        assert!(matches!(umlaut, Some(Route::PushLogs { key }) if key.dag_id == "täglich"));
    }

    #[test]
    fn everything_else_at_the_edge_is_refused() {
        for (method, rest) in [
            ("PATCH", "worker/queues/agent-a"),
            ("GET", "worker/agent-a"),
            ("DELETE", "worker/agent-a"),
            ("PUT", "worker/agent-a"),
            ("post", "worker/agent-a"),
            ("POST", "worker/agent-a/"),
            ("POST", "worker/"),
            ("POST", "worker//agent-a"),
            ("POST", "worker/a%20b"),
            ("POST", "worker/.hidden"),
            ("POST", &format!("worker/{}", "a".repeat(65))),
            ("GET", "jobs/fetch/agent-a"),
            ("PATCH", "jobs/state/d/t/r/1/-1/queued"),
            ("PATCH", "jobs/state/d/t/r/1/-1/Running"),
            ("PATCH", "jobs/state/d/t/r/1/running"),
            ("PATCH", "jobs/state/d/t/r/x/1/-1/running"),
            ("PATCH", "jobs/state/d/t/r/+1/-1/running"),
            ("PATCH", "jobs/state/d/t/r/01/-1/running"),
            ("PATCH", "jobs/state/d/t/r/1_0/-1/running"),
            ("PATCH", "jobs/state/d/t/r/-1/-1/running"),
            ("PATCH", "jobs/state/d/t/r/1/-2/running"),
            ("PATCH", "jobs/state/d/t/r/%31/-1/running"),
            ("PATCH", "jobs/state/d/t/r/99999999999/-1/running"),
            ("POST", "logs/push/d/t/r/1"),
            ("POST", &format!("logs/push/{}/t/r/1/0", "d".repeat(251))),
            ("PUT", "logs/push/d/t/r/1/0"),
            ("POST", "rpcapi"),
            ("GET", ""),
            ("GET", "HEALTH"),
            ("GET", "he%61lth"),
            ("HEAD", "health"),
            ("OPTIONS", "health"),
        ] {
            assert_eq!(edge(method, rest), None, "{method} {rest}");
        }
        for path in [
            "",
            "/",
            "edge_worker/v1/health",
            "//edge_worker/v1/health",
            "/edge_worker/v2/health",
            "/edge_worker//v1/health",
            "/edge_worker/ui/health",
            "/edge%5fworker/v1/health",
            "/edge_worker/static/x.js",
            "/edge_worker/v1",
            "/api/v2/version",
            "/auth/token",
            "/ui/config",
            "/docs",
            "/openapi.json",
            "/execution",
            "/execution/",
            "/execution/openapi.json",
            "/execution/docs",
        ] {
            assert_eq!(Route::of("GET", path), None, "{path}");
        }
    }

    #[test]
    fn what_a_task_asks_is_allowed() {
        use Resource as R;
        let own = [
            ("PATCH", "task-instances/{id}/run", R::TaskInstances),
            ("PATCH", "task-instances/{id}/state", R::TaskInstances),
            ("PATCH", "task-instances/{id}/skip-downstream", R::TaskInstances),
            ("PUT", "task-instances/{id}/heartbeat", R::TaskInstances),
            ("PUT", "task-instances/{id}/rtif", R::TaskInstances),
            ("PATCH", "task-instances/{id}/rendered-map-index", R::TaskInstances),
            ("GET", "task-instances/{id}/previous-successful-dagrun", R::TaskInstances),
            ("GET", "task-instances/{id}/validate-inlets-and-outlets", R::TaskInstances),
            ("GET", "task-reschedules/{id}/start_date", R::TaskReschedules),
            ("POST", "hitlDetails/{id}", R::HitlDetails),
            ("PATCH", "hitlDetails/{id}", R::HitlDetails),
            ("GET", "hitlDetails/{id}", R::HitlDetails),
            ("GET", "store/ti/{id}/cursor", R::TaskStore),
            ("PUT", "store/ti/{id}/a%2Fb", R::TaskStore),
            ("DELETE", "store/ti/{id}/a%20b", R::TaskStore),
            ("DELETE", "store/ti/{id}", R::TaskStore),
        ];
        for (method, path, resource) in own {
            let task = TaskInstanceId::parse(TASK);
            let path = format!("/execution/{}", path.replace("{id}", TASK));
            let route = Route::Execution { resource, task, key: None };
            assert_eq!(Route::of(method, &path), Some(route), "{method} {path}");
        }
        for (method, path, resource) in [
            ("GET", "task-instances/count", R::TaskInstances),
            ("GET", "task-instances/states", R::TaskInstances),
            ("GET", "task-instances/breadcrumbs", R::TaskInstances),
            ("GET", "task-instances/previous/daily/load", R::TaskInstances),
            ("GET", "variables/keys", R::Variables),
            ("GET", "xcoms/d/manual__2026-01-31T00:00:00+00:00/t/return_value", R::Xcoms),
            ("HEAD", "xcoms/d/r/t/k", R::Xcoms),
            ("POST", "xcoms/d/r/t/k", R::Xcoms),
            ("DELETE", "xcoms/d/r/t/k[0]", R::Xcoms),
            ("GET", "xcoms/d/r/t/k/item/3", R::Xcoms),
            ("GET", "xcoms/d/r/t/k/slice", R::Xcoms),
            ("GET", "assets/by-name", R::Assets),
            ("GET", "assets/by-uri", R::Assets),
            ("GET", "assets/by-alias", R::Assets),
            ("GET", "asset-events/by-asset", R::AssetEvents),
            ("GET", "asset-events/by-asset-alias", R::AssetEvents),
            ("POST", "dag-runs/d/r", R::DagRuns),
            ("POST", "dag-runs/d/r/clear", R::DagRuns),
            ("GET", "dag-runs/d/r", R::DagRuns),
            ("GET", "dag-runs/d/r/state", R::DagRuns),
            ("GET", "dag-runs/count", R::DagRuns),
            ("GET", "dag-runs/previous", R::DagRuns),
            ("GET", "dag-runs/d/previous", R::DagRuns),
            ("GET", "dags/d", R::Dags),
            ("GET", "store/asset/by-name/value", R::AssetStore),
            ("PUT", "store/asset/by-uri/value", R::AssetStore),
            ("DELETE", "store/asset/by-uri/clear", R::AssetStore),
            ("GET", "health", R::Health),
            ("GET", "health/ping", R::Health),
        ] {
            let found = Route::of(method, &format!("/execution/{path}"));
            assert_eq!(found, Some(Route::Execution { resource, task: None, key: None }), "{method} {path}");
        }
        for (method, path, resource, key) in [
            ("GET", "connections/my%23conn", R::Connections, "my#conn"),
            ("GET", "variables/a/b", R::Variables, "a/b"),
            ("GET", "variables/keys/a", R::Variables, "keys/a"),
            ("PUT", "variables/a%20b", R::Variables, "a b"),
            ("DELETE", "variables/50%25", R::Variables, "50%"),
        ] {
            let route = Route::Execution { resource, task: None, key: Some(key.into()) };
            assert_eq!(Route::of(method, &format!("/execution/{path}")), Some(route), "{method} {path}");
        }
    }

    #[test]
    fn what_a_task_has_no_business_with_is_refused() {
        for (method, path) in [
            ("DELETE", "connections/c"),
            ("GET", "connections"),
            ("GET", "connections/a/b"),
            ("POST", "variables/v"),
            ("GET", "variables"),
            ("PUT", "xcoms/d/r/t/k"),
            ("GET", "xcoms/d/r/t"),
            ("DELETE", "dag-runs/d/r"),
            ("DELETE", "dags/d"),
            ("PATCH", "task-instances/count"),
            ("GET", "task-instances/other"),
            ("PATCH", "task-instances/{id}"),
            ("DELETE", "task-instances/{id}/state"),
            ("PATCH", "task-instances/{id}/state/x"),
            ("PATCH", "task-instances/{id}/ST%41TE"),
            ("GET", "connection-tests/{id}/connection"),
            ("PATCH", "connection-tests/{id}"),
            ("GET", "store/ti/{id}"),
            ("GET", "store/ti/{id}/a%2F..%2Fb"),
            ("GET", "store/ti/{id}/a%2F%2Fb"),
            ("GET", "store/ti/{id}/%2Fa"),
            ("GET", "store/ti/{id}/a%2F"),
            ("GET", "store/ti/{id}/a%5Cb"),
            ("GET", "store/asset/by-name"),
            ("GET", "xcoms/../variables/v"),
            ("GET", "health/../variables"),
        ] {
            let path = format!("/execution/{}", path.replace("{id}", TASK));
            assert_eq!(Route::of(method, &path), None, "{method} {path}");
        }
    }

    #[test]
    fn environment_variables_are_read() {
        let route = Route::of("GET", "/environment-variables").expect("a route");
        assert_eq!(route, Route::EnvironmentVariables);
        assert_eq!((route.method_claim().to_string().as_str(), route.edge_path()), ("environment-variables", None));
        assert!(route.method_claim().is("environment-variables") && !route.method_claim().is("bundles"));
        for (method, path) in [
            ("HEAD", "/environment-variables"),
            ("POST", "/environment-variables"),
            ("GET", "/environment-variables/"),
            ("GET", "/environment-variables/A"),
            ("GET", "/environment%2Dvariables"),
        ] {
            assert_eq!(Route::of(method, path), None, "{method} {path}");
        }
    }

    #[test]
    fn bundles_are_read() {
        let bundle = |path: &str| Some(Route::Bundle { mount_path: path.into() });
        assert_eq!(Route::of("GET", "/bundles"), Some(Route::Bundles));
        for method in ["GET", "HEAD"] {
            assert_eq!(Route::of(method, "/bundles/dags"), bundle("dags"));
            assert_eq!(Route::of(method, "/bundles/usr/local/airflow/a%20b"), bundle("usr/local/airflow/a b"));
        }
        let bad = [
            ("POST", "/bundles"),
            ("HEAD", "/bundles"),
            ("PUT", "/bundles/dags"),
            ("DELETE", "/bundles/dags"),
            ("GET", "/bundles/"),
            ("GET", "/bundles/dags/"),
            ("GET", "/bundles//dags"),
            ("GET", "/bundles/../dags"),
            ("GET", "/bundles/%2e%2e/dags"),
            ("GET", "/bundles/a%2fb"),
            ("GET", "/bundle/dags"),
        ];
        for (method, path) in bad {
            assert_eq!(Route::of(method, path), None, "{method} {path}");
        }
        let route = Route::of("GET", "/bundles/dags").expect("a route");
        assert_eq!((route.method_claim().to_string().as_str(), route.edge_path()), ("bundles/dags", None));
        assert!(route.method_claim().is("bundles/dags") && !route.method_claim().is("bundles/dag"));
    }

    #[test]
    fn no_path_has_a_second_reading() {
        for bad in [
            ".",
            "..",
            "%2e",
            "%2E%2e",
            ".%2e",
            "%2e.",
            "a%2Fb",
            "a%2fb",
            "a%5Cb",
            "a\\b",
            "a;b",
            "a%3Bb",
            "a%00b",
            "a%0Ab",
            "a%7F",
            "a%C2%85b",
            "%FF",
            "a%C3",
            "%",
            "%2",
            "%zz",
            "a%",
            "a%252e",
            "%252F",
            "%25%32%65",
            "",
            "a b",
            "a?b",
            "a#b",
            "a\"b",
            "a<b",
            "a{b",
            "ä",
            "a\tb",
        ] {
            for path in [
                format!("/execution/variables/{bad}"),
                format!("/execution/variables/x/{bad}/y"),
                format!("/execution/xcoms/d/r/t/{bad}"),
            ] {
                assert_eq!(Route::of("GET", &path), None, "{path}");
            }
            let path = format!("/edge_worker/v1/logs/push/d/t/{bad}/1/0");
            assert_eq!(Route::of("POST", &path), None, "{path}");
        }
        assert_eq!(Route::of("GET", &format!("/execution/variables/{}", "v/".repeat(3000))), None);
    }

    #[test]
    fn a_task_id_has_one_spelling() {
        assert_eq!(TaskInstanceId::parse(TASK).expect("a UUID").as_str(), TASK);
        let upper = TASK.to_uppercase();
        let plain = TASK.replace('-', "");
        for bad in ["", "count", &upper, &plain, &format!("{{{TASK}}}"), &format!("urn:uuid:{TASK}"), &TASK[1..]] {
            assert_eq!(TaskInstanceId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_method_claim_is_the_path_as_it_is_meant() {
        let state = Route::JobState { key: key(), state: JobState::Failed };
        let text = "jobs/state/daily/load.all/scheduled__2026-01-31T00:00:00+00:00/1/-1/failed";
        assert_eq!(state.method_claim().to_string(), text);
        assert!(state.method_claim().is(text));
        for bad in ["", "jobs", &text[1..], &text[..text.len() - 1], &format!("{text}x"), &format!("/{text}")] {
            assert!(!state.method_claim().is(bad), "{bad}");
        }
        let register = Route::Register { worker: "a@b".into() };
        assert!(register.method_claim().is("worker/a@b") && register.method_claim().is("worker/a%40b"));
        assert!(!register.method_claim().is("worker/a%2540b"));
        let execution = Route::Execution { resource: Resource::Health, task: None, key: None };
        assert!(!execution.method_claim().is(""), "no claim is good for it");
        assert_eq!(execution.edge_path(), None);
    }

    proptest! {
        #[test]
        fn a_path_that_we_make_is_read_as_it_was_meant(
            ids in ["[\\w.~:+ -]{1,40}", "[\\w.-]{1,40}", "\\PC{1,40}"],
            try_number in 0..100_000i64,
            map_index in -1..100_000i64,
        ) {
            let [dag_id, task_id, run_id] = ids;
            let route = Route::PushLogs { key: JobKey { dag_id, task_id, run_id, try_number, map_index } };
            let path = route.edge_path().expect("an edge path");
            if let Some(read) = Route::of("POST", &path) {
                prop_assert!(read.method_claim().is(&route.method_claim().to_string()));
                prop_assert_eq!(read, route);
            }
        }

        #[test]
        fn the_ids_that_airflow_makes_are_taken(
            dag_id in "[\\w][\\w.-]{0,40}",
            task_id in "[\\w][\\w.-]{0,40}",
            run_id in "[A-Za-z0-9_~:+-][A-Za-z0-9_.~:+-]{0,60}",
        ) {
            let route = Route::PushLogs { key: JobKey { dag_id, task_id, run_id, try_number: 1, map_index: 0 } };
            prop_assert_eq!(Route::of("POST", &route.edge_path().expect("an edge path")), Some(route));
        }
    }
}
