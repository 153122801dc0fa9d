//! What environment objects hold: the values of connections, variables and metrics exports.

use std::collections::BTreeMap;

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{text, words};

words! {
    /// How metrics are sent.
    MetricsExporterType {
        /// As Prometheus remote write.
        Prometheus "PROMETHEUS",
    }
    /// How metrics are authenticated where they are sent to.
    MetricsAuthType {
        /// With `username` and `password`.
        Basic "BASIC",
        /// With `basicToken`.
        AuthToken "AUTH_TOKEN",
        /// As requests to AWS are.
        Sigv4 "SIGV4",
    }
}

/// A connection that shall be kept.
#[derive(Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct ConnectionRequest {
    /// Airflow's word for what is connected to, such as `postgres`.
    #[serde(rename = "type")]
    #[garde(custom(text::short_line))]
    pub kind: String,
    /// An entry of a catalogue of connection types. This server has no such catalogue, and refuses
    /// it.
    #[garde(custom(no_catalogue))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_type_id: Option<String>,
    /// The host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The port.
    #[garde(custom(tcp_port))]
    #[schemars(with = "Option<i64>")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<i64>,
    /// The schema, often the name of a database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// The password. It is secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Whatever else the connection's type needs. It is secret, for it often holds keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<Map<String, Value>>,
}

/// What is different about a connection for one Deployment.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct ConnectionOverrides {
    /// Airflow's word for what is connected to.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    #[garde(inner(custom(text::short_line)))]
    pub kind: Option<String>,
    /// The host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The port.
    #[garde(custom(tcp_port))]
    #[schemars(with = "Option<i64>")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<i64>,
    /// The schema, often the name of a database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// The password. It is secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Whatever else the connection's type needs. It is secret, and replaces the `extra` as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<Map<String, Value>>,
}

/// A connection that is kept.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentConnection {
    /// Airflow's word for what is connected to, such as `postgres`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The entry of a catalogue of connection types; this server has no such catalogue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_auth_type: Option<ConnectionAuthType>,
    /// The host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The port.
    #[schemars(with = "Option<i64>")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<i64>,
    /// The schema, often the name of a database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// The password; only with `showSecrets`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Whatever else the connection's type needs; only with `showSecrets`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra: Option<Map<String, Value>>,
}

/// An entry of a catalogue of connection types.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionAuthType {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How it authenticates.
    pub auth_method_name: String,
    /// Airflow's word for what is connected to.
    pub airflow_type: String,
    /// What it is for.
    pub description: String,
    /// The Python package that has it.
    pub provider_package_name: String,
    /// A picture for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_logo: Option<String>,
    /// Where it is explained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guide_path: Option<String>,
    /// What it needs.
    pub parameters: Vec<ConnectionAuthTypeParameter>,
}

/// What a type of connection needs.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionAuthTypeParameter {
    /// Its name in Airflow.
    pub airflow_param_name: String,
    /// Its name for people.
    pub friendly_name: String,
    /// What kind of value it has.
    pub data_type: String,
    /// What it is for.
    pub description: String,
    /// What it can look like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
    /// What it must look like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Whether it stands in `extra`.
    pub is_in_extra: bool,
    /// Whether it must be there.
    pub is_required: bool,
    /// Whether it is secret.
    pub is_secret: bool,
}

/// A variable that shall be kept.
#[derive(Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct EnvironmentVariableRequest {
    /// Its value; empty when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Whether the value is secret; it stays so. It is not when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_secret: Option<bool>,
}

/// The value that a variable shall have.
#[derive(Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[garde(allow_unvalidated)]
pub struct EnvironmentVariableValue {
    /// The value. A secret keeps the one that it has when this is empty, which is how it is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// A variable that is kept.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentVariable {
    /// Its value; empty for a secret without `showSecrets`.
    pub value: String,
    /// Whether the value is secret.
    pub is_secret: bool,
}

/// The value that a variable has for one Deployment.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct EnvironmentVariableOverrides {
    /// The value.
    pub value: String,
}

/// Where metrics are sent to.
#[derive(Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct MetricsExport {
    /// How they are sent.
    pub exporter_type: MetricsExporterType,
    /// The URL that they are sent to.
    #[garde(custom(text::filled_line))]
    pub endpoint: String,
    /// How they are authenticated there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_type: Option<MetricsAuthType>,
    /// The user, for BASIC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The password, for BASIC. It is secret: answered only with `showSecrets`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// The token, for AUTH_TOKEN. It is secret: answered only with `showSecrets`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic_token: Option<String>,
    /// The role to assume, for SIGV4.
    #[serde(rename = "sigV4AssumeArn", default, skip_serializing_if = "Option::is_none")]
    pub sigv4_assume_arn: Option<String>,
    /// The region of the token service, for SIGV4.
    #[serde(rename = "sigV4StsRegion", default, skip_serializing_if = "Option::is_none")]
    pub sigv4_sts_region: Option<String>,
    /// Headers to send along. They are shown: a credential belongs into `basicToken`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, String>>,
    /// Labels to add to each metric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
}

/// What is different about a metrics export for one Deployment, or shall change about one.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct MetricsExportOverrides {
    /// How they are sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exporter_type: Option<MetricsExporterType>,
    /// The URL that they are sent to.
    #[garde(inner(custom(text::filled_line)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// How they are authenticated there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_type: Option<MetricsAuthType>,
    /// The user, for BASIC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The password, for BASIC. It is secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// The token, for AUTH_TOKEN. It is secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic_token: Option<String>,
    /// The role to assume, for SIGV4.
    #[serde(rename = "sigV4AssumeArn", default, skip_serializing_if = "Option::is_none")]
    pub sigv4_assume_arn: Option<String>,
    /// The region of the token service, for SIGV4.
    #[serde(rename = "sigV4StsRegion", default, skip_serializing_if = "Option::is_none")]
    pub sigv4_sts_region: Option<String>,
    /// Headers to send along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, String>>,
    /// Labels to add to each metric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
}

fn no_catalogue(id: &Option<String>, (): &()) -> garde::Result {
    match id.as_deref() {
        None | Some("") => Ok(()),
        Some(_) => Err(garde::Error::new("this server has no catalogue of connection types; leave it out")),
    }
}

/// A TCP port.
fn tcp_port(number: &Option<i64>, (): &()) -> garde::Result {
    match number {
        Some(number) if !(0..=65_535).contains(number) => Err(garde::Error::new("is no port: it must be 0 to 65535")),
        _ => Ok(()),
    }
}

/// Values may be secret, and have no place in a log: of these types only their name is shown.
macro_rules! not_shown {
    ($($name:ident)*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                to.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )*};
}
not_shown! {
    ConnectionRequest ConnectionOverrides EnvironmentConnection ConnectionAuthType ConnectionAuthTypeParameter
    EnvironmentVariableRequest EnvironmentVariableValue EnvironmentVariable EnvironmentVariableOverrides
    MetricsExport MetricsExportOverrides
}
