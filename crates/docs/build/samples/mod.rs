//! Samples of calls, in six languages.

use crate::reference::Operation;

/// A sample of one call.
pub(crate) struct Sample {
    /// As it stands in anchors and in what the reader's browser remembers: `curl`.
    pub(crate) id: &'static str,
    /// As people say it: `cURL`.
    pub(crate) title: &'static str,
    /// What the highlighter and Markdown's fences call the language: `sh`.
    pub(crate) syntax: &'static str,
    /// The text, which ends with a line break.
    pub(crate) code: String,
}

/// The samples of an operation.
pub(crate) fn of(operation: &Operation) -> Vec<Sample> {
    let mut code = format!("curl -X {} \"$AIRLOCK_URL{}\" \\\n", operation.method.name(), operation.path);
    code += "  -H \"Authorization: Bearer $AIRLOCK_TOKEN\"\n";
    vec![Sample { id: "curl", title: "cURL", syntax: "sh", code }]
}
