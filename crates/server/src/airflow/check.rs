//! One look at an Airflow: what is right, what is wrong, and what to do about it.
//!
//! It changes nothing there. Whether Airlock's signature is trusted is seen by a heartbeat without
//! a body: whoever is not trusted gets 403, and whoever is, 422, before anything is looked up
//! (`edge3/worker_api/routes/worker.py`).

use airlock_contract::{
    DeploymentId, Time,
    wire::{AirflowAspect as Aspect, AirflowCheck, AirflowFinding, AirflowSetting, DeploymentStatus, FindingOutcome},
};
use airlock_core::{
    Result,
    gate::{path::Route, upstream::Signing},
};
use airlock_store::airflow_health;
use axum::http::StatusCode;
use serde_json::Value;

use super::{
    Airflow, BASE_URL, JWT_SECRET,
    client::{AirflowClient, Answer},
};
use crate::App;

/// By how many seconds the clocks may differ: Airflow's leeway for what was signed in its future
/// (`[api_auth] jwt_leeway`).
const SKEW: i64 = 10;

/// The oldest Airflow whose workers have the edge API that the gate speaks.
const OLDEST_AIRFLOW: u32 = 3;

/// The oldest edge provider that was tried with the gate, as major and minor version.
const OLDEST_EDGE: (u32, u32) = (1, 1);

/// The oldest edge provider that has `[edge] trusted_jwks_url`.
const OLDEST_EDGE_WITH_JWKS: u32 = 5;

/// The name of no worker.
const NOBODY: &str = "airlock-health-check";

/// What is right, or what is wrong.
type Finding = Result<String, String>;

/// Looks at an Airflow, as far as one thing does not hide the next.
///
/// # Errors
///
/// Those of the database; what is wrong with the Airflow is a finding.
pub(crate) async fn look(app: &App, airflow: &Airflow) -> Result<AirflowCheck> {
    let checked_at = app.env.now();
    let mut look = Look {
        airflow_version: None,
        edge_version: edge_version(app, &airflow.address.deployment).await?,
        findings: Vec::new(),
    };
    look_at(app, airflow, &mut look).await;
    look.findings.sort_by_key(|finding| finding.aspect);
    let (status, status_reason) = look.status();
    Ok(AirflowCheck {
        status,
        status_reason,
        checked_at,
        airflow_version: look.airflow_version,
        edge_version: look.edge_version,
        findings: look.findings,
        airflow_settings: airflow_settings(app, &airflow.address.signing),
    })
}

/// What was found so far.
struct Look {
    airflow_version: Option<String>,
    /// As the newest agent has it: Airflow itself does not tell.
    edge_version: Option<String>,
    findings: Vec<AirflowFinding>,
}

async fn look_at(app: &App, airflow: &Airflow, look: &mut Look) {
    if !look.found(Aspect::Attachment, attachment(airflow)) {
        return look.skip_rest("no Airflow is attached");
    }
    let takes_agents = look.found(Aspect::RemoteExecution, remote_execution(airflow));
    let client = AirflowClient { app, airflow: &airflow.address, token: None };
    let version = match client.get("/api/v2/version").await {
        Ok(answer) => answer,
        Err(cause) => {
            look.found(Aspect::Reachability, Err(cause.to_string()));
            return look.skip_rest("the API server was not reached");
        }
    };
    let arrived = app.env.now();
    look.airflow_version = version.json["version"].as_str().and_then(version_text);
    if !look.found(Aspect::Reachability, reachability(&version, look.airflow_version.is_some())) {
        return look.skip_rest("what answers is not the API server of an Airflow 3");
    }
    look.found(Aspect::Version, versions(look, airflow));
    let clock = clock(version.date, arrived);
    let skewed = clock.as_ref().is_some_and(Result::is_err);
    match clock {
        Some(finding) => _ = look.found(Aspect::Clock, finding),
        None => look.skip(Aspect::Clock, "the API server's answers have no Date"),
    }
    if takes_agents {
        let edge_api = match client.get("/edge_worker/v1/health").await {
            Ok(answer) => edge_api(&answer),
            Err(cause) => Err(cause.to_string()),
        };
        if look.found(Aspect::EdgeApi, edge_api) {
            let route = Route::Heartbeat { worker: NOBODY.into() };
            let trust = match client.edge(&route, Some(&Value::Object(Default::default()))).await {
                Ok(answer) => trust(app, &airflow.address.signing, &answer, skewed),
                Err(cause) => Err(cause.to_string()),
            };
            look.found(Aspect::Trust, trust);
        }
    }
    match client.get("/api/v2/monitor/health").await.ok().as_ref().and_then(components) {
        Some(finding) => _ = look.found(Aspect::Components, finding),
        None => look.skip(Aspect::Components, "the API server does not tell how the others are"),
    }
    look.skip_rest(if takes_agents { "the edge API is off" } else { "remote execution is off" });
}

impl Look {
    /// The Deployment's status, and why it is not healthy.
    fn status(&self) -> (DeploymentStatus, Option<String>) {
        // An Airflow without remote agents is an Airflow all the same.
        let counts = |finding: &&AirflowFinding| {
            finding.outcome == FindingOutcome::Wrong && finding.aspect != Aspect::RemoteExecution
        };
        match self.findings.iter().find(counts) {
            None => (DeploymentStatus::Healthy, None),
            Some(AirflowFinding { aspect: Aspect::Attachment, message, .. }) => {
                (DeploymentStatus::Unknown, Some(message.clone()))
            }
            Some(finding) => (DeploymentStatus::Unhealthy, Some(finding.message.clone())),
        }
    }

    /// Keeps a finding; whether it is a good one.
    fn found(&mut self, aspect: Aspect, finding: Finding) -> bool {
        let (outcome, message) = match finding {
            Ok(message) => (FindingOutcome::Ok, message),
            Err(message) => (FindingOutcome::Wrong, message),
        };
        self.findings.push(AirflowFinding { aspect, outcome, message });
        outcome == FindingOutcome::Ok
    }

    fn skip(&mut self, aspect: Aspect, why: &str) {
        self.findings.push(AirflowFinding { aspect, outcome: FindingOutcome::Skipped, message: why.into() });
    }

    /// Says of every aspect that is left why it was not looked at.
    fn skip_rest(&mut self, why: &str) {
        for &aspect in Aspect::ALL {
            if self.findings.iter().all(|finding| finding.aspect != aspect) {
                self.skip(aspect, why);
            }
        }
    }
}

/// What an Airflow's own configuration must say for it to trust Airlock, as environment variables.
fn airflow_settings(app: &App, signing: &Signing) -> Vec<AirflowSetting> {
    let Signing::OwnKey { issuer, audience } = signing else { return Vec::new() };
    [
        ("AIRFLOW__EDGE__TRUSTED_JWKS_URL", jwks_url(app)),
        ("AIRFLOW__EDGE__JWT_ISSUER", issuer.clone()),
        ("AIRFLOW__EDGE__JWT_AUDIENCE", audience.clone()),
        ("AIRFLOW__EDGE__JWT_ALGORITHM", "EdDSA".into()),
    ]
    .map(|(name, value)| AirflowSetting { name: name.into(), value })
    .into()
}

fn jwks_url(app: &App) -> String {
    format!("{}/.well-known/jwks.json", app.settings.public_url)
}

async fn edge_version(app: &App, deployment: &DeploymentId) -> Result<Option<String>> {
    let sysinfo = airflow_health::newest_sysinfo(&app.store.read().await?, deployment).await?;
    let sysinfo: Value = sysinfo.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    Ok(sysinfo["edge_provider_version"].as_str().and_then(version_text))
}

/// A text that can be a version, and nothing else.
fn version_text(text: &str) -> Option<String> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b".+-_".contains(&b);
    (text.len() <= 32 && text.bytes().all(fits) && major(text).is_some()).then(|| text.to_owned())
}

fn major(version: &str) -> Option<u32> {
    version.split('.').next()?.parse().ok()
}

/// Major and minor version.
fn minor(version: &str) -> Option<(u32, u32)> {
    Some((major(version)?, version.split('.').nth(1)?.parse().ok()?))
}

fn attachment(airflow: &Airflow) -> Finding {
    if airflow.address.url.is_none() {
        return Err(format!("no Airflow is attached: the environment variable {BASE_URL} is missing"));
    }
    airflow.address.base().map_err(|error| error.to_string())?;
    Ok(match airflow.address.signing {
        Signing::Secret { .. } => "requests are signed with the Airflow's own secret".into(),
        Signing::OwnKey { .. } => "requests are signed with Airlock's key".into(),
    })
}

fn remote_execution(airflow: &Airflow) -> Finding {
    if airflow.takes_agents {
        return Ok("remote agents may reach it".into());
    }
    Err("the Deployment has remote execution off, so that agents are refused; update it with remoteExecution.enabled"
        .into())
}

fn reachability(version: &Answer, is_airflow: bool) -> Finding {
    match version.status {
        StatusCode::OK if is_airflow => Ok("it answers".into()),
        status if status.is_server_error() => {
            Err(format!("the API server, or something before it, answers with status {}", status.as_u16()))
        }
        status => Err(format!(
            "something answers at {BASE_URL}, but not as the API server of an Airflow 3 does (GET /api/v2/version: \
             status {})",
            status.as_u16()
        )),
    }
}

fn versions(look: &Look, airflow: &Airflow) -> Finding {
    let version = look.airflow_version.as_deref().unwrap_or_default();
    if major(version).is_some_and(|major| major < OLDEST_AIRFLOW) {
        return Err(format!("Airflow {version} is too old: remote agents need Airflow {OLDEST_AIRFLOW}.0 or later"));
    }
    let Some(edge) = &look.edge_version else { return Ok(format!("Airflow {version}")) };
    if minor(edge).is_some_and(|minor| minor < OLDEST_EDGE) {
        let (major, minor) = OLDEST_EDGE;
        return Err(format!("the edge provider {edge} is too old: the gate needs {major}.{minor} or later"));
    }
    let has_own_key = matches!(airflow.address.signing, Signing::OwnKey { .. });
    if has_own_key && major(edge).is_some_and(|major| major < OLDEST_EDGE_WITH_JWKS) {
        return Err(format!(
            "the edge provider {edge} cannot trust Airlock's key: update it to {OLDEST_EDGE_WITH_JWKS}.0 or later, or \
             set {JWT_SECRET} to the Airflow's secret"
        ));
    }
    Ok(format!("Airflow {version}, edge provider {edge}"))
}

/// Compares the clocks: the other's is told in whole seconds, rounded down.
fn clock(theirs: Option<Time>, ours: Time) -> Option<Finding> {
    let ahead = theirs?.as_seconds() - ours.as_seconds();
    Some(if ahead.abs() <= SKEW {
        Ok("it agrees with Airlock's".into())
    } else {
        let word = if ahead > 0 { "ahead of" } else { "behind" };
        Err(format!(
            "the Airflow's clock is {} s {word} Airlock's: it refuses what is signed more than {SKEW} s off; synchronize \
             both",
            ahead.abs()
        ))
    })
}

fn edge_api(answer: &Answer) -> Finding {
    match (answer.status, answer.json["status"].as_str()) {
        (StatusCode::OK, Some("healthy")) => Ok("it is on".into()),
        (status, _) if status.is_server_error() => Err(format!("the edge API answers with status {}", status.as_u16())),
        // When it is off, the web interface answers in its place, with a page.
        _ => Err("the Airflow's edge API is off: install the edge3 provider, set [edge] api_enabled = True, and \
                  restart the API server"
            .into()),
    }
}

fn trust(app: &App, signing: &Signing, answer: &Answer, skewed: bool) -> Finding {
    match answer.status {
        StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED if skewed => {
            Err("the Airflow refuses what Airlock signs, because the clocks differ".into())
        }
        StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => Err(match signing {
            Signing::Secret { .. } => format!(
                "the Airflow refuses what Airlock signs: {JWT_SECRET} is not its [api_auth] jwt_secret, or its [api_auth] \
                 jwt_issuer is not AIRFLOW__API_AUTH__JWT_ISSUER here, or it has [edge] trusted_jwks_url, with which it \
                 takes no secret"
            ),
            Signing::OwnKey { issuer, audience } => format!(
                "the Airflow refuses what Airlock signs: from edge3 5.0 on it needs, and an API server that was \
                 restarted since, [edge] trusted_jwks_url = {}, which it must reach, jwt_issuer = {issuer}, \
                 jwt_audience = {audience}, jwt_algorithm = EdDSA",
                jwks_url(app)
            ),
        }),
        status if status.is_server_error() || status == StatusCode::METHOD_NOT_ALLOWED => {
            Err(format!("the edge API answers a signed request with status {}", status.as_u16()))
        }
        _ => Ok("the Airflow takes what Airlock signs".into()),
    }
}

/// What the Airflow says of its other parts; `None` when it does not.
fn components(answer: &Answer) -> Option<Finding> {
    let status = |name: &str| answer.json[name]["status"].as_str();
    status("metadatabase")?;
    let ill: Vec<&str> =
        [("metadatabase", "metadata database"), ("scheduler", "scheduler"), ("dag_processor", "Dag processor")]
            .into_iter()
            .filter_map(|(name, title)| (status(name) == Some("unhealthy")).then_some(title))
            .collect();
    Some(if ill.is_empty() {
        Ok("its scheduler and the others are at work".into())
    } else {
        Err(format!("the Airflow says that something of it is unhealthy: {}", ill.join(", ")))
    })
}
