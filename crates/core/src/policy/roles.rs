//! The built-in roles and what they permit: the one table.
//!
//! Where the public documentation has a capability table, this follows it. Where it is silent the
//! choice is ours; the documentation prints this table, and `GET /roles?includeDefaultRoles=true`
//! serves it. Two sources differ on who manages a Workspace's API tokens; here it is the newer and
//! stricter one: its Owner.

use std::sync::LazyLock;

use airlock_contract::{permissions::Action, wire::DefaultRoleScopeType as Scope};

use super::Permissions;

/// A role, or a template for one.
pub struct BuiltIn {
    /// Its name in the API.
    pub name: &'static str,
    /// What it can be granted on.
    pub scope: Scope,
    /// What it is for.
    pub description: &'static str,
    /// What it permits.
    pub permits: Permissions,
}

impl BuiltIn {
    /// Whether a role for the same thing permits all that this does, and more.
    pub fn is_within(&self, other: &Self) -> bool {
        let is_smaller = self.permits != other.permits && self.permits.iter().all(|one| other.permits.contains(one));
        self.scope == other.scope && is_smaller
    }
}

/// A row of the table: a role permits all that `like` does, and what the patterns match besides.
struct Row {
    name: &'static str,
    scope: Scope,
    description: &'static str,
    like: &'static [&'static str],
    /// Names of permissions; `*` stands for any text.
    permits: &'static [&'static str],
}

const ROLES: &[Row] = &[
    Row {
        name: "ORGANIZATION_MEMBER",
        scope: Scope::Organization,
        description: "Sees the Organization, its people and clusters; and what other roles show.",
        like: &[],
        permits: &[
            "organization.get",
            "organization.clusters.get",
            "organization.customRoles.get",
            "organization.deploymentConfigurations.get",
            "organization.deployments.get",
            "organization.teams.get",
            "organization.users.get",
            "organization.workspaces.get",
        ],
    },
    Row {
        name: "ORGANIZATION_OBSERVE_MEMBER",
        scope: Scope::Organization,
        description: "Also sees lineage, usage and dashboards.",
        like: &["ORGANIZATION_MEMBER"],
        permits: &["organization.observe.get"],
    },
    Row {
        name: "ORGANIZATION_OBSERVE_ADMIN",
        scope: Scope::Organization,
        description: "Also changes what is observed.",
        like: &["ORGANIZATION_OBSERVE_MEMBER"],
        permits: &["organization.observe.*"],
    },
    Row {
        name: "ORGANIZATION_BILLING_ADMIN",
        scope: Scope::Organization,
        description: "Also changes billing details.",
        like: &["ORGANIZATION_OBSERVE_ADMIN"],
        permits: &["organization.billing.*"],
    },
    Row {
        name: "ORGANIZATION_OWNER",
        scope: Scope::Organization,
        description: "May do everything, in every Workspace and Deployment.",
        like: &["ORGANIZATION_BILLING_ADMIN"],
        permits: &["*"],
    },
    Row {
        name: "WORKSPACE_ACCESSOR",
        scope: Scope::Workspace,
        description: "Sees that the Workspace is there, and what roles on its Deployments show.",
        like: &[],
        permits: &[
            "organization.get",
            "organization.clusters.get",
            "organization.customRoles.get",
            "organization.deploymentConfigurations.get",
            "organization.deployments.get",
            "organization.workspaces.get",
            "workspace.get",
        ],
    },
    Row {
        name: "WORKSPACE_MEMBER",
        scope: Scope::Workspace,
        description: "Sees the Workspace's Deployments, Dags and task logs.",
        like: &["WORKSPACE_ACCESSOR"],
        permits: &[
            "organization.teams.get",
            "organization.users.get",
            "workspace.teams.get",
            "workspace.users.get",
            "deployment.get",
            "deployment.agents.get",
            "deployment.airflow.astronomer.get",
            "deployment.airflow.browseMenu.get",
            "deployment.airflow.clusterActivity.get",
            "deployment.airflow.customMenu.get",
            "deployment.airflow.dag*.get",
            "deployment.airflow.datasets.get",
            "deployment.airflow.docs.get",
            "deployment.airflow.importError.get",
            "deployment.airflow.job.get",
            "deployment.airflow.slaMiss.get",
            "deployment.airflow.task*.get",
            "deployment.airflow.trigger.get",
            "deployment.airflow.website.get",
            "deployment.alerts.get",
            "deployment.deploys.get",
            "deployment.logs.get",
            "deployment.metrics.get",
            "deployment.teams.get",
            "deployment.users.get",
        ],
    },
    Row {
        name: "WORKSPACE_AUTHOR",
        scope: Scope::Workspace,
        description: "Also deploys code, runs Dags and manages alerts.",
        like: &["WORKSPACE_MEMBER"],
        permits: &[
            "deployment.airflow.*.get",
            "deployment.airflow.dag.update",
            "deployment.airflow.dagRun.*",
            "deployment.airflow.taskInstance.*",
            "deployment.alerts.*",
            "deployment.deploys.*",
        ],
    },
    Row {
        name: "WORKSPACE_OPERATOR",
        scope: Scope::Workspace,
        description: "Also creates, changes and deletes Deployments, and manages agents, agent tokens and Airflow objects.",
        like: &["WORKSPACE_AUTHOR"],
        permits: &[
            "organization.envObjects.access",
            "workspace.deployments.create",
            "workspace.envObjects.*",
            "deployment.get",
            "deployment.update",
            "deployment.delete",
            "deployment.agents.*",
            "deployment.agentTokens.*",
            "deployment.airflow.*",
            "deployment.envObjects.*",
        ],
    },
    Row {
        name: "WORKSPACE_OWNER",
        scope: Scope::Workspace,
        description: "May do everything in the Workspace, its people and tokens included.",
        like: &["WORKSPACE_OPERATOR"],
        permits: &[
            "organization.apiTokens.access",
            "organization.teamRoles.access",
            "organization.userRoles.access",
            "workspace.*",
            "deployment.*",
        ],
    },
    Row {
        name: "DEPLOYMENT_ADMIN",
        scope: Scope::Deployment,
        description: "May do everything with one Deployment.",
        like: &["WORKSPACE_ACCESSOR"],
        permits: &["organization.apiTokens.access", "organization.envObjects.access", "deployment.*"],
    },
    Row {
        name: "DAG_VIEWER",
        scope: Scope::Dag,
        description: "Sees one Dag, its runs and logs.",
        like: &[],
        permits: &[
            "deployment.airflow.dag.get",
            "deployment.airflow.dagCode.get",
            "deployment.airflow.dagRun.get",
            "deployment.airflow.taskInstance.get",
            "deployment.airflow.taskLog.get",
            "deployment.airflow.xcom.get",
        ],
    },
    Row {
        name: "DAG_AUTHOR",
        scope: Scope::Dag,
        description: "Also runs, changes and deletes one Dag.",
        like: &["DAG_VIEWER"],
        permits: &[
            "deployment.airflow.dag.*",
            "deployment.airflow.dagRun.*",
            "deployment.airflow.taskInstance.*",
            "deployment.airflow.xcom.*",
        ],
    },
];

/// Starting points for custom roles of Deployments.
const TEMPLATES: &[Row] = &[
    Row {
        name: "Deployment Viewer",
        scope: Scope::Deployment,
        description: "Looks at a Deployment and its Airflow, without the Admin menu.",
        like: &[],
        permits: &[
            "deployment.get",
            "deployment.agents.get",
            "deployment.airflow.astronomer.get",
            "deployment.airflow.browseMenu.get",
            "deployment.airflow.clusterActivity.get",
            "deployment.airflow.customMenu.get",
            "deployment.airflow.dag*.get",
            "deployment.airflow.datasets.get",
            "deployment.airflow.docs.get",
            "deployment.airflow.importError.get",
            "deployment.airflow.job.get",
            "deployment.airflow.slaMiss.get",
            "deployment.airflow.task*.get",
            "deployment.airflow.trigger.get",
            "deployment.airflow.website.get",
            "deployment.deploys.get",
            "deployment.logs.get",
            "deployment.metrics.get",
        ],
    },
    Row {
        name: "Deployment Author",
        scope: Scope::Deployment,
        description: "Deploys code and runs Dags.",
        like: &["Deployment Viewer"],
        permits: &[
            "deployment.airflow.dag.update",
            "deployment.airflow.dagRun.*",
            "deployment.airflow.taskInstance.*",
            "deployment.deploys.*",
        ],
    },
    Row {
        name: "Deployment Operator",
        scope: Scope::Deployment,
        description: "Runs the Deployment: its agents, tokens, environment and Airflow objects.",
        like: &["Deployment Author"],
        permits: &[
            "deployment.update",
            "deployment.agents.*",
            "deployment.agentTokens.*",
            "deployment.airflow.*",
            "deployment.apiTokens.*",
            "deployment.envObjects.*",
        ],
    },
];

static BUILT_IN: LazyLock<Vec<BuiltIn>> = LazyLock::new(|| resolve(ROLES));
static BUILT_IN_TEMPLATES: LazyLock<Vec<BuiltIn>> = LazyLock::new(|| resolve(TEMPLATES));

/// All built-in roles.
pub fn all() -> &'static [BuiltIn] {
    &BUILT_IN
}

/// All templates for custom roles.
pub fn templates() -> &'static [BuiltIn] {
    &BUILT_IN_TEMPLATES
}

/// The built-in role of that name.
pub fn named(name: &str) -> Option<&'static BuiltIn> {
    all().iter().find(|role| role.name == name)
}

/// What the built-in role of that name permits.
pub fn permissions_of(name: &str) -> Option<Permissions> {
    named(name).map(|role| role.permits)
}

/// Rows stand behind those that they are like, so one pass resolves them.
fn resolve(rows: &[Row]) -> Vec<BuiltIn> {
    let mut resolved: Vec<BuiltIn> = Vec::with_capacity(rows.len());
    for row in rows {
        let mut permits: Permissions = Action::ALL
            .iter()
            .copied()
            .filter(|action| row.permits.iter().any(|pattern| matches(pattern, action.name())))
            .collect();
        for like in row.like {
            let other = resolved.iter().find(|role| role.name == *like);
            permits = permits.union(&other.expect("a role stands behind those it is like").permits);
        }
        resolved.push(BuiltIn { name: row.name, scope: row.scope, description: row.description, permits });
    }
    resolved
}

/// Whether a pattern with at most one `*` matches the name.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => name.len() >= head.len() + tail.len() && name.starts_with(head) && name.ends_with(tail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_means_something() {
        for row in ROLES.iter().chain(TEMPLATES) {
            for pattern in row.permits {
                assert!(Action::ALL.iter().any(|action| matches(pattern, action.name())), "{}: {pattern}", row.name);
            }
        }
    }

    /// As the documentation says of them.
    #[test]
    fn each_role_is_within_the_next_for_the_same_thing() {
        for [role, next] in [all(), templates()].iter().flat_map(|roles| roles.array_windows()) {
            assert!(role.scope != next.scope || role.is_within(next), "{} and {}", role.name, next.name);
        }
    }

    #[test]
    fn the_owner_may_do_everything_and_nobody_below_an_organization_may_change_it() {
        let owner = permissions_of("ORGANIZATION_OWNER").expect("built in");
        assert!(Action::ALL.iter().all(|action| owner.contains(*action)));
        for role in all().iter().filter(|role| role.scope != Scope::Organization) {
            for action in role.permits.iter().filter(|action| action.name().starts_with("organization.")) {
                assert!(matches!(action.verb(), "get" | "access"), "{} has {}", role.name, action.name());
            }
        }
    }
}
