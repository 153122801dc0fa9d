//! Samples of calls, in six languages.
//!
//! [`call`] says what is sent, [`literal`] how its JSON is written in each language; a file for
//! each language has the rest. `tests/tests/samples.rs` takes every sample from its page and runs it.

mod airlock;
mod call;
mod curl;
mod go;
mod javascript;
mod literal;
mod python;
mod rust;

use call::Call;
pub(crate) use call::Examples;

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
pub(crate) fn of(operation: &Operation, examples: &Examples) -> Vec<Sample> {
    let call = Call::new(operation, examples);
    let sample = |id, title, syntax, code| Sample { id, title, syntax, code };
    vec![
        sample("curl", "cURL", "sh", curl::code(&call)),
        sample("python", "Python", "python", python::code(&call)),
        sample("javascript", "JavaScript", "js", javascript::code(&call)),
        sample("go", "Go", "go", go::code(&call)),
        sample("rust", "Rust", "rust", rust::code(&call)),
        sample("airlock", "airlock", "sh", airlock::code(&call)),
    ]
}
