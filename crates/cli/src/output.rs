//! What people and machines read on the terminal.

use std::io::{self, Write};

use airlock_contract::Time;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

/// Prints a text as it is. A reader that went away, as `head` does, is no fault.
pub(crate) fn text(text: &str) -> anyhow::Result<()> {
    bytes(text.as_bytes())
}

/// Prints bytes as they are, likewise.
pub(crate) fn bytes(bytes: &[u8]) -> anyhow::Result<()> {
    match io::stdout().write_all(bytes).and_then(|()| io::stdout().flush()) {
        Err(cause) if cause.kind() != io::ErrorKind::BrokenPipe => Err(cause.into()),
        _ => Ok(()),
    }
}

/// Prints a value for machines.
pub(crate) fn json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    text(&format!("{:#}\n", serde_json::to_value(value)?))
}

/// Prints rows for people.
pub(crate) fn table(header: &[&str], rows: Vec<Vec<String>>) -> anyhow::Result<()> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header);
    table.add_rows(rows.into_iter().map(|row| row.iter().map(|cell| harmless(cell)).collect::<Vec<_>>()));
    text(&format!("{}\n", table.trim_fmt()))
}

/// Prints one thing for people: a line a field, in the order of the names given.
pub(crate) fn fields(value: &impl serde::Serialize, names: &[&str]) -> anyhow::Result<()> {
    let value = serde_json::to_value(value)?;
    let width = names.iter().map(|name| name.len()).max().unwrap_or_default();
    let lines = names.iter().filter_map(|name| {
        let text = match value.get(name)? {
            Value::String(text) if text.is_empty() => return None,
            Value::String(text) => text.clone(),
            Value::Object(subject) if subject.contains_key("id") => {
                subject.get("apiTokenName").or(subject.get("id"))?.as_str()?.to_owned()
            }
            Value::Array(texts) if texts.iter().all(Value::is_string) => {
                texts.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
            }
            other => other.to_string(),
        };
        Some(format!("{name:width$}  {}\n", harmless(&text)))
    });
    text(&lines.collect::<String>())
}

/// How long ago something was, in the largest unit of which at least two have passed.
pub(crate) fn ago(then: Time, now: Time) -> String {
    // The server's clock may be ahead of ours.
    let seconds = (now.as_seconds() - then.as_seconds()).max(0);
    match seconds {
        0..120 => format!("{seconds} s ago"),
        120..7_200 => format!("{} min ago", seconds / 60),
        7_200..172_800 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

/// A text that cannot forge lines or move the cursor: whoever names a token does not rule the
/// terminal of whoever lists it.
pub(crate) fn harmless(text: &str) -> String {
    let escape = |c: char| if c.is_control() { c.escape_debug().to_string() } else { c.to_string() };
    text.chars().map(escape).collect()
}

/// Prints one line beside the output, such as what went wrong.
pub(crate) fn remark(text: &str) {
    let one_line = text.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    let _ = writeln!(io::stderr(), "airlock: {}", harmless(&one_line)); // there is nobody left to tell
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_in_words() {
        let now = Time::from_micros(0).plus_days(1000);
        for (seconds, words) in [
            (-5, "0 s ago"),
            (12, "12 s ago"),
            (119, "119 s ago"),
            (120, "2 min ago"),
            (7_199, "119 min ago"),
            (7_200, "2 h ago"),
            (172_799, "47 h ago"),
            (172_800, "2 days ago"),
            (86_400_000, "1000 days ago"),
        ] {
            assert_eq!(ago(now.plus_seconds(-seconds), now), words);
        }
    }
}
