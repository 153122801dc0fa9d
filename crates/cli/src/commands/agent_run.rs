//! `airlock agent run`: a command in the environment that its Deployment shall have.

use std::{
    env,
    ffi::{OsStr, OsString},
    os::unix::process::CommandExt,
    process::Command,
};

use airlock_client::EnvironmentVariable;
use anyhow::Context;
use clap::Args;
use secrecy::ExposeSecret;

use super::gate::AtGate;
use crate::output;

/// Which command, and where its environment comes from.
#[derive(Args)]
pub(crate) struct AgentRun {
    #[command(flatten)]
    at: AtGate,

    /// The command, such as `airflow edge worker`, with its arguments.
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

impl AgentRun {
    /// Becomes the command. It only returns when that is not possible.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        self.at.expect_token()?;
        let variables = self.at.client()?.environment_variables(&self.at.deployment).await?;
        let (kept, new): (Vec<_>, Vec<_>) = variables.into_iter().partition(|one| env::var_os(&one.key).is_some());
        output::remark(&told(&new, &kept));
        let (program, arguments) = self.command.split_first().context("there is no command")?;
        Err(become_it(program, arguments, &new))
    }
}

/// Replaces this process by the command, which so gets the signals of whoever started us; gives the
/// reason why it does not.
fn become_it(program: &OsStr, arguments: &[OsString], variables: &[EnvironmentVariable]) -> anyhow::Error {
    let values = variables.iter().map(|one| (&one.key, one.value.expose_secret()));
    let cause = Command::new(program).args(arguments).envs(values).exec();
    anyhow::Error::new(cause).context(format!("{} cannot be run", program.display()))
}

/// Which variables are set, and which were there already, by name.
fn told(new: &[EnvironmentVariable], kept: &[EnvironmentVariable]) -> String {
    let names = |of: &[EnvironmentVariable]| of.iter().map(|one| one.key.as_str()).collect::<Vec<_>>().join(", ");
    let set = if new.is_empty() { "no environment variable is set".into() } else { format!("sets {}", names(new)) };
    if kept.is_empty() { set } else { format!("{set}; as they were here: {}", names(kept)) }
}
