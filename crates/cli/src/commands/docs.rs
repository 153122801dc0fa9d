//! `airlock docs`: the documentation as files.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};

use crate::output;

#[derive(clap::Subcommand)]
pub(crate) enum Docs {
    /// Write the documentation as a static site, for any web server, or to be opened from the disk.
    Build(Build),
}

#[derive(clap::Args)]
pub(crate) struct Build {
    /// The folder to write it to; made if it is not there.
    folder: PathBuf,
    /// Write over what is in the folder. Nothing is removed from it.
    #[arg(long)]
    force: bool,
}

impl Build {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let folder = &self.folder;
        let shown = folder.display();
        let empty = is_empty(folder).with_context(|| format!("{shown} cannot be read"))?;
        ensure!(empty || self.force, "{shown} is not empty: name another folder, or write over it with --force");
        let mut count = 0;
        for (file, content) in airlock_docs::static_site() {
            let path = folder.join(file);
            write(&path, &content).with_context(|| format!("{} cannot be written", path.display()))?;
            count += 1;
        }
        output::text(&format!("{count} files written; the first to open is {}\n", folder.join("index.html").display()))
    }
}

fn is_empty(folder: &Path) -> io::Result<bool> {
    match fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(cause) => Err(cause),
    }
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, content)
}
