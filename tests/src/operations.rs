//! The table of operations with a request for each, made from the examples in the contract.

use airlock_contract::{
    Access, AgentId, AgentTokenId, ApiTokenId, DeploymentId, Operation, OrganizationId, RoleId, WorkspaceId,
    id::Id,
    openapi::{body_example, has_body, path_parameters, query_parameters},
    operation::{Method, Visitor},
    operations,
    path::PathParameters,
    permissions::Permission,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::World;

/// A row of the table of operations.
#[derive(Clone)]
#[allow(missing_docs, reason = "each field is the constant of `Operation` that it is named after")]
pub struct Row {
    pub id: &'static str,
    pub method: Method,
    pub status: u16,
    pub access: Access,
    /// Whether being authenticated is not enough.
    pub needs_permission: bool,
    /// The path and the query of the example request, with example ids.
    path: String,
    /// Its body; null for none.
    body: Value,
}

/// All rows.
pub fn rows() -> Vec<Row> {
    struct Rows(Vec<Row>);
    impl Visitor for Rows {
        fn visit<O: Operation>(&mut self) {
            let body = body_example::<O>();
            assert_eq!(body.is_some(), has_body::<O>(), "the type of the body of {} needs an example", O::ID);
            self.0.push(Row {
                id: O::ID,
                method: O::METHOD,
                status: O::STATUS,
                access: O::ACCESS,
                needs_permission: O::Permission::ACTION.is_some(),
                path: format!("/v1{}{}", example_path::<O>(), example_query::<O>()),
                body: body.unwrap_or_default(),
            });
        }
    }
    let mut rows = Rows(Vec::new());
    operations::visit(&mut rows);
    rows.0
}

fn example_path<O: Operation>() -> String {
    let parameters = path_parameters(O::PATH).zip(O::Path::ALL);
    parameters.fold(O::PATH.to_owned(), |path, (name, what)| path.replace(&format!("{{{name}}}"), what.example))
}

fn example_query<O: Operation>() -> String {
    let mut query = String::new();
    for parameter in query_parameters::<O>() {
        let values = match parameter.example {
            None => continue,
            Some(Value::Array(values)) => values,
            Some(value) => vec![value],
        };
        for value in values {
            let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            query += if query.is_empty() { "?" } else { "&" };
            query += &format!("{}={}", parameter.name, utf8_percent_encode(&text, NON_ALPHANUMERIC));
        }
    }
    query
}

/// Things that are there for a request to be about, in the place of those that examples name.
pub struct Things(Vec<(&'static str, String)>);

impl Things {
    /// One of each kind. The clock is moved on, so that the agent is unhealthy and may be deleted.
    pub async fn make(world: &World) -> Self {
        let role = json!({"name": "Reader", "permissions": ["deployment.get"], "scopeType": "DEPLOYMENT"});
        let role = world.post(&world.path("/roles"), role).await.expect(200);
        let agent_token = world.agent_token("agent").await.0;
        let agent = world.agent(&agent_token, &format!("worker-of-{agent_token}")).await;
        world.clock.advance(90);
        Self(vec![
            (OrganizationId::EXAMPLE, world.organization.to_string()),
            (WorkspaceId::EXAMPLE, world.workspace.to_string()),
            (DeploymentId::EXAMPLE, world.deployment.to_string()),
            (AgentId::EXAMPLE, agent),
            (AgentTokenId::EXAMPLE, agent_token),
            (ApiTokenId::EXAMPLE, world.organization_token("ORGANIZATION_MEMBER").await.0),
            (RoleId::EXAMPLE, role["id"].as_str().expect("an id").into()),
        ])
    }

    /// A text with these things in the place of the examples.
    pub fn put_into(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (example, real)| text.replace(example, real))
    }

    /// The example request of an operation, which the Owner could make: its path and its body.
    pub fn request(&self, row: &Row) -> (String, Value) {
        let path = self.put_into(&row.path);
        let body = self.put_into(&row.body.to_string());
        (path, serde_json::from_str(&body).expect("JSON"))
    }
}
