//! What each operation does: a file a resource.

pub(crate) mod agent_tokens;
mod agents;
mod airflow_check;
pub(crate) mod api_tokens;
mod audit_logs;
mod authorization;
pub(crate) mod deployments;
mod organizations;
mod roles;
mod workspaces;
