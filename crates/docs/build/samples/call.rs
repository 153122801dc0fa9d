//! A call as all samples make it, whatever their language.

use std::collections::BTreeMap;

use serde_json::Value;

use super::literal::{self, Notation};
use crate::{
    names,
    reference::{Method, Operation, Reference},
};

/// What samples read from the environment: the parameter of the path, and the variable.
const CONTEXT: &[(&str, &str)] = &[
    ("organizationId", "AIRLOCK_ORGANIZATION"),
    ("workspaceId", "AIRLOCK_WORKSPACE"),
    ("deploymentId", "AIRLOCK_DEPLOYMENT"),
];

/// The example ids of the document, with the names of the parameters that they are examples of.
pub(crate) struct Examples(BTreeMap<String, String>);

impl Examples {
    /// Those of all paths.
    pub(crate) fn of(reference: &Reference) -> Self {
        let parameters = reference.tags.iter().flat_map(|tag| &tag.operations).flat_map(|one| &one.path_parameters);
        let named = parameters.filter_map(|one| Some((one.example.as_ref()?.as_str()?.to_owned(), one.name.clone())));
        Self(named.collect())
    }
}

/// An id that the call needs.
pub(super) struct Id {
    /// What its parameter is called: `agentTokenId`.
    pub(super) name: String,
    /// The id that the documentation shows.
    pub(super) example: String,
    /// Where samples have it from; `None` when it is theirs to name.
    pub(super) environment: Option<&'static str>,
}

impl Id {
    fn new(name: &str, example: &str) -> Self {
        let environment = CONTEXT.iter().find(|(of, _)| *of == name).map(|(_, variable)| *variable);
        Self { name: name.to_owned(), example: example.to_owned(), environment }
    }

    /// The parameter's name as a variable in lower case, without `_id` where it is the
    /// environment that has it: `organization`, `agent_token_id`.
    pub(super) fn snake(&self) -> String {
        let name = names::kebab(&self.name).replace('-', "_");
        match self.environment {
            Some(_) => name.trim_end_matches("_id").to_owned(),
            None => name,
        }
    }

    /// The same in upper case, as the shell has it: `AIRLOCK_ORGANIZATION`, `AGENT_TOKEN_ID`.
    pub(super) fn upper(&self) -> String {
        self.environment.map_or_else(|| self.snake().to_uppercase(), ToOwned::to_owned)
    }

    /// The same in mixed case: `organization`, `agentTokenId`.
    pub(super) fn camel(&self) -> &str {
        match self.environment {
            Some(_) => self.name.trim_end_matches("Id"),
            None => &self.name,
        }
    }
}

/// What success is answered with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// One JSON value.
    Json,
    /// Nothing.
    Nothing,
    /// Lines without end.
    Lines,
}

/// A call of an operation.
pub(super) struct Call<'a> {
    pub(super) operation: &'a Operation,
    /// The ids that it needs: first those of the path, in its order.
    pub(super) ids: Vec<Id>,
    /// The parameters of the query that it gives, with their values.
    pub(super) query: Vec<(&'a str, &'a Value)>,
    pub(super) body: Option<&'a Value>,
    pub(super) answer: Answer,
}

impl<'a> Call<'a> {
    pub(super) fn new(operation: &'a Operation, examples: &Examples) -> Self {
        let example = |value: &Option<Value>| value.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
        let path = operation.path_parameters.iter();
        let mut ids: Vec<Id> = path.map(|one| Id::new(&one.name, &example(&one.example))).collect();
        let query = operation.query_parameters.iter();
        let query: Vec<_> = query.filter_map(|one| Some((one.name.as_str(), one.example.as_ref()?))).collect();
        let body = operation.body.as_ref().and_then(|body| body.example.as_ref());
        for value in query.iter().map(|(_, value)| *value).chain(body) {
            for text in texts(value) {
                let is_new = ids.iter().all(|id| id.example != text);
                ids.extend(examples.0.get(text).filter(|_| is_new).map(|name| Id::new(name, text)));
            }
        }
        let answer = match operation.answer.media_type.as_deref() {
            None => Answer::Nothing,
            Some("application/json") => Answer::Json,
            Some(_) => Answer::Lines,
        };
        Self { operation, ids, query, body, answer }
    }

    /// The ids that the path has.
    pub(super) fn path_ids(&self) -> &[Id] {
        &self.ids[..self.operation.path_parameters.len()]
    }

    /// The id that a text is an example of.
    pub(super) fn id(&self, example: &str) -> Option<&Id> {
        self.ids.iter().find(|id| id.example == example)
    }

    /// The ids by which the body names things, in its order.
    pub(super) fn ids_in_body(&self) -> Vec<&Id> {
        self.body.into_iter().flat_map(texts).filter_map(|text| self.id(text)).collect()
    }

    /// The path with something else in the place of each parameter.
    pub(super) fn path(&self, mut put: impl FnMut(&Id) -> String) -> String {
        let fill = |path: String, id: &Id| path.replace(&format!("{{{}}}", id.name), &put(id));
        self.path_ids().iter().fold(self.operation.path.clone(), fill)
    }

    /// The query with its question mark, lists as repeated keys; empty when there is none.
    pub(super) fn query_string(&self, mut put: impl FnMut(&Id) -> String) -> String {
        let mut pairs = Vec::new();
        for (name, value) in &self.query {
            let values = value.as_array().map_or(std::slice::from_ref(*value), Vec::as_slice);
            for value in values {
                let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
                let text = self.id(&text).map_or_else(|| escaped(&text), &mut put);
                pairs.push(format!("{name}={text}"));
            }
        }
        if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
    }

    /// The query as an object.
    pub(super) fn query_object(&self) -> Value {
        self.query.iter().map(|(name, value)| ((*name).to_owned(), (*value).clone())).collect()
    }

    /// The body, in a language's notation, with the lines after the first moved in by `indent`.
    pub(super) fn body_as(&self, notation: &Notation<'_>, indent: &str) -> Option<String> {
        Some(literal::write(self.body?, notation, indent))
    }

    /// Whether the method has to be named, because no body implies it.
    pub(super) fn method_unless(&self, implied: Method) -> Option<&'static str> {
        (self.operation.method != implied).then(|| self.operation.method.name())
    }
}

/// All texts in a value.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// A value as it can stand in a query; `:` need not be escaped there (RFC 3986, section 3.4).
fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out += &format!("%{byte:02X}");
        }
        out
    })
}
