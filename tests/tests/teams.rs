//! `/v1/organizations/{organizationId}/teams`, and `/users/{userId}/teams`

use airlock_tests::{World, on_both};
use serde_json::{Value, json};

/// Somebody new who is invited: the id.
async fn invited(world: &World, name: &str) -> String {
    let invite = world.invite(&format!("{name}@example.org"), "ORGANIZATION_MEMBER").await;
    invite["userId"].as_str().expect("an id").into()
}

/// A new team, as it was answered.
async fn create(world: &World, body: Value) -> Value {
    world.post(&world.path("/teams"), body).await.expect(200)
}

/// The path of one team, and the rest.
fn one(world: &World, team: &Value, rest: &str) -> String {
    world.path(&format!("/teams/{}{rest}", team["id"].as_str().expect("an id")))
}

/// The texts of a key on a list, in its order.
fn texts<'a>(list: &'a Value, key: &str) -> Vec<&'a str> {
    list.as_array().expect("a list").iter().map(|item| item[key].as_str().expect("a text")).collect()
}

/// Who is in a team, by the ids in order.
async fn members(world: &World, team: &Value) -> Vec<String> {
    let page = world.get(&one(world, team, "/members?sorts=userId:asc")).await.expect(200);
    texts(&page["teamMembers"], "userId").into_iter().map(Into::into).collect()
}

on_both! {
    /// The answer has everything that was asked for, and so have later ones.
    async fn create_get_update_delete(world) {
        let made = create(&world, json!({"name": "platform", "description": "Keeps it running"})).await;
        let owner = &made["createdBy"];
        assert_eq!(owner["apiTokenName"], "First owner");
        let expected = json!({
            "id": made["id"], "organizationId": world.organization, "name": "platform",
            "description": "Keeps it running", "isIdpManaged": false, "organizationRole": "ORGANIZATION_MEMBER",
            "workspaceRoles": [], "deploymentRoles": [], "dagRoles": [], "rolesCount": 1,
            "createdAt": "2026-01-01T00:00:00Z", "createdBy": owner,
            "updatedAt": "2026-01-01T00:00:00Z", "updatedBy": owner,
        });
        assert_eq!(made, expected);
        assert_eq!(world.get(&one(&world, &made, "")).await.expect(200), expected);

        world.clock.advance(1);
        let changed = world.post(&one(&world, &made, ""), json!({"name": "operations"})).await.expect(200);
        let mut expected = expected;
        expected["name"] = json!("operations");
        expected["description"] = json!("");
        expected["updatedAt"] = json!("2026-01-01T00:00:01Z");
        assert_eq!(changed, expected);
        let page = world.get(&world.path("/teams")).await.expect(200);
        assert_eq!(page, json!({"teams": [expected], "limit": 20, "offset": 0, "totalCount": 1}));

        world.delete(&one(&world, &made, "")).await.expect(204);
        for method in ["GET", "DELETE"] {
            let answer = world.call(Some(&world.owner), method, &one(&world, &made, ""), &Value::Null).await;
            assert_eq!(answer.message(), "team not found");
            answer.expect(404);
        }
    }

    /// What is wrong is refused by name, and nothing is made or changed.
    async fn bad_requests_name_the_field(world) {
        let stranger = world.second_organization().await;
        let path = format!("/v1/organizations/{}/invites", stranger.organization);
        let body = json!({"inviteeEmail": "eve@example.org", "role": "ORGANIZATION_MEMBER"});
        let eve = world.call(Some(&stranger.owner), "POST", &path, &body).await.expect(200);
        let ada = invited(&world, "ada").await;
        let team = create(&world, json!({"name": "Taken"})).await;
        let other = create(&world, json!({"name": "Other"})).await;
        let before = world.dump().await;
        for (path, body, field) in [
            (world.path("/teams"), json!({"name": "Taken"}), "name"),
            (world.path("/teams"), json!({"name": ""}), "name"),
            (world.path("/teams"), json!({"name": "a\u{7}"}), "name"),
            (world.path("/teams"), json!({"name": "x".repeat(257)}), "name"),
            (world.path("/teams"), json!({}), "name"),
            (world.path("/teams"), json!({"name": "x", "description": "x".repeat(501)}), "description"),
            (world.path("/teams"), json!({"name": "x", "organizationRole": "WORKSPACE_OWNER"}), "organizationRole"),
            (world.path("/teams"), json!({"name": "x", "memberIds": [ada, "cnobody"]}), "memberIds[1]"),
            (world.path("/teams"), json!({"name": "x", "memberIds": [eve["userId"]]}), "memberIds[0]"),
            (one(&world, &other, ""), json!({"name": "Taken"}), "name"),
            (one(&world, &team, "/members"), json!({"memberIds": []}), "memberIds"),
            (one(&world, &team, "/members"), json!({"memberIds": [ada, "cnobody"]}), "memberIds[1]"),
            (one(&world, &team, "/members"), json!({"memberIds": [eve["userId"]]}), "memberIds[0]"),
            (one(&world, &team, "/roles"), json!({}), "organizationRole"),
            (one(&world, &team, "/roles"), json!({"organizationRole": "EMPEROR"}), "organizationRole"),
            (
                one(&world, &team, "/roles"),
                json!({"organizationRole": "ORGANIZATION_MEMBER", "workspaceRoles": [
                    {"workspaceId": stranger.workspace, "role": "WORKSPACE_OWNER"},
                ]}),
                "workspaceRoles[0].workspaceId",
            ),
        ] {
            let answer = world.post(&path, body.clone()).await;
            assert_eq!((answer.status, answer.fields()), (400, vec![field]), "{body}: {}", answer.json);
            answer.assert_envelope();
        }
        assert_eq!(world.dump().await, before);
    }

    /// Members come, stay and go; the list has who they are and when they came.
    async fn members_come_and_go(world) {
        let (ada, bob) = (invited(&world, "ada").await, invited(&world, "bob").await);
        let team = create(&world, json!({"name": "platform", "memberIds": [ada]})).await;
        world.clock.advance(1);
        let both = json!({"memberIds": [ada, bob, bob]});
        world.post(&one(&world, &team, "/members"), both).await.expect(204);
        let page = world.get(&one(&world, &team, "/members?sorts=username:desc")).await.expect(200);
        let member = |id: &str, name: &str, at: &str| json!({
            "userId": id, "username": name, "fullName": name, "avatarUrl": "", "createdAt": at,
        });
        assert_eq!(page, json!({
            "teamMembers": [
                member(&bob, "bob@example.org", "2026-01-01T00:00:01Z"),
                member(&ada, "ada@example.org", "2026-01-01T00:00:00Z"),
            ],
            "limit": 20, "offset": 0, "totalCount": 2,
        }));
        let changed = world.get(&one(&world, &team, "")).await.expect(200);
        assert_eq!(changed["updatedAt"], "2026-01-01T00:00:01Z");
        world.get(&one(&world, &team, "/members?sorts=userId:asc&sorts=userId:desc")).await.expect(200);
        for sort in ["username", "fullName", "createdAt"] {
            let page = world.get(&one(&world, &team, &format!("/members?sorts={sort}:asc&limit=1"))).await.expect(200);
            assert_eq!((&page["teamMembers"][0]["userId"], &page["totalCount"]), (&json!(ada), &json!(2)), "{sort}");
        }

        world.delete(&one(&world, &team, &format!("/members/{ada}"))).await.expect(204);
        assert_eq!(members(&world, &team).await, [bob.as_str()]);
        let again = world.delete(&one(&world, &team, &format!("/members/{ada}"))).await;
        assert_eq!(again.message(), "team member not found");
        again.expect(404);
        world.delete(&world.path(&format!("/users/{bob}"))).await.expect(204);
        assert!(members(&world, &team).await.is_empty());
    }

    /// A team's roles are replaced as a user's are, and teams are found by them and by name.
    async fn roles_are_replaced_and_narrow_lists(world) {
        let team = create(&world, json!({"name": "platform", "organizationRole": "ORGANIZATION_BILLING_ADMIN"})).await;
        assert_eq!(team["organizationRole"], "ORGANIZATION_BILLING_ADMIN");
        create(&world, json!({"name": "analysts"})).await;
        let roles = json!({
            "organizationRole": "ORGANIZATION_MEMBER",
            "workspaceRoles": [{"workspaceId": world.workspace, "role": "WORKSPACE_OPERATOR"}],
            "deploymentRoles": [{"deploymentId": world.deployment, "role": "DEPLOYMENT_ADMIN"}],
            "dagRoles": [{"deploymentId": world.deployment, "dagTag": "red", "role": "DAG_VIEWER"}],
        });
        assert_eq!(world.post(&one(&world, &team, "/roles"), roles.clone()).await.expect(200), roles);
        let got = world.get(&one(&world, &team, "")).await.expect(200);
        assert_eq!(got["rolesCount"], 4);
        for key in ["organizationRole", "workspaceRoles", "deploymentRoles", "dagRoles"] {
            assert_eq!(got[key], roles[key], "{key}");
        }
        for (query, expected) in [
            ("".to_owned(), vec!["analysts", "platform"]),
            ("&names=analysts&names=nobody".to_owned(), vec!["analysts"]),
            (format!("&workspaceId={}", world.workspace), vec!["platform"]),
            (format!("&deploymentId={}", world.deployment), vec!["platform"]),
            ("&workspaceId=cnowhere".to_owned(), vec![]),
        ] {
            let page = world.get(&world.path(&format!("/teams?sorts=name:asc{query}"))).await.expect(200);
            assert_eq!(texts(&page["teams"], "name"), expected, "{query}");
        }
        let nulls = json!({"organizationRole": "ORGANIZATION_MEMBER", "workspaceRoles": null, "deploymentRoles": null});
        let answer = world.post(&one(&world, &team, "/roles"), nulls).await.expect(200);
        assert_eq!(answer, json!({
            "organizationRole": "ORGANIZATION_MEMBER", "workspaceRoles": [], "deploymentRoles": [], "dagRoles": [],
        }));
    }

    /// A user's teams are listed with the roles that they give.
    async fn a_user_has_its_teams(world) {
        let (ada, bob) = (invited(&world, "ada").await, invited(&world, "bob").await);
        let body = json!({"name": "platform", "organizationRole": "ORGANIZATION_OWNER", "memberIds": [ada]});
        let team = create(&world, body).await;
        create(&world, json!({"name": "analysts", "memberIds": [bob]})).await;
        let page = world.get(&world.path(&format!("/users/{ada}/teams"))).await.expect(200);
        assert_eq!(page, json!({
            "teams": [{
                "id": team["id"], "name": "platform", "description": "", "isIdpManaged": false,
                "organizationRole": "ORGANIZATION_OWNER", "workspaceRoles": [], "deploymentRoles": [], "dagRoles": [],
                "rolesCount": 1,
            }],
            "limit": 20, "offset": 0, "totalCount": 1,
        }));
        world.get(&world.path("/users/cnobody/teams")).await.expect(404);
    }

    /// Teams that an identity provider managed are changed here once none tells groups any more.
    async fn teams_of_an_identity_provider_that_is_gone(world) {
        let (ada, bob) = (invited(&world, "ada").await, invited(&world, "bob").await);
        let team = create(&world, json!({"name": "platform", "memberIds": [ada]})).await;
        world.database.execute("UPDATE teams SET is_idp_managed = TRUE").await;
        world.post(&one(&world, &team, "/members"), json!({"memberIds": [bob]})).await.expect(204);
        world.delete(&one(&world, &team, &format!("/members/{ada}"))).await.expect(204);
        assert_eq!(members(&world, &team).await, [bob]);
        let renamed = world.post(&one(&world, &team, ""), json!({"name": "renamed"})).await.expect(200);
        assert_eq!((&renamed["name"], &renamed["isIdpManaged"]), (&json!("renamed"), &json!(true)));
        world.delete(&one(&world, &team, "")).await.expect(204);
    }

    /// Whoever has no role on the Organization sees and changes teams as far as its role reaches.
    async fn a_workspace_owner_has_a_say_in_its_workspace(world) {
        let (theirs, ours) = (create(&world, json!({"name": "theirs"})).await, create(&world, json!({"name": "ours"})).await);
        let member = |role: &str| json!({"organizationRole": "ORGANIZATION_MEMBER", "workspaceRoles": [
            {"workspaceId": world.workspace, "role": role},
        ]});
        world.post(&one(&world, &ours, "/roles"), member("WORKSPACE_MEMBER")).await.expect(200);
        let token = world.workspace_token("WORKSPACE_OWNER").await.1;
        let page = world.call(Some(&token), "GET", &world.path("/teams"), &Value::Null).await.expect(200);
        assert_eq!(texts(&page["teams"], "name"), ["ours"]);
        world.call(Some(&token), "GET", &one(&world, &theirs, ""), &Value::Null).await.expect(404);
        let roles = one(&world, &ours, "/roles");
        world.call(Some(&token), "POST", &roles, &member("WORKSPACE_OWNER")).await.expect(200);
        let owner = json!({"organizationRole": "ORGANIZATION_OWNER"});
        world.call(Some(&token), "POST", &roles, &owner).await.expect(403);
        world.call(Some(&token), "POST", &one(&world, &ours, ""), &json!({"name": "mine"})).await.expect(403);
        world.call(Some(&token), "DELETE", &one(&world, &ours, ""), &Value::Null).await.expect(403);
    }

    /// A role on what the caller does not see is neither shown, counted nor found, and stays when the
    /// caller gives and takes others.
    async fn roles_on_hidden_things_are_not_told(world) {
        let elsewhere = world.new_workspace("elsewhere").await;
        let far = world.new_deployment(&elsewhere, false).await;
        let ada = invited(&world, "ada").await;
        let team = create(&world, json!({"name": "platform", "memberIds": [ada]})).await;
        let all = json!({
            "organizationRole": "ORGANIZATION_MEMBER",
            "workspaceRoles": [
                {"workspaceId": world.workspace, "role": "WORKSPACE_MEMBER"},
                {"workspaceId": elsewhere, "role": "WORKSPACE_MEMBER"},
            ],
            "deploymentRoles": [{"deploymentId": far, "role": "DEPLOYMENT_ADMIN"}],
            "dagRoles": [{"deploymentId": far, "dagId": "etl", "role": "DAG_VIEWER"}],
        });
        world.post(&one(&world, &team, "/roles"), all.clone()).await.expect(200);
        let shown = json!({
            "organizationRole": "ORGANIZATION_MEMBER", "deploymentRoles": [], "dagRoles": [],
            "workspaceRoles": [{"workspaceId": world.workspace, "role": "WORKSPACE_MEMBER"}],
        });
        let member = json!({"workspaceRoles": [{"workspaceId": world.workspace, "role": "WORKSPACE_MEMBER"}]});
        world.post(&world.path(&format!("/users/{ada}/roles")), member).await.expect(200);
        let owner = world.workspace_token("WORKSPACE_OWNER").await.1;
        let get = async |path: String| world.call(Some(&owner), "GET", &path, &Value::Null).await.expect(200);
        for team in [
            get(one(&world, &team, "")).await,
            get(world.path("/teams")).await["teams"][0].clone(),
            get(world.path(&format!("/users/{ada}/teams"))).await["teams"][0].clone(),
        ] {
            assert_eq!(team["rolesCount"], 2, "{team}");
            for (key, roles) in shown.as_object().expect("an object") {
                assert_eq!(team[key], *roles, "{key}");
            }
        }
        for (query, found) in [
            (format!("workspaceId={}", world.workspace), 1),
            (format!("workspaceId={elsewhere}"), 0),
            (format!("deploymentId={far}"), 0),
        ] {
            assert_eq!(get(world.path(&format!("/teams?{query}"))).await["totalCount"], found, "{query}");
        }

        let path = one(&world, &team, "/roles");
        assert_eq!(world.call(Some(&owner), "POST", &path, &shown).await.expect(200), shown);
        let own = json!({"organizationRole": "ORGANIZATION_MEMBER"});
        world.call(Some(&owner), "POST", &path, &own).await.expect(200);
        let left = world.get(&one(&world, &team, "")).await.expect(200);
        assert_eq!((&left["rolesCount"], &left["workspaceRoles"]), (&json!(4), &json!([all["workspaceRoles"][1]])));
        assert_eq!((&left["deploymentRoles"], &left["dagRoles"]), (&all["deploymentRoles"], &all["dagRoles"]));
    }

    /// A user may do what its own roles or those of any of its teams permit, from the next request on:
    /// when a role comes or goes, when the user joins or leaves, and when the team is deleted.
    async fn permissions_are_the_union_of_own_and_teams(world) {
        let ada = invited(&world, "ada").await;
        let session = world.sign_in("ada@example.org").await;
        let reads = async |status: u16| {
            let path = world.path(&format!("/deployments/{}", world.deployment));
            world.call(Some(&session), "GET", &path, &Value::Null).await.expect(status);
        };
        let creates = async |status: u16| {
            world.call(Some(&session), "POST", &world.agent_tokens(""), &json!({"name": "x"})).await.expect(status);
        };
        reads(404).await;
        let (readers, keepers) =
            (create(&world, json!({"name": "readers"})).await, create(&world, json!({"name": "keepers"})).await);
        let on_workspace = |role: &str| json!({"organizationRole": "ORGANIZATION_MEMBER", "workspaceRoles": [
            {"workspaceId": world.workspace, "role": role},
        ]});
        let admin = json!({"organizationRole": "ORGANIZATION_MEMBER", "deploymentRoles": [
            {"deploymentId": world.deployment, "role": "DEPLOYMENT_ADMIN"},
        ]});
        let add = json!({"memberIds": [ada]});

        world.post(&one(&world, &readers, "/members"), add.clone()).await.expect(204);
        reads(404).await;
        world.post(&one(&world, &readers, "/roles"), on_workspace("WORKSPACE_MEMBER")).await.expect(200);
        reads(200).await;
        creates(403).await;
        world.post(&one(&world, &keepers, "/roles"), admin).await.expect(200);
        creates(403).await;
        world.post(&one(&world, &keepers, "/members"), add).await.expect(204);
        creates(200).await;
        let me = world.call(Some(&session), "GET", "/v1/users/self", &Value::Null).await.expect(200);
        let mut roles = texts(&me["roles"], "role");
        roles.sort_unstable();
        assert_eq!(roles, ["DEPLOYMENT_ADMIN", "ORGANIZATION_MEMBER", "WORKSPACE_MEMBER"]);

        world.delete(&one(&world, &keepers, "")).await.expect(204);
        creates(403).await;
        reads(200).await;
        let own = world.path(&format!("/users/{ada}/roles"));
        world.post(&own, on_workspace("WORKSPACE_OPERATOR")).await.expect(200);
        creates(200).await;
        world.delete(&one(&world, &readers, &format!("/members/{ada}"))).await.expect(204);
        creates(200).await;
        world.post(&own, json!({})).await.expect(200);
        reads(404).await;
    }

    /// An Owner by a team counts as one: the team cannot lose it, be deleted, or lose the role, while
    /// nobody else is Owner.
    async fn the_last_owner_by_a_team_stays(world) {
        let (ada, bob) = (invited(&world, "ada").await, invited(&world, "bob").await);
        let body = json!({"name": "owners", "organizationRole": "ORGANIZATION_OWNER", "memberIds": [ada, bob]});
        let team = create(&world, body).await;
        world.sign_in("ada@example.org").await;
        let before = world.dump().await;
        for (method, rest, body) in [
            ("DELETE", String::new(), Value::Null),
            ("DELETE", format!("/members/{ada}"), Value::Null),
            ("POST", "/roles".into(), json!({"organizationRole": "ORGANIZATION_MEMBER"})),
        ] {
            let answer = world.call(Some(&world.owner), method, &one(&world, &team, &rest), &body).await;
            assert_eq!(
                answer.message(),
                "this would leave the Organization without an Owner; make another user ORGANIZATION_OWNER first",
                "{method} {rest}"
            );
            answer.expect(400);
        }
        world.delete(&world.path(&format!("/users/{ada}"))).await.expect(400);
        assert_eq!(world.dump().await, before);
        world.sign_in("bob@example.org").await;
        world.delete(&one(&world, &team, &format!("/members/{ada}"))).await.expect(204);
        world.delete(&one(&world, &team, &format!("/members/{bob}"))).await.expect(400);
    }

    /// As the Terraform provider does it, below its beta prefix.
    async fn terraform_manages_a_team(world) {
        let iam = |rest: &str| format!("/iam/v1beta1/organizations/{}{rest}", world.organization);
        let body = json!({"inviteeEmail": "ada@example.org", "role": "ORGANIZATION_MEMBER"});
        let invite = world.post(&iam("/invites"), body).await.expect(200);
        let ada = invite["invitee"]["id"].as_str().expect("an id");
        let body = json!({"name": "tf", "description": "", "organizationRole": "ORGANIZATION_MEMBER", "memberIds": [ada]});
        let team = world.post(&iam("/teams"), body).await.expect(200);
        let team = iam(&format!("/teams/{}", team["id"].as_str().expect("an id")));
        let roles = json!({"organizationRole": "ORGANIZATION_MEMBER", "dagRoles": null, "workspaceRoles": [
            {"workspaceId": world.workspace, "role": "WORKSPACE_MEMBER"},
        ]});
        world.post(&format!("{team}/roles"), roles).await.expect(200);
        assert_eq!(world.get(&team).await.expect(200)["workspaceRoles"][0]["role"], "WORKSPACE_MEMBER");
        let page = world.get(&format!("{team}/members?limit=1000&offset=0")).await.expect(200);
        assert_eq!(texts(&page["teamMembers"], "userId"), [ada]);
        world.delete(&format!("{team}/members/{ada}")).await.expect(204);
        world.post(&format!("{team}/members"), json!({"memberIds": [ada]})).await.expect(204);
        world.delete(&team).await.expect(204);
        let invite = invite["inviteId"].as_str().expect("an id");
        world.delete(&iam(&format!("/invites/{invite}"))).await.expect(204);
        world.get(&iam(&format!("/users/{ada}"))).await.expect(404);
    }
}
