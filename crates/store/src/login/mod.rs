//! Letting users in. Nobody is known yet who could be granted anything: whoever calls this vouches
//! that somebody has the e-mail address.
//!
//! Rows of a user are locked in one order, here, when a user is removed and by the upkeep: the user,
//! codes, sessions, logins.

mod codes;
mod identities;
mod local_users;
mod logins;
mod passwords;

use airlock_contract::{OrganizationId, Time, UserId};
use airlock_core::{Result, api_token::TokenHash, login::email::folded};

use crate::{
    Stamp, Writing,
    db::{Reads, params, sealed::Sealed},
    users::{self, User},
};

pub use codes::{Code, NewCode, code, keep_code, redeem_code};
pub use identities::{
    Differing, Identity, bind_identity, keep_in_teams, lock_organization, user_of_identity, users_anywhere,
};
pub use local_users::add_user;
pub use logins::{
    Login, LoginId, NewLogin, end_login, end_logins_of, end_session, holder_of_session, keep_login,
    keep_newest_sessions, login_of_refresh_token, login_of_session, mark_used,
};
pub use passwords::{Password, password_of_address, remove_password, set_password};

/// The Organization's user of an e-mail address.
///
/// # Errors
///
/// Those of the database.
pub async fn user_of_address(db: &impl Reads, organization: &OrganizationId, username: &str) -> Result<Option<User>> {
    users::find(db, organization, "t.address", &folded(username)).await
}

/// The user, such that it stays as it is until this change is committed or dropped: whoever ends its
/// sessions comes before or after.
///
/// # Errors
///
/// Those of the database.
pub async fn locked_user(w: &Writing, id: &UserId) -> Result<Option<User>> {
    w.conn().lock_row("users", id.as_str()).await?;
    w.conn().one(&users::select("t.id = $1"), params![id]).await
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

/// Keeps a new session, of a login if it has one.
///
/// # Errors
///
/// Those of the database.
pub async fn open_session(
    w: &Writing,
    user: &UserId,
    login: Option<&LoginId>,
    hash: &TokenHash,
    end_at: Time,
) -> Result<()> {
    let sql = "INSERT INTO sessions (hash, user_id, login_id, end_at) VALUES ($1, $2, $3, $4)";
    w.conn().execute(sql, params![hash, user, login.map(LoginId::as_str), end_at]).await?;
    Ok(())
}
