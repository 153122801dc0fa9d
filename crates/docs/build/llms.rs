//! Indexes for assistants, in the form of <https://llmstxt.org>: a title, a summary, and sections of
//! links with a line each; and everything in one text.

use std::fmt::Write;

use crate::{
    OPENAPI,
    address::{Address, relative, resolve},
    markdown::{self, Target},
    pack::File,
    site::{Page, Site},
};

/// Where the index of everything is.
const ROOT: &str = "/llms.txt";

/// Where everything is in one text.
const FULL: &str = "/llms-full.txt";

/// The index of everything, one of each page and what is below it, and everything in one text.
pub(crate) fn indexes(site: &Site) -> Vec<File> {
    let mut files = vec![File::text(ROOT.into(), whole(site, ROOT)), File::text(FULL.into(), full(site))];
    for page in &site.pages {
        let path = page.address.llms();
        let text = if path == "/docs/llms.txt" { whole(site, &path) } else { part(site, page, &path) };
        files.push(File::text(path, text));
    }
    files
}

/// What it is all about: the first sentence of the start page.
fn summary(site: &Site) -> &str {
    let start = site.pages.iter().find(|page| page.address == Address::start());
    start.map_or("", |page| &page.description)
}

fn whole(site: &Site, at: &str) -> String {
    let mut out = format!("# Airlock\n\n> {}\n\n", summary(site));
    _ = write!(
        out,
        "Each link leads to a page's Markdown; without `.md` it is HTML. A section has an index of its own at its \
         address with `/llms.txt`. Everything in one text: [llms-full.txt]({}). The API as an OpenAPI document: \
         [openapi.json]({}).\n\n",
        relative(at, FULL),
        relative(at, OPENAPI)
    );
    for (number, group) in site.groups.iter().enumerate() {
        _ = write!(out, "## {}\n\n", group.title);
        links(&mut out, at, site.pages.iter().filter(|page| page.group == number));
        out.push('\n');
    }
    out
}

fn part(site: &Site, of: &Page, at: &str) -> String {
    let mut out = format!("# {}\n\n> {}\n\n## Pages\n\n", of.title, of.description);
    links(&mut out, at, site.pages.iter().filter(|page| of.address.holds(&page.address)));
    _ = write!(out, "\n## Elsewhere\n\n- [Everything]({}): the index of all pages\n", relative(at, ROOT));
    out
}

fn links<'a>(out: &mut String, at: &str, pages: impl Iterator<Item = &'a Page>) {
    for page in pages {
        let link = relative(at, &page.address.markdown());
        _ = writeln!(out, "- [{}]({link}): {}", page.title, page.description);
    }
}

fn full(site: &Site) -> String {
    let mut out = format!("# Airlock\n\n> {}\n\n", summary(site));
    for page in &site.pages {
        let text = markdown::edit(&page.markdown, |link| Ok(moved(page, link)));
        _ = write!(out, "---\n\nSource: {}\n\n", relative(FULL, &page.address.markdown()));
        out += text.as_deref().unwrap_or(&page.markdown).trim_end();
        out += "\n\n";
    }
    out
}

/// A page's link, from where everything is in one text.
fn moved(page: &Page, link: &str) -> Target {
    if link.starts_with('/') || link.contains(':') {
        return Target::Same;
    }
    let here = page.address.markdown();
    let (path, fragment) = link.split_at(link.find('#').unwrap_or(link.len()));
    let target = if path.is_empty() { Some(here) } else { resolve(&here, path) };
    target.map_or(Target::Nowhere, |target| Target::To(format!("{}{fragment}", relative(FULL, &target))))
}
