//! What an identity provider calls users, and the teams that it says they are in.

use airlock_contract::{
    OrganizationId, TeamId, Time,
    wire::{ApiTokenRole, EntityType},
};
use airlock_core::{Result, login::email::folded};

use crate::{
    Writing,
    bootstrap::SYSTEM,
    db::{Reads, params, sealed::Sealed},
    role_bindings::{self, NewRole},
    subjects::JOIN_SUBJECTS,
    users::{self, User},
};

/// What an identity provider calls a user.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// The provider.
    pub issuer: &'a str,
    /// Its name for the user, which it gives to nobody else.
    pub subject: &'a str,
}

/// The user whom a provider calls so.
///
/// # Errors
///
/// Those of the database.
pub async fn user_of_identity(db: &impl Reads, identity: &Identity<'_>) -> Result<Option<User>> {
    let sql = format!(
        "SELECT {} FROM {} JOIN identities i ON i.user_id = t.id{JOIN_SUBJECTS} WHERE i.issuer = $1 AND i.subject = $2",
        User::COLUMNS,
        users::FROM
    );
    db.conn().one(&sql, params![identity.issuer, identity.subject]).await
}

/// The users of an e-mail address, of which each Organization has one at the most; the oldest first.
///
/// # Errors
///
/// Those of the database.
pub async fn users_anywhere(db: &impl Reads, address: &str) -> Result<Vec<User>> {
    let sql = format!("{} ORDER BY t.created_at, t.id", users::select("t.address = $1"));
    db.conn().all(&sql, params![&folded(address)]).await
}

/// Remembers what a provider calls a user. `false` when it calls the user something else, or another
/// user so.
///
/// # Errors
///
/// Those of the database.
pub async fn bind_identity(w: &Writing, identity: &Identity<'_>, user: &User) -> Result<bool> {
    let values = params![identity.issuer, identity.subject, &user.id];
    let sql = "INSERT INTO identities (issuer, subject, user_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    w.conn().execute(sql, values).await?;
    let sql = "SELECT COUNT(*) FROM identities WHERE issuer = $1 AND subject = $2 AND user_id = $3";
    Ok(w.conn().count(sql, values).await? > 0)
}

/// Keeps others from changing roles, teams and users of an Organization until this is committed.
///
/// # Errors
///
/// Those of the database.
pub async fn lock_organization(w: &Writing, organization: &OrganizationId) -> Result<()> {
    w.conn().lock_row("organizations", organization.as_str()).await
}

/// Teams that are not as a provider says.
#[derive(Debug, Default)]
pub struct Differing<'a> {
    /// The names of teams that are managed here, to which nobody was added.
    pub managed_here: Vec<&'a str>,
    /// The names of teams that the user did not leave, for that would have left the Organization without
    /// an Owner.
    pub not_left: Vec<String>,
}

/// Has a user be in these teams, and in no others that the provider manages. A team that is not there
/// is made, with the id that stands with its name. Whoever calls this has locked the Organization.
///
/// # Errors
///
/// Those of the database.
pub async fn keep_in_teams<'a>(
    w: &Writing,
    user: &User,
    groups: &[(TeamId, &'a str)],
    at: Time,
) -> Result<Differing<'a>> {
    let (mut wanted, mut differing) = (Vec::new(), Differing::default());
    for (new_id, name) in groups {
        let sql = "SELECT id, is_idp_managed FROM teams WHERE organization_id = $1 AND name = $2";
        let found: Option<(TeamId, bool)> = w.conn().one(sql, params![&user.organization, *name]).await?;
        match found {
            Some((id, true)) => wanted.push(id),
            Some((_, false)) => differing.managed_here.push(*name),
            None => {
                insert_team(w, &user.organization, new_id, name, at).await?;
                wanted.push(new_id.clone());
            }
        }
    }
    let sql = "SELECT t.id, t.name, m.added_at FROM team_members m JOIN teams t ON t.id = m.team_id \
               WHERE m.user_id = $1 AND t.is_idp_managed ORDER BY t.name";
    let held: Vec<(TeamId, String, Time)> = w.conn().all(sql, params![&user.id]).await?;
    // Before any is left: one Owner team may follow another.
    for team in wanted.iter().filter(|team| !held.iter().any(|(held, ..)| held == *team)) {
        enter(w, user, team, at).await?;
    }
    let had_owner = users::owners_of(w, &user.organization).await? > 0;
    for (team, name, added_at) in held.into_iter().filter(|(team, ..)| !wanted.contains(team)) {
        leave(w, user, &team).await?;
        if had_owner && users::owners_of(w, &user.organization).await? == 0 {
            enter(w, user, &team, added_at).await?;
            differing.not_left.push(name);
        }
    }
    Ok(differing)
}

async fn enter(w: &Writing, user: &User, team: &TeamId, at: Time) -> Result<()> {
    w.touch_authority();
    let sql = "INSERT INTO team_members (team_id, user_id, added_at) VALUES ($1, $2, $3)";
    w.conn().execute(sql, params![team, &user.id, at]).await?;
    Ok(())
}

async fn leave(w: &Writing, user: &User, team: &TeamId) -> Result<()> {
    w.touch_authority();
    w.conn().execute("DELETE FROM team_members WHERE team_id = $1 AND user_id = $2", params![team, &user.id]).await?;
    Ok(())
}

/// Keeps a team that the provider manages, whose members are members of the Organization.
async fn insert_team(w: &Writing, organization: &OrganizationId, id: &TeamId, name: &str, at: Time) -> Result<()> {
    let sql = "INSERT INTO teams (id, organization_id, name, description, is_idp_managed, created_at, created_by, \
               updated_at, updated_by) VALUES ($1, $2, $3, '', TRUE, $4, $5, $4, $5)";
    w.conn().execute(sql, params![id, organization, name, at, SYSTEM]).await?;
    let role = ApiTokenRole {
        role: "ORGANIZATION_MEMBER".into(),
        entity_type: EntityType::Organization,
        entity_id: organization.to_string(),
        deployment_id: None,
    };
    role_bindings::insert(w, organization, &id.clone().into(), &[NewRole { role: &role, fixed: None }]).await
}
