//! What templates call on the parts of a page.

use serde_json::Value;

use crate::{
    guide::Guide,
    highlight,
    markdown::{self, Html},
    menu::{Group, GroupContent},
    reference::{self, Answer, Choice, Failure, Field, Method, Operation, Tag, Variant},
    samples::Sample,
};

/// An example as it stands on a page.
pub(crate) fn json(value: &Value) -> Html {
    Html(highlight::html(&(reference::shown(value) + "\n"), "json"))
}

impl Sample {
    /// The sample with its words marked.
    pub(crate) fn html(&self) -> Html {
        Html(highlight::html(&self.code, self.syntax))
    }
}

impl Method {
    /// The label in front of an operation, in a list.
    pub(crate) fn badge(self) -> Html {
        Html(format!("<b class=\"m {}\">{}</b>", self.lower(), self.label()))
    }

    /// The label in front of an operation's path.
    pub(crate) fn chip(self) -> Html {
        Html(format!("<b class=\"m chip {}\">{}</b>", self.lower(), self.name()))
    }
}

impl Group {
    pub(crate) fn guides(&self) -> &[Guide] {
        match &self.content {
            GroupContent::Guides(guides) => guides,
            GroupContent::Reference => &[],
        }
    }

    pub(crate) fn is_reference(&self) -> bool {
        matches!(self.content, GroupContent::Reference)
    }
}

impl Tag {
    /// What the thing is.
    pub(crate) fn description(&self) -> Html {
        markdown::block(&self.description)
    }
}

impl Operation {
    /// What there is to say beside the summary.
    pub(crate) fn description(&self) -> Html {
        markdown::block(&self.description)
    }

    /// The path, with its parameters marked; lines break before a slash.
    pub(crate) fn path_html(&self) -> Html {
        let marked = highlight::escaped(&self.path).replace('{', "<var>{").replace('}', "}</var>");
        Html(marked.replace("/<var>", "<wbr>/<var>").replace("</var>/", "</var><wbr>/"))
    }
}

impl Answer {
    /// What the answer is.
    pub(crate) fn description(&self) -> Html {
        markdown::inline(&self.description)
    }
}

impl Field {
    /// What it is for.
    pub(crate) fn description(&self) -> Html {
        markdown::block(&self.description)
    }

    /// A value that it may have; a string without its quotes.
    pub(crate) fn example(&self) -> Option<String> {
        self.example.as_ref().map(|value| value.as_str().map_or_else(|| value.to_string(), Into::into))
    }

    /// Type and bounds.
    pub(crate) fn kind(&self) -> Html {
        markdown::inline(&self.shape.kind)
    }
}

impl Choice {
    /// What the value means.
    pub(crate) fn description(&self) -> Html {
        markdown::inline(&self.description)
    }
}

impl Variant {
    /// What tells it from the others.
    pub(crate) fn title(&self) -> Html {
        markdown::inline(&self.title)
    }
}

impl Failure {
    /// What causes it.
    pub(crate) fn causes(&self) -> impl Iterator<Item = Html> {
        self.causes.iter().map(|cause| markdown::inline(cause))
    }
}
