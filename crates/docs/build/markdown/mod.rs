//! Markdown: as it is served, and as HTML.

mod anchors;
mod edit;
mod render;
mod sections;

pub(crate) use edit::{Target, edit, title_and_first_sentence};
pub(crate) use render::{Heading, Html, block, inline, page};
pub(crate) use sections::sections;

use pulldown_cmark::Options;

/// What our Markdown may have beside CommonMark; GitHub knows it as well.
const OPTIONS: Options = Options::ENABLE_TABLES.union(Options::ENABLE_STRIKETHROUGH);
