//! Workers as stock ones are: they sign each request with their agent token.

use std::{cell::Cell, rc::Rc};

use airlock_core::Env;
use anyhow::{Context, ensure};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::{
    http::{self, Connection},
    server::First,
};

/// The run of every job; Airflow's ids have such signs in them.
pub(crate) const RUN: &str = "manual__2026-01-01T00:00:00.000001+00:00";

/// The UUID of the task of the job that a worker of a name runs: a different one for each.
pub(crate) fn task_of(name: &str) -> String {
    let number = name.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    format!("019a0b5e-4d5c-7a30-8b1e-{:012x}", number & 0xffff_ffff_ffff)
}

/// What a worker or its task calls.
#[derive(Clone, Copy)]
pub(crate) enum Call {
    /// The worker says how it is.
    Heartbeat,
    /// It asks for a job, and there is none.
    Fetch,
    /// It sends so many bytes of its job's log.
    Logs(usize),
    /// Its task says that it runs.
    TaskHeartbeat,
}

/// A worker that has registered, and runs a job.
pub(crate) struct Worker {
    name: String,
    /// What its requests say of who signed them.
    id: String,
    key: EncodingKey,
    /// What its task calls with.
    task_token: String,
    /// How many requests it has signed.
    signed: Cell<u64>,
    env: Rc<Env>,
}

impl Worker {
    /// Makes a token and a worker with it, which registers and fetches a job.
    pub(crate) async fn start(
        api: &mut Connection,
        first: &First,
        deployment: &str,
        name: &str,
        env: Rc<Env>,
    ) -> anyhow::Result<Self> {
        let mut request = Vec::new();
        let path = format!("/v1/organizations/{}/deployments/{deployment}/agent-tokens", first.organization);
        http::post(&mut request, &path, &first.token, &json!({"name": name}).to_string());
        let made: Value = serde_json::from_slice(api.exchange(&request, 200).await?)?;
        let text = |field: &str| made[field].as_str().context("an agent token without its parts");
        let key = EncodingKey::from_secret(text("token")?.as_bytes());
        let mut worker = Self {
            name: name.into(),
            id: text("id")?.into(),
            key,
            task_token: String::new(),
            signed: Cell::new(0),
            env,
        };
        let base = format!("/d/{deployment}");
        worker.write(&mut request, &base, "POST", &format!("worker/{name}"), &worker.state("starting"))?;
        api.exchange(&request, 200).await?;
        worker.write_call(&mut request, &base, Call::Fetch, "")?;
        let job: Value = serde_json::from_slice(api.exchange(&request, 200).await?)?;
        worker.task_token = job["command"]["token"].as_str().context("no job was handed out")?.into();
        ensure!(worker.task_token.starts_with("agw."), "the task token is not the gate's");
        Ok(worker)
    }

    /// Replaces `out` by a call below a base path; `body` is what [`Self::body`] gave.
    pub(crate) fn write_call(&self, out: &mut Vec<u8>, base: &str, call: Call, body: &str) -> anyhow::Result<()> {
        let name = &self.name;
        match call {
            Call::Heartbeat => self.write(out, base, "PATCH", &format!("worker/{name}"), body),
            Call::Fetch if body.is_empty() => self.write_call(out, base, call, &self.body(call)),
            Call::Fetch => self.write(out, base, "POST", &format!("jobs/fetch/{name}"), body),
            Call::Logs(_) => self.write(out, base, "POST", &format!("logs/push/{name}/wait/{RUN}/1/-1"), body),
            Call::TaskHeartbeat => {
                out.clear();
                let path = format!("{base}/execution/task-instances/{}/heartbeat", task_of(name));
                http::signed(out, "PUT", &path, &format!("Bearer {}", self.task_token), body);
                Ok(())
            }
        }
    }

    /// The body of a call.
    pub(crate) fn body(&self, call: Call) -> String {
        match call {
            Call::Heartbeat => self.state("idle"),
            Call::Fetch => json!({
                "queues": ["default"], "team_name": null, "free_concurrency": 4, "supports_task_instance_uuid": true,
            })
            .to_string(),
            Call::Logs(bytes) => {
                // Lines of 120 bytes, with what JSON escapes in them, as structured logs have.
                let line = r#"{"timestamp":"2026-01-01T00:00:00.000001Z","level":"info","event":"rows copied: 4711","logger":"task"}"#;
                let text = format!("{line}\n").repeat(bytes / line.len() + 1);
                json!({
                    "log_chunk_time": "2026-01-01T00:00:00.000001Z", "log_chunk_data": &text[..bytes],
                    "task_instance_id": task_of(&self.name),
                })
                .to_string()
            }
            Call::TaskHeartbeat => json!({"hostname": self.name, "pid": 4711}).to_string(),
        }
    }

    /// What it says of itself.
    fn state(&self, state: &str) -> String {
        json!({
            "queues": ["default"], "team_name": null, "state": state, "jobs_active": 0,
            "sysinfo": {
                "status": 20, "airflow_version": "3.3.2", "edge_provider_version": "5.1.0", "concurrency": 4,
                "free_concurrency": 4, "python_version": "3.11.7", "worker_start_time": "2026-01-01T00:00:00Z",
            },
        })
        .to_string()
    }

    /// Writes a call of the edge API, signed as `edge3/cli/api_client.py` does it.
    fn write(&self, out: &mut Vec<u8>, base: &str, method: &str, path: &str, body: &str) -> anyhow::Result<()> {
        let now = self.env.now().as_seconds();
        let number = self.signed.replace(self.signed.get() + 1);
        let claims = json!({
            "method": path, "aud": "api", "iss": self.id, "jti": format!("{number:032x}"), "iat": now, "nbf": now,
            "exp": now + 10,
        });
        let header = Header { kid: Some("not-used".into()), ..Header::new(Algorithm::HS512) };
        let jwt = jsonwebtoken::encode(&header, &claims, &self.key)?;
        out.clear();
        http::signed(out, method, &format!("{base}/edge_worker/v1/{path}"), &jwt, body);
        Ok(())
    }
}
