//! Markdown as HTML.

use std::fmt;

use pulldown_cmark::{Alignment, CodeBlockKind, CowStr, Event, HeadingLevel, Parser, Tag, TagEnd, html::push_html};

use super::{OPTIONS, anchors::Anchors};
use crate::highlight::{self, escaped};

/// HTML, which templates write as it is.
pub(crate) struct Html(pub(crate) String);

impl fmt::Display for Html {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl askama::filters::HtmlSafe for Html {}

/// A heading of a page.
pub(crate) struct Heading {
    /// 2 for the first level below the title.
    pub(crate) level: u8,
    /// Its anchor.
    pub(crate) id: String,
    /// Its text.
    pub(crate) title: String,
}

/// A page without its title, and its headings.
pub(crate) fn page(source: &str) -> (Html, Vec<Heading>) {
    let mut renderer = Renderer::default();
    let mut events = Parser::new_ext(source, OPTIONS);
    while let Some(event) = events.next() {
        match event {
            Event::Start(Tag::Heading { level, .. }) => {
                let inside = (&mut events).take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))));
                let inside: Vec<_> = inside.collect();
                renderer.heading(level, inside);
            }
            Event::Start(Tag::CodeBlock(kind)) => {
                let inside = (&mut events).take_while(|event| !matches!(event, Event::End(TagEnd::CodeBlock)));
                let code = text_of(&inside.collect::<Vec<_>>());
                renderer.html(code_block(&code, &kind));
            }
            // Wide tables scroll in a box of their own, which the keyboard reaches.
            Event::Start(Tag::Table(columns)) => {
                renderer.html("<div class=\"scroll\" tabindex=\"0\">".into());
                // Alignments would become styles in the HTML, which the content security policy forbids.
                renderer.out.push(Event::Start(Tag::Table(vec![Alignment::None; columns.len()])));
            }
            Event::End(TagEnd::Table) => {
                renderer.out.push(Event::End(TagEnd::Table));
                renderer.html("</div>\n".into());
            }
            other => renderer.out.push(relinked(other)),
        }
    }
    let mut html = String::new();
    push_html(&mut html, renderer.out.into_iter());
    (Html(html), renderer.headings)
}

/// Some paragraphs.
pub(crate) fn block(source: &str) -> Html {
    page(source).0
}

/// A text within a line: no paragraph is made of it.
pub(crate) fn inline(source: &str) -> Html {
    let html = block(source).0;
    let html = html.trim();
    let inner = html.strip_prefix("<p>").and_then(|rest| rest.strip_suffix("</p>"));
    Html(inner.filter(|inner| !inner.contains("<p>")).unwrap_or(html).to_owned())
}

#[derive(Default)]
struct Renderer<'a> {
    out: Vec<Event<'a>>,
    anchors: Anchors,
    headings: Vec<Heading>,
}

impl<'a> Renderer<'a> {
    fn html(&mut self, html: String) {
        self.out.push(Event::Html(CowStr::from(html)));
    }

    /// A heading with an anchor; the title of the page is the template's.
    fn heading(&mut self, level: HeadingLevel, inside: Vec<Event<'a>>) {
        if level == HeadingLevel::H1 {
            return;
        }
        let title = text_of(&inside);
        let id = self.anchors.of(&title);
        let (tag, level) = (level.to_string(), level as u8);
        self.html(format!("<{tag} id=\"{id}\">"));
        self.out.extend(inside.into_iter().map(relinked));
        self.html(format!(" <a class=\"anchor\" href=\"#{id}\" aria-label=\"Link to this section\">#</a></{tag}>\n"));
        self.headings.push(Heading { level, id, title });
    }
}

fn text_of(events: &[Event<'_>]) -> String {
    let parts = events.iter().filter_map(|event| match event {
        Event::Text(text) | Event::Code(text) => Some(text.as_ref()),
        Event::SoftBreak => Some(" "),
        _ => None,
    });
    parts.collect()
}

/// A block of code.
fn code_block(code: &str, kind: &CodeBlockKind<'_>) -> String {
    let language = match kind {
        CodeBlockKind::Fenced(language) => language.split_whitespace().next().unwrap_or_default(),
        CodeBlockKind::Indented => "",
    };
    let named = if language.is_empty() { String::new() } else { format!(" data-language=\"{}\"", escaped(language)) };
    format!("<pre{named} tabindex=\"0\"><code>{}</code></pre>\n", highlight::html(code, language))
}

/// Links to Markdown lead to the page instead.
fn relinked(event: Event<'_>) -> Event<'_> {
    match event {
        Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
            let dest_url = page_link(&dest_url).map_or(dest_url, CowStr::from);
            Event::Start(Tag::Link { link_type, dest_url, title, id })
        }
        other => other,
    }
}

/// The page behind a relative link to Markdown.
fn page_link(link: &str) -> Option<String> {
    if link.contains("://") {
        return None;
    }
    let (path, fragment) = link.split_at(link.find('#').unwrap_or(link.len()));
    let page = path.strip_suffix(".md")?;
    let page = match page.strip_suffix("index") {
        Some("") => "./",
        Some(folder) if folder.ends_with('/') => folder,
        _ => page,
    };
    Some(format!("{page}{fragment}"))
}
