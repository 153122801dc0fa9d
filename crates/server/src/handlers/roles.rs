//! `/organizations/{organizationId}/roles` and `/role-templates`, and which role can be used where.

use airlock_contract::{
    RoleId,
    operations::{CreateCustomRole, DeleteCustomRole, GetCustomRole, ListRoleTemplates, ListRoles, UpdateCustomRole},
    permissions::scope,
    wire::{
        AnsweredRoleScopeType, ApiTokenKind, CustomRoleScopeType, DefaultRole, DefaultRoleScopeType, Paged, Role,
        RoleScopeType, RoleTemplate, RoleTemplates, RoleWithPermission, RolesPaginated,
    },
};
use airlock_core::{
    Error, Result,
    policy::{self, Granted, Permissions, Place, roles as builtin},
};
use airlock_store::{
    Reading, Reads, Writing, role_bindings,
    roles::{self, Role as Record, RoleSettings},
};

use super::{names::some_of, workspaces::check_all_there};
use crate::adaptor::{Call, Changed, Handlers, Read, Write};

pub(crate) use airlock_store::roles::lock;

/// What a role is to be used on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Assignable {
    Organization,
    Workspace,
    Deployment,
    Dag,
}

/// What the named role permits on such a thing at the place; `None` when it cannot be used there.
pub(crate) async fn resolve(
    db: &impl Reads,
    granted: &Granted<scope::Organization>,
    name: &str,
    on: Assignable,
    place: &Place,
) -> Result<Option<Permissions>> {
    let (builtin_scope, custom_scope) = match on {
        Assignable::Organization => (DefaultRoleScopeType::Organization, None),
        Assignable::Workspace => (DefaultRoleScopeType::Workspace, None),
        Assignable::Deployment => (DefaultRoleScopeType::Deployment, Some(CustomRoleScopeType::Deployment)),
        Assignable::Dag => (DefaultRoleScopeType::Dag, Some(CustomRoleScopeType::Dag)),
    };
    if let Some(role) = builtin::named(name) {
        return Ok((role.scope == builtin_scope).then_some(role.permits));
    }
    let (Some(scope), Place::Deployment(_, workspace, _)) = (custom_scope, place) else { return Ok(None) };
    let role = roles::named(db, granted, name).await?;
    Ok(role.filter(|role| role.scope == scope && role.restricted.allows(workspace)).map(|role| role.permissions))
}

impl Read<ListRoleTemplates> for Handlers {
    async fn read(call: &Call<'_, ListRoleTemplates>, _: &Reading) -> Result<RoleTemplates> {
        let asked = &call.query.scope_types;
        let templates = builtin::templates().iter().filter(|role| is_asked_for(asked, role.scope));
        let view = |role: &builtin::BuiltIn| RoleTemplate {
            name: role.name.into(),
            description: Some(role.description.into()),
            scope_type: role.scope,
            permissions: role.permits.names(),
        };
        Ok(templates.map(view).collect())
    }
}

impl Read<ListRoles> for Handlers {
    async fn read(call: &Call<'_, ListRoles>, db: &Reading) -> Result<RolesPaginated> {
        let (records, total_count) = roles::list(db, call.granted, call.query).await?;
        let asked = &call.query.scope_types;
        let default = |role: &builtin::BuiltIn| DefaultRole {
            name: role.name.into(),
            description: Some(role.description.into()),
            scope_type: role.scope,
            permissions: role.permits.names(),
        };
        let default_roles = (call.query.include_default_roles == Some(true))
            .then(|| builtin::all().iter().filter(|role| is_asked_for(asked, role.scope)).map(default).collect());
        Ok(RolesPaginated {
            roles: records.into_iter().map(view).collect(),
            default_roles,
            limit: call.query.limit(),
            offset: call.query.offset,
            total_count,
        })
    }
}

impl Read<GetCustomRole> for Handlers {
    async fn read(call: &Call<'_, GetCustomRole>, db: &Reading) -> Result<RoleWithPermission> {
        roles::get(db, call.granted, &call.path.role_id).await.map(full_view)
    }
}

impl Write<CreateCustomRole> for Handlers {
    async fn write(call: &Call<'_, CreateCustomRole>, w: &Writing) -> Result<Changed<RoleWithPermission>> {
        let body = call.body;
        let restricted = body.restricted_workspace_ids.as_deref().unwrap_or_default();
        lock(w, call.granted).await?;
        check_name(call.granted, w, &body.name, None).await?;
        check_all_there(w, call.granted, restricted, "restrictedWorkspaceIds", &[]).await?;
        let settings = RoleSettings {
            name: &body.name,
            description: body.description.as_deref().unwrap_or_default(),
            permissions: &read_permissions(&body.permissions, body.scope_type)?,
            restricted,
        };
        let id: RoleId = call.app.env.new_id();
        roles::insert(w, call.granted, &id, body.scope_type, &settings, &call.stamp()).await?;
        Ok(Changed::new(full_view(roles::get(w, call.granted, &id).await?), "role", &id))
    }
}

impl Write<UpdateCustomRole> for Handlers {
    async fn write(call: &Call<'_, UpdateCustomRole>, w: &Writing) -> Result<Changed<RoleWithPermission>> {
        let body = call.body;
        let restricted = body.restricted_workspace_ids.as_deref().unwrap_or_default();
        lock(w, call.granted).await?;
        let old = roles::get(w, call.granted, &call.path.role_id).await?;
        check_name(call.granted, w, &body.name, Some(&old)).await?;
        // One that was deleted since is sent back by clients that read before they write.
        check_all_there(w, call.granted, restricted, "restrictedWorkspaceIds", &old.restricted.0).await?;
        let permissions = read_permissions(&body.permissions, old.scope)?;
        if permissions != old.permissions {
            refuse_while_held(call.granted, w, &old, Some(ApiTokenKind::DirectAccess)).await?;
        }
        let settings = RoleSettings {
            name: &body.name,
            description: body.description.as_deref().unwrap_or_default(),
            permissions: &permissions,
            restricted,
        };
        roles::update(w, call.granted, &old, &settings, &call.stamp()).await?;
        Ok(Changed::new(full_view(roles::get(w, call.granted, &old.id).await?), "role", &old.id))
    }
}

impl Write<DeleteCustomRole> for Handlers {
    async fn write(call: &Call<'_, DeleteCustomRole>, w: &Writing) -> Result<Changed<()>> {
        lock(w, call.granted).await?;
        let role = roles::get(w, call.granted, &call.path.role_id).await?;
        refuse_while_held(call.granted, w, &role, None).await?;
        roles::delete(w, &role).await?;
        Ok(Changed::new((), "role", &role.id))
    }
}

fn is_asked_for(asked: &[RoleScopeType], scope: DefaultRoleScopeType) -> bool {
    asked.is_empty() || asked.iter().any(|one| one.as_str() == scope.as_str())
}

fn read_permissions(names: &[String], scope: CustomRoleScopeType) -> Result<Permissions> {
    let scope = match scope {
        CustomRoleScopeType::Deployment => RoleScopeType::Deployment,
        CustomRoleScopeType::Dag => RoleScopeType::Dag,
    };
    policy::custom_permissions(names, scope).map_err(|name| {
        let shown: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
        Error::field(
            "unknown",
            "permissions",
            format!(
                "{shown:?} is not a permission for a role of the scope {}; GET /authorization/permission-groups has them",
                scope.as_str()
            ),
        )
    })
}

async fn check_name(
    granted: &Granted<scope::Organization>,
    db: &impl Reads,
    name: &str,
    own: Option<&Record>,
) -> Result<()> {
    if builtin::named(name).is_some() {
        return Err(Error::field("conflict", "name", "is the name of a built-in role"));
    }
    match roles::named(db, granted, name).await? {
        Some(other) if own.is_none_or(|own| own.id != other.id) => {
            Err(Error::field("conflict", "name", format!("the role {} has this name already", other.id)))
        }
        _ => Ok(()),
    }
}

/// Names those who stand in the way, for people lose hours over a bare refusal.
async fn refuse_while_held(
    granted: &Granted<scope::Organization>,
    db: &impl Reads,
    role: &Record,
    kind: Option<ApiTokenKind>,
) -> Result<()> {
    let holders = role_bindings::holders_of(db, granted, &role.name, kind).await?;
    if holders.is_empty() {
        return Ok(());
    }
    let kind = kind.map_or("API tokens, users or teams", |_| "DIRECT_ACCESS tokens");
    Err(Error::refused(format!(
        "the role {} is in use by these {kind}: {}. Give them another role, or delete them, first",
        role.name,
        some_of(&holders)
    )))
}

fn view(record: Record) -> Role {
    Role {
        id: record.id,
        name: record.name,
        description: Some(record.description).filter(|text| !text.is_empty()),
        scope_type: AnsweredRoleScopeType::Deployment,
        restricted_workspace_ids: record.restricted.0,
        created_at: record.authorship.created_at,
        created_by: record.authorship.created_by,
        updated_at: record.authorship.updated_at,
        updated_by: record.authorship.updated_by,
    }
}

fn full_view(record: Record) -> RoleWithPermission {
    let permissions = record.permissions.names();
    RoleWithPermission { role: view(record), permissions }
}
