//! `GET` and `POST /oauth2/authorize`: the user signs in, and the program gets a code.

use airlock_contract::{OrganizationId, UserId};
use airlock_core::{Error, Result, login::password, session::PlainCode};
use airlock_store::{
    Stamp, Writing,
    audit::{Entry, Outcome},
    login::{NewCode, Password, keep_code, locked_user, password_of_address},
};
use axum::{
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use secrecy::SecretString;

use super::{
    CLIENT, CODE, form_token,
    page::{self, Again},
    provider::flow,
    request::{AuthorizationRequest, Refused},
    sign_in::arrive,
};
use crate::{
    App, allow_list,
    change::{self, Change},
    form::Form,
    record,
    request::source_ip,
};

/// What the audit log calls this.
pub(super) const OPERATION: &str = "SignIn";

/// What is said of an unknown address as of a wrong password, and as of a network that the Organization
/// does not allow: otherwise passwords could be tried from outside.
const WRONG: &str = "The e-mail address or the password is wrong, or you cannot sign in from this network.";

/// How many bytes of what was typed are shown again: no e-mail address is longer (RFC 5321).
const LONGEST: usize = 254;

pub(super) async fn show(State(app): State<App>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let shown = async {
        let asked = AuthorizationRequest::read(&app, query(&parts))?;
        Ok(match &app.login.provider {
            Some(provider) => flow::begin(&app, provider, &parts).await?,
            None => page::sign_in(&app, &parts, &asked.destination, &Again::default())?,
        })
    };
    shown.await.unwrap_or_else(|refused| refuse(&parts, refused))
}

pub(super) async fn submit(State(app): State<App>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let answer = async {
        let asked = AuthorizationRequest::read(&app, query(&parts))?;
        if app.login.provider.is_some() {
            return Err(Error::Denied("users of this server sign in at its identity provider".into()).into());
        }
        let form = Form::read(&parts.headers, body).await?;
        answer(&app, &parts, &asked, &form).await.map_err(Refused::Here)
    };
    answer.await.unwrap_or_else(|refused| refuse(&parts, refused))
}

fn query(parts: &Parts) -> &str {
    parts.uri.query().unwrap_or_default()
}

pub(super) fn refuse(parts: &Parts, refused: Refused) -> Response {
    match refused {
        Refused::Here(error) => page::refused(parts, &error),
        Refused::There(location) => go(location),
    }
}

/// Sends the browser on, by a GET whatever this was (RFC 9700 section 4.12).
pub(super) fn go(location: HeaderValue) -> Response {
    let headers = [
        (header::LOCATION, location),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}

/// Answers to the form.
async fn answer(app: &App, parts: &Parts, asked: &AuthorizationRequest, form: &Form) -> Result<Response> {
    if !form_token::is_ours(app, &parts.headers, query(parts), form.get("form")?.unwrap_or_default()) {
        let text = "the form was open for too long, or your browser keeps no cookies for this page; start again";
        return Err(Error::Denied(text.into()));
    }
    let email = form.get("email")?.unwrap_or_default().trim();
    let from = source_ip(app, parts);
    let counted = app.login.throttle.count(from, email);
    let known = known(app, email).await?;
    if let Err(seconds) = counted {
        let error = Error::RateLimited(seconds);
        note_refusal(app, parts, Whom::of(known.as_ref()), &error);
        return Err(error);
    }
    let password = form.get("password")?.unwrap_or_default().into();
    let who = match prove(app, parts, known.as_ref(), password).await {
        Ok(who) => who,
        Err(error @ (Error::Unauthenticated(_) | Error::Denied(_))) => {
            note_refusal(app, parts, Whom::of(known.as_ref()), &error);
            return again(app, parts, asked, email);
        }
        Err(fault) => return Err(fault),
    };
    let code = PlainCode::new(&app.env);
    if let Err(error) = change::commit(app, &SignIn { app, parts, who, asked, code: &code }).await {
        note_refusal(app, parts, Whom::of(Some(who)), &error);
        return Err(error);
    }
    app.login.throttle.remember(from, email);
    Ok(go(asked.destination.with_code(code.expose())?))
}

/// The form once more, after something that was wrong.
fn again(app: &App, parts: &Parts, asked: &AuthorizationRequest, email: &str) -> Result<Response> {
    let email = &email[..email.floor_char_boundary(LONGEST)];
    let mut response = page::sign_in(app, parts, &asked.destination, &Again { fault: Some(WRONG), email })?;
    *response.status_mut() = StatusCode::FORBIDDEN;
    Ok(response)
}

/// Whose password it is to be, if there is one.
async fn known(app: &App, email: &str) -> Result<Option<Password>> {
    // What no address is, PostgreSQL need not be asked for: it has no NUL.
    if email.len() > LONGEST || email.contains('\0') {
        return Ok(None);
    }
    password_of_address(&app.store.read().await?, email).await
}

/// Demands the right password, from where the Organization allows. The work is the same, whatever of it
/// is wrong.
///
/// # Errors
///
/// [`Error::Unauthenticated`] for the password, [`Error::Denied`] for the address.
async fn prove<'a>(
    app: &App,
    parts: &Parts,
    known: Option<&'a Password>,
    password: SecretString,
) -> Result<&'a Password> {
    let admitted = match known {
        Some(known) => allow_list::admit(app, &known.organization, parts).await,
        None => Ok(()),
    };
    let is_right = is_password(app, known, password).await?;
    let who = known.filter(|_| is_right).ok_or_else(|| Error::Unauthenticated("the password is wrong".into()))?;
    admitted.map(|()| who)
}

/// Compares; where there is no password, for as long.
async fn is_password(app: &App, known: Option<&Password>, password: SecretString) -> Result<bool> {
    let hash = known.map(|known| app.keys.open(&Password::seal_of(&known.user), &known.hash)).transpose()?;
    let checks = app.metrics.password_checks();
    app.login
        .hashing
        .run(move || {
            use secrecy::ExposeSecret;
            checks.inc();
            let hash = hash.as_ref().map(|hash| hash.expose_secret().as_str());
            // A longer one would only cost more.
            let (fits, none) = (password.expose_secret().len() <= password::LONGEST, SecretString::default());
            Ok(password::is(if fits { &password } else { &none }, hash)? && fits)
        })
        .await
}

/// Whom an attempt to sign in is of, as far as that is known.
#[derive(Clone, Copy)]
pub(super) struct Whom<'a> {
    pub(super) organization: Option<&'a OrganizationId>,
    pub(super) user: Option<&'a UserId>,
}

impl<'a> Whom<'a> {
    fn of(known: Option<&'a Password>) -> Self {
        Self { organization: known.map(|known| &known.organization), user: known.map(|known| &known.user) }
    }
}

/// Notes who could not sign in. What was typed is not kept: people type passwords into the wrong field.
pub(super) fn note_refusal(app: &App, parts: &Parts, whom: Whom<'_>, error: &Error) {
    let entry = Entry {
        organization: whom.organization.cloned(),
        entity_type: whom.user.map(|_| "user".into()),
        entity_id: whom.user.map(ToString::to_string),
        ..record::of(app, parts, OPERATION, app.env.now())
    };
    match error {
        Error::RateLimited(_) => {
            let reason = Some("too many attempts to sign in".into());
            app.refusals.note(Entry { status: StatusCode::TOO_MANY_REQUESTS.as_u16().into(), reason, ..entry });
        }
        error => record::note_refusal(app, entry, error),
    }
}

/// Somebody has proved who they are.
struct SignIn<'a> {
    app: &'a App,
    parts: &'a Parts,
    who: &'a Password,
    asked: &'a AuthorizationRequest,
    code: &'a PlainCode,
}

impl Change for SignIn<'_> {
    type Output = ();

    async fn make(&self, w: &Writing) -> Result<((), Entry)> {
        let now = self.app.env.now();
        let id: &UserId = &self.who.user;
        let user = locked_user(w, id).await?;
        // The password may have been changed, or taken away, since it was compared.
        let still = password_of_address(w, &self.who.username).await?;
        let is_still = still.is_some_and(|still| still.user == *id && still.changed_at == self.who.changed_at);
        let Some(user) = user.filter(|_| is_still) else {
            return Err(Error::Denied("the account was changed a moment ago; start again".into()));
        };
        arrive(w, &user, &Stamp { at: now, by: id.clone().into() }).await?;
        let code = NewCode {
            hash: &self.code.hash(),
            user: id,
            client: CLIENT,
            redirect_uri: &self.asked.destination.redirect_uri,
            challenge: &self.asked.challenge,
            end_at: now.plus_seconds(CODE),
        };
        keep_code(w, &code).await?;
        let entry = record::of_user(record::of(self.app, self.parts, OPERATION, now), &user);
        Ok(((), Entry { outcome: Outcome::Changed, status: StatusCode::SEE_OTHER.as_u16().into(), ..entry }))
    }
}
