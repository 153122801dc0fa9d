//! The token that a worker holds for a task, instead of Airflow's.
//!
//! Airflow gives a JWT with each job and renews it while the task runs. Whoever has it can read
//! any connection of that Airflow, from anywhere. So the gate seals it together with who may use
//! it, and gives the worker the sealed text: `agw.<master key id>.<base64url>`. Airflow takes no
//! such text, and the gate takes it only from the agent that it was made for. Nothing is stored.

use std::fmt;

use airlock_contract::{AgentId, AgentTokenId, DeploymentId, Time};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::path::TaskInstanceId;
use crate::{Env, Error, Result, keyring::Keyring};

/// What every sealed task token begins with.
pub const PREFIX: &str = "agw.";

/// The longest sealed text that is looked at, in bytes. Airflow's JWT has some 500.
const LONGEST: usize = 16 * 1024;

/// A task's token, with who may use it.
#[derive(Clone, Debug)]
pub struct TaskToken {
    /// The agent token of the agent that it was given to.
    pub agent_token: AgentTokenId,
    /// How often that agent token had been renewed.
    pub generation: i64,
    /// The agent.
    pub agent: AgentId,
    /// The task.
    pub task: TaskInstanceId,
    /// Airflow's own token for the task.
    pub jwt: SecretString,
}

/// [`TaskToken`] as it is sealed.
#[derive(Serialize, Deserialize)]
struct Content<'a>(&'a str, i64, &'a str, &'a str, &'a str);

impl TaskToken {
    /// Seals the token for an agent of one Deployment.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] when the cipher refuses, which it has no reason to.
    pub fn seal(&self, keys: &Keyring, env: &Env, deployment: &DeploymentId) -> Result<SecretString> {
        let content = Content(
            self.agent_token.as_str(),
            self.generation,
            self.agent.as_str(),
            self.task.as_str(),
            self.jwt.expose_secret(),
        );
        let plain = serde_json::to_vec(&content).map_err(Error::internal)?;
        let (key_id, sealed) = keys.seal_task_token(env, deployment.as_str(), plain)?;
        let mut text = format!("{PREFIX}{key_id}.");
        URL_SAFE_NO_PAD.encode_string(sealed, &mut text);
        Ok(text.into())
    }

    /// Opens a text that [`Self::seal`] made for the same Deployment. `None` for anything else.
    ///
    /// Whether the agent token in it is still good, and is the one that presents it, is for the
    /// caller to see.
    pub fn open(keys: &Keyring, deployment: &DeploymentId, text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let (key_id, sealed) = text.strip_prefix(PREFIX)?.split_once('.')?;
        let mut bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let plain = keys.open_task_token(key_id, deployment.as_str(), &mut bytes)?;
        let Content(agent_token, generation, agent, task, jwt) = serde_json::from_slice(plain).ok()?;
        Some(Self {
            agent_token: agent_token.into(),
            generation,
            agent: agent.into(),
            task: TaskInstanceId::parse(task)?,
            jwt: jwt.into(),
        })
    }
}

/// What a task's JWT says of itself. Nothing of it is verified: only Airflow can, and does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskClaims {
    /// The task.
    pub task: TaskInstanceId,
    /// When the token ends.
    pub end: Time,
    /// What the token is good for.
    pub scope: TaskScope,
}

/// What a task's JWT is good for (`execution_api/security.py`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskScope {
    /// Only to tell that the task has started.
    Workload,
    /// All that a running task may do; also a token without the claim, as of Airflow below 3.2.
    Execution,
}

impl TaskClaims {
    /// Reads the claims out of a task's JWT. `None` when it is not one.
    pub fn read(jwt: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Raw {
            sub: String,
            exp: f64,
            #[serde(default)]
            scope: Option<String>,
        }
        let mut parts = jwt.split('.');
        let (Some(_), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return None;
        };
        let raw: Raw = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        Some(Self {
            task: TaskInstanceId::parse(&raw.sub)?,
            end: Time::from_micros(0).plus_seconds(raw.exp as i64),
            scope: match raw.scope.as_deref() {
                Some("workload") => TaskScope::Workload,
                None | Some("execution") => TaskScope::Execution,
                Some(_) => return None,
            },
        })
    }
}

impl fmt::Display for TaskScope {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::Workload => "workload",
            Self::Execution => "execution",
        })
    }
}
