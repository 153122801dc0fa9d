//! The pages as HTML: what the templates in `templates/` are given.

mod parts;

use std::{borrow::Borrow, fmt};

use anyhow::Result;
use askama::Template;

use self::parts::json;
use crate::{
    address::Address,
    assets::Assets,
    guide::Guide,
    pack,
    reference::{Field, Operation, Reference, Shape, Tag},
    site::{Content, Page, Site},
};

/// Renders all pages, and the one for addresses that have none.
pub(crate) fn html(site: &Site, assets: &Assets) -> Result<Vec<pack::File>> {
    let mut files = Vec::new();
    for (number, (_, content)) in site.contents().enumerate() {
        let frame = Frame::new(site, assets, number);
        let html = match content {
            Content::Guide(guide) => GuideView { frame, guide }.render()?,
            Content::Index(reference) => IndexView { frame, reference }.render()?,
            Content::Tag(tag) => TagView { frame, tag }.render()?,
            Content::Operation(tag, operation) => OperationView { frame, tag, operation }.render()?,
        };
        files.push(pack::File::html(site.pages[number].address.path(), html));
    }
    files.push(pack::File::html(MISSING, MissingView { frame: Frame::missing(site, assets) }.render()?));
    Ok(files)
}

/// Where the page for addresses that have none is kept.
const MISSING: &str = "/docs/404";

/// What is around every page.
struct Frame<'a> {
    site: &'a Site,
    assets: &'a Assets,
    /// What is true of the page; `None` for the one that stands in for all that are missing.
    page: Option<&'a Page>,
    previous: Option<&'a Page>,
    next: Option<&'a Page>,
}

impl<'a> Frame<'a> {
    fn new(site: &'a Site, assets: &'a Assets, number: usize) -> Self {
        let previous = number.checked_sub(1).and_then(|number| site.pages.get(number));
        Self { site, assets, page: site.pages.get(number), previous, next: site.pages.get(number + 1) }
    }

    fn missing(site: &'a Site, assets: &'a Assets) -> Self {
        Self { site, assets, page: None, previous: None, next: None }
    }

    /// A link to a path. The page for what is missing stands at any depth, so its links are absolute.
    fn to(&self, path: impl AsRef<str>) -> String {
        let path = path.as_ref();
        self.page.map_or_else(|| path.into(), |page| page.address.to(path))
    }

    fn link(&self, address: impl Borrow<Address>) -> String {
        self.to(address.borrow().path())
    }

    /// A link to a file of `assets/`, by the name that it has there.
    fn asset(&self, name: &str) -> Result<String, askama::Error> {
        self.assets.path(name).map(|path| self.to(path)).map_err(|error| askama::Error::Custom(error.into()))
    }

    fn is_start(&self) -> bool {
        self.is_current(Address::start())
    }

    /// The heading of the group of the navigation that the page is in.
    fn group(&self) -> &str {
        self.page.map_or("", |page| &self.site.groups[page.group].title)
    }

    fn is_current(&self, address: impl Borrow<Address>) -> bool {
        self.page.is_some_and(|page| page.address == *address.borrow())
    }

    /// Whether the page is this one or below it.
    fn is_within(&self, address: impl Borrow<Address>) -> bool {
        self.page.is_some_and(|page| address.borrow().holds(&page.address))
    }
}

#[derive(Template)]
#[template(path = "guide.html")]
struct GuideView<'a> {
    frame: Frame<'a>,
    guide: &'a Guide,
}

#[derive(Template)]
#[template(path = "index.html")]
struct IndexView<'a> {
    frame: Frame<'a>,
    reference: &'a Reference,
}

impl IndexView<'_> {
    fn count(&self) -> usize {
        self.reference.tags.iter().map(|tag| tag.operations.len()).sum()
    }
}

#[derive(Template)]
#[template(path = "tag.html")]
struct TagView<'a> {
    frame: Frame<'a>,
    tag: &'a Tag,
}

#[derive(Template)]
#[template(path = "operation.html")]
struct OperationView<'a> {
    frame: Frame<'a>,
    tag: &'a Tag,
    operation: &'a Operation,
}

#[derive(Template)]
#[template(path = "missing.html")]
struct MissingView<'a> {
    frame: Frame<'a>,
}

/// Fields, and what is inside of them.
#[derive(Template)]
#[template(path = "fields.html")]
struct FieldsView<'a> {
    fields: &'a [Field],
    /// What the anchors of the fields begin with: `body`, `answer.roles`.
    at: String,
}

impl<'a> FieldsView<'a> {
    /// Whether it matters which of them must be there; in an answer they are.
    fn asked(&self) -> bool {
        !self.at.starts_with("answer")
    }

    fn inside(&self, name: impl fmt::Display, fields: &'a [Field]) -> Self {
        self::fields(fields, &format!("{}.{name}", self.at))
    }

    fn variant(&self, name: impl fmt::Display, number: impl fmt::Display, fields: &'a [Field]) -> Self {
        self.inside(format!("{name}.{number}"), fields)
    }
}

impl askama::filters::HtmlSafe for FieldsView<'_> {}

/// Some fields.
fn fields<'a>(fields: &'a [Field], at: &str) -> FieldsView<'a> {
    FieldsView { fields, at: at.into() }
}

/// A body: its fields, or those of each of its variants.
#[derive(Template)]
#[template(path = "shape.html")]
struct ShapeView<'a> {
    shape: &'a Shape,
    at: &'static str,
}

impl<'a> ShapeView<'a> {
    fn inside(&self, name: impl fmt::Display, fields: &'a [Field]) -> FieldsView<'a> {
        self::fields(fields, &format!("{}.{name}", self.at))
    }
}

impl askama::filters::HtmlSafe for ShapeView<'_> {}

/// What is sent, or answered.
fn shape<'a>(shape: &'a Shape, at: &'static str) -> ShapeView<'a> {
    ShapeView { shape, at }
}
