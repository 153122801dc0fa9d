//! The Astro API v1 as data.
//!
//! Everything the API says is said here once: [`operations`] is the table of operations,
//! [`permissions`] the table of permissions, [`wire`] holds what travels in bodies and queries.
//! The router, the OpenAPI document ([`openapi`]), the typed client, the command line and the
//! tests that walk "every operation" are all made from these tables.

pub mod beta;
pub mod id;
pub mod openapi;
pub mod operation;
pub mod operations;
pub mod path;
pub mod permissions;
pub mod time;
pub mod wire;

pub use id::{
    AgentId, AgentJobId, AgentTokenId, AllowedIpAddressRangeId, ApiTokenId, ClusterId, DeployId, DeploymentId,
    EnvironmentObjectId, InviteId, OrganizationId, RoleHolderId, RoleId, SubjectId, TarballVersion, TeamId, UserId,
    WorkspaceId,
};
pub use operation::{Access, Method, Operation, Tag};
pub use time::Time;

/// The version of the API, as `X-API-Version` names it.
pub const API_VERSION: &str = "1.0";
