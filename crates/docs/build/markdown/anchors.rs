//! The anchors of headings, as GitHub makes them: both show the same Markdown.

use std::collections::BTreeSet;

/// The anchors of a page.
#[derive(Default)]
pub(crate) struct Anchors(BTreeSet<String>);

impl Anchors {
    /// The anchor of the next heading. The second with the same text gets a number.
    pub(crate) fn of(&mut self, heading: &str) -> String {
        let plain = anchor(heading);
        let numbered = (1..).map(|number| format!("{plain}-{number}"));
        let free =
            std::iter::once(plain.clone()).chain(numbered).find(|id| !self.0.contains(id)).unwrap_or(plain.clone());
        self.0.insert(free.clone());
        free
    }
}

fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter_map(|letter| match letter {
        ' ' => Some('-'),
        '-' | '_' => Some(letter),
        _ => Some(letter).filter(|letter| letter.is_alphanumeric()),
    });
    kept.flat_map(char::to_lowercase).collect()
}
