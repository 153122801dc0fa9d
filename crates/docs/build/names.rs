//! Names of the API as they stand in addresses and in headings.

/// `CreateAgentToken` as `create-agent-token`.
pub(crate) fn kebab(name: &str) -> String {
    words(name).join("-")
}

/// `AgentToken` as `Agent token`.
pub(crate) fn title(name: &str) -> String {
    let text = words(name).into_iter().map(known).collect::<Vec<_>>().join(" ");
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for letter in name.chars() {
        match words.last_mut() {
            Some(word) if !letter.is_uppercase() => word.push(letter),
            _ => words.push(letter.to_lowercase().collect()),
        }
    }
    words
}

/// Words that are not written in lower case.
fn known(word: String) -> String {
    match word.as_str() {
        "api" | "ip" => word.to_uppercase(),
        _ => word,
    }
}
