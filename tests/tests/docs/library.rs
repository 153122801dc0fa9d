//! All that the documentation has, by URL.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::OnceLock,
};

use airlock_tests::{Database, World};
use pulldown_cmark::{Event, Options, Parser, Tag};
use reqwest::Url;

use crate::document::Document;

/// Where the library pretends to be.
pub(crate) const ROOT: &str = "http://airlock.example.com/";

/// All files, by URL.
pub(crate) struct Library(pub(crate) BTreeMap<Url, File>);

/// A file, and what it is.
pub(crate) struct File {
    pub(crate) kind: Kind,
    pub(crate) text: String,
    /// Found once: thousands of links lead to the same pages.
    anchors: OnceLock<BTreeSet<String>>,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Html,
    Markdown,
    /// The script that has the index for the search.
    Search,
    Other,
}

impl Library {
    /// Everything that the server serves.
    pub(crate) async fn served() -> Self {
        let world = World::new(Database::sqlite()).await;
        let mut files = BTreeMap::new();
        for page in airlock_docs::pages().iter().filter(|page| page.path != airlock_docs::MISSING) {
            let answer = world.call(None, "GET", page.path, &serde_json::Value::Null).await;
            assert_eq!(answer.status, 200, "{}", page.path);
            let file = File::new(page.path, answer.headers["content-type"].to_str().expect("text"), answer.bytes);
            files.insert(url(page.path), file);
        }
        Self(files)
    }

    /// Everything in a folder that `airlock docs build` wrote.
    pub(crate) fn built(folder: &Path) -> Self {
        let mut library = Self(BTreeMap::new());
        library.collect(folder, "");
        library
    }

    fn collect(&mut self, folder: &Path, path: &str) {
        for entry in fs::read_dir(folder.join(path)).expect("a folder") {
            let name = entry.expect("an entry").file_name().into_string().expect("UTF-8");
            let path = if path.is_empty() { name } else { format!("{path}/{name}") };
            if folder.join(&path).is_dir() {
                self.collect(folder, &path);
            } else {
                let media_type = if path.ends_with(".html") { "text/html" } else { "" };
                let bytes = fs::read(folder.join(&path)).expect("a file");
                self.0.insert(url(&path), File::new(&path, media_type, bytes));
            }
        }
    }

    /// The pages for people.
    pub(crate) fn html(&self) -> impl Iterator<Item = (&Url, Document)> {
        let pages = self.0.iter().filter(|(_, file)| file.kind == Kind::Html);
        pages.map(|(url, file)| (url, Document::parse(&file.text)))
    }

    pub(crate) fn text(&self, path: &str) -> &str {
        &self.0.get(&url(path)).unwrap_or_else(|| panic!("there is no {path}")).text
    }
}

impl File {
    fn new(path: &str, media_type: &str, bytes: Vec<u8>) -> Self {
        let kind = match path {
            _ if media_type.starts_with("text/html") => Kind::Html,
            _ if path.ends_with(".md") || path.ends_with("llms.txt") || path.ends_with("llms-full.txt") => {
                Kind::Markdown
            }
            _ if path.contains("/search-index-") => Kind::Search,
            _ => Kind::Other,
        };
        Self {
            kind,
            text: String::from_utf8(bytes).unwrap_or_else(|_| panic!("{path} is no text")),
            anchors: OnceLock::new(),
        }
    }

    /// Everything that the file refers to, as it stands there.
    pub(crate) fn links(&self) -> Vec<String> {
        match self.kind {
            Kind::Html => links_of_html(&self.text),
            Kind::Markdown => links_of_markdown(&self.text),
            // From the start page, where the search puts them.
            Kind::Search => entries(&self.text).iter().map(|entry| format!("../{}", text(&entry["u"]))).collect(),
            Kind::Other => Vec::new(),
        }
    }

    /// What a link can point at within the file.
    pub(crate) fn anchors(&self) -> &BTreeSet<String> {
        self.anchors.get_or_init(|| match self.kind {
            Kind::Html => Document::parse(&self.text).values("id").map(str::to_owned).collect(),
            Kind::Markdown => headings(&self.text).into_iter().collect(),
            _ => BTreeSet::new(),
        })
    }
}

/// The entries of the search's index.
pub(crate) fn entries(script: &str) -> Vec<serde_json::Value> {
    let list = script.trim().strip_prefix("window.airlockSearch=").and_then(|rest| rest.strip_suffix(';'));
    serde_json::from_str(list.expect("a script that sets the index")).expect("JSON")
}

fn text(value: &serde_json::Value) -> &str {
    value.as_str().expect("a text")
}

pub(crate) fn url(path: &str) -> Url {
    Url::parse(ROOT).and_then(|root| root.join(path)).expect("a URL")
}

/// Where links stand in pages.
const LINKS: [&str; 3] = ["href", "src", "data-index"];

fn links_of_html(text: &str) -> Vec<String> {
    let document = Document::parse(text);
    LINKS.iter().flat_map(|name| document.values(name)).map(str::to_owned).collect()
}

fn parser(text: &str) -> Parser<'_> {
    Parser::new_ext(text, Options::ENABLE_TABLES)
}

fn links_of_markdown(text: &str) -> Vec<String> {
    let links = parser(text).filter_map(|event| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => Some(dest_url.into_string()),
        _ => None,
    });
    links.collect()
}

/// The anchors that GitHub gives to headings.
fn headings(text: &str) -> Vec<String> {
    let mut anchors: Vec<String> = Vec::new();
    let mut heading: Option<String> = None;
    for event in parser(text) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::Text(part) | Event::Code(part) => {
                if let Some(heading) = &mut heading {
                    *heading += &part;
                }
            }
            Event::End(pulldown_cmark::TagEnd::Heading(_)) => {
                let text = heading.take().expect("an open heading").to_lowercase().replace(' ', "-");
                let plain: String = text.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect();
                let before = anchors.iter().filter(|anchor| **anchor == plain).count();
                anchors.push(if before == 0 { plain } else { format!("{plain}-{before}") });
            }
            _ => {}
        }
    }
    anchors
}
