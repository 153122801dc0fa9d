//! Finishes in Airflow what the end of an agent token began here.
//!
//! When a token is deleted or expires, the gate refuses it at once. But Airflow still takes the
//! token's worker for online and its tasks for running: a task would be missed only after 300 s,
//! and the worker's name would be blocked for 150 s. So each running task is failed with the token
//! that Airflow gave for it, its edge job too, a line in its log says why, and the worker is taken
//! offline. What is left to do is in the database ([`airlock_store::cutoffs`]), so it survives a
//! restart; it is tried again until it works, for a day.

use std::time::Duration;

use airlock_contract::Time;
use airlock_core::{Error, Result, gate::path::Route};
use airlock_store::{
    Writing,
    audit::{Entry, Outcome},
    bootstrap::SYSTEM,
    cutoffs::{self, Cause, Cutoff, Ended, LiveAgent},
    gate::jobs::Job,
};
use axum::http::StatusCode;
use futures_util::{StreamExt, stream};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};

use crate::{
    App,
    airflow::{
        Address, Airflow,
        client::{AirflowClient, Answer},
    },
    change::{self, Change},
    deployment_logs::Level,
};

/// How often the database is asked for what is left to do.
const POLL: Duration = Duration::from_secs(1);

/// After how many such polls it is asked for tokens that have ended by themselves. They are
/// refused by then; this is about what Airflow shows of them.
const FIND_EVERY: u32 = 5;

/// How many tokens are worked on at a time.
const AT_ONCE: usize = 32;

/// How many tasks of a token are failed at a time.
const TASKS_AT_ONCE: usize = 16;

/// How long one try may take. Others leave the row alone a little longer: so long does a try have
/// to wait that was broken off by the end of the process.
const TRY: Duration = Duration::from_secs(30);
const CLAIM_SECONDS: i64 = 35;

/// After how many seconds it is given up: Airflow's own time-outs are long over by then.
const GIVE_UP_SECONDS: i64 = 86_400;

/// The longest time between two tries, in seconds.
const LONGEST_PAUSE: i64 = 300;

/// Wakes the worker when a change has left something to do, so that it need not wait for a poll.
#[derive(Default)]
pub(crate) struct Wake(Notify);

impl Wake {
    pub(crate) fn wake(&self) {
        self.0.notify_one();
    }
}

/// Works until it is dropped.
pub(crate) async fn run(app: &App) {
    let mut ticks = interval(POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut polls = (0..FIND_EVERY).cycle();
    let mut working = JoinSet::new(); // whose tasks end with it
    loop {
        let poll = tokio::select! {
            _ = ticks.tick() => polls.next(),
            () = app.cutoffs.0.notified() => None,
            Some(_) = working.join_next() => None,
        };
        let ended = if poll == Some(0) { find_ended(app).await } else { Ok(()) };
        match claim(app, AT_ONCE.saturating_sub(working.len())).await {
            Ok(claimed) => claimed.into_iter().for_each(|cutoff| _ = working.spawn(work(app.clone(), cutoff))),
            Err(cause) => tracing::warn!(%cause, "what is left to do in Airflow cannot be read"),
        }
        if let Err(cause) = ended {
            tracing::warn!(%cause, "which agent tokens have ended cannot be read");
        }
    }
}

/// Writes down what is left to do for tokens that ended without anybody's doing.
async fn find_ended(app: &App) -> Result<()> {
    let now = app.env.now();
    let found = cutoffs::ended(&app.store.read().await?, now).await?;
    for ended in found {
        let begin = Begin { app, ended: &ended, now };
        match change::commit(app, &begin).await {
            Err(Error::NotFound(_)) => {} // another replica was faster
            result => result?,
        }
    }
    Ok(())
}

/// The beginning of a cut-off that nobody asked for.
struct Begin<'a> {
    app: &'a App,
    ended: &'a Ended,
    now: Time,
}

impl Change for Begin<'_> {
    type Output = ();

    async fn make(&self, w: &Writing) -> Result<((), Entry)> {
        let Ended { token, organization, end_at, deleted_at } = self.ended;
        let (cause, reason) = match (deleted_at, end_at) {
            (Some(at), _) => {
                (Cause::Deleted, format!("the token was deleted at {at}, and its agent was seen once more"))
            }
            (None, Some(at)) => (Cause::Expired, format!("the token expired at {at}")),
            (None, None) => return Err(Error::internal("a token that has not ended was taken for one that has")),
        };
        if !cutoffs::insert_for_ended(w, token, cause, self.now).await? {
            return Err(Error::NotFound("agent".into()));
        }
        let entry = Entry {
            status: 200,
            reason: Some(reason),
            ..entry(self.app, "EndAgentToken", organization.clone(), token, self.now)
        };
        Ok(((), entry))
    }
}

/// A record of what the server did by itself to a token.
fn entry(
    app: &App,
    operation: &str,
    organization: airlock_contract::OrganizationId,
    token: &airlock_contract::AgentTokenId,
    now: Time,
) -> Entry {
    Entry {
        outcome: Outcome::Changed,
        organization: Some(organization),
        subject_id: Some(SYSTEM.into()),
        subject_name: Some("Airlock".into()),
        entity_type: Some("agentToken".into()),
        entity_id: Some(token.to_string()),
        ..Entry::new(&app.env, now, operation)
    }
}

/// Up to so many that are due, and which no other replica works on.
async fn claim(app: &App, most: usize) -> Result<Vec<Cutoff>> {
    let now = app.env.now();
    let mut claimed = Vec::new();
    if most == 0 || !cutoffs::is_due(&app.store.read().await?, now).await? {
        return Ok(claimed);
    }
    let upkeep = app.store.upkeep().await?;
    while claimed.len() < most
        && let Some(cutoff) = upkeep.claim_cutoff(now, now.plus_seconds(CLAIM_SECONDS)).await?
    {
        claimed.push(cutoff);
    }
    upkeep.commit().await?;
    Ok(claimed)
}

/// One try, and its end in the database. When that cannot be written, the claim runs out and the
/// next try finds the same again.
async fn work(app: App, cutoff: Cutoff) {
    let app = &app;
    let outcome = timeout(TRY, attempt(app, &cutoff)).await.unwrap_or_else(|_| Err("it took too long".into()));
    let now = app.env.now();
    let result = match outcome {
        Ok(()) => {
            app.logs.event(&cutoff.deployment, now, Level::Warning, what_ended(&cutoff));
            change::commit(app, &End { app, cutoff: &cutoff, outcome: Ok(()), now }).await
        }
        Err(fault) if now >= cutoff.created_at.plus_seconds(GIVE_UP_SECONDS) => {
            tracing::error!(token = %cutoff.token, fault, "a cut-off was given up: see the audit log");
            change::commit(app, &End { app, cutoff: &cutoff, outcome: Err(&fault), now }).await
        }
        Err(fault) => {
            tracing::warn!(token = %cutoff.token, attempts = cutoff.attempts, fault, "a cut-off is tried again");
            postpone(app, &cutoff, &fault, now).await
        }
    };
    if let Err(cause) = result {
        tracing::warn!(token = %cutoff.token, %cause, "the end of a cut-off cannot be written; it is tried again");
    }
}

/// The end of a cut-off: it worked, or it is given up.
struct End<'a> {
    app: &'a App,
    cutoff: &'a Cutoff,
    outcome: Result<(), &'a str>,
    now: Time,
}

impl Change for End<'_> {
    type Output = ();

    async fn make(&self, w: &Writing) -> Result<((), Entry)> {
        let Self { app, cutoff, outcome, now } = self;
        let (tasks, workers) = cutoff.settle(w, outcome.err(), *now).await?;
        let (outcome, status, reason) = match outcome {
            Ok(()) => (Outcome::Changed, 200, format!("tasks failed in Airflow: {tasks}; workers offline: {workers}")),
            Err(fault) => (Outcome::Failed, 503, format!("given up after {} tries: {fault}", cutoff.attempts)),
        };
        let entry = Entry {
            outcome,
            status,
            reason: Some(reason),
            ..entry(app, "CutOff", cutoff.organization.clone(), &cutoff.token, *now)
        };
        Ok(((), entry))
    }
}

async fn postpone(app: &App, cutoff: &Cutoff, fault: &str, now: Time) -> Result<()> {
    let upkeep = app.store.upkeep().await?;
    upkeep.postpone_cutoff(cutoff, fault, now.plus_seconds(pause(cutoff.attempts, app.env.random()))).await?;
    upkeep.commit().await
}

/// How long to wait after so many tries, in seconds: twice as long each time, up to
/// [`LONGEST_PAUSE`]; a part of it by chance, so that what failed together does not come back
/// together.
fn pause(attempts: u32, chance: [u8; 1]) -> i64 {
    let whole = 1_i64.checked_shl(attempts.saturating_sub(1)).unwrap_or(LONGEST_PAUSE).clamp(1, LONGEST_PAUSE);
    whole - whole * i64::from(chance[0]) / 512
}

/// Does all that is left to do, as far as it can be done; or says what could not.
async fn attempt(app: &App, cutoff: &Cutoff) -> Result<(), String> {
    let say = |error: Error| error.to_string();
    let address = address(app, cutoff).await.map_err(say)?;
    let client = AirflowClient { app, airflow: &address, token: Some(&cutoff.token) };
    let (jobs, agents) = {
        let db = app.store.read().await.map_err(say)?;
        (cutoff.jobs(&db).await.map_err(say)?, cutoff.agents(&db).await.map_err(say)?)
    };
    let mut failing = Vec::new();
    for job in &jobs {
        failing.push(fail(client, cutoff, job));
    }
    let mut results: Vec<_> = stream::iter(failing).buffer_unordered(TASKS_AT_ONCE).collect().await;
    for agent in &agents {
        results.push(take_offline(client, agent).await);
    }
    results.into_iter().collect()
}

/// How the Airflow is reached: as its Deployment says now, for it may have moved or got another
/// secret; as it said then, when the Deployment is gone.
async fn address(app: &App, cutoff: &Cutoff) -> Result<Address> {
    if let Some(airflow) = Airflow::of(app, &cutoff.deployment).await?
        && airflow.address.url.is_some()
    {
        return Ok(airflow.address.clone());
    }
    let variables = cutoff.variables(&app.store.read().await?).await?;
    Address::read(app, &cutoff.deployment, &variables)
}

/// Fails a task and its edge job, and says why in the task's log.
async fn fail(client: AirflowClient<'_>, cutoff: &Cutoff, job: &Job) -> Result<(), String> {
    let app = client.app;
    // The task itself: at once, and on every version. But its token is good for ten minutes only,
    // and not before the task has started.
    let mut is_known = true;
    if let Some(sealed) = &job.task_token {
        let token = app.keys.open(&Job::place(&job.id), sealed).map_err(|error| error.to_string())?;
        let token = SecretString::from(token.expose_secret().as_str());
        let body = json!({"state": "failed", "end_date": app.env.now()});
        let answer = client.set_task_state(&job.ti_id, &token, &body).await.map_err(|error| error.to_string())?;
        retry_if_passing("task-instances", &answer)?;
        is_known = answer.status != StatusCode::NOT_FOUND;
    }
    // Its edge job, which makes the executor fail the task.
    let answer = client.fail_job(&job.key, &job.ti_id).await.map_err(|error| error.to_string())?;
    if !answer.status.is_success() {
        return Err(refused("jobs/state", &answer));
    }
    // Last, so that a try that fails before does not write the line again.
    if is_known {
        let line = json!({
            "timestamp": app.env.now(), "level": "error", "logger": "airlock", "event": reason(cutoff),
        });
        let body = json!({"log_chunk_time": app.env.now(), "log_chunk_data": format!("{line}\n")});
        let answer = client.edge(&Route::PushLogs { key: job.key.clone() }, Some(&body)).await;
        let answer = answer.map_err(|error| error.to_string())?;
        // A 500 is how Airflow says that it knows no such task instance any more.
        if !answer.status.is_success() && answer.status != StatusCode::INTERNAL_SERVER_ERROR {
            return Err(refused("logs/push", &answer));
        }
    }
    let end = async {
        let upkeep = app.store.upkeep().await?;
        upkeep.end_job(job, app.env.now()).await?;
        upkeep.commit().await
    };
    end.await.map_err(|error| error.to_string())
}

/// Takes a worker offline, so that its name is free, with what it last said of itself.
async fn take_offline(client: AirflowClient<'_>, agent: &LiveAgent) -> Result<(), String> {
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or(Value::Null);
    let body = json!({
        "state": "offline", "jobs_active": 0, "queues": read(&agent.queues), "sysinfo": read(&agent.sysinfo),
    });
    let route = Route::Heartbeat { worker: agent.name.clone() };
    let answer = client.edge(&route, Some(&body)).await.map_err(|error| error.to_string())?;
    match answer.status {
        status if status.is_success() => Ok(()),
        // Airflow has kept the state by then, and only does not like the worker's version.
        StatusCode::BAD_REQUEST => Ok(()),
        // It knows no such worker; another text means that there is no edge API.
        StatusCode::NOT_FOUND if answer.json["detail"] == "Worker not found" => Ok(()),
        _ => Err(refused("worker", &answer)),
    }
}

/// Asks for another try when the answer may be another then. Any other refusal stands: the task is
/// over, or its token is not good any more.
fn retry_if_passing(what: &str, answer: &Answer) -> Result<(), String> {
    let passes = answer.status.is_server_error()
        || matches!(answer.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
    if passes { Err(refused(what, answer)) } else { Ok(()) }
}

fn refused(what: &str, answer: &Answer) -> String {
    let hint = match answer.status {
        StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => ": it does not trust Airlock's signature",
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_FOUND => ": its edge API is off",
        _ => "",
    };
    format!("the Airflow answers {what} with status {}{hint}", answer.status.as_u16())
}

/// What became of the token.
fn end_of(cutoff: &Cutoff) -> String {
    let Cutoff { by, created_at, .. } = cutoff;
    match cutoff.cause {
        Cause::Deleted => format!("was deleted by {by} at {created_at}"),
        Cause::Expired => format!("expired at {created_at}"),
        Cause::Replaced => format!("was replaced by {by} at {created_at}"),
    }
}

/// What was done, for the Deployment's logs.
fn what_ended(cutoff: &Cutoff) -> String {
    let Cutoff { token_name, token, .. } = cutoff;
    let what = end_of(cutoff);
    format!("the agent token {token_name} ({token}) {what}; its worker is cut off, and its tasks are failed")
}

/// Why the task failed, for its log.
fn reason(cutoff: &Cutoff) -> String {
    let Cutoff { token_name, token, .. } = cutoff;
    let what = end_of(cutoff);
    format!(
        "Agent token revoked: the token {token_name} ({token}) of this task's worker {what}; Airlock \
         failed the task and cut the worker off"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_stay_within_bounds() {
        let longest: Vec<i64> = (1..=12).map(|attempts| pause(attempts, [0])).collect();
        assert_eq!(longest, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        assert_eq!(pause(u32::MAX, [0]), 300);
        for attempts in 1..70 {
            let (shortest, longest) = (pause(attempts, [255]), pause(attempts, [0]));
            assert!(1 <= shortest && shortest * 2 >= longest, "{attempts}: {shortest} to {longest}");
        }
    }
}
