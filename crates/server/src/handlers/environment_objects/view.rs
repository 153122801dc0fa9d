//! Environment objects as they are answered.

use std::collections::HashMap;

use airlock_contract::{
    DeploymentId, EnvironmentObjectId,
    wire::{
        EnvironmentObject, EnvironmentObjectExcludeLink, EnvironmentObjectLink, EnvironmentObjectLinkScope,
        EnvironmentObjectScope, EnvironmentObjectType as Type,
    },
};
use airlock_core::{Result, environment::Fields};
use airlock_store::environment_objects::{EnvironmentObject as Record, Link};
use serde_json::json;

use crate::App;

/// What is shown of an object.
#[derive(Clone, Copy, Default)]
pub(super) struct Shown<'a> {
    /// Its secret values too.
    pub(super) secrets: bool,
    /// The object as it is for this Deployment, instead of all that is kept of it.
    pub(super) resolved_for: Option<&'a DeploymentId>,
}

/// A page of objects. `links` are those of all of them.
pub(super) fn all(
    app: &App,
    records: Vec<Record>,
    links: Vec<Link>,
    shown: Shown<'_>,
) -> Result<Vec<EnvironmentObject>> {
    let mut of_each: HashMap<EnvironmentObjectId, Vec<Link>> = HashMap::new();
    for link in links {
        of_each.entry(link.object.clone()).or_default().push(link);
    }
    let views = records.into_iter().map(|record| {
        let links = of_each.remove(&record.id).unwrap_or_default();
        one(app, record, &links, shown)
    });
    views.collect()
}

/// One object. `links` are its own.
pub(super) fn one(app: &App, record: Record, links: &[Link], shown: Shown<'_>) -> Result<EnvironmentObject> {
    let own = Fields::open(&app.keys, &Record::seal_of(&record.id), &record.value)?;
    let mut fields = own.clone();
    let (source_scope, source_id) = match &record.deployment {
        None => (EnvironmentObjectScope::Workspace, record.workspace.to_string()),
        Some(deployment) => (EnvironmentObjectScope::Deployment, deployment.to_string()),
    };
    let mut object = EnvironmentObject {
        id: Some(record.id.clone()),
        object_key: record.key.clone(),
        object_type: record.kind,
        scope: source_scope,
        scope_entity_id: source_id.clone(),
        source_scope: Some(source_scope),
        source_scope_entity_id: Some(source_id),
        description: record.description.clone(),
        connection: None,
        airflow_variable: None,
        environment_variable: None,
        metrics_export: None,
        set_fields: Vec::new(),
        auto_link_deployments: None,
        links: None,
        exclude_links: None,
        created_at: Some(record.authorship.created_at),
        created_by: Some(record.authorship.created_by.clone()),
        updated_at: Some(record.authorship.updated_at),
        updated_by: Some(record.authorship.updated_by.clone()),
    };
    if let Some(deployment) = shown.resolved_for {
        object.scope = EnvironmentObjectScope::Deployment;
        object.scope_entity_id = deployment.to_string();
        if let Some(link) = links.iter().find(|link| link.deployment == *deployment) {
            fields.lay_over(overrides(app, link)?);
        }
    } else if record.deployment.is_none() {
        let (excluded, linked): (Vec<_>, Vec<_>) = links.iter().partition(|link| link.is_excluded);
        let linked = linked.into_iter().map(|link| view_link(app, record.kind, &own, link, shown));
        object.auto_link_deployments = Some(record.auto_link);
        object.links = Some(linked.collect::<Result<_>>()?);
        object.exclude_links = Some(excluded.into_iter().map(view_exclusion).collect());
    }
    put_fields(&mut object, fields, shown)?;
    Ok(object)
}

/// Puts what an object holds where its type has it.
fn put_fields(object: &mut EnvironmentObject, mut fields: Fields, shown: Shown<'_>) -> Result<()> {
    let kind = object.object_type;
    object.set_fields = fields.names().into_iter().filter(|name| name != "isSecret").collect();
    if !shown.secrets {
        fields.hide_secrets(kind, &fields.clone());
    }
    let variable = |fields: Fields| {
        let mut variable = Fields::of(&json!({"value": ""}))?;
        variable.lay_over(fields);
        variable.read()
    };
    match kind {
        Type::Connection => object.connection = Some(fields.read()?),
        Type::AirflowVariable => object.airflow_variable = Some(variable(fields)?),
        Type::EnvironmentVariable => object.environment_variable = Some(variable(fields)?),
        Type::MetricsExport => object.metrics_export = Some(fields.read()?),
    }
    Ok(())
}

fn overrides(app: &App, link: &Link) -> Result<Fields> {
    match &link.overrides {
        None => Ok(Fields::default()),
        Some(sealed) => Fields::open(&app.keys, &Link::seal_of(&link.object, &link.deployment), sealed),
    }
}

/// A link. What is different is left out when nothing of it can be shown: clients send back what
/// they were shown, and an empty object would take all of it away.
fn view_link(app: &App, kind: Type, of: &Fields, link: &Link, shown: Shown<'_>) -> Result<EnvironmentObjectLink> {
    let mut different = overrides(app, link)?;
    let mut view = EnvironmentObjectLink {
        scope: EnvironmentObjectLinkScope::Deployment,
        scope_entity_id: link.deployment.clone(),
        connection_overrides: None,
        airflow_variable_overrides: None,
        environment_variable_overrides: None,
        metrics_export_overrides: None,
        set_fields: different.names(),
    };
    if !shown.secrets {
        different.hide_secrets(kind, of);
    }
    if !different.is_empty() {
        match kind {
            Type::Connection => view.connection_overrides = Some(different.read()?),
            Type::AirflowVariable => view.airflow_variable_overrides = Some(different.read()?),
            Type::EnvironmentVariable => view.environment_variable_overrides = Some(different.read()?),
            Type::MetricsExport => view.metrics_export_overrides = Some(different.read()?),
        }
    }
    Ok(view)
}

fn view_exclusion(link: &Link) -> EnvironmentObjectExcludeLink {
    EnvironmentObjectExcludeLink {
        scope: EnvironmentObjectLinkScope::Deployment,
        scope_entity_id: link.deployment.clone(),
    }
}
