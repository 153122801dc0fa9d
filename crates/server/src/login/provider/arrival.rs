//! Who of the provider's users is who here.
//!
//! At the first time a user is found by the e-mail address; then by what the provider calls it, which
//! it never gives to somebody else (OpenID Connect Core section 5.7).

use airlock_contract::{
    OrganizationId, TeamId, Time, UserId,
    wire::{UserStatus, text},
};
use airlock_core::{Error, Result, session::PlainCode};
use airlock_store::{
    Reads, Stamp, Writing,
    audit::{Entry, Outcome},
    bootstrap::{SYSTEM, organizations},
    login::{
        Differing, Identity, NewCode, add_user, bind_identity, invite_end, keep_code, keep_in_teams, lock_organization,
        locked_user, user_of_identity, users_anywhere,
    },
    users::User,
};
use axum::{
    http::{StatusCode, request::Parts},
    response::Response,
};
use serde_json::{Map, Value};

use super::Provider;
use crate::{
    App, allow_list,
    change::{self, Change},
    login::{
        CLIENT, CODE,
        authorize::{OPERATION, Whom, go, note_refusal},
        request::AuthorizationRequest,
        sign_in,
    },
    record,
    settings::OidcSettings,
};

/// How many groups of a user count.
const GROUPS: usize = 200;

/// Lets a user in, as the provider has described it, and gives the program its code.
///
/// # Errors
///
/// [`Error::Denied`] when it is nobody who may come in; those of the database.
pub(super) async fn arrive(
    app: &App,
    parts: &Parts,
    provider: &Provider,
    asked: &AuthorizationRequest,
    claims: &Map<String, Value>,
) -> Result<Response> {
    let code = PlainCode::new(&app.env);
    let settings = &provider.settings;
    let mut known = None;
    let admitted = async {
        let claims = Claims::read(settings, claims)?;
        let identity = Identity { issuer: &settings.issuer, subject: claims.subject };
        known = find(&app.store.read().await?, &identity, claims.email, app.env.now()).await?;
        let organization = match &known {
            Some(user) => user.organization.clone(),
            None if settings.join => the_one(app).await?.ok_or_else(|| {
                Error::Denied("there is more than one Organization; ask for an invite to yours".into())
            })?,
            None => return Err(unknown(claims.email)),
        };
        allow_list::admit(app, &organization, parts).await?;
        let arrival = Arrival { app, parts, settings, asked, claims, identity, organization, code: &code };
        change::commit(app, &arrival).await
    };
    if let Err(error) = admitted.await {
        note(app, parts, known.as_ref(), &error).await;
        return Err(error);
    }
    Ok(go(asked.destination.with_code(code.expose())?))
}

/// Notes who did not come in. Somebody whom no Organization knows is noted for the one there is.
pub(super) async fn note(app: &App, parts: &Parts, known: Option<&User>, error: &Error) {
    let organization = match known {
        Some(user) => Some(user.organization.clone()),
        None => the_one(app).await.ok().flatten(),
    };
    let whom = Whom { organization: organization.as_ref(), user: known.map(|user| &user.id) };
    note_refusal(app, parts, whom, error);
}

/// The Organization, if there is only one.
async fn the_one(app: &App) -> Result<Option<OrganizationId>> {
    let mut all = organizations(&app.store.read().await?).await?;
    Ok(if all.len() == 1 { all.pop().map(|(id, _)| id) } else { None })
}

fn unknown(email: &str) -> Error {
    Error::Denied(format!(
        "nobody with the address {email} is known here; ask an Owner of the Organization for an invite"
    ))
}

/// Who has come: the user whom the provider calls so, otherwise the one of the e-mail address.
async fn find(db: &impl Reads, identity: &Identity<'_>, email: &str, now: Time) -> Result<Option<User>> {
    match user_of_identity(db, identity).await? {
        Some(user) => Ok(Some(user)),
        None => of_address(db, email, now).await,
    }
}

/// The user of an e-mail address. Where several Organizations have one, it is the one who is active, or
/// else the one whose invite has not ended.
async fn of_address(db: &impl Reads, email: &str, now: Time) -> Result<Option<User>> {
    let mut all = users_anywhere(db, email).await?;
    if all.len() < 2 {
        return Ok(all.pop());
    }
    let (mut active, mut invited, mut ended) = (Vec::new(), Vec::new(), Vec::new());
    for user in all {
        if user.status != UserStatus::Pending {
            active.push(user);
        } else if invite_end(db, &user).await?.is_none_or(|end| end > now) {
            invited.push(user);
        } else {
            ended.push(user);
        }
    }
    let mut found = [active, invited, ended].into_iter().find(|users| !users.is_empty()).unwrap_or_default();
    if found.len() > 1 {
        return Err(Error::Denied(format!("the address {email} is that of a user of more than one Organization")));
    }
    Ok(found.pop())
}

/// What is used of what the provider says.
struct Claims<'a> {
    subject: &'a str,
    email: &'a str,
    /// The groups, if the provider is to say who is in which team.
    groups: Option<Vec<&'a str>>,
}

impl<'a> Claims<'a> {
    fn read(settings: &OidcSettings, claims: &'a Map<String, Value>) -> Result<Self> {
        let refuse = |why: String| Err(Error::Denied(why));
        let said = |name: &str| claims.get(name).and_then(Value::as_str);
        let email = said("email").unwrap_or_default();
        if text::email(email, &()).is_err() {
            return refuse("the identity provider tells no e-mail address of yours".into());
        }
        // Comparing in whatever case takes some other letters for ASCII ones.
        if !email.is_ascii() {
            return refuse(format!("the address {email} has letters that are not ASCII, which is not taken here"));
        }
        // Some providers say it as a text.
        let is_verified = matches!(claims.get("email_verified"), Some(Value::Bool(true)))
            || claims.get("email_verified").and_then(Value::as_str) == Some("true");
        if !is_verified && !settings.unverified_email {
            return refuse(format!("the identity provider does not say that {email} is verified"));
        }
        let domain = email.rsplit('@').next().unwrap_or_default();
        let domains = &settings.email_domains;
        if !domains.is_empty() && !domains.iter().any(|known| known.eq_ignore_ascii_case(domain)) {
            return refuse(format!("addresses of {domain} cannot sign in here"));
        }
        // OpenID Connect Core section 5.6.2: the claim is elsewhere. So it is with Microsoft Entra ID when
        // there are many groups.
        let elsewhere = claims.get("_claim_names");
        let is_elsewhere =
            |name: &&str| !claims.contains_key(*name) && elsewhere.is_some_and(|all| all.get(*name).is_some());
        if settings.groups_claim.as_deref().filter(is_elsewhere).is_some() {
            return refuse("the identity provider does not list your groups, of which you may have too many".into());
        }
        let groups = settings.groups_claim.as_deref().map(|name| groups(claims.get(name)));
        Ok(Self { subject: said("sub").unwrap_or_default(), email, groups })
    }
}

/// The groups of a claim, as far as they can be names of teams. No claim is no group.
fn groups(claim: Option<&Value>) -> Vec<&str> {
    let listed: Vec<&Value> = match claim {
        Some(Value::Array(all)) => all.iter().collect(),
        Some(one) => vec![one],
        None => Vec::new(),
    };
    let mut names: Vec<&str> =
        listed.into_iter().filter_map(Value::as_str).filter(|name| text::short_line(name, &()).is_ok()).collect();
    names.sort_unstable();
    names.dedup();
    names.truncate(GROUPS);
    names
}

/// A user who comes from the provider.
struct Arrival<'a> {
    app: &'a App,
    parts: &'a Parts,
    settings: &'a OidcSettings,
    asked: &'a AuthorizationRequest,
    claims: Claims<'a>,
    identity: Identity<'a>,
    /// Whose users may come from there.
    organization: OrganizationId,
    code: &'a PlainCode,
}

impl Change for Arrival<'_> {
    type Output = ();

    async fn make(&self, w: &Writing) -> Result<((), Entry)> {
        let now = self.app.env.now();
        let user = self.user(w).await?;
        let stamp = Stamp { at: now, by: user.id.clone().into() };
        sign_in::arrive(w, &user, &stamp).await?;
        if let Some(groups) = &self.claims.groups {
            let named: Vec<(TeamId, &str)> = groups.iter().map(|name| (self.app.env.new_id(), *name)).collect();
            warn_of(&user, &keep_in_teams(w, &user, &named, now).await?);
        }
        let code = NewCode {
            hash: &self.code.hash(),
            user: &user.id,
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

fn warn_of(user: &User, differing: &Differing<'_>) {
    for team in &differing.managed_here {
        tracing::warn!(
            team,
            "a group of the identity provider has the name of a team that is managed here; nobody is added to it"
        );
    }
    for team in &differing.not_left {
        tracing::warn!(
            team,
            user = user.username,
            "the user is no longer in this group of the identity provider, but stays in the team as the last Owner"
        );
    }
}

impl Arrival<'_> {
    /// The user, whom nobody else changes until this is committed.
    async fn user(&self, w: &Writing) -> Result<User> {
        let (email, now) = (self.claims.email, self.app.env.now());
        // The same user may come twice at once: the second one finds what the first one has made.
        lock_organization(w, &self.organization).await?;
        let id = match find(w, &self.identity, email, now).await? {
            Some(user) if user.organization != self.organization => {
                return Err(Error::Denied("the account was changed a moment ago; start again".into()));
            }
            Some(user) => user.id,
            None if self.settings.join => self.join(w).await?,
            None => return Err(unknown(email)),
        };
        let gone = || Error::Denied("the account was removed a moment ago".into());
        let user = locked_user(w, &id).await?.ok_or_else(gone)?;
        if !bind_identity(w, &self.identity, &user).await? {
            let text = format!("the address {email} belongs to another account of the identity provider");
            return Err(Error::Denied(text));
        }
        Ok(user)
    }

    /// A new member of the Organization.
    async fn join(&self, w: &Writing) -> Result<UserId> {
        let id: UserId = self.app.env.new_id();
        let stamp = Stamp { at: self.app.env.now(), by: SYSTEM.into() };
        add_user(w, &self.organization, &id, self.claims.email, "ORGANIZATION_MEMBER", &stamp).await?;
        Ok(id)
    }
}
