//! The reference as Markdown: what a person wants to read, and an assistant as well.

use std::fmt::Write;

use serde_json::Value;

use super::{Field, Operation, Reference, Shape, Tag};
use crate::{OPENAPI, address::Address};

/// The page of an operation.
pub(crate) fn operation_text(operation: &Operation) -> String {
    let mut out = format!("# {}\n\n", operation.summary);
    paragraph(&mut out, &operation.description);
    _ = write!(out, "```http\n{} {}\n```\n\n", operation.method.name(), operation.path);
    paragraph(&mut out, &permission(operation));
    if operation.extension {
        paragraph(&mut out, EXTENSION);
    }
    section(&mut out, "Path parameters", &operation.path_parameters);
    section(&mut out, "Query parameters", &operation.query_parameters);
    if let Some(body) = &operation.body {
        out += "## Body\n\n";
        shape(&mut out, &body.shape, "");
        example(&mut out, body.example.as_ref());
    }
    answer(&mut out, operation);
    errors(&mut out, operation);
    out += "## Samples\n\n";
    for sample in &operation.samples {
        _ = write!(out, "### {}\n\n```{}\n{}```\n\n", sample.title, sample.syntax, sample.code);
    }
    out
}

/// What stands below an operation's page: the OpenAPI document, cut down to it.
pub(crate) fn document_text(operation: &Operation) -> String {
    format!("## OpenAPI\n\nThe document, cut down to this operation:\n\n```json\n{:#}\n```\n", operation.document)
}

/// What an operation is that the public API does not have.
pub(crate) const EXTENSION: &str = "This operation is Airlock's own: the Astro API v1 does not have it.";

/// Which permission an operation needs, as a sentence.
fn permission(operation: &Operation) -> String {
    match &operation.permission {
        Some(action) => {
            let roles = operation.address.to(&Address::new("roles").markdown());
            format!("The token needs the permission `{action}`: [the roles that have it]({roles}).")
        }
        None => "Any token that is good may do this.".into(),
    }
}

/// The page of a tag.
pub(crate) fn tag_text(tag: &Tag) -> String {
    let mut out = format!("# {}\n\n", tag.title);
    match tag.description.as_str() {
        "" => {
            let can: Vec<&str> = tag.operations.iter().map(|operation| operation.summary.as_str()).collect();
            paragraph(&mut out, &format!("{}.", can.join("; ")));
        }
        said => paragraph(&mut out, said),
    }
    operations(&mut out, tag, &tag.address);
    out
}

/// The page of all operations.
pub(crate) fn index_text(reference: &Reference) -> String {
    let mut out = String::from("# API reference\n\nEvery operation, by what it is about.\n\n");
    let document = Reference::address().to(OPENAPI);
    _ = write!(out, "The whole of it as an OpenAPI document: [openapi.json]({document}).\n\n");
    for tag in &reference.tags {
        let link = Reference::address().to(&tag.address.markdown());
        _ = write!(out, "## [{}]({link})\n\n", tag.title);
        operations(&mut out, tag, &Reference::address());
    }
    out
}

fn operations(out: &mut String, tag: &Tag, from: &Address) {
    let rows = tag.operations.iter().map(|operation| {
        let link = format!("[{}]({})", operation.summary, from.to(&operation.address.markdown()));
        vec![link, format!("`{} {}`", operation.method.name(), operation.path)]
    });
    table(out, &["operation", "request"], rows);
}

fn paragraph(out: &mut String, text: &str) {
    if !text.is_empty() {
        *out += text;
        *out += "\n\n";
    }
}

fn section(out: &mut String, title: &str, fields: &[Field]) {
    if !fields.is_empty() {
        _ = write!(out, "## {title}\n\n");
        field_table(out, fields);
    }
}

/// What a body has. Its description is left out where it has been said already.
fn shape(out: &mut String, shape: &Shape, said: &str) {
    for variant in &shape.variants {
        _ = write!(out, "### {}\n\n", variant.title);
        paragraph(out, &variant.shape.description);
        field_table(out, &variant.shape.fields);
    }
    if shape.variants.is_empty() {
        paragraph(out, Some(shape.description.as_str()).filter(|text| *text != said).unwrap_or_default());
        field_table(out, &shape.fields);
    }
}

fn answer(out: &mut String, operation: &Operation) {
    let answer = &operation.answer;
    out.push_str("## Answer\n\n");
    let media_type = answer.media_type.as_ref().map(|name| format!(", `{name}`")).unwrap_or_default();
    _ = write!(out, "`{}`{media_type}. {}\n\n", answer.status, answer.description);
    if let Some(body) = &answer.shape {
        shape(out, body, &answer.description);
    }
    example(out, answer.example.as_ref());
}

/// An example as it stands on a page: JSON, or the lines of an answer that is many of them.
pub(crate) fn shown(example: &Value) -> String {
    example.as_str().map_or_else(|| format!("{example:#}"), |lines| lines.trim_end().to_owned())
}

fn example(out: &mut String, example: Option<&Value>) {
    if let Some(example) = example {
        _ = write!(out, "```json\n{}\n```\n\n", shown(example));
    }
}

fn errors(out: &mut String, operation: &Operation) {
    out.push_str("## Errors\n\n");
    let rows = operation.errors.iter().flat_map(|one| {
        let status = format!("{} {}", one.status, one.name);
        one.causes.iter().map(move |cause| vec![status.clone(), cause.clone()])
    });
    table(out, &["status", "cause"], rows);
}

fn field_table(out: &mut String, fields: &[Field]) {
    let mut rows = Vec::new();
    collect(&mut rows, "", fields);
    if !rows.is_empty() {
        table(out, &["name", "type", "what it is"], rows.into_iter());
    }
}

/// Rows for the fields and all that is inside of them: `scalingSpec.hibernationSpec`.
fn collect(rows: &mut Vec<Vec<String>>, prefix: &str, fields: &[Field]) {
    for field in fields {
        let name = format!("{prefix}{}", field.name);
        let list = if field.shape.kind.starts_with("list") { "[]" } else { "" };
        rows.push(vec![format!("`{name}`"), kind(field), what(field)]);
        collect(rows, &format!("{name}{list}."), &field.shape.fields);
        for variant in &field.shape.variants {
            collect(rows, &format!("{name}{list}."), &variant.shape.fields);
        }
    }
}

fn kind(field: &Field) -> String {
    format!("{}{}", field.shape.kind, if field.required { ", required" } else { "" })
}

fn what(field: &Field) -> String {
    let mut text = field.description.clone();
    let mut add = |sentence: String| {
        text += if text.is_empty() { "" } else { " " };
        text += &sentence;
    };
    let values = &field.shape.values;
    let all: Vec<String> = values.iter().map(|choice| format!("`{}`", choice.value)).collect();
    match all.as_slice() {
        [] => {}
        [only] => add(format!("Always {only}.")),
        several => add(format!("One of {}.", several.join(", "))),
    }
    if let Some(default) = &field.default {
        add(format!("Default: `{default}`."));
    }
    if let Some(example) = &field.example {
        let plain = example.as_str().map_or_else(|| example.to_string(), Into::into);
        add(format!("Example: `{plain}`."));
    }
    if field.extension {
        add("Airlock's own.".into());
    }
    text
}

fn table(out: &mut String, heads: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    _ = writeln!(out, "| {} |", heads.join(" | "));
    _ = writeln!(out, "|{}", "---|".repeat(heads.len()));
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| cell.replace('\n', " ").replace('|', "\\|")).collect();
        _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    out.push('\n');
}
