//! The API's reference, as the pages and the samples need it: every reference resolved, every
//! bound in words.

mod cut;
mod kind;
mod read;
mod shape;
mod text;

use serde_json::Value;

pub(crate) use read::read;
pub(crate) use text::{document_text, index_text, operation_text, shown, tag_text};

use crate::{address::Address, samples::Sample};

/// All operations.
pub(crate) struct Reference {
    /// By what they are about, in alphabetical order.
    pub(crate) tags: Vec<Tag>,
}

impl Reference {
    /// Where the index of the operations is.
    pub(crate) fn address() -> Address {
        Address::new("api")
    }
}

/// The operations on one kind of thing.
pub(crate) struct Tag {
    /// As in the document: `AgentToken`.
    pub(crate) name: String,
    /// As people say it: `Agent token`.
    pub(crate) title: String,
    /// What the thing is, in Markdown; may be empty.
    pub(crate) description: String,
    /// Where its page is.
    pub(crate) address: Address,
    /// What can be done with it, by path and method.
    pub(crate) operations: Vec<Operation>,
}

/// One operation.
pub(crate) struct Operation {
    /// As in the document: `CreateAgentToken`.
    pub(crate) id: String,
    /// Where its page is.
    pub(crate) address: Address,
    /// What it does, in a few words.
    pub(crate) summary: String,
    /// What else there is to say, in Markdown; may be empty.
    pub(crate) description: String,
    /// GET, POST or DELETE.
    pub(crate) method: Method,
    /// With its prefix: `/v1/organizations/{organizationId}`.
    pub(crate) path: String,
    /// The permission that the caller needs; `None` when any token will do.
    pub(crate) permission: Option<String>,
    /// Whether the public API does not have it.
    pub(crate) extension: bool,
    /// The parameters in the path, in its order.
    pub(crate) path_parameters: Vec<Field>,
    /// The parameters of the query.
    pub(crate) query_parameters: Vec<Field>,
    /// What is sent.
    pub(crate) body: Option<Body>,
    /// What success is answered with.
    pub(crate) answer: Answer,
    /// What else can be answered, by status.
    pub(crate) errors: Vec<Failure>,
    /// How it is called.
    pub(crate) samples: Vec<Sample>,
    /// The OpenAPI document, cut down to this operation.
    pub(crate) document: Value,
}

/// A method.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// Reads.
    Get,
    /// Creates or changes.
    Post,
    /// Deletes.
    Delete,
}

impl Method {
    /// As it is sent.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }

    /// As it stands on a label.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Delete => "DEL",
            other => other.name(),
        }
    }

    /// As it stands in the document, and in names of classes.
    pub(crate) fn lower(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
            Self::Delete => "delete",
        }
    }
}

/// What is sent to an operation.
pub(crate) struct Body {
    /// Its fields, or its variants.
    pub(crate) shape: Shape,
    /// A body that the server takes.
    pub(crate) example: Option<Value>,
}

/// What an operation answers with when it has done what was asked.
pub(crate) struct Answer {
    /// 200 or 204.
    pub(crate) status: u16,
    /// What the answer is, in Markdown.
    pub(crate) description: String,
    /// The media type of its body; `None` when there is none.
    pub(crate) media_type: Option<String>,
    /// Its fields; `None` when there is no body.
    pub(crate) shape: Option<Shape>,
    /// What may come.
    pub(crate) example: Option<Value>,
}

/// An answer that says why a request was not served.
pub(crate) struct Failure {
    /// Its status.
    pub(crate) status: u16,
    /// The status in words: `Not Found`.
    pub(crate) name: String,
    /// What causes it, in Markdown; each of several stands for itself.
    pub(crate) causes: Vec<String>,
}

/// A field of a body, or a parameter.
pub(crate) struct Field {
    /// Its name.
    pub(crate) name: String,
    /// What it is for, in Markdown; may be empty.
    pub(crate) description: String,
    /// Whether it must be there.
    pub(crate) required: bool,
    /// Whether the public API does not have it.
    pub(crate) extension: bool,
    /// What it is when it is left out, as JSON.
    pub(crate) default: Option<String>,
    /// A value that it may have.
    pub(crate) example: Option<Value>,
    /// Type, bounds, and what is inside.
    pub(crate) shape: Shape,
}

/// What a value looks like.
#[derive(Default)]
pub(crate) struct Shape {
    /// Type and bounds in words: `integer, 1 to 3650`.
    pub(crate) kind: String,
    /// The schema's name in the document, if it has one.
    pub(crate) schema: Option<String>,
    /// What the value is, as its schema says it, in Markdown; may be empty.
    pub(crate) description: String,
    /// The values that it may have, if they are few.
    pub(crate) values: Vec<Choice>,
    /// The fields of an object, or of each object in a list.
    pub(crate) fields: Vec<Field>,
    /// The shapes that it may have, if they are several.
    pub(crate) variants: Vec<Variant>,
}

/// A value that a field may have.
pub(crate) struct Choice {
    /// The value.
    pub(crate) value: String,
    /// What it means, in Markdown; may be empty.
    pub(crate) description: String,
}

/// One of several shapes that a value may have.
pub(crate) struct Variant {
    /// What tells it from the others: `type` is `STANDARD`.
    pub(crate) title: String,
    /// What it looks like.
    pub(crate) shape: Shape,
}
