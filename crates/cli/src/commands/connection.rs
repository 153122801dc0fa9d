//! How the commands reach a server, and which Organization they mean.

use airlock_client::Client;
use airlock_contract::{
    OrganizationId,
    operations::ListOrganizations,
    path::{InDeployment, Root},
    wire::ListOrganizationsQuery,
};
use anyhow::{Context, bail};
use clap::Args;
use secrecy::{ExposeSecret, SecretString};

/// The server, the token and the Organization.
#[derive(Args)]
pub(crate) struct Connection {
    /// Where the server is.
    #[arg(long, env = "AIRLOCK_URL", value_name = "URL", default_value = "http://127.0.0.1:8888")]
    url: String,

    /// The API token to call with.
    #[arg(long, env = "AIRLOCK_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: Option<SecretString>,

    /// The Organization; without it, the one that the token belongs to.
    #[arg(long, env = "AIRLOCK_ORGANIZATION", value_name = "ID")]
    organization: Option<String>,

    /// Print JSON, for machines.
    #[arg(long)]
    pub(crate) json: bool,
}

impl Connection {
    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        let Some(token) = &self.token else {
            bail!("there is no API token; set AIRLOCK_TOKEN, or give --token");
        };
        Ok(Client::new(&self.url, token.expose_secret())?)
    }

    pub(crate) async fn organization(&self, client: &Client) -> anyhow::Result<OrganizationId> {
        if let Some(id) = &self.organization {
            return Ok(id.as_str().into());
        }
        let query = ListOrganizationsQuery {
            product_plan: None,
            astronomer_product: None,
            product: None,
            offset: 0,
            limit: 1,
            sorts: Vec::new(),
        };
        let page = client.call::<ListOrganizations>(&Root, &query, &()).await?;
        let first = page.organizations.into_iter().next();
        Ok(first.context("the token belongs to no Organization; give --organization")?.id)
    }
}

/// A Deployment on a server.
#[derive(Args)]
pub(crate) struct At {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// The Deployment.
    #[arg(long, env = "AIRLOCK_DEPLOYMENT", value_name = "ID")]
    deployment: String,
}

impl At {
    /// A client, and the path of the Deployment.
    pub(crate) async fn reach(&self) -> anyhow::Result<(Client, InDeployment)> {
        let client = self.connection.client()?;
        let organization_id = self.connection.organization(&client).await?;
        Ok((client, InDeployment { organization_id, deployment_id: self.deployment.as_str().into() }))
    }
}
