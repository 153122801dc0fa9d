//! A page as a browser reads it.

use html5ever::{parse_document, tendril::TendrilSink};
use markup5ever_rcdom::{Handle, NodeData, RcDom};

/// A page.
pub(crate) struct Document {
    /// What a browser would have to forgive.
    pub(crate) errors: Vec<String>,
    /// All elements, in their order.
    pub(crate) elements: Vec<Element>,
}

/// An element.
pub(crate) struct Element {
    /// What it is, in lower case.
    pub(crate) name: String,
    /// Its attributes.
    pub(crate) attributes: Vec<(String, String)>,
    /// All text within.
    pub(crate) text: String,
}

impl Document {
    pub(crate) fn parse(html: &str) -> Self {
        let dom = parse_document(RcDom::default(), Default::default()).one(html);
        let mut elements = Vec::new();
        collect(&dom.document, &mut elements);
        Self { errors: dom.errors.take().iter().map(ToString::to_string).collect(), elements }
    }

    /// All that a reader sees.
    pub(crate) fn text(&self) -> String {
        self.named("main").map(|main| main.text.as_str()).collect()
    }

    /// The elements of a kind.
    pub(crate) fn named(&self, name: &str) -> impl Iterator<Item = &Element> {
        self.elements.iter().filter(move |element| element.name == name)
    }

    /// The values of an attribute.
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.elements.iter().filter_map(move |element| element.attribute(name))
    }
}

impl Element {
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn collect(node: &Handle, elements: &mut Vec<Element>) {
    if let NodeData::Element { name, attrs, .. } = &node.data {
        let attributes = attrs.borrow().iter().map(|one| (one.name.local.to_string(), one.value.to_string())).collect();
        elements.push(Element { name: name.local.to_string(), attributes, text: text(node) });
    }
    node.children.borrow().iter().for_each(|child| collect(child, elements));
}

fn text(node: &Handle) -> String {
    match &node.data {
        NodeData::Text { contents } => contents.borrow().to_string(),
        _ => node.children.borrow().iter().map(text).collect(),
    }
}
