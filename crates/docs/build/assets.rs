//! The style sheet, the scripts and whatever else pages load, with a hash in each name, so that
//! browsers may keep them for ever.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result};

use crate::{
    pack::{self, File},
    watch,
};

/// The files that pages load.
pub(crate) struct Assets(BTreeMap<String, File>);

/// Reads the folder.
pub(crate) fn read(folder: &Path) -> Result<Assets> {
    watch(folder);
    let mut assets = Assets(BTreeMap::new());
    for entry in fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        assets.add(&name, fs::read(entry.path())?);
    }
    Ok(assets)
}

impl Assets {
    /// Adds a file, under a name that has its hash.
    pub(crate) fn add(&mut self, name: &str, body: Vec<u8>) {
        let (stem, suffix) = name.rsplit_once('.').unwrap_or((name, "txt"));
        let path = format!("/docs/assets/{stem}-{}.{suffix}", pack::hash(&body));
        self.0.insert(name.into(), File { path, media_type: media_type(suffix), body, immutable: true });
    }

    /// Where a file is served, by the name that it has in the folder.
    pub(crate) fn path(&self, name: &str) -> Result<&str> {
        Ok(&self.0.get(name).with_context(|| format!("assets/ has no {name}"))?.path)
    }

    /// All of them.
    pub(crate) fn files(self) -> impl Iterator<Item = File> {
        self.0.into_values()
    }
}

fn media_type(suffix: &str) -> &'static str {
    match suffix {
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "json" => "application/json",
        _ => "application/octet-stream",
    }
}
