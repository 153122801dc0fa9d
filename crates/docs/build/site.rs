//! All pages, in the order of the navigation.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

use crate::{
    address::Address,
    guide::Guide,
    markdown,
    menu::{Group, GroupContent},
    reference::{self, Operation, Reference, Tag},
};

/// All pages.
pub(crate) struct Site {
    /// The groups of the navigation.
    pub(crate) groups: Vec<Group>,
    /// The API.
    pub(crate) reference: Reference,
    /// What is true of every page, in the order of the navigation.
    pub(crate) pages: Vec<Page>,
}

/// What is true of every page.
pub(crate) struct Page {
    /// Where it is.
    pub(crate) address: Address,
    /// Its title.
    pub(crate) title: String,
    /// One line about it, without marks.
    pub(crate) description: String,
    /// Its Markdown.
    pub(crate) markdown: String,
    /// What stands below the Markdown for machines, and is too much for everything in one text.
    pub(crate) appendix: String,
    /// The group of the navigation that it is in.
    pub(crate) group: usize,
}

/// What a page shows.
pub(crate) enum Content<'a> {
    /// A page that people wrote.
    Guide(&'a Guide),
    /// The index of the operations.
    Index(&'a Reference),
    /// The operations of a tag.
    Tag(&'a Tag),
    /// An operation.
    Operation(&'a Tag, &'a Operation),
}

impl Site {
    /// Puts the pages in their order.
    pub(crate) fn new(reference: Reference, groups: Vec<Group>) -> Result<Self> {
        let mut site = Self { groups, reference, pages: Vec::new() };
        site.pages = site.contents().map(|(group, content)| Page::new(group, &content)).collect();
        let mut seen = BTreeSet::new();
        for page in &site.pages {
            ensure!(seen.insert(&page.address), "two pages are at {}", page.address);
        }
        Ok(site)
    }

    /// What the pages show, in the order of the navigation, with the number of the group.
    pub(crate) fn contents(&self) -> impl Iterator<Item = (usize, Content<'_>)> {
        self.groups.iter().enumerate().flat_map(|(number, group)| {
            let contents = match &group.content {
                GroupContent::Guides(guides) => guides.iter().map(Content::Guide).collect(),
                GroupContent::Reference => self.reference_contents(),
            };
            contents.into_iter().map(move |content| (number, content))
        })
    }

    fn reference_contents(&self) -> Vec<Content<'_>> {
        let mut contents = vec![Content::Index(&self.reference)];
        for tag in &self.reference.tags {
            contents.push(Content::Tag(tag));
            contents.extend(tag.operations.iter().map(|operation| Content::Operation(tag, operation)));
        }
        contents
    }
}

impl Page {
    fn new(group: usize, content: &Content<'_>) -> Self {
        match content {
            Content::Guide(guide) => Self {
                address: guide.address.clone(),
                title: guide.title.clone(),
                description: guide.description.clone(),
                markdown: guide.markdown.clone(),
                appendix: String::new(),
                group,
            },
            Content::Index(all) => Self::made(group, Reference::address(), reference::index_text(all)),
            Content::Tag(tag) => Self::made(group, tag.address.clone(), reference::tag_text(tag)),
            Content::Operation(_, operation) => Self {
                appendix: reference::document_text(operation),
                ..Self::made(group, operation.address.clone(), reference::operation_text(operation))
            },
        }
    }

    /// The whole of its Markdown, as it is served at its own address.
    pub(crate) fn whole_markdown(&self) -> String {
        format!("{}{}", self.markdown, self.appendix)
    }

    fn made(group: usize, address: Address, markdown: String) -> Self {
        let (title, description) = markdown::title_and_first_sentence(&markdown);
        Self { address, title, description, markdown, appendix: String::new(), group }
    }
}
