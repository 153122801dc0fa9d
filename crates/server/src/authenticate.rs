//! Who makes a request.
//!
//! The presented value is hashed and looked up; only a live token is found. When there is none,
//! a second, slower look finds out why, and tells it to the holder of a value that this server
//! really issued. Everybody else learns only that the value is not good.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use airlock_contract::Time;
use airlock_core::{
    Error, Result, agent_token,
    api_token::{self, Stale, TokenHash},
    policy::{Caller, Credential},
    session::{self, PlainRefreshToken},
};
use airlock_store::{api_tokens, callers, upkeep::UsedToken};
use axum::http::{HeaderMap, header};

use crate::{App, verify};

/// How many callers are remembered.
pub(crate) const REMEMBERED: usize = 10_000;

/// Longer values are none of ours.
const LONGEST: usize = 8192;

/// How often the use of a remembered token is noted, in microseconds.
const NOTE_EVERY: i64 = 1_000_000;

/// An authenticated caller.
pub(crate) struct Session {
    pub(crate) caller: Caller,
    /// When the use of its token was last noted, in microseconds since the Unix epoch.
    noted: AtomicI64,
}

/// Finds out who makes a request.
///
/// # Errors
///
/// [`Error::Unauthenticated`] with the reason; [`Error::Denied`] for an agent token, which is
/// good, but not here.
pub(crate) async fn authenticate(app: &App, headers: &HeaderMap) -> Result<Arc<Session>> {
    session(app, bearer(headers)?).await
}

/// Finds out who makes a request, by the value of an API token or of a session.
///
/// # Errors
///
/// As [`authenticate`].
pub(crate) async fn session(app: &App, value: &str) -> Result<Arc<Session>> {
    let now = app.env.now();
    if value.starts_with(agent_token::PREFIX) {
        return Err(judge_agent_token(app, value).await?);
    }
    let hash = TokenHash::of(value);
    let Some(session) = find(app, &hash).await? else {
        return Err(explain(app, value).await?);
    };
    if let Some(end) = session.caller.expires_at.filter(|end| *end <= now) {
        return Err(Error::Unauthenticated(over(&session.caller, end)));
    }
    let last = session.noted.load(Ordering::Relaxed);
    if now.as_micros() - last >= NOTE_EVERY {
        session.noted.store(now.as_micros(), Ordering::Relaxed);
        if let Some(token) = session.caller.api_token() {
            app.usage.note(UsedToken::Api(token.clone()), now);
        }
    }
    Ok(session)
}

/// The value of the bearer token (RFC 6750 section 2.1).
///
/// # Errors
///
/// [`Error::Unauthenticated`] when there is none, or more than one.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<&str> {
    let missing =
        || Error::Unauthenticated("there is no bearer token; send the header Authorization: Bearer <token>".into());
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let first = all.next().ok_or_else(missing)?;
    if all.next().is_some() {
        return Err(Error::Unauthenticated("there is more than one Authorization header".into()));
    }
    let text = first.to_str().map_err(|_| malformed())?;
    let (scheme, value) = text.split_once(' ').unwrap_or((text, ""));
    let value = value.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || value.is_empty() {
        return Err(missing());
    }
    if value.len() > LONGEST { Err(malformed()) } else { Ok(value) }
}

/// Whoever has the live token or session of a hash, whether its time is over or not.
pub(crate) async fn find(app: &App, hash: &TokenHash) -> Result<Option<Arc<Session>>> {
    let read = async |db| {
        let caller = callers::authenticate(&db, hash).await?;
        Ok(caller.map(|caller| Session { caller, noted: AtomicI64::new(0) }))
    };
    app.sessions.get(&app.store, hash, read).await
}

/// What to tell a caller whose time is over.
fn over(caller: &Caller, end: Time) -> String {
    match &caller.credential {
        Credential::ApiToken(id) => {
            format!("the API token {} ({id}) expired at {end}; create a new one, or rotate it", caller.name)
        }
        Credential::Session(_) => format!("the session of {} ended at {end}; log in again", caller.name),
    }
}

/// Why a value that no live token has is not good.
async fn explain(app: &App, value: &str) -> Result<Error> {
    if value.starts_with(session::PREFIX) {
        return Ok(Error::Unauthenticated("there is no such session, or it was ended; log in again".into()));
    }
    if value.starts_with(PlainRefreshToken::PREFIX) {
        let text = "a refresh token opens nothing; get a session for it";
        return Ok(Error::Unauthenticated(text.into()));
    }
    let id = match api_token::examine(&app.keys, value) {
        Stale::Malformed => return Ok(malformed()),
        Stale::NotOurs => {
            return Ok(Error::Unauthenticated(
                "the API token's signature is wrong: this server did not issue it, or it was altered on its way".into(),
            ));
        }
        Stale::Issued(id) => id,
    };
    Ok(Error::Unauthenticated(match api_tokens::fate(&app.store.read().await?, &id).await? {
        api_tokens::Fate::Deleted(at) => format!("the API token {id} was deleted at {at}"),
        api_tokens::Fate::Rotated(Some(at)) => {
            format!("this value of the API token {id} was replaced; the token was last rotated at {at}")
        }
        api_tokens::Fate::Rotated(None) | api_tokens::Fate::Unknown => {
            format!("the API token {id} is unknown; the database may have been restored from before it was made")
        }
    }))
}

fn malformed() -> Error {
    Error::Unauthenticated(
        "the bearer token is malformed: it is no API token (a JWT), no session and no agent token".into(),
    )
}

/// What to tell the holder of an agent token that calls this API.
async fn judge_agent_token(app: &App, value: &str) -> Result<Error> {
    match verify::bearer(app, value).await {
        Ok(_) => {
            Ok(Error::Denied("an agent token opens a Deployment's Airflow, not this API; use an API token".into()))
        }
        Err(error @ Error::Unauthenticated(_)) => Ok(error),
        Err(error) => Err(error),
    }
}
