//! What each operation does: a file a resource.

pub(crate) mod agent_tokens;
mod agents;
mod airflow_check;
mod allowed_ip_address_ranges;
pub(crate) mod api_tokens;
mod audit_logs;
mod authorization;
pub(crate) mod clusters;
mod deployment_logs;
pub(crate) mod deployments;
mod deploys;
mod environment_objects;
mod hibernation;
mod invites;
mod names;
mod options;
mod organizations;
mod owners;
mod people_roles;
mod role_bindings;
mod roles;
mod teams;
mod users;
mod workspaces;
