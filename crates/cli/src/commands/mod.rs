//! What each subcommand does.

pub(crate) mod agent;
mod agent_run;
mod agent_sync;
pub(crate) mod agent_token;
mod airflow_check;
pub(crate) mod api;
pub(crate) mod api_token;
pub(crate) mod attach;
mod connection;
pub(crate) mod docs;
pub(crate) mod doctor;
mod gate;
pub(crate) mod replicas;
pub(crate) mod serve;
pub(crate) mod user;
