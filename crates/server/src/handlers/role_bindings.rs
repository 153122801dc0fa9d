//! Giving and taking roles: what they are on, whether they can be used there, and whether the
//! caller may. It is the same for API tokens, users and teams.

use airlock_contract::{
    Operation, OrganizationId,
    permissions::{Permission, scope},
    wire::{
        ApiTokenRole, DagRole, DeploymentRole, EntityType, OrganizationRoleName, RolesBelow, SubjectRoles,
        WorkspaceRole, WorkspaceRoleName,
    },
};
use airlock_core::{
    Error, Result,
    policy::{Caller, Permissions, Place},
};
use airlock_store::{
    Reads, Writing,
    locate::locate_for_good,
    role_bindings::{self, RoleBinding, RoleHolder},
};

use crate::{
    adaptor::Call,
    handlers::roles::{self, Assignable},
};

/// An operation on what belongs to one Organization.
pub(crate) trait OfOrganization: Operation<Permission: Permission<Scope = scope::Organization>> {}
impl<O: Operation<Permission: Permission<Scope = scope::Organization>>> OfOrganization for O {}

/// What a request calls the parts of a role, to name those that are wrong.
#[derive(Debug)]
pub(crate) struct RoleFields {
    pub(crate) role: String,
    entity_id: String,
    deployment_id: String,
}

impl RoleFields {
    /// Of a role whose thing has a field of its own.
    pub(crate) fn new(role: impl Into<String>, entity_id: impl Into<String>) -> Self {
        let entity_id = entity_id.into();
        Self { role: role.into(), deployment_id: entity_id.clone(), entity_id }
    }

    /// Of the one role that a body names.
    pub(crate) fn of_body() -> Self {
        Self::new("role", "entityId")
    }

    /// Of a role in a list of an API token's roles.
    pub(crate) fn within(object: &str) -> Self {
        Self {
            role: format!("{object}.role"),
            entity_id: format!("{object}.entityId"),
            deployment_id: format!("{object}.deploymentId"),
        }
    }
}

/// What the body names, but is not there.
pub(crate) fn unknown(field: &str) -> Error {
    Error::field("unknown", field, "there is no such thing in this Organization")
}

/// What the body names but the caller may not see is not there either.
pub(crate) fn unknown_if_hidden(error: Error, field: &str) -> Error {
    if matches!(error, Error::Hidden(_)) { unknown(field) } else { error }
}

/// A role that exists, on a thing that exists.
pub(crate) struct Assigned {
    pub(crate) place: Place,
    pub(crate) permits: Permissions,
}

/// What a role is on, and so which roles can be used there.
pub(crate) fn on(
    organization: &OrganizationId,
    role: &ApiTokenRole,
    fields: &RoleFields,
) -> Result<(scope::Target, Assignable)> {
    let organization = organization.clone();
    let entity_id = role.entity_id.as_str();
    Ok(match (role.entity_type, &role.deployment_id) {
        (EntityType::Organization, _) if entity_id == organization.as_str() => {
            (scope::Target::Organization(organization), Assignable::Organization)
        }
        (EntityType::Organization, _) => {
            return Err(Error::field("unknown", &fields.entity_id, "must be this Organization"));
        }
        (EntityType::Workspace, _) => (scope::Target::Workspace(organization, entity_id.into()), Assignable::Workspace),
        (EntityType::Deployment, _) => {
            (scope::Target::Deployment(organization, entity_id.into()), Assignable::Deployment)
        }
        (EntityType::Dag | EntityType::DagTag, Some(deployment)) => {
            (scope::Target::Deployment(organization, deployment.clone()), Assignable::Dag)
        }
        (EntityType::Dag | EntityType::DagTag, None) => {
            let needed = "is required for a role on a Dag or a Dag tag";
            return Err(Error::field("required", &fields.deployment_id, needed));
        }
    })
}

/// Finds what a role is on, and what it permits there. What the caller may not see is not there. One
/// that is kept may not be of use there any more; then it permits nothing.
pub(crate) async fn assign<O: OfOrganization>(
    call: &Call<'_, O>,
    w: &Writing,
    role: &ApiTokenRole,
    fields: &RoleFields,
    is_kept: bool,
) -> Result<Assigned> {
    let (target, assignable) = on(call.granted.organization(), role, fields)?;
    let place = locate_for_good(w, &target).await?.filter(|place| is_kept || call.caller.sees(place));
    let place = place.ok_or_else(|| unknown(&fields.entity_id))?;
    let permits = match roles::resolve(w, call.granted, &role.role, assignable, &place).await? {
        Some(permits) => permits,
        None if is_kept => Permissions::default(),
        None => {
            let why = format!("there is no role {} that can be used there", role.role);
            return Err(Error::field("unknown", &fields.role, why));
        }
    };
    Ok(Assigned { place, permits })
}

/// Nobody gives away more than they have.
pub(crate) fn refuse_more_than_own(
    caller: &Caller,
    role: &ApiTokenRole,
    permits: &Permissions,
    place: &Place,
) -> Result<()> {
    match permits.iter().find(|action| !caller.holds(*action, place)) {
        None => Ok(()),
        Some(action) => Err(Error::Denied(format!(
            "{} may not give the role {} away: it permits {}, which {} lacks there",
            caller.name,
            role.role,
            action.name(),
            caller.name
        ))),
    }
}

/// The roles of one holder.
pub(crate) async fn of_one(db: &impl Reads, holder: &impl RoleHolder) -> Result<Vec<RoleBinding>> {
    role_bindings::of(db, std::slice::from_ref(holder)).await
}

/// The roles of some holders.
pub(crate) struct Roles(Vec<RoleBinding>);

impl Roles {
    /// The roles of these holders.
    pub(crate) async fn of(db: &impl Reads, holders: &[impl RoleHolder]) -> Result<Self> {
        role_bindings::of(db, holders).await.map(Self)
    }

    /// Those of one of them that the caller may see, by what they are on.
    pub(crate) fn held_by(&self, caller: &Caller, holder: &impl RoleHolder) -> SubjectRoles {
        let holder = holder.holder_id();
        let rows = self.0.iter().filter(|row| row.holder == holder && is_seen(caller, row));
        by_level(rows.cloned().map(Into::into))
    }
}

/// Whether the caller sees what a role is on. Of any other role it learns nothing, so neither that
/// somebody has it.
pub(crate) fn is_seen(caller: &Caller, row: &RoleBinding) -> bool {
    row.place(&caller.organization).is_some_and(|place| caller.sees(&place))
}

/// The role on the Organization, which is a built-in one.
pub(crate) fn organization_role(roles: &SubjectRoles) -> Option<OrganizationRoleName> {
    roles.organization_role.as_deref().and_then(OrganizationRoleName::named)
}

/// Sorts roles by what they are on.
pub(crate) fn by_level(roles: impl IntoIterator<Item = ApiTokenRole>) -> SubjectRoles {
    let (mut organization_role, mut below) = (None, RolesBelow::default());
    for ApiTokenRole { role, entity_type, entity_id, deployment_id } in roles {
        match entity_type {
            EntityType::Organization => organization_role = Some(role),
            EntityType::Workspace => below.workspace_roles.extend(
                WorkspaceRoleName::named(&role).map(|role| WorkspaceRole { workspace_id: entity_id.into(), role }),
            ),
            EntityType::Deployment => {
                below.deployment_roles.push(DeploymentRole { deployment_id: entity_id.into(), role });
            }
            EntityType::Dag | EntityType::DagTag => {
                let is_dag = entity_type == EntityType::Dag;
                let (dag_id, dag_tag) = if is_dag { (Some(entity_id), None) } else { (None, Some(entity_id)) };
                below.dag_roles.extend(deployment_id.map(|deployment_id| DagRole {
                    deployment_id,
                    dag_id,
                    dag_tag,
                    role,
                }));
            }
        }
    }
    SubjectRoles { organization_role, below }
}
