//! The parameters of an operation, in its path and in its query.

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::{Operation, path::PathParameters};

/// One query parameter, as the schema of the query's type declares it.
#[derive(Clone, Debug)]
pub struct QueryParameter {
    /// Its name.
    pub name: String,
    /// Its schema, without `null`.
    pub schema: Value,
    /// What it is for.
    pub description: String,
    /// Whether it must be there.
    pub required: bool,
    /// The value that samples give it; most are left out of samples.
    pub example: Option<Value>,
}

/// The query parameters of an operation.
pub fn query_parameters<O: Operation>() -> Vec<QueryParameter> {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<O::Query>().to_value();
    let required = |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
    let Some(properties) = schema["properties"].as_object() else { return Vec::new() };
    properties.iter().map(|(name, schema)| query_parameter(name, schema.clone(), required(name))).collect()
}

fn query_parameter(name: &str, mut schema: Value, required: bool) -> QueryParameter {
    let description = schema["description"].as_str().unwrap_or_default().to_owned();
    let mut example = None;
    if let Some(object) = schema.as_object_mut() {
        object.remove("description");
        example = object.remove("examples").map(|mut examples| examples[0].take());
        if let Some(kinds) = object.get_mut("type").and_then(Value::as_array_mut) {
            kinds.retain(|kind| kind != "null");
            if let [only] = kinds.as_slice() {
                let only = only.clone();
                object.insert("type".into(), only);
            }
        }
        if let Some(words) = object.get_mut("enum").and_then(Value::as_array_mut) {
            words.retain(|word| !word.is_null());
        }
        if object.get("default").is_some_and(Value::is_null) {
            object.remove("default");
        }
    }
    QueryParameter { name: name.to_owned(), schema, description, required, example }
}

/// The names between braces in a path.
pub fn path_parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

/// All parameters, as they stand in the document.
pub(super) fn parameters<O: Operation>() -> Value {
    let path = path_parameters(O::PATH).zip(O::Path::ALL).map(|(name, what)| {
        json!({
            "in": "path", "name": name, "required": true, "schema": {"type": "string"},
            "description": what.doc.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" "),
            "example": what.example,
        })
    });
    let query = query_parameters::<O>().into_iter().map(|parameter| {
        let mut object = json!({
            "in": "query", "name": parameter.name, "required": parameter.required,
            "description": parameter.description, "schema": parameter.schema,
        });
        if let Some(example) = parameter.example {
            object["example"] = example;
        }
        object
    });
    path.chain(query).collect()
}
