//! `/oauth2/introspect` and `/oauth2/revoke`

use airlock_tests::{Answer, Database, World, on_both};
use axum::{
    body::Body,
    http::{Request, header},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::future::join_all;
use serde_json::{Value, json};

const FORM: &str = "application/x-www-form-urlencoded";
const INTROSPECT: &str = "/oauth2/introspect";
const REVOKE: &str = "/oauth2/revoke";

async fn post_form(world: &World, authorization: Option<&str>, path: &str, kind: &str, form: &str) -> Answer {
    let mut request = Request::post(path).header(header::CONTENT_TYPE, kind);
    if let Some(authorization) = authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    let answer = world.send(request.body(Body::from(form.to_owned())).expect("a request")).await;
    assert_eq!(answer.headers["cache-control"], "no-store", "{path}: {}", answer.json);
    answer
}

/// What introspection says to the holder of an API token about a value.
async fn introspect(world: &World, caller: &str, value: &str) -> Value {
    let bearer = format!("Bearer {caller}");
    let answer = post_form(world, Some(&bearer), INTROSPECT, FORM, &format!("token={value}")).await;
    assert_eq!((answer.status, answer.headers["content-type"].as_bytes()), (200, &b"application/json"[..]));
    answer.json
}

async fn is_active(world: &World, value: &str) -> bool {
    let answer = introspect(world, &world.owner, value).await;
    if answer["active"] == false {
        assert_eq!(answer, json!({"active": false}), "nothing is told of a token that is not good");
    }
    answer["active"] == true
}

async fn revoke(world: &World, value: &str) -> Answer {
    post_form(world, None, REVOKE, FORM, &format!("token={value}")).await
}

/// An error of RFC 6749.
#[track_caller]
fn assert_error(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.json["error"].as_str()), (status, Some(code)), "{}", answer.json);
    let description = answer.json["error_description"].as_str().expect("a description");
    assert!(!description.is_empty() && description.bytes().all(|b| (b' '..=b'~').contains(&b)), "{description}");
    assert_eq!(answer.headers["content-type"], "application/json");
}

fn challenges(answer: &Answer) -> Vec<&str> {
    answer.headers.get_all("www-authenticate").iter().map(|value| value.to_str().expect("text")).collect()
}

/// The base64 of a client's id and secret, as RFC 7617 wants it.
fn basic(client: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{client}:{secret}")))
}

on_both! {
    /// All that RFC 7662 names, as far as there is such a thing here, and what we add.
    async fn an_agent_token_is_described(world) {
        world.clock.advance(90);
        let body = json!({"name": "edge ü", "tokenExpiryPeriodInDays": 1, "agentName": "w1"});
        let made = world.post(&world.agent_tokens(""), body).await.expect(200);
        world.clock.advance(90);
        let answer = introspect(&world, &world.owner, made["token"].as_str().expect("a value")).await;
        let id = made["id"].as_str().expect("an id");
        assert_eq!(answer, json!({
            "active": true, "token_type": "Bearer", "client_id": id, "sub": id, "iss": "http://127.0.0.1:8888",
            "aud": format!("http://127.0.0.1:8888/d/{}", world.deployment), "iat": 1_767_225_690, "exp": 1_767_312_090,
            "jti": format!("{id}.1"), "token_kind": "agent_token", "token_name": "edge ü",
            "organization_id": world.organization, "deployment_id": world.deployment, "agent_name": "w1",
        }));
        let used = world.app.flush().await;
        used.expect("flushed");
        let record = world.get(&world.agent_tokens(&format!("/{id}"))).await.expect(200);
        assert_eq!(record["lastUsedAt"], "2026-01-01T00:03:00Z", "whoever asks does so for a request that came with it");
    }

    /// An API token says of itself what its claims say; a Deployment's token is not taken for an
    /// agent's.
    async fn an_api_token_is_described(world) {
        let (id, value) = world.deployment_token("DEPLOYMENT_ADMIN").await;
        let answer = introspect(&world, &world.owner, &value).await;
        let jti = answer["jti"].as_str().expect("a name of the value").to_owned();
        assert_eq!(jti.len(), 32);
        assert_eq!(answer, json!({
            "active": true, "token_type": "Bearer", "client_id": id, "sub": id, "iss": "http://127.0.0.1:8888",
            "aud": "http://127.0.0.1:8888", "iat": 1_767_225_600, "jti": jti, "token_kind": "api_token",
            "token_name": "DEPLOYMENT_ADMIN", "organization_id": world.organization,
        }));
        let rotated = world.post(&world.path(&format!("/tokens/{id}/rotate")), Value::Null).await.expect(200);
        assert!(!is_active(&world, &value).await, "the old value");
        let new = introspect(&world, &world.owner, rotated["token"].as_str().expect("a value")).await;
        assert_ne!(new["jti"], jti.as_str());
    }

    /// What is not good is not active, whatever is wrong with it.
    async fn what_is_not_good_is_not_active(world) {
        let (id, deleted) = world.agent_token("x").await;
        let ending = json!({"name": "y", "tokenExpiryPeriodInDays": 1});
        let ending = world.post(&world.agent_tokens(""), ending).await.expect(200);
        let ending = ending["token"].as_str().expect("a value");
        let ending_api = json!({"name": "z", "role": "ORGANIZATION_MEMBER", "scope": "ORGANIZATION", "tokenExpiryPeriodInDays": 1});
        let (_, ending_api) = world.api_token(ending_api).await;
        let (_, other) = world.agent_token("z").await;
        for good in [&deleted, ending, &ending_api, &other] {
            assert!(is_active(&world, good).await);
        }
        world.delete(&world.agent_tokens(&format!("/{id}"))).await.expect(204);
        assert!(!is_active(&world, &deleted).await);
        world.clock.advance(86_399);
        assert!(is_active(&world, ending).await && is_active(&world, &ending_api).await);
        world.clock.advance(1);
        assert!(!is_active(&world, ending).await && !is_active(&world, &ending_api).await);
        for nonsense in ["agt_", "x", "a.b.c", &deleted.replace(&id, "cnobody00000000000000000a"), &other[..other.len() - 1]] {
            assert!(!is_active(&world, nonsense).await, "{nonsense}");
        }
        assert!(is_active(&world, &other).await);
    }

    /// A caller learns of the tokens that it could get by the API, and of no others.
    async fn a_caller_learns_what_it_could_get(world) {
        let stranger = world.second_organization().await;
        let (_, agent) = world.agent_token("x").await;
        let (_, owner) = world.workspace_token("WORKSPACE_OWNER").await;
        let (_, member) = world.organization_token("ORGANIZATION_MEMBER").await;
        let (_, admin) = world.deployment_token("DEPLOYMENT_ADMIN").await;
        let elsewhere = world.new_workspace("elsewhere").await;
        let elsewhere = json!({"name": "e", "role": "WORKSPACE_OWNER", "scope": "WORKSPACE", "entityId": elsewhere});
        let (_, elsewhere) = world.api_token(elsewhere).await;

        let callers = [("first owner", &world.owner), ("owner", &owner), ("member", &member), ("admin", &admin),
            ("elsewhere", &elsewhere), ("stranger", &stranger.owner)];
        let subjects = callers.iter().copied().chain([("agent", &agent)]);
        let mut table = String::new();
        for (subject, value) in subjects {
            let mut line = format!("{subject}:");
            for (caller, token) in callers {
                if introspect(&world, token, value).await["active"] == true {
                    line = line + " [" + caller + "]";
                }
            }
            table = table + &line + "\n";
        }
        assert_eq!(table, "\
            first owner: [first owner]\n\
            owner: [first owner] [owner]\n\
            member: [first owner] [member]\n\
            admin: [first owner] [owner] [admin]\n\
            elsewhere: [first owner] [elsewhere]\n\
            stranger: [stranger]\n\
            agent: [first owner] [owner] [admin]\n");

        // Who asked about what it may not know of is in the log of its own Organization.
        let log = world.audit_log().await;
        let probes: Vec<_> = log.iter().filter(|record| record["operationId"] == "IntrospectToken").collect();
        assert!(probes.iter().all(|record| record["outcome"] == "REFUSED" && record["statusCode"] == 200), "{probes:?}");
        let of = |name: &str| probes.iter().filter(|record| record["subjectName"] == name).count();
        assert!(of("ORGANIZATION_MEMBER") > 0 && of("e") > 0 && of("First owner") == 1, "{probes:?}");
    }

    /// Who asks shows an API token, as a bearer or as a client's secret.
    async fn who_asks_is_known(world) {
        let (id, caller) = world.organization_token("ORGANIZATION_OWNER").await;
        let (other, _) = world.organization_token("ORGANIZATION_OWNER").await;
        let (_, agent) = world.agent_token("x").await;
        let form = format!("token={agent}&token_type_hint=access_token");
        for good in [format!("Bearer {caller}"), format!("bearer {caller}"), basic(&id, &caller)] {
            let answer = post_form(&world, Some(&good), INTROSPECT, FORM, &form).await;
            assert_eq!((answer.status, &answer.json["active"]), (200, &json!(true)), "{good}");
        }
        let encoded = basic(&id, &caller.replace('.', "%2E").replace('-', "%2D"));
        assert_eq!(post_form(&world, Some(&encoded), INTROSPECT, FORM, &form).await.json["active"], true);
        let plain_bearer = "Bearer realm=\"airlock\"";
        let bad_bearer = "Bearer realm=\"airlock\", error=\"invalid_token\"";
        let plain_basic = "Basic realm=\"airlock\"";
        for (bad, code, bearer) in [
            (None, "invalid_token", plain_bearer),
            (Some(format!("Bearer {agent}")), "invalid_token", bad_bearer),
            (Some(format!("Bearer x{caller}")), "invalid_token", bad_bearer),
            (Some("Digest x".to_owned()), "invalid_token", bad_bearer),
            (Some(basic(&other, &caller)), "invalid_client", plain_bearer),
            (Some(basic("", &caller)), "invalid_client", plain_bearer),
            (Some(basic(&id, "")), "invalid_client", plain_bearer),
            (Some(basic(&id, &agent)), "invalid_client", plain_bearer),
            (Some("Basic ???".to_owned()), "invalid_client", plain_bearer),
            (Some("Basic ".to_owned()), "invalid_client", plain_bearer),
        ] {
            let answer = post_form(&world, bad.as_deref(), INTROSPECT, FORM, &form).await;
            assert_error(&answer, 401, code);
            assert_eq!(challenges(&answer), [bearer, plain_basic], "{bad:?}");
        }
        world.delete(&world.path(&format!("/tokens/{id}"))).await.expect(204);
        assert_error(&post_form(&world, Some(&basic(&id, &caller)), INTROSPECT, FORM, &form).await, 401, "invalid_client");
    }

    /// What is wrong with a form is told in the words of RFC 6749.
    async fn bad_forms(world) {
        let bearer = format!("Bearer {}", world.owner);
        for (path, authorization) in [(INTROSPECT, Some(bearer.as_str())), (REVOKE, None)] {
            for (kind, form) in [
                (FORM, ""), (FORM, "token="), (FORM, "token"), (FORM, "toke=x"), (FORM, "token=x&token=y"),
                ("application/json", "{\"token\": \"x\"}"), ("text/plain", "token=x"), ("", "token=x"),
            ] {
                assert_error(&post_form(&world, authorization, path, kind, form).await, 400, "invalid_request");
            }
            let huge = format!("token={}", "x".repeat(2 << 20));
            assert_error(&post_form(&world, authorization, path, FORM, &huge).await, 413, "invalid_request");
            for good in ["token=%00", "token=%ff%fe", "a=b&token=x&token_type_hint=nonsense&c=d", "token=&token=x"] {
                let kind = "Application/X-www-form-urlencoded; charset=utf-8";
                let answer = post_form(&world, authorization, path, kind, good).await;
                assert_eq!((answer.status, answer.json["active"].as_bool().unwrap_or_default()), (200, false), "{good}");
            }
            assert_eq!(world.call(authorization, "GET", path, &Value::Null).await.status, 405);
        }
    }

    /// Whoever has an agent token ends it; the audit log says that the token did so itself.
    async fn an_agent_token_is_revoked_by_its_holder(world) {
        let (id, value) = world.agent_token("leaked ü").await;
        let (_, other) = world.agent_token("another").await;
        assert!(is_active(&world, &value).await);
        let request = Request::post(REVOKE)
            .header("content-type", FORM)
            .header("x-request-id", "of-the-finder")
            .body(Body::from(format!("token={value}&token_type_hint=refresh_token")))
            .expect("a request");
        let answer = world.send(request).await;
        assert_eq!((answer.status, answer.bytes.len()), (200, 0));
        assert!(!is_active(&world, &value).await);
        assert!(is_active(&world, &other).await);
        world.get(&world.agent_tokens(&format!("/{id}"))).await.expect(404);
        let refused = world.call(Some(&value), "GET", "/v1/organizations", &Value::Null).await;
        assert_eq!(refused.expect(401)["message"], format!("the agent token {id} was deleted at 2026-01-01T00:00:00Z"));
        let log = world.audit_log().await;
        let record = log.iter().find(|record| record["operationId"] == "RevokeToken").expect("a record");
        assert_eq!(*record, json!({
            "id": record["id"], "timestamp": "2026-01-01T00:00:00Z", "outcome": "CHANGED",
            "organizationId": world.organization, "subjectId": id, "subjectType": "SERVICEKEY",
            "subjectName": "leaked ü", "operationId": "RevokeToken", "method": "POST", "path": REVOKE,
            "entityType": "agentToken", "entityId": id, "statusCode": 200, "occurrences": 1,
            "requestId": "of-the-finder",
        }));
    }

    /// So does whoever has an API token: not even a session that is remembered outlives it.
    async fn an_api_token_is_revoked_by_its_holder(world) {
        let (id, value) = world.organization_token("ORGANIZATION_MEMBER").await;
        world.call(Some(&value), "GET", "/v1/organizations", &Value::Null).await.expect(200);
        assert_eq!(revoke(&world, &value).await.status, 200);
        let refused = world.call(Some(&value), "GET", "/v1/organizations", &Value::Null).await.expect(401);
        assert_eq!(refused["message"], format!("the API token {id} was deleted at 2026-01-01T00:00:00Z"));
        world.get(&world.path(&format!("/tokens/{id}"))).await.expect(404);
        let log = world.audit_log().await;
        let record = log.iter().find(|record| record["operationId"] == "RevokeToken").expect("a record");
        assert_eq!((&record["subjectId"], &record["entityType"], &record["entityId"]), (&json!(id), &json!("apiToken"), &json!(id)));
    }

    /// What is not good needs no revocation: the answer is the same, and nothing is changed.
    async fn what_is_not_good_is_not_revoked(world) {
        let (id, deleted) = world.agent_token("x").await;
        let (_, good) = world.agent_token("y").await;
        world.delete(&world.agent_tokens(&format!("/{id}"))).await.expect(204);
        let (rotated, old) = world.organization_token("ORGANIZATION_MEMBER").await;
        let new = world.post(&world.path(&format!("/tokens/{rotated}/rotate")), Value::Null).await.expect(200);
        let (log, before) = (world.audit_log().await, world.dump().await);
        let mut altered = good.clone();
        altered.replace_range(good.len() - 10..=good.len() - 10, if &good[good.len() - 10..=good.len() - 10] == "x" { "y" } else { "x" });
        for value in [&deleted, &old, &altered, "x", "agt_x", "a.b.c", &forge(&id), &forge("cnobody00000000000000000a")] {
            let answer = revoke(&world, value).await;
            assert_eq!((answer.status, answer.bytes.len()), (200, 0), "{value}");
        }
        assert_eq!(world.dump().await, before);
        assert_eq!(world.audit_log().await, log);
        assert!(is_active(&world, &good).await && is_active(&world, new["token"].as_str().expect("a value")).await);
    }

    /// A token whose end has come is ended for good: a clock can be set back.
    async fn an_expired_token_is_revoked_too(world) {
        let made = world.post(&world.agent_tokens(""), json!({"name": "x", "tokenExpiryPeriodInDays": 1})).await.expect(200);
        let value = made["token"].as_str().expect("a value");
        world.clock.advance(2 * 86_400);
        assert_eq!(revoke(&world, value).await.status, 200);
        world.clock.advance(-86_400 * 2);
        assert!(!is_active(&world, value).await);
    }

    /// Even the last Owner's: a leaked token must not stay good because nobody else is there.
    async fn the_last_owners_token_is_revoked(world) {
        assert_eq!(revoke(&world, &world.owner).await.status, 200);
        world.get("/v1/organizations").await.expect(401);
    }

    /// Of many who revoke at the same time one makes the change, and all are answered alike.
    async fn many_revoke_at_the_same_time(world) {
        let (_, value) = world.agent_token("x").await;
        let answers = join_all((0..8).map(|_| revoke(&world, &value))).await;
        assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
        let log = world.audit_log().await;
        assert_eq!(log.iter().filter(|record| record["operationId"] == "RevokeToken").count(), 1);
        assert!(!is_active(&world, &value).await);
    }

    /// Once a revocation is answered, the token is not good at any request that starts later.
    async fn a_revoked_token_is_never_good_again(world) {
        for n in 0..20 {
            let (_, value) = world.agent_token(&format!("t{n}")).await;
            assert!(is_active(&world, &value).await);
            revoke(&world, &value).await;
            assert!(!is_active(&world, &value).await, "{n}");
        }
    }
}

/// A value of the right form, with a secret that is none.
fn forge(id: &str) -> String {
    let text = format!("agt_{id}_{}", "A".repeat(86));
    let mut rest = crc32fast::hash(text.as_bytes());
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut checksum = [b'0'; 6];
    for place in checksum.iter_mut().rev() {
        *place = digits[(rest % 62) as usize];
        rest /= 62;
    }
    text + std::str::from_utf8(&checksum).expect("base 62")
}

/// When nobody can say or write, the holder is told to try again: the token may still be good.
#[tokio::test]
async fn a_fault_of_ours_is_503() {
    let world = World::new(Database::sqlite()).await;
    let (_, value) = world.agent_token("x").await;
    world.database.execute("ALTER TABLE audit_log RENAME TO gone").await;
    let answer = revoke(&world, &value).await;
    assert_error(&answer, 503, "temporarily_unavailable");
    assert_eq!(answer.headers["retry-after"], "1");
    assert!(is_active(&world, &value).await, "without its record in the audit log nothing changes");
    world.database.execute("ALTER TABLE gone RENAME TO audit_log").await;
    assert_eq!(revoke(&world, &value).await.status, 200);
    assert!(!is_active(&world, &value).await);
}
