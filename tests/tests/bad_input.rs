//! What is wrong with a request is said in the API's envelope and words, whatever is sent.

use airlock_tests::{Answer, World, on_both};
use axum::{body::Body, http::Request};
use serde_json::{Value, json};

/// The largest body, in bytes.
const LARGEST: usize = 1 << 20;

/// The Owner posts bytes as they are, with a content type or none.
async fn post_bytes(world: &World, path: &str, kind: Option<&str>, body: impl Into<Body>) -> Answer {
    let mut request = Request::post(path).header("authorization", format!("Bearer {}", world.owner));
    if let Some(kind) = kind {
        request = request.header("content-type", kind);
    }
    world.send(request.body(body.into()).expect("a request")).await
}

/// The Owner gets, with one more header.
async fn get_with(world: &World, path: &str, name: &str, value: &[u8]) -> Answer {
    let value = axum::http::HeaderValue::from_bytes(value).expect("a header's value");
    let request = Request::get(path).header("authorization", format!("Bearer {}", world.owner)).header(name, value);
    world.send(request.body(Body::empty()).expect("a request")).await
}

/// What is wrong with the server's answers, row by row, so that a table is seen as a whole.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    /// Holds an answer against a refusal that names exactly one field.
    fn unless_it_names(&mut self, answer: &Answer, field: &str, what: &str) {
        if (answer.status, answer.fields()) != (400, vec![field]) {
            let body = String::from_utf8_lossy(&answer.bytes);
            return self.0.push(format!("{what}: {}, should name {field}: {body}", answer.status));
        }
        answer.assert_envelope();
        for error in answer.json["fieldErrors"].as_array().into_iter().flatten() {
            let (code, message) = (error["code"].as_str(), error["message"].as_str().unwrap_or_default());
            // People read this; they do not know how the server is written.
            let is_inside = ["u32", "i64", "struct ", "enum ", "variant"].iter().any(|word| message.contains(word));
            if code.is_none_or(str::is_empty) || message.is_empty() || is_inside {
                self.0.push(format!("{what}: {error}"));
            }
        }
    }

    /// Holds an answer against a status, in the envelope.
    fn unless_it_is(&mut self, answer: &Answer, status: u16, what: &str) {
        let has_envelope = answer.json["statusCode"] == status;
        if answer.status != status || !has_envelope {
            let body = String::from_utf8_lossy(&answer.bytes);
            self.0.push(format!("{what}: {}, should be {status} in the envelope: {body}", answer.status));
        }
    }

    #[track_caller]
    fn assert_none(self) {
        assert!(self.0.is_empty(), "{} faults:\n{}", self.0.len(), self.0.join("\n"));
    }
}

on_both! {
    /// Bodies that are no JSON object are refused as a whole.
    async fn bodies_that_are_no_object(world) {
        let mut faults = Faults::default();
        let path = world.path("/workspaces");
        let before = world.dump().await;
        let nested = |depth: usize| format!(r#"{{"name": "x", "extra": {}1{}}}"#, "[".repeat(depth), "]".repeat(depth));
        for (body, what) in [
            (Vec::new(), "nothing"),
            (b" \n".to_vec(), "white space"),
            (b"null".to_vec(), "null"),
            (b"7".to_vec(), "a number"),
            (br#""name""#.to_vec(), "a text"),
            (br#"[{"name": "x"}]"#.to_vec(), "an array"),
            (b"name=x".to_vec(), "a form"),
            (br#"{"name": "x""#.to_vec(), "half an object"),
            (br#"{"name": "x"} {"name": "y"}"#.to_vec(), "two objects"),
            (br#"{name: "x"}"#.to_vec(), "JavaScript"),
            (br#"{"name": "x",}"#.to_vec(), "a comma too many"),
            (b"{\"name\": \"a\nb\"}".to_vec(), "a raw control character"),
            (b"{\"name\": \"\xff\xfe\"}".to_vec(), "no UTF-8"),
            (b"\xef\xbb\xbf{\"name\": \"x\"}".to_vec(), "a byte order mark"),
            (b"\xff\xfe{\0\"\0}\0".to_vec(), "UTF-16"),
            (br#"{"name": "\ud800"}"#.to_vec(), "half a surrogate pair"),
            (br#"{"name": "x", "n": 1e999}"#.to_vec(), "a number that is none"),
            (nested(200).into_bytes(), "deep nesting"),
            (nested(400_000).into_bytes(), "very deep nesting"),
            ("[".repeat(LARGEST).into_bytes(), "nothing but nesting"),
            ("{\"a\":".repeat(LARGEST / 5).into_bytes(), "nested objects without end"),
        ] {
            let answer = post_bytes(&world, &path, Some("application/json"), body).await;
            faults.unless_it_names(&answer, "body", what);
        }
        assert_eq!(world.dump().await, before);
        faults.assert_none();
    }

    /// Up to 1 MiB is read, and not a byte more.
    async fn bodies_that_are_too_large(world) {
        let path = world.path("/workspaces");
        let padded = |size: usize| {
            let mut body = br#"{"name": "x"}"#.to_vec();
            body.resize(size, b' ');
            body
        };
        post_bytes(&world, &path, Some("application/json"), padded(LARGEST)).await.expect(200);
        for size in [LARGEST + 1, 8 * LARGEST] {
            let answer = post_bytes(&world, &path, Some("application/json"), padded(size)).await;
            assert_eq!(answer.status, 413, "{size}");
            answer.assert_envelope();
            assert_eq!(answer.message(), "the body is larger than 1048576 bytes");
        }
        assert_eq!(world.get(&path).await.expect(200)["totalCount"], 2);
    }

    /// Fields that the API does not know are ignored, at every depth; so is a body where none is
    /// expected.
    async fn unknown_fields_are_ignored(world) {
        let made = world.post(&world.path("/deployments"), json!({
            "name": "x", "workspaceId": world.workspace, "unknown": {"deep": [1, null]}, "Name": 7,
            "remoteExecution": {"enabled": true, "unknown": 1},
            "environmentVariables": [{"key": "A", "value": "b", "isSecret": false, "updatedAt": "yesterday"}],
        })).await.expect(200);
        assert!(made.get("unknown").is_none());
        let (id, _) = world.organization_token("ORGANIZATION_MEMBER").await;
        let rotate = world.path(&format!("/tokens/{id}/rotate"));
        for body in ["{}", "null", "nonsense", "[["] {
            post_bytes(&world, &rotate, Some("application/json"), body).await.expect(200);
        }
        post_bytes(&world, &rotate, Some("text/plain"), "x").await.expect(200);
    }

    /// Wrong types are named by the path of the field.
    async fn wrong_types_name_the_field(world) {
        let mut faults = Faults::default();
        let before = world.dump().await;
        for (path, body, field) in [
            ("/workspaces", json!({"name": 7}), "name"),
            ("/workspaces", json!({"name": ["x"]}), "name"),
            ("/workspaces", json!({"name": {"x": 1}}), "name"),
            ("/workspaces", json!({"name": true}), "name"),
            ("/workspaces", json!({}), "name"),
            ("/workspaces", json!({"name": "x", "cicdEnforcedDefault": 1}), "cicdEnforcedDefault"),
            ("/workspaces", json!({"name": "x", "defaultCloudProvider": "aws"}), "defaultCloudProvider"),
            ("/workspaces", json!({"name": "x", "description": 1.5}), "description"),
            ("/roles", json!({"name": "x", "scopeType": "DEPLOYMENT", "permissions": "deployment.get"}), "permissions"),
            ("/roles", json!({"name": "x", "scopeType": "DEPLOYMENT", "permissions": {}}), "permissions"),
            ("/roles", json!({"name": "x", "scopeType": "DEPLOYMENT", "permissions": ["deployment.get", null]}), "permissions[1]"),
            ("/deployments", json!({"name": "x", "workspaceId": "c", "remoteExecution": 1}), "remoteExecution"),
            ("/deployments", json!({"name": "x", "workspaceId": "c", "remoteExecution": {"enabled": "yes"}}), "remoteExecution.enabled"),
            ("/deployments", json!({"name": "x", "workspaceId": "c", "workerQueues": [1]}), "workerQueues[0]"),
            ("/deployments", json!({"name": "x", "workspaceId": "c", "scheduler": {"au": "six"}}), "scheduler.au"),
            ("/tokens", json!({"name": "x", "role": "x", "scope": []}), "scope"),
            ("/tokens", json!({"name": "x", "role": "x", "scope": "organization"}), "scope"),
        ] {
            let answer = world.post(&world.path(path), body.clone()).await;
            faults.unless_it_names(&answer, field, &body.to_string());
        }
        assert_eq!(world.dump().await, before);
        faults.assert_none();
    }

    /// Numbers out of range are named, however large.
    async fn numbers_out_of_range_name_the_field(world) {
        let mut faults = Faults::default();
        let before = world.dump().await;
        for number in ["0", "-1", "3651", "1.5", "4294967296", "18446744073709551615", "1e300", "-0.1"] {
            let body = format!(
                r#"{{"name": "x", "scope": "ORGANIZATION", "role": "ORGANIZATION_MEMBER", "tokenExpiryPeriodInDays": {number}}}"#
            );
            let answer = post_bytes(&world, &world.path("/tokens"), None, body).await;
            faults.unless_it_names(&answer, "tokenExpiryPeriodInDays", number);
        }
        for list in ["/workspaces", "/tokens"] {
            for (query, field) in [
                ("limit=1001", "limit"), ("limit=-1", "limit"), ("limit=1.5", "limit"), ("limit=x", "limit"),
                ("limit=4294967296", "limit"), ("limit=99999999999999999999", "limit"), ("limit=%20", "limit"),
                ("limit=0x10", "limit"), ("limit=%00", "limit"), ("limit=%FF", "limit"), ("limit=null", "limit"),
                ("offset=-1", "offset"), ("offset=4294967296", "offset"), ("offset=-99999999999999999999", "offset"),
            ] {
                let answer = world.get(&world.path(&format!("{list}?{query}"))).await;
                faults.unless_it_names(&answer, field, query);
            }
        }
        for good in ["limit=1000", "limit=0", "offset=4294967295", "limit=0007"] {
            world.get(&world.path(&format!("/workspaces?{good}"))).await.expect(200);
        }
        assert_eq!(world.dump().await, before);
        faults.assert_none();
    }

    /// A key with one value is given once; one with several may be repeated; empty values count as
    /// absent, and unknown keys are ignored.
    async fn queries(world) {
        let mut faults = Faults::default();
        for (query, field) in [
            ("limit=1&limit=2", "limit"),
            ("limit=1&limit=1", "limit"),
            ("offset=0&sorts=name:asc&offset=0", "offset"),
            ("sorts=name", "sorts[0]"),
            ("sorts=name:up", "sorts[0]"),
            ("sorts=secret:asc", "sorts[0]"),
            ("sorts=name:asc,createdAt:asc", "sorts[0]"),
            ("sorts=name:asc&sorts=created_at:asc", "sorts[1]"),
            ("sorts=name:asc;DROP%20TABLE%20workspaces", "sorts[0]"),
            ("names=a%00b", "names"),
            ("workspaceIds=%00", "workspaceIds"),
            ("names=%FF", "names"),
        ] {
            let answer = world.get(&world.path(&format!("/workspaces?{query}"))).await;
            faults.unless_it_names(&answer, field, query);
        }
        for query in [
            "provider=", "limit=", "limit=&limit=5", "limit&offset", "=", "&&&", "limit=5&", "unknown=1&unknown=2",
            "sorts=&sorts=name:asc", "names=&names=", "LIMIT=x", "limit=%35", "names=%25&names=%27--",
        ] {
            world.get(&world.path(&format!("/workspaces?{query}"))).await.expect(200);
        }
        let page = world.get(&world.path("/workspaces?names=&workspaceIds=&limit=&offset=")).await.expect(200);
        assert_eq!((&page["limit"], &page["offset"], &page["totalCount"]), (&json!(20), &json!(0), &json!(1)));
        faults.assert_none();
    }

    /// However often a key that may be repeated is, the answer is no failure of the server.
    async fn very_long_queries(world) {
        for (key, value) in [("sorts", "name:asc"), ("names", "a"), ("workspaceIds", "c")] {
            let query = vec![format!("{key}={value}"); 4000].join("&");
            let answer = world.get(&world.path(&format!("/workspaces?{query}"))).await;
            assert!([200, 400].contains(&answer.status), "{key}: {}", answer.json);
        }
    }

    /// Where PostgreSQL cannot keep a NUL, or a terminal would obey, texts are refused by name.
    async fn control_characters_name_the_field(world) {
        let mut faults = Faults::default();
        let before = world.dump().await;
        for bad in ["\u{0}", "a\u{0}b", "a\nb", "a\tb", "a\rb", "\u{1b}[2J", "a\u{7f}", "a\u{85}b", "   ", "\u{2003}"] {
            for path in ["/workspaces", "/deployments"] {
                let body = json!({"name": bad, "workspaceId": world.workspace});
                faults.unless_it_names(&world.post(&world.path(path), body).await, "name", &format!("{bad:?}"));
            }
        }
        for (path, body, field) in [
            ("/workspaces", json!({"name": "x", "description": "a\u{0}"}), "description"),
            ("/workspaces", json!({"name": "x", "defaultRegion": "a\u{0}"}), "defaultRegion"),
            ("/tokens", json!({"name": "x", "scope": "ORGANIZATION", "role": "a\u{0}"}), "role"),
            ("/tokens", json!({"name": "x", "scope": "WORKSPACE", "role": "x", "entityId": "a\u{0}"}), "entityId"),
            ("/roles", json!({"name": "x", "scopeType": "DAG", "permissions": ["a\u{0}"]}), "permissions"),
        ] {
            faults.unless_it_names(&world.post(&world.path(path), body.clone()).await, field, &body.to_string());
        }
        assert_eq!(world.dump().await, before);
        world.post(&world.path("/workspaces"), json!({"name": "x", "description": "two\nlines\tof text"})).await.expect(200);
        faults.assert_none();
    }
}

on_both! {
    /// Only JSON is read: another content type is refused before the body is.
    async fn content_types(world) {
        let path = world.path("/workspaces");
        for kind in [
            "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml",
            "json", "application/jsonp", "application", "", "é",
        ] {
            let answer = post_bytes(&world, &path, Some(kind), r#"{"name": "x"}"#).await;
            assert_eq!(answer.status, 415, "{kind}");
            answer.assert_envelope();
            assert_eq!(answer.message(), "the body must have the Content-Type application/json");
        }
        for kind in [
            None, Some("application/json"), Some("Application/JSON"), Some("application/json; charset=utf-8"),
            Some("application/json;charset=UTF-8"), Some("application/vnd.example+json"),
        ] {
            post_bytes(&world, &path, kind, r#"{"name": "x"}"#).await.expect(200);
        }
        get_with(&world, &path, "content-type", b"text/plain").await.expect(200);
    }

    /// A path that is not there is 404 in the envelope, for anybody.
    async fn unknown_routes(world) {
        let long = format!("/v1/{}", "x".repeat(10_000));
        for path in [
            "/v1", "/v1/", "/v1/nowhere", "/v2/organizations", "/v1/organizations/", "/v1//organizations",
            "/organizations", "/v1/Organizations", "/iam/v1/organizations", "/v1/organizations/a/b/c/d/e/f", "/%00",
            "/v1/organizations/cx/tokens/cy/rotate/again", &long,
        ] {
            for (token, method) in [(None, "GET"), (Some(world.owner.as_str()), "POST"), (Some("garbage"), "DELETE")] {
                let answer = world.call(token, method, path, &Value::Null).await;
                assert_eq!(answer.status, 404, "{method} {path}");
                answer.assert_envelope();
                assert!(answer.message().len() < 300 && answer.message().starts_with("path /"), "{}", answer.message());
            }
        }
        assert_eq!(world.get("/v1/nowhere").await.message(), "path /v1/nowhere not found");
    }

    /// Whatever stands where an id should is not found, and nothing worse.
    async fn odd_ids(world) {
        let mut faults = Faults::default();
        let long = "c".repeat(5000);
        for id in [
            "%00", "%FF", "%C3%28", "%2F", "..", "%2e%2e", "%20", "%27%20OR%201=1--", "%F0%9F%92%A9", "cnowhere", "*", long.as_str(),
        ] {
            for path in [
                format!("/v1/organizations/{id}"),
                format!("/v1/organizations/{id}/workspaces"),
                world.path(&format!("/workspaces/{id}")),
                world.path(&format!("/deployments/{id}")),
                world.path(&format!("/tokens/{id}")),
                world.path(&format!("/roles/{id}")),
                world.agent_tokens(&format!("/{id}")),
            ] {
                let answer = world.get(&path).await;
                faults.unless_it_is(&answer, 404, &path);
            }
        }
        faults.assert_none();
    }

    /// A path that does not take the method says which it takes.
    async fn wrong_methods(world) {
        for (method, path, allow) in [
            ("PUT", "/v1/organizations".to_owned(), &["GET", "HEAD"][..]),
            ("POST", "/v1/organizations".to_owned(), &["GET", "HEAD"]),
            ("DELETE", world.path(""), &["GET", "HEAD", "POST"]),
            ("PATCH", world.path("/workspaces"), &["GET", "HEAD", "POST"]),
            ("PUT", world.path(&format!("/workspaces/{}", world.workspace)), &["DELETE", "GET", "HEAD", "POST"]),
            ("OPTIONS", world.agent_tokens(""), &["GET", "HEAD", "POST"]),
            ("POST", world.agent_tokens("/cx"), &["DELETE", "GET", "HEAD"]),
            ("GET", world.path("/tokens/cx/rotate"), &["POST"]),
            ("TRACE", world.path("/audit-logs"), &["GET", "HEAD"]),
            ("BREW", world.path("/audit-logs"), &["GET", "HEAD"]),
            ("POST", "/spec/v1.0".to_owned(), &["GET", "HEAD"]),
            ("POST", "/.well-known/jwks.json".to_owned(), &["GET", "HEAD"]),
            ("PUT", format!("/iam/v1beta1/organizations/{}/tokens", world.organization), &["GET", "HEAD", "POST"]),
        ] {
            for token in [None, Some(world.owner.as_str())] {
                let answer = world.call(token, method, &path, &Value::Null).await;
                assert_eq!(answer.status, 405, "{method} {path}");
                answer.assert_envelope();
                let text = answer.headers["allow"].to_str().expect("a text");
                let mut allowed: Vec<&str> = text.split(',').map(str::trim).collect();
                allowed.sort_unstable();
                assert_eq!(allowed, allow, "{method} {path}");
            }
        }
    }

    /// This server speaks version 1.0; a client that pins another is told so, wherever it knocks.
    async fn pinned_versions(world) {
        let mut faults = Faults::default();
        for path in ["/v1/organizations", "/v1/nowhere", "/platform/v1beta1/organizations"] {
            for version in [&b"2.0"[..], b"1", b"1.1", b"v1.0", b"1.0.0", b"latest", b"", b"1.0, 1.0", b"\xff"] {
                let answer = get_with(&world, path, "x-api-version", version).await;
                faults.unless_it_names(&answer, "X-API-Version", &String::from_utf8_lossy(version));
            }
        }
        get_with(&world, "/v1/organizations", "x-api-version", b"1.0").await.expect(200);
        get_with(&world, "/v1/nowhere", "x-api-version", b"1.0").await.expect(404);
        faults.assert_none();
    }

    /// A request's id comes back, in errors too; what is not fit to be written into a log is
    /// replaced by one of the server's own.
    async fn request_ids(world) {
        let longest = "x".repeat(128);
        for good in ["ceece673-a6c1-4774-9b4a-95dd1fa9c282", "trace.1_A-z", longest.as_str()] {
            for path in ["/v1/organizations", "/v1/nowhere", "/v1/organizations/cnowhere"] {
                let answer = get_with(&world, path, "x-request-id", good.as_bytes()).await;
                assert_eq!(answer.headers["x-request-id"], good, "{path}");
                if answer.status != 200 {
                    assert_eq!(answer.json["requestId"], good);
                }
            }
        }
        let mut seen = std::collections::HashSet::new();
        let too_long = "x".repeat(129);
        for bad in [
            &b""[..], b"a b c d e f g", b"line\tbreak-here", b"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8", b"<script>alert(1)</script>",
            b"'; DROP TABLE audit_log", b"\"quoted-text\"", too_long.as_bytes(),
        ] {
            let answer = get_with(&world, "/v1/nowhere", "x-request-id", bad).await;
            let id = answer.headers["x-request-id"].to_str().expect("a text").to_owned();
            assert_eq!(answer.json["requestId"], id);
            assert_eq!((id.len(), id.split('-').count(), &id[14..15]), (36, 5, "4"), "a UUID of version 4: {id}");
            assert!(seen.insert(id), "two requests have the same id");
        }
        let without = world.get("/v1/organizations").await;
        assert!(seen.insert(without.headers["x-request-id"].to_str().expect("a text").to_owned()));
    }

    /// Every kind of refusal has the envelope and an id, and its type is JSON.
    async fn every_refusal_has_the_envelope(world) {
        let member = world.organization_token("ORGANIZATION_MEMBER").await.1;
        let workspaces = world.path("/workspaces");
        let answers = [
            (400, world.post(&workspaces, json!({})).await),
            (401, world.call(None, "GET", &workspaces, &Value::Null).await),
            (403, world.call(Some(&member), "POST", &workspaces, &json!({"name": "x"})).await),
            (404, world.get("/v1/organizations/cnowhere").await),
            (404, world.get("/nowhere").await),
            (405, world.call(None, "PUT", &workspaces, &Value::Null).await),
            (413, post_bytes(&world, &workspaces, None, vec![b' '; LARGEST + 1]).await),
            (415, post_bytes(&world, &workspaces, Some("text/plain"), "x").await),
        ];
        for (status, answer) in answers {
            assert_eq!(answer.status, status);
            answer.assert_envelope();
            let fields: Vec<&String> = answer.json.as_object().expect("an object").keys().collect();
            let expected = if status == 400 { &["fieldErrors", "message", "requestId", "statusCode"][..] } else { &["message", "requestId", "statusCode"] };
            assert_eq!(fields, expected);
        }
    }
}
