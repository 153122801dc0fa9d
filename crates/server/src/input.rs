//! Reads what a request brings, and says what is wrong with it in the API's words.

use std::collections::HashMap;

use airlock_contract::{
    API_VERSION, Operation, beta,
    openapi::{self, QueryParameter},
    operation::Input,
    path::PathParameters,
};
use airlock_core::{Error, FieldError, Result};
use axum::{
    body::Body,
    http::{HeaderMap, header},
};
use bytes::Bytes;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// The largest body, in bytes.
const LARGEST_BODY: usize = 1 << 20;

/// How long a client may take to send its body.
const BODY_PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// Looks at the version of the API that a client wants.
///
/// # Errors
///
/// [`Error::Invalid`] when this server does not speak it.
pub(crate) fn pinned_version(headers: &HeaderMap) -> Result<()> {
    match headers.get("x-api-version") {
        Some(version) if version != API_VERSION => Err(Error::field(
            "constraint",
            "X-API-Version",
            format!("this server speaks version {API_VERSION}; leave the header out for the newest"),
        )),
        _ => Ok(()),
    }
}

/// The path's parameters, by position: the router names them so, for the same position can have
/// different names in the API.
///
/// # Errors
///
/// [`Error::NotFound`] when the path does not fit, which routing has ruled out.
pub(crate) fn path<O: Operation>(values: HashMap<String, String>) -> Result<O::Path> {
    let mut in_order = (0..O::Path::ALL.len()).filter_map(|at| values.get(&at.to_string()).cloned());
    O::Path::read(&mut in_order).ok_or_else(|| Error::NotFound("path".into()))
}

/// How to read the query of an operation: the types that its declaration gives the parameters.
pub(crate) struct QueryReader(HashMap<String, Kind>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Integer,
    Boolean,
    List,
}

impl QueryReader {
    pub(crate) fn of<O: Operation>() -> Self {
        let kind = |parameter: &QueryParameter| match parameter.schema["type"].as_str() {
            Some("integer") => Kind::Integer,
            Some("boolean") => Kind::Boolean,
            Some("array") => Kind::List,
            _ => Kind::Text,
        };
        Self(openapi::query_parameters::<O>().iter().map(|one| (one.name.clone(), kind(one))).collect())
    }

    /// Reads a query. Unknown keys are ignored; an empty value counts as absent, for clients send
    /// `provider=`.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] naming each parameter that is wrong.
    pub(crate) fn read<Q: Input>(&self, query: Option<&str>) -> Result<Q> {
        let mut values = Map::new();
        let query = query.unwrap_or_default();
        if let Some(part) = query.split('&').find(|part| percent_decode_str(part).decode_utf8().is_err()) {
            let key = percent_decode_str(part.split('=').next().unwrap_or_default()).decode_utf8_lossy();
            return Err(Error::field("type", key, "is not UTF-8"));
        }
        for (key, text) in form_urlencoded::parse(query.as_bytes()) {
            let Some(kind) = self.0.get(&*key).filter(|_| !text.is_empty()) else { continue };
            if text.contains('\0') {
                return Err(Error::field("constraint", key, "must not contain the NUL character"));
            }
            let wrong = |expected: &str| Error::field("type", key.clone(), format!("expected {expected}"));
            let value = match kind {
                Kind::Text | Kind::List => Value::from(&*text),
                Kind::Integer => text.parse::<i64>().map_err(|_| wrong("a whole number"))?.into(),
                Kind::Boolean => text.parse::<bool>().map_err(|_| wrong("true or false"))?.into(),
            };
            if *kind == Kind::List {
                let list = values.entry(key.into_owned()).or_insert_with(|| Value::Array(Vec::new()));
                list.as_array_mut().into_iter().for_each(|list| list.push(value.clone()));
            } else if values.insert(key.clone().into_owned(), value).is_some() {
                return Err(Error::field("constraint", key, "is given more than once"));
            }
        }
        read_checked(Value::Object(values))
    }
}

/// Reads a JSON body.
///
/// # Errors
///
/// [`Error::Invalid`] naming each field that is wrong; [`Error::TooLarge`];
/// [`Error::UnsupportedMediaType`].
pub(crate) async fn body<O: Operation>(headers: &HeaderMap, body: Body, renames: bool) -> Result<O::Body> {
    if !openapi::has_body::<O>() {
        return read_checked(Value::Null); // clients that send one to a rotate are not refused
    }
    if !is_json(headers) {
        return Err(Error::UnsupportedMediaType);
    }
    let bytes = collect(body).await?;
    if bytes.is_empty() {
        return Err(Error::field("required", "body", "is empty; a JSON object is needed"));
    }
    let mut value = json(&bytes)?;
    if !value.is_object() {
        return Err(Error::field("type", "body", "must be a JSON object"));
    }
    if !renames {
        return read_checked(value);
    }
    beta::request(O::TAG, &mut value);
    read_checked(value).map_err(|error| match error {
        Error::Invalid { mut fields, .. } => {
            fields.iter_mut().for_each(|fault| fault.field = beta::field(O::TAG, &fault.field).to_owned());
            Error::invalid(fields)
        }
        other => other,
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else { return true };
    let essence = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
        || essence.len() > 5 && essence[essence.len() - 5..].eq_ignore_ascii_case("+json")
}

/// Reads a body to its end.
///
/// # Errors
///
/// As [`collect_up_to`].
pub(crate) async fn collect(body: Body) -> Result<Bytes> {
    collect_up_to(body, LARGEST_BODY).await
}

/// Reads a body of no more than so many bytes to its end.
///
/// # Errors
///
/// [`Error::TooLarge`]; [`Error::Invalid`] when it does not come whole and in time.
pub(crate) async fn collect_up_to(body: Body, limit: usize) -> Result<Bytes> {
    let limited = axum::body::to_bytes(body, limit);
    match tokio::time::timeout(BODY_PATIENCE, limited).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(cause)) => {
            let too_large =
                std::error::Error::source(&cause).is_some_and(|source| source.is::<http_body_util::LengthLimitError>());
            Err(if too_large {
                Error::TooLarge(limit)
            } else {
                Error::field("type", "body", "broke off before its end")
            })
        }
        Err(_) => Err(Error::field("type", "body", "did not arrive within 30 s")),
    }
}

fn json(bytes: &[u8]) -> Result<Value> {
    let text = std::str::from_utf8(bytes).map_err(|_| Error::field("type", "body", "is not UTF-8"))?;
    serde_json::from_str(text).map_err(|cause| Error::field("type", "body", format!("is not JSON: {cause}")))
}

/// Reads a value as its type, then checks what the type demands.
fn read_checked<T: Input>(value: Value) -> Result<T> {
    let typed: T = serde_path_to_error::deserialize(value).map_err(|cause| {
        let path = cause.path().to_string();
        let text = cause.into_inner().to_string();
        // serde says which field is missing in its text, and where in the path.
        let missing = text.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
        match missing {
            Some(name) if path == "." => Error::field("required", name, "is required"),
            Some(name) => Error::field("required", format!("{path}.{name}"), "is required"),
            None if path == "." => Error::field("type", "body", in_plain_words(&text)),
            None => Error::field("type", path, in_plain_words(&text)),
        }
    })?;
    typed.validate().map_err(|report| {
        let fields = report.iter().map(|(path, fault)| FieldError {
            code: "constraint",
            field: camel_case(&path.to_string()),
            message: fault.to_string(),
        });
        Error::invalid(fields.collect())
    })?;
    Ok(typed)
}

/// What serde expected, without Rust's names for it.
fn in_plain_words(text: &str) -> String {
    if let Some(rest) = text.strip_prefix("unknown variant ") {
        return rest.replacen(", expected one of", " is none of", 1).replacen(", expected", " is not", 1);
    }
    let Some((found, expected)) = text.rsplit_once(", expected ") else { return text.to_owned() };
    let expected = match expected.split(' ').next() {
        Some("u8" | "u16" | "u32" | "u64" | "usize") => "a whole number that is not negative",
        Some("i8" | "i16" | "i32" | "i64" | "isize") => "a whole number",
        Some("struct") => "an object",
        Some("enum") => "one of the words of the API",
        // How serde says that a choice among words was given as an object.
        Some("map") => "a text",
        Some("unit") => "nothing",
        _ => expected,
    };
    format!("{found}, expected {expected}")
}

/// Rust spells `token_expiry`, the API `tokenExpiry`.
fn camel_case(path: &str) -> String {
    let path = path.replace("r#", ""); // a field that is named like a word of Rust
    let mut out = String::with_capacity(path.len());
    let mut after_underscore = false;
    for c in path.chars() {
        match c {
            '_' => after_underscore = true,
            c if after_underscore => {
                out.extend(c.to_uppercase());
                after_underscore = false;
            }
            c => out.push(c),
        }
    }
    out
}
