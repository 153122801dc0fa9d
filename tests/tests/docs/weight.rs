//! What the documentation weighs, in the binary and on the way to a browser.

fn gzipped(matches: impl Fn(&str) -> bool) -> usize {
    airlock_docs::pages().iter().filter(|page| matches(page.path)).map(|page| page.gzip().len()).sum()
}

#[test]
fn the_pages_of_all_operations_together_are_less_than_a_megabyte() {
    let bytes = gzipped(|path| path.starts_with("/docs/api"));
    assert!((50_000..1_000_000).contains(&bytes), "{bytes} bytes");
}

#[test]
fn the_index_of_the_search_is_small_enough_to_load() {
    let bytes = gzipped(|path| path.contains("/search-index-"));
    assert!((1_000..150_000).contains(&bytes), "{bytes} bytes");
}

#[test]
fn what_is_packed_is_what_it_says() {
    for page in airlock_docs::pages() {
        assert_eq!(page.plain().len(), page.length, "{}", page.path);
        assert_eq!(airlock_docs::find(page.path).map(|found| found.etag), Some(page.etag));
    }
}
