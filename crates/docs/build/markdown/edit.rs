//! Changes in Markdown that leave the rest as its author wrote it.

use std::ops::Range;

use anyhow::{Result, bail};
use pulldown_cmark::{Event, HeadingLevel, LinkType, Parser, Tag, TagEnd};

use super::OPTIONS;

/// What becomes of a link.
pub(crate) enum Target {
    /// It stays.
    Same,
    /// It leads elsewhere.
    To(String),
    /// Only its text stays.
    Nowhere,
}

/// Takes out comments, and sends each link where `target` says.
pub(crate) fn edit(source: &str, target: impl Fn(&str) -> Result<Target>) -> Result<String> {
    let mut changes: Vec<(Range<usize>, String)> = Vec::new();
    let mut link: Option<Link> = None;
    for (event, range) in Parser::new_ext(source, OPTIONS).into_offset_iter() {
        match event {
            Event::Html(html) | Event::InlineHtml(html) if html.trim_start().starts_with("<!--") => {
                changes.push((range, String::new()));
            }
            Event::Start(Tag::Image { dest_url, .. }) => bail!("the image {dest_url}: pages have no images"),
            Event::Start(Tag::Link { link_type: LinkType::Inline, dest_url, .. }) => {
                link = Some(Link { address: dest_url.into_string(), inside: range.end..range.start });
            }
            Event::Start(Tag::Link { link_type: LinkType::Autolink | LinkType::Email, .. }) => {}
            Event::Start(Tag::Link { dest_url, .. }) => {
                bail!("the link to {dest_url}: write its address beside its text")
            }
            Event::End(TagEnd::Link) => {
                if let Some(link) = link.take() {
                    changes.extend(link.change(source, range, target(&link.address)?));
                }
            }
            _ => {
                if let Some(link) = &mut link {
                    link.inside = link.inside.start.min(range.start)..link.inside.end.max(range.end);
                }
            }
        }
    }
    let mut text = source.to_owned();
    for (range, new) in changes.into_iter().rev() {
        text.replace_range(range, &new);
    }
    Ok(text)
}

/// A link that is open: where it leads, and where its text stands.
struct Link {
    address: String,
    inside: Range<usize>,
}

impl Link {
    fn change(&self, source: &str, whole: Range<usize>, target: Target) -> Option<(Range<usize>, String)> {
        match target {
            Target::Same => None,
            Target::Nowhere => Some((whole, source.get(self.inside.clone())?.to_owned())),
            Target::To(address) => {
                let rest = source.get(self.inside.end..whole.end)?;
                Some((self.inside.end..whole.end, rest.replacen(&self.address, &address, 1)))
            }
        }
    }
}

/// A page's title, and the first sentence after it, both without their marks.
pub(crate) fn title_and_first_sentence(source: &str) -> (String, String) {
    let (mut title, mut text) = (String::new(), String::new());
    let mut place = Place::Before;
    for event in Parser::new_ext(source, OPTIONS) {
        match (&place, event) {
            (Place::Before, Event::Start(Tag::Heading { level: HeadingLevel::H1, .. })) => place = Place::Title,
            (Place::Title, Event::End(TagEnd::Heading(_))) => place = Place::After,
            (Place::After, Event::Start(Tag::Paragraph)) => place = Place::Text,
            (Place::After, Event::Start(Tag::Heading { .. })) => break,
            (Place::Text, Event::End(TagEnd::Paragraph)) => break,
            (Place::Title, Event::Text(part) | Event::Code(part)) => title += &part,
            (Place::Text, Event::Text(part) | Event::Code(part)) => text += &part,
            (Place::Text, Event::SoftBreak | Event::HardBreak) => text += " ",
            _ => {}
        }
    }
    (title, first_sentence(&text).to_owned())
}

enum Place {
    Before,
    Title,
    After,
    Text,
}

/// Up to the first full stop with a space after it, or to the end.
fn first_sentence(text: &str) -> &str {
    text.find(". ").map_or(text, |at| &text[..=at]).trim()
}
