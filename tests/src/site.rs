//! A Deployment whose Airflow is a fake one.

use jsonwebtoken::jwk::JwkSet;
use serde_json::{Value, json};

use crate::{
    Worker, World,
    airflow::{Airflow, JobKey, SECRET, Trust},
};

/// The UUID of the task of [`Site::running`].
pub const TASK: &str = "01a20c4c-41c5-784e-98e6-afeb7d01b68e";

/// A Deployment, and the fake Airflow that it is attached to.
pub struct Site {
    /// The Deployment.
    pub deployment: String,
    /// Its Airflow.
    pub airflow: Airflow,
}

impl Site {
    /// A new Deployment, with an Airflow that trusts whoever has its secret.
    pub async fn with_secret(world: &World) -> Self {
        Self::new(world, Trust::Secret).await
    }

    /// A new Deployment, with an Airflow that trusts the keys that the server publishes.
    pub async fn with_keys(world: &World) -> Self {
        let keys = world.get("/.well-known/jwks.json").await.expect(200);
        let keys: JwkSet = serde_json::from_value(keys).expect("a JWKS");
        Self::new(world, Trust::Keys(keys, "http://127.0.0.1:8888".into())).await
    }

    async fn new(world: &World, trust: Trust) -> Self {
        let has_secret = matches!(trust, Trust::Secret);
        let airflow = Airflow::start(trust, world.clock.clone()).await;
        let deployment = Self::deployment(world, &airflow.url, has_secret, &json!([])).await;
        if !has_secret {
            airflow.expect_audience(format!("http://127.0.0.1:8888/d/{deployment}"));
        }
        Self { deployment, airflow }
    }

    /// A new Deployment that says where its Airflow is: its id.
    pub async fn deployment(world: &World, url: &str, has_secret: bool, ranges: &Value) -> String {
        let mut variables = vec![json!({"key": "AIRFLOW__API__BASE_URL", "value": url, "isSecret": false})];
        if has_secret {
            variables.push(json!({"key": "AIRFLOW__API_AUTH__JWT_SECRET", "value": SECRET, "isSecret": true}));
        }
        let body = json!({
            "name": "attached", "workspaceId": world.workspace, "environmentVariables": variables,
            "remoteExecution": {"enabled": true, "allowedIpAddressRanges": ranges},
        });
        let made = world.post(&world.path("/deployments"), body).await.expect(200);
        made["id"].as_str().expect("an id").into()
    }

    /// A new agent token: its id and value.
    pub async fn token(&self, world: &World, body: Value) -> (String, String) {
        let path = world.path(&format!("/deployments/{}/agent-tokens", self.deployment));
        let made = world.post(&path, body).await.expect(200);
        (made["id"].as_str().expect("an id").into(), made["token"].as_str().expect("a value").into())
    }

    /// Deletes an agent token.
    pub async fn delete_token(&self, world: &World, id: &str) {
        let path = world.path(&format!("/deployments/{}/agent-tokens/{id}", self.deployment));
        world.delete(&path).await.expect(204);
    }

    /// A worker with a token of its own.
    pub async fn worker(&self, world: &World, name: &str) -> Worker {
        Worker::new(&self.deployment, name, self.token(world, json!({"name": name})).await)
    }

    /// A worker that has registered, and fetched a job of a Dag; and the task token that it holds.
    pub async fn running(&self, world: &World, name: &str, dag: &str, task: &str) -> (Worker, JobKey, String) {
        let worker = self.worker(world, name).await;
        let (key, token) = self.run(world, &worker, dag, task).await;
        (worker, key, token)
    }

    /// Has a worker register, and fetch a job of a Dag: the job, and the task token that it holds.
    pub async fn run(&self, world: &World, worker: &Worker, dag: &str, task: &str) -> (JobKey, String) {
        worker.register(world).await.expect_own(200);
        let key = JobKey::new(dag);
        self.airflow.queue_job(&key, task, "default");
        let job = worker.fetch(world).await.expect_own(200);
        let token = job["command"]["token"].as_str().expect("a token").to_owned();
        (key, token)
    }
}
