//! `POST /oauth2/revoke`: whoever has a token can end it (RFC 7009).
//!
//! Nothing else is asked for: this is for whoever finds a token where it should not be. The token
//! is deleted, by itself, as if by the API, and with the same promise: once this has answered, no
//! request that starts later is accepted.

use airlock_contract::{OrganizationId, SubjectId, wire::SubjectType};
use airlock_core::{
    Error, Result,
    agent_token::{self, HeldAgentToken},
    api_token::{self, Stale, TokenHash},
};
use airlock_store::{
    Writing, agent_tokens, api_tokens,
    audit::{Entry, Outcome},
    callers,
};
use axum::{
    extract::{Request, State},
    http::request::Parts,
    response::{IntoResponse, Response},
};
use secrecy::ExposeSecret;

use crate::{
    App,
    change::{self, Change},
    record,
};

/// What the audit log calls this.
const OPERATION: &str = "RevokeToken";

pub(crate) async fn revoke(State(app): State<App>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let revoked = async {
        let token = super::token_of(&parts.headers, body).await?;
        let Some(held) = Held::of(&app, token.expose_secret()).await? else { return Ok(()) };
        change::commit(&app, &Revocation { app: &app, parts: &parts, held }).await
    };
    match revoked.await {
        // What is not good needs no revocation, and is no error (RFC 7009 section 2.2).
        Ok(()) | Err(Error::NotFound(_)) => [("cache-control", "no-store")].into_response(),
        Err(error) => super::refuse(&parts, &error),
    }
}

/// A token of ours whose value somebody has presented. It may have ended already; then the answer
/// is as good as the one to whoever ended it, and waits for as much.
enum Held {
    Agent(HeldAgentToken),
    Api(TokenHash),
}

impl Held {
    /// Looks, without keeping anybody who writes waiting: most of what may come here is nonsense.
    async fn of(app: &App, value: &str) -> Result<Option<Self>> {
        let db = app.store.read().await?;
        if !value.starts_with(agent_token::PREFIX) {
            let hash = TokenHash::of(value);
            let is_ours = callers::with_api_token(&db, &hash).await?.is_some()
                || matches!(api_token::examine(&app.keys, value), Stale::Issued(_));
            return Ok(is_ours.then_some(Self::Api(hash)));
        }
        let Some(id) = agent_token::parse(value) else { return Ok(None) };
        let judged = agent_tokens::judge(&db, &id).await?;
        let derived = judged.filter(|judged| judged.public_key.is_none());
        Ok(derived.and_then(|token| HeldAgentToken::prove(&app.keys, value, &token.stored)).map(Self::Agent))
    }
}

/// A token that is being ended by its holder.
struct Revocation<'a> {
    app: &'a App,
    parts: &'a Parts,
    held: Held,
}

impl Change for Revocation<'_> {
    type Output = ();

    async fn make(&self, w: &Writing) -> Result<((), Entry)> {
        let now = self.app.env.now();
        let gone = || Error::NotFound("token".into());
        let (kind, id, name, organization): (_, SubjectId, String, OrganizationId) = match &self.held {
            Held::Agent(held) => {
                let token = agent_tokens::revoke(w, held, now).await?.ok_or_else(gone)?;
                ("agentToken", held.id().clone().into(), token.name, token.organization)
            }
            Held::Api(hash) => {
                let holder = api_tokens::revoke(w, hash, now).await?.ok_or_else(gone)?;
                ("apiToken", holder.id, holder.name, holder.organization)
            }
        };
        let entry = Entry {
            outcome: Outcome::Changed,
            organization: Some(organization),
            subject_id: Some(id.clone()),
            subject_type: Some(SubjectType::ServiceKey),
            subject_name: Some(name),
            entity_type: Some(kind.into()),
            entity_id: Some(id.to_string()),
            status: 200,
            ..record::of(self.app, self.parts, OPERATION, now)
        };
        Ok(((), entry))
    }
}
