//! `/v1/organizations/{organizationId}/deployments/{deploymentId}/agents`

use airlock_tests::{Answer, World, on_both};
use serde_json::{Value, json};

async fn act(world: &World, id: &str, body: Value) -> Answer {
    world.post(&world.agents(&format!("/{id}/action")), body).await
}

async fn get(world: &World, id: &str) -> Value {
    world.get(&world.agents(&format!("/{id}"))).await.expect(200)
}

/// The names and statuses that a list answers with.
async fn listed(world: &World, query: &str) -> Vec<(String, String)> {
    let page = world.get(&world.agents(query)).await.expect(200);
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let agents = page["agents"].as_array().expect("agents").iter();
    agents.map(|agent| (text(&agent["name"]), text(&agent["status"]))).collect()
}

/// Changes an agent's row, as the gate does when the agent reports.
async fn set(world: &World, id: &str, change: &str) {
    world.database.execute(&format!("UPDATE agents SET {change} WHERE id = '{id}'")).await;
}

on_both! {
    /// Everything that is known, by the API's names; the list has the same.
    async fn what_is_told_of_an_agent(world) {
        let (token, _) = world.agent_token("edge").await;
        let id = world.agent(&token, "agent-a.example").await;
        let expected = json!({
            "id": id,
            "name": "agent-a.example",
            "status": "HEALTHY",
            "isCordoned": false,
            "capabilities": ["WORKER"],
            "queues": ["default"],
            "slots": {"total": 4, "free": 4},
            "version": "5.1.0",
            "createdAt": "2026-01-01T00:00:00Z",
            "lastHeartbeatAt": "2026-01-01T00:00:00Z",
            "agentTokenId": token,
            "runningJobs": 0,
            "airflowVersion": "3.3.2",
            "address": "192.0.2.7",
        });
        assert_eq!(get(&world, &id).await, expected);
        let page = world.get(&world.agents("")).await.expect(200);
        assert_eq!(page, json!({"agents": [expected], "limit": 20, "offset": 0, "totalCount": 1}));
    }

    /// A worker may say of itself what it likes.
    async fn an_agent_that_says_nothing_of_itself_is_shown(world) {
        let id = world.agent(&world.agent_token("edge").await.0, "w").await;
        set(&world, &id, "sysinfo = '{\"concurrency\": \"many\"}', queues = '[]', source_ip = NULL").await;
        let agent = get(&world, &id).await;
        assert_eq!((&agent["slots"], &agent["version"], &agent["queues"]), (&json!({}), &json!(""), &json!([])));
        assert!(agent.get("airflowVersion").is_none() && agent.get("address").is_none(), "{agent}");
        for (jobs, shown) in [(-1, 0), (i64::MAX, u32::MAX)] {
            set(&world, &id, &format!("jobs_active = {jobs}")).await;
            assert_eq!(get(&world, &id).await["runningJobs"], shown);
        }
    }

    /// Nothing has to run for an agent to become unhealthy, and a heartbeat makes it healthy again.
    async fn three_missed_heartbeats_make_it_unhealthy(world) {
        let id = world.agent(&world.agent_token("edge").await.0, "w").await;
        world.clock.advance(89);
        assert_eq!(get(&world, &id).await["status"], "HEALTHY");
        world.clock.advance(1);
        let agent = get(&world, &id).await;
        assert_eq!(agent["status"], "UNHEALTHY");
        assert_eq!(
            agent["statusReason"],
            "it was last heard of at 2026-01-01T00:00:00Z, and should report every 30 s"
        );
        set(&world, &id, "last_heartbeat_at = last_heartbeat_at + 60000000").await;
        let agent = get(&world, &id).await;
        assert_eq!((&agent["status"], agent.get("statusReason")), (&json!("HEALTHY"), None));
    }

    /// Whatever ends the token ends the agent, and the reason says which it was.
    async fn an_agent_ends_with_its_token(world) {
        let (deleted, _) = world.agent_token("deleted").await;
        let body = json!({"name": "expiring", "tokenExpiryPeriodInDays": 1});
        let expiring = world.post(&world.agent_tokens(""), body).await.expect(200);
        let expiring = expiring["id"].as_str().expect("an id");
        let (left, _) = world.agent_token("left").await;
        world.clock.advance(86_399);
        let ids = [
            world.agent(&deleted, "d").await,
            world.agent(expiring, "e").await,
            world.agent(&left, "l").await,
        ];
        assert_eq!(listed(&world, "?statuses=HEALTHY").await.len(), 3);
        world.delete(&world.agent_tokens(&format!("/{deleted}"))).await.expect(204);
        set(&world, &ids[2], "state = 'offline'").await;
        world.clock.advance(1);
        for (id, reason) in ids.iter().zip([
            "its agent token was deleted at 2026-01-01T23:59:59Z",
            "its agent token expired at 2026-01-02T00:00:00Z",
            "it shut down at 2026-01-01T23:59:59Z",
        ]) {
            let agent = get(&world, id).await;
            assert_eq!((&agent["status"], &agent["statusReason"]), (&json!("TERMINATED"), &json!(reason)));
        }
    }

    /// Cordon and uncordon, each of them twice; the reason stays as long as the cordon.
    async fn cordon_and_uncordon(world) {
        let id = world.agent(&world.agent_token("edge").await.0, "w").await;
        let agent = act(&world, &id, json!({"action": "CORDON", "reason": "new disk"})).await.expect(200);
        assert_eq!((&agent["status"], &agent["isCordoned"]), (&json!("CORDONED"), &json!(true)));
        assert_eq!((&agent["cordoningReason"], agent.get("statusReason")), (&json!("new disk"), None));
        assert_eq!(get(&world, &id).await, agent);

        set(&world, &id, "jobs_active = 2, state = 'maintenance pending'").await;
        let agent = act(&world, &id, json!({"action": "CORDON"})).await.expect(200);
        assert_eq!((&agent["statusReason"], agent.get("cordoningReason")), (&json!("jobs that it still runs: 2"), None));
        assert_eq!(agent["runningJobs"], 2);

        for _ in 0..2 {
            let agent = act(&world, &id, json!({"action": "UNCORDON"})).await.expect(200);
            assert_eq!((&agent["status"], &agent["isCordoned"]), (&json!("HEALTHY"), &json!(false)));
            assert_eq!(agent["statusReason"], "it takes work again after its next heartbeat");
        }
        assert!(world.database.dump("agents").await.contains("UNCORDONING"), "the agent has to be told");
        set(&world, &id, "cordon = 'OPEN', state = 'idle', jobs_active = 0").await;
        let agent = act(&world, &id, json!({"action": "UNCORDON"})).await.expect(200);
        assert_eq!((&agent["status"], agent.get("statusReason")), (&json!("HEALTHY"), None));

        let log = world.audit_log().await;
        let acts = log.iter().filter(|entry| entry["operationId"] == "TriggerAgentAction");
        assert_eq!(acts.filter(|entry| entry["entityType"] == "agent" && entry["entityId"] == id).count(), 5);
    }

    /// A cordon outlives the connection: it is there when the agent comes back.
    async fn who_is_away_can_be_cordoned(world) {
        let id = world.agent(&world.agent_token("edge").await.0, "w").await;
        world.clock.advance(90);
        let agent = act(&world, &id, json!({"action": "CORDON"})).await.expect(200);
        assert_eq!((&agent["status"], &agent["isCordoned"]), (&json!("UNHEALTHY"), &json!(true)));
        set(&world, &id, "last_heartbeat_at = last_heartbeat_at + 90000000").await;
        assert_eq!(get(&world, &id).await["status"], "CORDONED");
    }

    /// What is wrong is named, and nothing changes.
    async fn bad_actions_name_the_field(world) {
        let id = world.agent(&world.agent_token("edge").await.0, "w").await;
        let before = world.dump().await;
        for (body, field) in [
            (json!({}), "action"),
            (json!({"action": null}), "action"),
            (json!({"action": "cordon"}), "action"),
            (json!({"action": "DRAIN"}), "action"),
            (json!({"action": "CORDON", "reason": "a\nb"}), "reason"),
            (json!({"action": "CORDON", "reason": "a\u{0}b"}), "reason"),
            (json!({"action": "CORDON", "reason": "x".repeat(501)}), "reason"),
            (json!({"action": "CORDON", "reason": 7}), "reason"),
            (json!({"action": "UNCORDON", "reason": "done"}), "reason"),
        ] {
            let answer = act(&world, &id, body.clone()).await;
            assert_eq!(answer.fields(), [field], "{body}: {}", answer.json);
            answer.expect(400);
        }
        assert_eq!(world.dump().await, before);
        act(&world, &id, json!({"action": "CORDON", "reason": "ü".repeat(500)})).await.expect(200);
    }

    /// One that is connected stays on the list, cordoned or not; the refusal says what to do.
    async fn only_who_is_not_connected_can_be_deleted(world) {
        let (token, value) = world.agent_token("edge").await;
        let id = world.agent(&token, "w").await;
        let one = world.agents(&format!("/{id}"));
        for cordoned in [false, true] {
            if cordoned {
                act(&world, &id, json!({"action": "CORDON"})).await.expect(200);
            }
            let answer = world.delete(&one).await;
            assert!(answer.message().contains(&format!("deleting its agent token {token}")), "{}", answer.message());
            answer.expect(400);
        }
        world.clock.advance(90);
        let deleted = world.delete(&one).await;
        assert_eq!((deleted.status, deleted.bytes.len()), (204, 0));
        world.get(&one).await.expect(404);
        world.delete(&one).await.expect(404);
        act(&world, &id, json!({"action": "UNCORDON"})).await.expect(404);
        assert_eq!(listed(&world, "").await, []);

        // Its tombstone can be asked for, its token is as good as before, and its name is free.
        let page = world.get(&world.agents("?includeDeleted=true")).await.expect(200);
        let tombstone = &page["agents"][0];
        assert_eq!((&tombstone["id"], &tombstone["deletedAt"]), (&json!(id), &json!("2026-01-01T00:01:30Z")));
        assert_eq!(tombstone["statusReason"], "it was deleted at 2026-01-01T00:01:30Z");
        let answer = world.call(Some(&value), "GET", "/v1/organizations", &Value::Null).await;
        assert_eq!(answer.status, 403);
        let again = world.agent(&token, "w").await;
        assert_eq!(listed(&world, "").await, [("w".into(), "HEALTHY".into())]);
        assert_eq!(get(&world, &again).await["isCordoned"], false);
    }

    /// When its token is deleted, the agent can be deleted at once.
    async fn who_was_cut_off_can_be_deleted(world) {
        let (token, _) = world.agent_token("edge").await;
        let id = world.agent(&token, "w").await;
        world.delete(&world.agent_tokens(&format!("/{token}"))).await.expect(204);
        world.delete(&world.agents(&format!("/{id}"))).await.expect(204);
    }

    /// Deleting a Deployment deletes its agents, and nobody else's.
    async fn a_deployment_takes_its_agents_along(world) {
        let spared = world.agent(&world.agent_token("spared").await.0, "w").await;
        let workspace = world.new_workspace("doomed").await;
        for (at, above) in ["deployments", "workspaces"].into_iter().enumerate() {
            let deployment = world.new_deployment(&workspace, true).await;
            let below = world.path(&format!("/deployments/{deployment}"));
            let made = world.post(&format!("{below}/agent-tokens"), json!({"name": "x"})).await.expect(200);
            world.agent(made["id"].as_str().expect("an id"), "w").await;
            assert_eq!(world.get(&format!("{below}/agents")).await.expect(200)["totalCount"], 1);
            let doomed = if above == "deployments" { &deployment } else { &workspace };
            world.delete(&world.path(&format!("/{above}/{doomed}"))).await.expect(204);
            world.get(&format!("{below}/agents")).await.expect(404);
            let rows = world.database.dump("agents").await;
            // The time of the deletion is in as many rows as were deleted.
            let deleted = rows.matches("1767225600000000").count() - rows.lines().count() * 2;
            assert_eq!(deleted, at + 1, "{rows}");
        }
        get(&world, &spared).await;
    }

    /// An agent is known by its own Deployment only, and by its own Organization.
    async fn another_deployment_does_not_know_the_agent(world) {
        let id = world.agent(&world.agent_token("edge").await.0, "w").await;
        let other = world.new_deployment(&world.workspace.to_string(), true).await;
        let elsewhere = world.path(&format!("/deployments/{other}/agents"));
        assert_eq!(world.get(&elsewhere).await.expect(200)["totalCount"], 0);
        let one = format!("{elsewhere}/{id}");
        let before = world.dump().await;
        world.get(&one).await.expect(404);
        world.delete(&one).await.expect(404);
        world.post(&format!("{one}/action"), json!({"action": "CORDON"})).await.expect(404);
        let stranger = world.second_organization().await;
        let theirs = world.agents(&format!("/{id}")).replace(world.organization.as_str(), stranger.organization.as_str());
        for path in [world.agents(&format!("/{id}")), theirs] {
            world.call(Some(&stranger.owner), "GET", &path, &Value::Null).await.expect(404);
            world.call(Some(&stranger.owner), "DELETE", &path, &Value::Null).await.expect(404);
        }
        let tables = |dump: &str| dump[dump.find("== agent_tokens").expect("the table")..].to_owned();
        assert_eq!(tables(&world.dump().await), tables(&before));
    }

    /// To see, to cordon and to delete are three permissions.
    async fn each_permission_for_itself(world) {
        let id = world.agent(&world.agent_token("edge").await.0, "w").await;
        world.clock.advance(90);
        let one = world.agents(&format!("/{id}"));
        for (permission, may) in [
            ("deployment.agentTokens.delete", [403, 403, 403]),
            ("deployment.agents.get", [200, 403, 403]),
            ("deployment.agents.update", [403, 200, 403]),
            ("deployment.agents.delete", [403, 403, 204]),
        ] {
            let role = json!({"name": permission.replace('.', " "), "permissions": ["deployment.get", permission], "scopeType": "DEPLOYMENT"});
            world.post(&world.path("/roles"), role).await.expect(200);
            let (_, value) = world.deployment_token(&permission.replace('.', " ")).await;
            let found = [
                world.call(Some(&value), "GET", &one, &Value::Null).await.status,
                world.call(Some(&value), "POST", &format!("{one}/action"), &json!({"action": "CORDON"})).await.status,
                world.call(Some(&value), "DELETE", &one, &Value::Null).await.status,
            ];
            assert_eq!(found, may, "{permission}");
        }
    }

    /// Every order, pages that neither overlap nor miss, and every status.
    async fn every_order_page_and_status(world) {
        for (name, change) in [
            ("b", "cordon = 'CORDONED'"),
            ("a", "state = 'offline'"),
            ("B", "last_heartbeat_at = 0"),
            ("a.1", "state = 'running', jobs_active = 1"),
            ("c", "cordon = 'UNCORDONING'"),
        ] {
            world.clock.advance(1);
            let id = world.agent(&world.agent_token(name).await.0, name).await;
            set(&world, &id, change).await;
        }
        let names = async |query: &str| -> String {
            listed(&world, &format!("?{query}")).await.into_iter().map(|(name, _)| name + " ").collect()
        };
        assert_eq!(names("").await, "c a.1 B a b ", "the newest first");
        assert_eq!(names("sorts=name:asc").await, "B a a.1 b c ");
        assert_eq!(names("sorts=name:desc").await, "c b a.1 a B ");
        assert_eq!(names("sorts=lastHeartbeatAt:asc").await, "B b a a.1 c ");
        assert_eq!(names("sorts=createdAt:asc").await, "b a B a.1 c ");
        for (statuses, expected) in [
            ("statuses=HEALTHY", "a.1 c "),
            ("statuses=CORDONED", "b "),
            ("statuses=UNHEALTHY", "B "),
            ("statuses=TERMINATED", "a "),
            ("statuses=TERMINATED&statuses=HEALTHY", "a a.1 c "),
        ] {
            assert_eq!(names(&format!("sorts=name:asc&{statuses}")).await, expected);
        }
        for query in ["", "statuses=HEALTHY&statuses=UNHEALTHY"] {
            let whole = names(&format!("{query}&sorts=name:asc")).await;
            let mut pages = String::new();
            for offset in 0..6 {
                let page = format!("?{query}&sorts=name:asc&limit=1&offset={offset}");
                let page = world.get(&world.agents(&page)).await.expect(200);
                assert_eq!(page["totalCount"], whole.split_whitespace().count());
                pages.extend(page["agents"][0]["name"].as_str().map(|name| format!("{name} ")));
            }
            assert_eq!(pages, whole);
        }
        for bad in ["limit=1001", "limit=-1", "sorts=name", "sorts=status:asc", "statuses=healthy", "includeDeleted=7"] {
            world.get(&world.agents(&format!("?{bad}"))).await.expect(400);
        }
    }
}
