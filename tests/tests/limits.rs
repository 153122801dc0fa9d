//! What an operator may bound: how often a token may call, and how many agent tokens a Deployment
//! may have.

use std::{num::NonZeroU32, sync::Arc};

use airlock_server::{RateLimits, Settings};
use airlock_tests::{Answer, Database, World, on_both};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// A server with rate limits: calls a second, by method.
async fn limited(get: u32, post: u32, delete: u32) -> World {
    let rate_limits =
        RateLimits { get: NonZeroU32::new(get), post: NonZeroU32::new(post), delete: NonZeroU32::new(delete) };
    World::with_settings(Database::sqlite(), Settings { rate_limits, ..Settings::default() }).await
}

/// Calls until the limit is used up; answers how many calls got through, and the refusal.
async fn until_refused(world: &World, token: &str, method: &str, path: &str, body: &Value) -> (usize, Answer) {
    for n in 0..10_000 {
        let answer = world.call(Some(token), method, path, body).await;
        if answer.status == 429 {
            return (n, answer);
        }
    }
    panic!("10,000 times {method} {path} and no limit");
}

/// The refusal is the envelope, and says when to try again, in the header too.
#[tokio::test]
async fn the_limit_answers_429_with_retry_after() {
    let world = limited(1, 1, 1).await;
    let (_, refused) = until_refused(&world, &world.owner, "GET", "/v1/organizations", &Value::Null).await;
    refused.assert_envelope();
    assert_eq!(refused.headers["retry-after"], "1");
    assert_eq!(refused.message(), "the token's rate limit is used up; try again in 1 s");
}

/// As many calls as the setting says get through at once.
#[tokio::test]
async fn the_setting_is_the_number_of_calls() {
    let world = limited(50, 0, 0).await;
    let (through, _) = until_refused(&world, &world.owner, "GET", "/v1/organizations", &Value::Null).await;
    assert!(through >= 50, "{through} got through");
}

/// Each method has a limit of its own, which all operations and prefixes share.
#[tokio::test]
async fn methods_are_counted_apart() {
    let world = limited(1, 1, 1).await;
    let workspace = json!({"name": "x"});
    for (method, path, body) in [
        ("GET", world.path("/workspaces"), &Value::Null),
        ("POST", world.path("/workspaces"), &workspace),
        ("DELETE", world.path("/workspaces/cnowhere"), &Value::Null),
    ] {
        let first = world.call(Some(&world.owner), method, &path, body).await;
        assert_ne!(first.status, 429, "{method} has used nothing of its limit");
        until_refused(&world, &world.owner, method, &path, body).await;
        let beta = format!("/platform/v1beta1/organizations/{}/workspaces/cnowhere", world.organization);
        let (through, _) = until_refused(&world, &world.owner, method, &beta, body).await;
        assert!(through <= 1, "a beta prefix is no way around the limit");
    }
}

/// Another token is not affected, nor is one that only shares the name.
#[tokio::test]
async fn other_tokens_are_unaffected() {
    let world = limited(1, 0, 0).await;
    let others = [
        world.organization_token("ORGANIZATION_OWNER").await.1,
        world.organization_token("ORGANIZATION_OWNER").await.1,
    ];
    until_refused(&world, &world.owner, "GET", "/v1/organizations", &Value::Null).await;
    for other in &others {
        world.call(Some(other), "GET", "/v1/organizations", &Value::Null).await.expect(200);
    }
}

/// A limit belongs to the token, not to its value: rotation is no way around it.
#[tokio::test]
async fn rotation_is_no_way_around_the_limit() {
    let world = limited(1, 0, 0).await;
    let (id, value) = world.organization_token("ORGANIZATION_OWNER").await;
    until_refused(&world, &value, "GET", "/v1/organizations", &Value::Null).await;
    let rotated = world.post(&world.path(&format!("/tokens/{id}/rotate")), Value::Null).await.expect(200);
    let value = rotated["token"].as_str().expect("a value");
    let (through, _) = until_refused(&world, value, "GET", "/v1/organizations", &Value::Null).await;
    assert!(through <= 1, "{through} got through");
}

/// A refused call changes nothing and leaves no record; those that got through did and have.
#[tokio::test]
async fn what_is_refused_does_nothing() {
    let world = limited(0, 1, 0).await;
    let path = world.path("/workspaces");
    let (through, _) = until_refused(&world, &world.owner, "POST", &path, &json!({"name": "x"})).await;
    assert_eq!(world.get(&path).await.expect(200)["totalCount"], 1 + through);
    let log = world.audit_log().await;
    assert_eq!(log.iter().filter(|record| record["operationId"] == "CreateWorkspace").count(), through);
    assert!(log.iter().all(|record| record["outcome"] == "CHANGED"), "{log:?}");
}

on_both! {
    /// Without a setting there is no limit.
    async fn limits_are_off_by_default(world) {
        for _ in 0..300 {
            world.get("/v1/organizations?limit=0").await.expect(200);
        }
    }
}

/// Callers that nobody knows are not counted as anybody.
#[tokio::test]
async fn strangers_use_nobodys_limit() {
    let world = limited(1, 1, 1).await;
    for _ in 0..100 {
        world.call(None, "GET", "/v1/organizations", &Value::Null).await.expect(401);
        world.call(Some("garbage"), "GET", "/v1/organizations", &Value::Null).await.expect(401);
    }
    world.get("/v1/organizations").await.expect(200);
}

/// The number of agent tokens that a Deployment may have is a setting, and holds when many are
/// created at the same time.
#[tokio::test]
async fn agent_tokens_are_bounded_under_contention() {
    let mut databases = vec![Database::sqlite()];
    databases.extend(Database::postgres().await);
    for database in databases {
        let settings = Settings { agent_tokens_per_deployment: 3, ..Settings::default() };
        let world = Arc::new(World::with_settings(database, settings).await);
        let mut calls = JoinSet::new();
        for n in 0..24 {
            let world = Arc::clone(&world);
            calls.spawn(async move { world.post(&world.agent_tokens(""), json!({"name": n.to_string()})).await });
        }
        let answers = calls.join_all().await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 3);
        for refused in answers.iter().filter(|answer| answer.status != 200) {
            assert_eq!(refused.status, 400, "{}", refused.json);
            assert_eq!(
                refused.message(),
                "the Deployment has 3 agent tokens that are good, which is the most it can have; delete one first"
            );
            refused.assert_envelope();
        }
        assert_eq!(world.get(&world.agent_tokens("")).await.expect(200)["totalCount"], 3);
    }
}
