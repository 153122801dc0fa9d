//! The table of operations with a request for each, made from the examples in the contract.

use std::io::Read;

use airlock_contract::{
    Access, AgentId, AgentTokenId, AllowedIpAddressRangeId, ApiTokenId, ClusterId, DeployId, DeploymentId,
    EnvironmentObjectId, InviteId, Operation, OrganizationId, RoleId, TarballVersion, TeamId, UserId, WorkspaceId,
    id::Id,
    openapi::{body_example, has_body, path_parameters, query_parameters},
    operation::{Method, Visitor},
    operations,
    path::PathParameters,
    permissions::Permission,
};
use flate2::read::GzDecoder;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::{World, archives::archive};

/// A row of the table of operations.
#[derive(Clone)]
#[allow(missing_docs, reason = "each field is the constant of `Operation` that it is named after")]
pub struct Row {
    pub id: &'static str,
    pub method: Method,
    pub status: u16,
    pub access: Access,
    pub logs_body: bool,
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
                logs_body: O::LOGS_BODY,
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
        let mut things = Self(vec![
            (OrganizationId::EXAMPLE, world.organization.to_string()),
            (WorkspaceId::EXAMPLE, world.workspace.to_string()),
            (DeploymentId::EXAMPLE, world.deployment.to_string()),
        ]);
        // One that may hibernate.
        let settings = json!({
            "name": "First deployment", "workspaceId": world.workspace, "type": "STANDARD", "executor": "CELERY",
            "isCicdEnforced": false, "isDagDeployEnabled": true, "isHighAvailability": false,
            "schedulerSize": "SMALL", "environmentVariables": [], "isDevelopmentMode": true,
            "remoteExecution": {"enabled": true},
        });
        world.post(&world.path(&format!("/deployments/{}", world.deployment)), settings).await.expect(200);
        let role = json!({"name": "Reader", "permissions": ["deployment.get"], "scopeType": "DEPLOYMENT"});
        things.add::<RoleId>(world, &world.path("/roles"), role).await;
        let cluster = json!({
            "name": "Frankfurt", "type": "DEDICATED", "cloudProvider": "AWS", "region": "eu-central-1",
            "vpcSubnetRange": "172.20.0.0/20",
        });
        things.add::<ClusterId>(world, &world.path("/clusters"), cluster).await;
        let token = json!({"name": "for reading", "role": "ORGANIZATION_MEMBER", "scope": "ORGANIZATION"});
        things.add::<ApiTokenId>(world, &world.path("/tokens"), token).await;
        let token = things.add::<AgentTokenId>(world, &world.agent_tokens(""), json!({"name": "edge worker"})).await;
        let object = json!({
            "objectKey": "reports", "objectType": "CONNECTION", "scope": "WORKSPACE",
            "scopeEntityId": world.workspace, "autoLinkDeployments": true,
            "connection": {"type": "postgres", "host": "reports.example.com", "password": "open sesame"},
        });
        things.add::<EnvironmentObjectId>(world, &world.path("/environment-objects"), object).await;
        things.0.extend(deploy(world).await);
        things.0.push((AgentId::EXAMPLE, world.agent(&token, &format!("worker-of-{token}")).await));
        world.expect_ids(&[UserId::EXAMPLE, InviteId::EXAMPLE]);
        let invite = world.invite("grace@example.org", "ORGANIZATION_MEMBER").await;
        let id = |key: &str| invite[key].as_str().expect("an id").to_owned();
        things.0.extend([(UserId::EXAMPLE, id("userId")), (InviteId::EXAMPLE, id("inviteId"))]);
        let team = json!({"name": "analysts", "memberIds": [id("userId")]});
        things.add::<TeamId>(world, &world.path("/teams"), team).await;
        let here = json!({"ipAddressRange": "127.0.0.1/32"});
        things.add::<AllowedIpAddressRangeId>(world, &world.path("/allowed-ip-address-ranges"), here).await;
        world.clock.advance(90);
        things
    }

    /// Makes a thing by a request, and knows it by its kind of id from then on.
    async fn add<I: Id>(&mut self, world: &World, path: &str, body: Value) -> String {
        world.expect_ids(&[I::EXAMPLE]);
        let made = world.post(path, body).await.expect(200);
        let id = made["id"].as_str().expect("an id").to_owned();
        self.0.push((I::EXAMPLE, id.clone()));
        id
    }

    /// A text with these things in the place of the examples.
    fn put_into(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (example, real)| text.replace(example, real))
    }

    /// The example request of an operation, which the Owner could make: its path and its body.
    pub fn request(&self, row: &Row) -> (String, Value) {
        let path = self.put_into(&row.path);
        let body = self.put_into(&row.body.to_string());
        (path, serde_json::from_str(&body).expect("JSON"))
    }
}

/// A deploy of Dags that is finalized, and the version of its archive.
async fn deploy(world: &World) -> [(&'static str, String); 2] {
    world.expect_ids(&[DeployId::EXAMPLE]);
    let made = world.post(&world.deploys(""), json!({"type": "DAG_ONLY"})).await.expect(200);
    let id = made["id"].as_str().expect("an id").to_owned();
    world.expect_ids(&[TarballVersion::EXAMPLE]);
    let version = world.upload(&made, &archive(&[("dags/reports.py", "print('reports')")])).await;
    let body = json!({"dagTarballVersion": version});
    world.post(&world.deploys(&format!("/{id}/finalize")), body).await.expect(200);
    [(DeployId::EXAMPLE, id), (TarballVersion::EXAMPLE, version)]
}

/// A server with the things that examples name, under the ids that they name.
pub async fn world_of_examples() -> World {
    let world = World::of_examples().await;
    for (example, made) in Things::make(&world).await.0 {
        assert_eq!(made, example, "the id of the example cannot be made: see `World::expect_ids`");
    }
    world
}

/// What is answered to the example request of an operation, as documentation shows it: JSON, or
/// lines of it as one text, without values of tokens.
pub async fn example_answer(row: &Row) -> Value {
    let world = world_of_examples().await;
    let answer = world.call(Some(&world.owner), row.method.as_str(), &row.path, &row.body).await;
    assert_eq!(answer.status, row.status, "{}: {}", row.id, answer.json);
    shown(&answer.bytes)
}

/// A body as documentation shows it.
pub fn shown(body: &[u8]) -> Value {
    let mut text = String::new();
    if GzDecoder::new(body).read_to_string(&mut text).is_err() {
        text = String::from_utf8(body.to_vec()).expect("UTF-8");
    }
    let mut shown = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or(text.into()) };
    if let Some(token) = shown.get_mut("token").filter(|token| token.is_string()) {
        *token = beginning(token.as_str().unwrap_or_default()).into();
    }
    shown
}

/// Of the value of a token, what is no secret: what kind it is, and an agent token's id.
fn beginning(token: &str) -> String {
    match token.splitn(3, '_').collect::<Vec<_>>()[..] {
        ["agt", id, _] => format!("agt_{id}_..."),
        _ => "eyJ...".into(), // a JWT, with which an API token begins
    }
}
