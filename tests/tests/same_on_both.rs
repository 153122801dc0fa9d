//! One long stream of requests, sent to a server on SQLite and to one on PostgreSQL: every status,
//! every header and every byte of every answer is the same. The harness's dice fall the same way
//! for both, so the ids are the same too.
//!
//! The names are those about which collations disagree: capitals, accents in both normal forms,
//! digits, punctuation, letters beyond the first plane of Unicode.

use std::{collections::BTreeSet, io::Read};

use airlock_contract::{
    Access, Operation,
    operation::Visitor,
    operations,
    wire::{AgentSort, AgentTokenSort, ApiTokenSort, DeploymentSort, OrganizationSort, RoleSort, WorkspaceSort},
};
use airlock_tests::{Answer, Database, World};
use axum::{
    body::Body,
    http::{HeaderMap, Request},
};
use serde_json::{Value, json};

const NAMES: &[&str] = &[
    "alpha",
    "Alpha",
    "ALPHA",
    "beta",
    "Beta",
    "zebra",
    "Zebra",
    "Äpfel",
    "äpfel",
    "Apfel",
    "éclair",
    "e\u{301}clair",
    "eclair",
    "straße",
    "strasse",
    "ı",
    "i",
    "I",
    "İ",
    "ñ",
    "n",
    "Ω",
    "ω",
    "日本",
    "中文",
    "🦀",
    "🦀 2",
    "\u{fffd}",
    "\u{e000}",
    "\u{10ffff}",
    "10",
    "9",
    "09",
    "1e1",
    "-x",
    "_x",
    ".x",
    " x",
    "x ",
    "x y",
    "x-y",
    "xy",
    "x_y",
    "%",
    "100%",
    "a_b",
    "a'b",
    "a\"b",
    "a\\b",
    "$1",
    "?1",
    "{}",
    "--",
    ";",
    "\u{200b}x",
    "ﬁn",
    "fin",
];

/// A request, and the answer to it.
struct Exchange {
    request: String,
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// A server, and everything that was said to it.
struct Stream {
    world: World,
    exchanges: Vec<Exchange>,
}

impl Stream {
    async fn of(database: Database) -> Self {
        let mut stream = Self { world: World::new(database).await, exchanges: Vec::new() };
        stream.organizations().await;
        stream.workspaces().await;
        stream.deployments().await;
        stream.roles().await;
        stream.api_tokens().await;
        stream.agent_tokens().await;
        stream.agents().await;
        stream.faults().await;
        stream.meta().await;
        stream.deletions().await;
        stream.audit_logs().await;
        stream
    }

    fn note(&mut self, request: String, answer: &Answer) {
        let Answer { status, headers, bytes, .. } = answer;
        self.exchanges.push(Exchange { request, status: *status, headers: headers.clone(), body: bytes.clone() });
    }

    async fn call_as(&mut self, token: Option<&str>, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.world.call(token, method, path, body).await;
        self.note(format!("{method} {path} {body}"), &answer);
        answer.json
    }

    async fn call(&mut self, method: &str, path: &str, body: &Value) -> Value {
        let owner = self.world.owner.clone();
        self.call_as(Some(&owner), method, path, body).await
    }

    async fn get(&mut self, rest: &str) -> Value {
        let path = self.world.path(rest);
        self.call("GET", &path, &Value::Null).await
    }

    async fn post(&mut self, rest: &str, body: Value) -> Value {
        let path = self.world.path(rest);
        self.call("POST", &path, &body).await
    }

    async fn delete(&mut self, rest: &str) -> Value {
        let path = self.world.path(rest);
        self.call("DELETE", &path, &Value::Null).await
    }

    async fn send(&mut self, what: &str, request: Request<Body>) {
        let answer = self.world.send(request).await;
        self.note(what.to_owned(), &answer);
    }

    /// Asks for a list in all of its orders, some of them together, and page by page.
    async fn list(&mut self, rest: &str, sorts: &[&str]) {
        let and = if rest.contains('?') { '&' } else { '?' };
        self.get(rest).await;
        for sort in sorts {
            self.get(&format!("{rest}{and}limit=1000&sorts={sort}")).await;
            self.get(&format!("{rest}{and}limit=5&offset=3&sorts={sort}&sorts={}", sorts[0])).await;
        }
        for offset in (0..70).step_by(13) {
            self.get(&format!("{rest}{and}limit=13&offset={offset}&sorts={}", sorts[1])).await;
        }
        for odd in ["limit=0", "limit=", "limit=1001", "offset=4294967295", "offset=4294967296", "limit=-1", "sorts=x"]
        {
            self.get(&format!("{rest}{and}{odd}")).await;
        }
    }

    async fn organizations(&mut self) {
        for (at, name) in ["Ärger", "arger", "Zorn"].into_iter().enumerate() {
            self.world.clock.advance(1);
            let body = json!({"name": name, "billingEmail": "x@example.org", "isScimEnabled": at == 1});
            self.post("", body).await;
            self.get("").await;
        }
        self.post("", json!({"name": "", "billingEmail": 1})).await;
        self.get("?isLookUpOnly=true").await;
        self.get("?isLookUpOnly=perhaps").await;
        for sort in OrganizationSort::ALL {
            self.call("GET", &format!("/v1/organizations?sorts={}", sort.as_str()), &Value::Null).await;
        }
        for query in
            ["product=HOSTED", "product=HYBRID", "product=NONE", "productPlan=TRIAL", "astronomerProduct=ASTRO"]
        {
            self.call("GET", &format!("/platform/v1beta1/organizations?{query}"), &Value::Null).await;
        }
    }

    async fn workspaces(&mut self) {
        let mut ids = Vec::new();
        for (at, name) in NAMES.iter().enumerate() {
            self.world.clock.advance(i64::from(at % 3 != 0)); // some are made at the same time
            let body =
                json!({"name": name, "description": NAMES[NAMES.len() - 1 - at], "cicdEnforcedDefault": at % 2 == 0});
            ids.push(id(&self.post("/workspaces", body).await));
        }
        let sorts: Vec<&str> = WorkspaceSort::ALL.iter().map(|sort| sort.as_str()).collect();
        self.list("/workspaces", &sorts).await;
        for name in NAMES {
            self.get(&format!("/workspaces?names={}&names=zebra&sorts=name:asc", encoded(name))).await;
        }
        self.get(&format!("/workspaces?workspaceIds={}&workspaceIds={}&workspaceIds=x", ids[3], ids[7])).await;
        for (at, one) in ids.iter().enumerate().take(6) {
            self.world.clock.advance(1);
            let body =
                json!({"name": NAMES[at + 20], "description": "", "cicdEnforcedDefault": true, "defaultRegion": "ü"});
            self.post(&format!("/workspaces/{one}"), body).await;
            self.get(&format!("/workspaces/{one}")).await;
        }
        self.post(&format!("/workspaces/{}", ids[0]), json!({"name": "x".repeat(51)})).await;
        self.get("/workspaces/cnowhere").await;
        self.delete(&format!("/workspaces/{}", ids[9])).await;
        self.delete(&format!("/workspaces/{}", ids[9])).await;
        self.list("/workspaces", &sorts).await;
    }

    async fn deployments(&mut self) {
        let workspace = self.world.workspace.to_string();
        let mut ids = Vec::new();
        for (at, name) in NAMES.iter().enumerate() {
            self.world.clock.advance(i64::from(at % 2 == 0));
            let body = json!({
                "name": name, "workspaceId": workspace, "description": name, "remoteExecution": {"enabled": at % 4 == 0},
                "environmentVariables": [
                    {"key": name, "value": "plain", "isSecret": false}, {"key": "B", "value": "hidden", "isSecret": true},
                    {"key": "a", "value": "", "isSecret": false},
                ],
            });
            ids.push(id(&self.post("/deployments", body).await));
        }
        let sorts: Vec<&str> = DeploymentSort::ALL.iter().map(|sort| sort.as_str()).collect();
        self.list("/deployments", &sorts).await;
        for name in &NAMES[20..] {
            self.get(&format!("/deployments?names={}&sorts=name:desc", encoded(name))).await;
        }
        self.get(&format!("/deployments?deploymentIds={}&deploymentIds={}", ids[1], ids[2])).await;
        self.get(&format!("/deployments?workspaceIds={workspace}&limit=2")).await;
        self.get("/deployments?workspaceIds=cnowhere").await;
        for (at, one) in ids.iter().enumerate().take(5) {
            self.world.clock.advance(1);
            let body = json!({
                "name": NAMES[at + 30], "workspaceId": workspace, "type": "STANDARD", "executor": "CELERY",
                "isCicdEnforced": false, "isDagDeployEnabled": true, "isHighAvailability": true, "schedulerSize": "LARGE",
                "environmentVariables": [{"key": "B", "isSecret": true}, {"key": "Z", "value": "ß", "isSecret": false}],
            });
            self.post(&format!("/deployments/{one}"), body).await;
            self.get(&format!("/deployments/{one}")).await;
            let path = self.world.path(&format!("/deployments/{one}")).replace("/v1/", "/platform/v1beta1/");
            self.call("GET", &path, &Value::Null).await;
        }
        let asleep = json!({
            "name": "asleep", "workspaceId": workspace, "isDevelopmentMode": true,
            "scalingSpec": {"hibernationSpec": {"schedules": [{
                "hibernateAtCron": "0 20 * * *", "wakeAtCron": "0 6 * * *", "isEnabled": true, "timeZone": "Asia/Tokyo",
            }]}},
        });
        let asleep = format!("/deployments/{}", id(&self.post("/deployments", asleep).await));
        for body in
            [json!({"isHibernating": true}), json!({"isHibernating": false, "overrideUntil": "2035-01-01T00:00:00Z"})]
        {
            self.post(&format!("{asleep}/hibernation-override"), body).await;
            self.get(&asleep).await;
        }
        self.delete(&format!("{asleep}/hibernation-override")).await;
        self.get(&asleep).await;
        self.post(&format!("/deployments/{}", ids[0]), json!({"name": "x", "workspaceId": "y"})).await;
        self.post("/deployments", json!({"name": "x", "workspaceId": "cnowhere"})).await;
        self.post("/deployments", json!({"name": "x"})).await;
        self.post("/deployments", json!({"name": "x", "workspaceId": workspace, "type": "HYBRID", "clusterId": "c"}))
            .await;
        self.delete(&format!("/deployments/{}", ids[5])).await;
        self.delete(&format!("/deployments/{}", ids[5])).await;
        self.get(&format!("/deployments/{}", ids[5])).await;
    }

    async fn roles(&mut self) {
        let mut ids = Vec::new();
        for (at, name) in NAMES.iter().enumerate() {
            self.world.clock.advance(i64::from(at % 5 == 0));
            let scope = if at % 4 == 3 { "DAG" } else { "DEPLOYMENT" };
            let permission = if at % 4 == 3 { "deployment.airflow.dag.get" } else { "deployment.get" };
            let restricted = if at % 2 == 0 { json!([]) } else { json!([self.world.workspace]) };
            let body = json!({
                "name": name, "description": NAMES[(at * 7) % NAMES.len()], "scopeType": scope,
                "permissions": [permission], "restrictedWorkspaceIds": restricted,
            });
            ids.push(id(&self.post("/roles", body).await));
        }
        let sorts: Vec<&str> = RoleSort::ALL.iter().map(|sort| sort.as_str()).collect();
        self.list("/roles", &sorts).await;
        for query in
            ["includeDefaultRoles=true", "scopeTypes=DEPLOYMENT", "scopeTypes=DAG&limit=3", "scopeTypes=ORGANIZATION"]
        {
            self.get(&format!("/roles?{query}&sorts=name:asc")).await;
        }
        self.get("/role-templates").await;
        self.get("/role-templates?scopeTypes=DAG").await;
        let role = |name: &str| json!({"name": name, "scopeType": "DEPLOYMENT", "permissions": ["deployment.get"]});
        for taken in ["alpha", "éclair", "ORGANIZATION_OWNER", "organization_owner", "AlphA"] {
            self.post("/roles", role(taken)).await;
        }
        self.post("/roles", json!({"name": "x", "scopeType": "DEPLOYMENT", "permissions": ["no.such"]})).await;
        for one in ids.iter().take(3) {
            self.post(&format!("/roles/{one}"), json!({"name": "beta", "permissions": ["deployment.get"]})).await;
            let body = json!({"name": format!("new {one}"), "permissions": ["deployment.get", "deployment.update"]});
            self.post(&format!("/roles/{one}"), body).await;
            self.get(&format!("/roles/{one}")).await;
        }
        self.delete(&format!("/roles/{}", ids[4])).await;
        self.delete(&format!("/roles/{}", ids[4])).await;
        self.get(&format!("/roles/{}", ids[4])).await;
    }

    async fn api_tokens(&mut self) {
        let (workspace, deployment) = (self.world.workspace.to_string(), self.world.deployment.to_string());
        let mut made = Vec::new();
        for (at, name) in NAMES.iter().enumerate() {
            self.world.clock.advance(i64::from(at % 3 == 0));
            let (scope, role, entity) = match at % 4 {
                0 => ("ORGANIZATION", "ORGANIZATION_MEMBER", Value::Null),
                1 => ("WORKSPACE", "WORKSPACE_OWNER", json!(workspace)),
                2 => ("DEPLOYMENT", "DEPLOYMENT_ADMIN", json!(deployment)),
                _ => ("DEPLOYMENT", "zebra", json!(deployment)), // a custom role
            };
            let mut body =
                json!({"name": name, "description": NAMES[(at * 5) % NAMES.len()], "scope": scope, "role": role});
            if !entity.is_null() {
                body["entityId"] = entity;
            }
            if at % 8 == 7 {
                body["kind"] = json!("DIRECT_ACCESS");
            }
            if at % 3 == 1 {
                body["tokenExpiryPeriodInDays"] = json!(at);
            }
            let answer = self.post("/tokens", body).await;
            made.push((id(&answer), answer["token"].as_str().expect("a value").to_owned()));
        }
        let sorts: Vec<&str> = ApiTokenSort::ALL.iter().map(|sort| sort.as_str()).collect();
        self.list("/tokens", &sorts).await;
        for query in [
            format!("workspaceId={workspace}"),
            format!("deploymentId={deployment}"),
            "workspaceId=cnowhere".into(),
            "includeOnlyOrganizationTokens=true".into(),
            "kind=DIRECT_ACCESS".into(),
            "dagTags=x".into(),
        ] {
            self.get(&format!("/tokens?{query}&sorts=name:desc")).await;
        }
        // Whoever stands in the way of a role is named.
        let roles = self.get("/roles?limit=1000").await;
        let held = roles["roles"].as_array().expect("roles").iter().find(|role| role["name"] == "zebra");
        let held = id(held.expect("a role that tokens have"));
        self.delete(&format!("/roles/{held}")).await;
        self.post(&format!("/roles/{held}"), json!({"name": "zebra", "permissions": ["deployment.update"]})).await;
        for (one, _) in made.iter().take(4) {
            self.post(&format!("/tokens/{one}"), json!({"name": format!("{one} ä"), "description": "ω"})).await;
            self.get(&format!("/tokens/{one}")).await;
        }
        let on_deployment = json!({"role": "DEPLOYMENT_ADMIN", "entityType": "DEPLOYMENT", "entityId": deployment});
        let on_workspace = json!({"role": "WORKSPACE_MEMBER", "entityType": "WORKSPACE", "entityId": workspace});
        self.post(&format!("/tokens/{}/roles", made[1].0), json!({"roles": [on_deployment, on_workspace]})).await;
        self.post(&format!("/tokens/{}/roles", made[0].0), json!({"roles": [on_workspace]})).await;
        self.post(&format!("/tokens/{}/roles", made[2].0), json!({"roles": []})).await;
        self.get(&format!("/tokens/{}", made[1].0)).await;
        for (one, value) in made.iter().skip(8).take(3) {
            self.post(&format!("/tokens/{one}/rotate"), Value::Null).await;
            self.call_as(Some(value), "GET", "/v1/organizations", &Value::Null).await;
        }
        for (one, value) in made.iter().skip(12).take(3) {
            self.delete(&format!("/tokens/{one}")).await;
            self.delete(&format!("/tokens/{one}")).await;
            self.call_as(Some(value), "GET", "/v1/organizations", &Value::Null).await;
        }
        // What others see and may do, before and after some of them end.
        for _ in 0..2 {
            for (_, value) in made.iter().skip(16).take(12) {
                for (method, rest) in [
                    ("GET", "/tokens?sorts=name:asc&limit=5".to_owned()),
                    ("GET", "/workspaces?limit=2".into()),
                    ("GET", "/deployments?limit=1&sorts=name:asc".into()),
                    ("GET", "/roles?limit=1".into()),
                    ("DELETE", "/roles/cnowhere".into()),
                    ("GET", format!("/deployments/{deployment}/agent-tokens")),
                ] {
                    let path = self.world.path(&rest);
                    self.call_as(Some(value), method, &path, &Value::Null).await;
                }
            }
            self.world.app.flush().await.expect("flushed");
            self.world.clock.advance(86_400 * 25);
        }
        self.list("/tokens", &sorts[..2]).await;
    }

    async fn agent_tokens(&mut self) {
        let tokens = format!("/deployments/{}/agent-tokens", self.world.deployment);
        let mut made = Vec::new();
        for (at, name) in NAMES.iter().enumerate() {
            self.world.clock.advance(i64::from(at % 4 == 0));
            let mut body = json!({"name": name, "description": NAMES[(at * 11) % NAMES.len()]});
            if at % 2 == 1 {
                body["tokenExpiryPeriodInDays"] = json!(at);
            }
            let answer = self.post(&tokens, body).await; // the last few are over the limit
            if let Some(value) = answer["token"].as_str() {
                made.push((id(&answer), value.to_owned()));
            }
        }
        assert_eq!(made.len(), 50);
        let sorts: Vec<&str> = AgentTokenSort::ALL.iter().map(|sort| sort.as_str()).collect();
        self.list(&tokens, &sorts).await;
        for (one, value) in made.iter().take(12) {
            self.get(&format!("{tokens}/{one}")).await;
            self.call_as(Some(value), "GET", "/v1/organizations", &Value::Null).await;
        }
        self.world.app.flush().await.expect("flushed");
        self.world.clock.advance(86_400 * 5);
        for (one, value) in made.iter().take(8) {
            self.call_as(Some(value), "GET", "/v1/organizations", &Value::Null).await;
            self.delete(&format!("{tokens}/{one}")).await;
            self.call_as(Some(value), "GET", "/v1/organizations", &Value::Null).await;
            self.get(&format!("{tokens}/{one}")).await;
        }
        let path = self.world.path(&tokens).replace("/v1/", "/iam/v1beta1/");
        self.call("GET", &format!("{path}?sorts=description:asc&sorts=name:desc"), &Value::Null).await;
        self.call("POST", &path, &json!({"name": "of the beta"})).await;
        self.list(&tokens, &sorts).await;
    }

    async fn agents(&mut self) {
        let (agents, tokens) = (self.world.agents(""), self.world.agent_tokens("?limit=12"));
        let (agents, tokens) = (agents.replace(&self.world.path(""), ""), tokens.replace(&self.world.path(""), ""));
        let page = self.get(&tokens).await;
        let mut ids = Vec::new();
        for (at, token) in page["tokens"].as_array().expect("tokens").iter().enumerate() {
            self.world.clock.advance(i64::from(at % 3 == 0) * 20);
            let name = ["b", "a", "B", "a-b", "a_b", "ab", "A", "a.b", "10", "9", "a@b", "_a"][at];
            ids.push(self.world.agent(&id(token), name).await);
        }
        let sorts: Vec<&str> = AgentSort::ALL.iter().map(|sort| sort.as_str()).collect();
        for (at, one) in ids.iter().enumerate() {
            let reason = if at % 2 == 0 { json!("ä\u{10ffff}") } else { Value::Null };
            let action = ["CORDON", "UNCORDON", "DRAIN"][at % 3];
            self.post(&format!("{agents}/{one}/action"), json!({"action": action, "reason": reason})).await;
        }
        self.post(&format!("{agents}/{}/action", ids[0]), json!({"action": "UNCORDON"})).await;
        self.post(&format!("{agents}/cnowhere/action"), json!({"action": "UNCORDON"})).await;
        self.list(&agents, &sorts).await;
        for status in ["HEALTHY", "UNHEALTHY", "CORDONED", "TERMINATED", "TERMINATED&statuses=CORDONED", "x"] {
            self.get(&format!("{agents}?statuses={status}&sorts=name:asc&limit=3&offset=1")).await;
        }
        self.delete(&format!("{agents}/{}", ids[11])).await; // it is connected
        self.world.clock.advance(90);
        for one in ids.iter().take(3) {
            self.delete(&format!("{agents}/{one}")).await;
            self.delete(&format!("{agents}/{one}")).await;
            self.get(&format!("{agents}/{one}")).await;
        }
        self.list(&format!("{agents}?includeDeleted=true"), &sorts).await;
    }

    /// What is wrong in every way.
    async fn faults(&mut self) {
        let tokens = self.world.agent_tokens("");
        let owner = self.world.owner.clone();
        let bearer = format!("Bearer {owner}");
        let deep = format!("{{\"name\":\"x\",\"deep\":{}1{}}}", "[".repeat(300), "]".repeat(300));
        let bodies: [&[u8]; 9] = [
            b"",
            b"{",
            b"[]",
            b"null",
            b"{\"name\": \"\xff\"}",
            b"{\"name\": \"\\ud800\"}",
            b"{\"name\": {}}",
            b"{\"name\":\"x\",\"name\":\"y\"}",
            deep.as_bytes(),
        ];
        for body in bodies {
            let request =
                Request::post(&tokens).header("authorization", &bearer).header("content-type", "application/json");
            self.send(
                &format!("POST {}", body.escape_ascii()),
                request.body(Body::from(body.to_vec())).expect("a request"),
            )
            .await;
        }
        let large = Body::from(format!("{{\"name\": \"{}\"}}", "x".repeat(1 << 20)));
        self.send(
            "POST too much",
            Request::post(&tokens).header("authorization", &bearer).body(large).expect("a request"),
        )
        .await;
        for (name, value) in [
            ("content-type", "text/plain"),
            ("x-api-version", "2.0"),
            ("x-api-version", "1.0"),
            ("x-request-id", "0123456789-abc"),
            ("x-request-id", "<script>"),
            ("authorization", "Basic eDp5"),
        ] {
            let mut request = Request::post(&tokens).header(name, value);
            if name != "authorization" {
                request = request.header("authorization", &bearer);
            }
            self.send(&format!("POST {name}: {value}"), request.body(Body::from("{\"name\": 1}")).expect("a request"))
                .await;
        }
        for (method, path) in [
            ("GET", "/"),
            ("GET", "/v1/nothing"),
            ("GET", "/v2/organizations"),
            ("PUT", "/v1/organizations"),
            ("DELETE", "/v1/organizations"),
            ("GET", "/v1/organizations/%F0%9F%A6%80"),
            ("GET", "/v1/organizations/%00"),
            ("GET", "/v1/organizations?offset=1&offset=2"),
            ("GET", "/v1/organizations?unknown=1&product="),
        ] {
            self.call(method, path, &Value::Null).await;
        }
        let mut altered = owner.clone();
        altered.replace_range(altered.len() - 4.., "AAAA");
        for token in ["x", "a.b.c", "agt_x", &altered, &owner[1..]] {
            self.call_as(Some(token), "GET", &tokens, &Value::Null).await;
        }
        self.call_as(None, "DELETE", &tokens, &Value::Null).await;
        self.call_as(None, "POST", &tokens, &json!({"name": "x"})).await;
        let stranger = self.world.second_organization().await;
        for rest in ["", "/workspaces", "/deployments", "/tokens", "/roles", "/audit-logs"] {
            self.call_as(Some(&stranger.owner), "GET", &self.world.path(rest), &Value::Null).await;
            self.call("GET", &format!("/v1/organizations/{}{rest}", stranger.organization), &Value::Null).await;
        }
        self.call_as(Some(&stranger.owner), "GET", "/v1/organizations", &Value::Null).await;
        self.world.app.flush().await.expect("flushed");
    }

    async fn meta(&mut self) {
        for path in ["/spec/v1.0", "/spec/v1", "/.well-known/jwks.json"] {
            self.call_as(None, "GET", path, &Value::Null).await;
        }
        for query in ["", "?scopeType=DEPLOYMENT", "?scopeType=DAG", "?scopeType=x"] {
            self.call("GET", &format!("/v1/authorization/permission-groups{query}"), &Value::Null).await;
        }
    }

    /// Takes along what is below.
    async fn deletions(&mut self) {
        self.world.clock.advance(1);
        let workspace = format!("/workspaces/{}", self.world.workspace);
        let deployment = format!("/deployments/{}", self.world.deployment);
        self.delete(&deployment).await;
        self.get(&format!("{deployment}/agent-tokens")).await;
        self.get("/tokens?limit=1000&sorts=name:asc").await;
        self.delete(&workspace).await;
        self.get("/deployments?limit=1000&sorts=name:asc").await;
        self.get("/tokens?limit=1000&sorts=description:desc").await;
        self.get("/workspaces?limit=1000&sorts=name:desc").await;
    }

    async fn audit_logs(&mut self) {
        self.world.app.flush().await.expect("flushed");
        self.world.clock.advance(1);
        for query in [
            "",
            "?startDate=2026-01-01T00:00:20Z",
            "?startDate=2026-01-26T00:00:00Z&endDate=2026-02-20T00:01:00Z",
            "?endDate=2026-01-01T00:00:01Z",
            "?startDate=x",
            "?startDate=2027-01-01T00:00:00Z&endDate=2026-01-01T00:00:00Z",
        ] {
            self.get(&format!("/audit-logs{query}")).await;
        }
    }
}

fn id(answer: &Value) -> String {
    answer["id"].as_str().unwrap_or_else(|| panic!("{answer} has no id")).to_owned()
}

/// A text for a query.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// A body for people.
fn shown(exchange: &Exchange) -> String {
    let mut text = String::new();
    if exchange.headers.get("content-encoding").is_some_and(|encoding| encoding == "gzip") {
        flate2::read::GzDecoder::new(&exchange.body[..]).read_to_string(&mut text).expect("gzip");
    } else {
        text = String::from_utf8_lossy(&exchange.body).into_owned();
    }
    text
}

/// The operations that change something.
fn writes() -> BTreeSet<String> {
    struct Writes(BTreeSet<String>);
    impl Visitor for Writes {
        fn visit<O: Operation>(&mut self) {
            // These are not in the stream yet; their own suites run on both databases.
            let elsewhere = ["AllowedIpAddressRange", "Cluster", "Deploy", "Environment", "Invite", "Team", "User"];
            if O::ACCESS == Access::Write && !elsewhere.contains(&O::TAG.name().as_str()) {
                self.0.insert(O::ID.into());
            }
        }
    }
    let mut writes = Writes(BTreeSet::new());
    operations::visit(&mut writes);
    writes.0
}

/// A PostgreSQL database that sorts as people in America do, as most databases of the world: with a
/// server of the locale C, a query that forgot to ask for the order of bytes would go unnoticed.
async fn postgres_with_a_locale() -> Option<Database> {
    let plain = Database::postgres().await?;
    let Database::Postgres(url) = &plain else { panic!("asked for PostgreSQL") };
    let name = url.split('?').next().and_then(|base| base.rsplit('/').next()).expect("the database's name");
    let (drop, create) = (
        format!("DROP DATABASE IF EXISTS {name}_en"),
        format!("CREATE DATABASE {name}_en TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en-US'"),
    );
    plain.execute(&drop).await;
    plain.execute(&create).await;
    let database = Database::Postgres(url.replacen(name, &format!("{name}_en"), 1));
    let probe = "DO $$ BEGIN ASSERT 'a' < 'B'; END $$";
    database.execute(probe).await;
    Some(database)
}

#[tokio::test]
async fn the_same_answers_on_both() {
    let Some(postgres) = postgres_with_a_locale().await else { return };
    let sqlite = Stream::of(Database::sqlite()).await;
    let postgres = Stream::of(postgres).await;

    for (on_sqlite, on_postgres) in sqlite.exchanges.iter().zip(&postgres.exchanges) {
        let request = &on_sqlite.request;
        assert_eq!(*request, on_postgres.request);
        assert_eq!(on_sqlite.status, on_postgres.status, "{request}: {} {}", shown(on_sqlite), shown(on_postgres));
        assert_eq!(shown(on_sqlite), shown(on_postgres), "{request}");
        assert_eq!(on_sqlite.headers, on_postgres.headers, "{request}");
        assert_eq!(on_sqlite.body, on_postgres.body, "{request}");
    }
    assert_eq!(sqlite.exchanges.len(), postgres.exchanges.len());

    // The stream is what it is meant to be: long, and of every kind.
    let statuses: BTreeSet<u16> = sqlite.exchanges.iter().map(|exchange| exchange.status).collect();
    assert_eq!(statuses, BTreeSet::from([200, 204, 307, 400, 401, 403, 404, 405, 413, 415]));
    let succeeded = sqlite.exchanges.iter().filter(|exchange| exchange.status < 300).count();
    assert!(succeeded > 700, "{succeeded} of {} requests succeeded", sqlite.exchanges.len());
    let logs = sqlite.exchanges.iter().filter(|exchange| exchange.request.contains("/audit-logs"));
    let log = logs.max_by_key(|exchange| exchange.body.len()).expect("the whole audit log");
    let changed = shown(log);
    let entries = changed.lines().map(|line| serde_json::from_str::<Value>(line).expect("a JSON object a line"));
    let changed: BTreeSet<String> = entries
        .filter(|entry| entry["outcome"] == "CHANGED")
        .filter_map(|entry| entry["operationId"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(
        writes().difference(&changed).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "no request of the stream did these"
    );
}
