//! Invites that nobody has accepted yet. Each is of one user, who is PENDING.

use airlock_contract::{InviteId, Time, permissions::scope};
use airlock_core::{Error, Result, policy::Granted};

use crate::{
    Writing,
    db::{Reads, params, sealed::Sealed},
    subjects::JOIN_SUBJECTS,
    users::{self, User},
};

/// Keeps the invite of a user, instead of one that it may have.
///
/// # Errors
///
/// Those of the database.
pub async fn put(w: &Writing, user: &User, id: &InviteId, expires_at: Time) -> Result<()> {
    w.conn().execute("DELETE FROM invites WHERE user_id = $1", params![&user.id]).await?;
    let sql = "INSERT INTO invites (id, user_id, expires_at) VALUES ($1, $2, $3)";
    w.conn().execute(sql, params![id, &user.id, expires_at]).await?;
    Ok(())
}

/// Who is invited by an invite of the Organization, such that they stay as they are until this change
/// is committed or dropped: whoever comes meanwhile accepts the invite before or after.
///
/// # Errors
///
/// [`Error::NotFound`] when it is not there.
pub async fn locked_invitee(w: &Writing, granted: &Granted<scope::Organization>, id: &InviteId) -> Result<User> {
    let found = invitee(w, granted, id).await?;
    w.conn().lock_row("users", found.id.as_str()).await?;
    invitee(w, granted, id).await
}

async fn invitee(db: &impl Reads, granted: &Granted<scope::Organization>, id: &InviteId) -> Result<User> {
    let sql = format!(
        "SELECT {} FROM {} JOIN invites i ON i.user_id = t.id{JOIN_SUBJECTS} \
         WHERE i.id = $1 AND t.organization_id = $2",
        User::COLUMNS,
        users::FROM
    );
    db.conn().one(&sql, params![id, granted.organization()]).await?.ok_or(Error::NotFound("invite".into()))
}
