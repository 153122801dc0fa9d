//! How the commands of an agent reach the gate, and as whom.

use std::{
    fs,
    path::{Path, PathBuf},
};

use airlock_client::Client;
use airlock_contract::DeploymentId;
use anyhow::{Context, bail};
use clap::Args;
use secrecy::{ExposeSecret, SecretString};

use crate::settings::http_url;

/// A Deployment's gate, and the token to ask with.
#[derive(Args)]
pub(crate) struct AtGate {
    /// Where the server is.
    #[arg(long, env = "AIRLOCK_URL", value_name = "URL", default_value = "http://127.0.0.1:8888", value_parser = http_url)]
    pub(crate) url: String,

    /// The Deployment.
    #[arg(long, env = "AIRLOCK_DEPLOYMENT", value_name = "ID")]
    pub(crate) deployment: DeploymentId,

    /// The token to ask with: an agent token of the Deployment; for what was deployed, also an API
    /// token that may see it. Give it by the environment: flags can be seen by other users of the
    /// machine.
    #[arg(long, env = "AIRLOCK_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: Option<SecretString>,

    /// A file with the token instead. It is read each time, so the token in it can be replaced.
    #[arg(long, env = "AIRLOCK_TOKEN_FILE", value_name = "FILE", conflicts_with = "token")]
    token_file: Option<PathBuf>,
}

impl AtGate {
    /// A client with the token as it is now.
    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        let token = match (&self.token_file, &self.token) {
            (Some(file), _) => read(file)?,
            (None, token) => token.clone().unwrap_or_default(),
        };
        Ok(Client::new(&self.url, token.expose_secret().trim())?)
    }

    /// Refuses a command line without a token.
    pub(crate) fn expect_token(&self) -> anyhow::Result<()> {
        if self.token.is_none() && self.token_file.is_none() {
            bail!("there is no token; set AIRLOCK_TOKEN or AIRLOCK_TOKEN_FILE");
        }
        Ok(())
    }
}

/// The token in a file. An empty file is no token: whoever replaces one may empty it first, and the
/// server would refuse it for good.
fn read(file: &Path) -> anyhow::Result<SecretString> {
    let text = fs::read_to_string(file);
    let text = text.with_context(|| format!("the token file {} cannot be read", file.display()))?;
    match text.trim().is_empty() {
        true => bail!("the token file {} is empty", file.display()),
        false => Ok(text.into()),
    }
}
