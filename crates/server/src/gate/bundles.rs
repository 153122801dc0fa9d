//! `bundles`: the code that a Deployment's agents run, as it was deployed.
//!
//! An agent asks with its token, as it does everywhere at the gate; a program that brings code to the
//! Airflow's own machines can ask with an API token that may see deploys. Whoever has the current
//! version already, and says so, is answered without a body.

use std::{sync::Arc, time::Duration};

use airlock_contract::{
    permissions::{
        DeploymentDeploysGet,
        scope::{self, Scope},
    },
    wire::DAGS,
};
use airlock_core::{
    agent_token,
    gate::path::Route,
    policy::{self, Granted},
};
use airlock_store::{
    live_tokens::LiveToken,
    locate::locate,
    tarballs::{self, Asker, Current},
};
use axum::{
    BoxError, Extension,
    body::Body,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use serde_json::json;
use tokio::time::sleep;

use super::{
    Ours, headers,
    knock::Knock,
    lifeline::{self, Lifeline},
    refusal::Refusal,
    slots::Slot,
};
use crate::{
    App,
    airflow::Airflow,
    authenticate,
    storage::{ByteStream, Key},
    verify,
};

/// How often it is looked whether an API token is still good while an archive goes out.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Who asks.
enum Caller {
    Agent(LiveToken),
    /// With the value of an API token.
    Api(Granted<scope::Deployment>, String),
}

impl Caller {
    fn asker(&self) -> Asker<'_> {
        match self {
            Self::Agent(token) => Asker::Agent(token),
            Self::Api(granted, _) => Asker::Api(granted),
        }
    }

    /// What ends when the caller's token does.
    fn lifeline(&self, app: &App) -> Lifeline {
        let (app, value) = match self {
            Self::Agent(token) => return lifeline::of(app, token),
            Self::Api(_, value) => (app.clone(), value.clone()),
        };
        Box::pin(async move {
            while authenticate::session(&app, &value).await.is_ok() {
                sleep(LOOK_EVERY).await;
            }
        })
    }
}

pub(crate) async fn pass(
    knock: &mut Knock<'_>,
    airflow: Option<Arc<Airflow>>,
    route: &Route,
) -> Result<Response, Refusal> {
    let caller = caller(knock, airflow.as_deref(), route).await?;
    let db = knock.app.store.read().await?;
    match route {
        Route::Bundles => {
            let all = tarballs::all_current(&db, &caller.asker()).await?;
            let json = json!({"bundles": all.iter().map(described).collect::<Vec<_>>()});
            Ok(([(header::CONTENT_TYPE, "application/json")], Extension(Ours), json.to_string()).into_response())
        }
        Route::Bundle { mount_path } => {
            let current = tarballs::current(&db, &caller.asker(), mount_path).await?;
            drop(db); // nobody holds a connection while an archive goes out
            match current {
                Some(current) => give(knock, &caller, &current).await,
                None => Ok(none(mount_path)),
            }
        }
        _ => Err(Refusal::no_such_path()),
    }
}

async fn caller(knock: &mut Knock<'_>, airflow: Option<&Airflow>, route: &Route) -> Result<Caller, Refusal> {
    let app = knock.app;
    let given = headers::authorization(&knock.parts.headers);
    let value = given.and_then(|given| given.strip_prefix("Bearer "));
    if let Some(value) = value.filter(|value| !value.starts_with(agent_token::PREFIX)) {
        let session = authenticate::session(app, value).await?;
        let organization_id = session.caller.organization.clone();
        let target = scope::Deployment { organization_id, deployment_id: knock.deployment.clone() }.target();
        let place = locate(&app.store.read().await?, &target).await?;
        let granted = policy::authorize::<DeploymentDeploysGet>(&session.caller, &target, place)?;
        return Ok(Caller::Api(granted, value.to_owned()));
    }
    let token = verify::worker(app, &knock.deployment, given, route).await?;
    knock.token = Some(token.id.clone());
    let airflow = airflow.ok_or_else(|| Refusal::denied("no_deployment", "the Deployment was deleted"))?;
    if !airflow.takes_agents {
        return Err(Refusal::remote_execution_off());
    }
    Ok(Caller::Agent(token))
}

/// Answers with an archive, or that the caller has it already.
async fn give(knock: &Knock<'_>, caller: &Caller, current: &Current) -> Result<Response, Refusal> {
    let app = knock.app;
    let etag = format!("\"{}\"", current.version);
    let about = [
        (header::ETAG, HeaderValue::from_str(&etag).map_err(Refusal::fault)?),
        // Whoever keeps it asks each time whether it is current, and keeps it to itself.
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
    ];
    if is_known(&knock.parts.headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, about, Extension(Ours)).into_response());
    }
    let slot = slot(app, caller)?;
    let key = Key::archive(&current.uploaded_for, &current.version);
    let lacks = || Refusal::fault(format!("the bundle storage lacks the current archive {}", current.version));
    let object = app.settings.deploys.storage.get(&key).await?.ok_or_else(lacks)?;
    let kind = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/gzip")),
        (header::CONTENT_LENGTH, HeaderValue::from(object.size)),
    ];
    let body = match knock.parts.method == Method::HEAD {
        true => Body::empty(),
        false => Body::from_stream(until(caller.lifeline(app), slot, object.pieces())),
    };
    Ok((about, kind, Extension(Ours), body).into_response())
}

/// The pieces of an archive, which break off when the token ends.
fn until(
    lifeline: Lifeline,
    slot: Option<Slot>,
    pieces: ByteStream,
) -> impl Stream<Item = Result<Bytes, BoxError>> + Send {
    stream::unfold(Some((lifeline, slot, pieces)), async |state| {
        let (mut lifeline, slot, mut pieces) = state?;
        let piece = tokio::select! {
            biased;
            () = &mut lifeline => return Some((Err("the token has ended".into()), None)),
            piece = pieces.next() => piece?,
        };
        match piece {
            Ok(piece) => Some((Ok(piece), Some((lifeline, slot, pieces)))),
            Err(cause) => {
                tracing::warn!(%cause, "an archive breaks off on its way to whoever asked for it");
                Some((Err(cause.to_string().into()), None))
            }
        }
    })
}

/// A place among the calls of an agent token.
fn slot(app: &App, caller: &Caller) -> Result<Option<Slot>, Refusal> {
    let Caller::Agent(token) = caller else { return Ok(None) };
    let most = app.settings.gate.calls_per_token;
    app.gate.slots.take(&token.id, most).map(Some).ok_or_else(|| Refusal::too_many_calls(most))
}

/// Whether the caller has what the tag names (RFC 9110 section 13.1.2).
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        let mut tags = value.split(',').map(str::trim);
        tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
    })
}

fn described(current: &Current) -> serde_json::Value {
    let mut described = json!({
        "mountPath": current.place,
        "version": current.version,
        "deployId": current.deploy,
    });
    if let Some(kind) = &current.bundle_type {
        described["bundleType"] = kind.as_str().into();
    }
    described
}

/// There is none. Nobody was refused anything: agents ask before the first deploy, too.
fn none(mount_path: &str) -> Response {
    let what = if mount_path == DAGS { "Dags" } else { "bundle there" };
    let json = json!({"detail": format!("the Deployment has no {what}; deploy some")});
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (StatusCode::NOT_FOUND, kind, Extension(Ours), json.to_string()).into_response()
}
