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
    policy::{self, Credential, Granted},
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
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

use super::{
    Ours, headers,
    knock::Knock,
    lifeline::{self, Lifeline},
    refusal::Refusal,
};
use crate::{
    App,
    airflow::Airflow,
    authenticate,
    storage::{ByteStream, Key},
};

/// How often it is looked whether an API token is still good while an archive goes out.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Who asks.
enum Caller {
    Agent(LiveToken),
    Api {
        granted: Granted<scope::Deployment>,
        /// The value of the API token.
        value: String,
        credential: Credential,
    },
}

impl Caller {
    fn asker(&self) -> Asker<'_> {
        match self {
            Self::Agent(token) => Asker::Agent(token),
            Self::Api { granted, .. } => Asker::Api(granted),
        }
    }

    /// What ends when the caller's token does.
    fn lifeline(&self, app: &App) -> Lifeline {
        let (app, value) = match self {
            Self::Agent(token) => return lifeline::of(app, token),
            Self::Api { value, .. } => (app.clone(), value.clone()),
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
    let caller = caller(knock, airflow, route).await?;
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

async fn caller(knock: &mut Knock<'_>, airflow: Option<Arc<Airflow>>, route: &Route) -> Result<Caller, Refusal> {
    let app = knock.app;
    let given = headers::authorization(&knock.parts.headers);
    let value = given.and_then(|given| given.strip_prefix("Bearer "));
    if let Some(value) = value.filter(|value| !value.starts_with(agent_token::PREFIX)) {
        let session = authenticate::session(app, value).await?;
        app.limits.count(airlock_contract::Method::Get, &session.caller.credential)?;
        let organization_id = session.caller.organization.clone();
        let target = scope::Deployment { organization_id, deployment_id: knock.deployment.clone() }.target();
        let place = locate(&app.store.read().await?, &target).await?;
        let granted = policy::authorize::<DeploymentDeploysGet>(&session.caller, &target, place)?;
        let credential = session.caller.credential.clone();
        return Ok(Caller::Api { granted, value: value.to_owned(), credential });
    }
    let (token, _) = knock.agent(airflow, route).await?;
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
        false => Body::from_stream(until(caller.lifeline(app), slot, object.pieces(), app.settings.gate.stall_timeout)),
    };
    Ok((about, kind, Extension(Ours), body).into_response())
}

/// The pieces of an archive, which break off when the token ends, and when nobody takes the next one
/// for longer than `patience`.
///
/// They are read by a task of their own: while a client takes nothing, nobody asks the body for more,
/// and the archive and the place would be held for as long as the client likes.
fn until(
    lifeline: Lifeline,
    slot: Place,
    mut pieces: ByteStream,
    patience: Duration,
) -> impl Stream<Item = Result<Bytes, BoxError>> + Send {
    // A piece, or `None` at the end; when the sender is gone before that, they broke off.
    let (send, receive) = mpsc::channel(1);
    tokio::spawn(async move {
        let _slot = slot;
        let sending = async {
            loop {
                let piece = match pieces.next().await.transpose() {
                    Ok(piece) => piece,
                    Err(cause) => {
                        tracing::warn!(%cause, "an archive breaks off on its way to whoever asked for it");
                        return;
                    }
                };
                let is_last = piece.is_none();
                if !matches!(timeout(patience, send.send(piece)).await, Ok(Ok(()))) || is_last {
                    return;
                }
            }
        };
        tokio::select! {
            biased;
            () = lifeline => {}
            () = sending => {}
        }
    });
    stream::unfold(Some(receive), async |receive| {
        let mut receive = receive?;
        match receive.recv().await {
            Some(piece) => Some((Ok(piece?), Some(receive))),
            None => Some((Err("the archive breaks off".into()), None)),
        }
    })
}

/// A place among the calls of a token; given back when it is dropped.
type Place = Box<dyn Send>;

fn slot(app: &App, caller: &Caller) -> Result<Place, Refusal> {
    let most = app.settings.gate.calls_per_token;
    let slot: Option<Place> = match caller {
        Caller::Agent(token) => app.gate.slots.take(&token.id, most).map(|slot| Box::new(slot) as Place),
        Caller::Api { credential, .. } => app.gate.downloads.take(credential, most).map(|slot| Box::new(slot) as Place),
    };
    slot.ok_or_else(|| Refusal::too_many_calls(most))
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
