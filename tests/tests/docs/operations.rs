//! No operation is missing anywhere.

use airlock_contract::{Operation, operation::Visitor, operations, permissions::Permission};

use crate::{
    document::Document,
    library::{Library, entries, url},
};

/// What the documentation has to say of an operation.
struct Row {
    tag: String,
    id: &'static str,
    method: &'static str,
    path: &'static str,
    permission: Option<&'static str>,
}

impl Row {
    fn page(&self) -> String {
        format!("/docs/api/{}/{}", kebab(&self.tag), kebab(self.id))
    }
}

fn rows() -> Vec<Row> {
    struct Rows(Vec<Row>);
    impl Visitor for Rows {
        fn visit<O: Operation>(&mut self) {
            self.0.push(Row {
                tag: O::TAG.name(),
                id: O::ID,
                method: O::METHOD.as_str(),
                path: O::PATH,
                permission: O::Permission::ACTION.map(|action| action.name()),
            });
        }
    }
    let mut rows = Rows(Vec::new());
    operations::visit(&mut rows);
    rows.0
}

fn kebab(name: &str) -> String {
    let words = name.char_indices().map(|(at, letter)| match letter {
        'A'..='Z' if at > 0 => format!("-{}", letter.to_ascii_lowercase()),
        _ => letter.to_ascii_lowercase().to_string(),
    });
    words.collect()
}

#[tokio::test]
async fn every_operation_has_its_page_and_is_led_to() {
    let library = Library::served().await;
    let search = library.0.iter().find(|(url, _)| url.path().contains("/search-index-")).expect("an index").1;
    let found: Vec<String> = entries(&search.text).iter().map(|entry| entry["u"].to_string()).collect();
    for row in rows() {
        let page = row.page();
        let tag = format!("/docs/api/{}", kebab(&row.tag));
        for from in ["/docs/api", &tag, &page] {
            assert!(links_to(&library, from, &page), "{from} has no link to {page}");
        }
        for from in ["/docs/api.md", "/llms.txt", "/docs/llms.txt", "/docs/api/llms.txt"] {
            assert!(links_to(&library, from, &format!("{page}.md")), "{from} has no link to {page}.md");
        }
        assert!(found.iter().any(|at| page.ends_with(at.trim_matches('"'))), "the search does not find {page}");
    }
}

fn links_to(library: &Library, from: &str, to: &str) -> bool {
    let from = url(from);
    let file = library.0.get(&from).unwrap_or_else(|| panic!("there is no {from}"));
    file.links().iter().any(|link| from.join(link).is_ok_and(|target| target == url(to)))
}

/// Both forms of the page say how to call the operation, and what it needs.
#[tokio::test]
async fn every_operation_s_page_tells_what_its_row_says() {
    let library = Library::served().await;
    for row in rows() {
        for suffix in ["", ".md"] {
            let page = format!("{}{suffix}", row.page());
            let source = library.text(&page);
            let text = if suffix.is_empty() { Document::parse(source).text() } else { source.to_owned() };
            for said in [row.method, row.path].into_iter().chain(row.permission) {
                assert!(text.contains(said), "{page} does not say {said}");
            }
            assert!(text.contains("Authorization"), "{page} has no sample");
        }
    }
}

/// The Markdown ends with the document, cut down to the operation, and with all that it refers to.
#[tokio::test]
async fn the_document_in_an_operation_s_markdown_is_whole() {
    let library = Library::served().await;
    for row in rows() {
        let page = format!("{}.md", row.page());
        let text = library.text(&page);
        let (_, json) = text.rsplit_once("```json\n").unwrap_or_else(|| panic!("{page} has no document"));
        let json = json.trim_end().strip_suffix("```").expect("the block ends the page");
        let document: serde_json::Value = serde_json::from_str(json).expect("JSON");
        let paths = document["paths"].as_object().expect("paths");
        assert_eq!(paths.len(), 1);
        let method = row.method.to_ascii_lowercase();
        assert_eq!(document["paths"][format!("/v1{}", row.path)][method]["operationId"], row.id);
        assert_references_lead_somewhere(&document, &document);
    }
}

fn assert_references_lead_somewhere(document: &serde_json::Value, part: &serde_json::Value) {
    match part {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                if let Some(pointer) = value.as_str().filter(|_| name == "$ref") {
                    assert!(document.pointer(&pointer[1..]).is_some(), "{pointer} is not there");
                }
                assert_references_lead_somewhere(document, value);
            }
        }
        serde_json::Value::Array(items) => {
            items.iter().for_each(|item| assert_references_lead_somewhere(document, item));
        }
        _ => {}
    }
}
