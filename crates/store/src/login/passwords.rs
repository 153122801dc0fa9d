//! The passwords of local users.

use airlock_contract::{OrganizationId, Time, UserId};
use airlock_core::{Result, keyring::Sealed as SealedValue, login::email::folded};

use crate::{
    Writing,
    db::{Reads, params, record, sealed::Sealed},
    users::User,
};

record! {
    /// The password of a user.
    pub struct Password {
        /// Whose.
        pub user: UserId = "t.id",
        /// The user's e-mail address.
        pub username: String = "t.username",
        /// The Organization that the user belongs to.
        pub organization: OrganizationId = "t.organization_id",
        /// Its hash; its place is [`Password::seal_of`].
        pub hash: SealedValue = "p.hash, p.hash_key",
        /// When it was set.
        pub changed_at: Time = "p.changed_at",
    }
}

impl Password {
    /// Names the place where the hash is sealed.
    pub fn seal_of(user: &UserId) -> String {
        format!("passwords/{user}/hash")
    }
}

/// The password of whoever has an e-mail address, in whatever case it is written. An address may be a
/// user of several Organizations; it has one password at the most ([`set_password`]).
///
/// # Errors
///
/// Those of the database.
pub async fn password_of_address(db: &impl Reads, address: &str) -> Result<Option<Password>> {
    let sql = format!(
        "SELECT {} FROM users t JOIN passwords p ON p.user_id = t.id WHERE t.address = $1 ORDER BY t.created_at LIMIT 1",
        Password::COLUMNS
    );
    db.conn().one(&sql, params![&folded(address)]).await
}

/// Gives a user a password, instead of one that it may have. `false` when its address has one in
/// another Organization: which of them is meant could not be told when somebody signs in.
///
/// # Errors
///
/// Those of the database.
pub async fn set_password(w: &Writing, user: &User, hash: &SealedValue, at: Time) -> Result<bool> {
    let other = password_of_address(w, &user.username).await?;
    if other.is_some_and(|other| other.user != user.id) {
        return Ok(false);
    }
    let sql = "INSERT INTO passwords (user_id, hash, hash_key, changed_at) VALUES ($1, $2, $3, $4) \
               ON CONFLICT (user_id) DO UPDATE \
               SET hash = excluded.hash, hash_key = excluded.hash_key, changed_at = excluded.changed_at";
    w.conn().execute(sql, params![&user.id, hash.bytes.as_slice(), &hash.key_id, at]).await?;
    Ok(true)
}

/// Takes its password from a user. `false` when it has none.
///
/// # Errors
///
/// Those of the database.
pub async fn remove_password(w: &Writing, user: &User) -> Result<bool> {
    Ok(w.conn().execute("DELETE FROM passwords WHERE user_id = $1", params![&user.id]).await? > 0)
}
