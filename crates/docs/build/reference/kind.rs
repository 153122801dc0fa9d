//! Types and bounds in words: `integer, 1 to 3650`.

use serde_json::Value;

/// What a schema that is no object takes, in words. `inner` says what the items of a list are.
pub(crate) fn words(schema: &Value, inner: &str) -> String {
    let mut words = match name(schema) {
        "array" => format!("list of {inner}"),
        name => format_of(schema).unwrap_or(name).to_owned(),
    };
    let mut limit = |unit: &str, low: &str, high: &str| {
        if let Some(range) = range(&schema[low], &schema[high], unit) {
            words += ", ";
            words += &range;
        }
    };
    limit("", "minimum", "maximum");
    limit(" characters", "minLength", "maxLength");
    limit(" items", "minItems", "maxItems");
    if let Some(pattern) = schema["pattern"].as_str() {
        words += &format!(", like `{pattern}`");
    }
    words
}

/// The type, without `null`: a field that may be null may be left out, and its row says that.
pub(crate) fn name(schema: &Value) -> &str {
    let types = match &schema["type"] {
        Value::Array(types) => types.as_slice(),
        one => std::slice::from_ref(one),
    };
    types.iter().filter_map(Value::as_str).find(|name| *name != "null").unwrap_or("any value")
}

fn format_of(schema: &Value) -> Option<&'static str> {
    match schema["format"].as_str()? {
        "date-time" => Some("time (RFC 3339)"),
        "date" => Some("date (RFC 3339)"),
        "uri" => Some("URL"),
        "email" => Some("email address"),
        "double" | "float" => Some("number"),
        _ => None,
    }
}

fn range(low: &Value, high: &Value, unit: &str) -> Option<String> {
    let low = Some(low).filter(|low| !low.is_null() && low.as_f64() != Some(0.0));
    match (low, Some(high).filter(|high| !high.is_null())) {
        (Some(low), Some(high)) if low == high => Some(format!("{low}{unit}")),
        (Some(low), Some(high)) => Some(format!("{low} to {high}{unit}")),
        (Some(low), None) => Some(format!("at least {low}{unit}")),
        (None, Some(high)) => Some(format!("at most {high}{unit}")),
        (None, None) => None,
    }
}
