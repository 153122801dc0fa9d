//! `/v1/organizations/{organizationId}/deployments/{deploymentId}/agent-tokens`

use airlock_core::{
    agent_token::{PlainAgentToken, StoredAgentToken},
    keyring::Keyring,
};
use airlock_tests::{Answer, MASTER_KEY, World, on_both};
use serde_json::{Value, json};

/// The key pair of RFC 8410 section 10: known to everybody.
const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
    -----END PUBLIC KEY-----\n";
const PRIVATE_KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
    -----END PRIVATE KEY-----\n";

async fn present(world: &World, value: &str) -> Answer {
    world.call(Some(value), "GET", "/v1/organizations", &Value::Null).await
}

on_both! {
    /// The answer has the value, and everything that was asked for; no later answer has the value.
    async fn create_answers_with_the_value_once(world) {
        let body = json!({"name": "edge ü 1", "description": "in Oslo", "tokenExpiryPeriodInDays": 30});
        let made = world.post(&world.agent_tokens(""), body).await.expect(200);
        let id = made["id"].as_str().expect("an id");
        let value = made["token"].as_str().expect("a value");
        assert!(value.starts_with(&format!("agt_{id}_")), "{value}");
        assert!(value.len() >= 64 + 4 + 26);
        assert!(value.ends_with(made["shortToken"].as_str().expect("an end").trim_start_matches("...")));
        assert_eq!(made["kind"], "STANDARD");
        assert_eq!(made["scope"], "DEPLOYMENT");
        assert_eq!(made["name"], "edge ü 1");
        assert_eq!(made["description"], "in Oslo");
        assert_eq!(made["expiryPeriodInDays"], 30);
        assert_eq!(made["startAt"], "2026-01-01T00:00:00Z");
        assert_eq!(made["endAt"], "2026-01-31T00:00:00Z");
        assert_eq!(made["createdBy"]["apiTokenName"], "First owner");
        assert_eq!(made["updatedBy"]["subjectType"], "SERVICEKEY");

        let mut expected = made.clone();
        expected.as_object_mut().expect("an object").remove("token");
        assert_eq!(world.get(&world.agent_tokens(&format!("/{id}"))).await.expect(200), expected);
        let page = world.get(&world.agent_tokens("")).await.expect(200);
        assert_eq!(page, json!({"tokens": [expected], "limit": 20, "offset": 0, "totalCount": 1}));
    }

    /// Without an expiry there is no end, and an absent description is an empty one.
    async fn a_token_may_never_end(world) {
        let made = world.post(&world.agent_tokens(""), json!({"name": "x"})).await.expect(200);
        assert_eq!(made["description"], "");
        assert!(made.get("endAt").is_none() && made.get("expiryPeriodInDays").is_none());
    }

    /// What a token is bound to is answered whenever the token is.
    async fn a_token_can_be_bound_to_a_worker_and_queues(world) {
        let body = json!({"name": "x", "agentName": "edge-1.example", "queues": ["gpu", "default"]});
        let made = world.post(&world.agent_tokens(""), body).await.expect(200);
        assert_eq!((&made["agentName"], &made["queues"]), (&json!("edge-1.example"), &json!(["gpu", "default"])));
        let id = made["id"].as_str().expect("an id");
        let shown = world.get(&world.agent_tokens(&format!("/{id}"))).await.expect(200);
        assert_eq!((&shown["agentName"], &shown["queues"]), (&made["agentName"], &made["queues"]));
        assert!(made.get("publicKey").is_none());
        let free = world.post(&world.agent_tokens(""), json!({"name": "y"})).await.expect(200);
        assert!(free.get("agentName").is_none() && free.get("queues").is_none());
    }

    /// With a key of the agent's own there is no value at all: not in the answer, and nothing in
    /// the database from which one could be derived.
    async fn a_key_of_the_agents_own_leaves_no_secret(world) {
        let body = json!({"name": "x", "publicKey": format!("  {}", PUBLIC_KEY.replace('\n', "\r\n"))});
        let made = world.post(&world.agent_tokens(""), body).await.expect(200);
        assert!(made.get("token").is_none(), "{made}");
        assert_eq!(made["publicKey"], PUBLIC_KEY);
        // openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | basenc --base64url
        assert_eq!(made["shortToken"], "...NJTaB8");
        let id = made["id"].as_str().expect("an id");
        assert_eq!(world.get(&world.agent_tokens(&format!("/{id}"))).await.expect(200), made);

        // A value that would be right if the token had one is not good.
        let keys = Keyring::parse(MASTER_KEY).expect("a master key");
        let stored = StoredAgentToken { key_id: keys.current_id().into(), generation: 1 };
        let derived = PlainAgentToken::derive(&keys, &id.into(), &stored).expect("derived");
        assert_eq!(present(&world, derived.expose()).await.status, 401);
        world.delete(&world.agent_tokens(&format!("/{id}"))).await.expect(204);
        assert_eq!(world.get(&world.agent_tokens(&format!("/{id}"))).await.status, 404);
    }

    /// Two tokens with one key in a Deployment could not be cut off one by one. A deleted one does
    /// not count.
    async fn each_agent_has_a_key_of_its_own(world) {
        let body = json!({"name": "x", "publicKey": PUBLIC_KEY});
        let first = world.post(&world.agent_tokens(""), body.clone()).await.expect(200);
        let again = world.post(&world.agent_tokens(""), body.clone()).await;
        assert_eq!(again.status, 400);
        assert_eq!(again.fields(), ["publicKey"]);
        assert!(again.message().contains("another agent token"), "{}", again.message());
        let id = first["id"].as_str().expect("an id");
        world.delete(&world.agent_tokens(&format!("/{id}"))).await.expect(204);
        world.post(&world.agent_tokens(""), body).await.expect(200);
    }

    /// A private key is refused with what to do now, and is neither answered nor kept.
    async fn what_is_no_public_key_is_refused(world) {
        let before = world.dump().await;
        for (key, says) in [
            (PRIVATE_KEY.to_owned(), "private key"),
            (format!("{PUBLIC_KEY}{PRIVATE_KEY}"), "private key"),
            (String::new(), "one public key in PEM"),
            ("ssh-ed25519 AAAA x".into(), "one public key in PEM"),
            (PUBLIC_KEY.replace("MCow", "MCox"), "Ed25519"),
            (PUBLIC_KEY.replace("MCow", "M"), "base64"),
            ("x".repeat(8193), "length is greater than 8192"),
        ] {
            let answer = world.post(&world.agent_tokens(""), json!({"name": "x", "publicKey": key})).await;
            assert_eq!(answer.status, 400, "{key}");
            answer.assert_envelope();
            assert_eq!(answer.fields(), ["publicKey"], "{key}");
            assert!(answer.message().contains(says), "{key}: {}", answer.message());
            assert!(!answer.json.to_string().contains("MC4CAQAw"), "{}", answer.json);
        }
        for (body, field) in [
            (json!({"name": "x", "agentName": ""}), "agentName"),
            (json!({"name": "x", "agentName": "a/b"}), "agentName"),
            (json!({"name": "x", "agentName": ".."}), "agentName"),
            (json!({"name": "x", "agentName": "a".repeat(65)}), "agentName"),
            (json!({"name": "x", "queues": []}), "queues"),
            (json!({"name": "x", "queues": ["a", ""]}), "queues[1]"),
            (json!({"name": "x", "queues": "a"}), "queues"),
        ] {
            let answer = world.post(&world.agent_tokens(""), body.clone()).await;
            assert_eq!((answer.status, answer.fields()), (400, vec![field]), "{body}");
        }
        assert_eq!(world.dump().await, before);
    }

    /// Names and numbers out of bounds are refused by name, and nothing is made.
    async fn bad_requests_name_the_field(world) {
        let before = world.dump().await;
        for (body, field) in [
            (json!({}), "name"),
            (json!({"name": ""}), "name"),
            (json!({"name": "  "}), "name"),
            (json!({"name": "a\nb"}), "name"),
            (json!({"name": "a\u{0}b"}), "name"),
            (json!({"name": "x".repeat(257)}), "name"),
            (json!({"name": 7}), "name"),
            (json!({"name": null}), "name"),
            (json!({"name": "x", "description": "x".repeat(501)}), "description"),
            (json!({"name": "x", "description": "\u{0}"}), "description"),
            (json!({"name": "x", "tokenExpiryPeriodInDays": 0}), "tokenExpiryPeriodInDays"),
            (json!({"name": "x", "tokenExpiryPeriodInDays": 3651}), "tokenExpiryPeriodInDays"),
            (json!({"name": "x", "tokenExpiryPeriodInDays": -1}), "tokenExpiryPeriodInDays"),
            (json!({"name": "x", "tokenExpiryPeriodInDays": 1.5}), "tokenExpiryPeriodInDays"),
            (json!({"name": "x", "tokenExpiryPeriodInDays": "7"}), "tokenExpiryPeriodInDays"),
            (json!({"name": "x", "tokenExpiryPeriodInDays": 1e99}), "tokenExpiryPeriodInDays"),
        ] {
            let answer = world.post(&world.agent_tokens(""), body.clone()).await;
            assert_eq!(answer.status, 400, "{body}");
            answer.assert_envelope();
            assert!(answer.fields().contains(&field), "{body}: {}", answer.json);
        }
        assert_eq!(world.dump().await, before);
    }

    /// The bounds themselves are good, counted in characters.
    async fn the_bounds_are_good(world) {
        for body in [
            json!({"name": "ä".repeat(256), "description": "ö".repeat(500), "tokenExpiryPeriodInDays": 3650}),
            json!({"name": "x", "description": null, "tokenExpiryPeriodInDays": 1, "unknown": {"ignored": true}}),
        ] {
            world.post(&world.agent_tokens(""), body).await.expect(200);
        }
    }

    /// A Deployment without remote execution, and ids that are not there.
    async fn only_deployments_with_remote_execution_take_tokens(world) {
        let closed = world.new_deployment(&world.workspace.to_string(), false).await;
        let path = world.path(&format!("/deployments/{closed}/agent-tokens"));
        let answer = world.post(&path, json!({"name": "x"})).await;
        assert_eq!(answer.status, 400);
        assert!(answer.message().contains("remote execution"), "{}", answer.message());
        let nowhere = world.path("/deployments/cnowhere/agent-tokens");
        world.post(&nowhere, json!({"name": "x"})).await.expect(404);
        let odd = world.path("/deployments/%00%2f..%2f/agent-tokens");
        world.get(&odd).await.expect(404);
    }

    /// At most 50 that are good; those that ended or were deleted make room.
    async fn the_limit_counts_good_tokens(world) {
        let short = world.post(&world.agent_tokens(""), json!({"name": "0", "tokenExpiryPeriodInDays": 1})).await;
        let short = short.expect(200);
        let mut last = String::new();
        for n in 1..50 {
            last = world.agent_token(&n.to_string()).await.0;
        }
        let refused = world.post(&world.agent_tokens(""), json!({"name": "51st"})).await;
        assert_eq!(refused.status, 400);
        assert!(refused.message().contains("50 agent tokens"), "{}", refused.message());

        world.delete(&world.agent_tokens(&format!("/{last}"))).await.expect(204);
        world.agent_token("in its place").await;
        world.post(&world.agent_tokens(""), json!({"name": "51st"})).await.expect(400);
        world.clock.advance(86_400);
        world.agent_token("when the first has ended").await;
        let id = short["id"].as_str().expect("an id");
        world.get(&world.agent_tokens(&format!("/{id}"))).await.expect(200);
    }

    /// Deleted is deleted: for reads, for a second delete, and for the holder of the value.
    async fn a_deleted_token_is_gone_for_ever(world) {
        let (id, value) = world.agent_token("x").await;
        assert_eq!(present(&world, &value).await.status, 403);
        let one = world.agent_tokens(&format!("/{id}"));
        let deleted = world.delete(&one).await;
        assert_eq!((deleted.status, deleted.bytes.len()), (204, 0));
        world.get(&one).await.expect(404);
        world.delete(&one).await.expect(404);
        assert_eq!(world.get(&world.agent_tokens("")).await.expect(200)["totalCount"], 0);
        let answer = present(&world, &value).await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.message(), format!("the agent token {id} was deleted at 2026-01-01T00:00:00Z"));
        assert!(answer.headers.contains_key("www-authenticate"));
    }

    /// A token is known by its own Deployment only.
    async fn another_deployment_does_not_know_the_token(world) {
        let (id, _) = world.agent_token("x").await;
        let other = world.new_deployment(&world.workspace.to_string(), true).await;
        let path = world.path(&format!("/deployments/{other}/agent-tokens/{id}"));
        world.get(&path).await.expect(404);
        world.delete(&path).await.expect(404);
        world.get(&world.agent_tokens(&format!("/{id}"))).await.expect(200);
    }

    /// The holder of a value that we issued learns what is wrong with it; others learn nothing.
    async fn the_reason_is_told_to_the_holder_only(world) {
        let made = world.post(&world.agent_tokens(""), json!({"name": "x", "tokenExpiryPeriodInDays": 1})).await;
        let made = made.expect(200);
        let (id, value) = (made["id"].as_str().expect("an id"), made["token"].as_str().expect("a value"));
        assert!(present(&world, value).await.message().contains("opens a Deployment's Airflow"));

        let cut = &value[..value.len() - 1];
        assert!(present(&world, cut).await.message().contains("checksum"));
        world.clock.advance(86_400);
        let expired = present(&world, value).await;
        assert_eq!(expired.message(), format!("the agent token {id} expired at 2026-01-02T00:00:00Z"));

        // The same id with another secret and a right checksum, and an id that was never there.
        let forged = forge(id);
        let unknown = forge("cmjuohs000000000000000000");
        let (forged, unknown) = (present(&world, &forged).await, present(&world, &unknown).await);
        assert_eq!((forged.status, unknown.status), (401, 401));
        assert_eq!(forged.message(), unknown.message());
        assert!(!forged.message().contains(id));
    }

    /// Deleting what stands above a token deletes the token.
    async fn what_is_above_takes_its_tokens_along(world) {
        let workspace = world.new_workspace("doomed").await;
        let (first, second) =
            (world.new_deployment(&workspace, true).await, world.new_deployment(&workspace, true).await);
        let mut values = Vec::new();
        for deployment in [&first, &second] {
            let path = world.path(&format!("/deployments/{deployment}/agent-tokens"));
            let made = world.post(&path, json!({"name": "x"})).await.expect(200);
            values.push(made["token"].as_str().expect("a value").to_owned());
        }
        let (_, spared) = world.agent_token("spared").await;
        world.delete(&world.path(&format!("/deployments/{first}"))).await.expect(204);
        assert!(present(&world, &values[0]).await.message().contains("was deleted"));
        assert_eq!(present(&world, &values[1]).await.status, 403);
        world.delete(&world.path(&format!("/workspaces/{workspace}"))).await.expect(204);
        assert!(present(&world, &values[1]).await.message().contains("was deleted"));
        assert_eq!(present(&world, &spared).await.status, 403);
    }

    /// Use is written at most once a minute, and not on the request's path.
    async fn last_use_moves_by_the_minute(world) {
        let (id, value) = world.agent_token("x").await;
        let last_used = async || {
            world.app.flush().await.expect("flushed");
            world.get(&world.agent_tokens(&format!("/{id}"))).await.expect(200)["lastUsedAt"].clone()
        };
        assert_eq!(last_used().await, Value::Null);
        present(&world, &value).await;
        assert_eq!(last_used().await, "2026-01-01T00:00:00Z");
        world.clock.advance(59);
        present(&world, &value).await;
        assert_eq!(last_used().await, "2026-01-01T00:00:00Z");
        world.clock.advance(2);
        assert_eq!(last_used().await, "2026-01-01T00:00:59Z");
    }

    /// All 14 orders, several at once, ties broken by the id; pages neither overlap nor miss.
    async fn every_order_and_page(world) {
        for (name, description) in [("b", "2"), ("a", "1"), ("B", "1"), ("ä", ""), ("a", "2")] {
            world.clock.advance(1);
            let body = json!({"name": name, "description": description});
            world.post(&world.agent_tokens(""), body).await.expect(200);
        }
        let list = async |query: &str| world.get(&world.agent_tokens(&format!("?{query}"))).await.expect(200);
        let of = |page: &Value, key: &str| -> String {
            page["tokens"].as_array().expect("tokens").iter().map(|token| token[key].as_str().expect("text")).collect()
        };
        assert_eq!(of(&list("sorts=name:asc").await, "name"), "Baabä");
        assert_eq!(of(&list("sorts=name:desc").await, "name"), "äbaaB");
        assert_eq!(of(&list("sorts=name:asc&sorts=description:desc").await, "description"), "1212");
        assert_eq!(of(&list("").await, "name"), "aäBab", "the newest first");
        for key in ["name", "description", "createdAt", "updatedAt", "createdById", "updatedById", "tokenStartAt"] {
            for direction in ["asc", "desc"] {
                let whole = list(&format!("sorts={key}:{direction}")).await;
                let mut pages = String::new();
                for offset in 0..6 {
                    let page = list(&format!("sorts={key}:{direction}&limit=1&offset={offset}")).await;
                    assert_eq!(page["totalCount"], 5);
                    pages += &of(&page, "id");
                }
                assert_eq!(pages, of(&whole, "id"), "{key}:{direction}");
            }
        }
        assert_eq!(list("limit=0").await, json!({"tokens": [], "limit": 0, "offset": 0, "totalCount": 5}));
        for bad in ["limit=1001", "limit=-1", "offset=-1", "limit=x", "sorts=name", "sorts=secret:asc", "limit=1&limit=2"] {
            world.get(&world.agent_tokens(&format!("?{bad}"))).await.expect(400);
        }
        assert_eq!(list("limit=&offset=&sorts=").await["limit"], 20);
    }

    /// No byte of a secret is in the database, in any answer but one, in an error, or in the audit
    /// log; on SQLite also in no file of the data folder, the write-ahead log included.
    async fn the_secret_is_nowhere(world) {
        let (id, value) = world.agent_token("x").await;
        let (api_id, api_value) = world.organization_token("ORGANIZATION_MEMBER").await;
        let rotated = world.post(&world.path(&format!("/tokens/{api_id}/rotate")), Value::Null).await.expect(200);
        let rotated = rotated["token"].as_str().expect("a value").to_owned();
        let mut texts = Vec::new();
        for value in [&value, &api_value, &rotated] {
            texts.push(String::from_utf8_lossy(&present(&world, value).await.bytes).into_owned());
        }
        for path in [world.agent_tokens(""), world.agent_tokens(&format!("/{id}")), world.path("/tokens")] {
            texts.push(world.get(&path).await.json.to_string());
        }
        world.delete(&world.agent_tokens(&format!("/{id}"))).await.expect(204);
        texts.push(world.dump().await);
        texts.push(format!("{:?}", world.audit_log().await));
        let mut places: Vec<Vec<u8>> = texts.into_iter().map(String::into_bytes).collect();
        if let airlock_tests::Database::Sqlite(folder) = &world.database {
            for file in folder.path().read_dir().expect("the folder") {
                places.push(std::fs::read(file.expect("a file").path()).expect("its bytes"));
            }
            assert!(places.len() > 10, "the database, its write-ahead log and its index were read");
        }
        for secret in [&value, &api_value, &rotated, &world.owner] {
            // Any 16 characters of the secret part would be too many.
            let part = secret.rsplit(['_', '.']).next().expect("the end of a token");
            for needle in part.as_bytes().windows(16) {
                let found = places.iter().any(|place| place.windows(16).any(|window| window == needle));
                assert!(!found, "a part of a secret was found: {}", String::from_utf8_lossy(needle));
            }
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
