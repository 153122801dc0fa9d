//! How the Airflow of a Deployment is found to be:
//! `GET /v1/organizations/{organizationId}/deployments/{deploymentId}/airflow-check`, and the
//! Deployment's status.

use std::time::{Duration, Instant};

use airlock_tests::{
    Site, World,
    airflow::{Airflow, SECRET, Trust},
    on_both,
};
use jsonwebtoken::jwk::JwkSet;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

const PATIENCE: Duration = Duration::from_secs(30);

fn at_work(world: &World) -> JoinHandle<()> {
    let app = world.app.clone();
    tokio::spawn(async move { app.run_upkeep().await })
}

async fn check(world: &World, deployment: &str) -> Value {
    world.get(&world.path(&format!("/deployments/{deployment}/airflow-check"))).await.expect(200)
}

async fn deployment(world: &World, id: &str) -> Value {
    world.get(&world.path(&format!("/deployments/{id}"))).await.expect(200)
}

/// What was found of an aspect: its outcome and message.
fn finding(check: &Value, aspect: &str) -> (String, String) {
    let findings = check["findings"].as_array().expect("findings");
    let found = findings.iter().find(|finding| finding["aspect"] == aspect);
    let found = found.unwrap_or_else(|| panic!("nothing about {aspect}: {check}"));
    let text = |name: &str| found[name].as_str().expect("a text").to_owned();
    (text("outcome"), text("message"))
}

/// Holds that an aspect is wrong in these words, and that it is what the Deployment says.
async fn assert_wrong(world: &World, id: &str, aspect: &str, words: &str) {
    let check = check(world, id).await;
    let (outcome, message) = finding(&check, aspect);
    assert_eq!(outcome, "WRONG", "{aspect}: {check}");
    assert!(message.contains(words), "{message}");
    assert_eq!(check["status"], "UNHEALTHY", "{check}");
    let deployment = deployment(world, id).await;
    assert_eq!(deployment["status"], "UNHEALTHY");
    assert_eq!(deployment["statusReason"], check["statusReason"]);
}

/// Waits until the Deployment has a status; answers it.
async fn until_status(world: &World, id: &str, status: &str) -> Value {
    let began = Instant::now();
    loop {
        let deployment = deployment(world, id).await;
        if deployment["status"] == status {
            return deployment;
        }
        assert!(began.elapsed() < PATIENCE, "not {status}: {} {}", deployment["status"], deployment["statusReason"]);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn healthy(world: &World, site: &Site) {
    let found = check(world, &site.deployment).await;
    assert_eq!(found["status"], "HEALTHY", "{found}");
    assert!(found.get("statusReason").is_none(), "{found}");
    assert_eq!(found["airflowVersion"], "3.3.2");
    let outcomes = found["findings"].as_array().expect("findings").iter().map(|finding| &finding["outcome"]);
    assert!(outcomes.clone().all(|outcome| outcome == "OK") && outcomes.count() == 8, "{found}");
    let deployment = deployment(world, &site.deployment).await;
    assert_eq!(deployment["status"], "HEALTHY");
    assert_eq!(deployment["airflowVersion"], "3.3.2");
    assert!(deployment.get("statusReason").is_none(), "{deployment}");
    assert_eq!(site.airflow.calls().len(), 0, "a look asked for something that changes something");
}

on_both! {
    /// All is well with an Airflow that trusts its secret, and nothing is left to do on its side.
    async fn an_airflow_that_trusts_its_secret_is_healthy(world) {
        let site = Site::with_secret(&world).await;
        healthy(&world, &site).await;
        assert_eq!(check(&world, &site.deployment).await["airflowSettings"], json!([]));
    }

    /// The same with Airlock's key; the check says what the Airflow's configuration must say.
    async fn an_airflow_that_trusts_airlocks_key_is_healthy(world) {
        let site = Site::with_keys(&world).await;
        healthy(&world, &site).await;
        assert_eq!(check(&world, &site.deployment).await["airflowSettings"], json!([
            {"name": "AIRFLOW__EDGE__TRUSTED_JWKS_URL", "value": "http://127.0.0.1:8888/.well-known/jwks.json"},
            {"name": "AIRFLOW__EDGE__JWT_ISSUER", "value": "http://127.0.0.1:8888"},
            {"name": "AIRFLOW__EDGE__JWT_AUDIENCE", "value": format!("http://127.0.0.1:8888/d/{}", site.deployment)},
            {"name": "AIRFLOW__EDGE__JWT_ALGORITHM", "value": "EdDSA"},
        ]));
    }

    /// What can be wrong with an Airflow, each told by its own words.
    async fn each_fault_is_told_apart(world) {
        let site = Site::with_secret(&world).await;
        let id = &site.deployment;
        site.airflow.set(|airflow| airflow.has_edge_api = false);
        assert_wrong(&world, id, "EDGE_API", "edge API is off").await;
        assert_eq!(finding(&check(&world, id).await, "TRUST"), ("SKIPPED".into(), "the edge API is off".into()));
        site.airflow.set(|airflow| airflow.has_edge_api = true);

        site.airflow.set(|airflow| airflow.ahead = 60);
        assert_wrong(&world, id, "CLOCK", "60 s ahead of Airlock's").await;
        assert_wrong(&world, id, "TRUST", "because the clocks differ").await;
        site.airflow.set(|airflow| airflow.ahead = -60);
        assert_wrong(&world, id, "CLOCK", "60 s behind Airlock's").await;
        site.airflow.set(|airflow| airflow.ahead = 9);
        assert_eq!(check(&world, id).await["status"], "HEALTHY");
        site.airflow.set(|airflow| airflow.ahead = 0);

        site.airflow.set(|airflow| airflow.scheduler = "unhealthy");
        assert_wrong(&world, id, "COMPONENTS", "unhealthy: scheduler").await;
        site.airflow.set(|airflow| airflow.scheduler = "healthy");

        site.airflow.set(|airflow| airflow.version = "2.11.0"); // has no /api/v2
        assert_wrong(&world, id, "REACHABILITY", "not as the API server of an Airflow 3").await;
        site.airflow.set(|airflow| airflow.version = "3.3.2");

        site.airflow.set(|airflow| airflow.status = Some(502));
        assert_wrong(&world, id, "REACHABILITY", "status 502").await;
        site.airflow.set(|airflow| airflow.status = None);
        assert_eq!(check(&world, id).await["status"], "HEALTHY");

        let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("its address");
        let deployment = Site::deployment(&world, &format!("http://{closed}"), true, &json!([])).await;
        assert_wrong(&world, &deployment, "REACHABILITY", "cannot be reached").await;
        let check = check(&world, &deployment).await;
        assert_eq!(finding(&check, "TRUST"), ("SKIPPED".into(), "the API server was not reached".into()));
        assert_eq!(check["findings"].as_array().map(Vec::len), Some(8), "{check}");
    }

    /// Who does not trust Airlock: another secret, a secret where keys are trusted, and keys where
    /// the issuer is another, or where a secret is trusted.
    async fn distrust_is_told_by_how_requests_are_signed(world) {
        let keys = world.get("/.well-known/jwks.json").await.expect(200);
        let keys: JwkSet = serde_json::from_value(keys).expect("a JWKS");
        let elsewhere = Trust::Keys(keys.clone(), "https://elsewhere".into());
        let here = Trust::Keys(keys, "http://127.0.0.1:8888".into());
        for (trust, has_secret, words) in [
            (here, true, "is not its [api_auth] jwt_secret, or"),
            (elsewhere, false, "jwt_issuer = http://127.0.0.1:8888"),
            (Trust::Secret, false, "trusted_jwks_url = http://127.0.0.1:8888/.well-known/jwks.json"),
        ] {
            let airflow = Airflow::start(trust, world.clock.clone()).await;
            let id = Site::deployment(&world, &airflow.url, has_secret, &json!([])).await;
            assert_wrong(&world, &id, "TRUST", words).await;
            let found = check(&world, &id).await.to_string();
            assert!(!found.contains(SECRET), "{found}");
        }
    }

    /// A provider that cannot trust keys is found out by the agent that has it.
    async fn an_edge_provider_that_is_too_old_is_told(world) {
        let site = Site::with_keys(&world).await;
        let worker = site.worker(&world, "w1").await;
        let mut ancient = worker.state("starting");
        ancient["sysinfo"]["edge_provider_version"] = json!("1.0.0");
        worker.call(&world, "POST", "worker/w1", &ancient).await.expect_own(200);
        assert_wrong(&world, &site.deployment, "VERSION", "the edge provider 1.0.0 is too old").await;
        let mut body = worker.state("starting");
        body["sysinfo"]["edge_provider_version"] = json!("3.8.0");
        worker.call(&world, "POST", "worker/w1", &body).await.expect_own(200);
        assert_wrong(&world, &site.deployment, "VERSION", "the edge provider 3.8.0 cannot trust Airlock's key").await;
        assert_eq!(check(&world, &site.deployment).await["edgeVersion"], "3.8.0");
    }

    /// Nothing is attached, or it is no URL; and remote execution that is off is told, but is no
    /// fault of the Airflow.
    async fn a_deployment_without_an_airflow_is_unknown(world) {
        let id = world.deployment.to_string();
        let found = check(&world, &id).await;
        assert_eq!((&found["status"], finding(&found, "ATTACHMENT").0.as_str()), (&json!("UNKNOWN"), "WRONG"));
        assert!(found["statusReason"].as_str().is_some_and(|reason| reason.contains("AIRFLOW__API__BASE_URL is missing")));
        let shown = deployment(&world, &id).await;
        assert_eq!((&shown["status"], &shown["airflowVersion"]), (&json!("UNKNOWN"), &json!("")), "{shown}");

        let odd = Site::deployment(&world, "ftp://airflow", false, &json!([])).await;
        assert!(finding(&check(&world, &odd).await, "ATTACHMENT").1.contains("not a URL"));

        let site = Site::with_secret(&world).await;
        let off = json!({
            "name": "off", "workspaceId": world.workspace, "remoteExecution": {"enabled": false},
            "environmentVariables": [{"key": "AIRFLOW__API__BASE_URL", "value": site.airflow.url, "isSecret": false}],
        });
        let off = world.post(&world.path("/deployments"), off).await.expect(200);
        let found = check(&world, off["id"].as_str().expect("an id")).await;
        assert_eq!(finding(&found, "REMOTE_EXECUTION").0, "WRONG");
        assert_eq!(finding(&found, "TRUST"), ("SKIPPED".into(), "remote execution is off".into()));
        assert_eq!(found["status"], "HEALTHY", "{found}");
        world.get(&world.path("/deployments/cnowhere/airflow-check")).await.expect(404);
    }

    /// Nobody asks: the server looks by itself, once an interval however many work, and sees the
    /// Airflow go and come back.
    async fn each_airflow_is_looked_at_once_an_interval(world) {
        let site = Site::with_secret(&world).await;
        let id = &site.deployment;
        let reason = deployment(&world, id).await["statusReason"].clone();
        assert_eq!(reason, "its Airflow has not been looked at yet");
        let work = [at_work(&world), at_work(&world), at_work(&world)];
        until_status(&world, id, "HEALTHY").await;
        site.airflow.set(|airflow| airflow.status = Some(503));
        tokio::time::sleep(Duration::from_millis(2500)).await;
        assert_eq!(site.airflow.looks(), 1, "the interval is not over");
        world.clock.advance(30);
        let shown = until_status(&world, id, "UNHEALTHY").await;
        assert!(shown["statusReason"].as_str().is_some_and(|reason| reason.contains("status 503")), "{shown}");
        assert_eq!(shown["airflowVersion"], "3.3.2", "as it was last known");
        site.airflow.set(|airflow| airflow.status = None);
        world.clock.advance(30);
        until_status(&world, id, "HEALTHY").await;
        assert_eq!(site.airflow.looks(), 3);
        for one in work {
            one.abort();
            let _ = one.await;
        }
        // When nobody looks any more, nothing is claimed.
        world.clock.advance(151);
        let shown = until_status(&world, id, "UNKNOWN").await;
        assert!(shown["statusReason"].as_str().is_some_and(|reason| reason.contains("last looked at at")), "{shown}");
        let page = world.get(&world.path("/deployments")).await.expect(200);
        assert_eq!(page["deployments"].as_array().map(Vec::len), Some(2), "{page}");
    }

    /// What was found of one Airflow says nothing of the next.
    async fn a_change_of_variables_makes_it_unknown(world) {
        let site = Site::with_secret(&world).await;
        let id = &site.deployment;
        check(&world, id).await;
        world.clock.advance(1);
        let body = json!({
            "name": "attached", "workspaceId": world.workspace, "type": "STANDARD", "executor": "CELERY",
            "isCicdEnforced": false, "isDagDeployEnabled": false, "isHighAvailability": false, "schedulerSize": "SMALL",
            "environmentVariables": [{"key": "AIRFLOW__API__BASE_URL", "value": "http://127.0.0.1:9", "isSecret": false}],
        });
        world.post(&world.path(&format!("/deployments/{id}")), body).await.expect(200);
        let shown = deployment(&world, id).await;
        assert_eq!(shown["status"], "UNKNOWN", "{shown}");
        world.delete(&world.path(&format!("/deployments/{id}"))).await.expect(204);
        assert_eq!(world.database.dump("deployment_health").await, "");
    }
}
