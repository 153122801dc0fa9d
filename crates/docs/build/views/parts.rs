//! What templates call on the parts of a page.

use serde_json::Value;

use crate::{
    guide::Guide,
    highlight,
    markdown::{self, Html},
    menu::{Group, GroupContent},
    reference::{self, Choice, Failure, Field, Method, Operation, Tag, Variant},
    samples::Sample,
};

/// JSON as it stands on a page.
pub(crate) fn json(value: &Value) -> Html {
    Html(highlight::html(&format!("{value:#}\n"), "json"))
}

impl Sample {
    /// The sample with its words marked.
    pub(crate) fn html(&self) -> Html {
        Html(highlight::html(&self.code, self.syntax))
    }
}

impl Method {
    /// The label in front of an operation.
    pub(crate) fn badge(self) -> Html {
        Html(format!("<span class=\"method {}\">{}</span>", self.lower(), self.label()))
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

    /// Which permission the caller needs.
    pub(crate) fn permission_sentence(&self) -> Html {
        markdown::inline(&reference::permission(self))
    }
}

impl Field {
    /// What it is for.
    pub(crate) fn description(&self) -> Html {
        markdown::block(&self.description)
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
    pub(crate) fn cause(&self) -> Html {
        markdown::inline(&self.cause)
    }
}
