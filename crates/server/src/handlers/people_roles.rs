//! The roles of users and teams: who may see them, and who may change them. An API token is managed
//! where it belongs; users and teams belong to the Organization, and their roles are managed where
//! the roles are.

use airlock_contract::{
    OrganizationId,
    permissions::Action,
    wire::{ApiTokenRole, DagRole, DeploymentRole, EntityType, SubjectRoles, WorkspaceRole},
};
use airlock_core::{
    Error, Result,
    policy::{Caller, Place, Reach},
};
use airlock_store::{
    Writing,
    role_bindings::{self, NewRole, RoleBinding, RoleHolder, Seen, VisibleHolders},
};

use crate::{
    adaptor::Call,
    handlers::role_bindings::{OfOrganization, RoleFields, assign, by_level, is_seen, of_one, refuse_more_than_own},
};

/// Whose roles.
#[derive(Clone, Copy)]
pub(crate) enum People {
    Users,
    Teams,
}

impl People {
    /// Where the caller may see them.
    pub(crate) fn visible_to<O: OfOrganization>(self, call: &Call<'_, O>) -> VisibleHolders {
        let reach = |action| Reach::of(call.caller, call.granted, action);
        let seen = Seen { workspaces: reach(Action::WorkspaceGet), deployments: reach(Action::DeploymentGet) };
        match self {
            Self::Users => VisibleHolders {
                organization: reach(Action::OrganizationUsersGet),
                workspaces: reach(Action::WorkspaceUsersGet),
                deployments: reach(Action::DeploymentUsersGet),
                seen,
            },
            Self::Teams => VisibleHolders {
                organization: reach(Action::OrganizationTeamsGet),
                workspaces: reach(Action::WorkspaceTeamsGet),
                deployments: reach(Action::DeploymentTeamsGet),
                seen,
            },
        }
    }

    /// The permission for changing which roles they have at a place.
    fn update(self, place: &Place) -> Action {
        match (self, place) {
            // Whoever may let users in says as what.
            (Self::Users, Place::Installation | Place::Organization(_)) => Action::OrganizationUsersCreate,
            (Self::Teams, Place::Installation | Place::Organization(_)) => Action::OrganizationTeamsUpdate,
            (Self::Users, Place::Workspace(..) | Place::Deployment(..)) => Action::WorkspaceUsersUpdate,
            (Self::Teams, Place::Workspace(..) | Place::Deployment(..)) => Action::WorkspaceTeamsUpdate,
        }
    }

    /// Demands that the caller may take roles away at a place.
    fn demand_take(self, caller: &Caller, place: &Place) -> Result<()> {
        let of_deployment = match self {
            Self::Users => Action::DeploymentUsersDelete,
            Self::Teams => Action::DeploymentTeamsDelete,
        };
        if matches!(place, Place::Deployment(..)) && caller.holds(of_deployment, place) {
            return Ok(());
        }
        self.demand_give(caller, place)
    }

    /// Demands that the caller may give roles at a place.
    fn demand_give(self, caller: &Caller, place: &Place) -> Result<()> {
        let action = self.update(place);
        if caller.holds(action, place) { Ok(()) } else { Err(caller.denied(action, place)) }
    }
}

/// A role that a user or a team shall have, and where the request says so.
pub(crate) struct Wanted {
    role: ApiTokenRole,
    fields: RoleFields,
}

impl Wanted {
    fn new(entity_type: EntityType, entity_id: impl ToString, role: &str, fields: RoleFields) -> Self {
        let role =
            ApiTokenRole { role: role.into(), entity_type, entity_id: entity_id.to_string(), deployment_id: None };
        Self { role, fields }
    }

    /// The role on the Organization.
    pub(crate) fn on_organization(organization: &OrganizationId, role: &str, field: &str) -> Self {
        Self::new(EntityType::Organization, organization, role, RoleFields::new(field, field))
    }

    /// The roles on what is below it, as requests list them.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when it is not one Dag or one tag that a role is on.
    pub(crate) fn below(
        workspaces: Option<&[WorkspaceRole]>,
        deployments: Option<&[DeploymentRole]>,
        dags: Option<&[DagRole]>,
    ) -> Result<Vec<Self>> {
        let mut all = Vec::new();
        for (at, role) in workspaces.unwrap_or_default().iter().enumerate() {
            let list = format!("workspaceRoles[{at}]");
            let fields = RoleFields::new(format!("{list}.role"), format!("{list}.workspaceId"));
            all.push(Self::new(EntityType::Workspace, &role.workspace_id, role.role.as_str(), fields));
        }
        for (at, role) in deployments.unwrap_or_default().iter().enumerate() {
            let list = format!("deploymentRoles[{at}]");
            let fields = RoleFields::new(format!("{list}.role"), format!("{list}.deploymentId"));
            all.push(Self::new(EntityType::Deployment, &role.deployment_id, &role.role, fields));
        }
        for (at, role) in dags.unwrap_or_default().iter().enumerate() {
            all.push(Self::on_dag(role, &format!("dagRoles[{at}]"))?);
        }
        Ok(all)
    }

    fn on_dag(role: &DagRole, list: &str) -> Result<Self> {
        let (entity_type, entity_id) = match (&role.dag_id, &role.dag_tag) {
            (Some(dag), None) => (EntityType::Dag, dag),
            (None, Some(tag)) => (EntityType::DagTag, tag),
            _ => {
                let text = "a role is on either a Dag or a tag: exactly one of dagId and dagTag is needed";
                return Err(Error::field("constraint", format!("{list}.dagId"), text));
            }
        };
        let fields = RoleFields::new(format!("{list}.role"), format!("{list}.deploymentId"));
        let mut wanted = Self::new(entity_type, entity_id, &role.role, fields);
        wanted.role.deployment_id = Some(role.deployment_id.clone());
        Ok(wanted)
    }
}

/// Gives a user or a team the wanted roles instead of those it has, as far as the caller may: what
/// stays as it is asks for nothing. The roles on what the caller does not see stay, and it need not
/// know of them.
///
/// # Errors
///
/// [`Error::Invalid`] for a role that cannot be used there, or is listed twice; [`Error::Denied`].
pub(crate) async fn replace<O: OfOrganization>(
    call: &Call<'_, O>,
    w: &Writing,
    people: People,
    holder: &impl RoleHolder,
    wanted: &[Wanted],
) -> Result<SubjectRoles> {
    let mut seen = of_one(w, holder).await?;
    seen.retain(|row| is_seen(call.caller, row));
    let old: Vec<ApiTokenRole> = seen.iter().cloned().map(Into::into).collect();
    for (at, Wanted { role, fields }) in wanted.iter().enumerate() {
        if wanted[..at].iter().any(|other| other.role == *role) {
            return Err(Error::field("conflict", &fields.role, "is listed twice for the same thing"));
        }
        let is_kept = old.contains(role);
        let assigned = assign(call, w, role, fields, is_kept).await?;
        if !is_kept {
            people.demand_give(call.caller, &assigned.place)?;
            refuse_more_than_own(call.caller, role, &assigned.permits, &assigned.place)?;
        }
    }
    let is_taken = |(_, role): &(&RoleBinding, &ApiTokenRole)| !wanted.iter().any(|wanted| wanted.role == **role);
    for (row, _) in seen.iter().zip(&old).filter(is_taken) {
        if let Some(place) = row.place(call.granted.organization()) {
            people.demand_take(call.caller, &place)?;
        }
    }
    let rows: Vec<NewRole<'_>> = wanted.iter().map(|wanted| NewRole { role: &wanted.role, fixed: None }).collect();
    role_bindings::exchange(w, call.granted, holder, &seen, &rows).await?;
    Ok(by_level(wanted.iter().map(|wanted| wanted.role.clone())))
}
