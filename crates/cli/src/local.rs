//! What this machine keeps: the master key and the open database.

use std::{
    fs,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

use airlock_core::{Env, keyring::Keyring};
use airlock_store::{Store, agent_tokens, bootstrap};
use anyhow::{Context, bail};
use secrecy::ExposeSecret;

use crate::settings::ServerSettings;

/// Opens the database, bringing its schema up to date.
pub(crate) async fn open_store(settings: &ServerSettings) -> anyhow::Result<Store> {
    let location = settings.location();
    if let airlock_store::Location::Sqlite(file) = &location
        && let Some(folder) = file.parent()
    {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.with_context(|| format!("the folder {} cannot be made", folder.display()))?;
    }
    Ok(Store::open(&location).await?)
}

/// Reads the master key. Makes one when there is none and the database is empty; never otherwise,
/// for another key would make every agent token and sealed value useless.
pub(crate) async fn keys(settings: &ServerSettings, store: &Store, env: &Env) -> anyhow::Result<Keyring> {
    let keys = match given_keys(settings)? {
        Some(keys) => keys,
        None => kept_keys(settings, store, env).await?,
    };
    let db = store.read().await?;
    let (used, sealing) = (agent_tokens::key_ids(&db).await?, bootstrap::sealing_keys(&db).await?);
    let lacking = |ids: &[String]| ids.iter().filter(|id| !keys.has(id)).cloned().collect::<Vec<_>>();
    let missing = lacking(&used);
    if !used.is_empty() && missing.len() == used.len() {
        bail!("no agent token of this database was made with this master key; they were made with {}", used.join(", "));
    }
    if !missing.is_empty() {
        tracing::warn!(
            "agent tokens that were made with the master keys {} are not good: the keys are missing",
            missing.join(", ")
        );
    }
    let missing = lacking(&sealing);
    if !missing.is_empty() {
        tracing::warn!(
            "secret values and passwords that are sealed under the master keys {} cannot be read: the keys are missing",
            missing.join(", ")
        );
    }
    Ok(keys)
}

/// The master key, if it is a setting itself.
pub(crate) fn given_keys(settings: &ServerSettings) -> anyhow::Result<Option<Keyring>> {
    let given = settings.master_key.as_ref().map(|key| Keyring::parse(key.expose_secret()));
    given.transpose().context("the setting --master-key")
}

async fn kept_keys(settings: &ServerSettings, store: &Store, env: &Env) -> anyhow::Result<Keyring> {
    let file = settings.key_file();
    if !file.exists() {
        if !bootstrap::is_empty(&store.read().await?).await? {
            bail!(
                "the master key {} is not there, but the database is in use; put the key back, or name its place with \
                 --master-key-file",
                file.display()
            );
        }
        write_new(&file, Keyring::generate(env).expose_secret())
            .with_context(|| format!("the master key {} cannot be written", file.display()))?;
    }
    read_keys(&file)
}

/// Reads a key file.
pub(crate) fn read_keys(file: &Path) -> anyhow::Result<Keyring> {
    let text = fs::read_to_string(file).with_context(|| format!("the master key {} cannot be read", file.display()))?;
    Keyring::parse(&text).with_context(|| format!("the master key {}", file.display()))
}

/// Whether others than the owner can read the file.
pub(crate) fn is_open_to_others(file: &Path) -> std::io::Result<bool> {
    Ok(fs::metadata(file)?.permissions().mode() & 0o077 != 0)
}

fn write_new(file: &Path, key: &str) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut out = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    writeln!(out, "# Airlock's master key. Keep it secret, and keep a copy apart from the database's backups.")?;
    writeln!(out, "{key}")?;
    out.sync_all()
}
