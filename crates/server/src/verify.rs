//! Whether an agent token is good: for the gate, for introspection, and for proxies that ask.

use airlock_contract::Time;
use airlock_core::{
    Error, Result,
    agent_token::{self, PlainAgentToken},
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
    let is_genuine = token.public_key.is_none()
        && PlainAgentToken::derive(&app.keys, &id, &token.stored).is_some_and(|genuine| genuine.is(value));
    if !is_genuine {
        return Err(not_issued());
    }
    refuse_ended(&token, now)?;
    app.usage.note(UsedToken::Agent(id), now);
    Ok(token)
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
