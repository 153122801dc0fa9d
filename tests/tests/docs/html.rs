//! The pages are HTML as the standard has it, and do nothing that their policy forbids.

use crate::{
    document::{Document, Element},
    library::Library,
};

/// Holds the pages of a library against the standard and against the policy.
pub(crate) fn assert_sound(library: &Library) {
    let mut count = 0;
    for (url, page) in library.html() {
        count += 1;
        assert!(page.errors.is_empty(), "{url}: {:?}", page.errors);
        assert_one_title(url.as_str(), &page);
        assert_policy_kept(url.as_str(), &page);
        assert_ids_differ(url.as_str(), &page);
    }
    assert!(count > 30, "only {count} pages");
}

#[tokio::test]
async fn the_served_pages_are_sound() {
    assert_sound(&Library::served().await);
}

#[test]
fn the_page_for_what_is_missing_is_sound() {
    let page = airlock_docs::find(airlock_docs::MISSING).expect("the page");
    let html = Document::parse(std::str::from_utf8(page.plain()).expect("UTF-8"));
    assert!(html.errors.is_empty(), "{:?}", html.errors);
    assert_policy_kept(page.path, &html);
    // It stands at any depth.
    for link in html.values("href").chain(html.values("src")) {
        assert!(link.starts_with('/') || link.starts_with('#'), "{link}");
    }
}

fn assert_one_title(at: &str, page: &Document) {
    let text = |name| page.named(name).map(|element| element.text.trim()).collect::<Vec<_>>();
    let (titles, headings) = (text("title"), text("h1"));
    assert_eq!(headings.len(), 1, "{at} has one h1");
    assert!(titles[0].starts_with(headings[0]), "{at} is called {titles:?} and {headings:?}");
}

/// No script and no style stands in a page; the policy forbids both.
fn assert_policy_kept(at: &str, page: &Document) {
    for element in &page.elements {
        assert!(!is_forbidden(element), "{at} has a <{}> {:?}", element.name, element.attributes);
        for (name, value) in &element.attributes {
            let acts = name == "style" || name.starts_with("on") || value.starts_with("javascript:");
            assert!(!acts, "{at}: {name}={value:?}");
        }
    }
}

fn is_forbidden(element: &Element) -> bool {
    match element.name.as_str() {
        "style" | "iframe" | "object" | "embed" | "base" => true,
        "script" => element.attribute("src").is_none_or(|from| from.contains(':')),
        _ => false,
    }
}

fn assert_ids_differ(at: &str, page: &Document) {
    let mut ids: Vec<&str> = page.values("id").collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "{at} has an id twice");
}
