//! `POST /oauth2/oauth/token`: a session for an authorization code, or for a refresh token.

use airlock_contract::{Method, OrganizationId, Time, UserId, wire::SubjectType};
use airlock_core::{
    Error, Result,
    api_token::TokenHash,
    login::pkce,
    policy::Credential,
    session::{PlainCode, PlainRefreshToken, PlainSession},
};
use airlock_store::{
    Writing,
    audit::{Entry, Outcome},
    login::{
        Code, Login, LoginId, NewLogin, code, end_login, keep_login, keep_newest_sessions, locked_user,
        login_of_refresh_token, mark_used, open_session, redeem_code,
    },
};
use axum::{
    extract::{Request, State},
    http::{StatusCode, request::Parts},
    response::Response,
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::{CLIENT, SCOPES};
use crate::{
    App, allow_list,
    change::{self, Change},
    form::Form,
    oauth2, record,
};

/// For how many seconds a session is good; then it is renewed.
const SESSION: i64 = 3600;

/// How many sessions a login has at the most: then the oldest one ends. A program has one or two, for each
/// is renewed within its last five minutes.
const SESSIONS: u32 = 16;

/// What the audit log calls what is done here.
const OPEN: &str = "OpenSession";
const RENEW: &str = "RenewSession";
const END: &str = "EndSession";

const USED_TWICE: &str = "the code was used before; the login that it was used for was ended";

/// What a client gets.
struct Tokens {
    session: PlainSession,
    refresh: SecretString,
    expires_in: i64,
}

/// Why it gets nothing: an error of RFC 6749 section 5.2, or a fault of ours.
enum Refused {
    Grant(&'static str, String),
    Fault(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Fault(error)
    }
}

fn invalid_grant<T>(why: impl Into<String>) -> Result<T, Refused> {
    Err(Refused::Grant("invalid_grant", why.into()))
}

pub(super) async fn token(State(app): State<App>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let granted = async {
        let form = Form::read(&parts.headers, body).await?;
        grant(&app, &parts, &form).await
    };
    match granted.await {
        Ok(tokens) => oauth2::answer(tokens.json()),
        Err(Refused::Grant(code, why)) => oauth2::problem(StatusCode::BAD_REQUEST, code, &why),
        Err(Refused::Fault(error)) => oauth2::refuse(&parts, &error),
    }
}

impl Tokens {
    fn new(app: &App, session: PlainSession, refresh: &str, end: Time) -> Self {
        let expires_in = end.as_seconds() - app.env.now().as_seconds();
        Self { session, refresh: refresh.to_owned().into(), expires_in }
    }

    fn json(&self) -> String {
        json!({
            "access_token": self.session.expose(),
            "refresh_token": self.refresh.expose_secret(),
            "token_type": "Bearer",
            "expires_in": self.expires_in,
            "scope": SCOPES.join(" "),
        })
        .to_string()
    }
}

async fn grant(app: &App, parts: &Parts, form: &Form) -> Result<Tokens, Refused> {
    let kind = form.need("grant_type")?;
    let client = form.need("client_id")?;
    if client != CLIENT {
        return Err(Refused::Grant(
            "invalid_client",
            format!("the client_id is unknown; the one of this server is {CLIENT}"),
        ));
    }
    match kind {
        "authorization_code" => redeem(app, parts, form).await,
        "refresh_token" => refresh(app, parts, form).await,
        _ => Err(Refused::Grant(
            "unsupported_grant_type",
            "the grant_type must be authorization_code or refresh_token".into(),
        )),
    }
}

/// A login for a code.
async fn redeem(app: &App, parts: &Parts, form: &Form) -> Result<Tokens, Refused> {
    let (value, verifier, uri) = (form.need("code")?, form.need("code_verifier")?, form.need("redirect_uri")?);
    let hash = TokenHash::of(value);
    // Looked at first without keeping anybody who writes waiting: most of what may come is nonsense.
    let found = if value.starts_with(PlainCode::PREFIX) { code(&app.store.read().await?, &hash).await? } else { None };
    let Some(found) = found else { return invalid_grant("the code is unknown, or has ended") };
    let about = About {
        app,
        parts,
        operation: OPEN,
        user: &found.user,
        username: &found.username,
        organization: &found.organization,
    };
    if let Some(fault) = fault_of_code(app, &found, verifier, uri) {
        return about.refuse(fault);
    }
    about.count()?;
    about.admit().await?;
    open(&about, &found, hash).await
}

/// Why a code is not taken from who brings it, if it is not. It stays good, or what was opened for it
/// does: whoever has caught it cannot use it, nor keep its owner from it. One that was used once goes on,
/// for it is used up for a second time.
fn fault_of_code(app: &App, found: &Code, verifier: &str, uri: &str) -> Option<&'static str> {
    if found.client != CLIENT {
        Some("the code was given to another client")
    } else if found.redirect_uri != uri {
        Some("the redirect_uri is not the one that the code was sent to")
    } else if !pkce::proves(verifier, &found.challenge) {
        Some("the code_verifier is not the one that the code was asked for with")
    } else if found.login.is_none() && found.end_at <= app.env.now() {
        Some("the code is unknown, or has ended")
    } else {
        None
    }
}

/// Opens a login for a code that is good.
async fn open(about: &About<'_>, found: &Code, hash: TokenHash) -> Result<Tokens, Refused> {
    let (app, parts) = (about.app, about.parts);
    let (session, refresh) = (PlainSession::new(&app.env), PlainRefreshToken::new(&app.env));
    let id = LoginId::new(&app.env);
    let redemption = Redemption { app, parts, hash, id, session: &session, refresh: &refresh, found };
    match change::commit(app, &redemption).await {
        Ok(Some(end)) => Ok(Tokens::new(app, session, refresh.expose(), end)),
        Ok(None) => invalid_grant(USED_TWICE),
        Err(Error::Denied(why)) => about.refuse(&why),
        Err(error) => Err(error.into()),
    }
}

/// A code that somebody brings with the right proof, or for the second time.
struct Redemption<'a> {
    app: &'a App,
    parts: &'a Parts,
    hash: TokenHash,
    found: &'a Code,
    id: LoginId,
    session: &'a PlainSession,
    refresh: &'a PlainRefreshToken,
}

impl Change for Redemption<'_> {
    /// When the session ends; absent when the code had been used, and what was opened for it was
    /// ended (RFC 6749 section 4.1.2).
    type Output = Option<Time>;

    async fn make(&self, w: &Writing) -> Result<(Option<Time>, Entry)> {
        let now = self.app.env.now();
        let gone = || Error::Denied("the code is unknown, or has ended".into());
        // From here on nobody else changes what this user has signed in to.
        let user = locked_user(w, &self.found.user).await?.ok_or_else(gone)?;
        let found = code(w, &self.hash).await?.ok_or_else(gone)?;
        if let Some(login) = found.login {
            if !end_login(w, &login, now).await? {
                return Err(Error::Denied("the code was used before; the login that it was used for has ended".into()));
            }
            let entry = record::of_user(record::of(self.app, self.parts, END, now), &user);
            return Ok((None, Entry { status: 400, reason: Some(USED_TWICE.into()), ..about_login(entry, &login) }));
        }
        let end_at = now.plus_days(self.app.settings.login.session_days);
        let login = NewLogin {
            id: &self.id,
            user: &user.id,
            client: CLIENT,
            refresh_hash: &self.refresh.hash(),
            at: now,
            end_at,
        };
        keep_login(w, &login).await?;
        if !redeem_code(w, &self.hash, &self.id).await? {
            return Err(Error::Busy("a code was redeemed at the same time".into()));
        }
        let end = now.plus_seconds(SESSION).min(end_at);
        open_session(w, &user.id, Some(&self.id), &self.session.hash(), end).await?;
        let entry = record::of_user(record::of(self.app, self.parts, OPEN, now), &user);
        Ok((Some(end), about_login(entry, &self.id)))
    }
}

/// Another session for a refresh token, which stays the same.
async fn refresh(app: &App, parts: &Parts, form: &Form) -> Result<Tokens, Refused> {
    let value = form.need("refresh_token")?;
    let hash = TokenHash::of(value);
    let is_one = value.starts_with(PlainRefreshToken::PREFIX);
    let found = if is_one { login_of_refresh_token(&app.store.read().await?, &hash).await? } else { None };
    let Some(login) = found else { return invalid_grant("the refresh token is unknown, or has ended long ago") };
    let about = About {
        app,
        parts,
        operation: RENEW,
        user: &login.user,
        username: &login.username,
        organization: &login.organization,
    };
    if let Some(fault) = fault(app, &login) {
        return about.refuse(&fault);
    }
    about.count()?;
    about.admit().await?;
    let session = PlainSession::new(&app.env);
    match change::commit(app, &Renewal { app, parts, login: &login, session: &session }).await {
        Ok(end) => Ok(Tokens::new(app, session, value, end)),
        Err(Error::Denied(why)) => about.refuse(&why),
        Err(error) => Err(error.into()),
    }
}

/// Why a login gives no more sessions, if it does not.
fn fault(app: &App, login: &Login) -> Option<String> {
    let now = app.env.now();
    let idle_days = app.settings.login.session_idle_days;
    if login.client != CLIENT {
        Some("the refresh token belongs to another client".into())
    } else if let Some(at) = login.ended_at {
        Some(format!("the login was ended at {at}; log in again"))
    } else if login.end_at <= now {
        Some(format!("the login ended at {}; log in again", login.end_at))
    } else if login.used_at.plus_days(idle_days) <= now {
        Some(format!("the login was not used for {idle_days} days, and has ended; log in again"))
    } else {
        None
    }
}

/// A refresh token that somebody brings.
struct Renewal<'a> {
    app: &'a App,
    parts: &'a Parts,
    login: &'a Login,
    session: &'a PlainSession,
}

impl Change for Renewal<'_> {
    type Output = Time;

    async fn make(&self, w: &Writing) -> Result<(Time, Entry)> {
        let now = self.app.env.now();
        let ended = || Error::Denied("the login was ended a moment ago; log in again".into());
        let user = locked_user(w, &self.login.user).await?.ok_or_else(ended)?;
        if !mark_used(w, self.login, now).await? {
            return Err(ended());
        }
        keep_newest_sessions(w, &self.login.id, SESSIONS - 1, now).await?;
        let end = now.plus_seconds(SESSION).min(self.login.end_at);
        open_session(w, &user.id, Some(&self.login.id), &self.session.hash(), end).await?;
        let entry = record::of_user(record::of(self.app, self.parts, RENEW, now), &user);
        Ok((end, about_login(entry, &self.login.id)))
    }
}

fn about_login(entry: Entry, login: &LoginId) -> Entry {
    Entry {
        outcome: Outcome::Changed,
        entity_type: Some("login".into()),
        entity_id: Some(login.as_str().into()),
        status: 200,
        ..entry
    }
}

/// Whose code or refresh token it is, and what it is brought for.
struct About<'a> {
    app: &'a App,
    parts: &'a Parts,
    operation: &'a str,
    user: &'a UserId,
    username: &'a str,
    organization: &'a OrganizationId,
}

impl About<'_> {
    /// Counts the call, as one of the user's to the API. Only what is good counts: whoever has something
    /// that has ended cannot use up the user's calls.
    fn count(&self) -> Result<(), Refused> {
        Ok(self.app.limits.count(Method::Post, &Credential::Session(self.user.clone()))?)
    }

    /// Demands that the Organization lets the address in that the request comes from. What is brought
    /// stays good, so a client must not throw it away: this is no `invalid_grant`.
    async fn admit(&self) -> Result<(), Refused> {
        match allow_list::admit(self.app, self.organization, self.parts).await {
            Err(Error::Denied(why)) => {
                self.note(&why);
                Err(Refused::Grant("access_denied", why))
            }
            other => other.map_err(Refused::Fault),
        }
    }

    /// Refuses what is brought, and notes it.
    fn refuse<T>(&self, why: &str) -> Result<T, Refused> {
        self.note(why);
        invalid_grant(why)
    }

    /// Notes a refusal for the audit log: somebody may have what is not theirs.
    fn note(&self, why: &str) {
        let entry = record::of(self.app, self.parts, self.operation, self.app.env.now());
        self.app.refusals.note(Entry {
            organization: Some(self.organization.clone()),
            subject_id: Some(self.user.clone().into()),
            subject_type: Some(SubjectType::User),
            subject_name: Some(self.username.to_owned()),
            status: 400,
            reason: Some(why.to_owned()),
            ..entry
        });
    }
}
