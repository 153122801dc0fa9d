//! `/v1/organizations/{organizationId}/invites`

use std::time::Duration;

use airlock_tests::{Answer, Database, World, on_both};
use serde_json::{Value, json};
use tokio_postgres::NoTls;

/// The path of the user that an invite made.
fn invitee(world: &World, invite: &Value) -> String {
    world.path(&format!("/users/{}", invite["userId"].as_str().expect("an id")))
}

/// The path of an invite.
fn one(world: &World, invite: &Value) -> String {
    world.path(&format!("/invites/{}", invite["inviteId"].as_str().expect("an id")))
}

on_both! {
    /// An invite makes a user, who is there as long as the invite is.
    async fn a_user_comes_and_goes_with_its_invite(world) {
        let invite = world.invite("Ada@Example.org", "ORGANIZATION_OWNER").await;
        assert_eq!(invite["inviter"]["apiTokenName"], "First owner");
        assert_eq!(invite, json!({
            "inviteId": invite["inviteId"], "organizationId": world.organization, "organizationName": "Airlock",
            "userId": invite["invitee"]["id"], "expiresAt": "2026-01-08T00:00:00Z", "inviter": invite["inviter"],
            "invitee": {
                "id": invite["userId"], "subjectType": "USER", "username": "Ada@Example.org",
                "fullName": "Ada@Example.org", "avatarUrl": "",
            },
        }));
        let user = world.get(&invitee(&world, &invite)).await.expect(200);
        assert_eq!(user, json!({
            "id": invite["userId"], "username": "Ada@Example.org", "fullName": "Ada@Example.org", "avatarUrl": "",
            "status": "PENDING", "organizationRole": "ORGANIZATION_OWNER", "workspaceRoles": [],
            "deploymentRoles": [], "dagRoles": [],
            "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z",
        }));
        let page = world.get(&world.path("/users")).await.expect(200);
        assert_eq!((&page["users"], &page["totalCount"]), (&json!([user]), &json!(1)));

        world.delete(&one(&world, &invite)).await.expect(204);
        world.get(&invitee(&world, &invite)).await.expect(404);
        let page = world.get(&world.path("/users")).await.expect(200);
        assert_eq!((&page["users"], &page["totalCount"]), (&json!([]), &json!(0)));
        let again = world.delete(&one(&world, &invite)).await;
        assert_eq!(again.message(), "invite not found");
        again.expect(404);
    }

    /// Who is invited again, in whatever case, stays the same user, with the new invite and role; roles
    /// below the Organization stay.
    async fn inviting_again_replaces_the_invite(world) {
        let first = world.invite("ada@example.org", "ORGANIZATION_OWNER").await;
        let roles = json!({"workspaceRoles": [{"workspaceId": world.workspace, "role": "WORKSPACE_MEMBER"}]});
        world.post(&format!("{}/roles", invitee(&world, &first)), roles).await.expect(200);
        world.clock.advance(60);
        let second = world.invite("ADA@example.org", "ORGANIZATION_MEMBER").await;
        assert_eq!(second["userId"], first["userId"]);
        assert_ne!(second["inviteId"], first["inviteId"]);
        assert_eq!(second["expiresAt"], "2026-01-08T00:01:00Z");
        let user = world.get(&invitee(&world, &first)).await.expect(200);
        assert_eq!(user["organizationRole"], "ORGANIZATION_MEMBER");
        assert_eq!(user["workspaceRoles"][0]["role"], "WORKSPACE_MEMBER");
        world.delete(&one(&world, &first)).await.expect(404);
        world.delete(&one(&world, &second)).await.expect(204);
        world.get(&invitee(&world, &first)).await.expect(404);
    }

    /// An address is a user of each Organization for itself, and no invite reaches into another.
    async fn organizations_are_apart(world) {
        let stranger = world.second_organization().await;
        let ours = world.invite("ada@example.org", "ORGANIZATION_MEMBER").await;
        let path = format!("/v1/organizations/{}/invites", stranger.organization);
        let body = json!({"inviteeEmail": "ada@example.org", "role": "ORGANIZATION_MEMBER"});
        let theirs = world.call(Some(&stranger.owner), "POST", &path, &body).await.expect(200);
        assert_ne!(ours["userId"], theirs["userId"]);
        let path = format!("{path}/{}", ours["inviteId"].as_str().expect("an id"));
        world.call(Some(&stranger.owner), "DELETE", &path, &Value::Null).await.expect(404);
        world.get(&invitee(&world, &ours)).await.expect(200);
        world.get(&invitee(&world, &theirs)).await.expect(404);
    }

    /// What is wrong is refused by name, and nothing is made.
    async fn bad_requests_name_the_field(world) {
        let before = world.dump().await;
        for (email, role, field) in [
            (json!("ada"), json!("ORGANIZATION_MEMBER"), "inviteeEmail"),
            (json!("a@b@c"), json!("ORGANIZATION_MEMBER"), "inviteeEmail"),
            (json!("Ada <ada@example.org>"), json!("ORGANIZATION_MEMBER"), "inviteeEmail"),
            (json!("ada@example.org\n"), json!("ORGANIZATION_MEMBER"), "inviteeEmail"),
            (json!(""), json!("ORGANIZATION_MEMBER"), "inviteeEmail"),
            (Value::Null, json!("ORGANIZATION_MEMBER"), "inviteeEmail"),
            (json!("ada@example.org"), json!("WORKSPACE_OWNER"), "role"),
            (json!("ada@example.org"), Value::Null, "role"),
        ] {
            let body = json!({"inviteeEmail": email, "role": role});
            let answer = world.post(&world.path("/invites"), body.clone()).await;
            assert_eq!((answer.status, answer.fields()), (400, vec![field]), "{body}: {}", answer.json);
            answer.assert_envelope();
        }
        assert_eq!(world.dump().await, before);
    }
}

/// Answers to a request, while which another transaction did something: it began before, and is done
/// when the request has got as far as it can.
async fn meanwhile(world: &World, begins: &str, ends: &str, request: impl Future<Output = Answer>) -> Answer {
    let Database::Postgres(url) = &world.database else { panic!("SQLite has one writer") };
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the test's database");
    tokio::spawn(connection);
    client.batch_execute(&format!("BEGIN; {begins}")).await.expect("locked");
    let other = async {
        tokio::time::sleep(Duration::from_millis(500)).await; // the request has got as far as the lock
        client.batch_execute(&format!("{ends}; COMMIT")).await.expect("done");
    };
    tokio::join!(request, other).0
}

/// Answers to a request about an invite, made just before its user comes.
async fn while_the_user_comes(world: &World, invite: &Value, request: impl Future<Output = Answer>) -> Answer {
    let user = invite["userId"].as_str().expect("an id");
    let begins = format!("SELECT 1 FROM users WHERE id = '{user}' FOR UPDATE");
    let ends =
        format!("DELETE FROM invites WHERE user_id = '{user}'; UPDATE users SET status = 'ACTIVE' WHERE id = '{user}'");
    meanwhile(world, &begins, &ends, request).await
}

/// Who comes while the invite is being changed is a user, whom no invite removes or gives another role.
#[tokio::test]
async fn who_comes_meanwhile_stays() {
    let Some(database) = Database::postgres().await else { return };
    let world = World::new(database).await;
    let invites = world.path("/invites");
    let invite = world.invite("ada@example.org", "ORGANIZATION_OWNER").await;
    let path = one(&world, &invite);
    while_the_user_comes(&world, &invite, world.delete(&path)).await.expect(404);
    let user = world.get(&invitee(&world, &invite)).await.expect(200);
    assert_eq!((&user["status"], &user["organizationRole"]), (&json!("ACTIVE"), &json!("ORGANIZATION_OWNER")));

    let invite = world.invite("eve@example.org", "ORGANIZATION_OWNER").await;
    let body = json!({"inviteeEmail": "eve@example.org", "role": "ORGANIZATION_MEMBER"});
    let answer = while_the_user_comes(&world, &invite, world.post(&invites, body)).await;
    assert_eq!((answer.status, answer.fields()), (400, vec!["inviteeEmail"]), "{}", answer.json);
    let user = world.get(&invitee(&world, &invite)).await.expect(200);
    assert_eq!((&user["status"], &user["organizationRole"]), (&json!("ACTIVE"), &json!("ORGANIZATION_OWNER")));
}

/// A role on a Workspace that is deleted while its user is invited again does not come back.
#[tokio::test]
async fn a_role_that_goes_meanwhile_stays_gone() {
    let Some(database) = Database::postgres().await else { return };
    let world = World::new(database).await;
    let gone = world.new_workspace("gone").await;
    let invite = world.invite("ada@example.org", "ORGANIZATION_OWNER").await;
    let roles = json!({"workspaceRoles": [
        {"workspaceId": gone, "role": "WORKSPACE_OWNER"},
        {"workspaceId": world.workspace, "role": "WORKSPACE_MEMBER"},
    ]});
    world.post(&format!("{}/roles", invitee(&world, &invite)), roles).await.expect(200);
    let goes =
        format!("DELETE FROM role_bindings WHERE entity_id = '{gone}'; DELETE FROM workspaces WHERE id = '{gone}'");
    let body = json!({"inviteeEmail": "ada@example.org", "role": "ORGANIZATION_MEMBER"});
    meanwhile(&world, &goes, "", world.post(&world.path("/invites"), body)).await.expect(200);
    let user = world.get(&invitee(&world, &invite)).await.expect(200);
    assert_eq!(user["organizationRole"], "ORGANIZATION_MEMBER");
    assert_eq!(user["workspaceRoles"], json!([{"workspaceId": world.workspace, "role": "WORKSPACE_MEMBER"}]));
}
