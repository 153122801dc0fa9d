//! Typed calls to an Airlock server, made from the contract: name an operation, give its path,
//! query and body, and get its output.
//!
//! ```no_run
//! use airlock_client::Client;
//! use airlock_contract::operations::CreateAgentToken;
//! use serde_json::{from_value, json};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new("http://127.0.0.1:8888", "an API token")?;
//! let path = ["cmjuohs000j063o1bw72ghw8g", "cmjuohs003t3pr10qlva2l82c"].into();
//! let query = from_value(json!({}))?;
//! let body = from_value(json!({"name": "edge worker 1"}))?;
//! let agent_token = client.call::<CreateAgentToken>(&path, &query, &body).await?;
//! println!("{}", serde_json::to_string_pretty(&agent_token)?);
//! # Ok(()) }
//! ```
//!
//! Path, query and body are types of the contract. They can be written as such; as here, from ids
//! in the order of the path and from JSON, they are shorter.

mod bundle;
mod environment;

use std::time::Duration;

use airlock_contract::{Method, Operation, openapi, path::PathParameters, wire};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, USER_AGENT};
use serde_json::Value;

pub use bundle::Bundle;
pub use environment::EnvironmentVariable;

/// How long a call may be silent: until its answer begins, and between two pieces of it.
const PATIENCE: Duration = Duration::from_secs(30);

/// How much is read of the gate's refusal, in bytes. It may be anybody's who stands between.
const LONGEST_REFUSAL: usize = 64 << 10;

/// Calls one server with one token. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: String,
}

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server said why not.
    #[error("{} (status {}, request {})", described(.0), .0.status_code, .0.request_id)]
    Refused(wire::Error),
    /// The gate said why not.
    #[error("{detail} (status {status})")]
    Gate {
        /// The HTTP status.
        status: u16,
        /// The reason.
        detail: String,
    },
    /// The server, or something before it, answered in a form that is not the API's.
    #[error("the server answered with status {status}, but not as the API does: {text}")]
    Unexpected {
        /// The HTTP status.
        status: u16,
        /// The beginning of the answer.
        text: String,
    },
    /// The token cannot be put into a header.
    #[error("the token has characters that no token has")]
    Token,
    /// The server could not be reached, or broke off.
    #[error("{url} cannot be reached: {cause}")]
    Transport {
        /// Where the call went.
        url: String,
        /// What went wrong, with its causes.
        cause: String,
    },
}

fn described(error: &wire::Error) -> String {
    match error.field_errors.as_slice() {
        [] | [_] => error.message.clone(),
        many => many.iter().map(|one| format!("{}: {}", one.field, one.message)).collect::<Vec<_>>().join("; "),
    }
}

impl Client {
    /// A client for the server at `base`, for example `http://127.0.0.1:8888`.
    ///
    /// # Errors
    ///
    /// [`Error::Token`] when the token cannot be one.
    pub fn new(base: &str, token: &str) -> Result<Self, Error> {
        let mut bearer = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| Error::Token)?;
        bearer.set_sensitive(true);
        let headers = HeaderMap::from_iter([
            (AUTHORIZATION, bearer),
            (USER_AGENT, HeaderValue::from_static(concat!("airlock/", env!("CARGO_PKG_VERSION")))),
        ]);
        let base = base.trim_end_matches('/').to_owned();
        let http = reqwest::Client::builder()
            .default_headers(headers)
            .connect_timeout(PATIENCE)
            .read_timeout(PATIENCE)
            .build();
        let http = http.map_err(|cause| transport(&base, &cause))?;
        Ok(Self { http, base })
    }

    /// Calls an operation.
    ///
    /// # Errors
    ///
    /// See [`enum@Error`].
    pub async fn call<O: Operation>(
        &self,
        path: &O::Path,
        query: &O::Query,
        body: &O::Body,
    ) -> Result<O::Output, Error> {
        let body = openapi::has_body::<O>().then_some(body);
        let answer = self.send(O::METHOD, &target::<O>(path, query), body).await?;
        let status = answer.response.status().as_u16();
        let bytes = answer.bytes().await?;
        let bytes: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        serde_json::from_slice(bytes).map_err(|_| unexpected(status, bytes))
    }

    /// Calls an operation that answers with a stream, which may be read bit by bit.
    ///
    /// # Errors
    ///
    /// See [`enum@Error`].
    pub async fn download<O: Operation>(&self, path: &O::Path, query: &O::Query) -> Result<Answer, Error> {
        self.send(O::METHOD, &target::<O>(path, query), None::<&()>).await
    }

    /// Sends a request whose path and query, below `/v1`, are spelt out already: for code that has
    /// an operation's description instead of its type. The answer may be read bit by bit.
    ///
    /// # Errors
    ///
    /// See [`enum@Error`].
    pub async fn send(
        &self,
        method: Method,
        path_and_query: &str,
        body: Option<&impl serde::Serialize>,
    ) -> Result<Answer, Error> {
        let url = format!("{}/v1{path_and_query}", self.base);
        let request = match method {
            Method::Get => self.http.get(&url),
            Method::Post => self.http.post(&url),
            Method::Delete => self.http.delete(&url),
        };
        let request = if let Some(body) = body { request.json(body) } else { request };
        let response = request.send().await.map_err(|cause| transport(&self.base, &cause))?;
        let status = response.status();
        let answer = Answer { response, base: self.base.clone() };
        if status.is_success() {
            return Ok(answer);
        }
        let bytes = answer.bytes().await?;
        Err(serde_json::from_slice(&bytes).map_or_else(|_| unexpected(status.as_u16(), &bytes), Error::Refused))
    }
}

/// The answer of a request that succeeded.
#[derive(Debug)]
pub struct Answer {
    response: reqwest::Response,
    base: String,
}

impl Answer {
    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    ///
    /// [`Error::Transport`] when the connection broke.
    pub async fn chunk(&mut self) -> Result<Option<impl AsRef<[u8]> + use<>>, Error> {
        self.response.chunk().await.map_err(|cause| transport(&self.base, &cause))
    }

    /// The body, as far as it has no more than so many bytes.
    async fn beginning(mut self, most: usize) -> Result<Vec<u8>, Error> {
        let mut beginning = Vec::new();
        while beginning.len() < most
            && let Some(piece) = self.chunk().await?
        {
            let piece = piece.as_ref();
            beginning.extend_from_slice(&piece[..piece.len().min(most - beginning.len())]);
        }
        Ok(beginning)
    }

    /// What the gate has against the call. Without a detail it is not the gate that answered, but
    /// something else that knows no such path.
    async fn refusal_of_gate(self) -> Error {
        let status = self.response.status().as_u16();
        let bytes = match self.beginning(LONGEST_REFUSAL).await {
            Ok(bytes) => bytes,
            Err(error) => return error,
        };
        let json = serde_json::from_slice::<Value>(&bytes).ok();
        match json.and_then(|json| Some(json["detail"].as_str()?.to_owned())) {
            Some(detail) => Error::Gate { status, detail },
            None => unexpected(status, &bytes),
        }
    }

    /// The whole body.
    ///
    /// # Errors
    ///
    /// [`Error::Transport`] when the connection broke.
    pub async fn bytes(self) -> Result<Vec<u8>, Error> {
        let bytes = self.response.bytes().await.map_err(|cause| transport(&self.base, &cause))?;
        Ok(bytes.into())
    }
}

/// An answer that is not the API's: what stands before the server may have given it.
fn unexpected(status: u16, bytes: &[u8]) -> Error {
    Error::Unexpected { status, text: String::from_utf8_lossy(bytes).chars().take(200).collect() }
}

/// Path and query of a call.
fn target<O: Operation>(path: &O::Path, query: &O::Query) -> String {
    format!("{}{}", fill(O::PATH, &path.write()), query_string(query))
}

/// Puts the values into a path's braces. Values are ids, which need no escapes.
fn fill(path: &str, values: &[&str]) -> String {
    let mut values = values.iter();
    let parts = path.split('/').map(|part| if part.starts_with('{') { values.next().unwrap_or(&"") } else { part });
    parts.collect::<Vec<_>>().join("/")
}

/// A query as the API wants it: lists as repeated keys, absent values left out.
fn query_string(query: &impl serde::Serialize) -> String {
    let Ok(Value::Object(fields)) = serde_json::to_value(query) else { return String::new() };
    let mut pairs = Vec::new();
    for (key, value) in fields {
        match value {
            Value::Null => {}
            Value::Array(values) => pairs.extend(values.into_iter().map(|value| (key.clone(), text(value)))),
            value => pairs.push((key, text(value))),
        }
    }
    let pairs = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    if pairs.is_empty() { pairs } else { format!("?{pairs}") }
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn transport(url: &str, cause: &reqwest::Error) -> Error {
    let mut text = cause.to_string();
    let mut next = std::error::Error::source(cause);
    while let Some(cause) = next {
        text = cause.to_string(); // the innermost says it best
        next = cause.source();
    }
    Error::Transport { url: url.to_owned(), cause: text }
}
