//! Letting users in. Nobody is known yet who could be granted anything: whoever calls this vouches
//! that somebody has the e-mail address.

use airlock_contract::{OrganizationId, Time};
use airlock_core::{Result, api_token::TokenHash};

use crate::{
    Stamp, Writing,
    db::{Reads, params, sealed::Sealed},
    users::{self, User},
};

/// The Organization's user of an e-mail address.
///
/// # Errors
///
/// Those of the database.
pub async fn user_of_address(db: &impl Reads, organization: &OrganizationId, username: &str) -> Result<Option<User>> {
    users::find(db, organization, "t.address", &username.to_lowercase()).await
}

/// When the user's invite ends; `None` when it has none.
///
/// # Errors
///
/// Those of the database.
pub async fn invite_end(db: &impl Reads, user: &User) -> Result<Option<Time>> {
    let found: Option<(Time,)> =
        db.conn().one("SELECT expires_at FROM invites WHERE user_id = $1", params![&user.id]).await?;
    Ok(found.map(|(end,)| end))
}

/// The user has come: its invite is accepted.
///
/// # Errors
///
/// Those of the database.
pub async fn accept(w: &Writing, user: &User, stamp: &Stamp) -> Result<()> {
    w.conn().execute("DELETE FROM invites WHERE user_id = $1", params![&user.id]).await?;
    let sql = "UPDATE users SET status = 'ACTIVE', updated_at = $1, updated_by = $2 WHERE id = $3";
    w.conn().execute(sql, params![stamp.at, &stamp.by, &user.id]).await?;
    Ok(())
}

/// Keeps a new session.
///
/// # Errors
///
/// Those of the database.
pub async fn open_session(w: &Writing, user: &User, hash: &TokenHash, end_at: Time) -> Result<()> {
    let sql = "INSERT INTO sessions (hash, user_id, end_at) VALUES ($1, $2, $3)";
    w.conn().execute(sql, params![hash, &user.id, end_at]).await?;
    Ok(())
}
