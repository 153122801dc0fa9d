//! `POST /oauth2/revoke`: whoever has a token can end it (RFC 7009).
//!
//! Nothing else is asked for: this is for whoever finds a token where it should not be. The token
//! is deleted, by itself, as if by the API, and with the same promise: once this has answered, no
//! request that starts later is accepted. A session, or a refresh token, ends with the whole login that
//! it belongs to: this is how users log out.

use airlock_contract::{OrganizationId, SubjectId, UserId, wire::SubjectType};
use airlock_core::{
    Error, Result,
    agent_token::{self, HeldAgentToken},
    api_token::{self, Stale, TokenHash},
    session::{PlainRefreshToken, PlainSession},
};
use airlock_store::{
    Writing, agent_tokens, api_tokens,
    audit::{Entry, Outcome},
    callers,
    login::{Login, end_login, end_session, login_of_refresh_token, login_of_session},
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
    /// A session of this login, or its refresh token.
    Login(Login),
    /// A session without a login.
    Session(TokenHash),
}

impl Held {
    /// Looks, without keeping anybody who writes waiting: most of what may come here is nonsense.
    async fn of(app: &App, value: &str) -> Result<Option<Self>> {
        let db = app.store.read().await?;
        if value.starts_with(PlainRefreshToken::PREFIX) {
            return Ok(login_of_refresh_token(&db, &TokenHash::of(value)).await?.map(Self::Login));
        }
        if value.starts_with(PlainSession::PREFIX) {
            let hash = TokenHash::of(value);
            return Ok(Some(login_of_session(&db, &hash).await?.map_or(Self::Session(hash), Self::Login)));
        }
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

/// What was ended, and whose it was.
struct Ended {
    subject: (SubjectType, SubjectId, String),
    organization: OrganizationId,
    entity: (&'static str, String),
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
        let of_token = |kind, id: SubjectId, name, organization| Ended {
            subject: (SubjectType::ServiceKey, id.clone(), name),
            organization,
            entity: (kind, id.to_string()),
        };
        let of_user = |user: UserId, name, organization, kind, id| Ended {
            subject: (SubjectType::User, user.into(), name),
            organization,
            entity: (kind, id),
        };
        let ended = match &self.held {
            Held::Agent(held) => {
                let token = agent_tokens::revoke(w, held, now).await?.ok_or_else(gone)?;
                of_token("agentToken", held.id().clone().into(), token.name, token.organization)
            }
            Held::Api(hash) => {
                let holder = api_tokens::revoke(w, hash, now).await?.ok_or_else(gone)?;
                of_token("apiToken", holder.id, holder.name, holder.organization)
            }
            Held::Login(login) => {
                if !end_login(w, &login.id, now).await? {
                    return Err(gone());
                }
                let Login { id, user, username, organization, .. } = login.clone();
                of_user(user, username, organization, "login", id.as_str().to_owned())
            }
            Held::Session(hash) => {
                let (user, username, organization) = end_session(w, hash).await?.ok_or_else(gone)?;
                let id = user.to_string();
                of_user(user, username, organization, "user", id)
            }
        };
        let (kind, id, name) = ended.subject;
        let entry = Entry {
            outcome: Outcome::Changed,
            organization: Some(ended.organization),
            subject_id: Some(id),
            subject_type: Some(kind),
            subject_name: Some(name),
            entity_type: Some(ended.entity.0.into()),
            entity_id: Some(ended.entity.1),
            status: 200,
            ..record::of(self.app, self.parts, OPERATION, now)
        };
        Ok(((), entry))
    }
}
