//! `airlock agent sync`: keeps a folder equal to the Dags that were last deployed.
//!
//! [`folder`] is what is on the disk, [`round`] one look at the server with what follows from it,
//! [`pace`] when the next one is.

mod folder;
mod pace;
mod round;

use std::{num::NonZeroU32, path::PathBuf, sync::Arc, time::Duration};

use airlock_bundle::Limits;
use airlock_core::Env;
use anyhow::bail;
use clap::Args;
use tokio::time::sleep;

use self::{
    folder::Folder,
    pace::Pace,
    round::{Round, Source, Trouble},
};
use super::gate::AtGate;
use crate::{log, output, settings::LogFormat, signals::Signals};

/// Which folder, and where its content comes from.
#[derive(Args)]
pub(crate) struct AgentSync {
    /// The folder. It is a symbolic link to the current version, which is exchanged as a whole; the
    /// versions are beside it, in .NAME.airlock. What is there and was not made by this command is
    /// never touched.
    #[arg(long, value_name = "DIR")]
    dest: PathBuf,

    /// Go on, and look for new versions.
    #[arg(long)]
    watch: bool,

    /// How many seconds to wait between two looks, more or less.
    #[arg(long, value_name = "SECONDS", default_value = "15", requires = "watch")]
    interval: NonZeroU32,

    #[command(flatten)]
    at: AtGate,

    /// How many files, folders and links a version may have.
    #[arg(long, value_name = "N", default_value_t = Limits::default().files)]
    max_files: u64,

    /// How many bytes a version may have, unpacked.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().bytes)]
    max_bytes: u64,

    /// The form of the log of --watch.
    #[arg(long, env = "AIRLOCK_LOG_FORMAT", value_name = "FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

impl AgentSync {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        self.at.expect_token()?;
        let folder = Arc::new(Folder::claim(&self.dest)?);
        let limits = Limits { files: self.max_files, bytes: self.max_bytes };
        let mut source = Source { at: self.at, limits, refused: None };
        if self.watch {
            log::start("info", self.log_format);
            watch(&mut source, &folder, Duration::from_secs(self.interval.get().into())).await
        } else {
            once(&mut source, &folder).await
        }
    }
}

/// Looks once. It succeeds when the folder is what is current.
async fn once(source: &mut Source, folder: &Arc<Folder>) -> anyhow::Result<()> {
    let dest = folder.dest().display();
    match source.round(folder).await {
        Ok(Round::Unchanged) => output::text(&format!("{dest} is up to date\n")),
        Ok(Round::Changed { version, holds }) => {
            output::text(&format!("{dest} is now {version}: {} files, {} bytes\n", holds.files, holds.bytes))
        }
        Ok(Round::NoneYet(why)) => bail!("there is nothing to put into {dest}: {why}"),
        Err(trouble) => Err(trouble.into()),
    }
}

/// Looks again and again, until it is told to end or the token is refused. A line of the log for
/// each change, be it of the folder or of why there is none: a server that is away for an hour is
/// one line, not hundreds.
async fn watch(source: &mut Source, folder: &Arc<Folder>, interval: Duration) -> anyhow::Result<()> {
    let mut signals = Signals::catch()?;
    let mut pace = Pace::new(interval, Env::system());
    let (folder_name, mut trouble) = (folder.dest().display(), None);
    tracing::info!(folder = %folder_name, server = %source.at.url, deployment = %source.at.deployment, "watching");
    loop {
        let round = tokio::select! {
            round = source.round(folder) => round,
            () = signals.next() => break,
        };
        let now = match &round {
            Ok(Round::Unchanged | Round::Changed { .. }) => None,
            Ok(Round::NoneYet(why)) => Some(why.clone()),
            Err(trouble) => Some(trouble.to_string()),
        };
        let is_news = now != trouble;
        match &round {
            Ok(Round::Changed { version, holds }) => {
                tracing::info!(folder = %folder_name, %version, files = holds.files, bytes = holds.bytes, "changed");
            }
            Ok(Round::Unchanged) if is_news => tracing::info!(folder = %folder_name, "up to date again"),
            Ok(Round::NoneYet(why)) if is_news => tracing::info!(folder = %folder_name, why, "nothing to unpack yet"),
            Err(trouble @ Trouble::Token(_)) => bail!("{trouble}"),
            Err(trouble) if is_news => {
                tracing::warn!(folder = %folder_name, cause = %trouble, "not brought up to date; trying again");
            }
            _ => {}
        }
        trouble = now;
        let wait = if matches!(round, Err(Trouble::Away(_))) { pace.after_a_fault() } else { pace.regular() };
        tokio::select! {
            () = sleep(wait) => {}
            () = signals.next() => break,
        }
    }
    tracing::info!(folder = %folder_name, "stopped");
    Ok(())
}
