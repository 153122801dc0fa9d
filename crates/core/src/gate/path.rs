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

use percent_encoding::percent_decode_str;

/// The longest path, in bytes. The longest that Airflow makes has three ids of 250 characters and
/// an XCom key of 512.
const LONGEST: usize = 4096;

/// The longest name of a worker that Airflow keeps (`edge_worker.worker_name`).
const LONGEST_WORKER: usize = 64;

/// The longest Dag id, task id or run id that Airflow keeps.
const LONGEST_ID: usize = 250;

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
    /// Below `execution/`: what a running task asks.
    Execution {
        /// What it is about.
        resource: Resource,
        /// The task instance that the path names; only that one's own token may ask.
        task: Option<TaskInstanceId>,
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
            _ => None,
        }
    }

    /// The `method` claim that a JWT for this request carries: the path after `/edge_worker/v1/`,
    /// not percent-encoded (`edge3/worker_api/auth.py`). Empty for [`Self::Execution`], which is
    /// not signed this way.
    pub fn method_claim(&self) -> MethodClaim<'_> {
        MethodClaim(self)
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
            Route::Execution { .. } => return false,
            _ => false,
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
    let mut own = |id: &str| {
        task = TaskInstanceId::parse(id);
        task.is_some()
    };
    let (resource, fits) = match (method, segments) {
        // What a task may do with itself grows with Airflow's versions (run, state, heartbeat,
        // rtif, skip-downstream, ...); it can only ever be itself, so any word will do.
        ("GET" | "PUT" | "PATCH" | "POST", ["task-instances", id, action]) if own(id) => {
            (R::TaskInstances, is_word(action))
        }
        ("GET", ["task-instances", "count" | "states" | "breadcrumbs"]) => (R::TaskInstances, true),
        ("GET", ["task-instances", "previous", dag, task]) => (R::TaskInstances, all_plain(&[dag, task])),
        ("GET", ["task-reschedules", id, "start_date"]) => (R::TaskReschedules, own(id)),
        ("GET", ["dag-runs", rest @ ..]) => (R::DagRuns, (1..=3).contains(&rest.len()) && all_plain(rest)),
        ("POST", ["dag-runs", dag, run]) => (R::DagRuns, all_plain(&[dag, run])),
        ("POST", ["dag-runs", dag, run, "clear"]) => (R::DagRuns, all_plain(&[dag, run])),
        ("GET", ["dags", dag]) => (R::Dags, all_plain(&[dag])),
        ("GET", ["connections", id]) => (R::Connections, all_plain(&[id])),
        ("GET" | "PUT" | "DELETE", ["variables", key @ ..]) => (R::Variables, !key.is_empty() && all_plain(key)),
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
    fits.then_some(Route::Execution { resource, task })
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
    let is_dots = text.is_empty() || text == "." || text == "..";
    let is_odd = text.contains(['/', '\\', ';']) || text.chars().any(char::is_control) || has_escape(&text);
    (!is_dots && !is_odd).then_some(text)
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
