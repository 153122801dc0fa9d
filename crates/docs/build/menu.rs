//! `docs/site.toml`: which pages there are, in which order.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::{Sources, address::Address, guide::Guide, watch};

/// The groups of the navigation, in its order.
pub(crate) struct Group {
    /// Its heading.
    pub(crate) title: String,
    /// What is in it.
    pub(crate) content: GroupContent,
}

/// What a group has.
pub(crate) enum GroupContent {
    /// Pages that people wrote.
    Guides(Vec<Guide>),
    /// The reference.
    Reference,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    group: Vec<Entry>,
    /// Pages whose Markdown is not in `docs/`: where it is in the repository.
    #[serde(default)]
    elsewhere: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    title: String,
    /// Paths below `docs/`, without `.md`; `adr/*` is all of a folder.
    #[serde(default)]
    pages: Vec<String>,
    /// Whether the API's reference stands here.
    #[serde(default)]
    reference: bool,
}

/// Reads the menu, and the pages that it names.
pub(crate) fn read(sources: &Sources) -> Result<Vec<Group>> {
    let file: File = toml::from_str(&sources.read("docs/site.toml")?).context("docs/site.toml")?;
    let all = Paths::find(sources, &file)?;
    let mut groups = Vec::new();
    for entry in &file.group {
        let content = if entry.reference {
            GroupContent::Reference
        } else {
            GroupContent::Guides(
                all.of(entry)?.iter().map(|path| Guide::read(sources, path, &all)).collect::<Result<_>>()?,
            )
        };
        groups.push(Group { title: entry.title.clone(), content });
    }
    all.ensure_each_is_named(&file)?;
    Ok(groups)
}

/// The pages that people wrote: where the Markdown of each is in the repository, by its path below
/// `docs/`.
pub(crate) struct Paths(BTreeMap<String, String>);

impl Paths {
    fn find(sources: &Sources, file: &File) -> Result<Self> {
        let mut paths = file.elsewhere.clone();
        watch(&sources.root.join("docs"));
        collect(sources, "docs", &mut paths)?;
        Ok(Self(paths))
    }

    /// Where the Markdown of a page is in the repository.
    pub(crate) fn source(&self, path: &str) -> Option<&str> {
        self.0.get(path).map(String::as_str)
    }

    /// The page whose Markdown is this file of the repository.
    pub(crate) fn page(&self, source: &str) -> Option<Address> {
        self.0.iter().find(|(_, file)| *file == source).map(|(path, _)| Address::new(path))
    }

    /// The pages of a group.
    fn of(&self, entry: &Entry) -> Result<Vec<String>> {
        let mut pages = Vec::new();
        for name in &entry.pages {
            let before = pages.len();
            pages.extend(self.0.keys().filter(|path| matches(name, path)).cloned());
            ensure!(pages.len() > before, "docs/site.toml names {name}, but there is no docs/{name}.md");
        }
        Ok(pages)
    }

    fn ensure_each_is_named(&self, file: &File) -> Result<()> {
        for (path, source) in &self.0 {
            let named = file.group.iter().flat_map(|group| &group.pages).any(|name| matches(name, path));
            ensure!(named, "{source} is in no group of docs/site.toml: add {path:?} to one");
        }
        Ok(())
    }
}

fn matches(name: &str, path: &str) -> bool {
    match name.strip_suffix('*') {
        Some(folder) => path.strip_prefix(folder).is_some_and(|rest| !rest.contains('/')),
        None => name == path,
    }
}

fn collect(sources: &Sources, folder: &str, paths: &mut BTreeMap<String, String>) -> Result<()> {
    let path = sources.root.join(folder);
    for entry in std::fs::read_dir(&path).with_context(|| format!("{folder} cannot be read"))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let file = format!("{folder}/{name}");
        if entry.file_type()?.is_dir() {
            collect(sources, &file, paths)?;
        } else if let Some(page) = file.strip_prefix("docs/").and_then(|file| file.strip_suffix(".md")) {
            paths.insert(page.into(), file);
        }
    }
    Ok(())
}
