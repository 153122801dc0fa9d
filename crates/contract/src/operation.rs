//! What an operation of the API is.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use crate::{path::PathParameters, permissions::Permission};

/// An HTTP method that the API uses. Create and update are both `POST`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// Reads.
    Get,
    /// Creates, updates and acts.
    Post,
    /// Deletes.
    Delete,
}

impl Method {
    /// The method as it stands in a request line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }
}

/// Whether an operation may change anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It is handed a read handle, through which nothing can change.
    Read,
    /// It is handed a write handle, and its change leaves an audit record.
    Write,
    /// It reads, and answers with a stream instead of one JSON value.
    Download,
    /// It asks another server, and is handed no handle, for that would be held meanwhile.
    Inquiry,
}

/// The groups that the API's document sorts its operations into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are the documentation")]
pub enum Tag {
    Agent,
    AgentToken,
    AllowedIpAddressRange,
    ApiToken,
    Authorization,
    Cluster,
    Deploy,
    Deployment,
    Environment,
    Invite,
    Options,
    Organization,
    Role,
    Team,
    User,
    Workspace,
}

impl Tag {
    /// The name in the OpenAPI document.
    pub fn name(self) -> String {
        format!("{self:?}")
    }

    /// What its operations are about, in a sentence.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Agent => {
                "Remote workers that have registered through the gate: how they are, and whether they get work."
            }
            Self::AgentToken => {
                "Credentials of remote agents: each lets one agent into one Deployment, until it is deleted."
            }
            Self::AllowedIpAddressRange => "From which addresses an Organization can be reached.",
            Self::ApiToken => "Credentials of automations that call this API.",
            Self::Authorization => "Which permissions there are.",
            Self::Cluster => "Named places where Airflows run. Airlock provisions none of them.",
            Self::Deploy => "Changes of the code that a Deployment runs, and of what its agents get of it.",
            Self::Deployment => "Airflows: where each one is, how it is, and what its agents are told.",
            Self::Environment => "Connections and variables that tasks are given by Airlock, and not by their Airflow.",
            Self::Invite => "Invitations of people to an Organization.",
            Self::Options => "What clusters and Deployments can be made of, as the server's catalogue has it.",
            Self::Organization => "The tenant that everything belongs to, and its audit log.",
            Self::Role => "Named sets of permissions: those that are built in, and those of the Organization.",
            Self::Team => "Groups of users, who have the roles of their teams beside their own.",
            Self::User => "People in an Organization, with the roles that they have.",
            Self::Workspace => "Groups of Deployments.",
        }
    }
}

/// An interface beside v1 that serves an operation as well, for the Terraform provider: the two
/// halves of the deprecated v1beta1, and the previews of what shall be in v1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beta {
    /// Below `/iam/v1beta1`.
    Iam,
    /// Below `/platform/v1beta1`.
    Platform,
    /// Below `/labs/v1`.
    Labs,
}

impl Beta {
    /// The path prefix of the interface.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Iam => "/iam/v1beta1",
            Self::Platform => "/platform/v1beta1",
            Self::Labs => "/labs/v1",
        }
    }

    /// Whether some fields have other names there ([`crate::beta`]).
    pub const fn renames(self) -> bool {
        matches!(self, Self::Iam | Self::Platform)
    }
}

/// How an operation is called at an interface beside v1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Also {
    /// The interface.
    pub beta: Beta,
    /// The HTTP method there.
    pub method: Method,
    /// The path below its prefix, with the parameters of v1's path.
    pub path: &'static str,
}

/// How the document tells which errors an operation can answer with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errors {
    /// Each by its status.
    Each,
    /// Besides, the two ranges `4XX` and `5XX`: all that the public document has for the operation.
    InRanges,
}

/// One operation of the API: the single place that says how it is called and what it needs.
///
/// Rows are made by the table in [`crate::operations`]; nothing implements this by hand.
pub trait Operation: Send + Sync + 'static {
    /// The `operationId`, for example `CreateAgentToken`.
    const ID: &'static str;
    /// The HTTP method.
    const METHOD: Method;
    /// The path below `/v1`, with `{parameters}`.
    const PATH: &'static str;
    /// Read or write.
    const ACCESS: Access;
    /// Its group in the document.
    const TAG: Tag;
    /// The status of success: 200, or 204 without a body.
    const STATUS: u16;
    /// Where else it is served.
    const ALSO: Option<Also>;
    /// Whether it is ours: the public API does not have it.
    const EXTENSION: bool;
    /// Whether the audit log keeps the body of a change. One that may hold a secret is not kept.
    const LOGS_BODY: bool;
    /// How the document tells its errors.
    const ERRORS: Errors;
    /// Lines of documentation; the first is the summary.
    const DOC: &'static [&'static str];

    /// What the caller must be permitted, and at which scope.
    type Permission: Permission;
    /// The path's parameters.
    type Path: PathParameters;
    /// The query's parameters.
    type Query: Input;
    /// The request's body; `()` for none.
    type Body: Input;
    /// The body of success; `()` for none.
    type Output: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static;

    /// Where the permission is needed, from what the request names.
    fn target(path: &Self::Path, body: &Self::Body) -> <Self::Permission as Permission>::Scope;
}

/// What a request brings: read from JSON or a query, then checked.
pub trait Input: DeserializeOwned + Serialize + JsonSchema + Validate<Context = ()> + Send + Sync + 'static {}
impl<T: DeserializeOwned + Serialize + JsonSchema + Validate<Context = ()> + Send + Sync + 'static> Input for T {}

/// Receives every operation in turn. See [`crate::operations::visit`].
pub trait Visitor {
    /// Called once with each row of the table.
    fn visit<O: Operation>(&mut self);
}

#[cfg(test)]
mod tests {
    use schemars::schema_for;

    use super::*;
    use crate::openapi::has_body;

    /// Fields that hold secrets somewhere in the API, or say that another does.
    const SECRET: [&str; 4] = ["password", "extra", "basicToken", "isSecret"];

    /// The audit log keeps no body that has a field for a secret, and every other one.
    #[test]
    fn bodies_with_secrets_are_not_logged() {
        struct Logged(Vec<&'static str>);
        impl Visitor for Logged {
            fn visit<O: Operation>(&mut self) {
                let schema = schema_for!(O::Body).to_value().to_string();
                let may_hold_secret = SECRET.iter().any(|name| schema.contains(&format!("\"{name}\"")));
                assert_eq!(O::LOGS_BODY, has_body::<O>() && !may_hold_secret, "{}", O::ID);
                if may_hold_secret {
                    self.0.push(O::ID);
                }
            }
        }
        let mut with_secrets = Logged(Vec::new());
        crate::operations::visit(&mut with_secrets);
        assert_eq!(
            with_secrets.0,
            ["CreateDeployment", "UpdateDeployment", "CreateEnvironmentObject", "UpdateEnvironmentObject"]
        );
    }
}
