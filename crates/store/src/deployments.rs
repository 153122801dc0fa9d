//! Deployments and their environment variables.

use airlock_contract::{
    ClusterId, DeploymentId, OrganizationId, TarballVersion, Time, WorkspaceId,
    permissions::scope,
    wire::{DeploymentSettings, ListDeploymentsQuery},
};
use airlock_core::{
    Error, Result,
    keyring::Sealed,
    policy::{Granted, Reach},
};

use crate::{
    Page, Stamp, Writing, agent_tokens, agents, api_tokens,
    db::{Column, Reads, Row, Value, params, placeholders, record, sealed::Sealed as _},
    environment_objects,
    filter::Filter,
    role_bindings,
    subjects::JOIN_SUBJECTS,
};

record! {
    /// A Deployment.
    pub struct Deployment {
        /// Its id.
        pub id: DeploymentId = "t.id",
        /// The Organization that it belongs to.
        pub organization: OrganizationId = "t.organization_id",
        /// The Workspace that it belongs to.
        pub workspace: WorkspaceId = "t.workspace_id",
        /// The Workspace's name.
        pub workspace_name: String = "w.name",
        /// The name of the cluster that it runs in.
        pub cluster_name: Option<String> = "k.name",
        /// What was asked for.
        pub settings: DeploymentSettings = "t.settings",
        /// The tag of the image that was deployed last.
        pub image_tag: Option<String> = "t.image_tag",
        /// The version of its Dags.
        pub dags: Option<TarballVersion> = "g.tarball_id",
    } and authorship
}

const JOINS: &str = " JOIN workspaces w ON w.id = t.workspace_id LEFT JOIN clusters k ON k.id = t.cluster_id \
                     LEFT JOIN current_tarballs g ON g.deployment_id = t.id AND g.place = 'dags'";

impl Column for DeploymentSettings {
    fn take(row: &mut Row<'_>) -> Result<Self> {
        let text: String = row.take()?;
        serde_json::from_str(&text).map_err(|cause| crate::corrupt("Deployment's settings", cause))
    }
}

record! {
    /// An environment variable of a Deployment.
    pub struct Variable {
        /// The Deployment.
        pub deployment: DeploymentId = "deployment_id",
        /// Its name.
        pub name: String = "name",
        /// Its value.
        pub value: VariableValue = "plain_value, sealed_value, key_id",
        /// When it was last changed.
        pub updated_at: Time = "updated_at",
    }
}

/// The value of an environment variable, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VariableValue {
    /// As it is.
    Plain(String),
    /// Encrypted; a secret without a value has nothing to encrypt.
    Secret(Option<Sealed>),
}

impl Column for VariableValue {
    fn take(row: &mut Row<'_>) -> Result<Self> {
        let (plain, bytes, key): (Option<String>, Option<Vec<u8>>, Option<String>) =
            (row.take()?, row.take()?, row.take()?);
        Ok(match plain {
            Some(plain) => Self::Plain(plain),
            None => Self::Secret(bytes.zip(key).map(|(bytes, key_id)| Sealed { key_id, bytes })),
        })
    }
}

/// A page of the Deployments within reach, and how many there are.
///
/// # Errors
///
/// Those of the database.
pub async fn list(db: &impl Reads, reach: &Reach, query: &ListDeploymentsQuery) -> Result<(Vec<Deployment>, u32)> {
    let mut filter = Filter::of_organization(reach.organization());
    if !reach.is_everywhere() {
        let (workspaces, these) = (filter.bind(reach.workspaces()), filter.bind(reach.deployments()));
        filter.require(format!("(t.workspace_id IN ({workspaces}) OR t.id IN ({these}))"));
    }
    if !query.deployment_ids.is_empty() {
        filter.among("t.id", &query.deployment_ids);
    }
    if !query.names.is_empty() {
        filter.among("t.name", &query.names);
    }
    if !query.workspace_ids.is_empty() {
        filter.among("t.workspace_id", &query.workspace_ids);
    }
    filter.page(db, Deployment::COLUMNS, "deployments t", JOINS, &Page::of(query)).await
}

/// The granted Deployment.
///
/// # Errors
///
/// [`Error::NotFound`] when it was deleted meanwhile.
pub async fn get(db: &impl Reads, granted: &Granted<scope::Deployment>) -> Result<Deployment> {
    find(db, granted.deployment()).await
}

/// The granted Deployment, which stays as it is until this change is committed or dropped.
///
/// # Errors
///
/// [`Error::NotFound`] when it was deleted meanwhile.
pub async fn get_for_good(w: &Writing, granted: &Granted<scope::Deployment>) -> Result<Deployment> {
    w.conn().lock_row("deployments", granted.deployment().as_str()).await?;
    get(w, granted).await
}

async fn find(db: &impl Reads, id: &DeploymentId) -> Result<Deployment> {
    let sql = format!("SELECT {} FROM deployments t{JOINS}{JOIN_SUBJECTS} WHERE t.id = $1", Deployment::COLUMNS);
    db.conn().one(&sql, params![id]).await?.ok_or(Error::NotFound("Deployment".into()))
}

/// The environment variables of Deployments, in the order in which they were given.
///
/// # Errors
///
/// Those of the database.
pub async fn variables(db: &impl Reads, deployments: &[Deployment]) -> Result<Vec<Variable>> {
    let values: Vec<Value<'_>> = deployments.iter().map(|deployment| (&deployment.id).into()).collect();
    let sql = format!(
        "SELECT {} FROM deployment_variables WHERE deployment_id IN ({}) ORDER BY deployment_id, position",
        Variable::COLUMNS,
        placeholders(1, values.len())
    );
    db.conn().all(&sql, &values).await
}

fn json(settings: &DeploymentSettings) -> Result<String> {
    serde_json::to_string(settings).map_err(Error::internal)
}

/// Keeps a new Deployment, in a cluster that stays meanwhile, if in any. Its environment variables
/// are kept by [`replace_variables`].
///
/// # Errors
///
/// [`Error::NotFound`] when the Workspace was deleted meanwhile.
pub async fn insert(
    w: &Writing,
    granted: &Granted<scope::Workspace>,
    id: &DeploymentId,
    cluster: Option<&ClusterId>,
    settings: &DeploymentSettings,
    stamp: &Stamp,
) -> Result<Deployment> {
    w.conn().lock_row("workspaces", granted.workspace().as_str()).await?;
    let there = w.conn().count("SELECT COUNT(*) FROM workspaces WHERE id = $1", params![granted.workspace()]).await?;
    if there == 0 {
        return Err(Error::NotFound("Workspace".into()));
    }
    insert_into(w, granted.organization(), granted.workspace(), id, cluster, settings, stamp).await?;
    find(w, id).await
}

pub(crate) async fn insert_into(
    w: &Writing,
    organization: &OrganizationId,
    workspace: &WorkspaceId,
    id: &DeploymentId,
    cluster: Option<&ClusterId>,
    settings: &DeploymentSettings,
    stamp: &Stamp,
) -> Result<()> {
    let sql = "INSERT INTO deployments (id, organization_id, workspace_id, name, remote_execution, settings, \
               created_at, created_by, updated_at, updated_by, cluster_id) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $7, $8, $9)";
    let settings_json = json(settings)?;
    let values = params![
        id,
        organization,
        workspace,
        &settings.name,
        settings.has_remote_execution(),
        &settings_json,
        stamp.at,
        &stamp.by,
        cluster.map(ClusterId::as_str),
    ];
    w.conn().execute(sql, values).await?;
    Ok(())
}

/// Changes the granted Deployment. It stays in its Workspace.
///
/// # Errors
///
/// [`Error::NotFound`] when it was deleted meanwhile.
pub async fn update(
    w: &Writing,
    granted: &Granted<scope::Deployment>,
    settings: &DeploymentSettings,
    stamp: &Stamp,
) -> Result<Deployment> {
    let sql = "UPDATE deployments SET name = $1, remote_execution = $2, settings = $3, updated_at = $4, \
               updated_by = $5 WHERE id = $6";
    let settings_json = json(settings)?;
    let values = params![
        &settings.name,
        settings.has_remote_execution(),
        &settings_json,
        stamp.at,
        &stamp.by,
        granted.deployment(),
    ];
    w.conn().execute(sql, values).await?;
    w.touch_authority(); // how its Airflow is reached, and from where agents may call
    get(w, granted).await
}

/// Replaces a Deployment's environment variables.
///
/// # Errors
///
/// Those of the database.
pub async fn replace_variables(w: &Writing, deployment: &Deployment, variables: &[Variable]) -> Result<()> {
    let sql = "DELETE FROM deployment_variables WHERE deployment_id = $1";
    w.conn().execute(sql, params![&deployment.id]).await?;
    let sql = "INSERT INTO deployment_variables (deployment_id, position, name, plain_value, sealed_value, key_id, \
               updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    for (position, variable) in (0_i64..).zip(variables) {
        let (plain, sealed) = match &variable.value {
            VariableValue::Plain(plain) => (Some(plain.as_str()), None),
            VariableValue::Secret(sealed) => (None, sealed.as_ref()),
        };
        let (bytes, key) = (sealed.map(|s| s.bytes.as_slice()), sealed.map(|s| s.key_id.as_str()));
        let values = params![&deployment.id, position, &variable.name, plain, bytes, key, variable.updated_at];
        w.conn().execute(sql, values).await?;
    }
    Ok(())
}

/// Deletes the granted Deployment and all tokens below it.
///
/// # Errors
///
/// [`Error::NotFound`] when it was deleted meanwhile.
pub async fn delete(w: &Writing, granted: &Granted<scope::Deployment>, stamp: &Stamp) -> Result<()> {
    let id = granted.deployment().as_str();
    w.conn().lock_row("deployments", id).await?;
    match delete_where(w, "id", id, stamp).await? {
        0 => Err(Error::NotFound("Deployment".into())),
        _ => Ok(()),
    }
}

/// Deletes the Deployments whose column has the value, and all agents and tokens below them.
pub(crate) async fn delete_where(w: &Writing, column: &'static str, value: &str, stamp: &Stamp) -> Result<u64> {
    w.touch_authority();
    let these = format!("SELECT id FROM deployments WHERE {column}");
    agents::delete_of(w, column, value, stamp.at).await?;
    agent_tokens::delete_of(w, column, value, stamp).await?;
    api_tokens::delete_where(w, &format!("deployment_id IN ({these} = $3)"), value, stamp).await?;
    role_bindings::delete_on_those(w, &format!("IN ({these} = $1)"), value).await?;
    environment_objects::delete_of_deployments(w, &format!("{these} = $1"), value).await?;
    let tables =
        ["deployment_variables", "deployment_health", "deployment_logs", "current_tarballs", "tarballs", "deploys"];
    for table in tables {
        let sql = format!("DELETE FROM {table} WHERE deployment_id IN ({these} = $1)");
        w.conn().execute(&sql, params![value]).await?;
    }
    w.conn().execute(&format!("DELETE FROM deployments WHERE {column} = $1"), params![value]).await
}
