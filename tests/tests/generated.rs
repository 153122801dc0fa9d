//! Files in the repository that are made from the code are as the code makes them.
//!
//! To make them again: `AIRLOCK_UPDATE=1 cargo test -p airlock-tests --test generated`

use std::{fs, path::Path};

use airlock_tests::operations::{example_answer, rows};
use serde_json::{Map, Value};

fn hold(file: &str, made: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    #[expect(clippy::disallowed_methods, reason = "a test has no command line")]
    if std::env::var("AIRLOCK_UPDATE").is_ok() {
        fs::write(&path, made).expect("written");
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == made, "{file} is stale; run: AIRLOCK_UPDATE=1 cargo test -p airlock-tests --test generated");
}

#[test]
fn the_openapi_document() {
    hold("openapi.json", &airlock_contract::openapi::document_text());
}

/// Tools that read the document stumble over a keyword that is null.
#[test]
fn no_keyword_of_the_document_is_null() {
    fn walk(value: &serde_json::Value, at: &str) {
        match value {
            serde_json::Value::Null => panic!("{at} is null"),
            serde_json::Value::Object(fields) => {
                fields.iter().for_each(|(key, value)| walk(value, &format!("{at}/{key}")))
            }
            serde_json::Value::Array(items) if !at.ends_with("/enum") => items.iter().for_each(|item| walk(item, at)),
            _ => {}
        }
    }
    walk(&airlock_contract::openapi::document(), "");
}

/// What the pages of operations show as answers. Times, ids and all else are those of a test's
/// server, so that they are the same whenever they are made.
#[tokio::test]
async fn the_example_answers() {
    let mut answers = Map::new();
    for row in rows() {
        let answer = example_answer(&row).await;
        answers.extend(Some((row.id.to_owned(), answer)).filter(|(_, answer)| !answer.is_null()));
    }
    hold("docs/answers.json", &format!("{:#}\n", Value::from(answers)));
}

/// Every built-in role x every permission. A change here is a change to who may do what: review it.
#[test]
fn the_table_of_roles() {
    hold("docs/roles.md", &airlock_core::policy::table::markdown());
}

#[test]
fn the_table_of_metrics() {
    hold("docs/metrics.md", &airlock_server::metrics_markdown());
}
