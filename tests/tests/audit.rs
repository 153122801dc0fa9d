//! `/v1/organizations/{organizationId}/audit-logs`, and what is written there.

use std::{io::Read, net::SocketAddr};

use airlock_server::Settings;
use airlock_tests::{Answer, Database, World, on_both};
use axum::{body::Body, extract::ConnectInfo, http::Request};
use serde_json::{Value, json};

/// The records of an export, in its order.
#[track_caller]
fn records(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200);
    let mut text = String::new();
    flate2::read::GzDecoder::new(&answer.bytes[..]).read_to_string(&mut text).expect("gzip");
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is cut off");
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON object a line")).collect()
}

/// An export, with a query.
async fn export(world: &World, query: &str) -> Vec<Value> {
    let answer = world.get(&world.path(&format!("/audit-logs{query}"))).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.json);
    records(&answer)
}

/// The refusals in the log.
async fn refusals(world: &World) -> Vec<Value> {
    world.audit_log().await.into_iter().filter(|record| record["outcome"] == "REFUSED").collect()
}

/// Names the Workspace, which is a change.
async fn rename(world: &World, name: &str) {
    let body = json!({"name": name, "description": "", "cicdEnforcedDefault": false});
    world.post(&world.path(&format!("/workspaces/{}", world.workspace)), body).await.expect(200);
}

on_both! {
    /// One JSON object a line, compressed whatever the client accepts, the oldest first.
    async fn the_log_is_compressed_lines(world) {
        for name in ["a", "b", "c"] {
            world.clock.advance(1);
            rename(&world, name).await;
        }
        let answer = world.get(&world.path("/audit-logs")).await;
        assert_eq!(answer.headers["content-type"], "application/x-ndjson");
        assert_eq!(answer.headers["content-encoding"], "gzip");
        assert!(answer.headers.contains_key("x-request-id"));
        let log = records(&answer);
        let seen: Vec<_> = log.iter().map(|record| (&record["operationId"], &record["timestamp"])).collect();
        assert_eq!(json!(seen), json!([
            ["Bootstrap", "2026-01-01T00:00:00Z"],
            ["UpdateWorkspace", "2026-01-01T00:00:01Z"],
            ["UpdateWorkspace", "2026-01-01T00:00:02Z"],
            ["UpdateWorkspace", "2026-01-01T00:00:03Z"],
        ]));
    }

    /// A record says who did what to what, when, from which address and client, by which request,
    /// and what came of it.
    async fn a_record_says_who_did_what_from_where(world) {
        let peer: SocketAddr = "203.0.113.7:4711".parse().expect("an address");
        let path = world.path("/workspaces");
        let request = Request::post(&path)
            .header("authorization", format!("Bearer {}", world.owner))
            .header("content-type", "application/json")
            .header("user-agent", "terraform-provider-astro/1.5.2")
            .header("x-astro-client-identifier", "terraform-provider-astro")
            .header("x-astro-client-version", "1.5.2")
            .header("x-request-id", "a-request-of-mine")
            .extension(ConnectInfo(peer))
            .body(Body::from(r#"{"name": "new"}"#))
            .expect("a request");
        world.clock.advance(5);
        let made = world.send(request).await.expect(200);
        let log = export(&world, "").await;
        let record = log.last().expect("a record");
        let owner = &made["createdBy"]["id"];
        assert_eq!(*record, json!({
            "id": record["id"], "timestamp": "2026-01-01T00:00:05Z", "outcome": "CHANGED",
            "organizationId": world.organization, "subjectId": owner, "subjectType": "SERVICEKEY",
            "subjectName": "First owner", "operationId": "CreateWorkspace", "method": "POST", "path": path,
            "entityType": "workspace", "entityId": made["id"], "statusCode": 200, "occurrences": 1,
            "requestBody": {"name": "new"}, "sourceIp": "203.0.113.7", "userAgent": "terraform-provider-astro/1.5.2",
            "astroClient": "terraform-provider-astro", "astroClientVersion": "1.5.2", "requestId": "a-request-of-mine",
        }));
    }

    /// What a change was asked to be, as it was understood: which role, for whom. Not where a body has
    /// a place for secrets, and not for ever so long.
    async fn a_record_says_what_was_asked_for(world) {
        let role = json!({"name": "reader", "scopeType": "DEPLOYMENT", "permissions": ["deployment.get"], "unknown": 1});
        let role = world.post(&world.path("/roles"), role).await.expect(200);
        let connections: Vec<String> = (0..1000).map(|number| format!("{number:0>100}")).collect();
        let long = json!({"name": "of many connections", "connections": connections});
        world.post(&world.agent_tokens(""), long).await.expect(200);
        let variable = json!({"objectKey": "K", "objectType": "AIRFLOW_VARIABLE", "scope": "WORKSPACE",
            "scopeEntityId": world.workspace, "airflowVariable": {"value": "the secret", "isSecret": true}});
        world.environment_object(variable).await;
        let log = export(&world, "").await;
        let of = |operation: &str| log.iter().rev().find(|record| record["operationId"] == operation).expect("a record");
        assert_eq!(of("CreateCustomRole")["requestBody"]["permissions"], json!(["deployment.get"]));
        assert_eq!(of("CreateCustomRole")["requestBody"].get("unknown"), None);
        assert_eq!(of("CreateCustomRole")["entityId"], role["id"]);
        assert_eq!(of("CreateAgentToken").get("requestBody"), None);
        assert_eq!(of("CreateEnvironmentObject").get("requestBody"), None);
        assert!(!format!("{log:?}").contains("the secret"), "a secret is in the audit log");
    }

    /// `startDate` is included and `endDate` excluded, to the microsecond; each is open when absent
    /// or empty.
    async fn dates_narrow_the_log(world) {
        for name in ["a", "b", "c"] {
            world.clock.advance(10);
            rename(&world, name).await;
        }
        world.clock.advance(10);
        for (query, seconds) in [
            ("", &["00", "10", "20", "30"][..]),
            ("?startDate=&endDate=", &["00", "10", "20", "30"]),
            ("?startDate=2026-01-01T00:00:10Z", &["10", "20", "30"]),
            ("?startDate=2026-01-01T00:00:10.000001Z", &["20", "30"]),
            ("?endDate=2026-01-01T00:00:20Z", &["00", "10"]),
            ("?endDate=2026-01-01T00:00:20.000001Z", &["00", "10", "20"]),
            ("?startDate=2026-01-01T00:00:10Z&endDate=2026-01-01T00:00:30Z", &["10", "20"]),
            ("?startDate=2026-01-01T01:00:10%2B01:00&endDate=2026-01-01T00:00:11Z", &["10"]),
            ("?startDate=2026-01-01T00:00:10Z&endDate=2026-01-01T00:00:10Z", &[]),
            ("?startDate=2026-01-01T00:00:30Z&endDate=2026-01-01T00:00:10Z", &[]),
            ("?startDate=2027-01-01T00:00:00Z", &[]),
            ("?startDate=1900-01-01T00:00:00Z&endDate=9999-12-31T23:59:59Z", &["00", "10", "20", "30"]),
            ("?endDate=1900-01-01T00:00:00Z", &[]),
        ] {
            let log = export(&world, query).await;
            let times: Vec<&str> = log.iter().map(|record| &record["timestamp"].as_str().expect("a time")[17..19]).collect();
            assert_eq!(times, seconds, "{query}");
        }
        for (query, field) in [
            ("startDate=yesterday", "startDate"),
            ("endDate=2026-13-01T00:00:00Z", "endDate"),
            ("startDate=2026-01-01T00:00:00Z&startDate=2026-01-01T00:00:00Z", "startDate"),
        ] {
            let answer = world.get(&world.path(&format!("/audit-logs?{query}"))).await;
            assert_eq!(answer.fields(), [field], "{query}");
            answer.expect(400);
        }
    }

    /// A long log comes whole and without repetition, also when all of it happened at once.
    async fn a_long_log_is_whole(world) {
        for n in 0..600 {
            rename(&world, &n.to_string()).await;
        }
        let log = export(&world, "").await;
        let mut ids: Vec<&str> = log.iter().map(|record| record["id"].as_str().expect("an id")).collect();
        assert_eq!(ids.len(), 601);
        assert!(ids.is_sorted(), "records of the same time are in the order of their ids");
        ids.dedup();
        assert_eq!(ids.len(), 601);
    }

    /// An Organization's log is its own, and for those who may read it.
    async fn the_log_is_for_its_owner(world) {
        let stranger = world.second_organization().await;
        rename(&world, "ours").await;
        let theirs = format!("/v1/organizations/{}/audit-logs", stranger.organization);
        let log = records(&world.call(Some(&stranger.owner), "GET", &theirs, &Value::Null).await);
        assert_eq!(log.len(), 1);
        assert_eq!(log[0]["organizationId"], json!(stranger.organization));
        world.get(&theirs).await.expect(404);
        let value = world.workspace_token("WORKSPACE_OWNER").await.1;
        let answer = world.call(Some(&value), "GET", &world.path("/audit-logs"), &Value::Null).await;
        assert_eq!(
            answer.message(),
            "WORKSPACE_OWNER lacks the permission organization.auditLogs.get on this Organization"
        );
        answer.expect(403);
    }
}

on_both! {
    /// A refused authentication is recorded with its reason, under the Organization that was
    /// knocked at, and without a subject.
    async fn refused_authentications_are_recorded(world) {
        let (id, value) = world.organization_token("ORGANIZATION_OWNER").await;
        world.delete(&world.path(&format!("/tokens/{id}"))).await.expect(204);
        let path = world.path("/workspaces");
        for token in [None, Some("garbage"), Some(value.as_str())] {
            world.call(token, "GET", &path, &Value::Null).await.expect(401);
        }
        let refused = refusals(&world).await;
        let mut reasons: Vec<&str> = refused.iter().map(|record| record["reason"].as_str().expect("a reason")).collect();
        reasons.sort_unstable();
        let deleted = format!("the API token {id} was deleted at 2026-01-01T00:00:00Z");
        assert_eq!(reasons, [
            deleted.as_str(),
            "the bearer token is malformed: it is no API token (a JWT), no session and no agent token",
            "there is no bearer token; send the header Authorization: Bearer <token>",
        ]);
        for record in &refused {
            assert_eq!((&record["statusCode"], &record["operationId"]), (&json!(401), &json!("ListWorkspaces")));
            assert_eq!((&record["path"], &record["method"]), (&json!(path), &json!("GET")));
            assert!(record.get("subjectId").is_none() && record.get("entityId").is_none());
        }
    }

    /// A refused permission is recorded with who lacked it, at the gate of the operation.
    async fn refused_permissions_are_recorded(world) {
        let (id, value) = world.workspace_token("WORKSPACE_MEMBER").await;
        let hidden = world.new_workspace("hidden").await;
        let path = world.agent_tokens("");
        world.call(Some(&value), "POST", &path, &json!({"name": "x"})).await.expect(403);
        let path = world.path(&format!("/workspaces/{hidden}"));
        world.call(Some(&value), "DELETE", &path, &Value::Null).await.expect(404);
        let refused = refusals(&world).await;
        let seen: Vec<_> = refused
            .iter()
            .map(|record| json!([record["operationId"], record["statusCode"], record["subjectId"], record["reason"]]))
            .collect();
        let lacking = "WORKSPACE_MEMBER lacks the permission deployment.agentTokens.create on this Deployment";
        assert_eq!(seen.len(), 2, "{seen:?}");
        assert!(seen.contains(&json!(["CreateAgentToken", 403, id, lacking])), "{seen:?}");
        assert!(seen.contains(&json!(["DeleteWorkspace", 404, id, "Workspace not found"])), "{seen:?}");
    }

    /// So is one that is refused further in, where it depends on the thing itself.
    async fn finer_refusals_are_recorded_too(world) {
        let value = world.workspace_token("WORKSPACE_OWNER").await.1;
        let target = world.organization_token("ORGANIZATION_MEMBER").await.0;
        let body = json!({"name": "x", "scope": "ORGANIZATION", "role": "ORGANIZATION_OWNER"});
        let message = world.call(Some(&value), "POST", &world.path("/tokens"), &body).await;
        assert_eq!(message.status, 403);
        let hidden = world.path(&format!("/tokens/{target}"));
        world.call(Some(&value), "DELETE", &hidden, &Value::Null).await.expect(404);
        let refused = refusals(&world).await;
        let of = |operation: &str| refused.iter().find(|record| record["operationId"] == operation);
        let create = of("CreateApiToken").expect("a refused permission left no record");
        assert_eq!((&create["statusCode"], &create["subjectName"]), (&json!(403), &json!("WORKSPACE_OWNER")));
        assert_eq!(create["reason"], message.message());
        assert!(of("DeleteApiToken").is_some(), "a refused delete of what is hidden left no record");
    }

    /// An agent token that knocks here is good, but refused; that is recorded too.
    async fn an_agent_token_that_calls_the_api_is_recorded(world) {
        let (_, value) = world.agent_token("edge").await;
        world.call(Some(&value), "GET", &world.path("/workspaces"), &Value::Null).await.expect(403);
        let refused = refusals(&world).await;
        assert_eq!(refused.len(), 1);
        assert_eq!(refused[0]["statusCode"], 403);
    }

    /// A request that is wrong, or about nothing, changes nothing and is no refusal.
    async fn bad_requests_are_not_recorded(world) {
        let before = world.audit_log().await;
        world.post(&world.agent_tokens(""), json!({"name": ""})).await.expect(400);
        world.get(&world.path("/workspaces/cnowhere")).await.expect(404);
        world.get("/v1/nowhere").await.expect(404);
        assert_eq!(world.audit_log().await, before);
    }

    /// The same refusal many times is one record that says how often.
    async fn repetitions_are_counted(world) {
        for _ in 0..3000 {
            world.call(None, "GET", &world.path("/workspaces"), &Value::Null).await;
        }
        let refused = refusals(&world).await;
        assert_eq!(refused.len(), 1);
        assert_eq!(refused[0]["occurrences"], 3000);
        world.call(None, "GET", &world.path("/workspaces"), &Value::Null).await;
        let refused = refusals(&world).await;
        assert_eq!(refused.len(), 2, "what comes after a flush is a record of its own");
    }

    /// Thousands of different refusals make few records. None is lost from the count, and the one
    /// for the rest does not accuse whoever came first.
    async fn a_flood_makes_few_records(world) {
        let value = world.workspace_token("WORKSPACE_MEMBER").await.1;
        for n in 0..3000 {
            let path = world.path(&format!("/workspaces/cnumber{n}"));
            let token = (n % 2 == 0).then_some("garbage");
            world.call(token, "GET", &path, &Value::Null).await.expect(401);
        }
        world.call(Some(&value), "GET", &world.path("/audit-logs"), &Value::Null).await.expect(403);
        let refused = refusals(&world).await;
        assert!(refused.len() <= 250, "{} records", refused.len());
        let count: i64 = refused.iter().map(|record| record["occurrences"].as_i64().expect("a number")).sum();
        assert_eq!(count, 3001);
        let rest: Vec<&Value> = refused.iter().filter(|record| record["occurrences"] != 1).collect();
        let [rest] = rest[..] else { panic!("{} records for the rest", rest.len()) };
        let accused = rest["path"].as_str().unwrap_or_default();
        assert!(!accused.contains("cnumber"), "1 path stands for thousands of others: {rest}");
        assert!(rest.get("subjectId").is_none(), "{rest}");
    }

    /// No record has a secret in it: neither the bearer's value, nor what was made or rotated, nor
    /// what a body had in it, nor a value that a client put into the path by mistake.
    async fn no_record_holds_a_secret(world) {
        let (agent_id, agent) = world.agent_token("edge").await;
        let (api_id, api) = world.organization_token("ORGANIZATION_OWNER").await;
        let rotated = world.post(&world.path(&format!("/tokens/{api_id}/rotate")), Value::Null).await.expect(200);
        let rotated = rotated["token"].as_str().expect("a value").to_owned();
        let body = json!({
            "name": "x", "workspaceId": world.workspace,
            "environmentVariables": [{"key": "A", "value": "open-sesame-in-a-body", "isSecret": true}],
        });
        world.post(&world.path("/deployments"), body).await.expect(200);
        for value in [&agent, &api, &rotated] {
            world.call(Some(value), "GET", &world.path("/workspaces"), &Value::Null).await;
            world.call(Some(&format!("{value}x")), "GET", &world.path("/workspaces"), &Value::Null).await.expect(401);
            for token in [None, Some(world.owner.as_str())] {
                let path = world.agent_tokens(&format!("/{value}"));
                world.call(token, "DELETE", &path, &Value::Null).await;
                let path = world.path(&format!("/tokens/{value}?token={value}"));
                world.call(token, "GET", &path, &Value::Null).await;
            }
        }
        world.delete(&world.agent_tokens(&format!("/{agent_id}"))).await.expect(204);
        let log = json!(world.audit_log().await).to_string();
        assert!(log.contains(&agent_id) && log.contains("REFUSED"));
        for secret in [&agent, &api, &rotated, &world.owner, &"open-sesame-in-a-body".to_owned()] {
            let part = secret.rsplit(['_', '.']).next().expect("the end of a token");
            let part = &part[..part.len().min(21)];
            let at = log.find(part).map(|at| &log[at.saturating_sub(300)..at + 20]);
            assert!(at.is_none(), "a secret is in the log: {at:?}");
        }
    }
}

/// The log keeps only so many refusals, the newest; changes are not touched.
#[tokio::test]
async fn only_so_many_refusals_are_kept() {
    let mut databases = vec![Database::sqlite()];
    databases.extend(Database::postgres().await);
    for database in databases {
        let settings = Settings { refusals_kept: 5, ..Settings::default() };
        let world = World::with_settings(database, settings).await;
        for n in 0..20 {
            world.clock.advance(1);
            world.call(None, "GET", &world.path(&format!("/workspaces/c{n}")), &Value::Null).await.expect(401);
            world.app.flush().await.expect("flushed");
        }
        rename(&world, "a change").await;
        assert_eq!(refusals(&world).await.len(), 20);
        // The server's upkeep tidies when it begins. Its next round would be a second later.
        let tidied = async {
            while refusals(&world).await.len() == 20 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = world.app.run_upkeep() => {}
            () = tidied => {}
        }
        let kept: Vec<Value> = refusals(&world).await.into_iter().map(|record| record["path"].clone()).collect();
        let newest: Vec<Value> = (15..20).map(|n| json!(world.path(&format!("/workspaces/c{n}")))).collect();
        assert_eq!(kept, newest);
        let changes = world.audit_log().await.into_iter().filter(|record| record["outcome"] == "CHANGED").count();
        assert_eq!(changes, 2);
    }
}
