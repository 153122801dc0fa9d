//! The envelope of every answer that is not a success.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a request was not served.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Error {
    /// What happened, which thing it concerns, and what to do, for people.
    pub message: String,
    /// Names this request in the server's log; also sent as `X-Request-Id`.
    pub request_id: String,
    /// The HTTP status again.
    #[schemars(range(min = 400, max = 600))]
    pub status_code: u16,
    /// With 400: what is wrong with which field, one entry for each fault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub field_errors: Vec<FieldValidationError>,
}

/// One thing that is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FieldValidationError {
    /// The kind of fault: `required`, `type`, `constraint`, `unknown` or `conflict`.
    pub code: String,
    /// The field, as the API spells it, for example `workerQueues[0].name`.
    pub field: String,
    /// What is wrong with it, for people.
    pub message: String,
}
