//! The three kinds of Deployments, and which settings each of them has.
//!
//! A request is read as the one set of all settings, so that a fault names its field, and then
//! held against the kind that its `type` names. The document shows each kind with its own fields,
//! chosen by the discriminator `type`, as the public API does.

use std::{borrow::Cow, ops::Deref};

use garde::Validate;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{DeploymentSettings, DeploymentType, UpdateWorkerQueueRequest};
use crate::{WorkspaceId, id::Id};

/// Settings that every kind has.
const COMMON: &[&str] = &[
    "contactEmails",
    "description",
    "drWorkloadIdentity",
    "environmentVariables",
    "executor",
    "isCicdEnforced",
    "isDagDeployEnabled",
    "name",
    "type",
    "workerQueues",
    "workloadIdentity",
    "workspaceId",
];

/// Settings of the kinds that are hosted: DEDICATED and STANDARD.
const HOSTED: &[&str] = &[
    "defaultTaskPodCpu",
    "defaultTaskPodMemory",
    "isDevelopmentMode",
    "isHighAvailability",
    "remoteExecution",
    "resourceQuotaCpu",
    "resourceQuotaMemory",
    "scalingSpec",
    "schedulerSize",
];

/// Settings of the HYBRID kind.
const HYBRID: &[&str] = &["scheduler", "taskPodNodePoolId"];

/// Settings that are given when a Deployment is created, and stay.
const FIXED: &[&str] = &["astroRuntimeVersion", "clusterId"];

/// The same, for STANDARD only.
const FIXED_STANDARD: &[&str] = &["cloudProvider", "region"];

/// The settings of a queue that only hosted kinds, or only HYBRID, have.
const HOSTED_QUEUE: &[&str] = &["astroMachine", "podEphemeralStorage"];
const HYBRID_QUEUE: &[&str] = &["nodePoolId"];

/// Which request a set of settings came with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Create,
    Update,
}

impl Verb {
    fn name(self) -> &'static str {
        match self {
            Self::Create => "Create",
            Self::Update => "Update",
        }
    }

    /// The settings that a kind has.
    fn settings(self, kind: DeploymentType) -> Vec<&'static str> {
        let of_kind = if kind == DeploymentType::Hybrid { HYBRID } else { HOSTED };
        let mut settings = [COMMON, of_kind].concat();
        if self == Self::Create {
            settings.extend(FIXED);
            if kind == DeploymentType::Standard {
                settings.extend(FIXED_STANDARD);
            }
        }
        settings
    }

    /// The settings that must be there.
    fn required(self, kind: DeploymentType) -> Vec<&'static str> {
        let mut required = vec!["name", "workspaceId"];
        if self == Self::Update {
            required.extend(["environmentVariables", "executor", "isCicdEnforced", "isDagDeployEnabled", "type"]);
            required.extend(match kind {
                DeploymentType::Hybrid => &["scheduler"][..],
                _ => &["isHighAvailability", "schedulerSize"],
            });
        }
        required
    }
}

macro_rules! requests {
    ($($(#[$doc:meta])* $name:ident $verb:ident, for example $example:tt)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub DeploymentSettings);

        impl Deref for $name {
            type Target = DeploymentSettings;
            fn deref(&self) -> &DeploymentSettings {
                &self.0
            }
        }

        impl Validate for $name {
            type Context = ();
            fn validate_into(&self, ctx: &(), parent: &mut dyn FnMut() -> garde::Path, report: &mut garde::Report) {
                self.0.validate_into(ctx, parent, report);
                let given = serde_json::to_value(&self.0).unwrap_or_default();
                for setting in Verb::$verb.required(self.kind()) {
                    if given.get(setting).is_none() {
                        report.append(parent().join(setting), garde::Error::new("is required"));
                    }
                }
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                choice(generator, Verb::$verb, json!($example))
            }
        }
    )*};
}

requests! {
    /// What a Deployment is made from.
    CreateDeploymentRequest Create, for example {
        "name": "production",
        "type": "STANDARD",
        "workspaceId": WorkspaceId::EXAMPLE,
        "remoteExecution": {"enabled": true},
    }
    /// What a Deployment shall be like.
    UpdateDeploymentRequest Update, for example {
        "name": "production",
        "type": "STANDARD",
        "workspaceId": WorkspaceId::EXAMPLE,
        "executor": "CELERY",
        "schedulerSize": "SMALL",
        "isHighAvailability": false,
        "isCicdEnforced": false,
        "isDagDeployEnabled": false,
        "environmentVariables": [
            {"key": "AIRFLOW__API__BASE_URL", "value": "https://airflow.example.com", "isSecret": false},
        ],
    }
}

impl DeploymentSettings {
    /// The kind asked for, or the one that the other settings speak for.
    pub fn kind(&self) -> DeploymentType {
        self.kind.unwrap_or(if self.cluster_id.is_some() {
            DeploymentType::Dedicated
        } else {
            DeploymentType::Standard
        })
    }
}

/// The Workspace that a new Deployment shall belong to.
pub fn workspace_of(request: &CreateDeploymentRequest) -> &WorkspaceId {
    &request.0.workspace_id
}

/// The schema "one of the kinds, chosen by `type`".
fn choice(generator: &mut SchemaGenerator, verb: Verb, example: Value) -> Schema {
    let mut mapping = Map::new();
    for &kind in DeploymentType::ALL {
        let schema = of_kind(generator, verb, kind);
        let title = match kind {
            DeploymentType::Dedicated => "Dedicated",
            DeploymentType::Hybrid => "Hybrid",
            DeploymentType::Standard => "Standard",
        };
        let name = format!("{}{title}DeploymentRequest", verb.name());
        mapping.insert(kind.as_str().into(), define(generator, &name, schema).into());
    }
    let arms: Vec<Value> = mapping.values().map(|reference| json!({"$ref": reference})).collect();
    json_schema!({
        "oneOf": arms,
        "discriminator": {"propertyName": "type", "mapping": mapping},
        "examples": [example],
    })
}

/// The schema of one kind's request.
fn of_kind(generator: &mut SchemaGenerator, verb: Verb, kind: DeploymentType) -> Value {
    let queue = queue_schema(generator, verb, kind);
    let mut schema = DeploymentSettings::json_schema(generator).to_value();
    keep_properties(&mut schema, &verb.settings(kind), &verb.required(kind));
    let properties = &mut schema["properties"];
    properties["type"] = json!({"type": "string", "enum": [kind.as_str()], "description": "What it runs on."});
    properties["workerQueues"]["items"] = json!({"$ref": queue});
    if kind == DeploymentType::Hybrid {
        properties["executor"]["enum"] = json!(["CELERY", "KUBERNETES"]);
        if verb == Verb::Update {
            let mut size = super::CreateDeploymentInstanceSpecRequest::json_schema(generator).to_value();
            size["required"] = json!(["au", "replicas"]);
            let reference = define(generator, "UpdateDeploymentInstanceSpecRequest", size);
            properties["scheduler"] = json!({"$ref": reference});
        }
    }
    for required in verb.required(kind) {
        no_null(&mut properties[required]);
    }
    schema
}

/// The schema of a queue, and the reference to it.
fn queue_schema(generator: &mut SchemaGenerator, verb: Verb, kind: DeploymentType) -> String {
    let mut schema = UpdateWorkerQueueRequest::json_schema(generator).to_value();
    let (name, foreign, needed) = match (verb, kind) {
        (Verb::Update, _) => ("UpdateWorkerQueueRequest", &[][..], None),
        (Verb::Create, DeploymentType::Hybrid) => ("HybridWorkerQueueRequest", HOSTED_QUEUE, Some("nodePoolId")),
        (Verb::Create, _) => ("WorkerQueueRequest", HYBRID_QUEUE, Some("astroMachine")),
    };
    if let Some(properties) = schema["properties"].as_object_mut() {
        properties.retain(|name, _| !foreign.contains(&name.as_str()));
    }
    if let (Some(needed), Some(required)) = (needed, schema["required"].as_array_mut()) {
        required.push(needed.into());
        no_null(&mut schema["properties"][needed]);
    }
    define(generator, name, schema)
}

fn keep_properties(schema: &mut Value, names: &[&str], required: &[&str]) {
    if let Some(properties) = schema["properties"].as_object_mut() {
        properties.retain(|name, _| names.contains(&name.as_str()));
    }
    schema["required"] = json!(required);
}

/// Takes `null` out of what an optional property accepts.
fn no_null(property: &mut Value) {
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
fn define(generator: &mut SchemaGenerator, name: &str, schema: Value) -> String {
    let reference = format!("#{}/{name}", generator.settings().definitions_path);
    generator.definitions_mut().insert(name.to_owned(), schema);
    reference
}
