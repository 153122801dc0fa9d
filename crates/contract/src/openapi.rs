//! The OpenAPI document, made from the same table that routes the requests.

use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{Access, Operation, operation::Visitor, operations, permissions::Permission, wire};

/// An answer that says why a request was not served: its status, its place among the document's
/// `responses`, and what causes it.
const ERRORS: &[(u16, &str, &str)] = &[
    (400, "BadRequest", "Something in the request is wrong; `fieldErrors` says what."),
    (401, "Unauthorized", "There is no bearer token, or it is not good; the message says why."),
    (403, "Forbidden", "The caller may see the thing, but not do this with it."),
    (404, "NotFound", "There is no such thing, or the caller may not see it."),
    (405, "MethodNotAllowed", "The path exists, with other methods: see `Allow`."),
    (413, "ContentTooLarge", "The body is larger than 1 MiB."),
    (415, "UnsupportedMediaType", "The body is not `application/json`."),
    (429, "TooManyRequests", "The token's rate limit is used up; `Retry-After` says for how long."),
    (500, "InternalServerError", "The server failed; its log has the reason under `requestId`."),
    (503, "ServiceUnavailable", "The server cannot serve now; `Retry-After` says when to try again."),
];

/// Makes the document. Its paths carry the prefix `/v1`.
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut writer = Writer { generator: settings.into_generator(), paths: Map::new() };
    let error = writer.generator.subschema_for::<wire::Error>().to_value();
    operations::visit(&mut writer);

    let responses: Map<String, Value> = ERRORS
        .iter()
        .map(|(_, name, cause)| {
            let content = json!({"application/json": {"schema": error}});
            ((*name).to_owned(), json!({"description": cause, "content": content}))
        })
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Airlock",
            "version": format!("v{}", crate::API_VERSION),
            "description": "An open control plane for remote Airflow agents, which speaks the Astro API v1.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"JWT": []}],
        "paths": writer.paths,
        "components": {
            "schemas": writer.generator.take_definitions(true),
            "responses": responses,
            "securitySchemes": {"JWT": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    })
}

/// The document as the text that is kept in the repository.
pub fn document_text() -> String {
    format!("{:#}\n", document())
}

struct Writer {
    generator: SchemaGenerator,
    paths: Map<String, Value>,
}

impl Visitor for Writer {
    fn visit<O: Operation>(&mut self) {
        let (summary, description) = O::DOC.split_first().unwrap_or((&"", &[]));
        let mut operation = json!({
            "operationId": O::ID,
            "tags": [O::TAG.name()],
            "summary": summary.trim().trim_end_matches('.'),
            "description": description.iter().map(|line| line.trim()).collect::<Vec<_>>().join("\n").trim(),
            "parameters": self.parameters::<O>(),
            "responses": self.responses::<O>(),
        });
        if let Some(action) = O::Permission::ACTION {
            operation["x-permission"] = json!([{"action": action.name()}]);
        }
        if has_body::<O>() {
            let schema = self.generator.subschema_for::<O::Body>();
            operation["requestBody"] = json!({"required": true, "content": {"application/json": {"schema": schema}}});
        }
        let method = O::METHOD.as_str().to_ascii_lowercase();
        self.paths.entry(format!("/v1{}", O::PATH)).or_insert_with(|| json!({}))[method] = operation;
    }
}

/// Whether an operation takes a body. The type for "none" is `()`, whose schema is `null`.
pub fn has_body<O: Operation>() -> bool {
    std::any::TypeId::of::<O::Body>() != std::any::TypeId::of::<wire::NoBody>()
}

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
}

/// The query parameters of an operation.
pub fn query_parameters<O: Operation>() -> Vec<QueryParameter> {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<O::Query>().to_value();
    let required = |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
    let Some(properties) = schema["properties"].as_object() else { return Vec::new() };
    properties
        .iter()
        .map(|(name, schema)| {
            let mut schema = schema.clone();
            let description = schema["description"].as_str().unwrap_or_default().to_owned();
            if let Some(object) = schema.as_object_mut() {
                object.remove("description");
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
            QueryParameter { name: name.clone(), schema, description, required: required(name) }
        })
        .collect()
}

impl Writer {
    fn parameters<O: Operation>(&mut self) -> Value {
        let path = path_parameters(O::PATH)
            .map(|name| json!({"in": "path", "name": name, "required": true, "schema": {"type": "string"}}));
        let query = query_parameters::<O>().into_iter().map(|parameter| {
            json!({
                "in": "query", "name": parameter.name, "required": parameter.required,
                "description": parameter.description, "schema": parameter.schema,
            })
        });
        path.chain(query).collect()
    }

    fn responses<O: Operation>(&mut self) -> Value {
        let mut responses = Map::new();
        let success = match (O::ACCESS, O::STATUS) {
            (Access::Download, _) => json!({
                "description": "One JSON object a line.",
                "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
            }),
            (_, 204) => json!({"description": "Done; there is nothing to answer."}),
            _ => {
                let schema = self.generator.subschema_for::<O::Output>();
                json!({"description": "Done.", "content": {"application/json": {"schema": schema}}})
            }
        };
        responses.insert(O::STATUS.to_string(), success);
        for (status, name, _) in ERRORS {
            let about_body = matches!(status, 413 | 415);
            if !about_body || has_body::<O>() {
                let reference = format!("#/components/responses/{name}");
                responses.insert(status.to_string(), json!({"$ref": reference}));
            }
        }
        responses.into()
    }
}

/// The names between braces in a path.
pub fn path_parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}
