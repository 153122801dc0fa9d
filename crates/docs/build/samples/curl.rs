//! cURL, in a POSIX shell.

use super::{
    call::{Answer, Call, Id},
    literal::{Notation, quoted},
};
use crate::reference::Method;

/// The sample.
pub(super) fn code(call: &Call<'_>) -> String {
    let mut options = vec!["--fail-with-body --silent --show-error".to_owned()];
    // curl posts when it has a body.
    let implied = if call.body.is_some() { Method::Post } else { Method::Get };
    options.extend(call.method_unless(implied).map(|method| format!("--request {method}")));
    if call.answer == Answer::Lines {
        options.push("--compressed".into());
    }
    options.push("--header \"Authorization: Bearer $AIRLOCK_TOKEN\"".into());
    let (body, document) = body(call, "--json");
    options.extend(body);
    let path = call.path(reference);
    let url = format!("\"$AIRLOCK_URL{path}{}\"", call.query_string(reference));
    options.push(url);
    format!("{}curl {}{document}\n", variables(call), options.join(" \\\n  "))
}

/// The ids that the reader puts in, one a line.
pub(super) fn variables(call: &Call<'_>) -> String {
    let own = call.ids.iter().filter(|id| id.environment.is_none());
    let lines: String = own.map(|id| format!("{}={}\n", id.upper(), id.example)).collect();
    if lines.is_empty() { lines } else { lines + "\n" }
}

/// A variable in double quotes.
pub(super) fn reference(id: &Id) -> String {
    format!("${}", id.upper())
}

/// The option that sends the body, and the here-document after the command if it takes one: where
/// the body names things by their ids, for the shell to put them in.
pub(super) fn body(call: &Call<'_>, option: &str) -> (Option<String>, String) {
    let text = |text: &str| call.id(text).map_or_else(|| quoted(text), |id| format!("\"{}\"", reference(id)));
    let plain = |text: &str| quoted(text);
    let notation = Notation {
        null: "null",
        booleans: ["false", "true"],
        step: "  ",
        padding: "",
        trailing_comma: false,
        key: &plain,
        text: &text,
    };
    if !call.ids_in_body().is_empty() {
        // In a here-document, the shell sees to `$`, `\` and the backquote.
        let escaped = |text: &str| quoted(text).replace('\\', "\\\\").replace('$', "\\$").replace('`', "\\`");
        let text = |it: &str| if call.id(it).is_some() { text(it) } else { escaped(it) };
        let body = call.body_as(&Notation { key: &escaped, text: &text, ..notation }, "");
        (Some(format!("{option} @-")), body.map(|body| format!(" <<END\n{body}\nEND")).unwrap_or_default())
    } else {
        let body = call.body_as(&notation, "  ");
        (body.map(|body| format!("{option} '{}'", body.replace('\'', "'\\''"))), String::new())
    }
}
