//! Authorization codes.

use airlock_contract::{OrganizationId, Time, UserId};
use airlock_core::{Result, api_token::TokenHash};

use super::LoginId;
use crate::{
    Writing,
    db::{Reads, params, record, sealed::Sealed},
};

/// A code that somebody gets.
#[derive(Debug)]
pub struct NewCode<'a> {
    /// The hash of its value.
    pub hash: &'a TokenHash,
    /// Who signed in.
    pub user: &'a UserId,
    /// The client that asked for it.
    pub client: &'a str,
    /// Where it is sent.
    pub redirect_uri: &'a str,
    /// What whoever redeems it must prove to know.
    pub challenge: &'a str,
    /// Until when it can be redeemed.
    pub end_at: Time,
}

record! {
    /// A code that was given to somebody.
    pub struct Code {
        /// Who signed in.
        pub user: UserId = "c.user_id",
        /// The user's e-mail address.
        pub username: String = "u.username",
        /// The Organization that the user belongs to.
        pub organization: OrganizationId = "u.organization_id",
        /// The client that asked for it.
        pub client: String = "c.client_id",
        /// Where it was sent.
        pub redirect_uri: String = "c.redirect_uri",
        /// What whoever redeems it must prove to know.
        pub challenge: String = "c.challenge",
        /// Until when it can be redeemed.
        pub end_at: Time = "c.end_at",
        /// What it was redeemed for, if it was.
        pub login: Option<LoginId> = "c.login_id",
    }
}

/// Keeps a new code.
///
/// # Errors
///
/// Those of the database.
pub async fn keep_code(w: &Writing, code: &NewCode<'_>) -> Result<()> {
    let sql = "INSERT INTO authorization_codes (hash, user_id, client_id, redirect_uri, challenge, end_at) \
               VALUES ($1, $2, $3, $4, $5, $6)";
    let values = params![code.hash, code.user, code.client, code.redirect_uri, code.challenge, code.end_at];
    w.conn().execute(sql, values).await?;
    Ok(())
}

/// The code of a hash.
///
/// # Errors
///
/// Those of the database.
pub async fn code(db: &impl Reads, hash: &TokenHash) -> Result<Option<Code>> {
    let sql = format!(
        "SELECT {} FROM authorization_codes c JOIN users u ON u.id = c.user_id WHERE c.hash = $1",
        Code::COLUMNS
    );
    db.conn().one(&sql, params![hash]).await
}

/// Uses a code up for a login. `false` when somebody else has done so.
///
/// # Errors
///
/// Those of the database.
pub async fn redeem_code(w: &Writing, hash: &TokenHash, login: &LoginId) -> Result<bool> {
    let sql = "UPDATE authorization_codes SET login_id = $1 WHERE hash = $2 AND login_id IS NULL";
    Ok(w.conn().execute(sql, params![login.as_str(), hash]).await? > 0)
}
