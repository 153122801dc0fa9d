//! `airlock attach`: tells a Deployment where its Airflow is.

use std::path::PathBuf;

use airlock_client::Client;
use airlock_contract::{
    operations::{CheckAirflow, GetDeployment, UpdateDeployment},
    path::InDeployment,
    wire::{
        AirflowCheck, CreateDeploymentInstanceSpecRequest, Deployment, DeploymentEnvironmentVariableRequest,
        DeploymentSettings, DeploymentType, NoQuery, UpdateDeploymentRequest,
    },
};
use anyhow::{Context, bail};
use clap::Args;
use secrecy::{ExposeSecret, SecretString};

use super::{airflow_check, connection::Connection};
use crate::{output, settings::http_url};

/// Where the Airflow's API server is.
const BASE_URL: &str = "AIRFLOW__API__BASE_URL";

/// What Airlock signs with, unless it is with its own key.
const JWT_SECRET: &str = "AIRFLOW__API_AUTH__JWT_SECRET";

/// Where an Airflow is, and how it knows Airlock.
#[derive(Args)]
pub(crate) struct Attach {
    #[command(flatten)]
    connection: Connection,

    /// The Deployment.
    #[arg(long, env = "AIRLOCK_DEPLOYMENT", value_name = "ID")]
    deployment: String,

    /// Where Airlock reaches the Airflow's API server, for example http://airflow:8080.
    #[arg(long, value_name = "URL", value_parser = http_url)]
    airflow_url: String,

    /// A file with the Airflow's [api_auth] jwt_secret, to sign with; needed for edge3 below 5.0.
    #[arg(long, value_name = "FILE", group = "way")]
    secret_file: Option<PathBuf>,

    /// The secret itself. Give it by the environment: flags can be seen by other users of the
    /// machine.
    #[arg(long, env = "AIRLOCK_AIRFLOW_SECRET", value_name = "SECRET", hide_env_values = true, group = "way")]
    secret: Option<SecretString>,

    /// Sign with Airlock's own key, and forget the Airflow's secret. This is how a Deployment
    /// without a secret is signed for anyway; without any of the three, that stays as it is.
    #[arg(long, group = "way")]
    jwks: bool,
}

/// What becomes of the secret.
enum Way {
    Secret(SecretString),
    OwnKey,
    AsItIs,
}

/// Attaches the Airflow, looks at it, and prints what is left to do on its side.
pub(crate) async fn attach(attach: Attach) -> anyhow::Result<()> {
    let way = attach.way()?;
    let client = attach.connection.client()?;
    let organization_id = attach.connection.organization(&client).await?;
    let path = InDeployment { organization_id, deployment_id: attach.deployment.as_str().into() };
    let deployment = put(&client, &path, &attach.airflow_url, &way).await?;
    let check = client.call::<CheckAirflow>(&path, &NoQuery {}, &()).await?;
    if attach.connection.json {
        return output::json(&check);
    }
    output::text(&format!("{} is attached to {}\n\n", deployment.id, attach.airflow_url.trim_end_matches('/')))?;
    airflow_check::print(&check)?;
    output::text(&what_is_left(&deployment, &check))
}

/// Sets the variables, and keeps all others and every other setting.
async fn put(client: &Client, path: &InDeployment, url: &str, way: &Way) -> anyhow::Result<Deployment> {
    let old = client.call::<GetDeployment>(path, &NoQuery {}, &()).await?;
    let scheduler = (old.kind == Some(DeploymentType::Hybrid)).then_some(CreateDeploymentInstanceSpecRequest {
        au: old.scheduler_au,
        replicas: Some(old.scheduler_replicas),
    });
    // What an update leaves out stays as it is, but these must be there.
    let new = DeploymentSettings {
        environment_variables: Some(variables(&old, url, way)),
        kind: old.kind,
        executor: old.executor,
        is_cicd_enforced: Some(old.is_cicd_enforced),
        is_dag_deploy_enabled: Some(old.is_dag_deploy_enabled),
        is_high_availability: old.is_high_availability,
        scheduler_size: old.scheduler_size,
        scheduler,
        name: old.name,
        workspace_id: old.workspace_id,
        ..DeploymentSettings::default()
    };
    Ok(client.call::<UpdateDeployment>(path, &NoQuery {}, &UpdateDeploymentRequest(new)).await?)
}

/// The Deployment's variables with those of its Airflow. A secret comes without its value, which
/// keeps the one that it has.
fn variables(old: &Deployment, url: &str, way: &Way) -> Vec<DeploymentEnvironmentVariableRequest> {
    let known = old.environment_variables.iter().flatten();
    let mut variables: Vec<_> = known
        .filter(|variable| variable.key != BASE_URL && (variable.key != JWT_SECRET || matches!(way, Way::AsItIs)))
        .map(|variable| DeploymentEnvironmentVariableRequest {
            key: variable.key.clone(),
            is_secret: variable.is_secret,
            value: variable.value.clone(),
        })
        .collect();
    let url = url.trim_end_matches('/').to_owned();
    variables.push(DeploymentEnvironmentVariableRequest { key: BASE_URL.into(), is_secret: false, value: Some(url) });
    if let Way::Secret(secret) = way {
        let value = Some(secret.expose_secret().to_owned());
        variables.push(DeploymentEnvironmentVariableRequest { key: JWT_SECRET.into(), is_secret: true, value });
    }
    variables
}

impl Attach {
    fn way(&self) -> anyhow::Result<Way> {
        if self.jwks {
            return Ok(Way::OwnKey);
        }
        let secret = match (&self.secret_file, &self.secret) {
            (Some(file), _) => {
                let text = std::fs::read_to_string(file)
                    .with_context(|| format!("the secret {} cannot be read", file.display()))?;
                SecretString::from(text.trim_end_matches(['\r', '\n']))
            }
            (None, Some(secret)) => secret.clone(),
            (None, None) => return Ok(Way::AsItIs),
        };
        if secret.expose_secret().is_empty() {
            bail!("the Airflow's secret is empty");
        }
        Ok(Way::Secret(secret))
    }
}

/// The settings of the other side, to be copied.
fn what_is_left(deployment: &Deployment, check: &AirflowCheck) -> String {
    let mut text = String::new();
    if !check.airflow_settings.is_empty() {
        text += "\nThe Airflow's API server needs these settings, from edge3 5.0 on, and then a restart:\n\n";
        for setting in &check.airflow_settings {
            text += &format!("  {}={}\n", setting.name, setting.value);
        }
    }
    if let Some(remote) = &deployment.remote_execution {
        text += &format!(
            "\nA worker needs these, with an agent token (airlock agent-token create):\n\n  \
             AIRFLOW__EDGE__API_URL={}\n  AIRFLOW__API_AUTH__JWT_SECRET=<the token>\n  \
             AIRFLOW__API_AUTH__JWT_ISSUER=<the token's id>\n",
            remote.remote_api_url
        );
    }
    text + &format!("\nTo look at it again: airlock doctor --deployment {}\n", deployment.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(variables: serde_json::Value) -> Deployment {
        let subject = serde_json::json!({"id": "c1"});
        serde_json::from_value(serde_json::json!({
            "id": "c2", "name": "x", "organizationId": "c3", "workspaceId": "c4", "status": "UNKNOWN",
            "airflowVersion": "", "astroRuntimeVersion": "", "runtimeVersion": "", "namespace": "", "apiUrl": "",
            "uiUrl": "", "webServerUrl": "", "webServerAirflowApiUrl": "", "webServerIngressHostname": "",
            "webServerCpu": "", "webServerMemory": "", "imageRepository": "", "imageTag": "",
            "isCicdEnforced": false, "isDagDeployEnabled": false, "schedulerCpu": "", "schedulerMemory": "",
            "schedulerReplicas": 1, "createdAt": "2026-01-01T00:00:00Z", "createdBy": subject,
            "updatedAt": "2026-01-01T00:00:00Z", "updatedBy": subject, "environmentVariables": variables,
        }))
        .expect("a Deployment")
    }

    #[test]
    fn other_variables_stay_and_a_secret_goes_only_when_it_is_to() {
        let at = "2026-01-01T00:00:00Z";
        let old = deployment(serde_json::json!([
            {"key": "A", "isSecret": false, "value": "1", "updatedAt": at},
            {"key": "S", "isSecret": true, "updatedAt": at},
            {"key": BASE_URL, "isSecret": false, "value": "http://old", "updatedAt": at},
            {"key": JWT_SECRET, "isSecret": true, "updatedAt": at},
        ]));
        let spelled = |way: &Way| -> Vec<String> {
            let variables = variables(&old, "http://new/", way);
            variables
                .into_iter()
                .map(|v| format!("{}={} {}", v.key, v.value.unwrap_or("-".into()), v.is_secret))
                .collect()
        };
        let kept = format!("{JWT_SECRET}=- true");
        let url = format!("{BASE_URL}=http://new false");
        assert_eq!(spelled(&Way::AsItIs), ["A=1 false", "S=- true", &kept, &url]);
        assert_eq!(spelled(&Way::OwnKey), ["A=1 false", "S=- true", &url]);
        let new = format!("{JWT_SECRET}=hunter2 true");
        assert_eq!(spelled(&Way::Secret("hunter2".into())), ["A=1 false", "S=- true", &url, &new]);
    }
}
