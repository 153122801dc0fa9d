//! Who calls, by the hash of what they call with: an API token, or the session of a user.

use airlock_contract::{ApiTokenId, OrganizationId, RoleHolderId, Time, UserId, wire::SubjectType};
use airlock_core::{
    Result,
    api_token::TokenHash,
    policy::{Caller, Credential},
};

use crate::{
    db::{Reads, params, record},
    role_bindings::{self, RoleBinding},
};

record! {
    /// A live API token, as far as its holder is concerned.
    pub struct TokenHolder {
        id: ApiTokenId = "t.id",
        name: String = "t.name",
        organization: OrganizationId = "t.organization_id",
        end_at: Option<Time> = "t.end_at",
    }
}

record! {
    /// A user with a session.
    pub struct SessionHolder {
        id: UserId = "t.id",
        username: String = "t.username",
        organization: OrganizationId = "t.organization_id",
        end_at: Time = "s.end_at",
    }
}

/// Finds who calls. Only what was not ended by anybody is found; whether its time is over is for
/// whoever asks to compare with the clock.
///
/// # Errors
///
/// Those of the database.
pub async fn authenticate(db: &impl Reads, hash: &TokenHash) -> Result<Option<Caller>> {
    match with_api_token(db, hash).await? {
        Some(caller) => Ok(Some(caller)),
        None => with_session(db, hash).await,
    }
}

/// Finds who holds a live API token.
///
/// # Errors
///
/// Those of the database.
pub async fn with_api_token(db: &impl Reads, hash: &TokenHash) -> Result<Option<Caller>> {
    let sql = format!("SELECT {} FROM api_tokens t WHERE t.hash = $1 AND t.deleted_at IS NULL", TokenHolder::COLUMNS);
    let Some(holder) = db.conn().one::<TokenHolder>(&sql, params![hash]).await? else { return Ok(None) };
    let credential = Credential::ApiToken(holder.id.clone());
    Ok(Some(Caller {
        id: holder.id.into(),
        kind: SubjectType::ServiceKey,
        name: holder.name,
        organization: holder.organization,
        bindings: role_bindings::held(db, &holders(db, &credential).await?).await?,
        credential,
        expires_at: holder.end_at,
    }))
}

async fn with_session(db: &impl Reads, hash: &TokenHash) -> Result<Option<Caller>> {
    let sql = format!(
        "SELECT {} FROM sessions s JOIN users t ON t.id = s.user_id LEFT JOIN logins l ON l.id = s.login_id \
         WHERE s.hash = $1 AND t.status = 'ACTIVE' AND l.ended_at IS NULL",
        SessionHolder::COLUMNS
    );
    let Some(holder) = db.conn().one::<SessionHolder>(&sql, params![hash]).await? else { return Ok(None) };
    let credential = Credential::Session(holder.id.clone());
    Ok(Some(Caller {
        id: holder.id.into(),
        kind: SubjectType::User,
        name: holder.username,
        organization: holder.organization,
        bindings: role_bindings::held(db, &holders(db, &credential).await?).await?,
        credential,
        expires_at: Some(holder.end_at),
    }))
}

/// The caller's roles, with those of its teams.
///
/// # Errors
///
/// Those of the database.
pub async fn roles_of(db: &impl Reads, caller: &Caller) -> Result<Vec<RoleBinding>> {
    role_bindings::of_holders(db, &holders(db, &caller.credential).await?).await
}

/// Whose roles count for a caller: its own, and those of the teams that it is in.
async fn holders(db: &impl Reads, credential: &Credential) -> Result<Vec<RoleHolderId>> {
    let user = match credential {
        Credential::ApiToken(token) => return Ok(vec![token.clone().into()]),
        Credential::Session(user) => user,
    };
    let sql = "SELECT team_id FROM team_members WHERE user_id = $1 ORDER BY team_id";
    let teams: Vec<(RoleHolderId,)> = db.conn().all(sql, params![user]).await?;
    let own = RoleHolderId::from(user.clone());
    Ok(std::iter::once(own).chain(teams.into_iter().map(|(team,)| team)).collect())
}
