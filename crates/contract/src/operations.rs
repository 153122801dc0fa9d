//! The table of operations.
//!
//! A row says everything there is to know for calling an operation. Adding one here makes it
//! appear in the router (which will not compile until it has a handler), in the OpenAPI document,
//! in the client, and in the tests that walk every operation.
//!
//! Of a row's doc comment, the first line is the summary. A line such as `400: There is one already.`
//! says what else leads to that status, or for a success what the answer is.

use crate::{
    operation::{Access, Also, Beta, Errors, Method, Operation, Tag, Visitor},
    path::*,
    permissions::{self, Permission},
    wire::*,
};

/// `or!(() default)` is `default`, `or!((x) default)` is `x`.
macro_rules! or {
    (() $default:tt) => {
        $default
    };
    (($given:tt) $default:tt) => {
        $given
    };
    (() $default:ty) => {
        $default
    };
    (($given:ty) $default:ty) => {
        $given
    };
}

macro_rules! target {
    ($path:ident $body:ident) => {{
        let _ = $body;
        $path.into()
    }};
    ($path:ident $body:ident body) => {
        ($path, $body).into()
    };
}

/// What the audit log has of a body. It makes a row read as a sentence: `body UpdateTeamRequest Logged`.
enum InAuditLog {
    Logged,
}

/// What an operation can be beyond of. It makes a row read as a sentence: `=> 204, beyond V1`.
enum Public {
    V1,
}

macro_rules! operations {
    ($($tag:ident {$(
        $(#[doc = $doc:literal])+
        $name:ident: $access:ident $method:ident $path:literal
            requires $permission:ident $(at $place:ident)?, path $parameters:ident
            $(, query $query:ident)? $(, body $body:ident $($log:ident)?)?
            => $status:literal $($output:ident)?
            $(, also $beta:ident $($beta_method:ident $beta_path:literal)?)?
            $(, errors $errors:ident)?
            $(, beyond $public:ident)?;
    )*})*) => {
        $($(
            $(#[doc = $doc])+
            pub struct $name;

            impl Operation for $name {
                const ID: &'static str = stringify!($name);
                const METHOD: Method = Method::$method;
                const PATH: &'static str = $path;
                const ACCESS: Access = Access::$access;
                const TAG: Tag = Tag::$tag;
                const STATUS: u16 = $status;
                const ALSO: Option<Also> = or!(($( {
                    Some(Also {
                        beta: Beta::$beta,
                        method: or!(($( { Method::$beta_method } )?) { Method::$method }),
                        path: or!(($($beta_path)?) $path),
                    })
                } )?) None);
                const EXTENSION: bool = or!(($( {
                    let _ = Public::$public;
                    true
                } )?) false);
                const LOGS_BODY: bool = or!(($($( {
                    let _ = InAuditLog::$log;
                    true
                } )?)?) false);
                const ERRORS: Errors = or!(($( { Errors::$errors } )?) { Errors::Each });
                const DOC: &'static [&'static str] = &[$($doc),+];

                type Permission = permissions::$permission;
                type Path = $parameters;
                type Query = or!(($($query)?) NoQuery);
                type Body = or!(($($body)?) NoBody);
                type Output = or!(($($output)?) NoOutput);

                fn target(path: &Self::Path, body: &Self::Body) -> <Self::Permission as Permission>::Scope {
                    target!(path body $($place)?)
                }
            }
        )*)*

        /// Shows each operation to the visitor, in the order of the table.
        pub fn visit(visitor: &mut impl Visitor) {
            $($(visitor.visit::<$name>();)*)*
        }

        /// Calls `$each!(Read Name)`, `Write`, `Download` or `Inquiry` for every operation, so that a crate
        /// can require an implementation for each of them at compile time.
        #[macro_export]
        macro_rules! for_each_operation {
            ($each:ident) => { $($($each!($access $name);)*)* };
        }
    };
}

operations! {
    Agent {
        /// List a Deployment's agents.
        ///
        /// The remote workers that have registered through the gate, with how they are now and
        /// when they were last heard of.
        ListAgents: Read Get "/organizations/{organizationId}/deployments/{deploymentId}/agents"
            requires DeploymentAgentsGet, path InDeployment, query ListAgentsQuery
            => 200 AgentsPaginated, beyond V1;
        /// Get an agent.
        ///
        /// What it last said of itself, and the agent token that it came with.
        GetAgent: Read Get "/organizations/{organizationId}/deployments/{deploymentId}/agents/{agentId}"
            requires DeploymentAgentsGet, path OneAgent
            => 200 Agent, beyond V1;
        /// Delete an agent.
        ///
        /// Takes an agent that is TERMINATED or UNHEALTHY off the list. One that is connected is
        /// refused: stop the worker, or cut it off by deleting its agent token. The agent token
        /// stays as it is; with one that is good, the worker may register again, as a new agent.
        ///
        /// 400: The agent is connected.
        DeleteAgent: Write Delete "/organizations/{organizationId}/deployments/{deploymentId}/agents/{agentId}"
            requires DeploymentAgentsDelete, path OneAgent
            => 204, beyond V1;
        /// Trigger an action on an agent.
        ///
        /// A cordoned agent is given no new work from when this has answered; what it runs goes
        /// on. It stays cordoned when it restarts. An agent that is uncordoned learns of it with
        /// its next heartbeat, and takes work from then on.
        ///
        /// 200: The agent as it is now.
        /// 400: A `reason` goes with `UNCORDON`; it is for `CORDON` only.
        TriggerAgentAction: Write Post "/organizations/{organizationId}/deployments/{deploymentId}/agents/{agentId}/action"
            requires DeploymentAgentsUpdate, path OneAgent, body AgentActionRequest Logged
            => 200 Agent, beyond V1;
    }
    AgentToken {
        /// List a Deployment's agent tokens.
        ///
        /// Shows who made each token, when it was last used and when it ends; never its value.
        ListAgentTokens: Read Get "/organizations/{organizationId}/deployments/{deploymentId}/agent-tokens"
            requires DeploymentAgentTokensGet, path InDeployment, query ListAgentTokensQuery
            => 200 ApiTokensPaginated, also Iam;
        /// Create an agent token.
        ///
        /// The token opens this Deployment's Airflow to one remote agent. Its value is in this
        /// answer and nowhere else: it is not kept and cannot be shown again.
        ///
        /// 200: The agent token, with its value.
        /// 400: The Deployment has as many agent tokens as it can have: 50, unless the server's
        /// settings say otherwise.
        /// 400: The Deployment has remote execution off.
        /// 400: The `publicKey` is no Ed25519 or RSA key, or another agent token of the Deployment has it.
        CreateAgentToken: Write Post "/organizations/{organizationId}/deployments/{deploymentId}/agent-tokens"
            requires DeploymentAgentTokensCreate, path InDeployment, body CreateAgentTokenRequest Logged
            => 200 ApiToken, also Iam;
        /// Get an agent token.
        ///
        /// Everything about the token but its value.
        GetAgentToken: Read Get "/organizations/{organizationId}/deployments/{deploymentId}/agent-tokens/{agentTokenId}"
            requires DeploymentAgentTokensGet, path OneAgentToken
            => 200 ApiToken, also Iam;
        /// Delete an agent token.
        ///
        /// When this has answered, no request with the token that starts later is accepted.
        DeleteAgentToken: Write Delete "/organizations/{organizationId}/deployments/{deploymentId}/agent-tokens/{agentTokenId}"
            requires DeploymentAgentTokensDelete, path OneAgentToken
            => 204, also Iam;
    }
    AllowedIpAddressRange {
        /// List allowed IP address ranges.
        ///
        /// The addresses from which the Organization can be reached: its API, and by agents its
        /// Deployments. When there are none, it can be reached from everywhere.
        ListAllowedIpAddressRanges: Read Get "/organizations/{organizationId}/allowed-ip-address-ranges"
            requires OrganizationAllowedIpAddressRangesGet, path InOrganization, query ListAllowedIpAddressRangesQuery
            => 200 AllowedIpAddressRangesPaginated, also Iam;
        /// Allow an IP address range.
        ///
        /// The first range closes the Organization for all addresses that are not in it, from the
        /// next request on; so it must hold the address that this request comes from.
        ///
        /// 200: The range that is allowed now.
        /// 400: It is the first range, and does not hold the caller's address.
        /// 400: The range is allowed already, or the Organization has as many as it can have: 1000.
        CreateAllowedIpAddressRange: Write Post "/organizations/{organizationId}/allowed-ip-address-ranges"
            requires OrganizationAllowedIpAddressRangesCreate, path InOrganization,
            body CreateAllowedIpAddressRangeRequest Logged
            => 200 AllowedIpAddressRange, also Iam;
        /// Allow several IP address ranges.
        ///
        /// All of them, or none. When they are the Organization's first, one of them must hold the
        /// address that this request comes from.
        ///
        /// 400: They are the first ranges, and none of them holds the caller's address.
        /// 400: One of them is there more than once, or the Organization would have more than it
        /// can have: 1000.
        /// 409: One of them is allowed already.
        BulkCreateAllowedIpAddressRanges: Write Post "/organizations/{organizationId}/allowed-ip-address-ranges/bulk-create"
            requires OrganizationAllowedIpAddressRangesCreate, path InOrganization,
            body BulkCreateAllowedIpAddressRangesRequest Logged
            => 200 AllowedIpAddressRanges, also Labs Post "/organizations/{organizationId}/allowed-ip-address-ranges";
        /// Allow several IP address ranges no longer.
        ///
        /// All of them, or none; acts on the next request. When none is left, the Organization can
        /// be reached from everywhere.
        ///
        /// 400: Ranges are left, and none of them holds the caller's address, who would be locked out.
        BulkDeleteAllowedIpAddressRanges: Write Post "/organizations/{organizationId}/allowed-ip-address-ranges/bulk-delete"
            requires OrganizationAllowedIpAddressRangesDelete, path InOrganization,
            body BulkDeleteAllowedIpAddressRangesRequest Logged
            => 204, also Labs Delete "/organizations/{organizationId}/allowed-ip-address-ranges";
        /// Allow an IP address range no longer.
        ///
        /// Acts on the next request. When none is left, the Organization can be reached from
        /// everywhere.
        ///
        /// 400: Ranges are left, and none of them holds the caller's address, who would be locked out.
        DeleteAllowedIpAddressRange: Write Delete "/organizations/{organizationId}/allowed-ip-address-ranges/{allowedIpAddressRangeId}"
            requires OrganizationAllowedIpAddressRangesDelete, path OneAllowedIpAddressRange
            => 204, also Iam;
    }
    ApiToken {
        /// List API tokens.
        ///
        /// Those that the caller may see, narrowed by Workspace, Deployment, Dag or kind.
        ListApiTokens: Read Get "/organizations/{organizationId}/tokens"
            requires OrganizationApiTokensAccess, path InOrganization, query ListApiTokensQuery
            => 200 ApiTokensPaginated, also Iam;
        /// Create an API token.
        ///
        /// Nobody can give a token more than they may do themselves. The value is in this answer
        /// only.
        ///
        /// 200: The API token, with its value.
        /// 400: The `entityId` is missing, or names no Workspace or Deployment that the caller may see.
        /// 400: There is no such role that can be used there.
        /// 400: The kind `DIRECT_ACCESS` comes with another scope than `DEPLOYMENT`.
        /// 403: The caller lacks `organization.apiTokens.create`, or `workspace.apiTokens.create` or
        /// `deployment.apiTokens.create` on what the `entityId` names.
        /// 403: The role permits something that the caller lacks there.
        CreateApiToken: Write Post "/organizations/{organizationId}/tokens"
            requires OrganizationApiTokensAccess, path InOrganization, body CreateApiTokenRequest Logged
            => 200 ApiToken, also Iam;
        /// Get an API token.
        ///
        /// Everything about the token, its roles included, but its value.
        GetApiToken: Read Get "/organizations/{organizationId}/tokens/{tokenId}"
            requires OrganizationApiTokensAccess, path OneApiToken
            => 200 ApiToken, also Iam;
        /// Update an API token.
        ///
        /// Changes the name and the description. An expiry cannot be changed.
        ///
        /// 403: The caller lacks `organization.apiTokens.update`, or `workspace.apiTokens.update` or
        /// `deployment.apiTokens.update` where the token belongs to one.
        UpdateApiToken: Write Post "/organizations/{organizationId}/tokens/{tokenId}"
            requires OrganizationApiTokensAccess, path OneApiToken, body UpdateApiTokenRequest Logged
            => 200 ApiToken, also Iam;
        /// Delete an API token.
        ///
        /// When this has answered, no request with the token that starts later is accepted.
        ///
        /// 403: The caller lacks `organization.apiTokens.delete`, or `workspace.apiTokens.delete` or
        /// `deployment.apiTokens.delete` where the token belongs to one.
        DeleteApiToken: Write Delete "/organizations/{organizationId}/tokens/{tokenId}"
            requires OrganizationApiTokensAccess, path OneApiToken
            => 204, also Iam;
        /// Replace an API token's roles.
        ///
        /// The list given replaces all roles that the token had. It acts on the next request.
        ///
        /// 200: The roles that the token has now.
        /// 400: Not exactly one of the roles is on what the token belongs to, or one is on something
        /// above it.
        /// 400: A role that is on no Dag has a `deploymentId` that is not its `entityId`.
        /// 400: A role, or what it shall be on, is not there or not visible to the caller.
        /// 403: The caller lacks `organization.apiTokens.update`, or `workspace.apiTokens.update` or
        /// `deployment.apiTokens.update` where the token belongs to one.
        /// 403: The caller lacks `workspace.apiTokens.create` or `deployment.apiTokens.create` where else
        /// the token gets a role.
        /// 403: A role that is new to the token permits something that the caller lacks there.
        UpdateApiTokenRoles: Write Post "/organizations/{organizationId}/tokens/{tokenId}/roles"
            requires OrganizationApiTokensAccess, path OneApiToken, body UpdateApiTokenRolesRequest Logged
            => 200 SubjectRoles, also Iam;
        /// Rotate an API token.
        ///
        /// Answers with a new value; the old one stops working at once.
        ///
        /// 200: The API token, with its new value.
        /// 403: The caller lacks `organization.apiTokens.rotate`, or `workspace.apiTokens.rotate` or
        /// `deployment.apiTokens.rotate` where the token belongs to one.
        /// 403: A role of the token permits something that the caller lacks there.
        RotateApiToken: Write Post "/organizations/{organizationId}/tokens/{tokenId}/rotate"
            requires OrganizationApiTokensAccess, path OneApiToken
            => 200 ApiToken, also Iam;
    }
    Authorization {
        /// List permissions.
        ///
        /// All permissions by what they are about. Those of DEPLOYMENT and DAG scope can be put
        /// into custom roles.
        ///
        /// 200: All groups of permissions.
        ListPermissionGroups: Read Get "/authorization/permission-groups"
            requires Authenticated, path Root, query ListPermissionGroupsQuery
            => 200 PermissionGroups, also Iam;
    }
    Cluster {
        /// List clusters.
        ///
        /// All of the Organization, narrowed by name or cloud, each with how the Deployments in it are.
        ListClusters: Read Get "/organizations/{organizationId}/clusters"
            requires OrganizationClustersGet, path InOrganization, query ListClustersQuery
            => 200 ClustersPaginated, also Platform;
        /// Create a cluster.
        ///
        /// Names a place where Airflows run, so that Deployments can say that theirs runs there.
        /// Airlock provisions nothing: the cluster is `CREATED` at once, and the rest of the body is
        /// kept and answered as it came.
        ///
        /// 200: The new cluster.
        /// 400: One of the `workspaceIds` is not there, or two node pools have the same `name`.
        /// 412: The Organization has as many clusters as it can have: 1000.
        CreateCluster: Write Post "/organizations/{organizationId}/clusters"
            requires OrganizationClustersCreate, path InOrganization, body CreateClusterRequest Logged
            => 200 Cluster, also Platform;
        /// Get a cluster.
        ///
        /// What was asked for, and how the Deployments in it are.
        GetCluster: Read Get "/organizations/{organizationId}/clusters/{clusterId}"
            requires OrganizationClustersGet, path OneCluster
            => 200 Cluster, also Platform;
        /// Update a cluster.
        ///
        /// What the body leaves out stays as it is. `workspaceIds`, `nodePools` and `k8sTags` replace
        /// the whole list; a node pool that comes with its id, or with its name, stays the same one.
        ///
        /// 200: The cluster as it is now.
        /// 400: The `clusterType` is not that of the cluster.
        /// 400: One of the `workspaceIds` is not there.
        /// 400: A Deployment of a Workspace that is not among the `workspaceIds` runs in the cluster, or the
        /// cluster is such a Workspace's default.
        /// 400: The `id` of a node pool is none of the cluster's, or two node pools have the same `name`.
        /// 400: `enableDr` is on, and there is no `drRegion`.
        /// 412: `isFailedOver` is on, and the cluster has no second region to take over.
        UpdateCluster: Write Post "/organizations/{organizationId}/clusters/{clusterId}"
            requires OrganizationClustersUpdate, path OneCluster, body UpdateClusterRequest Logged
            => 200 Cluster, also Platform;
        /// Delete a cluster.
        ///
        /// Refused while a Deployment runs in it, or while it is the default of a Workspace.
        ///
        /// 400: The cluster is in use; the message names by what.
        DeleteCluster: Write Delete "/organizations/{organizationId}/clusters/{clusterId}"
            requires OrganizationClustersDelete, path OneCluster
            => 204, also Platform;
    }
    Deploy {
        /// List deploys.
        ///
        /// What was deployed to the Deployment, the newest first; also what was begun and not finished.
        ListDeploys: Read Get "/organizations/{organizationId}/deployments/{deploymentId}/deploys"
            requires DeploymentDeploysGet, path InDeployment, query ListDeploysQuery
            => 200 DeploysPaginated, also Platform;
        /// Create a deploy.
        ///
        /// Begins a deploy, and answers with the URL to which its archive, a `.tar.gz`, is uploaded
        /// within the hour. Nothing changes until the deploy is finalized. Airlock runs no image
        /// registry: of an image it keeps the tag, and `imageRepository` is empty.
        ///
        /// 200: The deploy, with its upload URL.
        /// 400: The Deployment has DAG deploys off, and the `type` is `DAG_ONLY` or `BUNDLE`.
        /// 400: The `type` is `BUNDLE`, and `bundleMountPath` or `bundleType` is missing; or it is
        /// another one, and they are there.
        /// 403: The Deployment takes deploys from API tokens only (`isCicdEnforced`), and a user calls.
        CreateDeploy: Write Post "/organizations/{organizationId}/deployments/{deploymentId}/deploys"
            requires DeploymentDeploysCreate, path InDeployment, body CreateDeployRequest Logged
            => 200 Deploy, also Platform;
        /// Get a deploy.
        ///
        /// What was deployed, by whom, and what became of it.
        GetDeploy: Read Get "/organizations/{organizationId}/deployments/{deploymentId}/deploys/{deployId}"
            requires DeploymentDeploysGet, path OneDeploy
            => 200 Deploy, also Platform;
        /// Update a deploy.
        ///
        /// Changes its description; what was deployed stays as it is.
        ///
        /// 200: The deploy as it is now.
        UpdateDeploy: Write Post "/organizations/{organizationId}/deployments/{deploymentId}/deploys/{deployId}"
            requires DeploymentDeploysUpdate, path OneDeploy, body UpdateDeployRequest Logged
            => 200 Deploy, also Platform;
        /// Finalize a deploy.
        ///
        /// Checks the archive that was uploaded, and makes it what the Deployment's agents get. An
        /// archive that is refused changes nothing, and another one can be uploaded. To finalize a
        /// deploy once more with the same version is answered as the first time, and changes nothing.
        ///
        /// 200: The deploy as it is now.
        /// 400: The archive has what it must not have, such as a path that leads out of it, or is
        /// larger than the server's settings allow.
        /// 400: No such version was uploaded for the deploy, or a version is missing.
        /// 400: The deploy was finalized with another version, or was not finalized within a day.
        FinalizeDeploy: Write Post "/organizations/{organizationId}/deployments/{deploymentId}/deploys/{deployId}/finalize"
            requires DeploymentDeploysUpdate, path OneDeploy, body FinalizeDeployRequest Logged
            => 200 Deploy, also Platform;
        /// Roll back to a deploy.
        ///
        /// Makes a new deploy of what an older one has deployed, and finalizes it.
        ///
        /// 200: The new deploy.
        /// 400: The older deploy was not finalized, or its archive is not kept any more.
        DeployRollback: Write Post "/organizations/{organizationId}/deployments/{deploymentId}/deploys/{deployId}/rollback"
            requires DeploymentDeploysUpdate, path OneDeploy, body DeployRollbackRequest Logged
            => 200 Deploy, also Platform;
    }
    Deployment {
        /// List Deployments.
        ///
        /// Those that the caller may see, narrowed by id, name or Workspace.
        ListDeployments: Read Get "/organizations/{organizationId}/deployments"
            requires OrganizationDeploymentsGet, path InOrganization, query ListDeploymentsQuery
            => 200 DeploymentsPaginated, also Platform;
        /// Create a Deployment.
        ///
        /// Needs `workspace.deployments.create` in the Workspace that the body names. What the body
        /// leaves out comes from that Workspace: a name is enough.
        ///
        /// 400: The `clusterId` names no cluster, or one of another type, or one that is restricted to other
        /// Workspaces; or it is missing for a DEDICATED or HYBRID Deployment.
        /// 400: Two environment variables have the same `key`.
        /// 400: A hibernation schedule has a cron expression or a time zone that cannot be read, or the Deployment
        /// is not one for development (`isDevelopmentMode`).
        /// 404: The body names a Workspace that is not there, or that the caller may not see.
        CreateDeployment: Write Post "/organizations/{organizationId}/deployments"
            requires WorkspaceDeploymentsCreate at body, path InOrganization, body CreateDeploymentRequest
            => 200 Deployment, also Platform;
        /// Get a Deployment.
        ///
        /// Values of secret environment variables are left out.
        GetDeployment: Read Get "/organizations/{organizationId}/deployments/{deploymentId}"
            requires DeploymentGet, path InDeployment
            => 200 Deployment, also Platform;
        /// Update a Deployment.
        ///
        /// A secret environment variable that comes without a value keeps the one it has.
        ///
        /// 200: The Deployment as it is now.
        /// 400: The body names another Workspace or another `type` than the Deployment has.
        /// 400: Two environment variables have the same `key`.
        /// 400: A hibernation schedule has a cron expression or a time zone that cannot be read, or the Deployment
        /// is not one for development (`isDevelopmentMode`).
        UpdateDeployment: Write Post "/organizations/{organizationId}/deployments/{deploymentId}"
            requires DeploymentUpdate, path InDeployment, body UpdateDeploymentRequest
            => 200 Deployment, also Platform;
        /// Delete a Deployment.
        ///
        /// Its agent tokens and API tokens are deleted with it, and stop working at once.
        DeleteDeployment: Write Delete "/organizations/{organizationId}/deployments/{deploymentId}"
            requires DeploymentDelete, path InDeployment
            => 204, also Platform;
        /// Override a Deployment's hibernation.
        ///
        /// The override holds instead of the schedules until it ends or is removed. A Deployment
        /// that hibernates hands out no work; tasks that run go on.
        ///
        /// 200: The override as it is now.
        /// 400: The Deployment is not one for development (`isDevelopmentMode`).
        /// 400: The `overrideUntil` has passed already.
        UpdateDeploymentHibernationOverride: Write Post "/organizations/{organizationId}/deployments/{deploymentId}/hibernation-override"
            requires DeploymentUpdate, path InDeployment, body OverrideDeploymentHibernationBody Logged
            => 200 DeploymentHibernationOverride, also Platform, errors InRanges;
        /// Remove the override of a Deployment's hibernation.
        ///
        /// The schedules hold again from the next request on. Removes nothing when there is no
        /// override.
        DeleteDeploymentHibernationOverride: Write Delete "/organizations/{organizationId}/deployments/{deploymentId}/hibernation-override"
            requires DeploymentUpdate, path InDeployment
            => 204, also Platform, errors InRanges;
        /// Get a Deployment's logs.
        ///
        /// What passed the gate: lines that tasks logged (`worker`), and what the gate did
        /// (`apiserver`), some seconds after it happened. A search finds the newest lines that fit,
        /// up to `maxNumResults`, and answers them oldest first, page by page.
        ///
        /// 400: Only one of `startDate` and `endDate` is given, or they are in the wrong order.
        /// 400: The `searchId` is none that was answered.
        GetDeploymentLogs: Read Get "/organizations/{organizationId}/deployments/{deploymentId}/logs"
            requires DeploymentLogsGet, path InDeployment, query GetDeploymentLogsQuery
            => 200 DeploymentLog;
        /// Look at a Deployment's Airflow.
        ///
        /// Calls the Airflow now, and says what is right and what is wrong, such as that it does
        /// not trust Airlock. What it finds is the Deployment's `status` from then on, unless it
        /// hibernates.
        CheckAirflow: Inquiry Get "/organizations/{organizationId}/deployments/{deploymentId}/airflow-check"
            requires DeploymentGet, path InDeployment
            => 200 AirflowCheck, beyond V1;
    }
    Environment {
        /// List environment objects.
        ///
        /// Those that the caller may see, narrowed by Workspace, Deployment, type or key. Secret
        /// values are left out, unless the Organization allows that they are asked for.
        ///
        /// 400: Both `workspaceId` and `deploymentId` are given.
        /// 403: The caller lacks `workspace.envObjects.get` on the Workspace or `deployment.envObjects.get` on the
        /// Deployment that is given.
        /// 403: `showSecrets` is on, and the Organization does not allow it.
        ListEnvironmentObjects: Read Get "/organizations/{organizationId}/environment-objects"
            requires OrganizationEnvObjectsAccess, path InOrganization, query ListEnvironmentObjectsQuery
            => 200 EnvironmentObjectsPaginated, also Platform;
        /// Create an environment object.
        ///
        /// Tasks behind the gate find connections and Airflow variables of the Deployment that they
        /// run in, instead of those that Airflow has. Values are kept encrypted.
        ///
        /// 400: The `scopeEntityId`, or a Deployment in `links` or `excludeLinks`, is not there or not visible to the
        /// caller.
        /// 400: What the object holds is missing, or of another type than its `objectType`.
        /// 400: An object of the scope DEPLOYMENT has `links`, `excludeLinks` or `autoLinkDeployments`.
        /// 403: The caller lacks `workspace.envObjects.create` or `deployment.envObjects.create` there.
        /// 409: There is an object of this type and key there already.
        CreateEnvironmentObject: Write Post "/organizations/{organizationId}/environment-objects"
            requires OrganizationEnvObjectsAccess, path InOrganization, body CreateEnvironmentObjectRequest
            => 200 CreatedEnvironmentObject, also Platform;
        /// Get an environment object.
        ///
        /// Everything about it but its secret values.
        GetEnvironmentObject: Read Get "/organizations/{organizationId}/environment-objects/{environmentObjectId}"
            requires OrganizationEnvObjectsAccess, path OneEnvironmentObject
            => 200 EnvironmentObject, also Platform;
        /// Update an environment object.
        ///
        /// What the body leaves out stays as it is, also secret values. The next call of a task
        /// finds what it is then; a variable of the environment reaches workers that start later.
        ///
        /// 200: The environment object as it is now.
        /// 400: A Deployment in `links` or `excludeLinks` is not there, or is in both.
        /// 400: What is given is for another type than the object has.
        /// 403: The caller lacks `workspace.envObjects.update` or `deployment.envObjects.update` where the object belongs.
        /// 409: In the public API only; this server does not answer it.
        UpdateEnvironmentObject: Write Post "/organizations/{organizationId}/environment-objects/{environmentObjectId}"
            requires OrganizationEnvObjectsAccess, path OneEnvironmentObject, body UpdateEnvironmentObjectRequest
            => 200 EnvironmentObject, also Platform;
        /// Delete an environment object.
        ///
        /// From when this has answered, no task finds it. A worker keeps a variable of its
        /// environment until it ends.
        ///
        /// 403: The caller lacks `workspace.envObjects.delete` or `deployment.envObjects.delete` where the object belongs.
        /// 409: In the public API only; this server does not answer it.
        DeleteEnvironmentObject: Write Delete "/organizations/{organizationId}/environment-objects/{environmentObjectId}"
            requires OrganizationEnvObjectsAccess, path OneEnvironmentObject
            => 204, also Platform;
        /// Exclude a Deployment from an environment object.
        ///
        /// The Deployment does not have it although all of its Workspace do. Whoever may change the
        /// Deployment's own objects may do this.
        ///
        /// 400: The Deployment is not there, or the object is not one of its Workspace.
        /// 403: The caller lacks `workspace.envObjects.update`, and `deployment.envObjects.update` on the Deployment.
        /// 409: The object is linked to the Deployment.
        ExcludeLinkingEnvironmentObject: Write Post "/organizations/{organizationId}/environment-objects/{environmentObjectId}/exclude-linking"
            requires OrganizationEnvObjectsAccess, path OneEnvironmentObject, body EnvironmentObjectExcludeLink Logged
            => 200, also Platform;
    }
    Invite {
        /// Invite a user.
        ///
        /// Makes a user of the status PENDING, whose `username` is the e-mail address. Whoever
        /// logs in with that address within seven days accepts. Inviting an address again
        /// replaces its invite, and the role.
        ///
        /// 200: The invite.
        /// 400: The address is that of a user who is in the Organization already.
        /// 403: The role permits something that the caller lacks.
        CreateUserInvite: Write Post "/organizations/{organizationId}/invites"
            requires OrganizationUsersCreate, path InOrganization, body CreateUserInviteRequest Logged
            => 200 Invite, also Iam;
        /// Delete an invite.
        ///
        /// The user that it made goes with it. An invite that was accepted is gone already.
        DeleteUserInvite: Write Delete "/organizations/{organizationId}/invites/{inviteId}"
            requires OrganizationUsersDelete, path OneInvite
            => 204, also Iam;
    }
    Options {
        /// Get the options for clusters.
        ///
        /// The regions and machines that a cluster can be asked for, of each cloud, from the server's
        /// catalogue. They are what clients offer; no request is held against them.
        ///
        /// 200: The options, a cloud each.
        GetClusterOptions: Read Get "/organizations/{organizationId}/cluster-options"
            requires Member, path InOrganization, query GetClusterOptionsQuery
            => 200 ClusterOptionsOfClouds, also Platform;
        /// Get the options for Deployments.
        ///
        /// The versions of Airflow, machines and bounds that a Deployment can be asked for, from the
        /// server's catalogue. They are what clients offer; no request is held against them.
        ///
        /// 200: The options.
        /// 400: The `deploymentId` names no Deployment that the caller may see.
        GetDeploymentOptions: Read Get "/organizations/{organizationId}/deployment-options"
            requires OrganizationDeploymentConfigurationsGet, path InOrganization, query GetDeploymentOptionsQuery
            => 200 DeploymentOptions, also Platform;
    }
    Organization {
        /// List Organizations.
        ///
        /// Those that the caller belongs to.
        ListOrganizations: Read Get "/organizations"
            requires Authenticated, path Root, query ListOrganizationsQuery
            => 200 OrganizationsPaginated, also Platform;
        /// Get an Organization.
        ///
        /// With `isLookUpOnly`, just what is needed to recognise it.
        GetOrganization: Read Get "/organizations/{organizationId}"
            requires OrganizationGet, path InOrganization, query GetOrganizationQuery
            => 200 Organization, also Platform;
        /// Update an Organization.
        ///
        /// What the body leaves out stays as it is.
        ///
        /// 200: The Organization as it is now.
        UpdateOrganization: Write Post "/organizations/{organizationId}"
            requires OrganizationSettingsUpdate, path InOrganization, body UpdateOrganizationRequest Logged
            => 200 Organization, also Platform;
        /// Export the audit log.
        ///
        /// One JSON object a line, oldest first, gzip-encoded: every change, refused
        /// requests, and secrets that tasks were given. A change has the body of its request in
        /// `requestBody`, up to 64 KiB, but for what may hold secrets: those of Deployments and
        /// environment objects.
        /// From `startDate` (included) to `endDate` (excluded); each is open when absent.
        ///
        /// 200: The audit log, one JSON object a line.
        GetOrganizationAuditLogs: Download Get "/organizations/{organizationId}/audit-logs"
            requires OrganizationAuditLogsGet, path InOrganization, query GetOrganizationAuditLogsQuery
            => 200, also Platform;
    }
    Role {
        /// List role templates.
        ///
        /// Starting points for custom roles; a template cannot be assigned itself.
        ///
        /// 200: All role templates.
        ListRoleTemplates: Read Get "/organizations/{organizationId}/role-templates"
            requires OrganizationCustomRolesGet, path InOrganization, query ListRoleTemplatesQuery
            => 200 RoleTemplates, also Iam;
        /// List roles.
        ///
        /// The Organization's custom roles, and with `includeDefaultRoles` the built-in ones with
        /// what they permit.
        ListRoles: Read Get "/organizations/{organizationId}/roles"
            requires OrganizationCustomRolesGet, path InOrganization, query ListRolesQuery
            => 200 RolesPaginated, also Iam;
        /// Create a custom role.
        ///
        /// Custom roles exist for DEPLOYMENT and DAG scope.
        ///
        /// 400: A built-in role or another custom role has the name already.
        /// 400: One of the `permissions` is not for roles of this scope.
        /// 400: One of the `restrictedWorkspaceIds` is not there.
        CreateCustomRole: Write Post "/organizations/{organizationId}/roles"
            requires OrganizationCustomRolesCreate, path InOrganization, body CreateCustomRoleRequest Logged
            => 200 RoleWithPermission, also Iam;
        /// Get a custom role.
        ///
        /// With its permissions.
        GetCustomRole: Read Get "/organizations/{organizationId}/roles/{roleId}"
            requires OrganizationCustomRolesGet, path OneRole
            => 200 RoleWithPermission, also Iam;
        /// Update a custom role.
        ///
        /// Acts on the next request of whoever has the role. The permissions of a role that a
        /// DIRECT_ACCESS token has cannot be changed: they were fixed when it was created.
        ///
        /// 200: The role as it is now.
        /// 400: A built-in role or another custom role has the name already.
        /// 400: One of the `permissions` is not for roles of this scope.
        /// 400: One of the `restrictedWorkspaceIds` is not there.
        /// 400: The `permissions` change while a `DIRECT_ACCESS` token has the role.
        UpdateCustomRole: Write Post "/organizations/{organizationId}/roles/{customRoleId}"
            requires OrganizationCustomRolesUpdate, path OneRole, body UpdateCustomRoleRequest Logged
            => 200 RoleWithPermission, also Iam;
        /// Delete a custom role.
        ///
        /// Refused while an API token, a user or a team has the role.
        ///
        /// 400: Somebody has the role.
        DeleteCustomRole: Write Delete "/organizations/{organizationId}/roles/{customRoleId}"
            requires OrganizationCustomRolesDelete, path OneRole
            => 204, also Iam;
    }
    Team {
        /// List teams.
        ///
        /// Those that the caller may see, narrowed by name or by what they have a role on.
        ListTeams: Read Get "/organizations/{organizationId}/teams"
            requires OrganizationTeamsGet, path InOrganization, query ListTeamsQuery
            => 200 TeamsPaginated, also Iam;
        /// Create a team.
        ///
        /// With a role on the Organization, and members if some are named.
        ///
        /// 200: The new team.
        /// 400: Another team has the name.
        /// 400: A member is no user of the Organization.
        /// 403: The role permits something that the caller lacks.
        CreateTeam: Write Post "/organizations/{organizationId}/teams"
            requires OrganizationTeamsCreate, path InOrganization, body CreateTeamRequest Logged
            => 200 Team, also Iam;
        /// Get a team.
        ///
        /// With its roles on what the caller may see; its members are a list of their own.
        GetTeam: Read Get "/organizations/{organizationId}/teams/{teamId}"
            requires OrganizationTeamsGet, path OneTeam
            => 200 Team, also Iam;
        /// Update a team.
        ///
        /// Changes the name and the description.
        ///
        /// 200: The team as it is now.
        /// 400: Another team has the name.
        /// 400: An identity provider manages the team.
        UpdateTeam: Write Post "/organizations/{organizationId}/teams/{teamId}"
            requires OrganizationTeamsUpdate, path OneTeam, body UpdateTeamRequest Logged
            => 200 Team, also Iam;
        /// Delete a team.
        ///
        /// Its members lose the roles that they had by it, with their next request.
        ///
        /// 400: An identity provider manages the team, and it has members.
        /// 400: The Organization would have no Owner any more.
        DeleteTeam: Write Delete "/organizations/{organizationId}/teams/{teamId}"
            requires OrganizationTeamsDelete, path OneTeam
            => 204, also Iam;
        /// Replace a team's roles.
        ///
        /// The roles given replace all that the team had on what the caller may see; those on
        /// anything else stay. It acts on the next request of each member. An identity provider has
        /// no say in it.
        ///
        /// 200: The roles that the team has now on what the caller may see.
        /// 400: A role, or what it shall be on, is not there or not visible to the caller.
        /// 400: The Organization would have no Owner any more.
        /// 403: The caller lacks `organization.teams.update`, or `workspace.teams.update` where a
        /// role is given or taken; `deployment.teams.delete` is enough to take one on a Deployment.
        /// 403: A role that is new to the team permits something that the caller lacks there.
        UpdateTeamRoles: Write Post "/organizations/{organizationId}/teams/{teamId}/roles"
            requires OrganizationTeamRolesAccess, path OneTeam, body UpdateTeamRolesRequest Logged
            => 200 SubjectRoles, also Iam;
        /// List a team's members.
        ///
        /// The users who have the team's roles.
        ListTeamMembers: Read Get "/organizations/{organizationId}/teams/{teamId}/members"
            requires OrganizationTeamsGet, path OneTeam, query ListTeamMembersQuery
            => 200 TeamMembersPaginated, also Iam;
        /// Add members to a team.
        ///
        /// All of them, or none when one is unknown. They have the team's roles from their next
        /// request on.
        ///
        /// 400: A member is no user of the Organization.
        /// 400: An identity provider manages the team.
        AddTeamMembers: Write Post "/organizations/{organizationId}/teams/{teamId}/members"
            requires OrganizationTeamsUpdate, path OneTeam, body AddTeamMembersRequest Logged
            => 204, also Iam;
        /// Remove a member from a team.
        ///
        /// The user loses the roles that it had by the team, with its next request.
        ///
        /// 400: An identity provider manages the team.
        /// 400: The Organization would have no Owner any more.
        RemoveTeamMember: Write Delete "/organizations/{organizationId}/teams/{teamId}/members/{memberId}"
            requires OrganizationTeamsUpdate, path OneTeamMember
            => 204, also Iam;
    }
    User {
        /// List users.
        ///
        /// Those that the caller may see, narrowed by what they have a role on. Whoever has no
        /// role on the Organization sees who has one where its own role reaches.
        ListUsers: Read Get "/organizations/{organizationId}/users"
            requires OrganizationUsersGet, path InOrganization, query ListUsersQuery
            => 200 UsersPaginated, also Iam;
        /// Get a user.
        ///
        /// With the roles that were given to it on what the caller may see; those of its teams are with
        /// the teams.
        GetUser: Read Get "/organizations/{organizationId}/users/{userId}"
            requires OrganizationUsersGet, path OneUser
            => 200 User, also Iam;
        /// Replace a user's roles.
        ///
        /// The roles given replace all that the user had on what the caller may see; those on
        /// anything else stay. It acts on the user's next request. Nobody can give more than they
        /// may do themselves, and the Organization's last Owner stays one.
        ///
        /// 200: The roles that the user has now on what the caller may see.
        /// 400: A role, or what it shall be on, is not there or not visible to the caller.
        /// 400: The Organization would have no Owner any more.
        /// 403: The caller lacks `organization.users.create`, or `workspace.users.update` where a
        /// role is given or taken; `deployment.users.delete` is enough to take one on a Deployment.
        /// 403: A role that is new to the user permits something that the caller lacks there.
        UpdateUserRoles: Write Post "/organizations/{organizationId}/users/{userId}/roles"
            requires OrganizationUserRolesAccess, path OneUser, body UpdateUserRolesRequest Logged
            => 200 SubjectRoles, also Iam;
        /// Remove a user.
        ///
        /// Takes the user out of the Organization and all its teams, with its roles. The
        /// Organization's last Owner cannot be removed.
        ///
        /// 400: The Organization would have no Owner any more.
        DeleteUser: Write Delete "/organizations/{organizationId}/users/{userId}"
            requires OrganizationUsersDelete, path OneUser
            => 204, beyond V1;
        /// List a user's teams.
        ///
        /// Those that the caller may see, with the roles that the user has by each.
        ListUserTeams: Read Get "/organizations/{organizationId}/users/{userId}/teams"
            requires OrganizationTeamsGet, path OneUser, query ListUserTeamsQuery
            => 200 UserTeamsPaginated, also Iam;
        /// Get the caller.
        ///
        /// Who the caller is, and all its roles.
        ///
        /// 200: The caller.
        GetSelfUser: Read Get "/users/self"
            requires Authenticated, path Root, query GetSelfUserQuery
            => 200 SelfUser, also Iam;
    }
    Workspace {
        /// List Workspaces.
        ///
        /// Those that the caller may see, narrowed by id or name.
        ListWorkspaces: Read Get "/organizations/{organizationId}/workspaces"
            requires OrganizationWorkspacesGet, path InOrganization, query ListWorkspacesQuery
            => 200 WorkspacesPaginated, also Platform;
        /// Create a Workspace.
        ///
        /// A caller whose role does not reach the new Workspace will not see it.
        ///
        /// 400: The `defaultClusterId` names no cluster, or one that is restricted to other Workspaces.
        CreateWorkspace: Write Post "/organizations/{organizationId}/workspaces"
            requires OrganizationWorkspacesCreate, path InOrganization, body CreateWorkspaceRequest Logged
            => 200 Workspace, also Platform;
        /// Get a Workspace.
        ///
        /// Its settings and who made it.
        GetWorkspace: Read Get "/organizations/{organizationId}/workspaces/{workspaceId}"
            requires WorkspaceGet, path InWorkspace
            => 200 Workspace, also Platform;
        /// Update a Workspace.
        ///
        /// Defaults that the body leaves out stay as they are; an empty `defaultClusterId` takes that
        /// one away.
        ///
        /// 200: The Workspace as it is now.
        /// 400: The `defaultClusterId` names no cluster, or one that is restricted to other Workspaces.
        UpdateWorkspace: Write Post "/organizations/{organizationId}/workspaces/{workspaceId}"
            requires WorkspaceSettingsUpdate, path InWorkspace, body UpdateWorkspaceRequest Logged
            => 200 Workspace, also Platform;
        /// Delete a Workspace.
        ///
        /// Its Deployments and all tokens below it are deleted with it, and stop working at once.
        DeleteWorkspace: Write Delete "/organizations/{organizationId}/workspaces/{workspaceId}"
            requires WorkspaceDelete, path InWorkspace
            => 204, also Platform;
    }
}
