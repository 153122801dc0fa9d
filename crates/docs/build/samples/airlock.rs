//! The command `airlock api`, which has every operation under its own name.

use serde_json::Value;

use super::{
    call::Call,
    curl::{reference, variables},
};
use crate::names;

/// The sample.
pub(super) fn code(call: &Call<'_>) -> String {
    let mut words = vec![format!("airlock api {}", names::kebab(&call.operation.id))];
    let own = call.path_ids().iter().filter(|id| id.environment.is_none());
    words.extend(own.map(|id| format!("\"{}\"", reference(id))));
    for (name, value) in &call.query {
        let values = value.as_array().map_or(std::slice::from_ref(*value), Vec::as_slice);
        words.extend(values.iter().map(|value| format!("--{} {}", names::kebab(name), word(call, value))));
    }
    let (body, document) = super::curl::body(call, "--body");
    words.extend(body.map(|body| body.replace("@-", "-")));
    let one_line = words.join(" ");
    let command = if one_line.len() <= 80 { one_line } else { words.join(" \\\n  ") };
    format!("{}{command}{document}\n", variables(call))
}

/// A value as one word of a command.
fn word(call: &Call<'_>, value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    if let Some(id) = call.id(&text) {
        return format!("\"{}\"", reference(id));
    }
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/".contains(&byte));
    if is_plain { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}
