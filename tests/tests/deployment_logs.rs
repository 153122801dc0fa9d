//! `/v1/organizations/{organizationId}/deployments/{deploymentId}/logs`: what passed the gate.

use std::time::{Duration, Instant};

use airlock_server::{LogSettings, Settings};
use airlock_tests::{
    Database, Site, Worker, World,
    airflow::{Fault, JobKey},
    on_both,
    site::TASK,
};
use serde_json::{Value, json};

const BOTH: &str = "sources=worker&sources=apiserver";

fn path(world: &World, site: &Site, query: &str) -> String {
    world.path(&format!("/deployments/{}/logs?{query}", site.deployment))
}

/// A page of the logs, with all that has come so far.
async fn page(world: &World, site: &Site, query: &str) -> Value {
    world.app.flush().await.expect("flushed");
    world.get(&path(world, site, query)).await.expect(200)
}

/// The lines of a page.
fn lines(page: &Value) -> Vec<String> {
    let results = page["results"].as_array().expect("results");
    assert_eq!(page["resultCount"], results.len());
    results.iter().map(|entry| entry["raw"].as_str().expect("a text").to_owned()).collect()
}

async fn push(world: &World, worker: &Worker, key: &JobKey, text: &str) -> u16 {
    let chunk = json!({"log_chunk_time": "2026-01-01T00:00:00Z", "log_chunk_data": text});
    worker.call(world, "POST", &format!("logs/push/{}", key.path()), &chunk).await.status
}

/// Settings that keep so many bytes.
fn keeping(keep_bytes: u64) -> Settings {
    Settings { logs: LogSettings { keep_bytes, ..LogSettings::default() }, ..Settings::default() }
}

/// The same database with other settings.
async fn with_settings(world: World, settings: Settings) -> World {
    let database = match &world.database {
        Database::Sqlite(_) => Database::sqlite(),
        Database::Postgres(_) => Database::postgres().await.expect("it is there"),
    };
    drop(world);
    World::with_settings(database, settings).await
}

on_both! {
    /// Lines of tasks and what the gate did, each with its source and time, and no secret.
    async fn what_passes_the_gate_is_kept(world) {
        let site = Site::with_secret(&world).await;
        let (worker, key, token) = site.running(&world, "one", "first", TASK).await;
        world.clock.advance(60);
        let state = async |state: &str| {
            let path = format!("jobs/state/{}/{state}", key.path());
            worker.call(&world, "PATCH", &path, &Value::Null).await.expect_own(200);
        };
        state("running").await;
        assert_eq!(push(&world, &worker, &key, "begun\n\n{\"event\": \"ä\", \"level\": \"info\"}\r\n").await, 200);
        assert_eq!(push(&world, &worker, &key, "ended\u{0}").await, 200);
        state("failed").await;
        worker.heartbeat(&world, "offline").await.expect_own(200);

        let of_tasks = page(&world, &site, "sources=worker").await;
        let key = "first/wait/manual__2026-01-01T00:00:00.000001+00:00/1/-1";
        let expected = ["begun", "{\"event\": \"ä\", \"level\": \"info\"}", "ended\u{fffd}"];
        assert_eq!(lines(&of_tasks), expected.map(|line| format!("{key}: {line}")));
        for entry in of_tasks["results"].as_array().expect("results") {
            assert_eq!(entry["source"], "worker");
            assert_eq!(entry["timestamp"].as_f64(), Some(1_767_225_660_000.0)); // 2026-01-01T00:01:00Z
        }
        let of_gate = page(&world, &site, "sources=apiserver").await;
        assert!(of_gate["results"].as_array().expect("results").iter().all(|entry| entry["source"] == "apiserver"));
        assert_eq!(lines(&of_gate), [
            format!("2026-01-01T00:00:00Z INFO worker one registered with the agent token one ({})", worker.id),
            format!("2026-01-01T00:00:00Z INFO job handed to one: {key}"),
            format!("2026-01-01T00:01:00Z INFO job running: {key}"),
            format!("2026-01-01T00:01:00Z WARNING job failed: {key}"),
            "2026-01-01T00:01:00Z INFO worker one is offline".into(),
        ]);
        assert_eq!(lines(&page(&world, &site, BOTH).await).len(), 8);
        assert_eq!(lines(&page(&world, &site, "sources=scheduler&sources=triggerer").await), [""; 0]);

        let kept = world.database.dump("deployment_logs").await;
        assert!(!kept.contains(&worker.token) && !kept.contains(&token) && !kept.contains("eyJ"), "{kept}");
        // It outlives a restart.
        let world = world.restarted().await;
        assert_eq!(lines(&page(&world, &site, "sources=worker").await).len(), 3);
    }

    /// What the Airflow did not take is not kept, and what an agent was refused is told.
    async fn refusals_are_told(world) {
        let site = Site::with_secret(&world).await;
        let (worker, key, _) = site.running(&world, "one", "first", TASK).await;
        site.airflow.fail_next(Fault::Status(500));
        assert_eq!(push(&world, &worker, &key, "not taken").await, 500);
        let other = json!({"log_chunk_data": "of another", "task_instance_id": "01a20c4c-41c5-784e-98e6-000000000000"});
        let refused = worker.call(&world, "POST", &format!("logs/push/{}", key.path()), &other).await;
        assert_eq!(refused.status, 403);
        let forged = Worker { token: "x".repeat(64), ..worker.clone() };
        assert_eq!(forged.heartbeat(&world, "idle").await.status, 403);
        assert_eq!(lines(&page(&world, &site, "sources=worker").await), [""; 0]);
        let told = lines(&page(&world, &site, "sources=apiserver&searchText=refused").await);
        let [one] = &told[..] else { panic!("{told:?}") };
        assert!(one.starts_with(&format!("2026-01-01T00:00:00Z WARNING refused to the agent token {}: ", worker.id)), "{one}");
    }

    /// The end of a token is told once its Airflow knows.
    async fn a_cut_off_is_told(world) {
        let site = Site::with_secret(&world).await;
        let (worker, ..) = site.running(&world, "one", "first", TASK).await;
        let app = world.app.clone();
        let upkeep = tokio::spawn(async move { app.run_upkeep().await });
        site.delete_token(&world, &worker.id).await;
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            let told = lines(&page(&world, &site, "sources=apiserver&searchText=cut%20off").await);
            if let [one] = &told[..] {
                assert!(one.contains(&format!("the agent token one ({}) was deleted by First owner", worker.id)), "{one}");
                break;
            }
            assert!(Instant::now() < until, "{told:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        upkeep.abort();
    }

    /// Pages follow each other while lines come, and hold the newest that were asked for, the oldest
    /// of them first. The last page is the one that is shorter than its limit.
    async fn pages(world) {
        let site = Site::with_secret(&world).await;
        let (worker, key, _) = site.running(&world, "one", "first", TASK).await;
        for number in 0..12 {
            world.clock.advance(1);
            push(&world, &worker, &key, &format!("line {number:02}")).await;
        }
        let number = |line: &String| line.rsplit(' ').next().expect("a number").parse::<u32>().expect("a number");
        for (most, limit, expected) in [(100, 5, 0..12), (7, 5, 5..12), (7, 7, 5..12), (12, 100_000, 0..12), (1, 500, 11..12)] {
            let (mut found, mut id) = (Vec::new(), String::new());
            loop {
                let query = format!("sources=worker&limit={limit}&maxNumResults={most}&offset={}{id}", found.len());
                let page = page(&world, &site, &query).await;
                assert_eq!((&page["maxNumResults"], &page["offset"]), (&json!(most), &json!(found.len())));
                assert_eq!(page["limit"], json!(limit.min(5000)));
                found.extend(lines(&page).iter().map(number));
                if page["resultCount"].as_u64() < page["limit"].as_u64() {
                    break;
                }
                id = format!("&searchId={}", page["searchId"].as_str().expect("an id"));
                world.clock.advance(2); // what comes now is behind the search
                push(&world, &worker, &key, "line 99").await;
            }
            assert_eq!(found, expected.collect::<Vec<_>>(), "{most} by {limit}");
            world.database.execute("DELETE FROM deployment_logs WHERE raw LIKE '%line 99'").await;
        }
    }

    /// What is removed between two pages does not move the second one.
    async fn pages_while_lines_are_removed(world) {
        let site = Site::with_secret(&world).await;
        let (worker, key, _) = site.running(&world, "one", "first", TASK).await;
        for number in 0..12 {
            world.clock.advance(1);
            push(&world, &worker, &key, &format!("line {number:02}")).await;
        }
        let read = async |query: &str| {
            let page = page(&world, &site, &format!("sources=worker&limit=3&maxNumResults=9&{query}")).await;
            let found = lines(&page).iter().map(|line| line[line.len() - 2..].to_owned()).collect::<Vec<_>>();
            (found, page["searchId"].as_str().expect("an id").to_owned())
        };
        let (first, id) = read("").await;
        assert_eq!(first, ["03", "04", "05"]);
        world.clock.advance(2);
        for (gone, offset, expected) in [
            (&["00", "01"][..], 3, ["06", "07", "08"]), // of those before what was asked for
            (&["02", "03", "04"], 3, ["06", "07", "08"]),
            (&["05"], 6, ["09", "10", "11"]),
            (&["06", "07", "08", "09"], 3, ["10", "11", ""]), // of the page itself
        ] {
            for number in gone {
                world.database.execute(&format!("DELETE FROM deployment_logs WHERE raw LIKE '%line {number}'")).await;
            }
            push(&world, &worker, &key, "line 99").await; // behind the search
            let (found, again) = read(&format!("offset={offset}&searchId={id}")).await;
            assert_eq!(found, expected.into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>());
            assert_eq!(again, id);
        }
    }

    /// By text, by time, and by how far to look back.
    async fn filters(world) {
        let site = Site::with_secret(&world).await;
        let (worker, key, _) = site.running(&world, "one", "first", TASK).await;
        push(&world, &worker, &key, "An ERROR, 100% \\ certain_ly 'quoted'").await;
        world.clock.advance(3601);
        push(&world, &worker, &key, "an Error of STRASSE and STRAßE").await;
        let find = async |query: &str| lines(&page(&world, &site, &format!("sources=worker&{query}")).await).len();
        for (text, count) in [
            ("error", 1), ("ERROR", 1), ("STRA%C3%9FE", 1), ("stra%C3%9Fe", 1), ("nothing", 0),
            ("first/wait", 1), ("%25", 0),
        ] {
            assert_eq!(find(&format!("searchText={text}")).await, count, "{text}");
        }
        for (text, count) in [("error", 2), ("100%25", 1), ("_", 2), ("_ly", 1), ("n_ly", 1), ("c_rtain", 0), ("%5C", 1), ("'quoted'", 1)] {
            assert_eq!(find(&format!("range=7200&searchText={text}")).await, count, "{text}");
        }
        for (query, count) in [
            ("", 1), ("range=3600", 1), ("range=3601", 2),
            ("startDate=2026-01-01T00:00:00Z&endDate=2026-01-01T01:00:01Z", 1),
            ("startDate=2026-01-01T00:00:00Z&endDate=2026-01-01T01:00:02Z", 2),
            ("startDate=2026-01-01T00:00:01Z&endDate=2026-01-01T01:00:01Z", 0),
            ("startDate=2026-01-01T01:00:00%2B01:00&endDate=2026-01-01T01:00:01%2B01:00", 1),
        ] {
            assert_eq!(find(query).await, count, "{query}");
        }
    }

    async fn bad_requests_name_the_field(world) {
        let site = Site::with_secret(&world).await;
        for (query, field) in [
            ("", "sources"),
            ("sources=", "sources"),
            ("sources=mainframe", "sources[0]"),
            ("sources=worker&sources=x", "sources[1]"),
            ("sources=worker&limit=0", "limit"),
            ("sources=worker&limit=x", "limit"),
            ("sources=worker&offset=-1", "offset"),
            ("sources=worker&range=59", "range"),
            ("sources=worker&maxNumResults=0", "maxNumResults"),
            ("sources=worker&startDate=2026-01-01T00:00:00Z", "endDate"),
            ("sources=worker&endDate=2026-01-01T00:00:00Z", "startDate"),
            ("sources=worker&startDate=yesterday&endDate=2026-01-01T00:00:00Z", "startDate"),
            ("sources=worker&startDate=2026-01-01T00:00:00Z&endDate=2026-01-01T00:00:00Z", "endDate"),
            ("sources=worker&searchId=x", "searchId"),
            ("sources=worker&searchId=1-2", "searchId"),
            ("sources=worker&searchId=1-2-3", "searchId"),
            ("sources=worker&searchId=1-2-3-4-5", "searchId"),
            ("sources=worker&searchId=1--2-3", "searchId"),
            ("sources=worker&searchText=a%00", "searchText"),
        ] {
            let answer = world.get(&path(&world, &site, query)).await;
            assert_eq!((answer.status, answer.fields()), (400, vec![field]), "{query}: {}", answer.json);
            answer.assert_envelope();
        }
        let largest = format!("sources=worker&searchId=0-{0}-{0}-{0}&offset={1}&maxNumResults={1}", i64::MAX, u32::MAX);
        assert_eq!(lines(&page(&world, &site, &largest).await), [""; 0]);
    }

    /// Old lines go by age, and the oldest by how much there is; what is turned off is not kept.
    async fn what_is_kept_is_bounded(world) {
        let count = async |world: &World, site: &Site| {
            let days = format!("{BOTH}&range={}", 30 * 86_400);
            lines(&page(world, site, &days).await).len()
        };
        let world = with_settings(world, keeping(4000)).await;
        let site = Site::with_secret(&world).await;
        let (worker, key, _) = site.running(&world, "one", "first", TASK).await;
        for _ in 0..10 {
            world.clock.advance(1);
            push(&world, &worker, &key, &"x".repeat(1000)).await;
        }
        assert_eq!(count(&world, &site).await, 12);
        world.app.tidy_logs().await.expect("tidied");
        assert_eq!(count(&world, &site).await, 3, "each is of a little more than 1000 bytes");
        world.clock.advance(7 * 86_400 - 1);
        world.app.tidy_logs().await.expect("tidied");
        assert_eq!(count(&world, &site).await, 2);
        world.clock.advance(1);
        world.app.tidy_logs().await.expect("tidied");
        assert_eq!(count(&world, &site).await, 1);

        // What was kept before it was turned off.
        let world = world.restarted_with(keeping(0)).await;
        world.clock.advance(1);
        world.app.tidy_logs().await.expect("tidied");
        assert_eq!(count(&world, &site).await, 0);

        let world = with_settings(world, keeping(0)).await;
        let site = Site::with_secret(&world).await;
        let (worker, key, _) = site.running(&world, "one", "first", TASK).await;
        assert_eq!(push(&world, &worker, &key, "not kept").await, 200);
        assert_eq!(count(&world, &site).await, 0);
        assert!(world.metrics().await.contains("airlock_deployment_log_pieces_lost_total 0"));
    }

    /// A log that grows no more is made smaller when the server begins to keep less.
    async fn a_smaller_bound_is_for_quiet_logs_too(world) {
        let site = Site::with_secret(&world).await;
        let (worker, key, _) = site.running(&world, "one", "first", TASK).await;
        for _ in 0..10 {
            world.clock.advance(1);
            push(&world, &worker, &key, &"x".repeat(1000)).await;
        }
        world.app.flush().await.expect("flushed");
        world.app.tidy_logs().await.expect("tidied");
        let world = world.restarted_with(keeping(4000)).await;
        assert_eq!(lines(&page(&world, &site, BOTH).await).len(), 12);
        world.app.tidy_logs().await.expect("tidied");
        assert_eq!(lines(&page(&world, &site, BOTH).await).len(), 3);
    }

    /// However many lines come at once, so many of them are kept, and a line says how many are not.
    /// Those that were kept before them go, but never they themselves.
    async fn a_piece_is_bounded_and_stays(world) {
        let world = with_settings(world, keeping(4000)).await;
        let site = Site::with_secret(&world).await;
        let (worker, key, _) = site.running(&world, "one", "first", TASK).await;
        push(&world, &worker, &key, "before them").await;
        world.clock.advance(1);
        assert_eq!(push(&world, &worker, &key, &"a\n".repeat(1_300_000)).await, 200);
        world.app.flush().await.expect("flushed");
        let query = "sources=worker&limit=5000&maxNumResults=1000000&offset=";
        let all = async || {
            let mut found: Vec<String> = Vec::new();
            loop {
                let some = lines(&page(&world, &site, &format!("{query}{}", found.len())).await);
                if some.is_empty() {
                    return found;
                }
                found.extend(some);
            }
        };
        let first = all().await;
        assert!(first[0].ends_with(": before them"));
        let text: usize = first.iter().map(String::len).sum();
        assert!((5_000..50_000).contains(&first.len()) && text < 2 << 20, "{} lines, {text} bytes", first.len());
        let left_out = 1_300_000 - (first.len() - 2);
        let last = first.last().expect("a line");
        assert!(last.ends_with(&format!(": left out {left_out} more lines: too many came at once")), "{last}");
        world.app.tidy_logs().await.expect("tidied");
        assert_eq!(all().await, first[1..]);
        world.clock.advance(1);
        push(&world, &worker, &key, "behind them").await;
        world.app.flush().await.expect("flushed");
        world.app.tidy_logs().await.expect("tidied");
        assert_eq!(all().await.len(), 1);
    }

    /// What is removed is removed in portions, each in a transaction of its own, and where nothing is
    /// to go there is none.
    async fn writers_are_not_held_up(world) {
        let commits = async |world: &World| {
            let name = "airlock_sqlite_group_commit_size_count ";
            let metrics = world.metrics().await;
            let count = metrics.lines().find_map(|line| line.strip_prefix(name)).expect("the metric");
            count.parse::<u64>().expect("a number")
        };
        let is_sqlite = matches!(world.database, Database::Sqlite(_));
        let site = Site::with_secret(&world).await;
        let (worker, key, _) = site.running(&world, "one", "first", TASK).await;
        for _ in 0..5 {
            world.clock.advance(1);
            push(&world, &worker, &key, &"x\n".repeat(1500)).await;
        }
        world.app.flush().await.expect("flushed");
        let before = commits(&world).await;
        world.app.tidy_logs().await.expect("tidied");
        assert_eq!(commits(&world).await, before);
        world.clock.advance(7 * 86_400 + 1);
        world.app.tidy_logs().await.expect("tidied");
        assert_eq!(world.database.dump("deployment_logs").await.lines().count(), 0);
        assert!(!is_sqlite || commits(&world).await >= before + 3, "7500 lines");
    }

    /// They end with the Deployment, also those that are not written yet.
    async fn a_deleted_deployment_has_none(world) {
        let site = Site::with_secret(&world).await;
        let (worker, key, _) = site.running(&world, "one", "first", TASK).await;
        push(&world, &worker, &key, "written").await;
        assert_eq!(lines(&page(&world, &site, "sources=worker").await).len(), 1);
        push(&world, &worker, &key, "not written yet").await;
        world.delete(&world.path(&format!("/deployments/{}", site.deployment))).await.expect(204);
        world.app.flush().await.expect("flushed");
        assert_eq!(world.database.dump("deployment_logs").await.lines().count(), 0);
        world.get(&path(&world, &site, "sources=worker")).await.expect(404);
    }

    /// Memory is bounded: what comes faster than it can be written is lost, and that is told. The
    /// Airflow has it all the same.
    async fn what_is_lost_is_told(world) {
        let site = Site::with_secret(&world).await;
        let (worker, key, _) = site.running(&world, "one", "first", TASK).await;
        let large = "x".repeat(4_000_000);
        for _ in 0..9 {
            assert_eq!(push(&world, &worker, &key, &large).await, 200);
        }
        let told = lines(&page(&world, &site, "sources=apiserver&searchText=lost").await);
        assert_eq!(told, ["2026-01-01T00:00:00Z WARNING lost 1 of the log's pieces: they came faster than they could be written"]);
        let kept = lines(&page(&world, &site, "sources=worker").await);
        assert_eq!(kept.len(), 8);
        assert!(kept.iter().all(|line| line.ends_with("x...") && line.len() < 9000));
        let metrics = world.metrics().await;
        for line in ["airlock_deployment_log_pieces_lost_total 1\n", "airlock_deployment_log_lines_kept_total 11\n"] {
            assert!(metrics.contains(line), "{line}");
        }
        assert_eq!(push(&world, &worker, &key, "there is room again").await, 200);
        assert_eq!(lines(&page(&world, &site, "sources=worker").await).len(), 9);
    }
}

/// What cannot be removed of one Deployment does not keep the others' from being removed, and is
/// removed when it can be.
#[tokio::test]
async fn one_that_fails_does_not_stop_the_rest() {
    let world = World::with_settings(Database::sqlite(), keeping(2500)).await;
    let sites = [Site::with_secret(&world).await, Site::with_secret(&world).await, Site::with_secret(&world).await];
    let count = async |site: &Site| lines(&page(&world, site, "sources=worker&range=2592000").await).len();
    let fill = async |days: i64| {
        for (site, number) in sites.iter().zip(0..) {
            let (worker, key, _) = site.running(&world, &format!("of-{days}-{number}"), "first", TASK).await;
            for line in 0..5 {
                world.clock.advance(1);
                push(&world, &worker, &key, &format!("{line}{}", "x".repeat(1000))).await;
            }
        }
        world.app.flush().await.expect("flushed");
        world.clock.advance(days * 86_400);
    };
    // Whichever of them is looked at first, there is one behind or before it.
    let forbid = format!(
        "CREATE TRIGGER forbidden BEFORE DELETE ON deployment_logs WHEN old.deployment_id = '{}' \
         BEGIN SELECT RAISE(ABORT, 'forbidden'); END",
        sites[1].deployment
    );
    let counts = async || [count(&sites[0]).await, count(&sites[1]).await, count(&sites[2]).await];

    fill(0).await; // too much
    world.database.execute(&forbid).await;
    world.app.tidy_logs().await.expect_err("forbidden");
    assert_eq!(counts().await, [2, 5, 2]);
    world.database.execute("DROP TRIGGER forbidden").await;
    world.app.tidy_logs().await.expect("tidied");
    assert_eq!(counts().await, [2, 2, 2]);

    fill(8).await; // too old
    world.database.execute(&forbid).await;
    world.app.tidy_logs().await.expect_err("forbidden");
    assert_eq!(counts().await, [0, 7, 0]);
    world.database.execute("DROP TRIGGER forbidden").await;
    world.app.tidy_logs().await.expect("tidied");
    assert_eq!(counts().await, [0, 0, 0]);
}

/// On as many threads as a server has: searches wait for each other, and everybody gets an answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_searches_at_once() {
    let world = World::new(Database::sqlite()).await;
    let site = Site::with_secret(&world).await;
    let (worker, key, _) = site.running(&world, "one", "first", TASK).await;
    push(&world, &worker, &key, &"x\n".repeat(5000)).await;
    world.app.flush().await.expect("flushed");
    let address = world.serve().await;
    let url = format!("{address}{}", path(&world, &site, "sources=worker&limit=1&searchText=X"));
    let mut searches = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let (client, url, owner) = (reqwest::Client::new(), url.clone(), world.owner.clone());
        searches.spawn(async move { client.get(url).bearer_auth(owner).send().await.expect("an answer").status() });
    }
    while let Some(status) = searches.join_next().await {
        assert_eq!(status.expect("a task"), 200);
    }
}
