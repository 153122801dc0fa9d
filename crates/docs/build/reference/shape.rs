//! Schemas as trees of fields.

use serde_json::{Map, Value};

use super::{Choice, Field, Shape, Variant, kind};

/// Reads schemas of one document.
pub(crate) struct Reader<'a> {
    /// The document's `components/schemas`.
    pub(crate) schemas: &'a Map<String, Value>,
}

impl Reader<'_> {
    /// What a schema describes.
    pub(crate) fn shape(&self, schema: &Value) -> Shape {
        self.inside(schema, &mut Vec::new())
    }

    /// The same, inside of the named schemas that are already open: one that comes up again is
    /// named, not opened.
    fn inside(&self, schema: &Value, open: &mut Vec<String>) -> Shape {
        let Some(name) = reference(schema) else { return self.bare(schema, open) };
        let known = self.schemas.get(name).filter(|_| !open.iter().any(|one| one == name));
        let Some(target) = known else {
            return Shape { kind: "object".into(), schema: Some(name.into()), ..Shape::default() };
        };
        open.push(name.into());
        let shape = self.bare(target, open);
        open.pop();
        Shape { schema: Some(name.into()), ..shape }
    }

    fn bare(&self, schema: &Value, open: &mut Vec<String>) -> Shape {
        let description = text(schema);
        if let Some(values) = choices(schema) {
            return Shape {
                kind: kind::name(schema_of_choice(schema)).into(),
                description,
                values,
                ..Shape::default()
            };
        }
        let several = alternatives(schema);
        if let [only] = several.as_slice() {
            let shape = self.inside(only, open);
            let description = if description.is_empty() { shape.description } else { description };
            return Shape { description, ..shape };
        }
        if !several.is_empty() {
            let variants = several.iter().map(|one| self.variant(schema, one, open)).collect();
            return Shape { kind: "object".into(), description, variants, ..Shape::default() };
        }
        if let Some(items) = schema.get("items") {
            let inner = self.inside(items, open);
            let kind = kind::words(schema, &plural(&inner.kind));
            return Shape { kind, description, ..inner };
        }
        if let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object()) {
            let inner = self.inside(values, open);
            return Shape { kind: format!("object of {}", plural(&inner.kind)), description, ..inner };
        }
        Shape { kind: kind::words(schema, ""), description, fields: self.fields(schema, open), ..Shape::default() }
    }

    fn fields(&self, schema: &Value, open: &mut Vec<String>) -> Vec<Field> {
        let required = |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name));
        let properties = schema["properties"].as_object().into_iter().flatten();
        let mut fields: Vec<Field> =
            properties.map(|(name, field)| self.field(name, field, required(name), open)).collect();
        fields.sort_by_key(|field| !field.required);
        fields
    }

    fn field(&self, name: &str, schema: &Value, required: bool, open: &mut Vec<String>) -> Field {
        let shape = self.inside(schema, open);
        Field {
            name: name.into(),
            description: shape.description.clone(),
            required,
            extension: schema["x-extension"] == true,
            default: schema.get("default").filter(|value| !value.is_null()).map(ToString::to_string),
            example: example(schema),
            shape,
        }
    }

    fn variant(&self, whole: &Value, one: &Value, open: &mut Vec<String>) -> Variant {
        let shape = self.inside(one, open);
        let mapping = whole["discriminator"]["mapping"].as_object();
        let said = mapping.and_then(|all| all.iter().find(|(_, target)| target.as_str() == one["$ref"].as_str()));
        let title = match (said, whole["discriminator"]["propertyName"].as_str()) {
            (Some((value, _)), Some(name)) => format!("`{name}` is `{value}`"),
            _ => shape.schema.clone().unwrap_or_else(|| shape.kind.clone()),
        };
        Variant { title, shape }
    }
}

/// A parameter of an operation.
pub(crate) fn parameter(reader: &Reader<'_>, parameter: &Value) -> Field {
    let schema = &parameter["schema"];
    let name = parameter["name"].as_str().unwrap_or_default();
    let field = reader.field(name, schema, parameter["required"] == true, &mut Vec::new());
    let said = text(parameter);
    Field {
        description: if said.is_empty() { field.description } else { said },
        example: example(parameter).or(field.example),
        extension: field.extension || parameter["x-extension"] == true,
        ..field
    }
}

/// The description, with the line breaks of the source taken out.
pub(crate) fn text(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    text.split("\n\n").map(|part| part.replace('\n', " ")).collect::<Vec<_>>().join("\n\n")
}

/// An example beside a schema: one, or the first of several.
pub(crate) fn example(place: &Value) -> Option<Value> {
    place.get("example").or_else(|| place["examples"].get(0)).filter(|value| !value.is_null()).cloned()
}

fn reference(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.strip_prefix("#/components/schemas/")
}

/// The schemas of which one holds, without the one that says "or null".
fn alternatives(schema: &Value) -> Vec<&Value> {
    let all = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array()).or_else(|| schema["allOf"].as_array());
    all.into_iter().flatten().filter(|one| one["type"] != "null").collect()
}

/// The values of an enumeration: plain ones, or ones that are each described.
fn choices(schema: &Value) -> Option<Vec<Choice>> {
    if let Some(values) = schema["enum"].as_array() {
        let values = values.iter().filter(|value| !value.is_null());
        return Some(values.map(|value| Choice { value: plain(value), description: String::new() }).collect());
    }
    if let Some(value) = schema.get("const") {
        return Some(vec![Choice { value: plain(value), description: String::new() }]);
    }
    let each = schema["oneOf"].as_array()?;
    let all: Option<Vec<Vec<Choice>>> = each
        .iter()
        .filter(|one| one["type"] != "null")
        .map(|one| {
            let described = |choice: Choice| Choice { description: text(one), ..choice };
            Some(choices(one)?.into_iter().map(described).collect())
        })
        .collect();
    all.map(|all| all.into_iter().flatten().collect())
}

/// Where the type of an enumeration stands.
fn schema_of_choice(schema: &Value) -> &Value {
    if schema.get("type").is_some() { schema } else { &schema["oneOf"][0] }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), Into::into)
}

fn plural(kind: &str) -> String {
    let (first, rest) = kind.split_once(',').map_or((kind, String::new()), |(first, rest)| (first, format!(",{rest}")));
    match first {
        "any value" => format!("any values{rest}"),
        _ if first.starts_with("list of") || first.starts_with("object of") => kind.replacen(' ', "s ", 1),
        _ if first.contains(" (") => format!("{}{rest}", first.replacen(" (", "s (", 1)),
        _ => format!("{first}s{rest}"),
    }
}
