//! Logins: what refresh tokens stand for, with the sessions that were opened for them.

use airlock_contract::{OrganizationId, SubjectId, Time, UserId};
use airlock_core::{Env, Result, api_token::TokenHash};

use crate::{
    Writing,
    db::{Column, Reads, Row, params, record, sealed::Sealed},
};

/// The id of a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginId(SubjectId);

impl LoginId {
    /// A new one.
    pub fn new(env: &Env) -> Self {
        Self(env.new_id())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl Column for LoginId {
    fn take(row: &mut Row<'_>) -> Result<Self> {
        Ok(Self(row.take()?))
    }
}

impl Column for Option<LoginId> {
    fn take(row: &mut Row<'_>) -> Result<Self> {
        let id: Option<SubjectId> = row.take()?;
        Ok(id.map(LoginId))
    }
}

/// A login that begins.
#[derive(Debug)]
pub struct NewLogin<'a> {
    /// Its id.
    pub id: &'a LoginId,
    /// Whose.
    pub user: &'a UserId,
    /// With which client.
    pub client: &'a str,
    /// The hash of the refresh token.
    pub refresh_hash: &'a TokenHash,
    /// When it begins.
    pub at: Time,
    /// When it ends at the latest.
    pub end_at: Time,
}

record! {
    /// A login.
    pub struct Login {
        /// Its id.
        pub id: LoginId = "l.id",
        /// Whose.
        pub user: UserId = "l.user_id",
        /// The user's e-mail address.
        pub username: String = "u.username",
        /// The Organization that the user belongs to.
        pub organization: OrganizationId = "u.organization_id",
        /// With which client.
        pub client: String = "l.client_id",
        /// When its refresh token was last used.
        pub used_at: Time = "l.used_at",
        /// When it ends at the latest.
        pub end_at: Time = "l.end_at",
        /// When it was ended.
        pub ended_at: Option<Time> = "l.ended_at",
    }
}

const FROM: &str = "logins l JOIN users u ON u.id = l.user_id";

/// Keeps a new login.
///
/// # Errors
///
/// Those of the database.
pub async fn keep_login(w: &Writing, login: &NewLogin<'_>) -> Result<()> {
    let sql = "INSERT INTO logins (id, user_id, client_id, refresh_hash, created_at, used_at, end_at) \
               VALUES ($1, $2, $3, $4, $5, $5, $6)";
    let values = params![login.id.as_str(), login.user, login.client, login.refresh_hash, login.at, login.end_at];
    w.conn().execute(sql, values).await?;
    Ok(())
}

/// The login of a refresh token, also one that was ended.
///
/// # Errors
///
/// Those of the database.
pub async fn login_of_refresh_token(db: &impl Reads, hash: &TokenHash) -> Result<Option<Login>> {
    let sql = format!("SELECT {} FROM {FROM} WHERE l.refresh_hash = $1", Login::COLUMNS);
    db.conn().one(&sql, params![hash]).await
}

/// The login that a session belongs to, also one that was ended.
///
/// # Errors
///
/// Those of the database.
pub async fn login_of_session(db: &impl Reads, hash: &TokenHash) -> Result<Option<Login>> {
    let sql = format!("SELECT {} FROM {FROM} JOIN sessions s ON s.login_id = l.id WHERE s.hash = $1", Login::COLUMNS);
    db.conn().one(&sql, params![hash]).await
}

/// The refresh token of a login was used. `false` when the login was ended meanwhile.
///
/// # Errors
///
/// Those of the database.
pub async fn mark_used(w: &Writing, login: &Login, at: Time) -> Result<bool> {
    let sql = "UPDATE logins SET used_at = $1 WHERE id = $2 AND ended_at IS NULL";
    Ok(w.conn().execute(sql, params![at, login.id.as_str()]).await? > 0)
}

/// Ends a login with its sessions, which open nothing from then on. `false` when it was ended before.
///
/// # Errors
///
/// Those of the database.
pub async fn end_login(w: &Writing, id: &LoginId, at: Time) -> Result<bool> {
    // A refresh that comes now waits for the row, and then finds that it was ended.
    let sql = "UPDATE logins SET ended_at = $1 WHERE id = $2 AND ended_at IS NULL";
    let ended = w.conn().execute(sql, params![at, id.as_str()]).await? > 0;
    if ended {
        w.touch_authority();
    }
    Ok(ended)
}

/// Keeps the newest sessions of a login, so many of them, and removes the others.
///
/// # Errors
///
/// Those of the database.
pub async fn keep_newest_sessions(w: &Writing, login: &LoginId, most: u32, now: Time) -> Result<()> {
    const OTHERS: &str = "DELETE FROM sessions WHERE login_id = $1 AND end_at <= $2 AND hash NOT IN \
                          (SELECT hash FROM sessions WHERE login_id = $1 ORDER BY end_at DESC, hash LIMIT $3)";
    // Most of those have ended by themselves. They open nothing, so nobody has to forget them.
    w.conn().execute(OTHERS, params![login.as_str(), now, most]).await?;
    if w.conn().execute(OTHERS, params![login.as_str(), Time::from_micros(i64::MAX), most]).await? > 0 {
        w.touch_authority();
    }
    Ok(())
}

/// Whose session it is: the user, its e-mail address, and its Organization.
///
/// # Errors
///
/// Those of the database.
pub async fn holder_of_session(db: &impl Reads, hash: &TokenHash) -> Result<Option<(UserId, String, OrganizationId)>> {
    let sql =
        "SELECT u.id, u.username, u.organization_id FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.hash = $1";
    db.conn().one(sql, params![hash]).await
}

/// Ends a session that belongs to no login. `false` when it was ended before.
///
/// # Errors
///
/// Those of the database.
pub async fn end_session(w: &Writing, hash: &TokenHash) -> Result<bool> {
    w.touch_authority();
    Ok(w.conn().execute("DELETE FROM sessions WHERE hash = $1", params![hash]).await? > 0)
}

/// Ends all that a user has signed in to. Whoever calls this has locked the user.
///
/// # Errors
///
/// Those of the database.
pub async fn end_logins_of(w: &Writing, user: &UserId, at: Time) -> Result<()> {
    w.touch_authority();
    for sql in [
        "DELETE FROM authorization_codes WHERE user_id = $1",
        "DELETE FROM sessions WHERE user_id = $1 AND login_id IS NULL",
    ] {
        w.conn().execute(sql, params![user]).await?;
    }
    let sql = "UPDATE logins SET ended_at = $1 WHERE user_id = $2 AND ended_at IS NULL";
    w.conn().execute(sql, params![at, user]).await?;
    Ok(())
}
