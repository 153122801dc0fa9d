//! The OpenAPI document, cut down to one operation: what an assistant needs to call it, and nothing
//! else.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// Keeps of the document one operation, and what it reaches of the components.
pub(crate) fn cut(document: &Value, path: &str, method: &str) -> Value {
    let operation = &document["paths"][path][method];
    let mut reached = BTreeSet::new();
    reach(document, operation, &mut reached);

    let mut components: Map<String, Value> = Map::new();
    for pointer in &reached {
        let mut parts = pointer.split('/').skip(2);
        if let (Some(kind), Some(name), Some(value)) = (parts.next(), parts.next(), document.pointer(pointer)) {
            components.entry(kind).or_insert_with(|| json!({}))[name] = value.clone();
        }
    }
    components.insert("securitySchemes".into(), document["components"]["securitySchemes"].clone());
    json!({
        "openapi": document["openapi"],
        "info": document["info"],
        "servers": document["servers"],
        "security": document["security"],
        "paths": {path: {method: operation}},
        "components": components,
    })
}

/// Notes what a part of the document refers to, as JSON pointers.
fn reach(document: &Value, part: &Value, reached: &mut BTreeSet<String>) {
    match part {
        Value::Object(fields) => {
            for (name, field) in fields {
                let pointer = field.as_str().filter(|_| name == "$ref").and_then(|text| text.strip_prefix('#'));
                match pointer {
                    Some(pointer) if reached.insert(pointer.into()) => {
                        reach(document, document.pointer(pointer).unwrap_or(&Value::Null), reached);
                    }
                    _ => reach(document, field, reached),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| reach(document, item, reached)),
        _ => {}
    }
}
