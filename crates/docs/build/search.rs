//! The index that the search box reads: one entry for each section of a guide, for each tag, and for
//! each operation.

use serde_json::{Value, json};

use crate::{
    address::Address,
    markdown,
    reference::{Field, Operation, Shape},
    site::{Content, Page, Site},
};

/// The script that sets the index: a list of `u` (the address, as a link from the start page), `t`
/// (the page's title), `s` (the section's; empty when it is the page), `g` (where the page is in the
/// navigation) and `x` (its text).
pub(crate) fn index(site: &Site) -> String {
    let all = site.contents().zip(&site.pages);
    let entries: Vec<Value> = all
        .flat_map(|((group, content), page)| {
            let group = &site.groups[group].title;
            entries(&content, page, group)
        })
        .collect();
    format!("window.airlockSearch={};\n", json!(entries))
}

fn entries(content: &Content<'_>, page: &Page, group: &str) -> Vec<Value> {
    match content {
        Content::Guide(_) => {
            let sections = markdown::sections(&page.markdown).into_iter();
            sections.map(|section| entry(page, group, section.id.as_deref(), &section.title, &section.text)).collect()
        }
        Content::Operation(tag, operation) => {
            vec![entry(page, &format!("{group} · {}", tag.title), None, "", &words(operation))]
        }
        Content::Index(_) | Content::Tag(_) => vec![entry(page, group, None, "", &page.description)],
    }
}

fn entry(page: &Page, group: &str, anchor: Option<&str>, section: &str, text: &str) -> Value {
    let anchor = anchor.map(|id| format!("#{id}")).unwrap_or_default();
    let address = Address::start().to(page.address.path());
    json!({"u": format!("{address}{anchor}"), "t": page.title, "s": section, "g": group, "x": text})
}

/// What an operation is found by.
fn words(operation: &Operation) -> String {
    let mut words = vec![&*operation.description, operation.method.name(), &operation.path, &operation.id];
    words.extend(operation.permission.as_deref());
    let shapes = operation.body.iter().map(|body| &body.shape).chain(&operation.answer.shape);
    let parameters = operation.path_parameters.iter().chain(&operation.query_parameters);
    parameters.for_each(|field| words.push(&field.name));
    shapes.for_each(|shape| names(shape, &mut words));
    let mut seen = std::collections::HashSet::new();
    words.retain(|word| seen.insert(*word));
    words.join(" ")
}

fn names<'a>(shape: &'a Shape, words: &mut Vec<&'a str>) {
    let fields = |fields: &'a [Field], words: &mut Vec<&'a str>| {
        for field in fields {
            words.push(&field.name);
            names(&field.shape, words);
        }
    };
    fields(&shape.fields, words);
    shape.variants.iter().for_each(|variant| fields(&variant.shape.fields, words));
}
