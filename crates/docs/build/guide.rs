//! A page that people wrote.

use anyhow::{Context, Result, ensure};

use crate::{
    Sources,
    address::{Address, relative, resolve},
    markdown::{self, Heading, Html, Target},
    menu::Paths,
};

/// A page that people wrote.
pub(crate) struct Guide {
    /// Where it is.
    pub(crate) address: Address,
    /// Its first heading.
    pub(crate) title: String,
    /// Its first sentence.
    pub(crate) description: String,
    /// Its Markdown, as it is served: without comments, and without links to what is no page.
    pub(crate) markdown: String,
    /// What is below the title.
    pub(crate) html: Html,
    /// The headings below the title.
    pub(crate) headings: Vec<Heading>,
}

impl Guide {
    /// Reads the page with this path below `docs/`.
    pub(crate) fn read(sources: &Sources, path: &str, all: &Paths) -> Result<Self> {
        let file = all.source(path).with_context(|| format!("there is no page {path}"))?;
        let address = Address::new(path);
        let markdown = markdown::edit(&sources.read(file)?, |link| Ok(target(&address, file, link, all)))
            .with_context(|| file.to_owned())?;
        let (title, description) = markdown::title_and_first_sentence(&markdown);
        ensure!(!title.is_empty(), "{file} has no title: a page starts with a line like \"# Title\"");
        ensure!(!description.is_empty(), "{file} has no sentence after its title; it becomes the page's description");
        let (html, headings) = markdown::page(&markdown);
        Ok(Self { address, title, description, markdown, html, headings })
    }
}

/// What becomes of a link in a file of the repository, on the page that is made of it.
fn target(page: &Address, file: &str, link: &str, all: &Paths) -> Target {
    if link.starts_with(['#', '/']) || link.contains(':') {
        return Target::Same;
    }
    let (path, fragment) = link.split_at(link.find('#').unwrap_or(link.len()));
    let Some(source) = resolve(file, path) else { return Target::Nowhere };
    if let Some(target) = all.page(&source) {
        return Target::To(format!("{}{fragment}", relative(page.path(), &target.markdown())));
    }
    match source.strip_prefix("docs/") {
        // Pages of the reference have no file.
        Some(below) if below == "api.md" || below.starts_with("api/") => {
            Target::To(format!("{}{fragment}", page.to(&format!("/docs/{below}"))))
        }
        _ => Target::Nowhere,
    }
}
