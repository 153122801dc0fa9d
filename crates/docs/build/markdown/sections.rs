//! A page's sections as plain text, for the search.

use pulldown_cmark::{Event, HeadingLevel, Parser, Tag, TagEnd};

use super::{OPTIONS, anchors::Anchors};

/// What stands below one heading.
#[derive(Default)]
pub(crate) struct Section {
    /// The heading's anchor; `None` for the page's title.
    pub(crate) id: Option<String>,
    /// The heading; empty for the page's title.
    pub(crate) title: String,
    /// The text, without marks and without blocks of code.
    pub(crate) text: String,
}

/// The sections of a page; the first is what stands before all headings but the title.
pub(crate) fn sections(source: &str) -> Vec<Section> {
    let mut anchors = Anchors::default();
    let mut sections = vec![Section::default()];
    let mut place = Place::Text;
    for event in Parser::new_ext(source, OPTIONS) {
        match event {
            Event::Start(Tag::Heading { level: HeadingLevel::H1, .. } | Tag::CodeBlock(_)) => place = Place::Skipped,
            Event::Start(Tag::Heading { .. }) => {
                sections.push(Section::default());
                place = Place::Heading;
            }
            Event::End(TagEnd::Heading(level)) => {
                if let (Some(section), true) = (sections.last_mut(), level != HeadingLevel::H1) {
                    section.id = Some(anchors.of(&section.title));
                }
                place = Place::Text;
            }
            Event::End(TagEnd::CodeBlock) => place = Place::Text,
            Event::Text(part) | Event::Code(part) => add(&mut sections, &place, &part),
            Event::SoftBreak | Event::HardBreak | Event::End(TagEnd::Paragraph | TagEnd::TableCell | TagEnd::Item) => {
                add(&mut sections, &place, " ");
            }
            _ => {}
        }
    }
    sections.iter_mut().for_each(|section| section.text = section.text.trim().into());
    sections
}

enum Place {
    Heading,
    Text,
    Skipped,
}

fn add(sections: &mut [Section], place: &Place, part: &str) {
    let Some(section) = sections.last_mut() else { return };
    match place {
        Place::Heading => section.title += part,
        Place::Text => section.text += part,
        Place::Skipped => {}
    }
}
