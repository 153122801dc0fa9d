//! The three kinds of Deployments, and which settings each of them has.
//!
//! The kind is the one that a request's `type` names; see [`super::choice`].

use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::{
    DeploymentSettings, DeploymentType, UpdateWorkerQueueRequest,
    choice::{define, keep_properties, no_null, requests, written},
};
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

requests! {
    /// What a Deployment is made from.
    CreateDeploymentRequest of DeploymentSettings, chosen by "type",
        needs |settings| Verb::Create.required(settings.kind()),
        kinds |generator| kinds(generator, Verb::Create),
        for example {
        "name": "production",
        "type": "STANDARD",
        "workspaceId": WorkspaceId::EXAMPLE,
        "remoteExecution": {"enabled": true},
    }
    /// What a Deployment shall be like.
    UpdateDeploymentRequest of DeploymentSettings, chosen by "type",
        needs |settings| Verb::Update.required(settings.kind()),
        kinds |generator| kinds(generator, Verb::Update),
        for example {
        "name": "production",
        "type": "STANDARD",
        "workspaceId": WorkspaceId::EXAMPLE,
        "executor": "CELERY",
        "schedulerSize": "SMALL",
        "isHighAvailability": false,
        "isCicdEnforced": false,
        "isDagDeployEnabled": true,
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

    /// Whether its work is done by remote agents.
    pub fn has_remote_execution(&self) -> bool {
        self.remote_execution.as_ref().is_some_and(|remote| remote.enabled)
    }
}

impl CreateDeploymentRequest {
    /// The settings that Deployments of this type have; what is for others is left out, as is what
    /// the API does not know.
    ///
    /// # Errors
    ///
    /// None, unless the settings cannot be written as JSON and read again.
    pub fn of_kind(&self, kind: DeploymentType) -> serde_json::Result<DeploymentSettings> {
        settings_of(&self.0, Verb::Create, kind)
    }
}

impl UpdateDeploymentRequest {
    /// The settings that Deployments of this type have, likewise.
    ///
    /// # Errors
    ///
    /// None, unless the settings cannot be written as JSON and read again.
    pub fn of_kind(&self, kind: DeploymentType) -> serde_json::Result<DeploymentSettings> {
        settings_of(&self.0, Verb::Update, kind)
    }
}

fn settings_of(all: &DeploymentSettings, verb: Verb, kind: DeploymentType) -> serde_json::Result<DeploymentSettings> {
    let names = verb.settings(kind);
    serde_json::from_value(Value::Object(written(all, |name| names.contains(&name))?))
}

/// The Workspace that a new Deployment shall belong to.
pub fn workspace_of(request: &CreateDeploymentRequest) -> &WorkspaceId {
    &request.0.workspace_id
}

/// The schemas of the kinds, by `type`.
fn kinds(generator: &mut SchemaGenerator, verb: Verb) -> Map<String, Value> {
    let define_kind = |&kind: &DeploymentType| {
        let schema = of_kind(generator, verb, kind);
        let title = match kind {
            DeploymentType::Dedicated => "Dedicated",
            DeploymentType::Hybrid => "Hybrid",
            DeploymentType::Standard => "Standard",
        };
        let name = format!("{}{title}DeploymentRequest", verb.name());
        (kind.as_str().to_owned(), define(generator, &name, schema).into())
    };
    DeploymentType::ALL.iter().map(define_kind).collect()
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
