//! What each subcommand does.

pub(crate) mod agent;
pub(crate) mod agent_token;
pub(crate) mod api_token;
mod connection;
pub(crate) mod doctor;
pub(crate) mod serve;
