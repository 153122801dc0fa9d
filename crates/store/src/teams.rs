//! Teams: users who have roles together. The roles are in [`role_bindings`].

use airlock_contract::{
    OrganizationId, RoleHolderId, TeamId, Time, UserId,
    permissions::scope,
    wire::{ListTeamMembersQuery, ListTeamsQuery, ListUserTeamsQuery},
};
use airlock_core::{Error, Result, policy::Granted};

use crate::{
    Page, Stamp, Writing,
    db::{Reads, params, record, sealed::Sealed},
    filter::Filter,
    role_bindings::{self, On, RoleHolder, VisibleHolders},
    subjects::JOIN_SUBJECTS,
    users::User,
};

record! {
    /// A team.
    pub struct Team {
        /// Its id.
        pub id: TeamId = "t.id",
        /// The Organization that it belongs to.
        pub organization: OrganizationId = "t.organization_id",
        /// Its name.
        pub name: String = "t.name",
        /// What it is for.
        pub description: String = "t.description",
        /// Whether an identity provider says who is in it.
        pub is_idp_managed: bool = "t.is_idp_managed",
    } and authorship
}

const FROM: &str = "teams t";

impl RoleHolder for Team {
    fn holder_id(&self) -> RoleHolderId {
        self.id.clone().into()
    }
}

record! {
    /// A user in a team.
    pub struct Member {
        /// The user.
        pub id: UserId = "t.id",
        /// Its e-mail address.
        pub username: String = "t.username",
        /// Its name.
        pub full_name: String = "t.full_name",
        /// Where its picture is.
        pub avatar_url: String = "t.avatar_url",
        /// When it was added.
        pub added_at: Time = "t.created_at",
    }
}

/// Members as a table with the columns that lists need: what a member was created at is when it
/// was added.
const MEMBERS: &str = "(SELECT m.team_id, m.added_at AS created_at, u.id, u.organization_id, u.username, u.full_name, \
                       u.avatar_url, u.created_by, u.updated_by FROM team_members m JOIN users u ON u.id = m.user_id) t";

/// A page of the teams that the caller may see, and how many there are.
///
/// # Errors
///
/// Those of the database.
pub async fn list(db: &impl Reads, visible: &VisibleHolders, query: &ListTeamsQuery) -> Result<(Vec<Team>, u32)> {
    let mut filter = visible.filter();
    if !query.names.is_empty() {
        filter.among("t.name", &query.names);
    }
    let on = On {
        workspace: query.workspace_id.as_ref(),
        deployment: query.deployment_id.as_ref(),
        seen: Some(&visible.seen),
        ..On::default()
    };
    on.narrow(&mut filter);
    filter.page(db, Team::COLUMNS, FROM, "", &Page::of(query)).await
}

/// A page of the teams of a user that the caller may see, and how many there are.
///
/// # Errors
///
/// Those of the database.
pub async fn list_of(
    db: &impl Reads,
    visible: &VisibleHolders,
    user: &User,
    query: &ListUserTeamsQuery,
) -> Result<(Vec<Team>, u32)> {
    let mut filter = visible.filter();
    let user = filter.bind([&user.id]);
    filter.require(format!("t.id IN (SELECT m.team_id FROM team_members m WHERE m.user_id = {user})"));
    filter.page(db, Team::COLUMNS, FROM, "", &Page::of(query)).await
}

/// One of the Organization's teams.
///
/// # Errors
///
/// [`Error::NotFound`] when it is not there, [`Error::Hidden`] when the caller may not see it.
pub async fn get(
    db: &impl Reads,
    granted: &Granted<scope::Organization>,
    visible: &VisibleHolders,
    id: &TeamId,
) -> Result<Team> {
    let found = find(db, granted, "t.id", id.as_str()).await?.ok_or(Error::NotFound("team".into()))?;
    if visible.shows(db, FROM, id.as_str()).await? { Ok(found) } else { Err(Error::Hidden("team".into())) }
}

/// The Organization's team of that name.
///
/// # Errors
///
/// Those of the database.
pub async fn named(db: &impl Reads, granted: &Granted<scope::Organization>, name: &str) -> Result<Option<Team>> {
    find(db, granted, "t.name", name).await
}

async fn find(
    db: &impl Reads,
    granted: &Granted<scope::Organization>,
    column: &'static str,
    value: &str,
) -> Result<Option<Team>> {
    let sql =
        format!("SELECT {} FROM {FROM}{JOIN_SUBJECTS} WHERE {column} = $1 AND t.organization_id = $2", Team::COLUMNS);
    db.conn().one(&sql, params![value, granted.organization()]).await
}

/// Keeps a new team, which has no roles and no members yet.
///
/// # Errors
///
/// Those of the database.
pub async fn insert(
    w: &Writing,
    granted: &Granted<scope::Organization>,
    id: &TeamId,
    name: &str,
    description: &str,
    stamp: &Stamp,
) -> Result<()> {
    let sql = "INSERT INTO teams (id, organization_id, name, description, is_idp_managed, created_at, created_by, \
               updated_at, updated_by) VALUES ($1, $2, $3, $4, FALSE, $5, $6, $5, $6)";
    w.conn().execute(sql, params![id, granted.organization(), name, description, stamp.at, &stamp.by]).await?;
    Ok(())
}

/// Changes a team's name and description.
///
/// # Errors
///
/// Those of the database.
pub async fn update(w: &Writing, team: &Team, name: &str, description: &str, stamp: &Stamp) -> Result<()> {
    let sql = "UPDATE teams SET name = $1, description = $2, updated_at = $3, updated_by = $4 WHERE id = $5";
    w.conn().execute(sql, params![name, description, stamp.at, &stamp.by, &team.id]).await?;
    Ok(())
}

/// Says that a team's members or roles were changed.
///
/// # Errors
///
/// Those of the database.
pub async fn mark_changed(w: &Writing, team: &Team, stamp: &Stamp) -> Result<()> {
    update(w, team, &team.name, &team.description, stamp).await
}

/// Deletes a team, with its roles.
///
/// # Errors
///
/// Those of the database.
pub async fn delete(w: &Writing, team: &Team) -> Result<()> {
    role_bindings::delete_of(w, &team.holder_id()).await?;
    for sql in ["DELETE FROM team_members WHERE team_id = $1", "DELETE FROM teams WHERE id = $1"] {
        w.conn().execute(sql, params![&team.id]).await?;
    }
    Ok(())
}

/// A page of a team's members, and how many there are.
///
/// # Errors
///
/// Those of the database.
pub async fn members(db: &impl Reads, team: &Team, query: &ListTeamMembersQuery) -> Result<(Vec<Member>, u32)> {
    let mut filter = Filter::of_organization(&team.organization);
    filter.among("t.team_id", [&team.id]);
    filter.page(db, Member::COLUMNS, MEMBERS, "", &Page::of(query)).await
}

/// Whether anybody is in a team.
///
/// # Errors
///
/// Those of the database.
pub async fn has_members(db: &impl Reads, team: &Team) -> Result<bool> {
    Ok(db.conn().count("SELECT COUNT(*) FROM team_members WHERE team_id = $1", params![&team.id]).await? > 0)
}

/// Adds users to a team. Answers with the place of the first that the Organization does not have,
/// when there is one.
///
/// # Errors
///
/// Those of the database.
pub async fn add_members(w: &Writing, team: &Team, users: &[UserId], at: Time) -> Result<Option<usize>> {
    w.touch_authority();
    let sql = "INSERT INTO team_members (team_id, user_id, added_at) \
               SELECT CAST($1 AS TEXT), u.id, CAST($3 AS BIGINT) FROM users u WHERE u.id = $2 AND u.organization_id = $4 \
               ON CONFLICT (team_id, user_id) DO UPDATE SET added_at = team_members.added_at";
    for (place, user) in users.iter().enumerate() {
        let values = params![&team.id, user, at, &team.organization];
        if w.conn().execute(sql, values).await? == 0 {
            return Ok(Some(place));
        }
    }
    Ok(None)
}

/// Takes a user out of a team.
///
/// # Errors
///
/// [`Error::NotFound`] when it is not in it.
pub async fn remove_member(w: &Writing, team: &Team, user: &UserId) -> Result<()> {
    w.touch_authority();
    let sql = "DELETE FROM team_members WHERE team_id = $1 AND user_id = $2";
    match w.conn().execute(sql, params![&team.id, user]).await? {
        0 => Err(Error::NotFound("team member".into())),
        _ => Ok(()),
    }
}
