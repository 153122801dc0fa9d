//! Reads the reference from the OpenAPI document.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{
    Answer, Body, Failure, Method, Operation, Reference, Tag, cut,
    shape::{self, Reader},
};
use crate::{
    address::Address,
    names,
    samples::{self, Examples},
};

/// Reads the document's text, and that of the example answers, which are by operation.
pub(crate) fn read(text: &str, answers: &str) -> Result<Reference> {
    let document: Value = serde_json::from_str(text).context("openapi.json is not JSON")?;
    let mut answers: BTreeMap<String, Value> = serde_json::from_str(answers).context("docs/answers.json")?;
    let mut tags = BTreeMap::new();
    for (path, methods) in document["paths"].as_object().context("openapi.json has no paths")? {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            let name = operation["tags"][0].as_str().with_context(|| format!("{method} {path} has no tag"))?;
            let tag = tags.entry(name).or_insert_with(|| tag(&document, name));
            let read = Source { document: &document, path, method, operation }.read(tag)?;
            tag.operations.push(read);
        }
    }
    let mut reference = Reference { tags: tags.into_values().collect() };
    let examples = Examples::of(&reference);
    for operation in reference.tags.iter_mut().flat_map(|tag| &mut tag.operations) {
        operation.answer.example = answers.remove(&operation.id);
        operation.samples = samples::of(operation, &examples);
    }
    Ok(reference)
}

fn tag(document: &Value, name: &str) -> Tag {
    let said = document["tags"].as_array().into_iter().flatten().find(|tag| tag["name"] == name);
    Tag {
        name: name.into(),
        title: names::title(name),
        description: said.map(shape::text).unwrap_or_default(),
        address: Address::new(&format!("api/{}", names::kebab(name))),
        operations: Vec::new(),
    }
}

/// One operation in the document.
struct Source<'a> {
    document: &'a Value,
    path: &'a str,
    method: &'a str,
    operation: &'a Value,
}

impl Source<'_> {
    fn read(&self, tag: &Tag) -> Result<Operation> {
        let operation = self.operation;
        let id = operation["operationId"].as_str().context("an operation has no operationId")?;
        let slug = names::kebab(id);
        Ok(Operation {
            address: Address::new(&format!("api/{}/{slug}", names::kebab(&tag.name))),
            id: id.into(),
            summary: operation["summary"].as_str().unwrap_or(id).into(),
            description: shape::text(operation),
            method: self.method()?,
            path: self.path.into(),
            permission: operation["x-permission"][0]["action"].as_str().map(Into::into),
            extension: operation["x-extension"] == true,
            path_parameters: self.parameters("path"),
            query_parameters: self.parameters("query"),
            body: self.body(),
            answer: self.answer()?,
            errors: self.errors(),
            samples: Vec::new(), // when all ids are known
            document: cut::cut(self.document, self.path, self.method),
        })
    }

    fn method(&self) -> Result<Method> {
        Ok(match self.method {
            "get" => Method::Get,
            "post" => Method::Post,
            "delete" => Method::Delete,
            other => bail!("{} has the method {other}, which the documentation does not know", self.path),
        })
    }

    fn reader(&self) -> Result<Reader<'_>> {
        let schemas = self.document["components"]["schemas"].as_object();
        Ok(Reader { schemas: schemas.context("openapi.json has no schemas")? })
    }

    fn parameters(&self, place: &str) -> Vec<super::Field> {
        let all = self.operation["parameters"].as_array().into_iter().flatten();
        let Ok(reader) = self.reader() else { return Vec::new() };
        all.filter(|one| one["in"] == place).map(|one| shape::parameter(&reader, one)).collect()
    }

    fn body(&self) -> Option<Body> {
        let content = self.operation["requestBody"].get("content")?.get("application/json")?;
        let shape = self.reader().ok()?.shape(&content["schema"]);
        Some(Body { shape, example: shape::example(content) })
    }

    fn answer(&self) -> Result<Answer> {
        let (status, answer) = self.responses().find(|(status, _)| *status < 300).context("no answer of success")?;
        let content = answer["content"].as_object().and_then(|all| all.iter().next());
        Ok(Answer {
            status,
            description: shape::text(answer),
            media_type: content.map(|(media_type, _)| media_type.clone()),
            shape: content
                .map(|(_, content)| Ok::<_, anyhow::Error>(self.reader()?.shape(&content["schema"])))
                .transpose()?,
            example: None, // it is not in the document
        })
    }

    fn errors(&self) -> Vec<Failure> {
        let errors = self.responses().filter(|(status, _)| *status >= 400);
        errors.map(|(status, answer)| Failure { status, name: reason(status).into(), causes: causes(answer) }).collect()
    }

    /// The answers by status, with references followed.
    fn responses(&self) -> impl Iterator<Item = (u16, &Value)> {
        self.operation["responses"].as_object().into_iter().flatten().filter_map(|(status, answer)| {
            let target = answer["$ref"].as_str().and_then(|text| self.document.pointer(text.strip_prefix('#')?));
            Some((status.parse().ok()?, target.unwrap_or(answer)))
        })
    }
}

/// The document has one in each line of the description.
fn causes(answer: &Value) -> Vec<String> {
    answer["description"].as_str().unwrap_or_default().lines().map(Into::into).collect()
}

/// The status in words (RFC 9110).
fn reason(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Error",
    }
}
