//! Every permission, in one table: its name in the API, the scope at which it is granted, and
//! what it lets its holder do.
//!
//! Names follow the public permission reference. Groups marked "ours" in their description fill
//! what the public API leaves unsaid: it has one coarse gate for all API tokens,
//! `organization.apiTokens.access`, and names the finer permissions for Deployments only.

use crate::wire::RoleScopeType;

/// The scopes at which permissions are granted, with the ids that a request names there.
pub mod scope {
    use crate::{DeploymentId, OrganizationId, WorkspaceId};

    /// The server as a whole: any authenticated caller.
    #[derive(Clone, Debug)]
    pub struct Installation;
    /// One Organization.
    #[derive(Clone, Debug)]
    #[allow(missing_docs, reason = "each field is the id it is named after")]
    pub struct Organization {
        pub organization_id: OrganizationId,
    }
    /// One Workspace.
    #[derive(Clone, Debug)]
    #[allow(missing_docs, reason = "each field is the id it is named after")]
    pub struct Workspace {
        pub organization_id: OrganizationId,
        pub workspace_id: WorkspaceId,
    }
    /// One Deployment.
    #[derive(Clone, Debug)]
    #[allow(missing_docs, reason = "each field is the id it is named after")]
    pub struct Deployment {
        pub organization_id: OrganizationId,
        pub deployment_id: DeploymentId,
    }

    /// Any of the scopes, for code that treats them alike.
    #[derive(Clone, Debug)]
    pub enum Target {
        /// See [`Installation`].
        Installation,
        /// See [`Organization`].
        Organization(OrganizationId),
        /// See [`Workspace`].
        Workspace(OrganizationId, WorkspaceId),
        /// See [`Deployment`].
        Deployment(OrganizationId, DeploymentId),
    }

    /// A scope at which a permission can be granted.
    pub trait Scope: Clone + Send + Sync + 'static {
        /// What it is called.
        const NOUN: &'static str;
        /// The ids, in the common form.
        fn target(&self) -> Target;
    }

    impl Scope for Installation {
        const NOUN: &'static str = "server";
        fn target(&self) -> Target {
            Target::Installation
        }
    }
    impl Scope for Organization {
        const NOUN: &'static str = "Organization";
        fn target(&self) -> Target {
            Target::Organization(self.organization_id.clone())
        }
    }
    impl Scope for Workspace {
        const NOUN: &'static str = "Workspace";
        fn target(&self) -> Target {
            Target::Workspace(self.organization_id.clone(), self.workspace_id.clone())
        }
    }
    impl Scope for Deployment {
        const NOUN: &'static str = "Deployment";
        fn target(&self) -> Target {
            Target::Deployment(self.organization_id.clone(), self.deployment_id.clone())
        }
    }
}

/// A permission as a type, so that an operation without one does not compile.
pub trait Permission: Send + Sync + 'static {
    /// The permission; `None` where being authenticated is enough.
    const ACTION: Option<Action>;
    /// Where it is granted.
    type Scope: scope::Scope;
}

/// Any authenticated caller: the operation answers with what that caller may see.
pub struct Authenticated;

impl Permission for Authenticated {
    const ACTION: Option<Action> = None;
    type Scope = scope::Installation;
}

/// Any caller of the Organization, whatever its role.
pub struct Member;

impl Permission for Member {
    const ACTION: Option<Action> = None;
    type Scope = scope::Organization;
}

/// The level of a permission in the hierarchy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are the documentation")]
pub enum Level {
    Organization,
    Workspace,
    Deployment,
}

/// A group of permissions on one kind of thing.
#[derive(Debug)]
pub struct Group {
    /// For example `deployment.agentTokens`.
    pub name: &'static str,
    /// The level at which the group's permissions are granted.
    pub level: Level,
    /// Whether a custom role for single Dags may have them.
    pub for_dags: bool,
    /// What the group is about.
    pub description: &'static str,
    /// Its permissions.
    pub actions: &'static [Action],
}

impl Group {
    /// Whether a custom role of the scope may hold this group's permissions, and for the other
    /// scopes, whether the group belongs there.
    pub fn belongs_to(&self, scope: RoleScopeType) -> bool {
        match scope {
            RoleScopeType::Organization => self.level == Level::Organization,
            RoleScopeType::Workspace => self.level == Level::Workspace,
            RoleScopeType::Deployment => self.level == Level::Deployment,
            RoleScopeType::Dag => self.for_dags,
        }
    }
}

macro_rules! permissions {
    ($(
        $level:ident $(and $dag:ident)? $group:literal $about:literal {
            $($action:ident $verb:literal $does:literal,)*
        }
    )*) => {
        /// One permission.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Action {$($(
            #[doc = $does]
            $action,
        )*)*}

        $($(
            #[doc = $does]
            pub struct $action;
            impl Permission for $action {
                const ACTION: Option<Action> = Some(Action::$action);
                type Scope = scope::$level;
            }
        )*)*

        impl Action {
            /// All permissions, in the order of the table.
            pub const ALL: &[Action] = &[$($(Action::$action,)*)*];

            /// The name in the API, for example `deployment.agentTokens.create`.
            pub const fn name(self) -> &'static str {
                match self {$($(
                    Action::$action => concat!($group, ".", $verb),
                )*)*}
            }

            /// The last part of the name, for example `create`.
            pub const fn verb(self) -> &'static str {
                match self {$($(Action::$action => $verb,)*)*}
            }

            /// What the permission lets its holder do.
            pub const fn description(self) -> &'static str {
                match self {$($(Action::$action => $does,)*)*}
            }

            /// The level at which it is granted.
            pub const fn level(self) -> Level {
                match self {$($(Action::$action => Level::$level,)*)*}
            }
        }

        /// The permissions by what they are about.
        pub const GROUPS: &[Group] = &[$(
            Group {
                name: $group,
                level: Level::$level,
                for_dags: { let dag: &[&str] = &[$(stringify!($dag))?]; !dag.is_empty() },
                description: $about,
                actions: &[$(Action::$action,)*],
            },
        )*];
    };
}

impl Action {
    /// Finds a permission by its name in the API.
    pub fn named(name: &str) -> Option<Action> {
        Self::ALL.iter().copied().find(|action| action.name() == name)
    }

    /// Whether the permission can be put into a custom role of the scope.
    pub fn assignable_to(self, scope: RoleScopeType) -> bool {
        GROUPS.iter().any(|group| group.belongs_to(scope) && group.actions.contains(&self))
    }
}

permissions! {
    Organization "organization" "The Organization itself." {
        OrganizationGet "get" "See the Organization",
    }
    Organization "organization.settings" "The Organization's settings." {
        OrganizationSettingsUpdate "update" "Change the Organization's settings",
    }
    Organization "organization.allowedIpAddressRanges" "The addresses from which the Organization can be reached." {
        OrganizationAllowedIpAddressRangesGet "get" "See the allowed address ranges",
        OrganizationAllowedIpAddressRangesCreate "create" "Allow an address range",
        OrganizationAllowedIpAddressRangesDelete "delete" "Stop allowing an address range",
    }
    Organization "organization.apiTokens" "API tokens. `access` opens the token operations; the others (ours) are needed for tokens of Organization scope." {
        OrganizationApiTokensAccess "access" "Use the API token operations",
        OrganizationApiTokensGet "get" "See the Organization's API tokens",
        OrganizationApiTokensCreate "create" "Create API tokens for the Organization",
        OrganizationApiTokensUpdate "update" "Change the Organization's API tokens and their roles",
        OrganizationApiTokensDelete "delete" "Delete the Organization's API tokens",
        OrganizationApiTokensRotate "rotate" "Rotate the Organization's API tokens",
    }
    Organization "organization.auditLogs" "The record of all changes." {
        OrganizationAuditLogsGet "get" "Export the audit log",
    }
    Organization "organization.billing" "Billing (ours)." {
        OrganizationBillingUpdate "update" "Change billing details",
    }
    Organization "organization.clusters" "Clusters." {
        OrganizationClustersGet "get" "See clusters",
        OrganizationClustersCreate "create" "Create clusters",
        OrganizationClustersUpdate "update" "Change clusters",
        OrganizationClustersDelete "delete" "Delete clusters",
    }
    Organization "organization.customRoles" "Roles." {
        OrganizationCustomRolesGet "get" "See roles and what they permit",
        OrganizationCustomRolesCreate "create" "Create custom roles",
        OrganizationCustomRolesUpdate "update" "Change custom roles",
        OrganizationCustomRolesDelete "delete" "Delete custom roles",
    }
    Organization "organization.deploymentConfigurations" "What Deployments can be made of." {
        OrganizationDeploymentConfigurationsGet "get" "See the options for Deployments",
    }
    Organization "organization.deployments" "Deployments across Workspaces." {
        OrganizationDeploymentsGet "get" "List the Deployments that one may see",
    }
    Organization "organization.envObjects" "Environment objects." {
        OrganizationEnvObjectsAccess "access" "Use the environment object operations",
    }
    Organization "organization.observe" "Lineage, usage and dashboards (ours)." {
        OrganizationObserveGet "get" "See lineage, usage and dashboards",
        OrganizationObserveUpdate "update" "Change what is observed",
    }
    Organization "organization.teams" "Teams." {
        OrganizationTeamsGet "get" "See teams and their members",
        OrganizationTeamsCreate "create" "Create teams",
        OrganizationTeamsUpdate "update" "Change teams and their members",
        OrganizationTeamsDelete "delete" "Delete teams",
    }
    Organization "organization.teamRoles" "What teams may do." {
        OrganizationTeamRolesAccess "access" "Change the roles of teams",
    }
    Organization "organization.userRoles" "What users may do." {
        OrganizationUserRolesAccess "access" "Change the roles of users",
    }
    Organization "organization.users" "Users." {
        OrganizationUsersGet "get" "See users",
        OrganizationUsersCreate "create" "Invite users",
        OrganizationUsersDelete "delete" "Remove users and invites",
    }
    Organization "organization.workspaces" "Workspaces." {
        OrganizationWorkspacesGet "get" "List the Workspaces that one may see",
        OrganizationWorkspacesCreate "create" "Create Workspaces",
    }

    Workspace "workspace" "The Workspace itself." {
        WorkspaceGet "get" "See the Workspace",
        WorkspaceDelete "delete" "Delete the Workspace and everything in it",
    }
    Workspace "workspace.settings" "The Workspace's settings." {
        WorkspaceSettingsUpdate "update" "Change the Workspace's settings",
    }
    Workspace "workspace.deployments" "Deployments of the Workspace." {
        WorkspaceDeploymentsCreate "create" "Create Deployments in the Workspace",
    }
    Workspace "workspace.envObjects" "Environment objects of the Workspace (ours)." {
        WorkspaceEnvObjectsGet "get" "See the Workspace's environment objects",
        WorkspaceEnvObjectsCreate "create" "Create environment objects for the Workspace",
        WorkspaceEnvObjectsUpdate "update" "Change the Workspace's environment objects and what they are linked to",
        WorkspaceEnvObjectsDelete "delete" "Delete the Workspace's environment objects",
    }
    Workspace "workspace.apiTokens" "API tokens of Workspace scope (ours)." {
        WorkspaceApiTokensGet "get" "See the Workspace's API tokens",
        WorkspaceApiTokensCreate "create" "Create API tokens for the Workspace",
        WorkspaceApiTokensUpdate "update" "Change the Workspace's API tokens and their roles",
        WorkspaceApiTokensDelete "delete" "Delete the Workspace's API tokens",
        WorkspaceApiTokensRotate "rotate" "Rotate the Workspace's API tokens",
    }
    Workspace "workspace.users" "Users of the Workspace (ours)." {
        WorkspaceUsersGet "get" "See the Workspace's users",
        WorkspaceUsersUpdate "update" "Change who has which role in the Workspace",
    }
    Workspace "workspace.teams" "Teams of the Workspace (ours)." {
        WorkspaceTeamsGet "get" "See the Workspace's teams",
        WorkspaceTeamsUpdate "update" "Change which team has which role in the Workspace",
    }

    Deployment "deployment" "The Deployment itself." {
        DeploymentGet "get" "See the Deployment",
        DeploymentUpdate "update" "Change the Deployment",
        DeploymentDelete "delete" "Delete the Deployment and its tokens",
    }
    Deployment "deployment.agents" "Remote agents." {
        DeploymentAgentsGet "get" "See the remote agents",
        DeploymentAgentsUpdate "update" "Cordon and uncordon remote agents",
        DeploymentAgentsDelete "delete" "Delete remote agents",
    }
    Deployment "deployment.agentTokens" "Tokens with which remote agents reach the Deployment's Airflow." {
        DeploymentAgentTokensGet "get" "See agent tokens",
        DeploymentAgentTokensCreate "create" "Create agent tokens",
        DeploymentAgentTokensUpdate "update" "Change agent tokens",
        DeploymentAgentTokensDelete "delete" "Delete agent tokens",
    }
    Deployment "deployment.airflow.adminMenu" "Airflow's Admin menu." {
        DeploymentAirflowAdminMenuGet "get" "See Airflow's Admin menu",
    }
    Deployment "deployment.airflow.astronomer" "Astronomer's menu in Airflow." {
        DeploymentAirflowAstronomerGet "get" "See Astronomer's menu in Airflow",
    }
    Deployment "deployment.airflow.auditLog" "Airflow's audit log." {
        DeploymentAirflowAuditLogGet "get" "See Airflow's audit log",
    }
    Deployment "deployment.airflow.browseMenu" "Airflow's Browse menu." {
        DeploymentAirflowBrowseMenuGet "get" "See Airflow's Browse menu",
    }
    Deployment "deployment.airflow.clusterActivity" "Airflow's cluster activity." {
        DeploymentAirflowClusterActivityGet "get" "See Airflow's cluster activity",
    }
    Deployment "deployment.airflow.configMenu" "Airflow's configuration." {
        DeploymentAirflowConfigMenuGet "get" "See Airflow's configuration",
    }
    Deployment "deployment.airflow.connection" "Airflow connections." {
        DeploymentAirflowConnectionGet "get" "See Airflow connections",
        DeploymentAirflowConnectionCreate "create" "Create Airflow connections",
        DeploymentAirflowConnectionUpdate "update" "Change Airflow connections",
        DeploymentAirflowConnectionDelete "delete" "Delete Airflow connections",
    }
    Deployment "deployment.airflow.customMenu" "Menus of Airflow plugins." {
        DeploymentAirflowCustomMenuGet "get" "See the menus of Airflow plugins",
    }
    Deployment and Dag "deployment.airflow.dag" "Dags." {
        DeploymentAirflowDagGet "get" "See Dags",
        DeploymentAirflowDagUpdate "update" "Pause and change Dags",
        DeploymentAirflowDagDelete "delete" "Delete Dags",
    }
    Deployment and Dag "deployment.airflow.dagCode" "The source of Dags." {
        DeploymentAirflowDagCodeGet "get" "See the source of Dags",
    }
    Deployment "deployment.airflow.dagDependencies" "Dependencies between Dags." {
        DeploymentAirflowDagDependenciesGet "get" "See dependencies between Dags",
    }
    Deployment and Dag "deployment.airflow.dagRun" "Dag runs." {
        DeploymentAirflowDagRunGet "get" "See Dag runs",
        DeploymentAirflowDagRunCreate "create" "Trigger Dag runs",
        DeploymentAirflowDagRunUpdate "update" "Change Dag runs",
        DeploymentAirflowDagRunDelete "delete" "Delete Dag runs",
    }
    Deployment "deployment.airflow.datasets" "Datasets." {
        DeploymentAirflowDatasetsGet "get" "See datasets",
    }
    Deployment "deployment.airflow.docs" "Airflow's documentation menu." {
        DeploymentAirflowDocsGet "get" "See Airflow's documentation menu",
    }
    Deployment "deployment.airflow.importError" "Import errors." {
        DeploymentAirflowImportErrorGet "get" "See import errors",
    }
    Deployment "deployment.airflow.job" "Airflow jobs." {
        DeploymentAirflowJobGet "get" "See Airflow jobs",
    }
    Deployment "deployment.airflow.plugin" "Airflow plugins." {
        DeploymentAirflowPluginGet "get" "See Airflow plugins",
    }
    Deployment "deployment.airflow.pool" "Airflow pools." {
        DeploymentAirflowPoolGet "get" "See Airflow pools",
        DeploymentAirflowPoolCreate "create" "Create Airflow pools",
        DeploymentAirflowPoolUpdate "update" "Change Airflow pools",
        DeploymentAirflowPoolDelete "delete" "Delete Airflow pools",
    }
    Deployment "deployment.airflow.provider" "Airflow providers." {
        DeploymentAirflowProviderGet "get" "See Airflow providers",
    }
    Deployment "deployment.airflow.slaMiss" "SLA misses." {
        DeploymentAirflowSlaMissGet "get" "See SLA misses",
    }
    Deployment and Dag "deployment.airflow.taskInstance" "Task instances." {
        DeploymentAirflowTaskInstanceGet "get" "See task instances",
        DeploymentAirflowTaskInstanceCreate "create" "Create task instances",
        DeploymentAirflowTaskInstanceUpdate "update" "Clear and mark task instances",
        DeploymentAirflowTaskInstanceDelete "delete" "Delete task instances",
    }
    Deployment and Dag "deployment.airflow.taskLog" "Task logs." {
        DeploymentAirflowTaskLogGet "get" "See task logs",
    }
    Deployment "deployment.airflow.taskReschedule" "Task reschedules." {
        DeploymentAirflowTaskRescheduleGet "get" "See task reschedules",
    }
    Deployment "deployment.airflow.trigger" "Triggers." {
        DeploymentAirflowTriggerGet "get" "See triggers",
    }
    Deployment "deployment.airflow.variable" "Airflow variables." {
        DeploymentAirflowVariableGet "get" "See Airflow variables",
        DeploymentAirflowVariableCreate "create" "Create Airflow variables",
        DeploymentAirflowVariableUpdate "update" "Change Airflow variables",
        DeploymentAirflowVariableDelete "delete" "Delete Airflow variables",
    }
    Deployment "deployment.airflow.website" "Airflow's web interface." {
        DeploymentAirflowWebsiteGet "get" "Open Airflow's web interface",
    }
    Deployment and Dag "deployment.airflow.xcom" "XComs." {
        DeploymentAirflowXcomGet "get" "See XComs",
        DeploymentAirflowXcomDelete "delete" "Delete XComs",
    }
    Deployment "deployment.alerts" "Alerts." {
        DeploymentAlertsGet "get" "See alerts",
        DeploymentAlertsCreate "create" "Create alerts",
        DeploymentAlertsUpdate "update" "Change alerts",
        DeploymentAlertsDelete "delete" "Delete alerts",
    }
    Deployment "deployment.apiTokens" "API tokens of Deployment scope." {
        DeploymentApiTokensGet "get" "See the Deployment's API tokens",
        DeploymentApiTokensCreate "create" "Create API tokens for the Deployment",
        DeploymentApiTokensUpdate "update" "Change the Deployment's API tokens and their roles",
        DeploymentApiTokensDelete "delete" "Delete the Deployment's API tokens",
        DeploymentApiTokensRotate "rotate" "Rotate the Deployment's API tokens",
    }
    Deployment "deployment.deploys" "Deploys of code." {
        DeploymentDeploysGet "get" "See deploys",
        DeploymentDeploysCreate "create" "Deploy code",
        DeploymentDeploysUpdate "update" "Roll deploys back",
    }
    Deployment "deployment.envObjects" "Environment objects of the Deployment." {
        DeploymentEnvObjectsGet "get" "See environment objects",
        DeploymentEnvObjectsCreate "create" "Create environment objects",
        DeploymentEnvObjectsUpdate "update" "Change environment objects",
        DeploymentEnvObjectsDelete "delete" "Delete environment objects",
    }
    Deployment "deployment.logs" "The Deployment's logs." {
        DeploymentLogsGet "get" "See the Deployment's logs",
    }
    Deployment "deployment.metrics" "The Deployment's metrics." {
        DeploymentMetricsGet "get" "See the Deployment's metrics",
    }
    Deployment "deployment.teams" "Teams with a role on the Deployment." {
        DeploymentTeamsGet "get" "See teams with a role on the Deployment",
        DeploymentTeamsDelete "delete" "Take a team's role on the Deployment away",
    }
    Deployment "deployment.users" "Users with a role on the Deployment." {
        DeploymentUsersGet "get" "See users with a role on the Deployment",
        DeploymentUsersDelete "delete" "Take a user's role on the Deployment away",
    }
}
