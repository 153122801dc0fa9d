//! Who may do what.
//!
//! A [`Caller`] holds bindings: a set of permissions, on one thing. [`authorize`] compares them
//! with the [`Place`] that a request is about, and is the only source of [`Granted`], which the
//! store demands before it touches a tenant's data. So no handler can reach a record that the
//! policy was not asked about.

mod permissions;
pub mod roles;
pub mod table;

use std::marker::PhantomData;

use airlock_contract::{
    ApiTokenId, DeploymentId, OrganizationId, SubjectId, Time, UserId, WorkspaceId,
    permissions::{Action, Level, Permission, scope},
    wire::{RoleScopeType, SubjectType},
};

use crate::{Error, Result};

pub use permissions::Permissions;

/// Whoever makes a request, and what they may do.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The subject's id.
    pub id: SubjectId,
    /// The kind of subject.
    pub kind: SubjectType,
    /// What the subject is called.
    pub name: String,
    /// The Organization that the subject belongs to. It can see no other.
    pub organization: OrganizationId,
    /// What the request came with.
    pub credential: Credential,
    /// When that ends.
    pub expires_at: Option<Time>,
    /// What the subject may do, and on what.
    pub bindings: Vec<Binding>,
}

/// What a caller shows to be known by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Credential {
    /// The value of an API token.
    ApiToken(ApiTokenId),
    /// A session of a user.
    Session(UserId),
}

/// A set of permissions on one thing in the caller's Organization.
#[derive(Clone, Debug)]
pub struct Binding {
    /// On what.
    pub on: Entity,
    /// What is permitted.
    pub permits: Permissions,
}

impl Binding {
    /// A binding, with what comes along with any role on the thing.
    pub fn new(on: Entity, permits: Permissions) -> Self {
        let along = match on {
            Entity::Organization => Permissions::default(),
            // Whoever has a role on a Deployment or a Dag is a Workspace Accessor without asking.
            _ => roles::permissions_of("WORKSPACE_ACCESSOR").unwrap_or_default(),
        };
        let mut permits = permits.union(&along);
        for (finer, gate) in GATES {
            if permits.iter().any(|action| action.name().starts_with(finer)) {
                permits.insert(*gate);
            }
        }
        Self { on, permits }
    }
}

/// What lets a custom role of a Deployment pass the Organization's coarse gates: the permissions
/// that it is there for, by how their names begin.
const GATES: &[(&str, Action)] = &[
    ("deployment.apiTokens.", Action::OrganizationApiTokensAccess),
    ("deployment.envObjects.", Action::OrganizationEnvObjectsAccess),
    ("deployment.teams.get", Action::OrganizationTeamsGet),
    ("deployment.teams.delete", Action::OrganizationTeamRolesAccess),
    ("deployment.users.get", Action::OrganizationUsersGet),
    ("deployment.users.delete", Action::OrganizationUserRolesAccess),
];

/// What a role is on, within the caller's Organization, with what stands above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entity {
    /// The whole Organization.
    Organization,
    /// One Workspace.
    Workspace(WorkspaceId),
    /// One Deployment.
    Deployment(WorkspaceId, DeploymentId),
    /// One Dag, or the Dags with one tag. No operation of this API is about a single Dag, so such
    /// a role opens the Dag in Airflow, and here only what a Workspace Accessor sees.
    Dag(WorkspaceId, DeploymentId),
}

/// An existing thing that a request is about, with everything above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The server as a whole.
    Installation,
    /// An Organization.
    Organization(OrganizationId),
    /// A Workspace of it.
    Workspace(OrganizationId, WorkspaceId),
    /// A Deployment in a Workspace of it.
    Deployment(OrganizationId, WorkspaceId, DeploymentId),
}

impl Place {
    /// The Organization that it is in, or is.
    pub fn organization(&self) -> Option<&OrganizationId> {
        match self {
            Self::Installation => None,
            Self::Organization(organization)
            | Self::Workspace(organization, _)
            | Self::Deployment(organization, ..) => Some(organization),
        }
    }

    fn noun(&self) -> &'static str {
        match self {
            Self::Installation => "server",
            Self::Organization(_) => "Organization",
            Self::Workspace(..) => "Workspace",
            Self::Deployment(..) => "Deployment",
        }
    }
}

impl Entity {
    /// Whether a role on this has a say about the place. Downwards it always does: a Workspace's
    /// Owner owns its Deployments. Upwards it does for what the role lists of that upper level,
    /// which are the coarse gates (`organization.get`) that its holder must pass to get here. What it
    /// permits on its own thing is not held on all that is beside it: only so can
    /// [`holds`](Caller::holds) tell what may be given away.
    fn concerns(&self, place: &Place, level: Level) -> bool {
        match (self, place) {
            (Self::Organization, _) => true,
            (_, Place::Installation | Place::Organization(_)) => level == Level::Organization,
            (Self::Workspace(mine), Place::Workspace(_, it) | Place::Deployment(_, it, _)) => mine == it,
            (Self::Deployment(mine, _) | Self::Dag(mine, _), Place::Workspace(_, it)) => {
                mine == it && level != Level::Deployment
            }
            (Self::Deployment(_, mine), Place::Deployment(_, _, it)) => mine == it,
            (Self::Dag(_, mine), Place::Deployment(_, _, it)) => mine == it && level != Level::Deployment,
        }
    }
}

impl Caller {
    /// The API token that the request came with, if it came with one.
    pub fn api_token(&self) -> Option<&ApiTokenId> {
        match &self.credential {
            Credential::ApiToken(token) => Some(token),
            Credential::Session(_) => None,
        }
    }

    /// Whether the caller holds a permission at a place.
    pub fn holds(&self, action: Action, place: &Place) -> bool {
        place.organization().is_none_or(|organization| *organization == self.organization)
            && self
                .bindings
                .iter()
                .any(|binding| binding.permits.contains(action) && binding.on.concerns(place, action.level()))
    }

    /// Whether the caller holds all of the permissions at a place, so may give them to another.
    pub fn holds_all(&self, permits: &Permissions, place: &Place) -> bool {
        permits.iter().all(|action| self.holds(action, place))
    }

    /// Whether the caller may know that the place exists.
    pub fn sees(&self, place: &Place) -> bool {
        match place {
            Place::Installation => true,
            Place::Organization(organization) => *organization == self.organization,
            Place::Workspace(..) => self.holds(Action::WorkspaceGet, place),
            Place::Deployment(..) => self.holds(Action::DeploymentGet, place),
        }
    }

    /// Demands a permission at a place. This is where 404 is told from 403: what the caller may
    /// not see is not there, what it may see is forbidden by name.
    ///
    /// # Errors
    ///
    /// [`Error::Hidden`] or [`Error::Denied`].
    pub fn require(&self, action: Action, place: &Place) -> Result<()> {
        if self.holds(action, place) {
            return Ok(());
        }
        Err(if self.sees(place) { self.denied(action, place) } else { Error::Hidden(place.noun().into()) })
    }

    /// What to tell a caller who may see a thing, but lacks a permission for it.
    pub fn denied(&self, action: Action, place: &Place) -> Error {
        Error::Denied(format!("{} lacks the permission {} on this {}", self.name, action.name(), place.noun()))
    }
}

/// Proof that the policy was asked and agreed: the key to a scope's data in the store.
#[derive(Clone, Debug)]
pub struct Granted<S: scope::Scope> {
    place: Place,
    scope: PhantomData<S>,
}

/// Asks the policy. `place` is what the store found for the ids of the request; `None` when there
/// is no such thing.
///
/// # Errors
///
/// [`Error::NotFound`] when it does not exist, [`Error::Hidden`] when the caller may not see it,
/// [`Error::Denied`] when the caller may see it but not do this.
pub fn authorize<P: Permission>(
    caller: &Caller,
    target: &scope::Target,
    place: Option<Place>,
) -> Result<Granted<P::Scope>> {
    let place = place.ok_or_else(|| {
        Error::NotFound(match target {
            scope::Target::Installation => "server".into(),
            scope::Target::Organization(_) => "Organization".into(),
            scope::Target::Workspace(..) => "Workspace".into(),
            scope::Target::Deployment(..) => "Deployment".into(),
        })
    })?;
    match P::ACTION {
        Some(action) => caller.require(action, &place)?,
        None if caller.sees(&place) => {}
        None => return Err(Error::Hidden(place.noun().into())),
    }
    Ok(Granted { place, scope: PhantomData })
}

impl<S: scope::Scope> Granted<S> {
    /// The place that was granted.
    pub fn place(&self) -> &Place {
        &self.place
    }
}

impl Granted<scope::Organization> {
    /// The Organization.
    pub fn organization(&self) -> &OrganizationId {
        match &self.place {
            Place::Organization(organization) => organization,
            other => unreachable!("an Organization was located as {other:?}"),
        }
    }
}

impl Granted<scope::Workspace> {
    /// The Organization that the Workspace belongs to.
    pub fn organization(&self) -> &OrganizationId {
        self.ids().0
    }

    /// The Workspace.
    pub fn workspace(&self) -> &WorkspaceId {
        self.ids().1
    }

    fn ids(&self) -> (&OrganizationId, &WorkspaceId) {
        match &self.place {
            Place::Workspace(organization, workspace) => (organization, workspace),
            other => unreachable!("a Workspace was located as {other:?}"),
        }
    }
}

impl Granted<scope::Deployment> {
    /// The Organization that the Deployment belongs to.
    pub fn organization(&self) -> &OrganizationId {
        self.ids().0
    }

    /// The Workspace that the Deployment belongs to.
    pub fn workspace(&self) -> &WorkspaceId {
        self.ids().1
    }

    /// The Deployment.
    pub fn deployment(&self) -> &DeploymentId {
        self.ids().2
    }

    fn ids(&self) -> (&OrganizationId, &WorkspaceId, &DeploymentId) {
        match &self.place {
            Place::Deployment(organization, workspace, deployment) => (organization, workspace, deployment),
            other => unreachable!("a Deployment was located as {other:?}"),
        }
    }
}

/// The part of an Organization in which a caller holds a permission: what a list may show. Made
/// by the policy alone, so that no list can forget whom it is for.
#[derive(Clone, Debug)]
pub struct Reach {
    organization: OrganizationId,
    everywhere: bool,
    workspaces: Vec<WorkspaceId>,
    deployments: Vec<DeploymentId>,
}

impl Reach {
    /// Where in the granted Organization the caller holds the permission.
    pub fn of(caller: &Caller, granted: &Granted<scope::Organization>, action: Action) -> Self {
        let mut reach = Self {
            organization: granted.organization().clone(),
            everywhere: false,
            workspaces: Vec::new(),
            deployments: Vec::new(),
        };
        for binding in caller.bindings.iter().filter(|binding| binding.permits.contains(action)) {
            match (&binding.on, action.level()) {
                (Entity::Organization, _) => reach.everywhere = true,
                (Entity::Workspace(workspace), _) => reach.workspaces.push(workspace.clone()),
                (Entity::Deployment(_, deployment), Level::Deployment) => reach.deployments.push(deployment.clone()),
                (Entity::Deployment(workspace, _) | Entity::Dag(workspace, _), Level::Workspace) => {
                    reach.workspaces.push(workspace.clone());
                }
                _ => {}
            }
        }
        reach
    }

    /// The Organization.
    pub fn organization(&self) -> &OrganizationId {
        &self.organization
    }

    /// Whether it is all of the Organization.
    pub fn is_everywhere(&self) -> bool {
        self.everywhere
    }

    /// The Workspaces, unless it is everywhere.
    pub fn workspaces(&self) -> &[WorkspaceId] {
        &self.workspaces
    }

    /// The single Deployments, besides those of the Workspaces, unless it is everywhere.
    pub fn deployments(&self) -> &[DeploymentId] {
        &self.deployments
    }
}

/// Resolves the names of permissions for a custom role.
///
/// # Errors
///
/// The first name that does not exist, or that a role of this scope cannot have.
pub fn custom_permissions(names: &[String], scope: RoleScopeType) -> Result<Permissions, String> {
    names
        .iter()
        .map(|name| Action::named(name).filter(|action| action.assignable_to(scope)).ok_or_else(|| name.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(on: Entity, role: &str) -> Caller {
        Caller {
            id: "cme".into(),
            kind: SubjectType::ServiceKey,
            name: "me".into(),
            organization: "corg".into(),
            credential: Credential::ApiToken("cme".into()),
            expires_at: None,
            bindings: vec![Binding::new(on, roles::permissions_of(role).expect("a built-in role"))],
        }
    }

    fn deployment(workspace: &str, deployment: &str) -> Place {
        Place::Deployment("corg".into(), workspace.into(), deployment.into())
    }

    #[test]
    fn what_may_not_be_seen_is_not_found_and_what_may_is_denied() {
        let member = caller(Entity::Workspace("cw1".into()), "WORKSPACE_MEMBER");
        let create = Action::DeploymentAgentTokensCreate;
        assert!(matches!(member.require(create, &deployment("cw1", "cd1")), Err(Error::Denied(_))));
        assert!(matches!(member.require(create, &deployment("cw2", "cd2")), Err(Error::Hidden(_))));
        let elsewhere = Place::Deployment("cother".into(), "cw1".into(), "cd1".into());
        assert!(matches!(member.require(create, &elsewhere), Err(Error::Hidden(_))));
    }

    #[test]
    fn a_role_acts_on_its_thing_and_what_is_below() {
        let owner = caller(Entity::Workspace("cw1".into()), "WORKSPACE_OWNER");
        assert!(owner.holds(Action::DeploymentDelete, &deployment("cw1", "cd1")));
        assert!(!owner.holds(Action::DeploymentDelete, &deployment("cw2", "cd2")));
        let admin = caller(Entity::Deployment("cw1".into(), "cd1".into()), "DEPLOYMENT_ADMIN");
        assert!(admin.holds(Action::DeploymentAgentTokensDelete, &deployment("cw1", "cd1")));
        assert!(!admin.holds(Action::DeploymentAgentTokensDelete, &deployment("cw1", "cd2")));
        assert!(admin.holds(Action::WorkspaceGet, &Place::Workspace("corg".into(), "cw1".into())));
        assert!(!admin.holds(Action::WorkspaceDelete, &Place::Workspace("corg".into(), "cw1".into())));
    }

    #[test]
    fn a_role_on_a_part_is_none_on_the_whole() {
        let organization = Place::Organization("corg".into());
        let workspace = Place::Workspace("corg".into(), "cw1".into());
        let admin = caller(Entity::Deployment("cw1".into(), "cd1".into()), "DEPLOYMENT_ADMIN");
        for place in [&workspace, &organization] {
            assert!(!admin.holds(Action::DeploymentGet, place), "{place:?}");
            assert!(!admin.holds(Action::DeploymentAgentTokensDelete, place), "{place:?}");
            assert!(admin.holds(Action::OrganizationApiTokensAccess, place), "{place:?}");
        }
        let author = caller(Entity::Dag("cw1".into(), "cd1".into()), "DAG_AUTHOR");
        assert!(!author.holds(Action::DeploymentAirflowDagGet, &workspace));
        let owner = caller(Entity::Workspace("cw1".into()), "WORKSPACE_OWNER");
        assert!(owner.holds(Action::DeploymentDelete, &workspace));
        assert!(!owner.holds(Action::WorkspaceDelete, &organization));
        assert!(!owner.holds(Action::DeploymentDelete, &organization));
        assert!(owner.holds(Action::OrganizationGet, &organization));

        // So a Member of the Workspace has no Author's role to give away, whatever else it is.
        let mut member = caller(Entity::Workspace("cw1".into()), "WORKSPACE_MEMBER");
        member.bindings.extend(admin.bindings);
        let permits = |role: &str| roles::permissions_of(role).expect("a built-in role");
        assert!(member.holds_all(&permits("WORKSPACE_MEMBER"), &workspace));
        assert!(!member.holds_all(&permits("WORKSPACE_AUTHOR"), &workspace));
        assert!(member.holds_all(&permits("DEPLOYMENT_ADMIN"), &deployment("cw1", "cd1")));
        assert!(!member.holds_all(&permits("DEPLOYMENT_ADMIN"), &deployment("cw1", "cd2")));
    }

    #[test]
    fn a_dag_role_opens_no_deployment_here() {
        let author = caller(Entity::Dag("cw1".into(), "cd1".into()), "DAG_AUTHOR");
        assert!(!author.holds(Action::DeploymentAirflowDagGet, &deployment("cw1", "cd1")));
        assert!(author.holds(Action::WorkspaceGet, &Place::Workspace("corg".into(), "cw1".into())));
    }

    #[test]
    fn custom_roles_hold_only_what_their_scope_has() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert!(custom_permissions(&names(&["deployment.get"]), RoleScopeType::Deployment).is_ok());
        assert!(custom_permissions(&names(&["deployment.airflow.dag.get"]), RoleScopeType::Dag).is_ok());
        for bad in ["organization.settings.update", "workspace.get", "deployment.nothing"] {
            assert_eq!(custom_permissions(&names(&[bad]), RoleScopeType::Deployment).expect_err("refused"), bad);
        }
        assert!(custom_permissions(&names(&["deployment.get"]), RoleScopeType::Dag).is_err());
    }
}
