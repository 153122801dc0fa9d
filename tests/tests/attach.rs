//! `airlock attach` and `airlock doctor --deployment`.

use airlock_tests::{
    World,
    airflow::{Airflow, SECRET, Trust},
    binary::{Ran, command},
    on_both,
};
use jsonwebtoken::jwk::JwkSet;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

/// The server over TCP, for the binary.
async fn serve(world: &World) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("its address"));
    let router = airlock_server::router(world.app.clone());
    (url, tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") }))
}

/// Runs the binary as the Owner would, with more of the environment.
async fn airlock(world: &World, url: &str, arguments: &[&str], more: &[(&str, &str)]) -> Ran {
    let mut command = command(arguments);
    command.env("AIRLOCK_URL", url).env("AIRLOCK_TOKEN", &world.owner).env("AIRLOCK_LOG", "off");
    command.envs(more.iter().copied());
    tokio::task::spawn_blocking(move || Ran::new(command)).await.expect("it ends")
}

async fn shown(world: &World) -> Value {
    world.get(&world.path(&format!("/deployments/{}", world.deployment))).await.expect(200)
}

/// The names of the Deployment's variables, with the values that are told.
fn variables(deployment: &Value) -> Vec<String> {
    let variables = deployment["environmentVariables"].as_array().expect("variables");
    let spell =
        |one: &Value| format!("{}={}", one["key"].as_str().unwrap_or(""), one["value"].as_str().unwrap_or("***"));
    variables.iter().map(spell).collect()
}

/// Gives the Deployment variables and settings of its own, which attaching must keep.
async fn furnish(world: &World) {
    let body = json!({
        "name": "kept", "workspaceId": world.workspace, "type": "STANDARD", "executor": "CELERY",
        "description": "kept too", "isCicdEnforced": true, "isDagDeployEnabled": true, "isHighAvailability": true,
        "schedulerSize": "LARGE", "contactEmails": ["a@example.com"],
        "workerQueues": [{
            "name": "default", "isDefault": true, "maxWorkerCount": 5, "minWorkerCount": 1, "workerConcurrency": 7,
        }],
        "environmentVariables": [
            {"key": "OTHER", "value": "1", "isSecret": false},
            {"key": "SECRET", "value": "hunter2", "isSecret": true},
        ],
    });
    world.post(&world.path(&format!("/deployments/{}", world.deployment)), body).await.expect(200);
}

fn without_what_attaching_changes(mut deployment: Value) -> Value {
    let fields = deployment.as_object_mut().expect("an object");
    fields.retain(|name, _| {
        !["environmentVariables", "status", "statusReason", "airflowVersion", "updatedAt", "updatedBy"]
            .contains(&name.as_str())
            && !name.starts_with("webServer")
            && !matches!(name.as_str(), "apiUrl" | "uiUrl")
    });
    deployment
}

on_both! {
    /// Attached by the secret: the Airflow is healthy at once, and all else is as it was.
    async fn attach_by_secret_keeps_everything_else(world) {
        furnish(&world).await;
        let before = shown(&world).await;
        let airflow = Airflow::start(Trust::Secret, world.clock.clone()).await;
        let (url, server) = serve(&world).await;
        let id = world.deployment.to_string();
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("secret");
        std::fs::write(&file, format!("{SECRET}\n")).expect("written");
        let file = file.display().to_string();
        let arguments = ["attach", "--deployment", &id, "--airflow-url", &format!("{}/", airflow.url), "--secret-file", &file];
        let out = airlock(&world, &url, &arguments, &[]).await.out();
        assert!(!out.contains(SECRET), "{out}");
        let out = out.replace(&id, "ID").replace(&airflow.url, "AIRFLOW");
        insta::assert_snapshot!("attach_by_secret", out);
        let after = shown(&world).await;
        assert_eq!(without_what_attaching_changes(after.clone()), without_what_attaching_changes(before));
        assert_eq!(after["status"], "HEALTHY");
        let base = format!("AIRFLOW__API__BASE_URL={}", airflow.url);
        assert_eq!(variables(&after), ["OTHER=1", "SECRET=***", &base, "AIRFLOW__API_AUTH__JWT_SECRET=***"]);

        // Again, elsewhere: the secret stays; and then it is forgotten.
        let other = Airflow::start(Trust::Secret, world.clock.clone()).await;
        airlock(&world, &url, &["attach", "--deployment", &id, "--airflow-url", &other.url], &[]).await.out();
        assert_eq!(shown(&world).await["status"], "HEALTHY");
        airlock(&world, &url, &["attach", "--deployment", &id, "--airflow-url", &other.url, "--jwks"], &[]).await.out();
        let base = format!("AIRFLOW__API__BASE_URL={}", other.url);
        assert_eq!(variables(&shown(&world).await), ["OTHER=1", "SECRET=***", &base]);
        server.abort();
    }

    /// Attached by Airlock's key, before the Airflow was told: the settings are printed, and doctor
    /// says what is wrong until they are there.
    async fn attach_by_keys_says_what_airflow_needs(world) {
        let airflow = Airflow::start(Trust::Secret, world.clock.clone()).await;
        let (url, server) = serve(&world).await;
        let id = world.deployment.to_string();
        let out = airlock(&world, &url, &["attach", "--deployment", &id, "--airflow-url", &airflow.url], &[]).await.out();
        let out = out.replace(&id, "ID").replace(&airflow.url, "AIRFLOW");
        insta::assert_snapshot!("attach_by_keys", out);
        let refused = airlock(&world, &url, &["doctor", "--deployment", &id], &[]).await;
        assert_eq!(refused.fault(), "1 of 8 checks found something wrong");

        let keys = world.get("/.well-known/jwks.json").await.expect(200);
        let keys: JwkSet = serde_json::from_value(keys).expect("a JWKS");
        let trusting = Airflow::start(Trust::Keys(keys, "http://127.0.0.1:8888".into()), world.clock.clone()).await;
        trusting.expect_audience(format!("http://127.0.0.1:8888/d/{id}"));
        airlock(&world, &url, &["attach", "--deployment", &id, "--airflow-url", &trusting.url], &[]).await.out();
        let out = airlock(&world, &url, &["doctor", "--deployment", &id], &[]).await.out();
        insta::assert_snapshot!("doctor_is_content", out);
        let json = airlock(&world, &url, &["doctor", "--deployment", &id, "--json"], &[]).await.out();
        let json: Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(json["status"], "HEALTHY");
        server.abort();
    }

    /// The secret by the environment; one that is not the Airflow's; and what is not to be had.
    async fn faults_of_attach_and_doctor(world) {
        let airflow = Airflow::start(Trust::Secret, world.clock.clone()).await;
        let (url, server) = serve(&world).await;
        let id = world.deployment.to_string();
        let attach = ["attach", "--deployment", &id, "--airflow-url", &airflow.url];
        let out = airlock(&world, &url, &attach, &[("AIRLOCK_AIRFLOW_SECRET", "not the one")]).await.out();
        assert!(out.contains("WRONG  trust: the Airflow refuses what Airlock signs"), "{out}");
        assert!(!out.contains("not the one"), "{out}");
        airlock(&world, &url, &attach, &[("AIRLOCK_AIRFLOW_SECRET", SECRET)]).await.out();
        assert_eq!(shown(&world).await["status"], "HEALTHY");

        let fault = airlock(&world, &url, &[&attach[..], &["--secret-file", "/nowhere"]].concat(), &[]).await.fault();
        assert!(fault.contains("the secret /nowhere cannot be read"), "{fault}");
        let ran = airlock(&world, &url, &[&attach[..], &["--jwks", "--secret-file", "x"]].concat(), &[]).await;
        assert_eq!(ran.code, Some(2), "{ran:?}");
        let ran = airlock(&world, &url, &["attach", "--deployment", &id, "--airflow-url", "airflow:8080"], &[]).await;
        assert!(ran.code == Some(2) && ran.err.contains("http://"), "{ran:?}");
        let fault = airlock(&world, &url, &["doctor", "--deployment", "cnowhere"], &[]).await.fault();
        assert!(fault.contains("Deployment not found"), "{fault}");

        let fault = airlock(&world, "http://127.0.0.1:9", &["doctor", "--deployment", &id], &[]).await.fault();
        assert!(fault.contains("cannot be reached"), "{fault}");

        let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("its address");
        let closed = format!("http://{closed}");
        airlock(&world, &url, &["attach", "--deployment", &id, "--airflow-url", &closed], &[]).await.out();
        let ran = airlock(&world, &url, &["doctor", "--deployment", &id], &[]).await;
        assert!(ran.out.contains("WRONG  API server: the Airflow cannot be reached"), "{ran:?}");
        assert_eq!(ran.fault(), "1 of 8 checks found something wrong");
        server.abort();
    }
}
