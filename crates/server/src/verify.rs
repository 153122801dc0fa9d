//! Whether an agent token is good: for the gate, for introspection, and for proxies that ask.

use airlock_contract::Time;
use airlock_core::{
    Error, Result,
    agent_token::{self, PlainAgentToken},
};
use airlock_store::{agent_tokens, live_tokens::LiveToken, upkeep::UsedToken};

use crate::App;

/// Verifies the value of an agent token, and notes that it was used.
///
/// # Errors
///
/// [`Error::Unauthenticated`] with the reason, which only the holder of a value that this server
/// issued learns more of than "not good"; [`Error::Busy`] when nobody can say now.
pub(crate) async fn bearer(app: &App, value: &str) -> Result<LiveToken> {
    let now = app.env.now();
    let Some(id) = agent_token::parse(value) else {
        return Err(Error::Unauthenticated(
            "the agent token is malformed: its checksum is wrong, so it was cut off or mistyped".into(),
        ));
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
pub(crate) fn refuse_ended(token: &LiveToken, now: Time) -> Result<()> {
    match token.end_at.filter(|end| *end <= now) {
        Some(end) => Err(Error::Unauthenticated(format!("the agent token {} expired at {end}", token.id))),
        None => Ok(()),
    }
}

/// Why a value that no live token has is not good.
async fn explain(app: &App, id: &airlock_contract::AgentTokenId, value: &str) -> Result<Error> {
    let Some(judged) = agent_tokens::judge(&app.store.read().await?, id).await? else { return Ok(not_issued()) };
    let is_genuine = PlainAgentToken::derive(&app.keys, id, &judged.stored).is_some_and(|genuine| genuine.is(value));
    Ok(match judged.deleted_at {
        Some(at) if is_genuine => Error::Unauthenticated(format!("the agent token {id} was deleted at {at}")),
        _ => not_issued(),
    })
}

fn not_issued() -> Error {
    Error::Unauthenticated("the agent token is not good: this server did not issue it".into())
}
