//! `/v1/organizations/{organizationId}/allowed-ip-address-ranges`

use airlock_server::{AllowedRanges, Settings};
use airlock_tests::{Answer, Database, Site, World, on_both};
use axum::{body::Body, extract::ConnectInfo, http::Request};
use serde_json::{Value, json};

/// Where the Owner calls from, unless a test says otherwise.
const HERE: &str = "127.0.0.1";

/// Where nobody is let in from, in these tests.
const OUTSIDE: &str = "198.51.100.7";

const RANGES: &str = "/allowed-ip-address-ranges";

async fn allow(world: &World, range: &str) -> Answer {
    world.post(&world.path(RANGES), json!({"ipAddressRange": range})).await
}

/// Allows ranges, of which one must hold the caller: their ids.
async fn allow_all(world: &World, ranges: &[&str]) -> Vec<String> {
    let path = world.path(&format!("{RANGES}/bulk-create"));
    let made = world.post(&path, json!({"allowedIpAddressRanges": ranges})).await.expect(200);
    let made = made["allowedIpAddressRanges"].as_array().expect("a list");
    assert_eq!(made.iter().map(|one| &one["ipAddressRange"]).collect::<Vec<_>>(), ranges, "in order, as they came");
    made.iter().map(|one| one["id"].as_str().expect("an id").to_owned()).collect()
}

async fn remove_all(world: &World, ids: &[String]) -> Answer {
    world.post(&world.path(&format!("{RANGES}/bulk-delete")), json!({"allowedIpAddressRangeIds": ids})).await
}

/// All ranges, as they are listed.
async fn listed(world: &World, query: &str) -> Vec<String> {
    let page = world.get(&world.path(&format!("{RANGES}?{query}"))).await.expect(200);
    let ranges = page["allowedIpAddressRanges"].as_array().expect("a list");
    ranges.iter().map(|one| one["ipAddressRange"].as_str().expect("a range").to_owned()).collect()
}

/// The Owner gets the Organization, from an address.
async fn get_from(world: &World, address: &str) -> Answer {
    world.call_from(address, Some(&world.owner), "GET", &world.path(""), &Value::Null).await
}

async fn introspect_from(world: &World, address: &str) -> Answer {
    let peer: std::net::SocketAddr = format!("{address}:4711").parse().expect("an address");
    let request = Request::post("/oauth2/introspect").extension(ConnectInfo(peer));
    let request = request
        .header("authorization", format!("Bearer {}", world.owner))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(format!("token={}", world.owner)));
    world.send(request.expect("a request")).await
}

on_both! {
    /// What is allowed is answered as it was given, listed in any order, and told of the
    /// Organization.
    async fn a_range_has_a_life(world) {
        let organization = world.get(&world.path("")).await.expect(200);
        assert_eq!(organization["hasAllowedIpAddressRanges"], false);
        let made = allow(&world, "127.0.0.7/8").await.expect(200);
        assert_eq!(made["ipAddressRange"], "127.0.0.7/8");
        assert_eq!(made["organizationId"], json!(world.organization));
        assert_eq!(made["createdBy"], made["updatedBy"]);
        assert_eq!(made["createdBy"]["apiTokenName"], "First owner");
        allow_all(&world, &["10.0.0.0/8", "9.9.9.9/32", "2001:db8::/32", "::ffff:192.0.2.0/120"]).await;
        assert_eq!(
            listed(&world, "sorts=ipAddress:asc").await,
            ["9.9.9.9/32", "10.0.0.0/8", "127.0.0.7/8", "::ffff:192.0.2.0/120", "2001:db8::/32"],
            "as addresses sort, not as texts"
        );
        assert_eq!(listed(&world, "sorts=ipAddress:desc&limit=1&offset=1").await, ["::ffff:192.0.2.0/120"]);
        let organization = world.get(&world.path("")).await.expect(200);
        assert_eq!(organization["hasAllowedIpAddressRanges"], true);

        let path = world.path(&format!("{RANGES}/{}", made["id"].as_str().expect("an id")));
        allow(&world, "127.0.0.1/32").await.expect(200);
        world.delete(&path).await.expect(204);
        world.delete(&path).await.expect(404);
        assert_eq!(listed(&world, "").await.len(), 5);
    }

    /// The first range must hold the caller's address, alone or among others.
    async fn the_first_range_lets_its_maker_in(world) {
        for range in ["203.0.113.0/24", "::/0", "127.0.0.2/32"] {
            let answer = allow(&world, range).await;
            assert_eq!(answer.fields(), ["ipAddressRange"]);
            assert!(answer.message().contains("does not hold 127.0.0.1"), "{}", answer.message());
            answer.expect(400);
        }
        let path = world.path(&format!("{RANGES}/bulk-create"));
        let answer = world.post(&path, json!({"allowedIpAddressRanges": ["203.0.113.0/24", "::/0"]})).await;
        assert_eq!(answer.fields(), ["allowedIpAddressRanges"]);
        answer.expect(400);
        assert_eq!(listed(&world, "").await.len(), 0);
        // Who comes from nowhere cannot be in a range.
        let body = json!({"ipAddressRange": "127.0.0.0/8"}).to_string();
        let request = Request::post(world.path(RANGES)).header("authorization", format!("Bearer {}", world.owner));
        let request = request.header("content-type", "application/json").body(Body::from(body));
        world.send(request.expect("a request")).await.expect(400);

        allow_all(&world, &["203.0.113.0/24", "127.0.0.0/8"]).await;
        allow(&world, "192.0.2.0/24").await.expect(200);
    }

    /// From outside nothing is answered: not by the API below any prefix, nor by introspection,
    /// forward authentication and the gate. The refusal says why, and is in the audit log.
    async fn nobody_is_let_in_from_elsewhere(world) {
        let site = Site::with_secret(&world).await;
        let (worker, _, task_token) = site.running(&world, "edge-1", "dag", airlock_tests::site::TASK).await;
        let ids = allow_all(&world, &["127.0.0.0/8", "203.0.113.0/24"]).await;
        let why = format!(
            "this request comes from {OUTSIDE}, which is in none of the Organization's allowed IP address ranges; send \
             it from an address that is, or have this one allowed"
        );

        for prefix in ["/v1", "/v1/v1", "/platform/v1beta1"] {
            for path in [format!("/organizations/{}", world.organization), "/organizations".into()] {
                let path = format!("{prefix}{path}");
                let call = async |from| world.call_from(from, Some(&world.owner), "GET", &path, &Value::Null).await;
                assert_eq!((call(OUTSIDE).await.status, call(OUTSIDE).await.message()), (403, why.as_str()), "{path}");
                call("203.0.113.255").await.expect(200);
            }
        }
        let member = world.organization_token("ORGANIZATION_MEMBER").await.1;
        world.call_from(OUTSIDE, Some(&member), "GET", &world.path("/roles"), &Value::Null).await.expect(403);
        let post = json!({"name": "x"});
        world.call_from(OUTSIDE, Some(&world.owner), "POST", &world.path("/workspaces"), &post).await.expect(403);

        let refused = introspect_from(&world, OUTSIDE).await.expect_own(401);
        assert!(refused["error_description"].as_str().is_some_and(|text| text.contains(OUTSIDE)), "{refused}");
        assert_eq!(introspect_from(&world, HERE).await.expect_own(200)["active"], true);

        let door = format!("/forward-auth/{}", site.deployment);
        let ask = async |from| world.call_from(from, Some(&worker.token), "GET", &door, &Value::Null).await;
        assert_eq!((ask(OUTSIDE).await.status, ask(OUTSIDE).await.message()), (403, why.as_str()));
        assert_eq!(ask(HERE).await.status, 200);

        let heartbeat = async |from: &str| {
            let peer: std::net::SocketAddr = format!("{from}:4711").parse().expect("an address");
            let request = worker.request(&world, "PATCH", "worker/edge-1").extension(ConnectInfo(peer));
            let request = request.header("content-type", "application/json");
            world.send(request.body(Body::from(worker.state("idle").to_string())).expect("a request")).await
        };
        assert_eq!(heartbeat(OUTSIDE).await.expect_own(403)["detail"], why);
        heartbeat(HERE).await.expect_own(200);

        let run = format!("/d/{}/execution/task-instances/{}/run", site.deployment, airlock_tests::site::TASK);
        let task = async |from| world.call_from(from, Some(&task_token), "PATCH", &run, &json!({})).await;
        let refused = task(OUTSIDE).await.expect_own(403);
        assert_eq!((&refused["detail"]["reason"], &refused["detail"]["message"]), (&json!("address_not_allowed"), &json!(why)));
        task(HERE).await.expect_own(200);

        let log = world.audit_log().await;
        let refused: Vec<_> = log.iter().filter(|entry| entry["reason"] == why.as_str()).collect();
        for operation in ["GetOrganization", "ListRoles", "IntrospectToken", "ForwardAuth", "GateHeartbeat", "GateExecution"] {
            let entry = refused.iter().find(|entry| entry["operationId"] == operation).unwrap_or_else(|| panic!("{operation}"));
            assert_eq!((&entry["sourceIp"], &entry["outcome"]), (&json!(OUTSIDE), &json!("REFUSED")));
            assert_eq!(entry["organizationId"], json!(world.organization));
        }
        // What is open to all stays so, and a token can be ended from everywhere.
        for path in ["/.well-known/jwks.json", "/spec/v1.0"] {
            world.call_from(OUTSIDE, None, "GET", path, &Value::Null).await.expect_own(200);
        }
        // Without ranges everybody is let in again, at once.
        remove_all(&world, &ids).await.expect(204);
        assert_eq!(get_from(&world, OUTSIDE).await.status, 200);
        heartbeat(OUTSIDE).await.expect_own(200);
    }

    /// Ranges bind those of their own Organization, and can be reached by nobody else.
    async fn another_organization_is_not_touched(world) {
        let stranger = world.second_organization().await;
        let ids = allow_all(&world, &["127.0.0.0/8"]).await;
        let theirs = format!("/v1/organizations/{}", stranger.organization);
        let call = async |method, path: &str, body: Value| {
            world.call_from(OUTSIDE, Some(&stranger.owner), method, &format!("{theirs}{path}"), &body).await
        };
        call("GET", "", Value::Null).await.expect(200);
        assert_eq!(call("GET", RANGES, Value::Null).await.expect(200)["totalCount"], 0);
        call("DELETE", &format!("{RANGES}/{}", ids[0]), Value::Null).await.expect(404);
        call("POST", &format!("{RANGES}/bulk-delete"), json!({"allowedIpAddressRangeIds": ids})).await.expect(204);
        assert_eq!(listed(&world, "").await, ["127.0.0.0/8"]);
    }

    /// A range is allowed once, however it is spelt; several are allowed together or not at all.
    async fn ranges_are_allowed_once_and_all_or_none(world) {
        allow_all(&world, &["127.0.0.0/8", "10.0.0.0/8"]).await;
        let before = world.dump().await;
        for same in ["10.0.0.0/8", "10.1.2.3/8", "::ffff:10.0.0.0/104"] {
            assert_eq!(allow(&world, same).await.fields(), ["ipAddressRange"], "{same}");
            allow(&world, same).await.expect(400);
        }
        let bulk = async |ranges: Value| {
            world.post(&world.path(&format!("{RANGES}/bulk-create")), json!({"allowedIpAddressRanges": ranges})).await
        };
        let conflict = bulk(json!(["192.0.2.0/24", "10.9.9.9/8", "203.0.113.0/24"])).await;
        assert!(conflict.message().contains("10.9.9.9/8. Nothing was changed"), "{}", conflict.message());
        conflict.expect(409);
        let twice = bulk(json!(["192.0.2.0/24", "192.0.2.1/24"])).await;
        assert_eq!(twice.fields(), ["allowedIpAddressRanges[1]"]);
        twice.expect(400);
        let bad = bulk(json!(["192.0.2.0/24", "192.0.2.0/33"])).await;
        assert_eq!(bad.fields(), ["allowedIpAddressRanges"]);
        bad.expect(400);
        bulk(json!([])).await.expect(400);
        for bad in ["192.0.2.1", "192.0.2.0/33", "everywhere", "", "10.0.0.0/8 ", "\u{0}/8"] {
            assert_eq!(allow(&world, bad).await.fields(), ["ipAddressRange"], "{bad:?}");
        }
        let many: Vec<String> = (0..999).map(|n| format!("10.{}.{}.0/24", n / 256, n % 256)).collect();
        let full = bulk(json!(many)).await;
        assert!(full.message().contains("can have 1000"), "{}", full.message());
        full.expect(400);
        assert_eq!(world.dump().await, before);
        bulk(json!(many[..998])).await.expect(200);
        assert_eq!(get_from(&world, "10.3.229.200").await.status, 200);
        assert_eq!(get_from(&world, OUTSIDE).await.status, 403);
    }

    /// Whoever removes the last range that lets them in would be locked out, and is refused; not so
    /// when no range is left, or another one lets them in.
    async fn nobody_locks_themselves_out(world) {
        let ids = allow_all(&world, &["127.0.0.0/8", "10.0.0.0/8", "127.0.0.1/32"]).await;
        let one = |at: usize| world.path(&format!("{RANGES}/{}", ids[at]));
        let before = world.dump().await;
        let refused = remove_all(&world, &[ids[0].clone(), ids[2].clone()]).await;
        assert!(refused.message().contains("no other range holds 127.0.0.1"), "{}", refused.message());
        refused.expect(400);
        assert_eq!(world.dump().await, before);

        world.delete(&one(0)).await.expect(204);
        world.delete(&one(2)).await.expect(400);
        // Ids that are not there, or are there twice, are passed over.
        let odd = [ids[1].clone(), ids[1].clone(), ids[0].clone(), "cnowhere".into()];
        remove_all(&world, &odd).await.expect(204);
        assert_eq!(listed(&world, "").await, ["127.0.0.1/32"]);
        world.delete(&one(2)).await.expect(204);
        assert_eq!(get_from(&world, OUTSIDE).await.status, 200);
    }

    /// The Terraform provider lists below `/iam/v1beta1`, and changes below `/labs/v1`.
    async fn terraform_changes_ranges_below_labs(world) {
        let labs = format!("/labs/v1/organizations/{}{RANGES}", world.organization);
        let iam = format!("/iam/v1beta1/organizations/{}{RANGES}?limit=1000&offset=0", world.organization);
        let cidrs = json!(["127.0.0.0/8", "203.0.113.0/24"]);
        let made = world.post(&labs, json!({"allowedIpAddressRanges": cidrs})).await;
        assert_eq!(made.headers["content-type"], "application/json");
        let ids: Vec<Value> = made.expect(200)["allowedIpAddressRanges"].as_array().expect("a list")
            .iter().map(|one| one["id"].clone()).collect();
        world.post(&labs, json!({"allowedIpAddressRanges": cidrs})).await.expect(409);
        let page = world.get(&iam).await.expect(200);
        assert_eq!((&page["totalCount"], &page["limit"]), (&json!(2), &json!(1000)));
        let body = json!({"allowedIpAddressRangeIds": ids[1..]});
        world.call(Some(&world.owner), "DELETE", &labs, &body).await.expect(204);
        assert_eq!(listed(&world, "").await, ["127.0.0.0/8"]);
        world.get(&labs).await.expect(405);
        let log = world.audit_log().await;
        let entry = log.iter().find(|entry| entry["operationId"] == "BulkDeleteAllowedIpAddressRanges");
        let entry = entry.expect("a record");
        assert_eq!((&entry["path"], &entry["method"]), (&json!(labs), &json!("DELETE")));
    }
}

/// The operator can let people lock themselves out, and can let those in who are.
#[tokio::test]
async fn the_operator_can_lift_the_guard() {
    let mode = async |allowed_ranges| {
        let settings = Settings { allowed_ranges, ..Settings::default() };
        World::with_settings(Database::sqlite(), settings).await
    };
    let world = mode(AllowedRanges::Unguarded).await;
    let ids = allow_all(&world, &["127.0.0.0/8", "10.0.0.0/8"]).await;
    remove_all(&world, &ids[..1]).await.expect(204);
    assert_eq!(get_from(&world, HERE).await.status, 403);
    assert_eq!(get_from(&world, "10.0.0.1").await.status, 200);
    allow(&world, "127.0.0.0/8").await.expect(403);

    let world = mode(AllowedRanges::Ignored).await;
    allow_all(&world, &["127.0.0.0/8"]).await;
    assert_eq!(get_from(&world, OUTSIDE).await.status, 200);
    assert_eq!(introspect_from(&world, OUTSIDE).await.status, 200);
    let ranges = world.path(&format!("{RANGES}/bulk-create"));
    let body = json!({"allowedIpAddressRanges": ["198.51.100.0/24"]});
    world.call_from(OUTSIDE, Some(&world.owner), "POST", &ranges, &body).await.expect(200);
}

/// What one replica has answered holds at the next request to another, which has it in memory.
#[tokio::test]
async fn replicas_follow_at_once() {
    let Some(database) = Database::postgres().await else { return };
    let world = World::new(database).await;
    let other = world.replica().await;
    for _ in 0..5 {
        assert_eq!(get_from(&other, OUTSIDE).await.status, 200);
        let ids = allow_all(&world, &["127.0.0.0/8"]).await;
        assert_eq!(get_from(&other, OUTSIDE).await.status, 403);
        assert_eq!(get_from(&other, HERE).await.status, 200);
        remove_all(&world, &ids).await.expect(204);
    }
}
