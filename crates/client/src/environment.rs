//! The environment of a worker, as the gate serves it to agents.

use airlock_contract::DeploymentId;
use reqwest::StatusCode;
use secrecy::SecretString;
use serde::Deserialize;

use crate::{Answer, Client, Error, transport, unexpected};

/// A variable that a worker's environment shall have.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "Wire")]
pub struct EnvironmentVariable {
    /// Its name.
    pub key: String,
    /// Its value, which may be secret.
    pub value: SecretString,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Environment {
    environment_variables: Vec<EnvironmentVariable>,
}

#[derive(Deserialize)]
struct Wire {
    key: String,
    value: String,
}

impl From<Wire> for EnvironmentVariable {
    fn from(Wire { key, value }: Wire) -> Self {
        Self { key, value: value.into() }
    }
}

impl Client {
    /// Asks for what the environment of a Deployment's worker shall have. The token must be an agent
    /// token of the Deployment.
    ///
    /// # Errors
    ///
    /// See [`enum@Error`]; what the gate refuses is [`Error::Gate`].
    pub async fn environment_variables(&self, deployment: &DeploymentId) -> Result<Vec<EnvironmentVariable>, Error> {
        let request = self.http.get(format!("{}/d/{deployment}/environment-variables", self.base));
        let response = request.send().await.map_err(|cause| transport(&self.base, &cause))?;
        let answer = Answer { response, base: self.base.clone() };
        if answer.response.status() != StatusCode::OK {
            return Err(answer.refusal_of_gate().await);
        }
        // Not with the answer's beginning, as others are: it may be a secret's.
        let environment = serde_json::from_slice::<Environment>(&answer.bytes().await?);
        environment.map(|all| all.environment_variables).map_err(|_| unexpected(200, b"no environment variables"))
    }
}
