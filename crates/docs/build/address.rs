//! Where a page is, and how one page links to another.

use std::fmt;

/// The path of a page, as in `/docs/api/agent-token`; the start page's is `/docs/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Address(String);

impl Address {
    /// The start page.
    pub(crate) fn start() -> Self {
        Self("/docs/".into())
    }

    /// A page by its path below `/docs/`, which has no suffix.
    pub(crate) fn new(path: &str) -> Self {
        Self(if path == "index" { "/docs/".into() } else { format!("/docs/{path}") })
    }

    /// The path.
    pub(crate) fn path(&self) -> &str {
        &self.0
    }

    /// The path of the page's Markdown.
    pub(crate) fn markdown(&self) -> String {
        if self.0.ends_with('/') { format!("{}index.md", self.0) } else { format!("{}.md", self.0) }
    }

    /// The path of the index of what is at and below the page.
    pub(crate) fn llms(&self) -> String {
        format!("{}/llms.txt", self.0.trim_end_matches('/'))
    }

    /// A link from this page to another path.
    pub(crate) fn to(&self, target: &str) -> String {
        relative(&self.0, target)
    }

    /// Whether a page is below this one, or is it.
    pub(crate) fn holds(&self, other: &Address) -> bool {
        other == self || other.0.starts_with(&format!("{}/", self.0.trim_end_matches('/')))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// The relative link from one absolute path to another, so that the site works below any prefix.
pub(crate) fn relative(from: &str, to: &str) -> String {
    let folder = |path: &str| path.rfind('/').map_or(0, |slash| slash + 1);
    let (from, (to, name)) = (&from[..folder(from)], to.split_at(folder(to)));
    let from: Vec<&str> = from.split_terminator('/').collect();
    let to: Vec<&str> = to.split_terminator('/').collect();
    let shared = from.iter().zip(&to).take_while(|(left, right)| left == right).count();
    let mut link = "../".repeat(from.len() - shared);
    for part in &to[shared..] {
        link += part;
        link.push('/');
    }
    link += name;
    if link.is_empty() { "./".into() } else { link }
}

/// The path that a relative link means, from the file in which it stands; `None` when it leads out of
/// everything.
pub(crate) fn resolve(from: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}
