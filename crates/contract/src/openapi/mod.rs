//! The OpenAPI document, made from the same table that routes the requests.

mod doc;
mod parameters;
mod responses;

use std::collections::BTreeSet;

use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

pub use self::{
    doc::Doc,
    parameters::{QueryParameter, path_parameters, query_parameters},
};
use self::{parameters::parameters, responses::responses};
use crate::{
    Operation,
    operation::{Tag, Visitor},
    operations,
    permissions::Permission,
    wire,
};

/// Makes the document. Its paths carry the prefix `/v1`.
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut writer = Writer { generator: settings.into_generator(), tags: BTreeSet::new(), paths: Map::new() };
    operations::visit(&mut writer);

    let responses = responses::components(&mut writer.generator);
    let mut schemas = writer.generator.take_definitions(true);
    // Samples send them, and so they stand beside the bodies.
    schemas.values_mut().filter_map(Value::as_object_mut).for_each(|schema| drop(schema.remove("examples")));
    let tags: Vec<Value> =
        writer.tags.iter().map(|tag| json!({"name": tag.name(), "description": tag.description()})).collect();
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
        "tags": tags,
        "paths": writer.paths,
        "components": {
            "schemas": schemas,
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
    tags: BTreeSet<Tag>,
    paths: Map<String, Value>,
}

impl Visitor for Writer {
    fn visit<O: Operation>(&mut self) {
        let doc = Doc::of::<O>();
        let mut operation = json!({
            "operationId": O::ID,
            "tags": [O::TAG.name()],
            "summary": doc.summary,
            "description": doc.description,
            "parameters": parameters::<O>(),
            "responses": responses::<O>(&mut self.generator, &doc),
        });
        self.tags.insert(O::TAG);
        if O::EXTENSION {
            operation["x-extension"] = true.into();
        }
        if let Some(action) = O::Permission::ACTION {
            operation["x-permission"] = json!([{"action": action.name()}]);
        }
        if has_body::<O>() {
            let mut content = json!({"schema": self.generator.subschema_for::<O::Body>()});
            if let Some(example) = body_example::<O>() {
                content["example"] = example;
            }
            operation["requestBody"] = json!({"required": true, "content": {"application/json": content}});
        }
        let method = O::METHOD.as_str().to_ascii_lowercase();
        self.paths.entry(format!("/v1{}", O::PATH)).or_insert_with(|| json!({}))[method] = operation;
    }
}

/// Whether an operation takes a body. The type for "none" is `()`, whose schema is `null`.
pub fn has_body<O: Operation>() -> bool {
    std::any::TypeId::of::<O::Body>() != std::any::TypeId::of::<wire::NoBody>()
}

/// Whether an operation answers with a body. The type for "none" is `()`.
pub fn has_output<O: Operation>() -> bool {
    std::any::TypeId::of::<O::Output>() != std::any::TypeId::of::<wire::NoOutput>()
}

/// The body that samples send: the example of the body's type.
pub fn body_example<O: Operation>() -> Option<Value> {
    let schema = SchemaGenerator::default().into_root_schema_for::<O::Body>();
    schema.get("examples")?.get(0).cloned()
}
