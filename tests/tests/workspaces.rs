//! `/v1/organizations/{organizationId}/workspaces`

use airlock_tests::{Answer, World, on_both};
use serde_json::{Value, json};

/// A new Workspace, as it was answered.
async fn create(world: &World, body: Value) -> Value {
    world.post(&world.path("/workspaces"), body).await.expect(200)
}

/// The path of one Workspace.
fn one(world: &World, workspace: &Value) -> String {
    world.path(&format!("/workspaces/{}", workspace["id"].as_str().expect("an id")))
}

/// The names on a page, in its order.
fn names(page: &Value) -> Vec<&str> {
    page["workspaces"].as_array().expect("Workspaces").iter().map(|one| one["name"].as_str().expect("a name")).collect()
}

on_both! {
    /// The answer has everything that was asked for, and so have later ones.
    async fn create_get_update_delete(world) {
        let (cluster, other) = (world.new_cluster("DEDICATED").await, world.new_cluster("HYBRID").await);
        let made = create(&world, json!({
            "name": "Data ü", "description": "pipelines", "cicdEnforcedDefault": true, "defaultCloudProvider": "AWS",
            "defaultClusterId": cluster, "defaultRegion": "eu-central-1",
        })).await;
        let owner = &made["createdBy"];
        assert_eq!(owner["apiTokenName"], "First owner");
        assert_eq!(made, json!({
            "id": made["id"], "name": "Data ü", "description": "pipelines", "organizationId": world.organization,
            "organizationName": "Airlock", "cicdEnforcedDefault": true, "defaultCloudProvider": "AWS",
            "defaultClusterId": cluster, "defaultRegion": "eu-central-1",
            "createdAt": "2026-01-01T00:00:00Z", "createdBy": owner,
            "updatedAt": "2026-01-01T00:00:00Z", "updatedBy": owner,
        }));
        assert_eq!(world.get(&one(&world, &made)).await.expect(200), made);

        world.clock.advance(1);
        let asked = json!({"name": "renamed", "description": "", "cicdEnforcedDefault": false});
        let changed = world.post(&one(&world, &made), asked).await.expect(200);
        let mut expected = made.clone();
        for (key, value) in [
            ("name", json!("renamed")), ("description", json!("")), ("cicdEnforcedDefault", json!(false)),
            ("updatedAt", json!("2026-01-01T00:00:01Z")),
        ] {
            expected[key] = value;
        }
        assert_eq!(changed, expected, "defaults that were left out stay");
        assert_eq!(world.get(&one(&world, &made)).await.expect(200), expected);
        let asked = json!({
            "name": "renamed", "description": "", "cicdEnforcedDefault": false, "defaultCloudProvider": "GCP",
            "defaultClusterId": other, "defaultRegion": "europe-west4",
        });
        let changed = world.post(&one(&world, &made), asked.clone()).await.expect(200);
        for key in ["defaultCloudProvider", "defaultClusterId", "defaultRegion"] {
            assert_eq!(changed[key], asked[key], "{key}");
        }

        let deleted = world.delete(&one(&world, &made)).await;
        assert_eq!((deleted.status, deleted.bytes.len()), (204, 0));
        for answer in [world.get(&one(&world, &made)).await, world.delete(&one(&world, &made)).await] {
            assert_eq!(answer.message(), "Workspace not found");
            answer.expect(404);
        }
    }

    /// A name is enough.
    async fn the_least_that_a_workspace_needs(world) {
        let made = create(&world, json!({"name": "x", "description": null})).await;
        assert_eq!((&made["description"], &made["cicdEnforcedDefault"]), (&json!(""), &json!(false)));
        for absent in ["defaultCloudProvider", "defaultClusterId", "defaultRegion"] {
            assert!(made.get(absent).is_none(), "{absent}");
        }
    }

    /// What is wrong is refused by name, and nothing is made.
    async fn bad_requests_name_the_field(world) {
        let path = world.path(&format!("/workspaces/{}", world.workspace));
        let before = world.dump().await;
        for (key, wrong, field) in [
            ("name", json!(""), "name"),
            ("name", json!("x".repeat(51)), "name"),
            ("name", json!("a\u{0}"), "name"),
            ("name", Value::Null, "name"),
            ("description", json!("x".repeat(501)), "description"),
            ("description", json!("\u{0}"), "description"),
            ("cicdEnforcedDefault", json!("true"), "cicdEnforcedDefault"),
            ("defaultCloudProvider", json!("MOON"), "defaultCloudProvider"),
            ("defaultRegion", json!("x".repeat(257)), "defaultRegion"),
            ("defaultClusterId", json!("cnowhere"), "defaultClusterId"),
            ("defaultClusterId", json!("no/id"), "defaultClusterId"),
        ] {
            let mut body = json!({"name": "x", "description": "", "cicdEnforcedDefault": false});
            body[key] = wrong;
            for path in [&world.path("/workspaces"), &path] {
                let answer = world.post(path, body.clone()).await;
                assert_eq!(answer.status, 400, "{body}: {}", answer.json);
                assert_eq!(answer.fields(), [field], "{body}: {}", answer.json);
            }
        }
        for field in ["name", "description", "cicdEnforcedDefault"] {
            let mut body = json!({"name": "x", "description": "", "cicdEnforcedDefault": false});
            body.as_object_mut().expect("an object").remove(field);
            assert_eq!(world.post(&path, body).await.fields(), [field], "an update must have it");
        }
        assert_eq!(world.dump().await, before);
    }

    /// Deleting a Workspace deletes its Deployments and all tokens below it, with the roles on it
    /// of others; the holders are told.
    async fn delete_takes_everything_below_along(world) {
        let doomed = create(&world, json!({"name": "doomed"})).await;
        let id = doomed["id"].as_str().expect("an id");
        let deployment = world.new_deployment(id, true).await;
        let body = |scope: &str, entity: &str, role: &str| json!({
            "name": "x", "scope": scope, "entityId": entity, "role": role,
        });
        let of_workspace = world.api_token(body("WORKSPACE", id, "WORKSPACE_OWNER")).await;
        let of_deployment = world.api_token(body("DEPLOYMENT", &deployment, "DEPLOYMENT_ADMIN")).await;
        let agents = world.path(&format!("/deployments/{deployment}/agent-tokens"));
        let agent = world.post(&agents, json!({"name": "x"})).await.expect(200);
        let (other, other_value) = world.organization_token("ORGANIZATION_MEMBER").await;
        let roles = json!({"roles": [
            {"role": "ORGANIZATION_MEMBER", "entityType": "ORGANIZATION", "entityId": world.organization},
            {"role": "WORKSPACE_OWNER", "entityType": "WORKSPACE", "entityId": id},
            {"role": "DEPLOYMENT_ADMIN", "entityType": "DEPLOYMENT", "entityId": deployment},
        ]});
        world.post(&world.path(&format!("/tokens/{other}/roles")), roles).await.expect(200);
        let spared = world.workspace_token("WORKSPACE_OWNER").await.1;
        let present = async |value: &str| -> Answer {
            world.call(Some(value), "GET", "/v1/organizations", &Value::Null).await
        };
        for value in [&of_workspace.1, &of_deployment.1, &other_value, &spared] {
            present(value).await.expect(200);
        }

        world.clock.advance(5);
        world.delete(&one(&world, &doomed)).await.expect(204);
        for (id, value) in [&of_workspace, &of_deployment] {
            let refused = present(value).await;
            assert_eq!(refused.message(), format!("the API token {id} was deleted at 2026-01-01T00:00:05Z"));
            refused.expect(401);
            world.get(&world.path(&format!("/tokens/{id}"))).await.expect(404);
        }
        let refused = present(agent["token"].as_str().expect("a value")).await;
        assert!(refused.message().ends_with("was deleted at 2026-01-01T00:00:05Z"), "{}", refused.message());
        refused.expect(401);
        world.get(&world.path(&format!("/deployments/{deployment}"))).await.expect(404);
        let page = world.get(&world.path("/deployments")).await.expect(200);
        assert_eq!(page["totalCount"], 1);
        present(&spared).await.expect(200);
        present(&other_value).await.expect(200);
        let shown = world.get(&world.path(&format!("/tokens/{other}"))).await.expect(200);
        assert_eq!(shown["roles"].as_array().map(Vec::len), Some(1), "{shown}");
    }

    /// Filters narrow by id and name, each of which may be given several times, in any order and
    /// page; unknown ones narrow to nothing.
    async fn filters_narrow_the_list(world) {
        let mut ids = Vec::new();
        for name in ["b", "a", "ä"] {
            world.clock.advance(1);
            ids.push(create(&world, json!({"name": name})).await["id"].as_str().expect("an id").to_owned());
        }
        for (query, expected) in [
            (String::new(), &["ä", "a", "b", "First workspace"][..]),
            ("sorts=name:asc".into(), &["First workspace", "a", "b", "ä"]),
            ("sorts=name:desc&limit=2&offset=1".into(), &["b", "a"]),
            ("sorts=createdAt:asc&limit=1000".into(), &["First workspace", "b", "a", "ä"]),
            ("names=a&names=b&names=nobody".into(), &["a", "b"]),
            (format!("workspaceIds={}&workspaceIds={}", ids[0], ids[2]), &["ä", "b"]),
            (format!("workspaceIds={}&names=a", ids[0]), &[]),
            ("workspaceIds=cnowhere".into(), &[]),
            ("names=&workspaceIds=&limit=&offset=".into(), &["ä", "a", "b", "First workspace"]),
        ] {
            let page = world.get(&world.path(&format!("/workspaces?{query}"))).await.expect(200);
            assert_eq!(names(&page), expected, "{query}");
        }
        for (query, field) in [("limit=1001", "limit"), ("sorts=id:asc", "sorts[0]"), ("offset=-1", "offset")] {
            let answer = world.get(&world.path(&format!("/workspaces?{query}"))).await;
            assert_eq!(answer.fields(), [field], "{query}");
            answer.expect(400);
        }
    }

    /// A Workspace that the caller may not see is not there, and not counted.
    async fn a_hidden_workspace_is_not_there(world) {
        let hidden = create(&world, json!({"name": "hidden"})).await;
        let update = json!({"name": "x", "description": "", "cicdEnforcedDefault": false});
        let owner = world.workspace_token("WORKSPACE_OWNER").await.1;
        let admin = world.deployment_token("DEPLOYMENT_ADMIN").await.1;
        let member = world.organization_token("ORGANIZATION_MEMBER").await.1;
        let before = world.dump().await;
        for caller in [&owner, &admin] {
            let page = world.call(Some(caller), "GET", &world.path("/workspaces"), &Value::Null).await.expect(200);
            assert_eq!((names(&page), &page["totalCount"]), (vec!["First workspace"], &json!(1)));
            let nowhere = world.path("/workspaces/cnowhere");
            for path in [one(&world, &hidden), nowhere] {
                for (method, body) in [("GET", &Value::Null), ("DELETE", &Value::Null), ("POST", &update)] {
                    let answer = world.call(Some(caller), method, &path, body).await;
                    assert_eq!(answer.message(), "Workspace not found");
                    answer.expect(404);
                }
            }
        }
        let page = world.call(Some(&member), "GET", &world.path("/workspaces"), &Value::Null).await.expect(200);
        assert_eq!((names(&page), &page["totalCount"]), (vec![], &json!(0)));
        assert_eq!(world.dump().await, before);
    }

    /// Who may see, but not change, is told which permission is lacking.
    async fn seeing_is_not_changing(world) {
        let operator = world.workspace_token("WORKSPACE_OPERATOR").await.1;
        let path = world.path(&format!("/workspaces/{}", world.workspace));
        world.call(Some(&operator), "GET", &path, &Value::Null).await.expect(200);
        let update = json!({"name": "x", "description": "", "cicdEnforcedDefault": false});
        for (method, path, body, message) in [
            ("POST", &path, &update, "workspace.settings.update on this Workspace"),
            ("DELETE", &path, &Value::Null, "workspace.delete on this Workspace"),
            ("POST", &world.path("/workspaces"), &update, "organization.workspaces.create on this Organization"),
        ] {
            let answer = world.call(Some(&operator), method, path, body).await;
            assert_eq!(answer.message(), format!("WORKSPACE_OPERATOR lacks the permission {message}"));
            answer.expect(403);
        }
        let owner = world.workspace_token("WORKSPACE_OWNER").await.1;
        world.call(Some(&owner), "POST", &path, &update).await.expect(200);
        world.call(Some(&owner), "DELETE", &path, &Value::Null).await.expect(204);
        world.call(Some(&owner), "GET", &path, &Value::Null).await.expect(401);
    }
}
