//! JSON as the literals of a language.

use serde_json::Value;

/// How many characters an object or a list may have and still stand on one line.
const WIDTH: usize = 72;

/// How a language writes what JSON has.
pub(super) struct Notation<'a> {
    pub(super) null: &'static str,
    pub(super) booleans: [&'static str; 2],
    /// One step to the right.
    pub(super) step: &'static str,
    /// What stands inside the braces of an object that is on one line.
    pub(super) padding: &'static str,
    /// Whether the last of several lines ends with a comma too.
    pub(super) trailing_comma: bool,
    /// A key.
    pub(super) key: &'a dyn Fn(&str) -> String,
    /// A text; ids become the variables that stand for them.
    pub(super) text: &'a dyn Fn(&str) -> String,
}

/// A text in quotes, with JSON's escapes, which all our languages understand.
pub(super) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// Writes a value. Its lines after the first are moved in by `indent`.
pub(super) fn write(value: &Value, notation: &Notation<'_>, indent: &str) -> String {
    match value {
        Value::Null => notation.null.into(),
        Value::Bool(it) => notation.booleans[usize::from(*it)].into(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => (notation.text)(text),
        Value::Array(items) => list(["[", "]"], "", items.iter().map(|item| (String::new(), item)), notation, indent),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| (format!("{}: ", (notation.key)(key)), value));
            list(["{", "}"], notation.padding, fields, notation, indent)
        }
    }
}

/// Writes what is between brackets: on one line if that is short, else on a line each.
fn list<'v>(
    [open, close]: [&str; 2],
    padding: &str,
    items: impl Iterator<Item = (String, &'v Value)>,
    notation: &Notation<'_>,
    indent: &str,
) -> String {
    let deeper = format!("{indent}{}", notation.step);
    let items: Vec<String> =
        items.map(|(label, value)| format!("{label}{}", write(value, notation, &deeper))).collect();
    let short = format!("{open}{padding}{}{padding}{close}", items.join(", "));
    if items.is_empty() {
        format!("{open}{close}")
    } else if indent.len() + short.len() <= WIDTH && !short.contains('\n') {
        short
    } else {
        let comma = if notation.trailing_comma { "," } else { "" };
        format!("{open}\n{deeper}{}{comma}\n{indent}{close}", items.join(&format!(",\n{deeper}")))
    }
}
