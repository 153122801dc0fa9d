//! `/v1/organizations/{organizationId}/roles`, `/role-templates`, and `/v1/authorization`

use std::sync::Arc;

use airlock_tests::{Answer, World, on_both};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// A new custom role, as it was answered.
async fn create(world: &World, body: Value) -> Value {
    world.post(&world.path("/roles"), body).await.expect(200)
}

/// The path of one role.
fn one(world: &World, role: &Value) -> String {
    world.path(&format!("/roles/{}", role["id"].as_str().expect("an id")))
}

/// What a role of DEPLOYMENT scope is made from.
fn body(name: &str, permissions: &[&str]) -> Value {
    json!({"name": name, "scopeType": "DEPLOYMENT", "permissions": permissions})
}

/// The names on a list, in its order.
fn names(list: &Value) -> Vec<&str> {
    list.as_array().expect("a list").iter().map(|role| role["name"].as_str().expect("a name")).collect()
}

/// Gets the Deployment with a token.
async fn get_deployment(world: &World, token: &str) -> Answer {
    world.call(Some(token), "GET", &world.path(&format!("/deployments/{}", world.deployment)), &Value::Null).await
}

on_both! {
    /// The answer has everything that was asked for, and so have later ones.
    async fn create_get_update_delete(world) {
        let made = create(&world, json!({
            "name": "Agent keeper", "description": "Looks after agents", "scopeType": "DEPLOYMENT",
            "permissions": ["deployment.get", "deployment.agentTokens.create", "deployment.agentTokens.get"],
            "restrictedWorkspaceIds": [world.workspace],
        })).await;
        let owner = &made["createdBy"];
        assert_eq!(owner["apiTokenName"], "First owner");
        assert_eq!(made, json!({
            "id": made["id"], "name": "Agent keeper", "description": "Looks after agents", "scopeType": "DEPLOYMENT",
            "permissions": ["deployment.get", "deployment.agentTokens.get", "deployment.agentTokens.create"],
            "restrictedWorkspaceIds": [world.workspace],
            "createdAt": "2026-01-01T00:00:00Z", "createdBy": owner,
            "updatedAt": "2026-01-01T00:00:00Z", "updatedBy": owner,
        }));
        assert_eq!(world.get(&one(&world, &made)).await.expect(200), made);

        world.clock.advance(1);
        let asked = json!({"name": "Agent viewer", "permissions": ["deployment.agentTokens.get"]});
        let changed = world.post(&one(&world, &made), asked).await.expect(200);
        assert_eq!(changed, json!({
            "id": made["id"], "name": "Agent viewer", "scopeType": "DEPLOYMENT",
            "permissions": ["deployment.agentTokens.get"], "restrictedWorkspaceIds": [],
            "createdAt": "2026-01-01T00:00:00Z", "createdBy": owner,
            "updatedAt": "2026-01-01T00:00:01Z", "updatedBy": owner,
        }));
        assert_eq!(world.get(&one(&world, &made)).await.expect(200), changed);

        world.delete(&one(&world, &made)).await.expect(204);
        for method in ["GET", "DELETE"] {
            let answer = world.call(Some(&world.owner), method, &one(&world, &made), &Value::Null).await;
            assert_eq!(answer.message(), "role not found");
            answer.expect(404);
        }
    }

    /// Wrong names, scopes, permissions and Workspaces are refused by name, and nothing is made.
    async fn bad_requests_name_the_field(world) {
        let stranger = world.second_organization().await;
        create(&world, body("Taken", &["deployment.get"])).await;
        let before = world.dump().await;
        for (key, wrong, field) in [
            ("name", json!(""), "name"),
            ("name", json!("x".repeat(257)), "name"),
            ("name", json!("a\tb"), "name"),
            ("name", json!("Taken"), "name"),
            ("name", json!("WORKSPACE_OWNER"), "name"),
            ("name", Value::Null, "name"),
            ("description", json!("x".repeat(501)), "description"),
            ("scopeType", json!("WORKSPACE"), "scopeType"),
            ("scopeType", json!("ORGANIZATION"), "scopeType"),
            ("scopeType", Value::Null, "scopeType"),
            ("permissions", json!([]), "permissions"),
            ("permissions", Value::Null, "permissions"),
            ("permissions", json!(["deployment.get", "deployment.fly"]), "permissions"),
            ("permissions", json!(["organization.get"]), "permissions"),
            ("permissions", json!(["workspace.get"]), "permissions"),
            ("permissions", json!(["deployment.*"]), "permissions"),
            ("permissions", json!([7]), "permissions[0]"),
            ("restrictedWorkspaceIds", json!([world.workspace, "cnowhere"]), "restrictedWorkspaceIds[1]"),
            ("restrictedWorkspaceIds", json!([stranger.workspace]), "restrictedWorkspaceIds[0]"),
            ("restrictedWorkspaceIds", json!("x"), "restrictedWorkspaceIds"),
        ] {
            let mut asked = body("New", &["deployment.get"]);
            asked[key] = wrong;
            let answer = world.post(&world.path("/roles"), asked.clone()).await;
            assert_eq!(answer.status, 400, "{asked}: {}", answer.json);
            answer.assert_envelope();
            assert_eq!(answer.fields(), [field], "{asked}: {}", answer.json);
        }
        assert_eq!(world.dump().await, before);
        let fly = world.post(&world.path("/roles"), body("New", &["deployment.fly"])).await;
        assert_eq!(
            fly.message(),
            "permissions: \"deployment.fly\" is not a permission for a role of the scope DEPLOYMENT; \
             GET /authorization/permission-groups has them"
        );
    }

    /// A role may be renamed to what it is called, not to what another is called. Another
    /// Organization may use the same name.
    async fn names_are_unique_in_an_organization(world) {
        let first = create(&world, body("First", &["deployment.get"])).await;
        let second = create(&world, body("Second", &["deployment.get"])).await;
        world.post(&one(&world, &second), body("Second", &["deployment.update"])).await.expect(200);
        let answer = world.post(&one(&world, &second), body("First", &["deployment.get"])).await;
        let id = first["id"].as_str().expect("an id");
        assert_eq!(answer.message(), format!("name: the role {id} has this name already"));
        answer.expect(400);
        let answer = world.post(&one(&world, &second), body("DAG_VIEWER", &["deployment.get"])).await;
        assert_eq!(answer.message(), "name: is the name of a built-in role");
        answer.expect(400);

        let stranger = world.second_organization().await;
        let theirs = format!("/v1/organizations/{}/roles", stranger.organization);
        let role = body("First", &["deployment.get"]);
        world.call(Some(&stranger.owner), "POST", &theirs, &role).await.expect(200);
        world.call(Some(&stranger.owner), "GET", &format!("{theirs}/{id}"), &Value::Null).await.expect(404);
    }

    /// Of many who make a role of the same name at the same time one does, and the others are told.
    async fn a_name_is_given_once(world) {
        let world = Arc::new(world);
        let mut calls = JoinSet::new();
        for _ in 0..12 {
            let world = Arc::clone(&world);
            let asked = body("Same", &["deployment.get"]);
            calls.spawn(async move { world.post(&world.path("/roles"), asked).await });
        }
        let answers = calls.join_all().await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
        for refused in answers.iter().filter(|answer| answer.status != 200) {
            assert_eq!((refused.status, refused.fields()), (400, vec!["name"]), "{}", refused.json);
        }
        assert_eq!(world.get(&world.path("/roles")).await.expect(200)["totalCount"], 1);
    }

    /// What the Terraform provider sends for a restriction that is not set.
    async fn no_restriction_may_be_null(world) {
        let mut asked = body("Free", &["deployment.get"]);
        asked["restrictedWorkspaceIds"] = Value::Null;
        asked["description"] = Value::Null;
        let made = create(&world, asked).await;
        assert_eq!(made["restrictedWorkspaceIds"], json!([]));
    }

    /// A custom role permits what it lists and no more, and a change acts on the next request.
    async fn a_standard_token_follows_its_role(world) {
        let role = create(&world, body("Keeper", &["deployment.get", "deployment.agentTokens.get"])).await;
        let value = world.deployment_token("Keeper").await.1;
        let list = world.agent_tokens("");
        get_deployment(&world, &value).await.expect(200);
        world.call(Some(&value), "GET", &list, &Value::Null).await.expect(200);
        let new = json!({"name": "x"});
        world.call(Some(&value), "POST", &list, &new).await.expect(403);

        let more = body("Keeper", &["deployment.get", "deployment.agentTokens.create"]);
        world.post(&one(&world, &role), more).await.expect(200);
        world.call(Some(&value), "GET", &list, &Value::Null).await.expect(403);
        world.call(Some(&value), "POST", &list, &new).await.expect(200);

        // Without `deployment.get` the Deployment is hidden, also where another permission is lacking.
        let blind = body("Keeper", &["deployment.agentTokens.get"]);
        world.post(&one(&world, &role), blind).await.expect(200);
        get_deployment(&world, &value).await.expect(404);
        world.call(Some(&value), "POST", &list, &new).await.expect(404);
        world.call(Some(&value), "GET", &list, &Value::Null).await.expect(200);
    }

    /// Tokens keep a role that is renamed, and show its new name.
    async fn a_renamed_role_stays_with_its_tokens(world) {
        let role = create(&world, body("Old", &["deployment.get"])).await;
        let (id, value) = world.deployment_token("Old").await;
        let direct = world.api_token(json!({
            "name": "direct", "scope": "DEPLOYMENT", "entityId": world.deployment, "role": "Old",
            "kind": "DIRECT_ACCESS",
        })).await.1;
        world.post(&one(&world, &role), body("New", &["deployment.get"])).await.expect(200);
        get_deployment(&world, &value).await.expect(200);
        get_deployment(&world, &direct).await.expect(200);
        let shown = world.get(&world.path(&format!("/tokens/{id}"))).await.expect(200);
        assert_eq!(shown["roles"][0]["role"], "New");
    }

    /// A restriction acts when a role is given to a token.
    async fn a_restricted_role_is_given_in_its_workspaces_only(world) {
        let elsewhere = world.new_workspace("elsewhere").await;
        let far = world.new_deployment(&elsewhere, false).await;
        let mut asked = body("Local", &["deployment.get"]);
        asked["restrictedWorkspaceIds"] = json!([world.workspace]);
        create(&world, asked).await;
        let token = |deployment: &str| json!({
            "name": "x", "scope": "DEPLOYMENT", "entityId": deployment, "role": "Local",
        });
        let answer = world.post(&world.path("/tokens"), token(&far)).await;
        assert_eq!(answer.message(), "role: there is no role Local that can be used there");
        assert_eq!(answer.fields(), ["role"]);
        answer.expect(400);
        let (id, _) = world.api_token(token(world.deployment.as_str())).await;
        let roles = json!({"roles": [
            {"role": "Local", "entityType": "DEPLOYMENT", "entityId": world.deployment},
            {"role": "Local", "entityType": "DEPLOYMENT", "entityId": far},
        ]});
        let answer = world.post(&world.path(&format!("/tokens/{id}/roles")), roles).await;
        assert_eq!(answer.fields(), ["roles[1].role"]);
        answer.expect(400);
    }

    /// A restriction that comes later takes the power away at the next request, and gives it back
    /// when it goes.
    async fn a_later_restriction_acts_at_once(world) {
        let elsewhere = world.new_workspace("elsewhere").await;
        let role = create(&world, body("Roamer", &["deployment.get"])).await;
        let value = world.deployment_token("Roamer").await.1;
        get_deployment(&world, &value).await.expect(200);
        let mut restricted = body("Roamer", &["deployment.get"]);
        restricted["restrictedWorkspaceIds"] = json!([elsewhere]);
        world.post(&one(&world, &role), restricted.clone()).await.expect(200);
        get_deployment(&world, &value).await.expect(404);
        let listed = world.call(Some(&value), "GET", &world.path("/deployments"), &Value::Null).await;
        assert_eq!(listed.status, 403, "a token without any role sees no list");
        restricted["restrictedWorkspaceIds"] = json!([elsewhere, world.workspace]);
        world.post(&one(&world, &role), restricted).await.expect(200);
        get_deployment(&world, &value).await.expect(200);
    }

    /// A Workspace that was deleted since may be sent back, as clients do that read before they write.
    async fn a_restriction_to_what_is_gone_can_be_written_back(world) {
        let gone = world.new_workspace("gone").await;
        let mut asked = body("Local", &["deployment.get"]);
        asked["restrictedWorkspaceIds"] = json!([gone, world.workspace]);
        let role = create(&world, asked.clone()).await;
        world.delete(&world.path(&format!("/workspaces/{gone}"))).await.expect(204);
        asked["description"] = json!("Of here");
        let changed = world.post(&one(&world, &role), asked.clone()).await.expect(200);
        assert_eq!(changed["restrictedWorkspaceIds"], json!([gone, world.workspace]));
        asked["restrictedWorkspaceIds"] = json!([gone, "cnowhere"]);
        let answer = world.post(&one(&world, &role), asked).await;
        assert_eq!((answer.status, answer.fields()), (400, vec!["restrictedWorkspaceIds[1]"]), "{}", answer.json);
    }

    /// A role is not deleted while tokens have it, and the refusal names them. Tokens that were
    /// deleted do not count.
    async fn a_role_in_use_is_not_deleted(world) {
        let role = create(&world, body("Keeper", &["deployment.get"])).await;
        let token = |name: &str| json!({
            "name": name, "scope": "DEPLOYMENT", "entityId": world.deployment, "role": "Keeper",
        });
        let first = world.api_token(token("night shift")).await.0;
        let second = world.api_token(token("day shift")).await.0;
        let before = world.dump().await;
        let answer = world.delete(&one(&world, &role)).await;
        for part in ["the role Keeper is in use", "night shift", "day shift"] {
            assert!(answer.message().contains(part), "{}", answer.message());
        }
        answer.expect(400);
        assert_eq!(world.dump().await, before);
        for id in [first, second] {
            world.delete(&world.path(&format!("/tokens/{id}"))).await.expect(204);
        }
        world.delete(&one(&world, &role)).await.expect(204);
    }

    /// When many tokens stand in the way, the refusal does not pretend that those it names are all.
    async fn a_refusal_says_when_there_are_more(world) {
        let role = create(&world, body("Keeper", &["deployment.get"])).await;
        for n in 10..22 {
            world.api_token(json!({
                "name": format!("holder-{n}"), "scope": "DEPLOYMENT", "entityId": world.deployment, "role": "Keeper",
            })).await;
        }
        let answer = world.delete(&one(&world, &role)).await;
        let named = answer.message().matches("holder-").count();
        assert!(named == 12 || answer.message().contains(&format!("{} more", 12 - named)), "{}", answer.message());
        answer.expect(400);
    }

    /// The permissions of a role that a DIRECT_ACCESS token has cannot be changed, and the refusal
    /// names the token; the rest of the role can.
    async fn direct_access_holds_the_permissions(world) {
        let role = create(&world, body("Keeper", &["deployment.get"])).await;
        let (id, _) = world.api_token(json!({
            "name": "night shift", "scope": "DEPLOYMENT", "entityId": world.deployment, "role": "Keeper",
            "kind": "DIRECT_ACCESS",
        })).await;
        world.deployment_token("Keeper").await;
        let more = body("Keeper", &["deployment.get", "deployment.delete"]);
        let answer = world.post(&one(&world, &role), more.clone()).await;
        assert_eq!(
            answer.message(),
            "the role Keeper is in use by these DIRECT_ACCESS tokens: night shift. \
             Give them another role, or delete them, first"
        );
        answer.expect(400);
        let mut described = body("Keeper", &["deployment.get"]);
        described["description"] = json!("Keeps");
        world.post(&one(&world, &role), described).await.expect(200);
        world.delete(&world.path(&format!("/tokens/{id}"))).await.expect(204);
        world.post(&one(&world, &role), more).await.expect(200);
    }

    /// A role of DAG scope holds permissions of Dags only, and is used on Dags only. It answers
    /// with the scope that its Dags live in, for the API's list of scopes has no DAG there.
    async fn a_role_for_dags(world) {
        let wrong = json!({"name": "Dags", "scopeType": "DAG", "permissions": ["deployment.get"]});
        let answer = world.post(&world.path("/roles"), wrong).await;
        assert_eq!(answer.fields(), ["permissions"]);
        answer.expect(400);
        let asked = json!({"name": "Dags", "scopeType": "DAG", "permissions": ["deployment.airflow.dag.get"]});
        let made = create(&world, asked).await;
        assert_eq!(made["scopeType"], "DEPLOYMENT");
        create(&world, body("Deployments", &["deployment.airflow.dag.get"])).await;

        let (id, value) = world.deployment_token("DEPLOYMENT_ADMIN").await;
        let path = world.path(&format!("/tokens/{id}/roles"));
        let roles = |role: &str, kind: &str| json!({"roles": [
            {"role": "DEPLOYMENT_ADMIN", "entityType": "DEPLOYMENT", "entityId": world.deployment},
            {"role": role, "entityType": kind, "entityId": "etl", "deploymentId": world.deployment},
        ]});
        for kind in ["DAG", "DAG_TAG"] {
            world.post(&path, roles("Dags", kind)).await.expect(200);
            world.post(&path, roles("DAG_VIEWER", kind)).await.expect(200);
            for role in ["Deployments", "DEPLOYMENT_ADMIN", "WORKSPACE_OWNER"] {
                let answer = world.post(&path, roles(role, kind)).await;
                assert_eq!(answer.fields(), ["roles[1].role"], "{role} on {kind}");
                answer.expect(400);
            }
        }
        let body = json!({"name": "x", "scope": "DEPLOYMENT", "entityId": world.deployment, "role": "Dags"});
        let answer = world.post(&world.path("/tokens"), body).await;
        assert_eq!(answer.fields(), ["role"]);
        answer.expect(400);
        get_deployment(&world, &value).await.expect(200);
    }

    /// Whoever has a role on a Deployment sees its Workspace without asking, and nothing else.
    async fn a_role_on_a_deployment_shows_its_workspace(world) {
        create(&world, body("Keeper", &["deployment.get"])).await;
        let elsewhere = world.new_workspace("elsewhere").await;
        let value = world.deployment_token("Keeper").await.1;
        let get = async |path: String| world.call(Some(&value), "GET", &path, &Value::Null).await;
        get(world.path("")).await.expect(200);
        get(world.path(&format!("/workspaces/{}", world.workspace))).await.expect(200);
        get(world.path(&format!("/workspaces/{elsewhere}"))).await.expect(404);
        let page = get(world.path("/workspaces")).await.expect(200);
        assert_eq!((names(&page["workspaces"]), &page["totalCount"]), (vec!["First workspace"], &json!(1)));
        get(world.path("/tokens")).await.expect(403);
    }

    /// Custom roles in any order and page; the built-in ones when asked for, each with what it is
    /// for and what it permits.
    async fn roles_are_listed(world) {
        for (name, scope, permission) in [
            ("b", "DEPLOYMENT", "deployment.get"), ("a", "DAG", "deployment.airflow.dag.get"),
            ("c", "DEPLOYMENT", "deployment.get"),
        ] {
            world.clock.advance(1);
            create(&world, json!({"name": name, "scopeType": scope, "permissions": [permission]})).await;
        }
        let list = async |query: &str| world.get(&world.path(&format!("/roles?{query}"))).await.expect(200);
        for (query, expected) in [
            ("", &["c", "a", "b"][..]),
            ("sorts=name:asc", &["a", "b", "c"]),
            ("sorts=name:desc&limit=2", &["c", "b"]),
            ("sorts=name:asc&offset=1&limit=1", &["b"]),
            ("sorts=scopeType:asc&sorts=name:desc", &["a", "c", "b"]),
            ("sorts=createdAt:asc", &["b", "a", "c"]),
            ("sorts=updatedAt:desc", &["c", "a", "b"]),
            ("scopeTypes=DAG", &["a"]),
            ("scopeTypes=DAG&scopeTypes=DEPLOYMENT&sorts=name:asc", &["a", "b", "c"]),
            ("scopeTypes=WORKSPACE", &[]),
            ("scopeTypes=&limit=5000", &["c", "a", "b"]),
            ("limit=0", &[]),
        ] {
            let page = list(query).await;
            assert_eq!(names(&page["roles"]), expected, "{query}");
            assert!(page.get("defaultRoles").is_none(), "{query}");
            let total = match query {
                "scopeTypes=DAG" => 1,
                "scopeTypes=WORKSPACE" => 0,
                _ => 3,
            };
            assert_eq!(page["totalCount"], total, "{query}");
            assert!(page["roles"].as_array().is_some_and(|all| all.iter().all(|role| role.get("permissions").is_none())));
        }
        let page = list("includeDefaultRoles=true&limit=1").await;
        assert_eq!((page["roles"].as_array().map(Vec::len), &page["totalCount"]), (Some(1), &json!(3)));
        let built_in = page["defaultRoles"].as_array().expect("built-in roles");
        assert_eq!(names(&page["defaultRoles"]), [
            "ORGANIZATION_MEMBER", "ORGANIZATION_OBSERVE_MEMBER", "ORGANIZATION_OBSERVE_ADMIN",
            "ORGANIZATION_BILLING_ADMIN", "ORGANIZATION_OWNER", "WORKSPACE_ACCESSOR", "WORKSPACE_MEMBER",
            "WORKSPACE_AUTHOR", "WORKSPACE_OPERATOR", "WORKSPACE_OWNER", "DEPLOYMENT_ADMIN", "DAG_VIEWER", "DAG_AUTHOR",
        ]);
        for role in built_in {
            assert!(role["description"].as_str().is_some_and(|text| !text.is_empty()), "the CLI needs one: {role}");
            assert!(role["permissions"].as_array().is_some_and(|all| !all.is_empty()), "{role}");
        }
        let dags = list("includeDefaultRoles=true&scopeTypes=DAG").await;
        assert_eq!(names(&dags["defaultRoles"]), ["DAG_VIEWER", "DAG_AUTHOR"]);
        let answer = world.get(&world.path("/roles?scopeTypes=SYSTEM")).await;
        assert_eq!(answer.fields(), ["scopeTypes[0]"]);
        answer.expect(400);
    }

    /// Templates are starting points: their permissions make a custom role, their names do not
    /// name one.
    async fn templates_can_be_made_into_roles(world) {
        let templates = world.get(&world.path("/role-templates")).await.expect(200);
        assert_eq!(names(&templates), ["Deployment Viewer", "Deployment Author", "Deployment Operator"]);
        for template in templates.as_array().expect("templates") {
            assert_eq!(template["scopeType"], "DEPLOYMENT");
            let role = json!({
                "name": template["name"], "scopeType": template["scopeType"], "permissions": template["permissions"],
            });
            let made = create(&world, role).await;
            assert_eq!(made["permissions"], template["permissions"]);
        }
        let page = world.get(&world.path("/role-templates?scopeTypes=DAG")).await.expect(200);
        assert_eq!(page, json!([]));
        let page = world.get(&world.path("/role-templates?scopeTypes=DEPLOYMENT")).await.expect(200);
        assert_eq!(page, templates);
    }

    /// Every permission of the list can be put into a custom role of its scope, and none of the
    /// upper levels can.
    async fn permission_groups_are_what_roles_can_hold(world) {
        let groups = async |query: &str| world.get(&format!("/v1/authorization/permission-groups{query}")).await.expect(200);
        let of = |groups: &Value| -> Vec<String> {
            let groups = groups.as_array().expect("an array, not a page");
            let of = |group: &Value| -> Vec<String> {
                let name = group["name"].as_str().expect("a name").to_owned();
                let actions = group["permissions"].as_array().expect("permissions").iter();
                actions.map(|entry| format!("{name}.{}", entry["action"].as_str().expect("an action"))).collect()
            };
            groups.iter().flat_map(of).collect()
        };
        for scope in ["DEPLOYMENT", "DAG"] {
            let permissions = of(&groups(&format!("?scopeType={scope}")).await);
            let made = create(&world, json!({"name": scope, "scopeType": scope, "permissions": permissions})).await;
            assert_eq!(made["permissions"], json!(permissions));
        }
        for scope in ["ORGANIZATION", "WORKSPACE"] {
            for permission in of(&groups(&format!("?scopeType={scope}")).await) {
                let answer = world.post(&world.path("/roles"), body("x", &[&permission])).await;
                assert_eq!(answer.status, 400, "{permission}");
            }
        }
        let all = groups("").await;
        assert_eq!(of(&all).len(), of(&groups("?scopeType=").await).len());
        let tokens = all.as_array().and_then(|all| all.iter().find(|group| group["name"] == "deployment.agentTokens"));
        let tokens = tokens.expect("the group of agent tokens");
        assert_eq!(tokens["scope"], "Deployment AgentTokens");
        let actions: Vec<&Value> =
            tokens["permissions"].as_array().expect("permissions").iter().map(|entry| &entry["action"]).collect();
        assert_eq!(actions, ["get", "create", "update", "delete"]);
        world.get("/v1/authorization/permission-groups?scopeType=SYSTEM").await.expect(400);
    }

    /// Roles are for the Organization's Owner to make; those who can see them may not change them.
    async fn only_the_owner_makes_roles(world) {
        let role = create(&world, body("Keeper", &["deployment.get"])).await;
        let value = world.workspace_token("WORKSPACE_OWNER").await.1;
        let call = async |method: &str, path: String, body: &Value| world.call(Some(&value), method, &path, body).await;
        call("GET", one(&world, &role), &Value::Null).await.expect(200);
        let asked = body("Other", &["deployment.get"]);
        for (method, path, verb) in [
            ("POST", world.path("/roles"), "create"),
            ("POST", one(&world, &role), "update"),
            ("DELETE", one(&world, &role), "delete"),
        ] {
            let answer = call(method, path, &asked).await;
            assert_eq!(
                answer.message(),
                format!("WORKSPACE_OWNER lacks the permission organization.customRoles.{verb} on this Organization")
            );
            answer.expect(403);
        }
    }
}
