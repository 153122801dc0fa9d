//! `airlock user`: local users, who sign in with a password.

use std::io::{self, BufRead, IsTerminal, Read};

use airlock_contract::{OrganizationId, wire::OrganizationRoleName};
use airlock_core::{Env, login::password::NewPassword};
use airlock_server::{App, add_user, remove_password, set_password, sign_out};
use anyhow::{Context, bail};
use clap::{Args, Subcommand};

use super::serve;
use crate::{output, settings::ServerSettings};

/// The longest line that is read for a password.
const LONGEST_LINE: u64 = 4096;

/// What to do with local users.
#[derive(Subcommand)]
pub(crate) enum User {
    /// Make a user, or let one who is invited sign in with a password. The password is made, and
    /// shown this once, or read.
    Add {
        #[command(flatten)]
        who: Who,
        /// The role that a new user has on the Organization, ORGANIZATION_MEMBER if none is given. One who
        /// is invited keeps the role of the invite.
        #[arg(long, value_parser = role)]
        role: Option<OrganizationRoleName>,
        #[command(flatten)]
        password: Password,
    },
    /// Give a user another password, and end all that the user has signed in to.
    SetPassword {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        password: Password,
    },
    /// Take the password from a user, who cannot sign in with one any more, and end all that the
    /// user has signed in to.
    RemovePassword(Who),
    /// End all that a user has signed in to.
    SignOut(Who),
}

/// Whom it is about.
#[derive(Args)]
pub(crate) struct Who {
    #[command(flatten)]
    settings: ServerSettings,
    /// The user's e-mail address.
    address: String,
    /// The Organization; not needed where there is only one.
    #[arg(long, env = "AIRLOCK_ORGANIZATION", value_name = "ID")]
    organization: Option<String>,
}

/// Where the password comes from.
#[derive(Args)]
pub(crate) struct Password {
    /// Read the password from standard input, up to the end of the line, instead of making one.
    #[arg(long)]
    password_stdin: bool,
}

impl Who {
    async fn open(&self) -> anyhow::Result<(App, Option<OrganizationId>)> {
        serve::start_log(&self.settings);
        let (app, _) = serve::open(&self.settings, self.settings.listen).await?;
        Ok((app, self.organization.as_deref().map(Into::into)))
    }
}

impl Password {
    /// The password, and what to tell of it.
    fn get(&self) -> anyhow::Result<(NewPassword, String)> {
        if self.password_stdin {
            return Ok((NewPassword::chosen(read()?.into())?, String::new()));
        }
        let password = NewPassword::generated(&Env::system());
        let shown = format!(" It is shown this once.\n\n  Password  {}\n", password.expose());
        Ok((password, shown))
    }
}

/// A line of standard input.
fn read() -> anyhow::Result<String> {
    if io::stdin().is_terminal() {
        bail!(
            "--password-stdin would show the password while it is typed; pipe it in, or leave the flag out to have one made"
        );
    }
    let mut line = String::new();
    io::stdin().lock().take(LONGEST_LINE).read_line(&mut line).context("the password cannot be read")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Runs a command.
pub(crate) async fn run(command: User) -> anyhow::Result<()> {
    match command {
        User::Add { who, role, password } => {
            let (password, shown) = password.get()?;
            let (app, organization) = who.open().await?;
            add_user(&app, organization.as_ref(), &who.address, role, &password).await?;
            output::text(&format!("{} can sign in with a password.{shown}\n", who.address))
        }
        User::SetPassword { who, password } => {
            let (password, shown) = password.get()?;
            let (app, organization) = who.open().await?;
            set_password(&app, organization.as_ref(), &who.address, &password).await?;
            output::text(&format!("{} has another password, and is signed out everywhere.{shown}\n", who.address))
        }
        User::RemovePassword(who) => {
            let (app, organization) = who.open().await?;
            remove_password(&app, organization.as_ref(), &who.address).await?;
            output::text(&format!("{} has no password any more, and is signed out everywhere.\n", who.address))
        }
        User::SignOut(who) => {
            let (app, organization) = who.open().await?;
            sign_out(&app, organization.as_ref(), &who.address).await?;
            output::text(&format!("{} is signed out everywhere.\n", who.address))
        }
    }
}

fn role(text: &str) -> Result<OrganizationRoleName, String> {
    let all = OrganizationRoleName::ALL.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ");
    OrganizationRoleName::named(text).ok_or_else(|| format!("expected one of {all}"))
}
