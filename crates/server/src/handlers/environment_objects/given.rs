//! What a request gives an object to hold. Of several fields, each for one type of object, it may
//! have the one of the object's own type.

use airlock_contract::wire::{
    CreateEnvironmentObjectRequest, EnvironmentObjectType as Type, UpdateEnvironmentObjectRequest,
};
use airlock_core::{Error, Result, environment::Fields, gate::path, keyring::Keyring};
use airlock_store::environment_objects::EnvironmentObject as Record;
use serde::Serialize;
use serde_json::{Value, json};

/// What a request gives for each type: the name of the field, and the fields in it.
pub(super) type Given = [(Type, &'static str, Option<Fields>); 4];

/// Reads what a request gives for each type, from the fields that all such requests have.
macro_rules! given {
    ($request:expr) => {
        [
            (Type::Connection, "connection", fields($request.connection.as_ref())?),
            (Type::AirflowVariable, "airflowVariable", fields($request.airflow_variable.as_ref())?),
            (Type::EnvironmentVariable, "environmentVariable", fields($request.environment_variable.as_ref())?),
            (Type::MetricsExport, "metricsExport", fields($request.metrics_export.as_ref())?),
        ]
    };
}
pub(super) use given;

pub(super) fn fields(value: Option<&impl Serialize>) -> Result<Option<Fields>> {
    value.map(Fields::of).transpose()
}

/// What is given for the type. `within` is the path of the object that it stands in.
///
/// # Errors
///
/// [`Error::Invalid`] when something is given for another type, or a value that nothing of the type
/// can have.
pub(super) fn pick(kind: Type, within: &str, given: Given) -> Result<Option<Fields>> {
    let mut picked = None;
    for (of, name, fields) in given {
        match fields {
            Some(_) if of != kind => {
                let message = format!("is not for an object of the type {}", kind.as_str());
                return Err(Error::field("constraint", format!("{within}{name}"), message));
            }
            Some(fields) => {
                check_value(kind, within, &fields)?;
                picked = Some(fields);
            }
            None => {}
        }
    }
    Ok(picked)
}

/// Refuses a variable that no process could be started with: in an environment, a zero byte ends
/// the value.
fn check_value(kind: Type, within: &str, given: &Fields) -> Result<()> {
    let value = given.get("value").and_then(Value::as_str);
    if kind == Type::EnvironmentVariable && value.is_some_and(|value| value.contains('\0')) {
        let field = format!("{within}{}.value", field_of(kind));
        return Err(Error::field("constraint", field, "has a zero byte, which no environment can hold"));
    }
    Ok(())
}

/// The name of the field that holds a type's value.
fn field_of(kind: Type) -> &'static str {
    match kind {
        Type::Connection => "connection",
        Type::AirflowVariable => "airflowVariable",
        Type::EnvironmentVariable => "environmentVariable",
        Type::MetricsExport => "metricsExport",
    }
}

/// What a new object holds.
pub(super) fn new_value(body: &CreateEnvironmentObjectRequest) -> Result<Fields> {
    let kind = body.object_type;
    check_key(kind, &body.object_key)?;
    let given = pick(kind, "", given!(body))?;
    let given = given.ok_or_else(|| {
        Error::field("required", field_of(kind), format!("is required for the type {}", kind.as_str()))
    })?;
    let mut fields = match kind {
        Type::AirflowVariable | Type::EnvironmentVariable => Fields::of(&json!({"value": "", "isSecret": false}))?,
        Type::Connection | Type::MetricsExport => Fields::default(),
    };
    fields.lay_over(given);
    Ok(fields)
}

/// What an object holds that is about to be changed.
///
/// A variable whose master key is gone does not open. When the request gives its value, that is all
/// there is to know but for whether it is secret; so it is taken for one that is. A connection or an
/// export has fields that the request may leave out, and stays shut.
///
/// # Errors
///
/// As [`Fields::open`].
pub(super) fn to_change(keys: &Keyring, body: &UpdateEnvironmentObjectRequest, record: &Record) -> Result<Fields> {
    if !keys.has(&record.value.key_id) && pick(record.kind, "", given!(body))?.is_some_and(|given| gives_value(&given))
    {
        return Fields::of(&json!({"isSecret": true}));
    }
    Fields::open(keys, &Record::seal_of(&record.id), &record.value)
}

/// Whether a variable's value is given, which replaces all that was there.
pub(super) fn gives_value(given: &Fields) -> bool {
    given.get("value").and_then(Value::as_str).is_some_and(|value| !value.is_empty())
}

/// What changes about what an object holds.
pub(super) fn changes(body: &UpdateEnvironmentObjectRequest, kind: Type, old: &Fields) -> Result<Option<Fields>> {
    let mut given = pick(kind, "", given!(body))?;
    given.iter_mut().for_each(|given| drop_unseen(old, given));
    Ok(given)
}

/// A secret is shown empty, so clients send it back empty when they mean it to stay.
pub(super) fn drop_unseen(of: &Fields, given: &mut Fields) {
    if of.is_secret_variable() && given.get("value").and_then(Value::as_str) == Some("") {
        given.remove("value");
    }
}

/// Refuses a key under which nobody could ever find the object.
fn check_key(kind: Type, key: &str) -> Result<()> {
    let is_found = match kind {
        Type::Connection => path::is_connection_id(key),
        Type::AirflowVariable => path::is_variable_key(key),
        Type::EnvironmentVariable => {
            key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
                && !key.starts_with(|c: char| c.is_ascii_digit())
        }
        Type::MetricsExport => true,
    };
    if is_found {
        return Ok(());
    }
    let rule = match kind {
        Type::EnvironmentVariable => "may have letters, digits and _, and must not begin with a digit",
        Type::Connection => "cannot be asked for by a task: it must not have / \\ ; % before two digits, or be . or ..",
        _ => {
            "cannot be asked for by a task: it must not have \\ ; % before two digits, or an empty part or . or .. between slashes"
        }
    };
    Err(Error::field("constraint", "objectKey", rule))
}
