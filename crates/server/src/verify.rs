//! Whether an agent token is good: for the gate, for introspection, and for proxies that ask.

use airlock_contract::{DeploymentId, Time};
use airlock_core::{
    Error, Result,
    agent_key::AgentPublicKey,
    agent_token::{self, PlainAgentToken},
    gate::{
        path::Route,
        worker_jwt::{Accepted, Presented, Refusal, WorkerKey},
    },
};
use airlock_store::{agent_tokens, live_tokens::LiveToken, upkeep::UsedToken};

use crate::{App, metrics::Verification};

/// Verifies the value of an agent token, and notes that it was used.
///
/// # Errors
///
/// [`Error::Unauthenticated`] with the reason, which only the holder of a value that this server
/// issued learns more of than "not good"; [`Error::Busy`] when nobody can say now.
pub(crate) async fn bearer(app: &App, value: &str) -> Result<LiveToken> {
    let verified = judge(app, value).await;
    counted(app, verified)
}

/// How many of a Deployment's tokens are tried when a request does not say whose it is.
const TRIED: u32 = 50;

/// Finds out which agent token a worker's call is made with: its value as a bearer token, or the
/// JWT that a stock worker signs for each request.
///
/// # Errors
///
/// As [`bearer`].
pub(crate) async fn worker(
    app: &App,
    deployment: &DeploymentId,
    authorization: Option<&str>,
    route: &Route,
) -> Result<LiveToken> {
    let verified = match authorization {
        None => Err(missing()),
        Some(value) => match value.strip_prefix("Bearer ") {
            Some(value) => judge(app, value).await,
            None => judge_signed(app, deployment, value, route).await,
        },
    };
    let verified = verified.and_then(|token| match token.deployment == *deployment {
        true => Ok(token),
        false => Err(NotGood(
            Verification::Unknown,
            Error::Unauthenticated(format!("the agent token {} opens another Deployment", token.id)),
        )),
    });
    counted(app, verified)
}

/// Why a token is not good: for the metrics, and for whoever presented it.
pub(crate) struct NotGood(pub(crate) Verification, pub(crate) Error);

/// A fault on the way is no verdict on the token.
impl From<Error> for NotGood {
    fn from(error: Error) -> Self {
        Self(Verification::Busy, error)
    }
}

/// Counts what came of verifying a token, in whatever form it was presented.
///
/// # Errors
///
/// Why it is not good.
pub(crate) fn counted<T>(app: &App, verified: Result<T, NotGood>) -> Result<T> {
    match verified {
        Ok(good) => {
            app.metrics.verified(Verification::Good);
            Ok(good)
        }
        Err(NotGood(why, error)) => {
            app.metrics.verified(why);
            Err(error)
        }
    }
}

async fn judge(app: &App, value: &str) -> Result<LiveToken, NotGood> {
    let now = app.env.now();
    let Some(id) = agent_token::parse(value) else {
        let error = "the agent token is malformed: its checksum is wrong, so it was cut off or mistyped";
        return Err(NotGood(Verification::Malformed, Error::Unauthenticated(error.into())));
    };
    let Some(token) = app.store.live_token(&id).await? else { return Err(explain(app, &id, value).await?) };
    if token.public_key.is_some() || !derive(app, &token)?.is(value) {
        return Err(not_issued());
    }
    refuse_ended(&token, now)?;
    app.usage.note(UsedToken::Agent(id), now);
    Ok(token)
}

/// Verifies the JWT with which a worker has signed a request, and uses it up.
async fn judge_signed(app: &App, deployment: &DeploymentId, jwt: &str, route: &Route) -> Result<LiveToken, NotGood> {
    let now = app.env.now();
    let presented = Presented::parse(jwt).map_err(unsigned)?;
    let mut named = presented.candidates().peekable();
    let mut found = None;
    if named.peek().is_some() {
        for id in named {
            let Some(token) = app.store.live_token(id).await? else { continue };
            found = accepted(app, &presented, token, route, now)?;
            if found.is_some() {
                break;
            }
        }
    } else {
        for token in app.store.live_tokens_of(deployment, TRIED).await? {
            found = accepted(app, &presented, token, route, now)?;
            if found.is_some() {
                break;
            }
        }
    }
    let Some((token, accepted)) = found else { return Err(explain_signed(app, &presented, route).await?) };
    refuse_ended(&token, now)?;
    let is_first = accepted.jti.is_none_or(|jti| app.gate.replays.is_first(&token.id, &jti, accepted.until, now));
    if !is_first {
        let error = "the request's JWT was used before; a worker signs each request anew";
        return Err(NotGood(Verification::Unknown, Error::Unauthenticated(error.into())));
    }
    app.usage.note(UsedToken::Agent(token.id.clone()), now);
    Ok(token)
}

/// The token, if it is what the JWT was signed with; `None` when it is another.
fn accepted(
    app: &App,
    presented: &Presented<'_>,
    token: LiveToken,
    route: &Route,
    now: Time,
) -> Result<Option<(LiveToken, Accepted)>, NotGood> {
    let verified = match &token.public_key {
        Some(pem) => {
            let key = AgentPublicKey::parse(pem).map_err(Error::internal)?; // it was good when it was kept
            presented.verify(WorkerKey::Public(&key), route.method_claim(), now)
        }
        None => presented.verify(WorkerKey::Token(&derive(app, &token)?), route.method_claim(), now),
    };
    match verified {
        Ok(accepted) => Ok(Some((token, accepted))),
        Err(refusal) if refusal.depends_on_key() => Ok(None),
        Err(refusal) => Err(unsigned(refusal)),
    }
}

/// The value of a token that is not deleted.
///
/// # Errors
///
/// [`Error::Internal`] when its master key is missing here. Its holder has done nothing wrong, and
/// another replica may have the key.
fn derive(app: &App, token: &LiveToken) -> Result<PlainAgentToken> {
    let lacks = || Error::internal(format!("the master key of the agent token {} is not in the ring", token.id));
    PlainAgentToken::derive(&app.keys, &token.id, &token.stored).ok_or_else(lacks)
}

/// Why no live token has signed a JWT: whoever signed with a value that we issued is told.
async fn explain_signed(app: &App, presented: &Presented<'_>, route: &Route) -> Result<NotGood> {
    for id in presented.candidates() {
        let Some(judged) = agent_tokens::judge(&app.store.read().await?, id).await? else { continue };
        let Some(genuine) = PlainAgentToken::derive(&app.keys, id, &judged.stored) else { continue };
        let verified = presented.verify(WorkerKey::Token(&genuine), route.method_claim(), app.env.now());
        if let (Some(at), Ok(_)) = (judged.deleted_at, verified) {
            let error = format!("the agent token {id} was deleted at {at}");
            return Ok(NotGood(Verification::Deleted, Error::Unauthenticated(error)));
        }
    }
    Ok(not_issued())
}

/// What is wrong with a JWT, whoever signed it: it says nothing about any token.
fn unsigned(refusal: Refusal) -> NotGood {
    NotGood(Verification::Malformed, Error::Unauthenticated(refusal.to_string()))
}

fn missing() -> NotGood {
    let error = "there must be one header Authorization, signed by the worker or with Bearer <agent token>";
    NotGood(Verification::Malformed, Error::Unauthenticated(error.into()))
}

/// Refuses a token that has ended.
///
/// # Errors
///
/// [`Error::Unauthenticated`].
pub(crate) fn refuse_ended(token: &LiveToken, now: Time) -> Result<(), NotGood> {
    match token.end_at.filter(|end| *end <= now) {
        Some(end) => {
            let error = format!("the agent token {} expired at {end}", token.id);
            Err(NotGood(Verification::Expired, Error::Unauthenticated(error)))
        }
        None => Ok(()),
    }
}

/// Why a value that no live token has is not good.
async fn explain(app: &App, id: &airlock_contract::AgentTokenId, value: &str) -> Result<NotGood> {
    let Some(judged) = agent_tokens::judge(&app.store.read().await?, id).await? else { return Ok(not_issued()) };
    let is_genuine = PlainAgentToken::derive(&app.keys, id, &judged.stored).is_some_and(|genuine| genuine.is(value));
    Ok(match judged.deleted_at {
        Some(at) if is_genuine => {
            let error = format!("the agent token {id} was deleted at {at}");
            NotGood(Verification::Deleted, Error::Unauthenticated(error))
        }
        _ => not_issued(),
    })
}

fn not_issued() -> NotGood {
    let error = "the agent token is not good: this server did not issue it";
    NotGood(Verification::Unknown, Error::Unauthenticated(error.into()))
}
