//! Who of the provider's users is who here.
//!
//! At the first time a user is found by the e-mail address; then by what the provider calls it, which
//! it never gives to somebody else (OpenID Connect Core section 5.7).

use airlock_contract::{OrganizationId, TeamId, UserId, wire::text};
use airlock_core::{Error, Result, session::PlainCode};
use airlock_store::{
    Stamp, Writing,
    audit::{Entry, Outcome},
    bootstrap::{SYSTEM, organizations},
    login::{
        Identity, NewCode, add_user, bind_identity, keep_code, keep_in_teams, lock_organization, locked_user,
        user_anywhere, user_of_identity,
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
        authorize::{OPERATION, go, note_refusal},
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
    let admitted = async {
        let claims = Claims::read(&provider.settings, claims)?;
        let identity = Identity { issuer: &provider.settings.issuer, subject: claims.subject };
        let known = known(app, &identity, claims.email).await?;
        if let Some(user) = &known {
            allow_list::admit(app, &user.organization, parts).await?;
        }
        change::commit(app, &Arrival { app, parts, settings: &provider.settings, asked, claims, identity, code: &code })
            .await
    };
    if let Err(error) = admitted.await {
        note_refusal(app, parts, None, &error);
        return Err(error);
    }
    Ok(go(asked.destination.with_code(code.expose())?))
}

async fn known(app: &App, identity: &Identity<'_>, email: &str) -> Result<Option<User>> {
    let db = app.store.read().await?;
    Ok(match user_of_identity(&db, identity).await? {
        Some(user) => Some(user),
        None => user_anywhere(&db, email).await?,
    })
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
            for name in keep_in_teams(w, &user, &named, now).await? {
                tracing::warn!(
                    team = name,
                    "a group of the identity provider has the name of a team that is managed here; nobody is added to it"
                );
            }
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

impl Arrival<'_> {
    /// The user, whom nobody else changes until this is committed.
    async fn user(&self, w: &Writing) -> Result<User> {
        let email = self.claims.email;
        let gone = || Error::Denied("the account was removed a moment ago".into());
        if let Some(user) = user_of_identity(w, &self.identity).await? {
            lock_organization(w, &user.organization).await?;
            return locked_user(w, &user.id).await?.ok_or_else(gone);
        }
        let id = match user_anywhere(w, email).await? {
            Some(user) => {
                lock_organization(w, &user.organization).await?;
                user.id
            }
            None if self.settings.join => self.join(w).await?,
            None => {
                let text = format!(
                    "nobody with the address {email} is known here; ask an Owner of the Organization for an invite"
                );
                return Err(Error::Denied(text));
            }
        };
        let user = locked_user(w, &id).await?.ok_or_else(gone)?;
        if !bind_identity(w, &self.identity, &user).await? {
            let text = format!("the address {email} belongs to another account of the identity provider");
            return Err(Error::Denied(text));
        }
        Ok(user)
    }

    /// A new member of the one Organization that there is.
    async fn join(&self, w: &Writing) -> Result<UserId> {
        let all = organizations(w).await?;
        let [(organization, _)] = all.as_slice() else {
            return Err(Error::Denied("there is more than one Organization; ask for an invite to yours".into()));
        };
        let organization: &OrganizationId = organization;
        lock_organization(w, organization).await?;
        let id: UserId = self.app.env.new_id();
        let stamp = Stamp { at: self.app.env.now(), by: SYSTEM.into() };
        add_user(w, organization, &id, self.claims.email, "ORGANIZATION_MEMBER", &stamp).await?;
        Ok(id)
    }
}
