//! Names of the API as they stand in addresses, in headings and on the command line.

use heck::ToKebabCase;

/// `CreateAgentToken` as `create-agent-token`.
pub(crate) fn kebab(name: &str) -> String {
    name.to_kebab_case()
}

/// `AgentToken` as `Agent token`.
pub(crate) fn title(name: &str) -> String {
    let text = kebab(name).split('-').map(known).collect::<Vec<_>>().join(" ");
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Abbreviations are not written in lower case.
fn known(word: &str) -> String {
    match word {
        "api" | "ip" => word.to_uppercase(),
        _ => word.into(),
    }
}
