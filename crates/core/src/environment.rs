//! What an environment object holds, whatever its type: fields by their names in the API.
//!
//! The types of [`airlock_contract::wire`] say which fields each type has. Here is what is the same
//! for all: what a link overrides is laid over the object, an update over what was there, secret
//! fields are left out of answers, and all of it is kept sealed.

use std::fmt;

use airlock_contract::wire::EnvironmentObjectType;
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{
    Env, Error, Result,
    keyring::{Keyring, Sealed},
};

/// How many bytes the values of an environment object take at the most, as JSON: a page of a thousand
/// of them is held in memory.
const MOST_BYTES: usize = 64 << 10;

/// How many bytes all that the links of an environment object have instead takes at the most, sealed:
/// a page holds the links of its objects as well.
pub const MOST_BYTES_OF_LINKS: usize = 256 << 10;

/// The fields of an environment object, or those that a link overrides.
#[derive(Clone, Default, PartialEq)]
pub struct Fields(Map<String, Value>);

impl Fields {
    /// The fields that a value of the API has.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] when it is not an object, which it has no reason to be.
    pub fn of(value: &impl Serialize) -> Result<Self> {
        match serde_json::to_value(value).map_err(Error::internal)? {
            Value::Object(fields) => Ok(Self(fields)),
            _ => Err(Error::internal("what an environment object holds is not an object")),
        }
    }

    /// The fields as a type of the API.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] when the type wants other fields.
    pub fn read<T: DeserializeOwned>(self) -> Result<T> {
        serde_json::from_value(Value::Object(self.0))
            .map_err(|_| Error::internal("an environment object holds other fields than its type has"))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names of the fields.
    pub fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// A field, if it is there.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Takes a field out.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }

    /// Lays other fields over these: a field that both have is as in the other.
    pub fn lay_over(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether these hold a value that must not be shown.
    pub fn has_secret(&self, kind: EnvironmentObjectType) -> bool {
        self.secret_names(kind).iter().any(|name| self.0.contains_key(*name))
    }

    /// Takes out the fields that are secret. `of` is the object that these override something of,
    /// or these themselves: it says whether a variable is secret.
    pub fn hide_secrets(&mut self, kind: EnvironmentObjectType, of: &Self) {
        for name in of.secret_names(kind) {
            self.0.remove(*name);
        }
    }

    /// Whether this is a variable that was made as a secret.
    pub fn is_secret_variable(&self) -> bool {
        self.0.get("isSecret") == Some(&Value::Bool(true))
    }

    fn secret_names(&self, kind: EnvironmentObjectType) -> &'static [&'static str] {
        match kind {
            EnvironmentObjectType::Connection => &["extra", "password"],
            EnvironmentObjectType::MetricsExport => &["basicToken", "password"],
            EnvironmentObjectType::AirflowVariable | EnvironmentObjectType::EnvironmentVariable => {
                if self.is_secret_variable() { &["value"] } else { &[] }
            }
        }
    }

    /// Encrypts the fields, for the place where they are kept.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when they are more than [`MOST_BYTES`]; otherwise as [`Keyring::seal`].
    pub fn seal(&self, keys: &Keyring, env: &Env, place: &str) -> Result<Sealed> {
        let text = SecretString::from(serde_json::to_string(&self.0).map_err(Error::internal)?);
        if text.expose_secret().len() > MOST_BYTES {
            return Err(Error::refused(format!(
                "an environment object, and what a link has instead, holds {MOST_BYTES} bytes of JSON at the most"
            )));
        }
        keys.seal(env, place, text.expose_secret())
    }

    /// Decrypts what [`Self::seal`] made for the same place.
    ///
    /// # Errors
    ///
    /// As [`Keyring::open`].
    pub fn open(keys: &Keyring, place: &str, sealed: &Sealed) -> Result<Self> {
        let text = keys.open(place, sealed)?;
        serde_json::from_str(text.expose_secret())
            .map(Self)
            .map_err(|_| Error::internal(format!("{place} holds no fields")))
    }
}

/// The values may be secret, and have no place in a log.
impl fmt::Debug for Fields {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(value: Value) -> Fields {
        Fields::of(&value).expect("an object")
    }

    #[test]
    fn secrets_are_hidden_by_type() {
        use EnvironmentObjectType as T;
        let secret = fields(json!({"value": "x", "isSecret": true}));
        let plain = fields(json!({"value": "x", "isSecret": false}));
        let connection = fields(json!({"type": "http", "password": "x", "extra": {}, "host": "h"}));
        for (kind, of, left) in [
            (T::AirflowVariable, &secret, vec!["isSecret"]),
            (T::EnvironmentVariable, &plain, vec!["isSecret", "value"]),
            (T::Connection, &connection, vec!["host", "type"]),
        ] {
            let mut shown = of.clone();
            shown.hide_secrets(kind, of);
            assert_eq!(shown.names(), left);
        }
        // What is different for one Deployment does not say itself that it is secret.
        let mut different = fields(json!({"value": "y"}));
        different.hide_secrets(T::AirflowVariable, &secret);
        assert!(different.is_empty());
        assert!(!format!("{connection:?}").contains("\"h\""), "{connection:?}");
    }

    #[test]
    fn what_is_laid_over_wins() {
        let mut below = fields(json!({"host": "a", "extra": {"x": 1, "y": 2}}));
        below.lay_over(fields(json!({"extra": {"z": 3}, "port": 1})));
        assert_eq!(below, fields(json!({"host": "a", "extra": {"z": 3}, "port": 1})));
    }
}
