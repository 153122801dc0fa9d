//! No link leads nowhere, and every page is led to.

use std::collections::BTreeSet;

use reqwest::Url;

use crate::document::Document;
use crate::library::{Kind, Library, url};

#[tokio::test]
async fn no_link_of_the_server_is_broken() {
    assert_all_lead_somewhere(&Library::served().await);
}

/// Holds every link of every file against the files that are there. All links within the site are
/// relative, so that it works below any prefix.
pub(crate) fn assert_all_lead_somewhere(library: &Library) {
    let mut broken = Vec::new();
    let mut count = 0;
    for (from, file) in &library.0 {
        for link in file.links() {
            count += 1;
            if let Some(fault) = fault(library, from, &link) {
                broken.push(format!("{from}: {link}: {fault}"));
            }
        }
    }
    assert!(count > 1000, "only {count} links were found");
    assert!(broken.is_empty(), "{} of {count} links are broken:\n{}", broken.len(), broken.join("\n"));
}

fn fault(library: &Library, from: &Url, link: &str) -> Option<&'static str> {
    if link.starts_with("https://") || link.starts_with("http://") || link.starts_with("mailto:") {
        return None;
    }
    if link.starts_with('/') {
        return Some("it is not relative");
    }
    let mut to = from.join(link).expect("a link");
    let anchor = to.fragment().map(str::to_owned);
    to.set_fragment(None);
    let Some(target) = library.0.get(&to) else { return Some("there is no such file") };
    let missing = anchor.is_some_and(|anchor| !target.anchors().contains(&anchor));
    missing.then_some("there is no such heading")
}

/// From the start page and from the index for assistants, one gets everywhere.
#[tokio::test]
async fn every_page_is_led_to() {
    let library = Library::served().await;
    for (start, kinds) in [("/docs/", &[Kind::Html][..]), ("/llms.txt", &[Kind::Markdown])] {
        let mut seen = BTreeSet::new();
        let mut open = vec![url(start)];
        while let Some(at) = open.pop() {
            let Some(file) = library.0.get(&at).filter(|file| kinds.contains(&file.kind)) else { continue };
            if seen.insert(at.clone()) {
                open.extend(file.links().iter().filter_map(|link| at.join(link).ok()).map(|mut url| {
                    url.set_fragment(None);
                    url
                }));
            }
        }
        let wanted = library.0.iter().filter(|(url, file)| kinds.contains(&file.kind) && !is_section_index(url));
        let lost: Vec<&str> = wanted.map(|(url, _)| url).filter(|url| !seen.contains(url)).map(Url::as_str).collect();
        assert!(lost.is_empty(), "not reached from {start}: {lost:#?}");
    }
}

/// The indexes of sections are found by their names, and not by links.
fn is_section_index(url: &Url) -> bool {
    url.path() != "/llms.txt" && url.path().ends_with("/llms.txt")
}

#[tokio::test]
async fn the_next_page_of_each_makes_one_chain() {
    let library = Library::served().await;
    let pages = library.html().count();
    let (mut at, mut before, mut count) = (url("/docs/"), None, 1);
    loop {
        let page = Document::parse(&library.0[&at].text);
        let link = |rel: &str| {
            let found = page.named("a").find(|link| link.attribute("rel") == Some(rel))?;
            at.join(found.attribute("href")?).ok()
        };
        assert_eq!(link("prev"), before, "before {at}");
        let Some(next) = link("next") else { break };
        before = Some(std::mem::replace(&mut at, next));
        count += 1;
        assert!(count <= pages, "the chain comes back to {at}");
    }
    assert_eq!(count, pages);
}
