//! An Airflow behind https: the gate trusts the authorities that its machine trusts, and no others.

use std::{
    path::Path,
    time::{Duration, Instant, SystemTime},
};

use airlock_tests::{
    Worker,
    airflow::SECRET,
    binary::{Server, command},
};
use reqwest::Client;
use serde_json::{Value, json};

/// What the log says of an Airflow that was reached, and has no edge API.
const REACHED: &str = "the Airflow's edge API is off";

/// How long the log may take to come through its pipe.
const PATIENCE: Duration = Duration::from_secs(10);

/// Starts a server whose machine trusts the certificates in a file.
fn trusting(data: &Path, authorities: &Path) -> Server {
    let mut serve = command(&["serve", "--listen", "127.0.0.1:0", "--admin-listen", "off", "--data-dir"]);
    serve.arg(data).env("SSL_CERT_FILE", authorities);
    Server::run(serve)
}

fn first(server: &Server, label: &str) -> String {
    let printed = server.printed(|text| text.contains("curl"));
    let mut found = printed.lines().filter_map(|line| line.trim().strip_prefix(label));
    found.next().expect("it is printed").trim().to_owned()
}

/// Has a worker register with an Airflow: the status, and the server's log.
async fn register(server: &Server, airflow: &str) -> (u16, String) {
    let client = Client::new();
    let (owner, organization) = (first(server, "API token"), first(server, "Organization"));
    let make = async |path: &str, body: Value| {
        let url = format!("{}/v1/organizations/{organization}/{path}", server.url());
        let answer = client.post(url).bearer_auth(&owner).json(&body).send().await.expect("an answer");
        let made: Value = answer.json().await.expect("JSON");
        let text = |key: &str| made[key].as_str().unwrap_or_default().to_owned();
        (text("id"), text("token"))
    };
    let variable = |key: &str, value: &str| json!({"key": key, "value": value, "isSecret": false});
    let body = json!({
        "name": "attached", "workspaceId": first(server, "Workspace"), "remoteExecution": {"enabled": true},
        "environmentVariables":
            [variable("AIRFLOW__API__BASE_URL", airflow), variable("AIRFLOW__API_AUTH__JWT_SECRET", SECRET)],
    });
    let (deployment, _) = make("deployments", body).await;
    let token = make(&format!("deployments/{deployment}/agent-tokens"), json!({"name": "x"})).await;
    let worker = Worker::new(&deployment, "one", token);
    #[expect(clippy::disallowed_methods, reason = "the binary has the machine's clock")]
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a time").as_secs();
    let claims = json!({"method": "worker/one", "aud": "api", "iss": worker.id, "iat": now, "exp": now + 10});
    let url = format!("{}/d/{deployment}/edge_worker/v1/worker/one", server.url());
    let request = client.post(url).header("authorization", Worker::sign(&claims, &worker.token));
    let answer = request.json(&worker.state("starting")).send().await.expect("an answer");
    let began = Instant::now();
    while !server.log().contains("does not go through") {
        assert!(began.elapsed() < PATIENCE, "the log says nothing: {}", server.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    (answer.status().as_u16(), server.log())
}

#[tokio::test]
async fn an_airflow_behind_https() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let write = |name: &str| {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
        std::fs::write(at(&format!("{name}.crt")), made.cert.pem()).expect("written");
        std::fs::write(at(&format!("{name}.key")), made.signing_key.serialize_pem()).expect("written");
    };
    write("airflow");
    write("stranger");
    let text = |name: &str| at(name).display().to_string();
    // Another server of ours stands for the Airflow: it has no edge API, and says so.
    let tls = ["--tls-certificate", &text("airflow.crt"), "--tls-key", &text("airflow.key")];
    let airflow = Server::start(&at("airflow"), &tls);
    let url = format!("https://{}", airflow.address());

    let (status, log) = register(&trusting(&at("one"), &at("airflow.crt")), &url).await;
    assert!(status == 503 && log.contains(REACHED), "{status}: {log}");
    let (status, log) = register(&trusting(&at("two"), &at("stranger.crt")), &url).await;
    assert!(status == 503 && !log.contains(REACHED) && log.contains("certificate"), "{status}: {log}");
}
