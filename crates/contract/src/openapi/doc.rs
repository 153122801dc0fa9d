//! What the doc comment of a row says: what the operation does, and what leads to which status.

use crate::Operation;

/// A doc comment, taken apart.
pub struct Doc {
    /// Its first line.
    pub summary: String,
    /// What is neither that nor about a status.
    pub description: String,
    /// What the lines of the form `400: There is one already.` say, by their status.
    pub statuses: Vec<(u16, String)>,
}

impl Doc {
    /// Takes the doc comment of a row apart.
    pub fn of<O: Operation>() -> Self {
        let (summary, rest) = O::DOC.split_first().unwrap_or((&"", &[]));
        let mut description = Vec::new();
        let mut statuses: Vec<(u16, String)> = Vec::new();
        let mut is_about_status = false;
        for line in rest.iter().map(|line| line.trim()) {
            if let Some((status, text)) = about_status(line) {
                statuses.push((status, text.to_owned()));
                is_about_status = true;
            } else if let Some((_, text)) = statuses.last_mut().filter(|_| is_about_status && !line.is_empty()) {
                *text += " ";
                *text += line;
            } else {
                description.push(line);
                is_about_status = false;
            }
        }
        Self {
            summary: summary.trim().trim_end_matches('.').to_owned(),
            description: description.join("\n").trim().to_owned(),
            statuses,
        }
    }

    /// What is said about a status.
    pub(super) fn about(&self, status: u16) -> impl Iterator<Item = &str> {
        self.statuses.iter().filter(move |(of, _)| *of == status).map(|(_, text)| text.as_str())
    }
}

fn about_status(line: &str) -> Option<(u16, &str)> {
    let (status, text) = line.split_once(": ")?;
    Some((status.parse().ok().filter(|_| status.len() == 3)?, text))
}
