//! The parameters that paths carry, and the scope that each set of them names.

use crate::{
    AgentId, AgentTokenId, AllowedIpAddressRangeId, ApiTokenId, ClusterId, DeployId, DeploymentId, EnvironmentObjectId,
    InviteId, OrganizationId, RoleId, TeamId, UserId, WorkspaceId,
    id::Id,
    permissions::scope,
    wire::{CreateDeploymentRequest, deployment},
};

/// What a path parameter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathParameter {
    /// What its id names, for example `agent token`.
    pub noun: &'static str,
    /// Lines of documentation.
    pub doc: &'static [&'static str],
    /// The id that documentation shows.
    pub example: &'static str,
}

impl PathParameter {
    const fn of<T: Id>() -> Self {
        Self { noun: T::NOUN, doc: T::DOC, example: T::EXAMPLE }
    }
}

/// A set of path parameters, read in the order in which the path has them.
pub trait PathParameters: Clone + Send + Sync + 'static {
    /// What they are.
    const ALL: &'static [PathParameter];
    /// Builds the set from exactly as many values as there are parameters.
    fn read(values: &mut dyn Iterator<Item = String>) -> Option<Self>;
    /// The values again, in the same order, to fill a path with.
    fn write(&self) -> Vec<&str>;
}

macro_rules! paths {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $id:ty),* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each field is the id it is named after")]
        pub struct $name { $(pub $field: $id),* }

        impl PathParameters for $name {
            const ALL: &'static [PathParameter] = &[$(PathParameter::of::<$id>()),*];
            fn read(values: &mut dyn Iterator<Item = String>) -> Option<Self> {
                Some(Self { $($field: values.next()?.into()),* })
            }
            fn write(&self) -> Vec<&str> {
                vec![$(self.$field.as_str()),*]
            }
        }

        impl From<[&str; [$(stringify!($field)),*].len()]> for $name {
            fn from([$($field),*]: [&str; [$(stringify!($field)),*].len()]) -> Self {
                Self { $($field: $field.into()),* }
            }
        }
    )*};
}

paths! {
    /// `/organizations/{organizationId}` and what stands directly below it.
    InOrganization { organization_id: OrganizationId }
    /// `.../workspaces/{workspaceId}`
    InWorkspace { organization_id: OrganizationId, workspace_id: WorkspaceId }
    /// `.../deployments/{deploymentId}`
    InDeployment { organization_id: OrganizationId, deployment_id: DeploymentId }
    /// `.../deployments/{deploymentId}/agents/{agentId}`
    OneAgent { organization_id: OrganizationId, deployment_id: DeploymentId, agent_id: AgentId }
    /// `.../deployments/{deploymentId}/agent-tokens/{agentTokenId}`
    OneAgentToken { organization_id: OrganizationId, deployment_id: DeploymentId, agent_token_id: AgentTokenId }
    /// `.../allowed-ip-address-ranges/{allowedIpAddressRangeId}`
    OneAllowedIpAddressRange {
        organization_id: OrganizationId, allowed_ip_address_range_id: AllowedIpAddressRangeId
    }
    /// `.../tokens/{tokenId}`
    OneApiToken { organization_id: OrganizationId, token_id: ApiTokenId }
    /// `.../clusters/{clusterId}`
    OneCluster { organization_id: OrganizationId, cluster_id: ClusterId }
    /// `.../deployments/{deploymentId}/deploys/{deployId}`
    OneDeploy { organization_id: OrganizationId, deployment_id: DeploymentId, deploy_id: DeployId }
    /// `.../environment-objects/{environmentObjectId}`
    OneEnvironmentObject { organization_id: OrganizationId, environment_object_id: EnvironmentObjectId }
    /// `.../roles/{roleId}`
    OneRole { organization_id: OrganizationId, role_id: RoleId }
    /// `.../users/{userId}`
    OneUser { organization_id: OrganizationId, user_id: UserId }
    /// `.../invites/{inviteId}`
    OneInvite { organization_id: OrganizationId, invite_id: InviteId }
    /// `.../teams/{teamId}`
    OneTeam { organization_id: OrganizationId, team_id: TeamId }
    /// `.../teams/{teamId}/members/{memberId}`
    OneTeamMember { organization_id: OrganizationId, team_id: TeamId, member_id: UserId }
}

/// No parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root;

impl PathParameters for Root {
    const ALL: &'static [PathParameter] = &[];
    fn read(_: &mut dyn Iterator<Item = String>) -> Option<Self> {
        Some(Self)
    }
    fn write(&self) -> Vec<&str> {
        Vec::new()
    }
}

impl From<[&str; 0]> for Root {
    fn from([]: [&str; 0]) -> Self {
        Self
    }
}

impl From<&Root> for scope::Installation {
    fn from(_: &Root) -> Self {
        Self
    }
}

macro_rules! organization_scoped {
    ($($path:ident)*) => {$(
        impl From<&$path> for scope::Organization {
            fn from(path: &$path) -> Self {
                Self { organization_id: path.organization_id.clone() }
            }
        }
    )*};
}
organization_scoped!(InOrganization OneAllowedIpAddressRange OneApiToken OneCluster OneEnvironmentObject OneInvite OneRole OneTeam OneTeamMember OneUser);

impl From<&InWorkspace> for scope::Workspace {
    fn from(path: &InWorkspace) -> Self {
        Self { organization_id: path.organization_id.clone(), workspace_id: path.workspace_id.clone() }
    }
}

/// A Deployment is created in the Workspace that the body names.
impl From<(&InOrganization, &CreateDeploymentRequest)> for scope::Workspace {
    fn from((path, body): (&InOrganization, &CreateDeploymentRequest)) -> Self {
        let workspace_id = deployment::workspace_of(body).clone();
        Self { organization_id: path.organization_id.clone(), workspace_id }
    }
}

macro_rules! deployment_scoped {
    ($($path:ident)*) => {$(
        impl From<&$path> for scope::Deployment {
            fn from(path: &$path) -> Self {
                Self { organization_id: path.organization_id.clone(), deployment_id: path.deployment_id.clone() }
            }
        }
    )*};
}
deployment_scoped!(InDeployment OneAgent OneAgentToken OneDeploy);
