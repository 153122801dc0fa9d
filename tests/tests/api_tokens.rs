//! `/v1/organizations/{organizationId}/tokens`

use std::sync::Arc;

use airlock_tests::{Answer, World, on_both};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// Presents a value where every good API token is welcome.
async fn present(world: &World, value: &str) -> Answer {
    world.call(Some(value), "GET", "/v1/organizations", &Value::Null).await
}

/// A new token, as it was answered.
async fn create(world: &World, body: Value) -> Value {
    world.post(&world.path("/tokens"), body).await.expect(200)
}

/// The path of one token, and the rest.
fn one(world: &World, id: &str, rest: &str) -> String {
    world.path(&format!("/tokens/{id}{rest}"))
}

/// A text of an answer.
#[track_caller]
fn text<'a>(answer: &'a Value, key: &str) -> &'a str {
    answer[key].as_str().unwrap_or_else(|| panic!("no text {key} in {answer}"))
}

/// The names on a page, in its order.
fn names(page: &Value) -> Vec<&str> {
    page["tokens"].as_array().expect("tokens").iter().map(|token| text(token, "name")).collect()
}

/// One of the JSON parts of a JWT: header or claims. Nobody checks the signature here.
fn part(token: &str, at: usize) -> Value {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for digit in token.split('.').nth(at).expect("three parts").bytes() {
        let value = DIGITS.iter().position(|known| *known == digit).expect("base64url without padding");
        bits = bits << 6 | u32::try_from(value).expect("six bits");
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    serde_json::from_slice(&bytes).expect("JSON")
}

/// A custom role of DEPLOYMENT scope: its id.
async fn role(world: &World, name: &str, permissions: &[&str]) -> String {
    let body = json!({"name": name, "scopeType": "DEPLOYMENT", "permissions": permissions});
    text(&world.post(&world.path("/roles"), body).await.expect(200), "id").to_owned()
}

on_both! {
    /// For each scope: the answer has the value and everything that was asked for, and a role on
    /// what the token belongs to; no later answer has the value.
    async fn create_answers_with_the_value_once(world) {
        let (organization, workspace, deployment) =
            (world.organization.to_string(), world.workspace.to_string(), world.deployment.to_string());
        for (scope, role, entity) in [
            ("ORGANIZATION", "ORGANIZATION_MEMBER", &organization),
            ("WORKSPACE", "WORKSPACE_AUTHOR", &workspace),
            ("DEPLOYMENT", "DEPLOYMENT_ADMIN", &deployment),
        ] {
            let made = create(&world, json!({
                "name": "ci ü", "description": "deploys", "scope": scope, "entityId": entity, "role": role,
                "tokenExpiryPeriodInDays": 30,
            })).await;
            let (id, value) = (text(&made, "id"), text(&made, "token"));
            assert!(id.len() == 25 && id.starts_with('c'), "{id}");
            assert_eq!(text(&made, "shortToken"), format!("...{}", &value[value.len() - 6..]));
            let mut expected = made.clone();
            expected.as_object_mut().expect("an object").remove("token");
            let owner = json!({
                "id": part(&world.owner, 1)["sub"], "subjectType": "SERVICEKEY", "apiTokenName": "First owner",
            });
            assert_eq!(expected, json!({
                "id": id, "name": "ci ü", "description": "deploys", "kind": "STANDARD", "scope": scope,
                "shortToken": made["shortToken"], "startAt": "2026-01-01T00:00:00Z",
                "endAt": "2026-01-31T00:00:00Z", "expiryPeriodInDays": 30,
                "roles": [{"role": role, "entityType": scope, "entityId": entity}],
                "createdAt": "2026-01-01T00:00:00Z", "createdBy": owner,
                "updatedAt": "2026-01-01T00:00:00Z", "updatedBy": owner,
            }));
            assert_eq!(world.get(&one(&world, id, "")).await.expect(200), expected);
            let page = world.get(&world.path("/tokens?limit=1000")).await.expect(200);
            assert!(page["tokens"].as_array().is_some_and(|all| all.contains(&expected)), "{page}");
        }
    }

    /// The Organization's own scope needs no `entityId`; an empty one counts as absent; without an
    /// expiry there is no end.
    async fn the_organization_need_not_be_named(world) {
        for entity in [Value::Null, json!(""), json!(world.organization)] {
            let made = create(&world, json!({
                "name": "x", "scope": "ORGANIZATION", "entityId": entity, "role": "ORGANIZATION_MEMBER",
            })).await;
            assert_eq!(made["roles"][0]["entityId"], json!(world.organization));
            assert_eq!(made["description"], "");
            for absent in ["endAt", "expiryPeriodInDays", "lastUsedAt", "lastRotatedAt"] {
                assert!(made.get(absent).is_none(), "{absent}");
            }
        }
    }

    /// What is wrong is refused by name, and nothing is made.
    async fn bad_requests_name_the_field(world) {
        role(&world, "Reader", &["deployment.get"]).await;
        let elsewhere = world.second_organization().await;
        let before = world.dump().await;
        let (workspace, deployment) = (world.workspace.to_string(), world.deployment.to_string());
        let organization = json!({"name": "x", "scope": "ORGANIZATION", "role": "ORGANIZATION_MEMBER"});
        let in_workspace =
            json!({"name": "x", "scope": "WORKSPACE", "entityId": workspace, "role": "WORKSPACE_MEMBER"});
        let in_deployment =
            json!({"name": "x", "scope": "DEPLOYMENT", "entityId": deployment, "role": "DEPLOYMENT_ADMIN"});
        for (like, key, wrong, field) in [
            (&organization, "name", json!(""), "name"),
            (&organization, "name", json!("x".repeat(257)), "name"),
            (&organization, "name", json!("a\u{7}b"), "name"),
            (&organization, "name", Value::Null, "name"),
            (&organization, "description", json!("x".repeat(501)), "description"),
            (&organization, "tokenExpiryPeriodInDays", json!(0), "tokenExpiryPeriodInDays"),
            (&organization, "tokenExpiryPeriodInDays", json!(3651), "tokenExpiryPeriodInDays"),
            (&organization, "scope", json!("GALAXY"), "scope"),
            (&organization, "scope", Value::Null, "scope"),
            (&organization, "role", json!("GALACTIC_OWNER"), "role"),
            (&organization, "role", json!("WORKSPACE_OWNER"), "role"),
            (&organization, "role", json!("Reader"), "role"),
            (&organization, "role", json!("Deployment Viewer"), "role"),
            (&organization, "role", Value::Null, "role"),
            (&organization, "entityId", json!(elsewhere.organization), "entityId"),
            (&organization, "entityId", json!(workspace), "entityId"),
            (&organization, "kind", json!("DIRECT_ACCESS"), "kind"),
            (&organization, "kind", json!("OTHER"), "kind"),
            (&in_workspace, "entityId", Value::Null, "entityId"),
            (&in_workspace, "entityId", json!(""), "entityId"),
            (&in_workspace, "entityId", json!(deployment), "entityId"),
            (&in_workspace, "entityId", json!(elsewhere.workspace), "entityId"),
            (&in_workspace, "role", json!("ORGANIZATION_OWNER"), "role"),
            (&in_workspace, "kind", json!("DIRECT_ACCESS"), "kind"),
            (&in_deployment, "entityId", Value::Null, "entityId"),
            (&in_deployment, "entityId", json!(elsewhere.deployment), "entityId"),
            (&in_deployment, "role", json!("WORKSPACE_OWNER"), "role"),
            (&in_deployment, "role", json!("DAG_VIEWER"), "role"),
        ] {
            let mut body = like.clone();
            body[key] = wrong;
            let answer = world.post(&world.path("/tokens"), body.clone()).await;
            assert_eq!(answer.status, 400, "{body}: {}", answer.json);
            answer.assert_envelope();
            assert_eq!(answer.fields(), [field], "{body}: {}", answer.json);
        }
        assert_eq!(world.dump().await, before);
    }

    /// `endAt` is `startAt` + days to the microsecond: good until then, refused from then on, with
    /// a text that says so.
    async fn an_expired_token_is_told_so(world) {
        let made = create(&world, json!({
            "name": "nightly", "scope": "ORGANIZATION", "role": "ORGANIZATION_MEMBER", "tokenExpiryPeriodInDays": 3650,
        })).await;
        assert_eq!(made["endAt"], "2035-12-30T00:00:00Z");
        let (id, value) = (text(&made, "id"), text(&made, "token"));
        world.clock.advance(3650 * 86_400 - 1);
        present(&world, value).await.expect(200);
        world.clock.advance(1);
        let answer = present(&world, value).await;
        assert_eq!(answer.status, 401);
        answer.assert_envelope();
        assert_eq!(
            answer.message(),
            format!("the API token nightly ({id}) expired at 2035-12-30T00:00:00Z; create a new one, or rotate it")
        );
        // As it advises.
        let rotated = world.post(&one(&world, id, "/rotate"), Value::Null).await.expect(200);
        present(&world, text(&rotated, "token")).await.expect(200);
    }

    /// The claims are exactly those that the stock CLI decodes; every permission has a colon, and
    /// the header names a published key.
    async fn the_value_is_a_jwt_with_exactly_these_claims(world) {
        let (organization, workspace, deployment) =
            (world.organization.to_string(), world.workspace.to_string(), world.deployment.to_string());
        for (scope, entity, role, permissions) in [
            ("ORGANIZATION", &organization, "ORGANIZATION_OWNER", vec![format!("organizationId:{organization}")]),
            ("WORKSPACE", &workspace, "WORKSPACE_OWNER", vec![
                format!("organizationId:{organization}"), format!("workspaceId:{workspace}"),
            ]),
            ("DEPLOYMENT", &deployment, "DEPLOYMENT_ADMIN", vec![
                format!("organizationId:{organization}"), format!("workspaceId:{workspace}"),
                format!("deploymentId:{deployment}"),
            ]),
        ] {
            for days in [None, Some(7)] {
                let made = create(&world, json!({
                    "name": "x", "scope": scope, "entityId": entity, "role": role, "tokenExpiryPeriodInDays": days,
                })).await;
                let value = text(&made, "token");
                assert_eq!(value.split('.').count(), 3);
                let claims = part(value, 1);
                assert!(permissions.iter().all(|permission| permission.split(':').count() == 2));
                let mut expected = json!({
                    "iss": "http://127.0.0.1:8888", "sub": made["id"], "aud": "http://127.0.0.1:8888",
                    "iat": 1_767_225_600, "jti": claims["jti"], "apiTokenId": made["id"], "permissions": permissions,
                });
                if let Some(days) = days {
                    expected["exp"] = json!(1_767_225_600 + days * 86_400);
                }
                assert_eq!(claims, expected);
                assert!(text(&claims, "jti").len() >= 16);
            }
        }
    }

    /// Others can find the key that checks a token, without a token of their own.
    async fn the_header_names_a_published_key(world) {
        let header = part(&world.owner, 0);
        assert_eq!(header["alg"], "EdDSA");
        let set = world.call(None, "GET", "/.well-known/jwks.json", &Value::Null).await;
        assert_eq!(set.headers["content-type"], "application/json");
        let set = set.expect(200);
        let keys: Vec<&Value> =
            set["keys"].as_array().expect("keys").iter().filter(|key| key["kid"] == header["kid"]).collect();
        let [key] = keys[..] else { panic!("{} is not one of {set}", header["kid"]) };
        assert_eq!((&key["kty"], &key["crv"]), (&json!("OKP"), &json!("Ed25519")));
        assert_eq!(text(key, "x").len(), 43, "32 bytes in base64url");
        assert!(key.get("d").is_none(), "the private half is published");
    }

    /// Rotation gives a new value and the same time anew; the old value is refused at once, with a
    /// text that says so.
    async fn rotation_replaces_the_value_at_once(world) {
        let made = create(&world, json!({
            "name": "x", "description": "y", "scope": "ORGANIZATION", "role": "ORGANIZATION_OWNER",
            "tokenExpiryPeriodInDays": 10,
        })).await;
        let (id, old) = (text(&made, "id"), text(&made, "token"));
        present(&world, old).await.expect(200);
        world.clock.advance(3600);
        let rotated = world.post(&one(&world, id, "/rotate"), Value::Null).await.expect(200);
        let new = text(&rotated, "token");
        let mut expected = made.clone();
        for (key, value) in [
            ("token", json!(new)),
            ("shortToken", json!(format!("...{}", &new[new.len() - 6..]))),
            ("startAt", json!("2026-01-01T01:00:00Z")),
            ("endAt", json!("2026-01-11T01:00:00Z")),
            ("lastRotatedAt", json!("2026-01-01T01:00:00Z")),
            ("updatedAt", json!("2026-01-01T01:00:00Z")),
        ] {
            expected[key] = value;
        }
        assert_eq!(rotated, expected);
        present(&world, new).await.expect(200);
        let (old_claims, new_claims) = (part(old, 1), part(new, 1));
        assert_ne!(old_claims["jti"], new_claims["jti"]);
        assert_eq!(new_claims["exp"], 1_767_225_600 + 3600 + 10 * 86_400);

        let refused = present(&world, old).await;
        assert_eq!(refused.status, 401);
        refused.assert_envelope();
        assert_eq!(
            refused.message(),
            format!("this value of the API token {id} was replaced; the token was last rotated at 2026-01-01T01:00:00Z")
        );
        assert!(world.get(&one(&world, id, "")).await.expect(200).get("token").is_none());
    }

    /// A token may replace its own value, and with it goes the one that asked.
    async fn a_token_may_rotate_itself(world) {
        let (id, old) = world.organization_token("ORGANIZATION_OWNER").await;
        let path = one(&world, &id, "/rotate");
        let rotated = world.call(Some(&old), "POST", &path, &Value::Null).await.expect(200);
        assert_eq!(rotated["updatedBy"]["id"], json!(id));
        world.call(Some(&old), "POST", &path, &Value::Null).await.expect(401);
        present(&world, text(&rotated, "token")).await.expect(200);
    }

    /// Deleted is deleted: for every operation, for lists, and for the holder of the value.
    async fn a_deleted_token_is_gone_for_ever(world) {
        let (id, value) = world.organization_token("ORGANIZATION_OWNER").await;
        present(&world, &value).await.expect(200);
        world.clock.advance(60);
        let deleted = world.delete(&one(&world, &id, "")).await;
        assert_eq!((deleted.status, deleted.bytes.len()), (204, 0));
        world.clock.advance(60);
        let role = json!({"role": "ORGANIZATION_OWNER", "entityType": "ORGANIZATION", "entityId": world.organization});
        for (method, rest, body) in [
            ("GET", "", Value::Null),
            ("DELETE", "", Value::Null),
            ("POST", "", json!({"name": "back"})),
            ("POST", "/rotate", Value::Null),
            ("POST", "/roles", json!({"roles": [role]})),
        ] {
            let answer = world.call(Some(&world.owner), method, &one(&world, &id, rest), &body).await;
            assert_eq!(answer.status, 404, "{method} {rest}");
            assert_eq!(answer.message(), "API token not found");
        }
        assert_eq!(names(&world.get(&world.path("/tokens")).await.expect(200)), ["First owner"]);
        let refused = present(&world, &value).await;
        assert_eq!(refused.status, 401);
        assert_eq!(refused.message(), format!("the API token {id} was deleted at 2026-01-01T00:01:00Z"));
    }

    /// Of many who delete a token at the same time one did it, and for the others it is not there;
    /// so there is one record of it.
    async fn a_token_is_deleted_once(world) {
        let world = Arc::new(world);
        for _ in 0..8 {
            let (id, _) = world.organization_token("ORGANIZATION_MEMBER").await;
            let before = world.audit_log().await.len();
            let mut calls = JoinSet::new();
            for _ in 0..12 {
                let (world, path) = (Arc::clone(&world), one(&world, &id, ""));
                calls.spawn(async move { world.delete(&path).await.status });
            }
            let mut statuses = calls.join_all().await;
            statuses.sort_unstable();
            assert_eq!(statuses, [&[204][..], &[404; 11]].concat());
            assert_eq!(world.audit_log().await.len(), before + 1);
        }
    }

    /// What is wrong with a bearer is told apart, but only to the holder of a value that this
    /// server issued; every refusal says how to authenticate.
    async fn the_reason_is_told_to_the_holder_only(world) {
        let (id, value) = world.organization_token("ORGANIZATION_MEMBER").await;
        let (header, rest) = value.split_once('.').expect("a JWT");
        let (claims, signature) = rest.split_once('.').expect("a JWT");
        let strange = format!("{header}.{claims}.{}{}", if signature.starts_with('A') { "B" } else { "A" }, &signature[1..]);
        let unsigned = format!("eyJhbGciOiJub25lIn0.{claims}."); // {"alg":"none"}
        let symmetric = format!("eyJhbGciOiJIUzI1NiJ9.{claims}.{signature}"); // {"alg":"HS256"}
        let long = "x".repeat(9000);
        let not_ours = "the API token's signature is wrong: this server did not issue it, or it was altered on its way";
        let malformed = "the bearer token is malformed: it is no API token (a JWT), no session and no agent token";
        for (presented, message) in [
            (strange.as_str(), not_ours),
            (symmetric.as_str(), not_ours),
            ("garbage", malformed),
            ("a.b.c", malformed),
            (&value[..value.len() - 10], not_ours),
            (&value[..value.len() - 90], malformed),
            (header, malformed),
            (long.as_str(), malformed),
        ] {
            let answer = present(&world, presented).await;
            assert_eq!(answer.status, 401, "{presented}");
            answer.assert_envelope();
            assert_eq!(answer.message(), message, "{presented}");
            assert_eq!(answer.headers["www-authenticate"], "Bearer realm=\"airlock\"");
            assert!(!answer.json.to_string().contains(&id), "a stranger learns that {id} exists");
        }
        assert_eq!(present(&world, &unsigned).await.status, 401);

        // A database that was restored from before the token was made.
        world.database.execute(&format!("DELETE FROM role_bindings WHERE holder_id = '{id}'")).await;
        world.database.execute(&format!("DELETE FROM api_tokens WHERE id = '{id}'")).await;
        let unknown = present(&world, &value).await;
        assert_eq!(unknown.status, 401);
        assert_eq!(
            unknown.message(),
            format!("the API token {id} is unknown; the database may have been restored from before it was made")
        );
    }

    /// One header `Authorization` with the scheme Bearer, whatever its case; nothing else.
    async fn the_bearer_comes_in_one_header(world) {
        let send = async |values: &[&str]| {
            let mut request = axum::http::Request::builder().uri("/v1/organizations");
            for value in values {
                request = request.header("authorization", *value);
            }
            world.send(request.body(axum::body::Body::empty()).expect("a request")).await
        };
        let good = format!("Bearer {}", world.owner);
        send(&[&good]).await.expect(200);
        send(&[&format!("bearer {}", world.owner)]).await.expect(200);
        let missing = "there is no bearer token; send the header Authorization: Bearer <token>";
        for (values, message) in [
            (&[][..], missing),
            (&[world.owner.as_str()], missing),
            (&["Bearer "], missing),
            (&["Basic b3duZXI6"], missing),
            (&[good.as_str(), good.as_str()], "there is more than one Authorization header"),
        ] {
            let answer = send(values).await;
            assert_eq!(answer.status, 401, "{values:?}");
            assert_eq!(answer.message(), message);
            assert!(answer.headers.contains_key("www-authenticate"));
        }
    }

    /// Name and description can be changed, the rest cannot; who made something is known by the
    /// new name.
    async fn update_changes_name_and_description(world) {
        let (id, value) = world.organization_token("ORGANIZATION_OWNER").await;
        let workspace = json!({"name": "by it"});
        world.call(Some(&value), "POST", &world.path("/workspaces"), &workspace).await.expect(200);
        let before = world.get(&one(&world, &id, "")).await.expect(200);
        world.clock.advance(1);
        let asked = json!({
            "name": "renamed", "description": "now with a text", "tokenExpiryPeriodInDays": 5, "role": "x", "id": "y",
        });
        let changed = world.post(&one(&world, &id, ""), asked).await.expect(200);
        let mut expected = before;
        expected["name"] = json!("renamed");
        expected["description"] = json!("now with a text");
        expected["updatedAt"] = json!("2026-01-01T00:00:01Z");
        assert_eq!(changed, expected);
        assert_eq!(world.get(&one(&world, &id, "")).await.expect(200), expected);
        let page = world.get(&world.path("/workspaces?names=by+it")).await.expect(200);
        assert_eq!(page["workspaces"][0]["createdBy"]["apiTokenName"], "renamed");

        let emptied = world.post(&one(&world, &id, ""), json!({"name": "renamed"})).await.expect(200);
        assert_eq!(emptied["description"], "");
        for (body, field) in [
            (json!({}), "name"),
            (json!({"name": "x".repeat(257)}), "name"),
            (json!({"name": "x", "description": "x".repeat(501)}), "description"),
        ] {
            let answer = world.post(&one(&world, &id, ""), body).await;
            assert_eq!(answer.fields(), [field]);
            answer.expect(400);
        }
    }
}

on_both! {
    /// The list given replaces all roles, acts on the next request, and comes back sorted by what
    /// it is on.
    async fn roles_are_replaced(world) {
        let (id, value) = world.organization_token("ORGANIZATION_MEMBER").await;
        let workspace = world.path(&format!("/workspaces/{}", world.workspace));
        world.call(Some(&value), "GET", &workspace, &Value::Null).await.expect(404);

        let roles = json!([
            {"role": "ORGANIZATION_BILLING_ADMIN", "entityType": "ORGANIZATION", "entityId": world.organization},
            {"role": "WORKSPACE_AUTHOR", "entityType": "WORKSPACE", "entityId": world.workspace},
            {"role": "DEPLOYMENT_ADMIN", "entityType": "DEPLOYMENT", "entityId": world.deployment},
            {"role": "DAG_VIEWER", "entityType": "DAG", "entityId": "etl", "deploymentId": world.deployment},
            {"role": "DAG_AUTHOR", "entityType": "DAG_TAG", "entityId": "finance", "deploymentId": world.deployment},
        ]);
        let path = one(&world, &id, "/roles");
        let answered = world.post(&path, json!({"roles": roles})).await.expect(200);
        assert_eq!(answered, json!({
            "organizationRole": "ORGANIZATION_BILLING_ADMIN",
            "workspaceRoles": [{"workspaceId": world.workspace, "role": "WORKSPACE_AUTHOR"}],
            "deploymentRoles": [{"deploymentId": world.deployment, "role": "DEPLOYMENT_ADMIN"}],
            "dagRoles": [
                {"deploymentId": world.deployment, "dagId": "etl", "role": "DAG_VIEWER"},
                {"deploymentId": world.deployment, "dagTag": "finance", "role": "DAG_AUTHOR"},
            ],
        }));
        assert_eq!(world.get(&one(&world, &id, "")).await.expect(200)["roles"], roles);
        world.call(Some(&value), "GET", &workspace, &Value::Null).await.expect(200);

        let back = json!([
            {"role": "ORGANIZATION_MEMBER", "entityType": "ORGANIZATION", "entityId": world.organization},
        ]);
        let answered = world.post(&path, json!({"roles": back})).await.expect(200);
        assert_eq!(answered, json!({
            "organizationRole": "ORGANIZATION_MEMBER", "workspaceRoles": [], "deploymentRoles": [], "dagRoles": [],
        }));
        world.call(Some(&value), "GET", &workspace, &Value::Null).await.expect(404);
    }

    /// Exactly one role is on the token's own thing, none is above it, and a Dag's role says in
    /// which Deployment.
    async fn roles_must_fit_the_token(world) {
        let organization = world.organization_token("ORGANIZATION_MEMBER").await.0;
        let workspace = world.workspace_token("WORKSPACE_MEMBER").await.0;
        let deployment = world.deployment_token("DEPLOYMENT_ADMIN").await.0;
        let other = world.new_deployment(&world.workspace.to_string(), false).await;
        let on = |role: &str, kind: &str, id: &str| json!({"role": role, "entityType": kind, "entityId": id});
        let own_organization = on("ORGANIZATION_MEMBER", "ORGANIZATION", world.organization.as_str());
        let own_workspace = on("WORKSPACE_MEMBER", "WORKSPACE", world.workspace.as_str());
        let own_deployment = on("DEPLOYMENT_ADMIN", "DEPLOYMENT", world.deployment.as_str());
        let other_deployment = on("DEPLOYMENT_ADMIN", "DEPLOYMENT", &other);
        let dag = on("DAG_VIEWER", "DAG", "etl");
        let tag = on("DAG_VIEWER", "DAG_TAG", "etl");
        let nowhere = on("WORKSPACE_MEMBER", "WORKSPACE", "cnowhere");
        let before = world.dump().await;
        for (token, roles, field) in [
            (&organization, json!([]), "roles"),
            (&organization, json!([own_workspace]), "roles"),
            (&organization, json!([own_organization, own_organization]), "roles"),
            (&organization, json!([own_organization, dag]), "roles[1].deploymentId"),
            (&organization, json!([own_organization, tag]), "roles[1].deploymentId"),
            (&organization, json!([own_organization, nowhere]), "roles[1].entityId"),
            (&organization, json!([own_organization, {"role": "", "entityType": "DAG", "entityId": "x"}]), "roles[1].role"),
            (&organization, json!([own_organization, {"role": "x", "entityType": "DAG"}]), "roles[1].entityId"),
            (&organization, json!([own_organization, on("x", "PLANET", "y")]), "roles[1].entityType"),
            (&organization, json!([on("NOBODY", "ORGANIZATION", world.organization.as_str())]), "roles[0].role"),
            (&organization, json!([own_organization, on("DEPLOYMENT_ADMIN", "WORKSPACE", world.workspace.as_str())]), "roles[1].role"),
            (&workspace, json!([own_workspace, own_organization]), "roles[1].entityType"),
            (&workspace, json!([own_deployment]), "roles"),
            (&deployment, json!([own_deployment, own_workspace]), "roles[1].entityType"),
            (&deployment, json!([own_deployment, own_organization]), "roles[1].entityType"),
            (&deployment, json!([other_deployment]), "roles"),
            (&deployment, json!("x"), "roles"),
            (&deployment, Value::Null, "roles"),
        ] {
            let answer = world.post(&one(&world, token, "/roles"), json!({"roles": roles})).await;
            assert_eq!(answer.status, 400, "{roles}: {}", answer.json);
            answer.assert_envelope();
            assert_eq!(answer.fields(), [field], "{roles}: {}", answer.json);
        }
        assert_eq!(world.dump().await, before);
        let fits = json!({"roles": [own_deployment, other_deployment]});
        world.post(&one(&world, &deployment, "/roles"), fits).await.expect(200);
    }

    /// Each caller sees the tokens that belong where it may look, and others are not there.
    async fn callers_see_the_tokens_within_their_reach(world) {
        let elsewhere = world.new_workspace("elsewhere").await;
        let far = world.new_deployment(&elsewhere, false).await;
        let mut ids = Vec::new();
        for (name, scope, entity, role) in [
            ("o", "ORGANIZATION", world.organization.as_str(), "ORGANIZATION_MEMBER"),
            ("w", "WORKSPACE", world.workspace.as_str(), "WORKSPACE_MEMBER"),
            ("d", "DEPLOYMENT", world.deployment.as_str(), "DEPLOYMENT_ADMIN"),
            ("far w", "WORKSPACE", &elsewhere, "WORKSPACE_MEMBER"),
            ("far d", "DEPLOYMENT", &far, "DEPLOYMENT_ADMIN"),
        ] {
            let body = json!({"name": name, "scope": scope, "entityId": entity, "role": role});
            ids.push((name, world.api_token(body).await.0));
        }
        let owner = world.workspace_token("WORKSPACE_OWNER").await.1;
        let admin = world.deployment_token("DEPLOYMENT_ADMIN").await.1;
        role(&world, "Looks", &["deployment.apiTokens.get"]).await;
        let looks = world.deployment_token("Looks").await.1;
        for (caller, seen) in [
            (&world.owner, &["DEPLOYMENT_ADMIN", "First owner", "Looks", "WORKSPACE_OWNER", "d", "far d", "far w", "o", "w"][..]),
            (&owner, &["DEPLOYMENT_ADMIN", "Looks", "WORKSPACE_OWNER", "d", "w"]),
            (&admin, &["DEPLOYMENT_ADMIN", "Looks", "d"]),
            (&looks, &["DEPLOYMENT_ADMIN", "Looks", "d"]),
        ] {
            let path = world.path("/tokens?sorts=name:asc");
            let page = world.call(Some(caller), "GET", &path, &Value::Null).await.expect(200);
            assert_eq!(names(&page), seen);
            assert_eq!(page["totalCount"], seen.len());
            for (name, id) in &ids {
                let status = if seen.contains(name) { 200 } else { 404 };
                world.call(Some(caller), "GET", &one(&world, id, ""), &Value::Null).await.expect(status);
            }
        }
        for role in ["ORGANIZATION_MEMBER", "ORGANIZATION_BILLING_ADMIN"] {
            let value = world.organization_token(role).await.1;
            let answer = world.call(Some(&value), "GET", &world.path("/tokens"), &Value::Null).await;
            assert_eq!(
                answer.message(),
                format!("{role} lacks the permission organization.apiTokens.access on this Organization")
            );
            answer.expect(403);
        }
    }

    /// What may be seen but not changed is 403, and says which permission is lacking.
    async fn seeing_is_not_changing(world) {
        role(&world, "Looks", &["deployment.apiTokens.get"]).await;
        let looks = world.deployment_token("Looks").await.1;
        let id = world.deployment_token("DEPLOYMENT_ADMIN").await.0;
        let own = json!([{"role": "Looks", "entityType": "DEPLOYMENT", "entityId": world.deployment}]);
        let before = world.dump().await;
        for (method, rest, body, verb) in [
            ("POST", "", json!({"name": "x"}), "update"),
            ("POST", "/roles", json!({"roles": own}), "update"),
            ("POST", "/rotate", Value::Null, "rotate"),
            ("DELETE", "", Value::Null, "delete"),
        ] {
            let answer = world.call(Some(&looks), method, &one(&world, &id, rest), &body).await;
            assert_eq!(
                answer.message(),
                format!("Looks lacks the permission deployment.apiTokens.{verb} on this Deployment")
            );
            answer.expect(403);
        }
        assert_eq!(world.dump().await, before);
    }

    /// Filters narrow by what a token has roles on, by kind and by scope; unknown ids narrow to
    /// nothing.
    async fn filters_narrow_the_list(world) {
        let elsewhere = world.new_workspace("elsewhere").await;
        let (mixed, _) = world.api_token(json!({
            "name": "mixed", "scope": "ORGANIZATION", "role": "ORGANIZATION_MEMBER",
        })).await;
        let roles = json!({"roles": [
            {"role": "ORGANIZATION_MEMBER", "entityType": "ORGANIZATION", "entityId": world.organization},
            {"role": "WORKSPACE_MEMBER", "entityType": "WORKSPACE", "entityId": elsewhere},
            {"role": "DAG_VIEWER", "entityType": "DAG", "entityId": "etl", "deploymentId": world.deployment},
            {"role": "DAG_VIEWER", "entityType": "DAG_TAG", "entityId": "finance", "deploymentId": world.deployment},
        ]});
        world.post(&one(&world, &mixed, "/roles"), roles).await.expect(200);
        world.api_token(json!({
            "name": "direct", "scope": "DEPLOYMENT", "entityId": world.deployment, "role": "DEPLOYMENT_ADMIN",
            "kind": "DIRECT_ACCESS",
        })).await;
        world.api_token(json!({
            "name": "workspace", "scope": "WORKSPACE", "entityId": world.workspace, "role": "WORKSPACE_MEMBER",
        })).await;
        for (query, expected) in [
            (format!("workspaceId={elsewhere}"), &["mixed"][..]),
            (format!("workspaceId={}", world.workspace), &["workspace"]),
            (format!("deploymentId={}", world.deployment), &["direct", "mixed"]),
            ("dagId=etl".into(), &["mixed"]),
            ("dagId=finance".into(), &[]),
            ("dagTags=sales&dagTags=finance".into(), &["mixed"]),
            ("dagTags=etl".into(), &[]),
            ("includeOnlyOrganizationTokens=true".into(), &["First owner", "mixed"]),
            ("includeOnlyOrganizationTokens=false".into(), &["First owner", "direct", "mixed", "workspace"]),
            ("kind=DIRECT_ACCESS".into(), &["direct"]),
            ("kind=STANDARD".into(), &["First owner", "mixed", "workspace"]),
            ("kind=&workspaceId=&deploymentId=&dagId=".into(), &["First owner", "direct", "mixed", "workspace"]),
            (format!("deploymentId={}&kind=STANDARD", world.deployment), &["mixed"]),
            ("workspaceId=cnowhere".into(), &[]),
            ("deploymentId=%2F".into(), &[]),
        ] {
            let page = world.get(&world.path(&format!("/tokens?sorts=name:asc&{query}"))).await.expect(200);
            assert_eq!(names(&page), expected, "{query}");
            assert_eq!(page["totalCount"], expected.len(), "{query}");
        }
        for (query, field) in [
            ("kind=OTHER", "kind"),
            ("includeOnlyOrganizationTokens=yes", "includeOnlyOrganizationTokens"),
            ("limit=1001", "limit"),
            ("sorts=createdById:asc", "sorts[0]"),
        ] {
            let answer = world.get(&world.path(&format!("/tokens?{query}"))).await;
            assert_eq!(answer.fields(), [field], "{query}");
            answer.expect(400);
        }
    }

    /// All 10 orders, several at once, ties broken by the id; pages neither overlap nor miss.
    async fn every_order_and_page(world) {
        for (name, description) in [("b", "2"), ("a", "1"), ("B", "1"), ("ä", ""), ("a", "2")] {
            world.clock.advance(1);
            create(&world, json!({
                "name": name, "description": description, "scope": "ORGANIZATION", "role": "ORGANIZATION_MEMBER",
            })).await;
        }
        let list = async |query: &str| world.get(&world.path(&format!("/tokens?{query}"))).await.expect(200);
        assert_eq!(names(&list("sorts=name:asc").await), ["B", "First owner", "a", "a", "b", "ä"]);
        assert_eq!(names(&list("").await), ["a", "ä", "B", "a", "b", "First owner"], "the newest first");
        for key in ["name", "description", "createdAt", "updatedAt", "tokenStartAt"] {
            for direction in ["asc", "desc"] {
                let whole = list(&format!("sorts={key}:{direction}")).await;
                let mut pages = Vec::new();
                for offset in 0..7 {
                    let mut page = list(&format!("sorts={key}:{direction}&limit=1&offset={offset}")).await;
                    assert_eq!((&page["totalCount"], &page["offset"], &page["limit"]), (&json!(6), &json!(offset), &json!(1)));
                    pages.append(page["tokens"].as_array_mut().expect("tokens"));
                }
                assert_eq!(json!(pages), whole["tokens"], "{key}:{direction}");
            }
        }
        let two = list("sorts=description:desc&sorts=name:asc&limit=3").await;
        assert_eq!(names(&two), ["First owner", "a", "b"]);
        assert_eq!(list("limit=0").await, json!({"tokens": [], "limit": 0, "offset": 0, "totalCount": 6}));
    }

    /// Use is written at most once a minute, and not on the request's path.
    async fn last_use_moves_by_the_minute(world) {
        let (id, value) = world.organization_token("ORGANIZATION_MEMBER").await;
        let last_used = async || world.get(&one(&world, &id, "")).await.expect(200)["lastUsedAt"].clone();
        let flushed = async || {
            world.app.flush().await.expect("flushed");
            last_used().await
        };
        assert_eq!(flushed().await, Value::Null);
        present(&world, &value).await.expect(200);
        assert_eq!(last_used().await, Value::Null, "written on the request's path");
        assert_eq!(flushed().await, "2026-01-01T00:00:00Z");
        world.clock.advance(59);
        present(&world, &value).await.expect(200);
        assert_eq!(flushed().await, "2026-01-01T00:00:00Z");
        world.clock.advance(1);
        assert_eq!(flushed().await, "2026-01-01T00:00:59Z");
        world.clock.advance(3600);
        assert_eq!(flushed().await, "2026-01-01T00:00:59Z", "without use nothing moves");
    }

    /// A refused value is not a use.
    async fn refusals_are_no_use(world) {
        let (id, value) = world.organization_token("ORGANIZATION_OWNER").await;
        let rotated = world.post(&one(&world, &id, "/rotate"), Value::Null).await.expect(200);
        present(&world, &value).await.expect(401);
        world.app.flush().await.expect("flushed");
        assert!(world.get(&one(&world, &id, "")).await.expect(200).get("lastUsedAt").is_none());
        present(&world, text(&rotated, "token")).await.expect(200);
        world.app.flush().await.expect("flushed");
        assert!(world.get(&one(&world, &id, "")).await.expect(200).get("lastUsedAt").is_some());
    }
}

on_both! {
    /// Nobody creates a token above or beside their own, nor one that may do more.
    async fn nobody_creates_more_than_they_hold(world) {
        let elsewhere = world.new_workspace("elsewhere").await;
        role(&world, "Maker", &["deployment.get", "deployment.apiTokens.get", "deployment.apiTokens.create"]).await;
        let owner = world.workspace_token("WORKSPACE_OWNER").await.1;
        let admin = world.deployment_token("DEPLOYMENT_ADMIN").await.1;
        let maker = world.deployment_token("Maker").await.1;
        let body = |scope: &str, id: &str, role: &str| json!({"name": "x", "scope": scope, "entityId": id, "role": role});
        let organization = body("ORGANIZATION", world.organization.as_str(), "ORGANIZATION_MEMBER");
        let accessor = body("WORKSPACE", world.workspace.as_str(), "WORKSPACE_ACCESSOR");
        let same_owner = body("WORKSPACE", world.workspace.as_str(), "WORKSPACE_OWNER");
        let same_admin = body("DEPLOYMENT", world.deployment.as_str(), "DEPLOYMENT_ADMIN");
        let same_maker = body("DEPLOYMENT", world.deployment.as_str(), "Maker");
        let path = world.path("/tokens");
        let before = world.dump().await;
        for (caller, body, message) in [
            (&owner, &organization, "WORKSPACE_OWNER lacks the permission organization.apiTokens.create on this Organization"),
            (&admin, &organization, "DEPLOYMENT_ADMIN lacks the permission organization.apiTokens.create on this Organization"),
            (&admin, &accessor, "DEPLOYMENT_ADMIN lacks the permission workspace.apiTokens.create on this Workspace"),
            (&maker, &accessor, "Maker lacks the permission workspace.apiTokens.create on this Workspace"),
            (&maker, &same_admin, "Maker may not give the role DEPLOYMENT_ADMIN away: it permits"),
        ] {
            let answer = world.call(Some(caller), "POST", &path, body).await;
            assert!(answer.message().starts_with(message), "{body}: {}", answer.message());
            answer.expect(403);
        }
        // What may not be seen is not there.
        for (caller, hidden) in [
            (&owner, body("WORKSPACE", &elsewhere, "WORKSPACE_MEMBER")),
            (&admin, body("WORKSPACE", &elsewhere, "WORKSPACE_MEMBER")),
        ] {
            let answer = world.call(Some(caller), "POST", &path, &hidden).await;
            let absent = body("WORKSPACE", "cnowhere", "WORKSPACE_MEMBER");
            let absent = world.call(Some(caller), "POST", &path, &absent).await;
            assert_eq!((answer.status, answer.message()), (400, absent.message()));
            assert_eq!(answer.fields(), ["entityId"]);
        }
        assert_eq!(world.dump().await, before);
        for (caller, body) in
            [(&owner, &same_owner), (&owner, &same_admin), (&admin, &same_admin), (&admin, &same_maker), (&maker, &same_maker)]
        {
            world.call(Some(caller), "POST", &path, body).await.expect(200);
        }
    }

    /// Nobody gives a token's roles more than they hold, not even to themselves.
    async fn nobody_gives_more_than_they_hold(world) {
        role(&world, "Changer", &["deployment.get", "deployment.apiTokens.get", "deployment.apiTokens.update"]).await;
        let (own, changer) = world.deployment_token("Changer").await;
        let (owner_id, owner) = world.workspace_token("WORKSPACE_OWNER").await;
        let before = world.dump().await;
        let admin = json!({"roles": [
            {"role": "DEPLOYMENT_ADMIN", "entityType": "DEPLOYMENT", "entityId": world.deployment},
        ]});
        let answer = world.call(Some(&changer), "POST", &one(&world, &own, "/roles"), &admin).await;
        assert!(answer.message().starts_with("Changer may not give the role DEPLOYMENT_ADMIN away"), "{}", answer.json);
        answer.expect(403);
        assert_eq!(world.dump().await, before);

        // Also what a role on something else would add.
        let organization = world.organization_token("ORGANIZATION_MEMBER").await.0;
        let more = json!({"roles": [
            {"role": "ORGANIZATION_OWNER", "entityType": "ORGANIZATION", "entityId": world.organization},
        ]});
        world.call(Some(&owner), "POST", &one(&world, &organization, "/roles"), &more).await.expect(404);
        let same = json!({"roles": [
            {"role": "WORKSPACE_OWNER", "entityType": "WORKSPACE", "entityId": world.workspace},
            {"role": "DEPLOYMENT_ADMIN", "entityType": "DEPLOYMENT", "entityId": world.deployment},
        ]});
        world.call(Some(&owner), "POST", &one(&world, &owner_id, "/roles"), &same).await.expect(200);
    }

    /// Only the role of a Dag is in a Deployment besides. Any other is on what it names, so what else it
    /// says is refused, unless that is the same.
    async fn a_role_is_on_what_it_names(world) {
        let elsewhere = world.new_workspace("elsewhere").await;
        let other = world.new_deployment(&elsewhere, false).await;
        let (id, admin) = world.deployment_token("DEPLOYMENT_ADMIN").await;
        let organization = world.organization_token("ORGANIZATION_MEMBER").await.0;
        let own = json!({"role": "DEPLOYMENT_ADMIN", "entityType": "DEPLOYMENT", "entityId": world.deployment});
        let member = json!({"role": "ORGANIZATION_MEMBER", "entityType": "ORGANIZATION", "entityId": world.organization});
        let author = json!({"role": "WORKSPACE_AUTHOR", "entityType": "WORKSPACE", "entityId": world.workspace});
        let within = |role: &Value, deployment: &str| {
            let mut role = role.clone();
            role["deploymentId"] = json!(deployment);
            role
        };
        let before = world.dump().await;
        for (caller, token, roles, field) in [
            (&admin, &id, json!([within(&own, &other)]), "roles[0].deploymentId"),
            (&world.owner, &id, json!([within(&own, &other)]), "roles[0].deploymentId"),
            (&world.owner, &organization, json!([within(&member, &other)]), "roles[0].deploymentId"),
            (&world.owner, &organization, json!([member, within(&author, &other)]), "roles[1].deploymentId"),
        ] {
            let answer = world.call(Some(caller), "POST", &one(&world, token, "/roles"), &json!({"roles": roles})).await;
            assert_eq!((answer.status, answer.fields()), (400, vec![field]), "{roles}: {}", answer.json);
            answer.assert_envelope();
        }
        assert_eq!(world.dump().await, before);

        let twice = json!({"roles": [within(&own, world.deployment.as_str())]});
        world.call(Some(&admin), "POST", &one(&world, &id, "/roles"), &twice).await.expect(200);
        assert_eq!(world.get(&one(&world, &id, "")).await.expect(200)["roles"], json!([own]));
    }

    /// The same for a role that is kept with more than it needs.
    async fn a_kept_role_is_on_what_it_names(world) {
        let elsewhere = world.new_workspace("elsewhere").await;
        let other = world.new_deployment(&elsewhere, false).await;
        let (id, value) = world.deployment_token("DEPLOYMENT_ADMIN").await;
        let sql = format!("UPDATE role_bindings SET deployment_id = '{other}' WHERE holder_id = '{id}'");
        world.database.execute(&sql).await;
        for (deployment, status) in [(world.deployment.as_str(), 200), (&other, 404)] {
            let path = world.path(&format!("/deployments/{deployment}"));
            world.call(Some(&value), "GET", &path, &Value::Null).await.expect(status);
        }
        let roles = world.get(&one(&world, &id, "")).await.expect(200)["roles"].clone();
        let own = json!({"role": "DEPLOYMENT_ADMIN", "entityType": "DEPLOYMENT", "entityId": world.deployment});
        assert_eq!(roles, json!([own]));
        let page = world.get(&world.path(&format!("/tokens?deploymentId={other}"))).await.expect(200);
        assert_eq!(page["totalCount"], 0, "{page}");
        world.post(&one(&world, &id, "/roles"), json!({"roles": roles})).await.expect(200);
    }

    /// A token's role on something else is given by whoever may create tokens there. A role that is kept
    /// asks for nothing.
    async fn a_role_elsewhere_is_given_by_who_manages_tokens_there(world) {
        let elsewhere = world.new_workspace("elsewhere").await;
        let far = world.new_deployment(&elsewhere, false).await;
        let on = |role: &str, kind: &str, id: &str| json!({"role": role, "entityType": kind, "entityId": id});
        let (owner_id, owner) = world.workspace_token("WORKSPACE_OWNER").await;
        let roles = json!({"roles": [
            on("WORKSPACE_OWNER", "WORKSPACE", world.workspace.as_str()),
            on("WORKSPACE_MEMBER", "WORKSPACE", &elsewhere),
            on("DEPLOYMENT_ADMIN", "DEPLOYMENT", &far),
        ]});
        world.post(&one(&world, &owner_id, "/roles"), roles).await.expect(200);
        let token = world.workspace_token("WORKSPACE_MEMBER").await.0;
        let own = on("WORKSPACE_MEMBER", "WORKSPACE", world.workspace.as_str());
        let give = async |caller: &str, role: &Value| {
            let roles = json!({"roles": [own, role]});
            world.call(Some(caller), "POST", &one(&world, &token, "/roles"), &roles).await
        };
        // As an Admin of one Deployment it holds much there, but not in the whole Workspace.
        for role in ["WORKSPACE_MEMBER", "WORKSPACE_AUTHOR"] {
            let before = world.dump().await;
            let answer = give(&owner, &on(role, "WORKSPACE", &elsewhere)).await;
            assert_eq!(
                answer.message(),
                "WORKSPACE_OWNER lacks the permission workspace.apiTokens.create on this Workspace"
            );
            answer.expect(403);
            assert_eq!(world.dump().await, before);
        }
        give(&owner, &on("DEPLOYMENT_ADMIN", "DEPLOYMENT", &far)).await.expect(200);
        let member = on("WORKSPACE_MEMBER", "WORKSPACE", &elsewhere);
        give(&world.owner, &member).await.expect(200);
        give(&owner, &member).await.expect(200);
    }

    /// A custom role that may not be used there any more stays with its token until it is taken, and
    /// stands in no other role's way.
    async fn a_role_that_is_of_no_use_any_more_is_kept_or_taken(world) {
        let elsewhere = world.new_workspace("elsewhere").await;
        let role = role(&world, "Roamer", &["deployment.get"]).await;
        let (id, value) = world.deployment_token("DEPLOYMENT_ADMIN").await;
        let admin = json!({"role": "DEPLOYMENT_ADMIN", "entityType": "DEPLOYMENT", "entityId": world.deployment});
        let other = world.new_deployment(&world.workspace.to_string(), false).await;
        let roamer = json!({"role": "Roamer", "entityType": "DEPLOYMENT", "entityId": other});
        let viewer =
            json!({"role": "DAG_VIEWER", "entityType": "DAG", "entityId": "etl", "deploymentId": world.deployment});
        let path = one(&world, &id, "/roles");
        world.post(&path, json!({"roles": [admin, roamer]})).await.expect(200);
        let restrict = json!({"name": "Roamer", "permissions": ["deployment.get"], "restrictedWorkspaceIds": [elsewhere]});
        world.post(&world.path(&format!("/roles/{role}")), restrict).await.expect(200);

        world.post(&path, json!({"roles": [admin, roamer, viewer]})).await.expect(200);
        let there = world.path(&format!("/deployments/{other}"));
        world.call(Some(&value), "GET", &there, &Value::Null).await.expect(404);
        world.post(&path, json!({"roles": [admin]})).await.expect(200);
        let again = world.post(&path, json!({"roles": [admin, roamer]})).await;
        assert_eq!((again.status, again.fields()), (400, vec!["roles[1].role"]), "{}", again.json);
    }

    /// A role on something that the caller may not see is answered as one on something that is not
    /// there.
    async fn roles_tell_nothing_of_hidden_things(world) {
        let elsewhere = world.new_workspace("elsewhere").await;
        let hidden = world.new_deployment(&elsewhere, false).await;
        let (id, owner) = world.workspace_token("WORKSPACE_OWNER").await;
        let ask = async |role: &str, kind: &str, entity: &str| {
            let body = json!({"roles": [
                {"role": "WORKSPACE_OWNER", "entityType": "WORKSPACE", "entityId": world.workspace},
                {"role": role, "entityType": kind, "entityId": entity},
            ]});
            world.call(Some(&owner), "POST", &one(&world, &id, "/roles"), &body).await
        };
        for (role, kind, entity) in
            [("WORKSPACE_MEMBER", "WORKSPACE", &elsewhere), ("DEPLOYMENT_ADMIN", "DEPLOYMENT", &hidden)]
        {
            let (hidden, absent) = (ask(role, kind, entity).await, ask(role, kind, "cnowhere").await);
            assert_eq!((absent.status, absent.fields()), (400, vec!["roles[1].entityId"]));
            assert_eq!((hidden.status, hidden.message()), (absent.status, absent.message()), "{kind}");
        }
    }

    /// Whoever rotates gets the value, so may not get more with it than they hold.
    async fn nobody_rotates_more_than_they_hold(world) {
        role(&world, "Rotator", &["deployment.get", "deployment.apiTokens.get", "deployment.apiTokens.rotate"]).await;
        let rotator = world.deployment_token("Rotator").await.1;
        let admin = world.deployment_token("DEPLOYMENT_ADMIN").await.0;
        let answer = world.call(Some(&rotator), "POST", &one(&world, &admin, "/rotate"), &Value::Null).await;
        assert!(answer.message().starts_with("Rotator may not give the role DEPLOYMENT_ADMIN away"), "{}", answer.json);
        answer.expect(403);
        let equal = world.deployment_token("Rotator").await.0;
        world.call(Some(&rotator), "POST", &one(&world, &equal, "/rotate"), &Value::Null).await.expect(200);
    }

    /// The same holds for a DIRECT_ACCESS token whose role may not be used there any more: what it
    /// permits was fixed.
    async fn nobody_rotates_fixed_permissions_that_they_lack(world) {
        let elsewhere = world.new_workspace("elsewhere").await;
        let all = ["deployment.get", "deployment.update", "deployment.delete"];
        let strong = role(&world, "Strong", &all).await;
        role(&world, "Rotator", &["deployment.get", "deployment.apiTokens.get", "deployment.apiTokens.rotate"]).await;
        let rotator = world.deployment_token("Rotator").await.1;
        let (direct, value) = world.api_token(json!({
            "name": "direct", "scope": "DEPLOYMENT", "entityId": world.deployment, "role": "Strong",
            "kind": "DIRECT_ACCESS",
        })).await;
        let restrict = json!({"name": "Strong", "permissions": all, "restrictedWorkspaceIds": [elsewhere]});
        world.post(&world.path(&format!("/roles/{strong}")), restrict).await.expect(200);
        let deployment = world.path(&format!("/deployments/{}", world.deployment));
        let still = world.call(Some(&value), "GET", &deployment, &Value::Null).await.status == 200;
        let answer = world.call(Some(&rotator), "POST", &one(&world, &direct, "/rotate"), &Value::Null).await;
        assert_eq!(answer.status, if still { 403 } else { 200 }, "Rotator got a value that may delete the Deployment");
    }

    /// A DIRECT_ACCESS token keeps what its role permitted when it was made; a STANDARD one follows
    /// its role. The API refuses such a change, so the database's administrator makes it.
    async fn direct_access_keeps_its_permissions(world) {
        let id = role(&world, "Agents", &["deployment.get", "deployment.agentTokens.get"]).await;
        let token = |kind: &str| json!({
            "name": kind, "scope": "DEPLOYMENT", "entityId": world.deployment, "role": "Agents", "kind": kind,
        });
        let direct = create(&world, token("DIRECT_ACCESS")).await;
        assert_eq!(direct["kind"], "DIRECT_ACCESS");
        let standard = world.api_token(token("STANDARD")).await.1;
        let sql = format!(r#"UPDATE roles SET permissions = '["deployment.get"]' WHERE id = '{id}'"#);
        world.database.execute(&sql).await;
        let list = world.agent_tokens("");
        world.call(Some(text(&direct, "token")), "GET", &list, &Value::Null).await.expect(200);
        let answer = world.call(Some(&standard), "GET", &list, &Value::Null).await;
        assert_eq!(
            answer.message(),
            "STANDARD lacks the permission deployment.agentTokens.get on this Deployment"
        );
        answer.expect(403);

        // Rotation, and giving it the roles that it has, keep what was fixed.
        let id = text(&direct, "id");
        let roles = json!({"roles": direct["roles"]});
        world.post(&one(&world, id, "/roles"), roles).await.expect(200);
        let rotated = world.post(&one(&world, id, "/rotate"), Value::Null).await.expect(200);
        world.call(Some(text(&rotated, "token")), "GET", &list, &Value::Null).await.expect(200);
    }

    /// A token of another Organization is not there.
    async fn another_organization_does_not_know_the_token(world) {
        let stranger = world.second_organization().await;
        let id = world.organization_token("ORGANIZATION_MEMBER").await.0;
        let theirs = format!("/v1/organizations/{}/tokens", stranger.organization);
        let call = async |method: &str, path: &str| world.call(Some(&stranger.owner), method, path, &Value::Null).await;
        assert_eq!(call("GET", &theirs).await.expect(200)["totalCount"], 1);
        for method in ["GET", "DELETE"] {
            call(method, &format!("{theirs}/{id}")).await.expect(404);
            call(method, &one(&world, &id, "")).await.expect(404);
        }
        world.get(&one(&world, &id, "")).await.expect(200);
    }
}
