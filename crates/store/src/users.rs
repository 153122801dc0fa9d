//! Users: the people of an Organization. Their roles are in [`role_bindings`].

use airlock_contract::{
    OrganizationId, RoleHolderId, UserId,
    permissions::scope,
    wire::{BasicSubjectProfile, ListUsersQuery, SubjectType, UserStatus},
};
use airlock_core::{
    Error, Result,
    login::email::folded,
    policy::{Caller, Granted},
};

use crate::{
    Page, Stamp, Writing,
    db::{Reads, params, record, sealed::Sealed},
    login::{locked_user, user_of_address},
    role_bindings::{self, On, RoleHolder, VisibleHolders},
    subjects::{self, JOIN_SUBJECTS},
};

record! {
    /// A user.
    pub struct User {
        /// Its id.
        pub id: UserId = "t.id",
        /// The Organization that it belongs to.
        pub organization: OrganizationId = "t.organization_id",
        /// Its e-mail address, as it was given.
        pub username: String = "t.username",
        /// Its name.
        pub full_name: String = "t.full_name",
        /// Where its picture is.
        pub avatar_url: String = "t.avatar_url",
        /// Whether it can log in.
        pub status: UserStatus = "t.status",
    } and authorship
}

pub(crate) const FROM: &str = "users t";

impl RoleHolder for User {
    fn holder_id(&self) -> RoleHolderId {
        self.id.clone().into()
    }
}

impl User {
    /// The user as somebody who does something.
    pub fn profile(&self) -> BasicSubjectProfile {
        let username = Some(self.username.clone());
        let profile = subjects::profile(self.id.clone().into(), SubjectType::User, self.full_name.clone(), username);
        BasicSubjectProfile { avatar_url: Some(self.avatar_url.clone()), ..profile }
    }
}

/// A page of the users that the caller may see, and how many there are.
///
/// # Errors
///
/// Those of the database.
pub async fn list(db: &impl Reads, visible: &VisibleHolders, query: &ListUsersQuery) -> Result<(Vec<User>, u32)> {
    let mut filter = visible.filter();
    let on = On {
        workspace: query.workspace_id.as_ref(),
        deployment: query.deployment_id.as_ref(),
        dag: query.dag_id.as_ref(),
        dag_tags: &query.dag_tags,
        seen: Some(&visible.seen),
    };
    on.narrow(&mut filter);
    filter.page(db, User::COLUMNS, FROM, "", &Page::of(query)).await
}

/// One of the Organization's users.
///
/// # Errors
///
/// [`Error::NotFound`] when it is not there, [`Error::Hidden`] when the caller may not see it.
pub async fn get(
    db: &impl Reads,
    granted: &Granted<scope::Organization>,
    visible: &VisibleHolders,
    id: &UserId,
) -> Result<User> {
    let found = find(db, granted.organization(), "t.id", id.as_str()).await?.ok_or(Error::NotFound("user".into()))?;
    if visible.shows(db, FROM, id.as_str()).await? { Ok(found) } else { Err(Error::Hidden("user".into())) }
}

/// The Organization's user of an e-mail address, in whatever case it is written.
///
/// # Errors
///
/// Those of the database.
pub async fn of_address(
    db: &impl Reads,
    granted: &Granted<scope::Organization>,
    username: &str,
) -> Result<Option<User>> {
    user_of_address(db, granted.organization(), username).await
}

/// The user that calls with a session.
///
/// # Errors
///
/// [`Error::NotFound`] when it was removed meanwhile.
pub async fn of_caller(db: &impl Reads, caller: &Caller, id: &UserId) -> Result<User> {
    find(db, &caller.organization, "t.id", id.as_str()).await?.ok_or(Error::NotFound("user".into()))
}

pub(crate) async fn find(
    db: &impl Reads,
    organization: &OrganizationId,
    column: &'static str,
    value: &str,
) -> Result<Option<User>> {
    let sql = select(&format!("{column} = $1 AND t.organization_id = $2"));
    db.conn().one(&sql, params![value, organization]).await
}

/// The statement that finds a user.
pub(crate) fn select(condition: &str) -> String {
    format!("SELECT {} FROM {FROM}{JOIN_SUBJECTS} WHERE {condition}", User::COLUMNS)
}

/// Keeps a new user, who is PENDING and has no roles yet.
///
/// # Errors
///
/// Those of the database.
pub async fn insert(
    w: &Writing,
    granted: &Granted<scope::Organization>,
    id: &UserId,
    username: &str,
    stamp: &Stamp,
) -> Result<()> {
    insert_into(w, granted.organization(), id, username, stamp).await
}

pub(crate) async fn insert_into(
    w: &Writing,
    organization: &OrganizationId,
    id: &UserId,
    username: &str,
    stamp: &Stamp,
) -> Result<()> {
    subjects::put_user(w, &id.clone().into(), username, username).await?;
    let sql = "INSERT INTO users (id, organization_id, username, address, full_name, avatar_url, status, created_at, \
               created_by, updated_at, updated_by) VALUES ($1, $2, $3, $4, $3, '', $5, $6, $7, $6, $7)";
    let (address, status) = (folded(username), UserStatus::Pending.as_str());
    let values = params![id, organization, username, &address, status, stamp.at, &stamp.by];
    w.conn().execute(sql, values).await?;
    Ok(())
}

/// The user of an e-mail address, as [`of_address`] finds it, such that it stays as it is until this
/// change is committed or dropped: whoever signs in meanwhile comes before or after.
///
/// # Errors
///
/// Those of the database.
pub async fn locked_of_address(
    w: &Writing,
    granted: &Granted<scope::Organization>,
    username: &str,
) -> Result<Option<User>> {
    let Some(found) = of_address(w, granted, username).await? else { return Ok(None) };
    locked_user(w, &found.id).await
}

/// Says that a user or its roles were changed.
///
/// # Errors
///
/// Those of the database.
pub async fn mark_changed(w: &Writing, user: &User, stamp: &Stamp) -> Result<()> {
    let sql = "UPDATE users SET updated_at = $1, updated_by = $2 WHERE id = $3";
    w.conn().execute(sql, params![stamp.at, &stamp.by, &user.id]).await?;
    Ok(())
}

/// Removes a user, with its invite, its password, its logins, its roles, and its places in teams.
///
/// # Errors
///
/// Those of the database.
pub async fn delete(w: &Writing, user: &User) -> Result<()> {
    w.conn().lock_row("users", user.id.as_str()).await?; // who signs in meanwhile comes before or after
    role_bindings::delete_of(w, &user.holder_id()).await?;
    for sql in [
        "DELETE FROM team_members WHERE user_id = $1",
        "DELETE FROM invites WHERE user_id = $1",
        "DELETE FROM authorization_codes WHERE user_id = $1",
        "DELETE FROM sessions WHERE user_id = $1",
        "DELETE FROM logins WHERE user_id = $1",
        "DELETE FROM passwords WHERE user_id = $1",
        "DELETE FROM identities WHERE user_id = $1",
        "DELETE FROM users WHERE id = $1",
    ] {
        w.conn().execute(sql, params![&user.id]).await?;
    }
    Ok(())
}

/// How many active users are Owners of the Organization, by themselves or by a team.
///
/// # Errors
///
/// Those of the database.
pub async fn owners(db: &impl Reads, granted: &Granted<scope::Organization>) -> Result<i64> {
    owners_of(db, granted.organization()).await
}

pub(crate) async fn owners_of(db: &impl Reads, organization: &OrganizationId) -> Result<i64> {
    let sql = "SELECT COUNT(*) FROM users t WHERE t.organization_id = $1 AND t.status = 'ACTIVE' AND EXISTS \
               (SELECT 1 FROM role_bindings b WHERE b.role = 'ORGANIZATION_OWNER' AND (b.holder_id = t.id \
               OR b.holder_id IN (SELECT m.team_id FROM team_members m WHERE m.user_id = t.id)))";
    db.conn().count(sql, params![organization]).await
}
