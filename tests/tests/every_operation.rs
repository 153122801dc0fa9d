//! Tables made from the list of operations, so that a new operation is held to the same rules
//! without anybody thinking of it.

use std::fmt::Write;

use airlock_contract::Access;
use airlock_tests::{
    Answer, World, on_both,
    operations::{Row, Things, rows},
};
use serde_json::{Value, json};

async fn call(world: &World, things: &Things, row: &Row, token: Option<&str>) -> Answer {
    let (path, body) = things.request(row);
    world.call(token, row.method.as_str(), &path, &body).await
}

/// Callers that should not get through, by what is wrong with them.
async fn wrong_callers(world: &World) -> Vec<(&'static str, Option<String>)> {
    let (deleted_id, deleted) = world.organization_token("ORGANIZATION_OWNER").await;
    world.delete(&world.path(&format!("/tokens/{deleted_id}"))).await.expect(204);
    let (rotated_id, rotated) = world.organization_token("ORGANIZATION_OWNER").await;
    world.post(&world.path(&format!("/tokens/{rotated_id}/rotate")), Value::Null).await.expect(200);
    let expiring = json!({
        "name": "expiring", "role": "ORGANIZATION_OWNER", "scope": "ORGANIZATION", "tokenExpiryPeriodInDays": 1,
    });
    let (_, expired) = world.api_token(expiring).await;
    world.clock.advance(86_400);
    let elsewhere = world.new_workspace("elsewhere").await;
    let owner_elsewhere =
        json!({"name": "elsewhere", "role": "WORKSPACE_OWNER", "scope": "WORKSPACE", "entityId": elsewhere});
    let stranger = world.second_organization().await;
    let mut altered = world.owner.clone();
    altered.replace_range(altered.len() - 4.., "AAAA");
    vec![
        ("no token", None),
        ("garbage", Some("garbage".into())),
        ("wrong signature", Some(altered)),
        ("expired", Some(expired)),
        ("deleted", Some(deleted)),
        ("rotated away", Some(rotated)),
        ("agent token", Some(world.agent_token("caller").await.1)),
        ("other organization", Some(stranger.owner)),
        ("other workspace", Some(world.api_token(owner_elsewhere).await.1)),
        ("accessor", Some(world.workspace_token("WORKSPACE_ACCESSOR").await.1)),
    ]
}

on_both! {
    /// Every operation x every caller that should not get through: the status, the envelope, and
    /// that nothing changed.
    async fn every_operation_refuses(world) {
        let things = Things::make(&world).await;
        let callers = wrong_callers(&world).await;
        let mut table = format!("{:26}", "");
        callers.iter().for_each(|(name, _)| write!(table, " {name:>18}").expect("a String takes all"));
        for row in rows() {
            write!(table, "\n{:26}", row.id).expect("a String takes all");
            let before = world.dump().await;
            for (name, token) in &callers {
                let answer = call(&world, &things, &row, token.as_deref()).await;
                write!(table, " {:>18}", answer.status).expect("a String takes all");
                if answer.status >= 400 {
                    answer.assert_envelope();
                } else {
                    let is_member = matches!(*name, "other workspace" | "accessor");
                    assert!(
                        row.access != Access::Write && (is_member || !row.needs_permission),
                        "{name} got through to {}", row.id
                    );
                }
            }
            assert_eq!(world.dump().await, before, "somebody changed something by {}", row.id);
        }
        insta::assert_snapshot!("refusals", table);
    }

    /// Every operation succeeds for the Owner with the status that its declaration says. A write
    /// leaves exactly one audit record, with what is needed to know who did what; a read none.
    async fn every_operation_succeeds_and_writes_are_audited(world) {
        for row in rows() {
            clean(&world).await;
            let things = Things::make(&world).await;
            let before = world.audit_log().await.len();
            world.clock.advance(1); // so that what follows stands behind it in the log
            let answer = call(&world, &things, &row, Some(&world.owner)).await;
            assert_eq!(answer.status, row.status, "{}: {}", row.id, answer.json);
            assert!(answer.headers.contains_key("x-request-id"), "{}", row.id);

            if matches!(row.id, "DeleteDeployment" | "DeleteWorkspace") {
                return_to_life(&world).await;
            }
            let log = world.audit_log().await;
            let of_this: Vec<&Value> = log[before..].iter().filter(|entry| entry["operationId"] == row.id).collect();
            if row.access != Access::Write {
                assert_eq!(of_this.len(), 0, "{}", row.id);
                continue;
            }
            let [entry] = of_this[..] else { panic!("{} left {} audit records", row.id, of_this.len()) };
            assert_eq!(entry["outcome"], "CHANGED");
            assert_eq!(entry["subjectName"], "First owner");
            assert_eq!(entry["organizationId"], json!(world.organization));
            assert_eq!(entry["statusCode"], row.status);
            assert_eq!(entry["requestBody"].is_object(), row.logs_body, "{entry}");
            assert_eq!(entry["requestId"].as_str(), answer.headers["x-request-id"].to_str().ok());
            assert!(entry["entityId"].as_str().is_some_and(|id| id.len() == 25), "{entry}");
        }
    }
}

/// Deleting the Workspace or the Deployment takes away what the other rows need: gives the same
/// ids back, as the database's administrator could.
async fn return_to_life(world: &World) {
    world
        .database
        .execute(&format!(
            "INSERT INTO workspaces (id, organization_id, name, description, cicd_enforced_default, created_at, \
             created_by, updated_at, updated_by) SELECT '{}', id, 'again', '', FALSE, 0, created_by, 0, created_by \
             FROM organizations WHERE TRUE ON CONFLICT DO NOTHING",
            world.workspace
        ))
        .await;
    world
        .database
        .execute(&format!(
            "INSERT INTO deployments (id, organization_id, workspace_id, name, remote_execution, settings, created_at, \
             created_by, updated_at, updated_by) SELECT '{}', id, '{}', 'again', TRUE, \
             '{{\"name\":\"again\",\"workspaceId\":\"{}\",\"isDagDeployEnabled\":true}}', 0, created_by, 0, created_by FROM organizations",
            world.deployment, world.workspace, world.workspace
        ))
        .await;
}

/// Takes away what can be there only once. The newest goes first, so that the address range which
/// lets the test in goes last.
async fn clean(world: &World) {
    for (path, list) in [
        ("roles", "roles"),
        ("teams", "teams"),
        ("environment-objects", "environmentObjects"),
        ("allowed-ip-address-ranges", "allowedIpAddressRanges"),
    ] {
        let page = world.get(&world.path(&format!("/{path}?limit=1000"))).await.expect(200);
        for thing in page[list].as_array().into_iter().flatten() {
            let id = thing["id"].as_str().expect("an id");
            world.delete(&world.path(&format!("/{path}/{id}"))).await.expect(204);
        }
    }
}
