//! A worker as the stock one is: it signs each request with its agent token.

use std::sync::atomic::{AtomicU64, Ordering};

use airlock_core::env::Clock;
use axum::{
    body::Body,
    http::{Request, request::Builder},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::{Answer, World};

/// A worker of a Deployment.
#[derive(Clone, Debug)]
pub struct Worker {
    /// The Deployment whose gate it calls.
    pub deployment: String,
    /// Its name.
    pub name: String,
    /// The id of its agent token, which it says in `iss`.
    pub id: String,
    /// The value of its agent token, with which it signs.
    pub token: String,
    /// The queues that it takes work from.
    pub queues: Vec<String>,
}

impl Worker {
    /// A worker of a Deployment with a token, for the queue `default`.
    pub fn new(deployment: &str, name: &str, (id, token): (String, String)) -> Self {
        Self { deployment: deployment.into(), name: name.into(), id, token, queues: vec!["default".into()] }
    }

    /// What it says of itself.
    pub fn state(&self, state: &str) -> Value {
        json!({
            "queues": self.queues, "team_name": null, "state": state, "jobs_active": 0,
            "sysinfo": {
                "status": 20, "airflow_version": "3.3.2", "edge_provider_version": "5.1.0", "concurrency": 8,
                "free_concurrency": 8,
            },
        })
    }

    /// The claims of a JWT for a path below `edge_worker/v1/`.
    pub fn claims(&self, world: &World, path: &str) -> Value {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let now = world.clock.now().as_seconds();
        let path = path.split('?').next().unwrap_or_default();
        json!({
            "method": percent_decode_str(path).decode_utf8_lossy(), "aud": "api", "iss": self.id,
            "jti": format!("{:032x}", NUMBER.fetch_add(1, Ordering::SeqCst)), "iat": now, "nbf": now, "exp": now + 10,
        })
    }

    /// A JWT of the claims, signed with a secret.
    pub fn sign(claims: &Value, secret: &str) -> String {
        let header = Header { kid: Some("not-used".into()), ..Header::new(Algorithm::HS512) };
        encode(&header, claims, &EncodingKey::from_secret(secret.as_bytes())).expect("a JWT")
    }

    /// A signed request for a path below `edge_worker/v1/`.
    pub fn request(&self, world: &World, method: &str, path: &str) -> Builder {
        let jwt = Self::sign(&self.claims(world, path), &self.token);
        self.unsigned(method, path).header("authorization", jwt)
    }

    /// The same request, without the signature.
    pub fn unsigned(&self, method: &str, path: &str) -> Builder {
        let uri = format!("/d/{}/edge_worker/v1/{path}", self.deployment);
        let request = Request::builder().method(method).uri(uri);
        let request = request.header("accept", "application/json").header("accept-encoding", "gzip, deflate");
        request.header("user-agent", "Python/3.11 aiohttp/3.14.5")
    }

    /// Calls a path below `edge_worker/v1/`; `body` is `Value::Null` for none.
    pub async fn call(&self, world: &World, method: &str, path: &str, body: &Value) -> Answer {
        let request = self.request(world, method, path);
        let request = match body {
            Value::Null => request.header("content-type", "application/octet-stream").body(Body::empty()),
            body => request.header("content-type", "application/json").body(Body::from(body.to_string())),
        };
        world.send(request.expect("a request")).await
    }

    /// Registers.
    pub async fn register(&self, world: &World) -> Answer {
        self.call(world, "POST", &format!("worker/{}", self.name), &self.state("starting")).await
    }

    /// Tells its state.
    pub async fn heartbeat(&self, world: &World, state: &str) -> Answer {
        self.call(world, "PATCH", &format!("worker/{}", self.name), &self.state(state)).await
    }

    /// Asks for a job.
    pub async fn fetch(&self, world: &World) -> Answer {
        let body = json!({
            "queues": self.queues, "team_name": null, "free_concurrency": 8, "supports_task_instance_uuid": true,
        });
        self.call(world, "POST", &format!("jobs/fetch/{}", self.name), &body).await
    }

    /// A request of a task below `execution/`, with the token that it was given.
    pub fn task_request(&self, token: &str, method: &str, path: &str) -> Builder {
        let uri = format!("/d/{}/execution/{path}", self.deployment);
        let request = Request::builder().method(method).uri(uri).header("authorization", format!("Bearer {token}"));
        request.header("airflow-api-version", "2026-06-30").header("correlation-id", "01a20c4c-4bcd-7188-9cbc")
    }

    /// Calls a path below `execution/` with a task's token; `body` is `Value::Null` for none.
    pub async fn task_call(&self, world: &World, token: &str, method: &str, path: &str, body: &Value) -> Answer {
        let request = self.task_request(token, method, path);
        let request = match body {
            Value::Null => request.body(Body::empty()),
            body => request.header("content-type", "application/json").body(Body::from(body.to_string())),
        };
        world.send(request.expect("a request")).await
    }
}
