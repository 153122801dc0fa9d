//! What running tasks call: the execution API. Most of it is the Airflow's to answer; connections and
//! variables that are environment objects are ours ([`environment`]).

use std::sync::Arc;

use airlock_core::{
    Result,
    gate::{
        path::{Resource, Route},
        task_token::{TaskClaims, TaskToken},
    },
};
use airlock_store::{
    gate::jobs::{self, Job},
    live_tokens::LiveToken,
    upkeep::UsedToken,
};
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue},
    response::Response,
};
use secrecy::{ExposeSecret, SecretString};

use super::{
    environment, headers,
    knock::Knock,
    passage::{Outgoing, Passage},
    refusal::Refusal,
    upstream::Signature,
};
use crate::{
    App,
    airflow::Airflow,
    verify::{self, NotGood},
};

/// How often it is tried to keep a newer task token.
const TRIES: u32 = 3;

pub(crate) async fn pass(
    knock: &mut Knock<'_>,
    airflow: Option<Arc<Airflow>>,
    route: &Route,
    path: &str,
    body: Body,
) -> Result<Response, Refusal> {
    let Route::Execution { resource, task, key } = route else { return Err(Refusal::no_such_path()) };
    let app = knock.app;
    let held = presented(knock)?;
    knock.token = Some(held.agent_token.clone());
    let token = live(app, &held).await?;
    let Some(airflow) = airflow else { return Err(revoked()) };
    if !airflow.takes_agents {
        return Err(Refusal::gone("remote_execution_off", "the Deployment has remote execution off"));
    }
    if task.as_ref().is_some_and(|task| *task != held.task) {
        return Err(Refusal::other_task());
    }
    let job = running(app, &token, &held).await?;
    // The SDK tries 503 again, and does not try 429 again.
    let slot = app.gate.slots.take(&token.id, app.settings.gate.calls_per_token);
    let slot =
        slot.ok_or_else(|| Refusal::fault(format!("the agent token {} has too many calls under way", token.id)))?;
    app.usage.note(UsedToken::Agent(token.id.clone()), app.env.now());

    let asked = environment::Asked::of(knock, &token, &airflow.workspace, *resource, key.as_deref());
    if let Some(asked) = &asked {
        asked.refuse_unlisted()?;
        if let Some(answer) = asked.answer().await? {
            return Ok(answer);
        }
    }
    let passage = Passage { app, airflow: &airflow, token: &token, kind: knock.call, cut: revoked, slot };
    let query = knock.parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let call = Outgoing {
        method: knock.parts.method.clone(),
        path: format!("{path}{query}"),
        headers: headers::to_airflow(&knock.parts.headers),
        body,
        limit: limit(app, *resource),
        log: None,
    };
    let (mut parts, body) = passage.stream(call, Signature::Task(&held.jwt)).await?;
    if let Some(asked) = asked {
        asked.note_answer(parts.status).await?;
    }
    renew(app, &held, &knock.deployment, &job, &mut parts.headers).await?;
    Ok(Response::from_parts(parts, body))
}

/// The task token that was presented: one that we gave, for this Deployment.
fn presented(knock: &Knock<'_>) -> Result<TaskToken, Refusal> {
    let value = headers::authorization(&knock.parts.headers).and_then(|value| value.strip_prefix("Bearer "));
    let value = value.ok_or_else(|| {
        Refusal::denied("task_token_missing", "there must be one header Authorization: Bearer, with the task's token")
    })?;
    TaskToken::open(&knock.app.keys, &knock.deployment, value).ok_or_else(|| {
        Refusal::denied("task_token_invalid", "the task's token was not given out by this gate for this Deployment")
    })
}

/// The agent token that the task's token was given out for, if it is still good.
async fn live(app: &App, held: &TaskToken) -> Result<LiveToken, Refusal> {
    let token = app.store.live_token(&held.agent_token).await?;
    let token = token.filter(|token| token.stored.generation == held.generation).ok_or_else(revoked)?;
    verify::refuse_ended(&token, app.env.now())
        .map_err(|NotGood(_, error)| Refusal::gone("agent_token_revoked", error.to_string()))?;
    Ok(token)
}

fn revoked() -> Refusal {
    Refusal::gone("agent_token_revoked", "the agent token with which this task was fetched is not good any more")
}

/// The job of the task, if it is still this agent's and has not ended.
async fn running(app: &App, token: &LiveToken, held: &TaskToken) -> Result<Job, Refusal> {
    let job = jobs::find_task(&app.store.read().await?, token, held.task.as_str()).await?;
    let job =
        job.ok_or_else(|| Refusal::gone("job_not_known", "the task was not handed to this agent, or no longer is"))?;
    match job.ended_at {
        None => Ok(job),
        Some(at) => Err(Refusal::gone("job_ended", format!("the task's job ended at {at}"))),
    }
}

fn limit(app: &App, resource: Resource) -> usize {
    let settings = &app.settings.gate;
    match resource {
        Resource::Xcoms | Resource::Variables | Resource::TaskStore | Resource::AssetStore => settings.value_body,
        _ => settings.json_body,
    }
}

/// Gives the worker a newer task token in the form that it can hold, and keeps it for the day on
/// which we have to end the task.
async fn renew(
    app: &App,
    held: &TaskToken,
    deployment: &airlock_contract::DeploymentId,
    job: &Job,
    headers: &mut HeaderMap,
) -> Result<(), Refusal> {
    let Some(value) = headers.remove(headers::REFRESHED_TOKEN) else { return Ok(()) };
    let jwt = value.to_str().ok().filter(|jwt| TaskClaims::read(jwt).is_some_and(|claims| claims.task == held.task));
    let Some(jwt) = jwt else {
        tracing::warn!(task = %held.task, "the Airflow gave a newer task token that is not for this task; it was dropped");
        return Ok(());
    };
    let newer = TaskToken { jwt: SecretString::from(jwt), ..held.clone() };
    if let Err(cause) = keep(app, job, &newer.jwt).await {
        // The task goes on with it. Without it, it would fail for a fault of ours.
        tracing::warn!(%cause, job = %job.id, "a newer task token could not be kept; if the agent is cut off now, its task ends late");
    }
    let sealed = newer.seal(&app.keys, &app.env, deployment)?;
    let mut value = HeaderValue::from_str(sealed.expose_secret()).map_err(Refusal::fault)?;
    value.set_sensitive(true);
    headers.insert(headers::REFRESHED_TOKEN, value);
    Ok(())
}

async fn keep(app: &App, job: &Job, jwt: &SecretString) -> Result<()> {
    let sealed = app.keys.seal(&app.env, &Job::place(&job.id), jwt.expose_secret())?;
    let mut tries = TRIES;
    loop {
        tries -= 1;
        let kept = async {
            let r = app.store.recording().await?;
            jobs::renew_task_token(&r, &job.id, &sealed, app.env.now()).await?;
            r.commit().await
        };
        match kept.await {
            Err(airlock_core::Error::Busy(_)) if tries > 0 => {}
            result => return result,
        }
    }
}
