//! `/forward-auth/{deploymentId}`

use std::net::SocketAddr;

use airlock_core::address::Ranges;
use airlock_server::Settings;
use airlock_tests::{Answer, Database, World, on_both};
use axum::{body::Body, extract::ConnectInfo, http::Request};
use serde_json::{Value, json};

fn door(world: &World) -> String {
    format!("/forward-auth/{}", world.deployment)
}

async fn ask(world: &World, token: &str) -> Answer {
    world.call(Some(token), "GET", &door(world), &Value::Null).await
}

/// What a yes says of the token.
fn about(answer: &Answer) -> Vec<(&str, &str)> {
    let mut about: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with("x-airlock-"))
        .map(|(name, value)| (name.as_str(), value.to_str().expect("visible ASCII")))
        .collect();
    about.sort_unstable();
    about
}

/// A no, which says nothing of any token in its headers.
#[track_caller]
fn assert_no(answer: &Answer, status: u16, message: &str) {
    assert_eq!((answer.status, answer.message()), (status, message), "{}", answer.json);
    answer.assert_envelope();
    assert!(about(answer).is_empty());
    assert_eq!(answer.headers.contains_key("www-authenticate"), status == 401);
}

/// Asks from an address, through proxies.
async fn ask_from(world: &World, token: &str, peer: &str, forwarded_for: &[&str]) -> Answer {
    let peer: SocketAddr = format!("{peer}:4711").parse().expect("an address");
    let mut request = Request::get(door(world)).header("authorization", format!("Bearer {token}"));
    for value in forwarded_for {
        request = request.header("x-forwarded-for", *value);
    }
    world.send(request.extension(ConnectInfo(peer)).body(Body::empty()).expect("a request")).await
}

/// Sets the Deployment's remote execution.
async fn set_remote(world: &World, remote: Value) {
    let path = world.path(&format!("/deployments/{}", world.deployment));
    let mut body = world.get(&path).await.expect(200);
    body["remoteExecution"] = remote;
    let keys = [
        "name",
        "workspaceId",
        "type",
        "executor",
        "isCicdEnforced",
        "isDagDeployEnabled",
        "isHighAvailability",
        "defaultTaskPodCpu",
        "defaultTaskPodMemory",
        "resourceQuotaCpu",
        "resourceQuotaMemory",
        "schedulerSize",
        "remoteExecution",
    ];
    let kept: serde_json::Map<String, Value> =
        keys.iter().filter_map(|key| Some(((*key).to_owned(), body.get(*key)?.clone()))).collect();
    let mut body = Value::Object(kept);
    body["environmentVariables"] = json!([]);
    world.post(&path, body).await.expect(200);
}

async fn refusals(world: &World) -> Vec<Value> {
    world.audit_log().await.into_iter().filter(|record| record["outcome"] == "REFUSED").collect()
}

on_both! {
    /// A good token opens its Deployment, and the answer says whose request it is.
    async fn a_good_token_goes_through(world) {
        let (id, value) = world.agent_token("edge 1").await;
        let answer = ask(&world, &value).await;
        assert_eq!((answer.status, answer.bytes.len()), (200, 0));
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert_eq!(about(&answer), [
            ("x-airlock-deployment-id", world.deployment.as_str()),
            ("x-airlock-organization-id", world.organization.as_str()),
            ("x-airlock-token-id", id.as_str()),
            ("x-airlock-token-name", "edge%201"),
        ]);
        world.clock.advance(61);
        ask(&world, &value).await;
        world.app.flush().await.expect("flushed");
        let record = world.get(&world.agent_tokens(&format!("/{id}"))).await.expect(200);
        assert_eq!(record["lastUsedAt"], "2026-01-01T00:01:01Z");
    }

    /// Proxies ask with any method, and some append the path of the request.
    async fn any_method_and_any_path_below(world) {
        let (_, value) = world.agent_token("x").await;
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "BREW"] {
            for rest in ["", "/", "/a", "/a/b?c=d", "//", "/../x", "/%ff%00", "?x=y", "/%2e%2e/"] {
                let path = door(&world) + rest;
                let answer = world.call(Some(&value), method, &path, &Value::Null).await;
                assert_eq!((answer.status, about(&answer).len()), (200, 4), "{method} {path}");
                let answer = world.call(None, method, &path, &Value::Null).await;
                assert_eq!(answer.status, 401, "{method} {path}");
            }
        }
        // What the client's own API has for headers is nothing to us.
        let request = Request::get(door(&world)).header("authorization", format!("Bearer {value}"));
        let request = request.header("x-api-version", "2026-05").body(Body::empty()).expect("a request");
        assert_eq!(world.send(request).await.status, 200);
        for path in ["/forward-auth", "/forward-auth/", "/forward-auth//x"] {
            let status = world.call(Some(&value), "GET", path, &Value::Null).await.status;
            assert!([403, 404].contains(&status), "{path}: {status}");
        }
    }

    /// A name goes into a header as visible ASCII that can be read back.
    async fn names_are_written_as_visible_ascii(world) {
        for (name, header) in [
            ("plain-name_1.2~(x)", "plain-name_1.2~(x)"),
            ("ü in Köln", "%C3%BC%20in%20K%C3%B6ln"),
            ("100%", "100%25"),
            ("a%20b", "a%2520b"),
            ("日本", "%E6%97%A5%E6%9C%AC"),
        ] {
            let (_, value) = world.agent_token(name).await;
            let answer = ask(&world, &value).await;
            assert_eq!(answer.headers["x-airlock-token-name"], header);
            let read = percent_encoding::percent_decode_str(header).decode_utf8().expect("UTF-8");
            assert_eq!(read, name);
        }
    }

    /// Without a good token: 401, and why, to whoever has a value that is ours.
    async fn without_a_good_token_is_401(world) {
        let (id, value) = world.agent_token("x").await;
        let made = world.post(&world.agent_tokens(""), json!({"name": "y", "tokenExpiryPeriodInDays": 1})).await.expect(200);
        let ending = made["token"].as_str().expect("a value");
        assert_eq!(ask(&world, &value).await.status, 200);
        assert_eq!(ask(&world, ending).await.status, 200);

        let missing = "there is no bearer token; send the header Authorization: Bearer <token>";
        assert_no(&world.call(None, "GET", &door(&world), &Value::Null).await, 401, missing);
        assert_no(&ask(&world, "").await, 401, missing);
        assert_no(&ask(&world, &world.owner).await, 401, "the bearer token is no agent token");
        let malformed = "the agent token is malformed: its checksum is wrong, so it was cut off or mistyped";
        assert_no(&ask(&world, &value[..value.len() - 1]).await, 401, malformed);
        let request = Request::get(door(&world)).header("authorization", format!("Bearer {value}"));
        let twice = request.header("authorization", format!("Bearer {value}")).body(Body::empty());
        assert_no(&world.send(twice.expect("a request")).await, 401, "there is more than one Authorization header");

        world.delete(&world.agent_tokens(&format!("/{id}"))).await.expect(204);
        let deleted = format!("the agent token {id} was deleted at 2026-01-01T00:00:00Z");
        assert_no(&ask(&world, &value).await, 401, &deleted);
        world.clock.advance(86_400);
        let expired = format!("the agent token {} expired at 2026-01-02T00:00:00Z", made["id"].as_str().expect("an id"));
        assert_no(&ask(&world, ending).await, 401, &expired);
    }

    /// A good token of another Deployment, and any token at a Deployment that is none: 403.
    async fn another_deployment_is_403(world) {
        let (id, value) = world.agent_token("x").await;
        let other = world.new_deployment(world.workspace.as_str(), true).await;
        let stranger = world.second_organization().await;
        let message = format!("the agent token {id} opens another Deployment");
        for deployment in [other.as_str(), stranger.deployment.as_str(), "cnowhere", "%2e%2e", world.organization.as_str()] {
            for rest in ["", "/x", &format!("/../{}", world.deployment), &format!("/../../forward-auth/{}", world.deployment)] {
                let path = format!("/forward-auth/{deployment}{rest}");
                assert_no(&world.call(Some(&value), "GET", &path, &Value::Null).await, 403, &message);
            }
        }
        assert_eq!(ask(&world, &value).await.status, 200);
        // The stranger's Organization hears who knocked at its Deployment.
        world.app.flush().await.expect("flushed");
        let path = format!("/v1/organizations/{}/audit-logs", stranger.organization);
        let log = world.call(Some(&stranger.owner), "GET", &path, &Value::Null).await;
        let mut text = String::new();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&log.bytes[..]), &mut text).expect("gzip");
        assert!(text.contains("ForwardAuth") && text.contains(&id), "{text}");
    }

    /// A Deployment that is deleted, or takes no agents any more, opens to nobody.
    async fn a_closed_deployment_opens_to_nobody(world) {
        let (id, value) = world.agent_token("x").await;
        set_remote(&world, json!({"enabled": false})).await;
        let off = format!("the agent token {id} opens a Deployment that has remote execution off");
        assert_no(&ask(&world, &value).await, 403, &off);
        set_remote(&world, json!({"enabled": true})).await;
        assert_eq!(ask(&world, &value).await.status, 200);
        world.delete(&world.path(&format!("/deployments/{}", world.deployment))).await.expect(204);
        assert_eq!(ask(&world, &value).await.status, 401);
    }

    /// The Deployment's address ranges count, and change at once.
    async fn the_deployments_address_ranges_count(world) {
        let (id, value) = world.agent_token("x").await;
        assert_eq!(ask_from(&world, &value, "203.0.113.7", &[]).await.status, 200);
        set_remote(&world, json!({"enabled": true, "allowedIpAddressRanges": ["203.0.113.0/24", "2001:db8::/32"]})).await;
        let outside = format!("the agent token {id} comes from an address outside of the Deployment's allowedIpAddressRanges");
        assert_eq!(ask_from(&world, &value, "203.0.113.7", &[]).await.status, 200);
        assert_eq!(ask_from(&world, &value, "[2001:db8::1]", &[]).await.status, 200);
        assert_no(&ask_from(&world, &value, "198.51.100.1", &[]).await, 403, &outside);
        // Nobody is believed who was not named as a proxy; and who has no address is nowhere.
        assert_no(&ask_from(&world, &value, "198.51.100.1", &["203.0.113.7"]).await, 403, &outside);
        assert_eq!(ask_from(&world, &value, "203.0.113.7", &["198.51.100.1"]).await.status, 200);
        let nowhere = Request::get(door(&world)).header("authorization", format!("Bearer {value}"));
        assert_no(&world.send(nowhere.body(Body::empty()).expect("a request")).await, 403, &outside);
        set_remote(&world, json!({"enabled": true})).await;
        assert_eq!(ask_from(&world, &value, "198.51.100.1", &[]).await.status, 200);
    }

    /// Every refusal is in the audit log, with the token where one is known, and without the path
    /// that was asked about.
    async fn refusals_are_audited(world) {
        let (id, value) = world.agent_token("x").await;
        world.delete(&world.agent_tokens(&format!("/{id}"))).await.expect(204);
        for _ in 0..3 {
            world.call(Some(&value), "PUT", &(door(&world) + "/private/path"), &Value::Null).await.expect(401);
        }
        world.clock.advance(1); // records sort by time
        ask(&world, "nonsense").await.expect(401);
        let log = refusals(&world).await;
        let seen: Vec<_> = log.iter().map(|record| json!([
            record["operationId"], record["method"], record["path"], record["statusCode"], record["entityType"],
            record["entityId"], record["reason"], record["occurrences"], record["organizationId"], record["subjectId"],
        ])).collect();
        assert_eq!(json!(seen), json!([
            ["ForwardAuth", "PUT", door(&world), 401, "agentToken", id,
             format!("the agent token {id} was deleted at 2026-01-01T00:00:00Z"), 3, world.organization, null],
            ["ForwardAuth", "GET", door(&world), 401, null, null,
             "the bearer token is no agent token", 1, world.organization, null],
        ]));
    }

    /// A deleted token is refused at the next request, and so is one that its holder has revoked.
    async fn a_deleted_token_is_refused_at_the_next_request(world) {
        for n in 0..20 {
            let (id, value) = world.agent_token(&format!("t{n}")).await;
            assert_eq!(ask(&world, &value).await.status, 200);
            if n % 2 == 0 {
                world.delete(&world.agent_tokens(&format!("/{id}"))).await.expect(204);
            } else {
                let form = Request::post("/oauth2/revoke").header("content-type", "application/x-www-form-urlencoded");
                world.send(form.body(Body::from(format!("token={value}"))).expect("a request")).await;
            }
            assert_eq!(ask(&world, &value).await.status, 401, "{n}");
        }
    }
}

/// `X-Forwarded-For` counts from the proxies that the operator named.
#[tokio::test]
async fn a_trusted_proxy_says_where_a_request_comes_from() {
    let trusted_proxies = Ranges::parse(["10.0.0.0/8"]).expect("ranges");
    let settings = Settings { trusted_proxies, ..Settings::default() };
    let world = World::with_settings(Database::sqlite(), settings).await;
    let (_, value) = world.agent_token("x").await;
    set_remote(&world, json!({"enabled": true, "allowedIpAddressRanges": ["203.0.113.0/24"]})).await;
    for (peer, forwarded_for, status) in [
        ("10.0.0.1", &["203.0.113.7"][..], 200),
        ("10.0.0.1", &["198.51.100.1, 203.0.113.7, 10.0.0.2"], 200),
        ("10.0.0.1", &["203.0.113.7, 198.51.100.1"], 403),
        ("10.0.0.1", &["203.0.113.7", "198.51.100.1"], 403),
        ("10.0.0.1", &[], 403),
        ("10.0.0.1", &["203.0.113.7, "], 403),
        ("198.51.100.1", &["203.0.113.7"], 403),
        ("203.0.113.7", &[], 200),
    ] {
        let answer = ask_from(&world, &value, peer, forwarded_for).await;
        assert_eq!(answer.status, status, "{peer} {forwarded_for:?}: {}", answer.json);
    }
    // The audit log has the client's address, not the proxy's.
    let log = refusals(&world).await;
    assert!(log.iter().any(|record| record["sourceIp"] == "198.51.100.1"), "{log:?}");
}

/// When the server cannot look, the answer is not yes.
#[tokio::test]
async fn a_fault_of_ours_is_no_yes() {
    let world = World::new(Database::sqlite()).await;
    let (_, value) = world.agent_token("x").await;
    let world = world.restarted().await; // nothing is in memory
    world.database.execute("ALTER TABLE agent_tokens RENAME TO gone; ALTER TABLE deployments RENAME TO gone_too").await;
    let answer = ask(&world, &value).await;
    assert_eq!(answer.status, 500, "{}", answer.json);
    assert!(about(&answer).is_empty());
}
