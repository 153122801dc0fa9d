//! `POST /oauth2/revoke`: whoever has a token can end it (RFC 7009).
//!
//! Nothing else is asked for: this is for whoever finds a token where it should not be. The token
//! is deleted, by itself, as if by the API, and with the same promise: once this has answered, no
//! request that starts later is accepted. A session, or a refresh token, ends with the whole login that
//! it belongs to: this is how users log out.

use airlock_contract::{OrganizationId, SubjectId, Time, UserId, wire::SubjectType};
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
    login::{Login, end_login, end_session, holder_of_session, login_of_refresh_token, login_of_session},
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
    /// A session without a login, and whose it is.
    Session(TokenHash, (UserId, String, OrganizationId)),
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
            if let Some(login) = login_of_session(&db, &hash).await? {
                return Ok(Some(Self::Login(login)));
            }
            return Ok(holder_of_session(&db, &hash).await?.map(|holder| Self::Session(hash, holder)));
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

impl Held {
    /// Ends it.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] when it has ended already; those of the database.
    async fn end(&self, w: &Writing, now: Time) -> Result<Ended> {
        let gone = || Error::NotFound("token".into());
        match self {
            Self::Agent(held) => {
                let token = agent_tokens::revoke(w, held, now).await?.ok_or_else(gone)?;
                Ok(Ended::token("agentToken", held.id().clone().into(), token.name, token.organization))
            }
            Self::Api(hash) => {
                let holder = api_tokens::revoke(w, hash, now).await?.ok_or_else(gone)?;
                Ok(Ended::token("apiToken", holder.id, holder.name, holder.organization))
            }
            Self::Login(login) => {
                let is_ended = end_login(w, &login.id, now).await?;
                let entity = ("login", login.id.as_str().to_owned());
                is_ended.then(|| Ended::of(&login.user, &login.username, &login.organization, entity)).ok_or_else(gone)
            }
            Self::Session(hash, (user, username, organization)) => {
                let is_ended = end_session(w, hash).await?;
                let entity = ("user", user.to_string());
                is_ended.then(|| Ended::of(user, username, organization, entity)).ok_or_else(gone)
            }
        }
    }
}

impl Ended {
    fn token(kind: &'static str, id: SubjectId, name: String, organization: OrganizationId) -> Self {
        let entity = (kind, id.to_string());
        Self { subject: (SubjectType::ServiceKey, id, name), organization, entity }
    }

    /// Something of a user.
    fn of(user: &UserId, username: &str, organization: &OrganizationId, entity: (&'static str, String)) -> Self {
        let subject = (SubjectType::User, user.clone().into(), username.to_owned());
        Self { subject, organization: organization.clone(), entity }
    }

    /// The record with what was ended.
    fn record(self, entry: Entry) -> Entry {
        let (kind, id, name) = self.subject;
        Entry {
            outcome: Outcome::Changed,
            organization: Some(self.organization),
            subject_id: Some(id),
            subject_type: Some(kind),
            subject_name: Some(name),
            entity_type: Some(self.entity.0.into()),
            entity_id: Some(self.entity.1),
            status: 200,
            ..entry
        }
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
        let ended = self.held.end(w, now).await?;
        Ok(((), ended.record(record::of(self.app, self.parts, OPERATION, now))))
    }
}
