//! Forms and queries as OAuth has them: a parameter is given once, and one without a value counts as
//! absent (RFC 6749 section 3.1).

use airlock_core::{Error, Result};
use axum::{
    body::Body,
    http::{HeaderMap, header},
};

use crate::input;

/// Parameters. They may be secrets, so they cannot be printed.
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// The parameters of a body.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when it is no form; those of reading it.
    pub(crate) async fn read(headers: &HeaderMap, body: Body) -> Result<Self> {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Error::refused("the body must have the Content-Type application/x-www-form-urlencoded"));
        }
        Ok(Self::parse(&input::collect(body).await?))
    }

    /// The parameters of a query.
    pub(crate) fn of_query(query: &str) -> Self {
        Self::parse(query.as_bytes())
    }

    fn parse(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().filter(|(_, value)| !value.is_empty()).collect())
    }

    /// A parameter, if it is given.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when it is given more than once.
    pub(crate) fn get(&self, name: &str) -> Result<Option<&str>> {
        let mut values = self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (first, None) => Ok(first),
            (_, Some(_)) => Err(Error::refused(format!("the parameter {name} is given more than once"))),
        }
    }

    /// A parameter that must be there.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when it is not there, or is given more than once.
    pub(crate) fn need(&self, name: &str) -> Result<&str> {
        self.get(name)?.ok_or_else(|| Error::refused(format!("the parameter {name} is missing")))
    }
}
