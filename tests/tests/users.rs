//! `/v1/organizations/{organizationId}/users`, and `/v1/users/self`

use airlock_tests::{Answer, World, on_both};
use serde_json::{Value, json};

/// Somebody new who is invited: the id.
async fn invited(world: &World, name: &str) -> String {
    let invite = world.invite(&format!("{name}@example.org"), "ORGANIZATION_MEMBER").await;
    invite["userId"].as_str().expect("an id").into()
}

/// The path of one user, and the rest.
fn one(world: &World, id: &str, rest: &str) -> String {
    world.path(&format!("/users/{id}{rest}"))
}

/// Sets roles with a token.
async fn set_roles(world: &World, token: &str, id: &str, roles: &Value) -> Answer {
    world.call(Some(token), "POST", &one(world, id, "/roles"), roles).await
}

/// The names before the `@` of whom a token sees, in the order of the list.
async fn seen(world: &World, token: &str, query: &str) -> Vec<String> {
    let path = world.path(&format!("/users?sorts=username:asc{query}"));
    let page = world.call(Some(token), "GET", &path, &Value::Null).await.expect(200);
    let users = page["users"].as_array().expect("users");
    assert_eq!(page["totalCount"], users.len());
    let name = |user: &Value| user["username"].as_str().expect("an address").replace("@example.org", "");
    users.iter().map(name).collect()
}

/// A role on a Workspace.
fn on_workspace(id: impl std::fmt::Display, role: &str) -> Value {
    json!({"workspaceRoles": [{"workspaceId": id.to_string(), "role": role}]})
}

on_both! {
    /// The roles that are given replace all that were there; the answer and the user have them. A role
    /// on the Organization that is not given stays.
    async fn roles_are_replaced(world) {
        let id = invited(&world, "ada").await;
        world.clock.advance(1);
        let all = json!({
            "organizationRole": "ORGANIZATION_BILLING_ADMIN",
            "workspaceRoles": [{"workspaceId": world.workspace, "role": "WORKSPACE_OPERATOR"}],
            "deploymentRoles": [{"deploymentId": world.deployment, "role": "DEPLOYMENT_ADMIN"}],
            "dagRoles": [
                {"deploymentId": world.deployment, "dagId": "etl", "role": "DAG_AUTHOR"},
                {"deploymentId": world.deployment, "dagTag": "red", "role": "DAG_VIEWER"},
            ],
        });
        assert_eq!(set_roles(&world, &world.owner, &id, &all).await.expect(200), all);
        let user = world.get(&one(&world, &id, "")).await.expect(200);
        for key in ["organizationRole", "workspaceRoles", "deploymentRoles", "dagRoles"] {
            assert_eq!(user[key], all[key], "{key}");
        }
        assert_eq!((&user["createdAt"], &user["updatedAt"]), (&json!("2026-01-01T00:00:00Z"), &json!("2026-01-01T00:00:01Z")));

        let none = json!({
            "organizationRole": "ORGANIZATION_BILLING_ADMIN", "workspaceRoles": [], "deploymentRoles": [], "dagRoles": [],
        });
        let nulls = json!({"workspaceRoles": null, "deploymentRoles": null, "dagRoles": null});
        for less in [json!({}), nulls] {
            set_roles(&world, &world.owner, &id, &all).await.expect(200);
            assert_eq!(set_roles(&world, &world.owner, &id, &less).await.expect(200), none, "{less}");
        }
    }

    /// Wrong roles are refused by name, and nothing changes.
    async fn bad_roles_name_the_field(world) {
        let id = invited(&world, "ada").await;
        let stranger = world.second_organization().await;
        let deployment = world.deployment.to_string();
        let before = world.dump().await;
        for (body, field) in [
            (json!({"organizationRole": "WORKSPACE_OWNER"}), "organizationRole"),
            (json!({"organizationRole": "EMPEROR"}), "organizationRole"),
            (json!({"organizationRole": ""}), "organizationRole"),
            (on_workspace(&world.workspace, "DEPLOYMENT_ADMIN"), "workspaceRoles[0].role"),
            (on_workspace("cnowhere", "WORKSPACE_OWNER"), "workspaceRoles[0].workspaceId"),
            (on_workspace(&stranger.workspace, "WORKSPACE_OWNER"), "workspaceRoles[0].workspaceId"),
            (json!({"deploymentRoles": [{"deploymentId": deployment, "role": "No such"}]}), "deploymentRoles[0].role"),
            (
                json!({"deploymentRoles": [{"deploymentId": stranger.deployment, "role": "DEPLOYMENT_ADMIN"}]}),
                "deploymentRoles[0].deploymentId",
            ),
            (json!({"dagRoles": [{"deploymentId": deployment, "role": "DAG_VIEWER"}]}), "dagRoles[0].dagId"),
            (
                json!({"dagRoles": [{"deploymentId": deployment, "dagId": "a", "dagTag": "b", "role": "DAG_VIEWER"}]}),
                "dagRoles[0].dagId",
            ),
            (
                json!({"dagRoles": [{"deploymentId": deployment, "dagId": "a", "role": "DEPLOYMENT_ADMIN"}]}),
                "dagRoles[0].role",
            ),
            (
                json!({"workspaceRoles": [
                    {"workspaceId": world.workspace, "role": "WORKSPACE_OWNER"},
                    {"workspaceId": world.workspace, "role": "WORKSPACE_OWNER"},
                ]}),
                "workspaceRoles[1].role",
            ),
        ] {
            let answer = set_roles(&world, &world.owner, &id, &body).await;
            assert_eq!((answer.status, answer.fields()), (400, vec![field]), "{body}: {}", answer.json);
            answer.assert_envelope();
        }
        assert_eq!(world.dump().await, before);
        set_roles(&world, &world.owner, "cnobody", &json!({})).await.expect(404);
    }

    /// A list can be narrowed by what the users have a role on, and comes in pages.
    async fn lists_are_narrowed_and_paged(world) {
        let elsewhere = world.new_workspace("elsewhere").await;
        let [ada, bob, cyd] = [invited(&world, "ada").await, invited(&world, "bob").await, invited(&world, "cyd").await];
        set_roles(&world, &world.owner, &ada, &on_workspace(&world.workspace, "WORKSPACE_OWNER")).await.expect(200);
        set_roles(&world, &world.owner, &bob, &on_workspace(&elsewhere, "WORKSPACE_OWNER")).await.expect(200);
        let dags = json!({"dagRoles": [
            {"deploymentId": world.deployment, "dagId": "etl", "role": "DAG_AUTHOR"},
            {"deploymentId": world.deployment, "dagTag": "red", "role": "DAG_VIEWER"},
        ]});
        set_roles(&world, &world.owner, &cyd, &dags).await.expect(200);
        for (query, expected) in [
            (String::new(), vec!["ada", "bob", "cyd"]),
            (format!("&workspaceId={}", world.workspace), vec!["ada"]),
            (format!("&workspaceId={elsewhere}"), vec!["bob"]),
            (format!("&deploymentId={}", world.deployment), vec!["cyd"]),
            ("&dagId=etl".into(), vec!["cyd"]),
            ("&dagId=other".into(), vec![]),
            ("&dagTags=blue&dagTags=red".into(), vec!["cyd"]),
            ("&workspaceId=".into(), vec!["ada", "bob", "cyd"]),
            ("&workspaceId=cnowhere".into(), vec![]),
        ] {
            assert_eq!(seen(&world, &world.owner, &query).await, expected, "{query}");
        }
        let page = world.get(&world.path("/users?sorts=username:desc&limit=1&offset=1")).await.expect(200);
        assert_eq!((&page["users"][0]["id"], &page["totalCount"]), (&json!(bob), &json!(3)));
        for sort in ["id", "username", "fullName", "createdAt", "updatedAt"] {
            world.get(&world.path(&format!("/users?sorts={sort}:asc&sorts={sort}:desc"))).await.expect(200);
        }
        assert_eq!(world.get(&world.path("/users?sorts=status:asc")).await.fields(), ["sorts[0]"]);
    }

    /// Whoever has no role on the Organization sees whom it shares a Workspace or a Deployment with;
    /// the others are not there.
    async fn a_caller_sees_as_far_as_its_role_reaches(world) {
        let elsewhere = world.new_workspace("elsewhere").await;
        let [ada, bob, cyd] = [invited(&world, "ada").await, invited(&world, "bob").await, invited(&world, "cyd").await];
        set_roles(&world, &world.owner, &ada, &on_workspace(&world.workspace, "WORKSPACE_OWNER")).await.expect(200);
        set_roles(&world, &world.owner, &bob, &on_workspace(&elsewhere, "WORKSPACE_OWNER")).await.expect(200);
        let on_deployment = json!({"deploymentRoles": [{"deploymentId": world.deployment, "role": "DEPLOYMENT_ADMIN"}]});
        set_roles(&world, &world.owner, &cyd, &on_deployment).await.expect(200);

        let member = world.organization_token("ORGANIZATION_MEMBER").await.1;
        assert_eq!(seen(&world, &member, "").await, ["ada", "bob", "cyd"]);
        let in_workspace = world.workspace_token("WORKSPACE_MEMBER").await.1;
        assert_eq!(seen(&world, &in_workspace, "").await, ["ada", "cyd"]);
        let on_deployment = world.deployment_token("DEPLOYMENT_ADMIN").await.1;
        assert_eq!(seen(&world, &on_deployment, "").await, ["cyd"]);
        for (token, id, status) in [
            (&member, &bob, 200), (&in_workspace, &ada, 200), (&in_workspace, &cyd, 200), (&in_workspace, &bob, 404),
            (&on_deployment, &cyd, 200), (&on_deployment, &ada, 404),
        ] {
            world.call(Some(token), "GET", &one(&world, id, ""), &Value::Null).await.expect(status);
        }
    }

    /// A Workspace's Owner says who has which role in it, and nothing more. What it does not see stays as
    /// it is.
    async fn a_workspace_owner_gives_roles_in_its_workspace(world) {
        let elsewhere = world.new_workspace("elsewhere").await;
        let far = world.new_deployment(&elsewhere, false).await;
        let id = invited(&world, "ada").await;
        let mixed = json!({
            "workspaceRoles": [
                {"workspaceId": world.workspace, "role": "WORKSPACE_MEMBER"},
                {"workspaceId": elsewhere, "role": "WORKSPACE_MEMBER"},
            ],
            "deploymentRoles": [{"deploymentId": far, "role": "DEPLOYMENT_ADMIN"}],
            "dagRoles": [{"deploymentId": far, "dagTag": "red", "role": "DAG_VIEWER"}],
        });
        set_roles(&world, &world.owner, &id, &mixed).await.expect(200);
        let owner = world.workspace_token("WORKSPACE_OWNER").await.1;
        let with = |other: &str| json!({"workspaceRoles": [
            {"workspaceId": world.workspace, "role": "WORKSPACE_OWNER"}, {"workspaceId": elsewhere, "role": other},
        ]});
        for (roles, status) in [
            (with("WORKSPACE_OWNER"), 400), // it sees no such Workspace
            (with("WORKSPACE_MEMBER"), 400), // neither that the user has a role there
            (json!({"deploymentRoles": mixed["deploymentRoles"]}), 400),
            (json!({"dagRoles": mixed["dagRoles"]}), 400),
            (json!({"organizationRole": "ORGANIZATION_OWNER"}), 403),
            (json!({"organizationRole": "ORGANIZATION_BILLING_ADMIN"}), 403),
        ] {
            let before = world.dump().await;
            set_roles(&world, &owner, &id, &roles).await.expect(status);
            assert_eq!(world.dump().await, before, "{roles}");
        }

        let others = json!([{"workspaceId": elsewhere, "role": "WORKSPACE_MEMBER"}]);
        for (roles, own) in [
            (on_workspace(&world.workspace, "WORKSPACE_OWNER"), vec!["WORKSPACE_OWNER"]),
            (on_workspace(&world.workspace, "WORKSPACE_OWNER"), vec!["WORKSPACE_OWNER"]),
            (json!({}), vec![]),
        ] {
            let own: Vec<Value> =
                own.into_iter().map(|role| json!({"workspaceId": world.workspace, "role": role})).collect();
            let answered = set_roles(&world, &owner, &id, &roles).await.expect(200);
            assert_eq!(answered, json!({
                "organizationRole": "ORGANIZATION_MEMBER", "workspaceRoles": own, "deploymentRoles": [], "dagRoles": [],
            }));
            let user = world.get(&one(&world, &id, "")).await.expect(200);
            let all: Vec<&Value> = others.as_array().into_iter().flatten().chain(&own).collect();
            assert_eq!(user["workspaceRoles"], json!(all));
            assert_eq!(user["organizationRole"], "ORGANIZATION_MEMBER");
            assert_eq!((&user["deploymentRoles"], &user["dagRoles"]), (&mixed["deploymentRoles"], &mixed["dagRoles"]));
        }
        set_roles(&world, &world.owner, &id, &mixed).await.expect(200);
        let author = world.workspace_token("WORKSPACE_AUTHOR").await.1;
        set_roles(&world, &author, &id, &json!({})).await.expect(403);
    }

    /// A role on what the caller does not see is neither shown nor found.
    async fn roles_on_hidden_things_are_not_told(world) {
        let elsewhere = world.new_workspace("elsewhere").await;
        let far = world.new_deployment(&elsewhere, false).await;
        let id = invited(&world, "ada").await;
        let roles = |workspace: &str, deployment: &str| json!({
            "workspaceRoles": [{"workspaceId": workspace, "role": "WORKSPACE_MEMBER"}],
            "deploymentRoles": [{"deploymentId": deployment, "role": "DEPLOYMENT_ADMIN"}],
            "dagRoles": [
                {"deploymentId": deployment, "dagId": format!("of {deployment}"), "role": "DAG_AUTHOR"},
                {"deploymentId": deployment, "dagTag": format!("tag of {deployment}"), "role": "DAG_AUTHOR"},
            ],
        });
        let (here, there) = (roles(world.workspace.as_str(), world.deployment.as_str()), roles(&elsewhere, &far));
        let none = json!({"workspaceRoles": [], "deploymentRoles": [], "dagRoles": []});
        let mut all = here.clone();
        for (key, list) in all.as_object_mut().expect("an object") {
            list.as_array_mut().expect("a list").extend(there[key].as_array().expect("a list").iter().cloned());
        }
        set_roles(&world, &world.owner, &id, &all).await.expect(200);

        let member = world.organization_token("ORGANIZATION_MEMBER").await.1;
        let workspace = world.workspace_token("WORKSPACE_MEMBER").await.1;
        let admin = world.deployment_token("DEPLOYMENT_ADMIN").await.1;
        // Whoever has a role on a Deployment sees the Workspace above it.
        for (token, shown) in [(&world.owner, &all), (&member, &none), (&workspace, &here), (&admin, &here)] {
            let get = async |path: String| world.call(Some(token), "GET", &path, &Value::Null).await.expect(200);
            let user = get(one(&world, &id, "")).await;
            let page = get(world.path("/users")).await;
            for key in ["workspaceRoles", "deploymentRoles", "dagRoles"] {
                assert_eq!(user[key], shown[key], "{key}");
                assert_eq!(page["users"][0][key], shown[key], "{key}");
            }
        }
        let filters = |workspace: &str, deployment: &str| [
            format!("&workspaceId={workspace}"),
            format!("&deploymentId={deployment}"),
            format!("&dagId=of%20{deployment}"),
            format!("&dagTags=tag%20of%20{deployment}"),
        ];
        for query in filters(world.workspace.as_str(), world.deployment.as_str()) {
            for (token, found) in [(&world.owner, 1), (&member, 0), (&workspace, 1), (&admin, 1)] {
                assert_eq!(seen(&world, token, &query).await.len(), found, "{query}");
            }
        }
        for query in filters(&elsewhere, &far) {
            for (token, found) in [(&world.owner, 1), (&member, 0), (&workspace, 0), (&admin, 0)] {
                assert_eq!(seen(&world, token, &query).await.len(), found, "{query}");
            }
        }
    }

    /// A Deployment's Admin takes roles on it away, and cannot give any.
    async fn a_deployment_admin_takes_roles_on_it(world) {
        let id = invited(&world, "ada").await;
        let role = json!({"deploymentRoles": [{"deploymentId": world.deployment, "role": "DEPLOYMENT_ADMIN"}]});
        set_roles(&world, &world.owner, &id, &role).await.expect(200);
        let admin = world.deployment_token("DEPLOYMENT_ADMIN").await.1;
        let more = json!({
            "deploymentRoles": role["deploymentRoles"],
            "dagRoles": [{"deploymentId": world.deployment, "dagId": "etl", "role": "DAG_AUTHOR"}],
        });
        set_roles(&world, &admin, &id, &more).await.expect(403);
        set_roles(&world, &admin, &id, &json!({})).await.expect(200);
        world.call(Some(&admin), "GET", &one(&world, &id, ""), &Value::Null).await.expect(404);
    }

    /// A custom role stands for users as for tokens: who has it is named when it shall go, and follows
    /// when it is renamed.
    async fn custom_roles_have_their_users(world) {
        let body = json!({"name": "Keeper", "scopeType": "DEPLOYMENT", "permissions": ["deployment.get"]});
        let role = world.post(&world.path("/roles"), body).await.expect(200);
        let role = world.path(&format!("/roles/{}", role["id"].as_str().expect("an id")));
        let id = invited(&world, "ada").await;
        let has = json!({"deploymentRoles": [{"deploymentId": world.deployment, "role": "Keeper"}]});
        set_roles(&world, &world.owner, &id, &has).await.expect(200);
        let refused = world.delete(&role).await;
        assert_eq!(
            refused.message(),
            "the role Keeper is in use by these API tokens, users or teams: ada@example.org. Give them another role, \
             or delete them, first"
        );
        refused.expect(400);
        world.post(&role, json!({"name": "Warden", "permissions": ["deployment.get"]})).await.expect(200);
        let user = world.get(&one(&world, &id, "")).await.expect(200);
        assert_eq!(user["deploymentRoles"][0]["role"], "Warden");
        set_roles(&world, &world.owner, &id, &json!({})).await.expect(200);
        world.delete(&role).await.expect(204);
    }

    /// A custom role that may not be used there any more stands in no other change's way: it may be left,
    /// and it may be taken.
    async fn a_role_that_is_of_no_use_any_more_is_kept_or_taken(world) {
        let elsewhere = world.new_workspace("elsewhere").await;
        let mut role = json!({"name": "Keeper", "scopeType": "DEPLOYMENT", "permissions": ["deployment.get"]});
        let made = world.post(&world.path("/roles"), role.clone()).await.expect(200);
        let id = invited(&world, "ada").await;
        let mut roles = json!({"deploymentRoles": [{"deploymentId": world.deployment, "role": "Keeper"}]});
        set_roles(&world, &world.owner, &id, &roles).await.expect(200);
        role["restrictedWorkspaceIds"] = json!([elsewhere]);
        let path = world.path(&format!("/roles/{}", made["id"].as_str().expect("an id")));
        world.post(&path, role).await.expect(200);

        roles["workspaceRoles"] = json!([{"workspaceId": world.workspace, "role": "WORKSPACE_MEMBER"}]);
        let owner = world.workspace_token("WORKSPACE_OWNER").await.1;
        let answered = set_roles(&world, &owner, &id, &roles).await.expect(200);
        assert_eq!(answered["deploymentRoles"], roles["deploymentRoles"]);
        set_roles(&world, &owner, &id, &json!({})).await.expect(200);
        let again = set_roles(&world, &world.owner, &id, &roles).await;
        assert_eq!((again.status, again.fields()), (400, vec!["deploymentRoles[0].role"]), "{}", again.json);
    }

    /// Roles end with what they are on.
    async fn roles_go_with_their_things(world) {
        let id = invited(&world, "ada").await;
        let roles = json!({
            "workspaceRoles": [{"workspaceId": world.workspace, "role": "WORKSPACE_OWNER"}],
            "deploymentRoles": [{"deploymentId": world.deployment, "role": "DEPLOYMENT_ADMIN"}],
            "dagRoles": [{"deploymentId": world.deployment, "dagId": "etl", "role": "DAG_AUTHOR"}],
        });
        set_roles(&world, &world.owner, &id, &roles).await.expect(200);
        world.delete(&world.path(&format!("/deployments/{}", world.deployment))).await.expect(204);
        let user = world.get(&one(&world, &id, "")).await.expect(200);
        assert_eq!((&user["deploymentRoles"], &user["dagRoles"]), (&json!([]), &json!([])));
        assert_eq!(user["workspaceRoles"], roles["workspaceRoles"]);
        world.delete(&world.path(&format!("/workspaces/{}", world.workspace))).await.expect(204);
        assert_eq!(world.get(&one(&world, &id, "")).await.expect(200)["workspaceRoles"], json!([]));
    }

    /// A user who is removed is gone, with everything that it had.
    async fn a_removed_user_is_gone(world) {
        let before = world.dump().await;
        let invite = world.invite("ada@example.org", "ORGANIZATION_OWNER").await;
        let id = invite["userId"].as_str().expect("an id");
        world.delete(&one(&world, id, "")).await.expect(204);
        for method in ["GET", "DELETE"] {
            world.call(Some(&world.owner), method, &one(&world, id, ""), &Value::Null).await.expect(404);
        }
        // Only history knows its name.
        let left: Vec<String> = world.dump().await.lines().filter(|line| !before.contains(line)).map(Into::into).collect();
        assert_eq!(left.len(), 1, "{left:?}");
        assert!(left[0].contains("ada@example.org"), "{left:?}");
    }

    /// A user who has signed in is ACTIVE, calls with its session, may do what its roles permit, and is
    /// in the audit log and in what it makes with its own name.
    async fn a_user_calls_with_its_session(world) {
        let id = invited(&world, "ada").await;
        let session = world.sign_in("ADA@example.org").await;
        assert!(session.starts_with("als_") && session.len() == 47, "{session}");
        let me = world.call(Some(&session), "GET", "/v1/users/self", &Value::Null).await.expect(200);
        assert_eq!(me, json!({
            "id": id, "username": "ada@example.org", "fullName": "ada@example.org", "avatarUrl": "",
            "status": "ACTIVE", "organizationId": world.organization, "isIdpManaged": false,
            "roles": [{
                "role": "ORGANIZATION_MEMBER", "scope": {"type": "ORGANIZATION", "entityId": world.organization},
            }],
            "invites": [], "featureFlags": [],
            "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
        }));
        let update = |name: &str| json!({"name": name, "description": "", "cicdEnforcedDefault": false});
        let workspace = world.path(&format!("/workspaces/{}", world.workspace));
        world.call(Some(&session), "POST", &workspace, &update("x")).await.expect(404);
        set_roles(&world, &world.owner, &id, &on_workspace(&world.workspace, "WORKSPACE_MEMBER")).await.expect(200);
        world.call(Some(&session), "POST", &workspace, &update("x")).await.expect(403);
        set_roles(&world, &world.owner, &id, &on_workspace(&world.workspace, "WORKSPACE_OWNER")).await.expect(200);
        let changed = world.call(Some(&session), "POST", &workspace, &update("x")).await.expect(200);
        assert_eq!(changed["updatedBy"], json!({
            "id": id, "subjectType": "USER", "fullName": "ada@example.org", "username": "ada@example.org",
        }));
        let log = world.audit_log().await;
        let entry = log.iter().rfind(|entry| entry["operationId"] == "UpdateWorkspace" && entry["outcome"] == "CHANGED");
        let entry = entry.expect("an audit record");
        assert_eq!((&entry["subjectId"], &entry["subjectType"]), (&json!(id), &json!("USER")));
        set_roles(&world, &world.owner, &id, &json!({})).await.expect(200);
        world.call(Some(&session), "POST", &workspace, &update("y")).await.expect(404);
    }

    /// A session ends after eight hours, and with its user; an invite that has ended lets nobody in, and
    /// one that was accepted is gone.
    async fn sessions_end(world) {
        let ada = invited(&world, "ada").await;
        let first = world.sign_in("ada@example.org").await;
        let me = async |session: &str| world.call(Some(session), "GET", "/v1/users/self", &Value::Null).await;
        world.clock.advance(8 * 3600 - 1);
        me(&first).await.expect(200);
        world.clock.advance(1);
        let over = me(&first).await;
        assert_eq!(over.message(), "the session of ada@example.org ended at 2026-01-01T08:00:00Z; log in again");
        over.expect(401);
        let second = world.sign_in("ada@example.org").await;
        me(&second).await.expect(200);
        world.delete(&one(&world, &ada, "")).await.expect(204);
        let gone = me(&second).await;
        assert_eq!(gone.message(), "there is no such session, or it was ended; log in again");
        gone.expect(401);

        let invite = world.invite("bob@example.org", "ORGANIZATION_MEMBER").await;
        world.sign_in("bob@example.org").await;
        let path = world.path(&format!("/invites/{}", invite["inviteId"].as_str().expect("an id")));
        world.delete(&path).await.expect(404);
        let again = json!({"inviteeEmail": "bob@example.org", "role": "ORGANIZATION_OWNER"});
        assert_eq!(world.post(&world.path("/invites"), again).await.fields(), ["inviteeEmail"]);
        invited(&world, "cyd").await;
        world.clock.advance(7 * 86_400);
        for (email, why) in [("cyd@example.org", "the invite of"), ("dan@example.org", "nobody with the address")] {
            let refused = airlock_server::sign_in(&world.app, None, email).await.expect_err("refused").to_string();
            assert!(refused.starts_with(why), "{refused}");
        }
    }

    /// The Organization keeps an active Owner once it has one: the last can neither be demoted nor removed.
    async fn the_last_owner_stays(world) {
        let ada = world.invite("ada@example.org", "ORGANIZATION_OWNER").await;
        let ada = ada["userId"].as_str().expect("an id");
        let member = json!({"organizationRole": "ORGANIZATION_MEMBER"});
        // Who has not come yet is not counted on.
        set_roles(&world, &world.owner, ada, &member).await.expect(200);
        set_roles(&world, &world.owner, ada, &json!({"organizationRole": "ORGANIZATION_OWNER"})).await.expect(200);
        let session = world.sign_in("ada@example.org").await;
        let bob = world.invite("bob@example.org", "ORGANIZATION_OWNER").await;
        let bob = bob["userId"].as_str().expect("an id");

        let before = world.dump().await;
        let refused = "this would leave the Organization without an Owner; make another user ORGANIZATION_OWNER first";
        for token in [&world.owner, &session] {
            let demoted = set_roles(&world, token, ada, &member).await;
            assert_eq!(demoted.message(), refused);
            demoted.expect(400);
            let removed = world.call(Some(token), "DELETE", &one(&world, ada, ""), &Value::Null).await;
            assert_eq!(removed.message(), refused);
            removed.expect(400);
        }
        assert_eq!(world.dump().await, before);
        world.sign_in("bob@example.org").await;
        set_roles(&world, &session, ada, &member).await.expect(200);
        set_roles(&world, &session, ada, &json!({"organizationRole": "ORGANIZATION_OWNER"})).await.expect(403);
        let last = world.delete(&one(&world, bob, "")).await;
        assert_eq!(last.message(), refused);
        last.expect(400);
    }

    /// Two Owners who demote each other at the same time: one of them stays.
    async fn two_owners_cannot_go_at_once(world) {
        let mut ids = Vec::new();
        for name in ["ada", "bob"] {
            ids.push(invited(&world, name).await);
            world.sign_in(&format!("{name}@example.org")).await;
        }
        let owner = json!({"organizationRole": "ORGANIZATION_OWNER"});
        let member = json!({"organizationRole": "ORGANIZATION_MEMBER"});
        for round in 0..10 {
            for id in &ids {
                set_roles(&world, &world.owner, id, &owner).await.expect(200);
            }
            let demote = async |id: &str| set_roles(&world, &world.owner, id, &member).await.status;
            let (one, other) = tokio::join!(demote(&ids[0]), demote(&ids[1]));
            assert_eq!(one + other, 600, "round {round}: {one} and {other}");
        }
    }

    /// An API token that asks who it is learns its name, its Organization and its roles.
    async fn an_api_token_has_a_self(world) {
        let (id, value) = world.workspace_token("WORKSPACE_MEMBER").await;
        for path in ["/v1/users/self", "/v1/users/self?createIfNotExist=true", "/iam/v1beta1/users/self"] {
            let me = world.call(Some(&value), "GET", path, &Value::Null).await.expect(200);
            assert_eq!(me, json!({
                "id": id, "username": "WORKSPACE_MEMBER", "fullName": "WORKSPACE_MEMBER", "avatarUrl": "",
                "status": "ACTIVE", "organizationId": world.organization, "isIdpManaged": false,
                "roles": [{"role": "WORKSPACE_MEMBER", "scope": {"type": "WORKSPACE", "entityId": world.workspace}}],
                "invites": [], "featureFlags": [],
                "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
            }), "{path}");
        }
        world.call(None, "GET", "/v1/users/self", &Value::Null).await.expect(401);
    }
}
