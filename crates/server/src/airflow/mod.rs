//! The Airflow of a Deployment: where it is, and how requests to it are signed.
//!
//! A Deployment knows its Airflow through its own environment variables, as any Airflow would, so
//! that the stock Terraform provider and CLI can set them.

mod check;
pub(crate) mod client;
pub(crate) mod health;

use std::{net::IpAddr, sync::Arc};

use airlock_contract::{DeploymentId, OrganizationId, WorkspaceId};
use airlock_core::{Error, Result, address::Ranges, gate::upstream::Signing, hibernation::Hibernation};
use airlock_store::{
    airflows,
    deployments::{Variable, VariableValue},
};
use secrecy::{ExposeSecret, SecretString};

use crate::{App, handlers::deployments::identity};

/// Where the Airflow's API server is.
pub(crate) const BASE_URL: &str = "AIRFLOW__API__BASE_URL";

/// The Airflow's signing secret, for edge3 below 5.0.
pub(crate) const JWT_SECRET: &str = "AIRFLOW__API_AUTH__JWT_SECRET";

/// How many Deployments' Airflows are remembered.
pub(crate) const REMEMBERED: usize = 50_000;

/// A Deployment's Airflow.
pub(crate) struct Airflow {
    pub(crate) organization: OrganizationId,
    pub(crate) workspace: WorkspaceId,
    pub(crate) address: Address,
    /// Whether remote agents may reach it.
    pub(crate) takes_agents: bool,
    /// The address ranges from which agents may call; any when empty.
    pub(crate) allowed_ranges: Ranges,
    /// The queues of tokens that name none.
    pub(crate) queues: Vec<String>,
    /// When it hands out no work.
    pub(crate) hibernation: Hibernation,
}

/// Where an Airflow is, and how requests to it are signed.
#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) deployment: DeploymentId,
    /// The API server's URL, without a slash at the end; absent until it is attached.
    pub(crate) url: Option<String>,
    pub(crate) signing: Signing,
}

impl Airflow {
    /// The Airflow of a Deployment; `None` when there is no such Deployment.
    ///
    /// # Errors
    ///
    /// Those of the database; [`Error::Internal`] when a secret does not open.
    pub(crate) async fn of(app: &App, deployment: &DeploymentId) -> Result<Option<Arc<Self>>> {
        let read = async |db| {
            let found = airflows::find(&db, deployment).await?;
            found.map(|(record, variables)| Self::read(app, record, &variables)).transpose()
        };
        app.airflows.get(&app.store, deployment, read).await
    }

    /// Whether agents may call from an address; `None` is one that nobody knows.
    pub(crate) fn admits(&self, address: Option<IpAddr>) -> bool {
        self.allowed_ranges.admit(address)
    }

    fn read(app: &App, record: airflows::AirflowRecord, variables: &[Variable]) -> Result<Self> {
        let hibernation = Hibernation::of(&record.settings);
        let remote = record.settings.remote_execution;
        let ranges = remote.as_ref().and_then(|remote| remote.allowed_ip_address_ranges.as_deref()).unwrap_or_default();
        let allowed_ranges = Ranges::parse(ranges.iter().map(String::as_str))
            .map_err(|range| Error::internal(format!("{range:?} is not an address range of {}", record.deployment)))?;
        let mut queues: Vec<String> =
            record.settings.worker_queues.unwrap_or_default().into_iter().map(|queue| queue.name).collect();
        if queues.is_empty() {
            queues.push("default".into());
        }
        Ok(Self {
            organization: record.organization,
            workspace: record.workspace,
            address: Address::read(app, &record.deployment, variables)?,
            takes_agents: remote.as_ref().is_some_and(|remote| remote.enabled),
            allowed_ranges,
            queues,
            hibernation,
        })
    }
}

impl Address {
    /// What a Deployment's variables say of its Airflow.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] when a secret does not open.
    pub(crate) fn read(app: &App, deployment: &DeploymentId, variables: &[Variable]) -> Result<Self> {
        let value = |name: &str| value(app, variables, name);
        let plain = |name: &str| value(name).map(|text| text.map(|text| text.expose_secret().to_owned()));
        let url = plain(BASE_URL)?.map(|url| url.trim_end_matches('/').to_owned());
        let signing = match value(JWT_SECRET)? {
            Some(secret) => Signing::Secret { secret, issuer: plain("AIRFLOW__API_AUTH__JWT_ISSUER")? },
            // One key signs for every Deployment, so nobody who sets variables may choose these:
            // what is signed for one Airflow must be worth nothing at another.
            None => Signing::OwnKey {
                issuer: app.settings.public_url.clone(),
                audience: format!("{}/d/{deployment}", app.settings.public_url),
            },
        };
        Ok(Self { deployment: deployment.clone(), url: url.filter(|url| !url.is_empty()), signing })
    }

    /// The API server's URL, to put a path behind it.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when there is none, or the path would become something else behind it, such
    /// as a part of a query. Waiting mends it: somebody attaches the Airflow.
    pub(crate) fn base(&self) -> Result<&str> {
        let url = self.url.as_deref().ok_or_else(|| not_attached(&self.deployment))?;
        let has_scheme = url.starts_with("http://") || url.starts_with("https://");
        if has_scheme && !url.contains(['?', '#', '@', '\\']) {
            return Ok(url);
        }
        Err(Error::Busy(format!(
            "{BASE_URL} is not a URL that begins with http:// or https:// and has no user, query or fragment"
        )))
    }
}

/// The value of a variable, opened if it is a secret; `None` when it is absent or empty.
fn value(app: &App, variables: &[Variable], name: &str) -> Result<Option<SecretString>> {
    let Some(variable) = variables.iter().find(|variable| variable.name == name) else { return Ok(None) };
    let text = match &variable.value {
        VariableValue::Plain(text) => SecretString::from(text.as_str()),
        VariableValue::Secret(None) => return Ok(None),
        VariableValue::Secret(Some(sealed)) => {
            let opened = app.keys.open(&identity(&variable.deployment, name), sealed)?;
            SecretString::from(opened.expose_secret().as_str())
        }
    };
    Ok((!text.expose_secret().is_empty()).then_some(text))
}

/// What to tell when a Deployment's Airflow is not attached. Waiting mends it: somebody attaches it.
fn not_attached(deployment: &DeploymentId) -> Error {
    Error::Busy(format!("the Deployment {deployment} does not say where its Airflow is: it lacks {BASE_URL}"))
}
