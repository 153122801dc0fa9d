//! The same pages as files, for a server that knows nothing but files.

use std::borrow::Cow;

use crate::{MISSING, Page, pages};

/// What stands at the root: it leads to the start page.
const ROOT: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Airlock</title>\n\
    <meta http-equiv=\"refresh\" content=\"0; url=docs/index.html\">\n\
    <p>The documentation is at <a href=\"docs/index.html\">docs</a>.</p>\n</html>\n";

/// Every file: its path below the site's root, and its content.
///
/// The site has the addresses that the server has, with `.html` after the names of pages; as all
/// links are relative, it may lie below any prefix, or be opened from a disk.
pub fn static_site() -> impl Iterator<Item = (String, Cow<'static, [u8]>)> {
    let root = ("index.html".to_owned(), Cow::Borrowed(ROOT.as_bytes()));
    pages().iter().map(|page| (file(page), content(page))).chain([root])
}

fn file(page: &Page) -> String {
    let path = page.path.trim_start_matches('/');
    match page.path {
        // Where file servers look for it.
        MISSING => "404.html".into(),
        _ if !page.is_html() => path.into(),
        _ if path.ends_with('/') => format!("{path}index.html"),
        _ => format!("{path}.html"),
    }
}

fn content(page: &'static Page) -> Cow<'static, [u8]> {
    let before = match page.media_type {
        _ if page.is_html() => " href=\"",
        // The search leads to pages, too.
        "text/javascript; charset=utf-8" => "\"u\":\"",
        _ => return Cow::Borrowed(page.plain()),
    };
    let text = String::from_utf8_lossy(page.plain());
    let mut parts = text.split(before);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (link, rest) = part.split_at(part.find('"').unwrap_or(part.len()));
        out += before;
        out += &with_suffix(link);
        out += rest;
    }
    Cow::Owned(out.into_bytes())
}

/// A link to a page as a link to its file. Links to anything else stay.
fn with_suffix(link: &str) -> String {
    let (path, anchor) = link.split_at(link.find('#').unwrap_or(link.len()));
    let name = path.rsplit('/').next().unwrap_or_default();
    let outside = path.contains(':') || path.starts_with('/') && !path.starts_with("/docs/");
    match name {
        _ if path.is_empty() || outside => link.into(),
        "" => format!("{path}index.html{anchor}"),
        "." | ".." => format!("{path}/index.html{anchor}"),
        name if name.contains('.') => link.into(),
        _ => format!("{path}.html{anchor}"),
    }
}

#[cfg(test)]
mod tests {
    use super::with_suffix;

    #[test]
    fn links_to_pages_get_a_suffix() {
        for (link, file) in [
            ("agents", "agents.html"),
            ("agents#queues", "agents.html#queues"),
            ("../../", "../../index.html"),
            ("./", "./index.html"),
            ("./#start", "./index.html#start"),
            ("..", "../index.html"),
            ("/docs/api", "/docs/api.html"),
            ("#queues", "#queues"),
            ("agents.md", "agents.md"),
            ("../assets/style-0123.css", "../assets/style-0123.css"),
            ("https://example.com/docs", "https://example.com/docs"),
            ("mailto:someone", "mailto:someone"),
            ("/v1/organizations", "/v1/organizations"),
        ] {
            assert_eq!(with_suffix(link), file, "{link}");
        }
    }
}
