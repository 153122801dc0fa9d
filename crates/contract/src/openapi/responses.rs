//! What an operation answers, and what leads to each error.
//!
//! An error has the same form everywhere. The document declares it once for each status, with what
//! causes it anywhere, and an operation of which more is known says that instead.

use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use super::{doc::Doc, has_body, has_output, query_parameters};
use crate::{
    Access, Operation,
    operation::Errors,
    path::PathParameters,
    permissions::{Permission, scope::Scope},
    wire,
};

/// An answer that says why a request was not served: its status, its place among the document's
/// `responses`, and what causes it.
const ERRORS: &[(u16, &str, &str)] = &[
    (400, "BadRequest", "Something in the request is wrong; `fieldErrors` says what."),
    (401, "Unauthorized", "There is no bearer token, or it is not good; the message says why."),
    (403, "Forbidden", "The caller may see the thing, but not do this with it."),
    (404, "NotFound", "There is no such thing, or the caller may not see it."),
    (405, "MethodNotAllowed", "The path exists, with other methods: see `Allow`."),
    (409, "Conflict", "It contradicts what is there already; the message says what."),
    (412, "PreconditionFailed", "Something that must hold first does not; the message says what."),
    (413, "ContentTooLarge", "The body is larger than 1 MiB."),
    (415, "UnsupportedMediaType", "The body is not `application/json`."),
    (429, "TooManyRequests", "The caller's rate limit is used up; `Retry-After` says for how long."),
    (500, "InternalServerError", "The server failed; its log has the reason under `requestId`."),
    (503, "ServiceUnavailable", "The server cannot serve now; `Retry-After` says when to try again."),
];

/// All errors of a kind, for the operations that tell them so.
const RANGES: &[(&str, &str)] = &[
    ("4XX", "Any other error of the request; the message says what is wrong."),
    ("5XX", "Any other failure of the server; its log has the reason under `requestId`."),
];

/// The errors, as components of the document.
pub(super) fn components(generator: &mut SchemaGenerator) -> Map<String, Value> {
    ERRORS.iter().map(|(_, name, cause)| ((*name).to_owned(), error(generator, cause))).collect()
}

fn error(generator: &mut SchemaGenerator, cause: &str) -> Value {
    let content = json!({"application/json": {"schema": generator.subschema_for::<wire::Error>()}});
    json!({"description": cause, "content": content})
}

/// All answers of an operation.
pub(super) fn responses<O: Operation>(generator: &mut SchemaGenerator, doc: &Doc) -> Value {
    let mut responses = Map::from_iter([(O::STATUS.to_string(), success::<O>(generator, doc))]);
    for (status, name, _) in ERRORS {
        let can_be = match status {
            409 | 412 => doc.about(*status).next().is_some(),
            413 | 415 => has_body::<O>(),
            _ => true,
        };
        if can_be {
            let mut causes: Vec<String> = cause::<O>(*status).into_iter().collect();
            causes.extend(doc.about(*status).map(ToOwned::to_owned));
            let response = if causes.is_empty() {
                json!({"$ref": format!("#/components/responses/{name}")})
            } else {
                error(generator, &causes.join("\n"))
            };
            responses.insert(status.to_string(), response);
        }
    }
    if O::ERRORS == Errors::InRanges {
        for (range, cause) in RANGES {
            responses.insert((*range).to_owned(), error(generator, cause));
        }
    }
    responses.into()
}

fn success<O: Operation>(generator: &mut SchemaGenerator, doc: &Doc) -> Value {
    let about_type = SchemaGenerator::default().into_root_schema_for::<O::Output>();
    let about_type = about_type.get("description").and_then(Value::as_str);
    let (description, content) = match O::ACCESS {
        Access::Download => {
            ("One JSON object a line.", Some(json!({"application/x-ndjson": {"schema": {"type": "string"}}})))
        }
        _ if !has_output::<O>() => ("Done; there is nothing to answer.", None),
        _ => (
            about_type.unwrap_or("Done."),
            Some(json!({"application/json": {"schema": generator.subschema_for::<O::Output>()}})),
        ),
    };
    let mut response = json!({"description": doc.about(O::STATUS).next().unwrap_or(description)});
    if let Some(content) = content {
        response["content"] = content;
    }
    response
}

/// What leads to a status, as far as the row's types tell.
fn cause<O: Operation>(status: u16) -> Option<String> {
    match status {
        400 => Some(match (query_parameters::<O>().is_empty(), has_body::<O>()) {
            (true, false) => "`X-API-Version` names a version that this server does not speak.".into(),
            (true, true) => "Something in the body is wrong; `fieldErrors` says what.".into(),
            (false, false) => "A query parameter is wrong; `fieldErrors` says what.".into(),
            (false, true) => "A query parameter or something in the body is wrong; `fieldErrors` says what.".into(),
        }),
        403 => {
            let lacks = O::Permission::ACTION.map(|action| {
                let scope = <O::Permission as Permission>::Scope::NOUN;
                format!("The caller lacks `{}` on the {scope}.", action.name())
            });
            let always = [
                "The bearer is an agent token, which is not for this API.",
                "The request comes from none of the Organization's allowed IP address ranges, and it has some.",
            ];
            Some(lacks.into_iter().chain(always.map(Into::into)).collect::<Vec<_>>().join("\n"))
        }
        404 => {
            let nouns: Vec<&str> = O::Path::ALL.iter().map(|parameter| parameter.noun).collect();
            let (last, others) = nouns.split_last()?;
            let others = if others.is_empty() { String::new() } else { format!("{} or ", others.join(", ")) };
            Some(format!("There is no such {others}{last}, or the caller may not see it."))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{operation::Visitor, operations};

    /// A line about a status that the operation never has would be lost.
    #[test]
    fn every_line_about_a_status_is_in_the_document() {
        struct Rows;
        impl Visitor for Rows {
            fn visit<O: Operation>(&mut self) {
                let doc = Doc::of::<O>();
                let responses = responses::<O>(&mut SchemaGenerator::default(), &doc);
                for (status, text) in &doc.statuses {
                    let description = responses[status.to_string()]["description"].as_str().unwrap_or_default();
                    assert!(description.contains(text), "{}: {status}: {text}", O::ID);
                }
            }
        }
        operations::visit(&mut Rows);
    }
}
