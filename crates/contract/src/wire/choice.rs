//! Requests of which there are several kinds, chosen by one of their fields.
//!
//! Such a request is read as the one set of the settings of all kinds, so that a fault names its
//! field, and then held against what its kind must have. The document shows each kind with its own
//! fields, chosen by the discriminator, as the public API does.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// Declares a request around a type of settings, of which all are optional or common: the fields
/// that each kind needs besides, and the schemas of the kinds by the word that chooses them.
macro_rules! requests {
    ($($(#[$doc:meta])* $name:ident of $settings:ident, chosen by $tag:literal,
        needs $needs:expr, kinds $kinds:expr, for example $example:tt)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $settings);

        impl std::ops::Deref for $name {
            type Target = $settings;
            fn deref(&self) -> &$settings {
                &self.0
            }
        }

        impl garde::Validate for $name {
            type Context = ();
            fn validate_into(&self, ctx: &(), parent: &mut dyn FnMut() -> garde::Path, report: &mut garde::Report) {
                self.0.validate_into(ctx, parent, report);
                let given = serde_json::to_value(&self.0).unwrap_or_default();
                let needs: fn(&$settings) -> Vec<&'static str> = $needs;
                for setting in needs(&self.0) {
                    if given.get(setting).is_none() {
                        report.append(parent().join(setting), garde::Error::new("is required"));
                    }
                }
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let kinds: fn(&mut schemars::SchemaGenerator) -> serde_json::Map<String, serde_json::Value> = $kinds;
                $crate::wire::choice::choice($tag, kinds(generator), serde_json::json!($example))
            }
        }
    )*};
}
pub(crate) use requests;

/// Of some settings, those of these names, as JSON.
///
/// # Errors
///
/// None, unless the settings cannot be written as JSON.
pub(super) fn written(
    settings: &impl Serialize,
    is_wanted: impl Fn(&str) -> bool,
) -> serde_json::Result<Map<String, Value>> {
    let Value::Object(mut all) = serde_json::to_value(settings)? else { return Ok(Map::new()) };
    all.retain(|name, _| is_wanted(name));
    Ok(all)
}

/// The schema "one of these references, chosen by the field `tag`".
pub(super) fn choice(tag: &str, kinds: Map<String, Value>, example: Value) -> Schema {
    let arms: Vec<Value> = kinds.values().map(|reference| json!({"$ref": reference})).collect();
    json_schema!({
        "oneOf": arms,
        "discriminator": {"propertyName": tag, "mapping": kinds},
        "examples": [example],
    })
}

/// Leaves an object's schema with these properties only, of which some must be there.
pub(super) fn keep_properties(schema: &mut Value, names: &[&str], required: &[&str]) {
    if let Some(properties) = schema["properties"].as_object_mut() {
        properties.retain(|name, _| names.contains(&name.as_str()));
    }
    for name in required {
        no_null(&mut schema["properties"][name]);
    }
    schema["required"] = json!(required);
}

/// Takes `null` out of what an optional property accepts.
pub(super) fn no_null(property: &mut Value) {
    // `get_mut`, because indexing would put in what is not there, as null.
    if let Some(kinds) = property.get_mut("type").and_then(Value::as_array_mut) {
        kinds.retain(|kind| kind != "null");
        if let [only] = kinds.as_slice() {
            property["type"] = only.clone();
        }
    }
    if let Some(words) = property.get_mut("enum").and_then(Value::as_array_mut) {
        words.retain(|word| !word.is_null());
    }
}

/// Puts a schema among the document's definitions; answers the reference to it.
pub(super) fn define(generator: &mut SchemaGenerator, name: &str, schema: Value) -> String {
    let reference = format!("#{}/{name}", generator.settings().definitions_path);
    generator.definitions_mut().insert(name.to_owned(), schema);
    reference
}
