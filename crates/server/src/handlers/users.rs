//! `/organizations/{organizationId}/users`, and `/users/self`

use airlock_contract::{
    operations::{DeleteUser, GetSelfUser, GetUser, ListUsers, UpdateUserRoles},
    wire::{
        ApiTokenRole, EntityType, SelfUser, SelfUserRole, SelfUserRoleScope, SubjectRoles, User, UserStatus,
        UsersPaginated,
    },
};
use airlock_core::{
    Result,
    policy::{Caller, Credential},
};
use airlock_store::{
    Reading, Reads, Writing, api_tokens, callers,
    users::{self, User as Record},
};

use crate::{
    adaptor::{Call, Changed, Handlers, Read, Write},
    handlers::{
        owners,
        people_roles::{self, People, Wanted},
        role_bindings::{self, Roles},
        roles,
    },
};

impl Read<ListUsers> for Handlers {
    async fn read(call: &Call<'_, ListUsers>, db: &Reading) -> Result<UsersPaginated> {
        let (records, total_count) = users::list(db, &People::Users.visible_to(call), call.query).await?;
        Ok(UsersPaginated {
            users: views(db, call.caller, records).await?,
            limit: call.query.limit,
            offset: call.query.offset,
            total_count,
        })
    }
}

impl Read<GetUser> for Handlers {
    async fn read(call: &Call<'_, GetUser>, db: &Reading) -> Result<User> {
        let record = users::get(db, call.granted, &People::Users.visible_to(call), &call.path.user_id).await?;
        let roles = Roles::of(db, std::slice::from_ref(&record)).await?.held_by(call.caller, &record);
        Ok(view(record, roles))
    }
}

impl Write<UpdateUserRoles> for Handlers {
    async fn write(call: &Call<'_, UpdateUserRoles>, w: &Writing) -> Result<Changed<SubjectRoles>> {
        roles::lock(w, call.granted).await?;
        let record = users::get(w, call.granted, &People::Users.visible_to(call), &call.path.user_id).await?;
        let wanted = wanted(call, w, &record).await?;
        let change = people_roles::replace(call, w, People::Users, &record, &wanted);
        let roles = owners::keep_one(w, call.granted, change).await?;
        users::mark_changed(w, &record, &call.stamp()).await?;
        Ok(Changed::new(roles, "user", &record.id))
    }
}

impl Write<DeleteUser> for Handlers {
    async fn write(call: &Call<'_, DeleteUser>, w: &Writing) -> Result<Changed<()>> {
        roles::lock(w, call.granted).await?;
        let record = users::get(w, call.granted, &People::Users.visible_to(call), &call.path.user_id).await?;
        owners::keep_one(w, call.granted, users::delete(w, &record)).await?;
        Ok(Changed::new((), "user", &record.id))
    }
}

impl Read<GetSelfUser> for Handlers {
    async fn read(call: &Call<'_, GetSelfUser>, db: &Reading) -> Result<SelfUser> {
        let mut roles: Vec<SelfUserRole> = Vec::new();
        for row in callers::roles_of(db, call.caller).await? {
            let role = self_role(row.into());
            if !roles.contains(&role) {
                roles.push(role);
            }
        }
        let (profile, authorship) = match &call.caller.credential {
            Credential::Session(id) => {
                let user = users::of_caller(db, call.caller, id).await?;
                (user.profile(), user.authorship)
            }
            Credential::ApiToken(id) => {
                let token = api_tokens::of_caller(db, call.caller, id).await?;
                (token.profile(), token.authorship)
            }
        };
        // Clients that ask who they are need the fields of a user, of an API token too.
        let full_name = profile.full_name.or(profile.api_token_name).unwrap_or_default();
        Ok(SelfUser {
            id: profile.id,
            username: profile.username.unwrap_or_else(|| full_name.clone()),
            full_name,
            avatar_url: profile.avatar_url.unwrap_or_default(),
            status: UserStatus::Active,
            organization_id: Some(call.caller.organization.clone()),
            is_idp_managed: Some(false),
            roles,
            invites: Vec::new(),
            feature_flags: Vec::new(),
            created_at: authorship.created_at,
            updated_at: authorship.updated_at,
        })
    }
}

/// The roles that a request asks for. The one on the Organization stays when it does not say.
async fn wanted(call: &Call<'_, UpdateUserRoles>, db: &impl Reads, record: &Record) -> Result<Vec<Wanted>> {
    let body = call.body;
    let kept = match &body.organization_role {
        Some(_) => None,
        None => {
            let held = role_bindings::of_one(db, record).await?;
            held.into_iter().find(|row| row.entity_type == EntityType::Organization).map(|row| row.role)
        }
    };
    let role = body.organization_role.as_ref().or(kept.as_ref());
    let organization = call.granted.organization();
    let mut wanted: Vec<Wanted> =
        role.map(|role| Wanted::on_organization(organization, role, "organizationRole")).into_iter().collect();
    wanted.extend(Wanted::below(
        body.workspace_roles.as_deref(),
        body.deployment_roles.as_deref(),
        body.dag_roles.as_deref(),
    )?);
    Ok(wanted)
}

fn self_role(role: ApiTokenRole) -> SelfUserRole {
    let scope = SelfUserRoleScope {
        r#type: role.entity_type.as_str().into(),
        dag_tag: (role.entity_type == EntityType::DagTag).then(|| role.entity_id.clone()),
        entity_id: role.entity_id,
        deployment_id: role.deployment_id,
    };
    SelfUserRole { role: role.role, scope }
}

async fn views(db: &impl Reads, caller: &Caller, records: Vec<Record>) -> Result<Vec<User>> {
    let roles = Roles::of(db, &records).await?;
    Ok(records
        .into_iter()
        .map(|record| {
            let roles = roles.held_by(caller, &record);
            view(record, roles)
        })
        .collect())
}

fn view(record: Record, roles: SubjectRoles) -> User {
    User {
        id: record.id,
        username: record.username,
        full_name: record.full_name,
        avatar_url: record.avatar_url,
        status: record.status,
        organization_role: role_bindings::organization_role(&roles),
        below: roles.below,
        created_at: record.authorship.created_at,
        updated_at: record.authorship.updated_at,
    }
}
