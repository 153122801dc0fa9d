//! What is told to Prometheus: it can be read, it counts what was done, and it names nobody.

use std::collections::BTreeMap;

use airlock_tests::{Database, Site, World, airflow::Fault, binary::Server, on_both};
use serde_json::json;

/// What was scraped: the value of each series, by its name and labels.
struct Scrape(BTreeMap<String, f64>);

impl Scrape {
    async fn of(world: &World) -> Self {
        Self::read(&world.metrics().await)
    }

    /// Reads the text strictly: OpenMetrics 1.0 has no line that is neither of these.
    #[track_caller]
    fn read(text: &str) -> Self {
        let body = text.strip_suffix("# EOF\n").unwrap_or_else(|| panic!("no end: {text}"));
        let mut series = BTreeMap::new();
        let mut family = String::new();
        for line in body.lines() {
            let words: Vec<&str> = line.splitn(4, ' ').collect();
            match words[..] {
                ["#", "HELP", name, help] => {
                    assert!(!help.is_empty() && help.ends_with('.'), "{line}");
                    family = name.to_owned();
                }
                ["#", "TYPE", name, kind] => {
                    assert_eq!(name, family, "{line}");
                    assert!(["counter", "gauge", "histogram", "info"].contains(&kind), "{line}");
                }
                _ => {
                    let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
                    assert!(name.starts_with(&family), "{line} is not of {family}");
                    let value = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
                    assert_eq!(series.insert(name.to_owned(), value), None, "twice: {line}");
                }
            }
        }
        Self(series)
    }

    #[track_caller]
    fn get(&self, name: &str) -> f64 {
        *self.0.get(name).unwrap_or_else(|| panic!("no {name} in {:#?}", self.0.keys()))
    }
}

on_both! {
    async fn requests_are_counted_by_route_and_status(world) {
        world.agent_token("one").await;
        world.agent_token("two").await;
        world.get(&world.agent_tokens("")).await.expect(200);
        world.get(&world.path("/workspaces/cnosuchthing0000000000000")).await.expect(404);
        world.get("/v1/nothing").await.expect(404);
        world.call(None, "GET", &world.agent_tokens(""), &json!(null)).await.expect(401);
        let scrape = Scrape::of(&world).await;
        let requests = |route: &str, status: &str| {
            scrape.get(&format!("airlock_http_requests_total{{route=\"{route}\",status=\"{status}\"}}"))
        };
        assert_eq!(requests("CreateAgentToken", "2xx"), 2.0);
        assert_eq!(requests("ListAgentTokens", "2xx"), 1.0);
        assert_eq!(requests("ListAgentTokens", "4xx"), 1.0);
        assert_eq!(requests("GetWorkspace", "4xx"), 1.0);
        assert_eq!(requests("unknown", "4xx"), 1.0);
        assert_eq!(scrape.get("airlock_http_request_duration_seconds_count{route=\"CreateAgentToken\"}"), 2.0);
        assert!(scrape.get("airlock_http_request_duration_seconds_sum{route=\"CreateAgentToken\"}") > 0.0);
        assert_eq!(scrape.get("airlock_http_requests_in_flight"), 0.0);
        assert_eq!(scrape.get("airlock_audit_refusals_noted_total"), 1.0);
    }

    async fn the_gate_is_counted_by_call_outcome_and_fault(world) {
        let site = Site::with_secret(&world).await;
        let worker = site.worker(&world, "one").await;
        worker.register(&world).await.expect_own(200);
        worker.heartbeat(&world, "idle").await.expect_own(200);
        site.airflow.fail_next(Fault::Status(500));
        worker.heartbeat(&world, "idle").await;
        site.delete_token(&world, &worker.id).await;
        assert_eq!(worker.heartbeat(&world, "idle").await.status, 403);

        let scrape = Scrape::of(&world).await;
        let gated = |call: &str, outcome: &str| {
            scrape.get(&format!("airlock_gate_requests_total{{call=\"{call}\",outcome=\"{outcome}\"}}"))
        };
        assert_eq!(gated("register", "forwarded"), 1.0);
        assert_eq!(gated("heartbeat", "refused"), 1.0);
        let verified = |result: &str| {
            scrape.get(&format!("airlock_agent_token_verifications_total{{result=\"{result}\"}}"))
        };
        assert_eq!((verified("good"), verified("deleted")), (3.0, 1.0));
        assert_eq!(scrape.get("airlock_gate_upstream_errors_total{fault=\"server_error\"}"), 1.0);
        assert_eq!(scrape.get("airlock_gate_upstream_duration_seconds_count{call=\"heartbeat\"}"), 2.0);
        let through_the_gate: f64 = scrape.0.iter().filter(|(name, _)| {
            name.starts_with("airlock_http_requests_total{route=\"/d/")
        }).map(|(_, count)| count).sum();
        assert_eq!(through_the_gate, 4.0);
    }

    async fn tokens_are_counted_by_the_upkeep(world) {
        world.agent_token("for ever").await;
        let (gone, _) = world.agent_token("deleted").await;
        world.delete(&world.agent_tokens(&format!("/{gone}"))).await.expect(204);
        world.post(&world.agent_tokens(""), json!({"name": "soon", "tokenExpiryPeriodInDays": 3})).await.expect(200);
        world.post(&world.agent_tokens(""), json!({"name": "later", "tokenExpiryPeriodInDays": 30})).await.expect(200);
        let counts = async || {
            world.app.count().await.expect("counted");
            let scrape = Scrape::of(&world).await;
            assert_eq!(scrape.get("airlock_database_counts_up"), 1.0);
            (scrape.get("airlock_agent_tokens_live"), scrape.get("airlock_agent_tokens_expiring"))
        };
        assert_eq!(counts().await, (3.0, 1.0));
        world.clock.advance(4 * 86_400);
        assert_eq!(counts().await, (2.0, 0.0));
        world.clock.advance(20 * 86_400);
        assert_eq!(counts().await, (2.0, 1.0));
    }

    async fn agents_are_counted_by_status(world) {
        let (token, _) = world.agent_token("edge").await;
        let now = {
            use airlock_core::env::Clock;
            world.clock.now().as_micros()
        };
        for (name, state, cordon, heard) in [
            ("well", "idle", "OPEN", now),
            ("lost", "running", "OPEN", now - 3_600_000_000),
            ("held", "idle", "CORDONED", now),
            ("off", "offline", "OPEN", now),
        ] {
            let sql = format!(
                "INSERT INTO agents (id, organization_id, deployment_id, token_id, name, state, queues, jobs_active, \
                 sysinfo, cordon, created_at, last_heartbeat_at) VALUES ('{name}', '{}', '{}', '{token}', '{name}', \
                 '{state}', '[]', 0, '{{}}', '{cordon}', {heard}, {heard})",
                world.organization, world.deployment
            );
            world.database.execute(&sql).await;
        }
        world.app.count().await.expect("counted");
        let scrape = Scrape::of(&world).await;
        for status in ["healthy", "unhealthy", "cordoned", "terminated"] {
            assert_eq!(scrape.get(&format!("airlock_agents{{status=\"{status}\"}}")), 1.0, "{status}");
        }
    }

    /// Nothing that a client sends becomes a label, however it is sent.
    async fn no_label_is_of_a_client(world) {
        let (id, value) = world.agent_token("a name of its own").await;
        world.get(&world.agent_tokens(&format!("/{id}"))).await.expect(200);
        for path in ["/v1/pasted-by-mistake", "/pasted-by-mistake/v1", &format!("/v1/organizations/pasted-by-mistake/deployments/{id}")] {
            world.get(path).await;
        }
        let text = world.metrics().await;
        let (organization, deployment) = (world.organization.to_string(), world.deployment.to_string());
        for secret in [&id, &value, &organization, &deployment, "pasted-by-mistake", "a name of its own"] {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
    }

    async fn what_can_be_counted_begins_at_zero(world) {
        let scrape = Scrape::of(&world).await;
        for result in ["good", "expired", "deleted", "malformed", "unknown", "busy"] {
            assert_eq!(scrape.get(&format!("airlock_agent_token_verifications_total{{result=\"{result}\"}}")), 0.0);
        }
        assert_eq!(scrape.get("airlock_gate_requests_total{call=\"fetch\",outcome=\"refused\"}"), 0.0);
        assert!(scrape.get("airlock_database_connections_max") >= 1.0);
        assert!(scrape.get("process_resident_memory_bytes") > 1e6);
        assert!(scrape.get("process_open_fds") > 3.0);
        // A lease is what replicas have; SQLite has none.
        assert_eq!(scrape.0.contains_key("airlock_lease_remaining_seconds"), matches!(world.database, Database::Postgres(_)));
    }
}

/// The real binary, with traffic at the public address and a scrape at the other.
#[tokio::test]
async fn the_admin_address_tells_and_the_public_one_does_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(&folder.path().join("data"), &[]);
    let client = reqwest::Client::new();
    let get = async |url: String| {
        let answer = client.get(url).send().await.expect("an answer");
        let kind =
            answer.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or("none").to_owned();
        (answer.status().as_u16(), kind, answer.text().await.expect("a body"))
    };
    for _ in 0..3 {
        assert_eq!(get(format!("{}/.well-known/jwks.json", server.url())).await.0, 200);
    }
    let (status, kind, text) = get(format!("{}/metrics", server.admin_url())).await;
    assert_eq!((status, kind.as_str()), (200, "application/openmetrics-text; version=1.0.0; charset=utf-8"));
    let scrape = Scrape::read(&text);
    assert_eq!(scrape.get("airlock_http_requests_total{route=\"/.well-known/jwks.json\",status=\"2xx\"}"), 3.0);
    // The first records were one commit at the least.
    assert!(scrape.get("airlock_sqlite_group_commit_size_count") >= 1.0);
    assert!(scrape.get("process_cpu_seconds_total") > 0.0);
    let build = format!("airlock_build_info{{version=\"{}\",database=\"SQLite\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!(scrape.get(&build), 1.0);
    assert_eq!(get(format!("{}/metrics", server.url())).await.0, 404);
    assert_eq!(get(format!("{}/v1/organizations", server.admin_url())).await.0, 404);
}
