//! `/organizations/{organizationId}/teams`, and `/users/{userId}/teams`

use airlock_contract::{
    TeamId, UserId,
    operations::{
        AddTeamMembers, CreateTeam, DeleteTeam, GetTeam, ListTeamMembers, ListTeams, ListUserTeams, RemoveTeamMember,
        UpdateTeam, UpdateTeamRoles,
    },
    permissions::scope,
    wire::{
        OrganizationRoleName, SubjectRoles, Team, TeamMember, TeamMembersPaginated, TeamsPaginated, UserTeamMembership,
        UserTeamsPaginated,
    },
};
use airlock_core::{Error, Result, policy::Granted};
use airlock_store::{
    Reading, Reads, Stamp, Writing,
    teams::{self, Member, Team as Record},
    users,
};

use crate::{
    adaptor::{Call, Changed, Handlers, Read, Write},
    handlers::{
        owners,
        people_roles::{self, People, Wanted},
        role_bindings::{self, OfOrganization, Roles},
        roles,
    },
};

impl Read<ListTeams> for Handlers {
    async fn read(call: &Call<'_, ListTeams>, db: &Reading) -> Result<TeamsPaginated> {
        let (records, total_count) = teams::list(db, &People::Teams.visible_to(call), call.query).await?;
        let roles = Roles::of(db, &records).await?;
        let views = records.into_iter().map(|record| {
            let roles = roles.held_by(call.caller, &record);
            view(record, roles)
        });
        Ok(TeamsPaginated { teams: views.collect(), limit: call.query.limit, offset: call.query.offset, total_count })
    }
}

impl Read<ListUserTeams> for Handlers {
    async fn read(call: &Call<'_, ListUserTeams>, db: &Reading) -> Result<UserTeamsPaginated> {
        let user = users::get(db, call.granted, &People::Users.visible_to(call), &call.path.user_id).await?;
        let (records, total_count) = teams::list_of(db, &People::Teams.visible_to(call), &user, call.query).await?;
        let roles = Roles::of(db, &records).await?;
        let views = records.into_iter().map(|record| {
            let roles = roles.held_by(call.caller, &record);
            membership(view(record, roles))
        });
        Ok(UserTeamsPaginated {
            teams: views.collect(),
            limit: call.query.limit,
            offset: call.query.offset,
            total_count,
        })
    }
}

impl Read<GetTeam> for Handlers {
    async fn read(call: &Call<'_, GetTeam>, db: &Reading) -> Result<Team> {
        let record = find(call, db, &call.path.team_id).await?;
        with_roles(call, db, record).await
    }
}

impl Write<CreateTeam> for Handlers {
    async fn write(call: &Call<'_, CreateTeam>, w: &Writing) -> Result<Changed<Team>> {
        let body = call.body;
        roles::lock(w, call.granted).await?;
        check_name(w, call.granted, &body.name, None).await?;
        let id: TeamId = call.app.env.new_id();
        let description = body.description.as_deref().unwrap_or_default();
        teams::insert(w, call.granted, &id, &body.name, description, &call.stamp()).await?;
        let record = find(call, w, &id).await?;
        let role = body.organization_role.unwrap_or(OrganizationRoleName::Member).as_str();
        let wanted = [Wanted::on_organization(call.granted.organization(), role, "organizationRole")];
        people_roles::replace(call, w, People::Teams, &record, &wanted).await?;
        add(w, &record, body.member_ids.as_deref().unwrap_or_default(), &call.stamp()).await?;
        Ok(Changed::new(with_roles(call, w, record).await?, "team", &id))
    }
}

impl Write<UpdateTeam> for Handlers {
    async fn write(call: &Call<'_, UpdateTeam>, w: &Writing) -> Result<Changed<Team>> {
        let body = call.body;
        roles::lock(w, call.granted).await?;
        let old = find_own(call, w, &call.path.team_id).await?;
        check_name(w, call.granted, &body.name, Some(&old)).await?;
        let description = body.description.as_deref().unwrap_or_default();
        teams::update(w, &old, &body.name, description, &call.stamp()).await?;
        let changed = with_roles(call, w, find(call, w, &old.id).await?).await?;
        Ok(Changed::new(changed, "team", &old.id))
    }
}

impl Write<DeleteTeam> for Handlers {
    async fn write(call: &Call<'_, DeleteTeam>, w: &Writing) -> Result<Changed<()>> {
        roles::lock(w, call.granted).await?;
        let record = find(call, w, &call.path.team_id).await?;
        // A team that a group has left behind is nobody's any more.
        if teams::has_members(w, &record).await? {
            demand_own(call, &record)?;
        }
        owners::keep_one(w, call.granted, teams::delete(w, &record)).await?;
        Ok(Changed::new((), "team", &record.id))
    }
}

impl Write<UpdateTeamRoles> for Handlers {
    async fn write(call: &Call<'_, UpdateTeamRoles>, w: &Writing) -> Result<Changed<SubjectRoles>> {
        let body = call.body;
        roles::lock(w, call.granted).await?;
        let record = find(call, w, &call.path.team_id).await?;
        let organization = call.granted.organization();
        let mut wanted = vec![Wanted::on_organization(organization, &body.organization_role, "organizationRole")];
        wanted.extend(Wanted::below(
            body.workspace_roles.as_deref(),
            body.deployment_roles.as_deref(),
            body.dag_roles.as_deref(),
        )?);
        let change = people_roles::replace(call, w, People::Teams, &record, &wanted);
        let roles = owners::keep_one(w, call.granted, change).await?;
        teams::mark_changed(w, &record, &call.stamp()).await?;
        Ok(Changed::new(roles, "team", &record.id))
    }
}

impl Read<ListTeamMembers> for Handlers {
    async fn read(call: &Call<'_, ListTeamMembers>, db: &Reading) -> Result<TeamMembersPaginated> {
        let record = find(call, db, &call.path.team_id).await?;
        let (members, total_count) = teams::members(db, &record, call.query).await?;
        Ok(TeamMembersPaginated {
            team_members: members.into_iter().map(member).collect(),
            limit: call.query.limit,
            offset: call.query.offset,
            total_count,
        })
    }
}

impl Write<AddTeamMembers> for Handlers {
    async fn write(call: &Call<'_, AddTeamMembers>, w: &Writing) -> Result<Changed<()>> {
        roles::lock(w, call.granted).await?;
        let record = find_own(call, w, &call.path.team_id).await?;
        add(w, &record, &call.body.member_ids, &call.stamp()).await?;
        Ok(Changed::new((), "team", &record.id))
    }
}

impl Write<RemoveTeamMember> for Handlers {
    async fn write(call: &Call<'_, RemoveTeamMember>, w: &Writing) -> Result<Changed<()>> {
        roles::lock(w, call.granted).await?;
        let record = find_own(call, w, &call.path.team_id).await?;
        let change = teams::remove_member(w, &record, &call.path.member_id);
        owners::keep_one(w, call.granted, change).await?;
        teams::mark_changed(w, &record, &call.stamp()).await?;
        Ok(Changed::new((), "team", &record.id))
    }
}

/// A team that the caller may see.
async fn find<O: OfOrganization>(call: &Call<'_, O>, db: &impl Reads, id: &TeamId) -> Result<Record> {
    teams::get(db, call.granted, &People::Teams.visible_to(call), id).await
}

/// A team that nobody else manages.
async fn find_own<O: OfOrganization>(call: &Call<'_, O>, db: &impl Reads, id: &TeamId) -> Result<Record> {
    let record = find(call, db, id).await?;
    demand_own(call, &record)?;
    Ok(record)
}

/// Demands that no identity provider manages a team. One that tells no groups any more manages none.
fn demand_own<O: OfOrganization>(call: &Call<'_, O>, record: &Record) -> Result<()> {
    let tells_groups = call.app.settings.login.oidc.as_ref().is_some_and(|oidc| oidc.groups_claim.is_some());
    if record.is_idp_managed && tells_groups {
        return Err(Error::refused(format!(
            "the team {} is managed by the identity provider: change its name and members there; \
             only its roles are changed here",
            record.name
        )));
    }
    Ok(())
}

async fn check_name(
    db: &impl Reads,
    granted: &Granted<scope::Organization>,
    name: &str,
    own: Option<&Record>,
) -> Result<()> {
    match teams::named(db, granted, name).await? {
        Some(other) if own.is_none_or(|own| own.id != other.id) => {
            Err(Error::field("conflict", "name", format!("the team {} has this name already", other.id)))
        }
        _ => Ok(()),
    }
}

/// Adds members, all or none.
async fn add(w: &Writing, record: &Record, users: &[UserId], stamp: &Stamp) -> Result<()> {
    if let Some(unknown) = teams::add_members(w, record, users, stamp.at).await? {
        return Err(role_bindings::unknown(&format!("memberIds[{unknown}]")));
    }
    teams::mark_changed(w, record, stamp).await
}

async fn with_roles<O: OfOrganization>(call: &Call<'_, O>, db: &impl Reads, record: Record) -> Result<Team> {
    let roles = Roles::of(db, std::slice::from_ref(&record)).await?.held_by(call.caller, &record);
    Ok(view(record, roles))
}

fn view(record: Record, roles: SubjectRoles) -> Team {
    let below = &roles.below;
    let below = below.workspace_roles.len() + below.deployment_roles.len() + below.dag_roles.len();
    Team {
        id: record.id,
        organization_id: record.organization,
        name: record.name,
        description: Some(record.description),
        is_idp_managed: record.is_idp_managed,
        // A team always has one; what the database's administrator took away counts as the least.
        organization_role: role_bindings::organization_role(&roles).unwrap_or(OrganizationRoleName::Member),
        roles_count: Some(u32::try_from(below + 1).unwrap_or(u32::MAX)),
        below: roles.below,
        created_at: record.authorship.created_at,
        created_by: Some(record.authorship.created_by),
        updated_at: record.authorship.updated_at,
        updated_by: Some(record.authorship.updated_by),
    }
}

fn membership(team: Team) -> UserTeamMembership {
    UserTeamMembership {
        id: team.id,
        name: team.name,
        description: team.description,
        is_idp_managed: team.is_idp_managed,
        organization_role: team.organization_role,
        below: team.below,
        roles_count: team.roles_count,
    }
}

fn member(member: Member) -> TeamMember {
    TeamMember {
        user_id: member.id,
        username: member.username,
        full_name: Some(member.full_name),
        avatar_url: Some(member.avatar_url),
        created_at: Some(member.added_at),
    }
}
