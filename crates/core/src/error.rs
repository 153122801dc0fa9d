//! The one error that crosses crate boundaries.
//!
//! Each variant is a promise about what the caller can do, and has its one HTTP status, which the
//! server gives it. What people outside are told and what the log says are kept apart.

use std::borrow::Cow;

/// The result of anything that can fail with an [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something in the request is wrong (400).
    #[error("{message}")]
    Invalid {
        /// What is wrong as a whole.
        message: Cow<'static, str>,
        /// What is wrong with which field.
        fields: Vec<FieldError>,
    },
    /// The caller is not known (401). The text says why, and is safe to show.
    #[error("{0}")]
    Unauthenticated(String),
    /// The caller may see the thing, but not do this (403).
    #[error("{0}")]
    Denied(String),
    /// There is no such thing (404).
    #[error("{0} not found")]
    NotFound(Cow<'static, str>),
    /// There is such a thing, but the caller may not know of it (404). It looks like
    /// [`Self::NotFound`]; the audit log tells them apart.
    #[error("{0} not found")]
    Hidden(Cow<'static, str>),
    /// The path exists, but not with this method (405).
    #[error("this path does not take the method; see the Allow header")]
    MethodNotAllowed,
    /// It contradicts what is there already (409).
    #[error("{0}")]
    Conflict(String),
    /// Something that must hold first does not (412).
    #[error("{0}")]
    Unmet(String),
    /// The body is too large (413).
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// The body is of the wrong kind (415).
    #[error("the body must have the Content-Type application/json")]
    UnsupportedMediaType,
    /// The caller's rate limit is used up (429).
    #[error("the token's rate limit is used up; try again in {0} s")]
    RateLimited(u64),
    /// Nothing is wrong that waiting would not mend (503). The text is for the log.
    #[error("{0}")]
    Busy(String),
    /// We failed (500). The text is for the log.
    #[error("{0}")]
    Internal(String),
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// `required`, `type`, `constraint`, `unknown` or `conflict`.
    pub code: &'static str,
    /// The field, as the API spells it.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl Error {
    /// An invalid request, with the fields that are wrong.
    pub fn invalid(fields: Vec<FieldError>) -> Self {
        let message = match fields.as_slice() {
            [only] => format!("{}: {}", only.field, only.message).into(),
            _ => "several fields are wrong; see fieldErrors".into(),
        };
        Self::Invalid { message, fields }
    }

    /// An invalid request, with one field that is wrong.
    pub fn field(code: &'static str, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError { code, field: field.into(), message: message.into() }])
    }

    /// A request that is well-formed, but cannot be done as things are.
    pub fn refused(message: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid { message: message.into(), fields: Vec::new() }
    }

    /// We failed, and the cause is somebody else's error.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        Self::Internal(cause.to_string())
    }
}
