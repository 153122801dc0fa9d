//! Environment objects, and the Deployments that those of a Workspace are linked to.

use airlock_contract::{
    DeploymentId, EnvironmentObjectId, OrganizationId, WorkspaceId,
    permissions::scope,
    wire::{EnvironmentObjectType, ListEnvironmentObjectsQuery},
};
use airlock_core::{
    Error, Result,
    keyring::Sealed,
    policy::{Granted, Place, Reach},
};

use crate::{
    Page, Stamp, Writing,
    db::{Column, Reads, Row, Value, params, placeholders, record, sealed::Sealed as _},
    filter::Filter,
    live_tokens::LiveToken,
    subjects::JOIN_SUBJECTS,
};

record! {
    /// An environment object.
    pub struct EnvironmentObject {
        /// Its id.
        pub id: EnvironmentObjectId = "t.id",
        /// The Organization that it belongs to.
        pub organization: OrganizationId = "t.organization_id",
        /// The Workspace that it belongs to.
        pub workspace: WorkspaceId = "t.workspace_id",
        /// The Deployment that it belongs to; absent when it is the Workspace's.
        pub deployment: Option<DeploymentId> = "t.deployment_id",
        /// What it is.
        pub kind: EnvironmentObjectType = "t.object_type",
        /// The connection's id, or the variable's name.
        pub key: String = "t.object_key",
        /// What it is for.
        pub description: Option<String> = "t.description",
        /// Whether all Deployments of the Workspace have it.
        pub auto_link: bool = "t.auto_link",
        /// What it holds; its place is [`EnvironmentObject::seal_of`].
        pub value: Sealed = "t.value, t.value_key",
    } and authorship
}

impl EnvironmentObject {
    /// What it belongs to.
    pub fn place(&self) -> Place {
        let (organization, workspace) = (self.organization.clone(), self.workspace.clone());
        match &self.deployment {
            None => Place::Workspace(organization, workspace),
            Some(deployment) => Place::Deployment(organization, workspace, deployment.clone()),
        }
    }

    /// Names the place where an object's value is sealed ([`airlock_core::environment::Fields::seal`]).
    pub fn seal_of(id: &EnvironmentObjectId) -> String {
        format!("environment_objects/{id}/value")
    }
}

record! {
    /// What a Deployment has to do with an object of its Workspace.
    pub struct Link {
        /// The object.
        pub object: EnvironmentObjectId = "object_id",
        /// The Deployment.
        pub deployment: DeploymentId = "deployment_id",
        /// Whether it is kept from having it.
        pub is_excluded: bool = "is_excluded",
        /// What is different for it; its place is [`Link::seal_of`].
        pub overrides: Option<Sealed> = "overrides, overrides_key",
    }
}

impl Link {
    /// Names the place where what is different for a Deployment is sealed.
    pub fn seal_of(object: &EnvironmentObjectId, deployment: &DeploymentId) -> String {
        format!("environment_object_links/{object}/{deployment}/overrides")
    }
}

record! {
    /// What an agent or its tasks find.
    pub struct Found {
        /// The object.
        pub id: EnvironmentObjectId = "t.id",
        /// Its key.
        pub key: String = "t.object_key",
        /// What it holds.
        pub value: Sealed = "t.value, t.value_key",
        /// What is different for the Deployment.
        pub overrides: Option<Sealed> = "l.overrides, l.overrides_key",
    }
}

impl Column for Sealed {
    fn take(row: &mut Row<'_>) -> Result<Self> {
        Ok(Self { bytes: row.take()?, key_id: row.take()? })
    }
}

/// Which objects a list is of.
pub enum Listed {
    /// All within reach: those of Workspaces, and those of Deployments.
    Within(Reach, Reach),
    /// A Workspace's own.
    OfWorkspace(Granted<scope::Workspace>),
    /// A Deployment's own.
    OfDeployment(Granted<scope::Deployment>),
    /// All that a Deployment has: its own, and those of its Workspace that are linked to it.
    For(Granted<scope::Deployment>),
}

/// A page of objects, and how many there are.
///
/// # Errors
///
/// Those of the database.
pub async fn list(
    db: &impl Reads,
    granted: &Granted<scope::Organization>,
    listed: &Listed,
    query: &ListEnvironmentObjectsQuery,
) -> Result<(Vec<EnvironmentObject>, u32)> {
    let mut filter = Filter::of_organization(granted.organization());
    let mut from = String::from("environment_objects t");
    match listed {
        Listed::Within(of_workspaces, of_deployments) => require_reach(&mut filter, of_workspaces, of_deployments),
        Listed::OfWorkspace(workspace) => {
            filter.among("t.workspace_id", [workspace.workspace()]);
            filter.require("t.deployment_id IS NULL".into());
        }
        Listed::OfDeployment(deployment) => filter.among("t.deployment_id", [deployment.deployment()]),
        Listed::For(deployment) => {
            filter.among("t.workspace_id", [deployment.workspace()]);
            let this = filter.bind([deployment.deployment()]);
            from += &join_link(&this);
            filter.require(has(&this));
        }
    }
    if let Some(kind) = query.object_type {
        filter.among("t.object_type", [kind.as_str()]);
    }
    if let Some(key) = &query.object_key {
        filter.among("t.object_key", [key]);
    }
    filter.page(db, EnvironmentObject::COLUMNS, &from, "", &Page::of(query)).await
}

fn require_reach<'a>(filter: &mut Filter<'a>, of_workspaces: &'a Reach, of_deployments: &'a Reach) {
    if of_workspaces.is_everywhere() && of_deployments.is_everywhere() {
        return;
    }
    let mut conditions = Vec::new();
    for (reach, of_these) in
        [(of_workspaces, "t.deployment_id IS NULL"), (of_deployments, "t.deployment_id IS NOT NULL")]
    {
        conditions.push(if reach.is_everywhere() {
            of_these.to_owned()
        } else {
            let (workspaces, these) = (filter.bind(reach.workspaces()), filter.bind(reach.deployments()));
            format!("({of_these} AND (t.workspace_id IN ({workspaces}) OR t.deployment_id IN ({these})))")
        });
    }
    filter.require(format!("({})", conditions.join(" OR ")));
}

/// Joins what the Deployment of a placeholder has to do with each object.
fn join_link(deployment: &str) -> String {
    format!(" LEFT JOIN environment_object_links l ON l.object_id = t.id AND l.deployment_id = {deployment}")
}

/// Whether the Deployment of a placeholder has an object: its own, or one of its Workspace that it
/// is linked to and has nothing of its own in place of.
fn has(deployment: &str) -> String {
    format!(
        "(t.deployment_id = {deployment} OR (t.deployment_id IS NULL AND COALESCE(NOT l.is_excluded, t.auto_link) \
         AND NOT EXISTS (SELECT 1 FROM environment_objects o WHERE o.deployment_id = {deployment} \
         AND o.object_type = t.object_type AND o.object_key = t.object_key)))"
    )
}

/// What a task finds under a key: the object that the Deployment of its agent token has.
///
/// # Errors
///
/// Those of the database.
pub async fn find(
    db: &impl Reads,
    token: &LiveToken,
    workspace: &WorkspaceId,
    kind: EnvironmentObjectType,
    key: &str,
) -> Result<Option<Found>> {
    let sql = format!("{} AND t.object_key = $4", found());
    db.conn().one(&sql, params![&token.deployment, workspace, kind.as_str(), key]).await
}

/// All objects of a type that the Deployment of an agent token has, by their keys.
///
/// # Errors
///
/// Those of the database.
pub async fn find_all(
    db: &impl Reads,
    token: &LiveToken,
    workspace: &WorkspaceId,
    kind: EnvironmentObjectType,
) -> Result<Vec<Found>> {
    let sql = format!("{} ORDER BY t.object_key{}", found(), db.conn().text_order());
    db.conn().all(&sql, params![&token.deployment, workspace, kind.as_str()]).await
}

/// What the Deployment `$1` in the Workspace `$2` has of the type `$3`.
fn found() -> String {
    let (columns, link, has) = (Found::COLUMNS, join_link("$1"), has("$1"));
    format!(
        "SELECT {columns} FROM environment_objects t{link} WHERE t.workspace_id = $2 AND t.object_type = $3 AND {has}"
    )
}

/// One of the Organization's objects.
///
/// # Errors
///
/// [`Error::NotFound`] when it is not there.
pub async fn get(
    db: &impl Reads,
    granted: &Granted<scope::Organization>,
    id: &EnvironmentObjectId,
) -> Result<EnvironmentObject> {
    let sql = format!(
        "SELECT {} FROM environment_objects t{JOIN_SUBJECTS} WHERE t.id = $1 AND t.organization_id = $2",
        EnvironmentObject::COLUMNS
    );
    let found = db.conn().one(&sql, params![id, granted.organization()]).await?;
    found.ok_or_else(|| Error::NotFound("environment object".into()))
}

/// [`get`], such that the object stays as it is until this change is committed or dropped.
///
/// # Errors
///
/// As [`get`].
pub async fn get_for_good(
    w: &Writing,
    granted: &Granted<scope::Organization>,
    id: &EnvironmentObjectId,
) -> Result<EnvironmentObject> {
    w.conn().lock_row("environment_objects", id.as_str()).await?;
    get(w, granted, id).await
}

/// Whether the Workspace or Deployment has an object of the type with this key. It must be kept
/// from being changed meanwhile ([`crate::locate::locate_for_good`]).
///
/// # Errors
///
/// Those of the database.
pub async fn has_key(w: &Writing, place: &Place, kind: EnvironmentObjectType, key: &str) -> Result<bool> {
    let (condition, id) = match place {
        Place::Deployment(_, _, deployment) => ("deployment_id = $1", deployment.as_str()),
        Place::Workspace(_, workspace) => ("workspace_id = $1 AND deployment_id IS NULL", workspace.as_str()),
        Place::Installation | Place::Organization(_) => return Ok(false),
    };
    let sql =
        format!("SELECT COUNT(*) FROM environment_objects WHERE {condition} AND object_type = $2 AND object_key = $3");
    Ok(w.conn().count(&sql, params![id, kind.as_str(), key]).await? > 0)
}

/// Keeps a new object. Its links are kept by [`replace_links`].
///
/// # Errors
///
/// Those of the database.
pub async fn insert(w: &Writing, object: &NewEnvironmentObject<'_>, stamp: &Stamp) -> Result<()> {
    let (organization, workspace, deployment) = match object.place {
        Place::Deployment(organization, workspace, deployment) => (organization, workspace, Some(deployment.as_str())),
        Place::Workspace(organization, workspace) => (organization, workspace, None),
        other => return Err(Error::internal(format!("an environment object cannot belong to {other:?}"))),
    };
    let sql = "INSERT INTO environment_objects (id, organization_id, workspace_id, deployment_id, object_type, \
               object_key, description, auto_link, value, value_key, created_at, created_by, updated_at, updated_by) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $11, $12)";
    let values = params![
        object.id,
        organization,
        workspace,
        deployment,
        object.kind.as_str(),
        object.key,
        object.description,
        object.auto_link,
        object.value.bytes.as_slice(),
        &object.value.key_id,
        stamp.at,
        &stamp.by,
    ];
    w.conn().execute(sql, values).await?;
    Ok(())
}

/// What a new object is made of.
pub struct NewEnvironmentObject<'a> {
    /// Its id.
    pub id: &'a EnvironmentObjectId,
    /// What it belongs to: a Workspace or a Deployment.
    pub place: &'a Place,
    /// What it is.
    pub kind: EnvironmentObjectType,
    /// The connection's id, or the variable's name.
    pub key: &'a str,
    /// What it is for.
    pub description: Option<&'a str>,
    /// Whether all Deployments of the Workspace have it.
    pub auto_link: bool,
    /// What it holds.
    pub value: &'a Sealed,
}

/// Changes an object's description, whether it is linked to all, and what it holds, to what the
/// record says now.
///
/// # Errors
///
/// Those of the database.
pub async fn update(w: &Writing, object: &EnvironmentObject, stamp: &Stamp) -> Result<()> {
    let sql = "UPDATE environment_objects SET description = $1, auto_link = $2, value = $3, value_key = $4, \
               updated_at = $5, updated_by = $6 WHERE id = $7";
    let values = params![
        &object.description,
        object.auto_link,
        object.value.bytes.as_slice(),
        &object.value.key_id,
        stamp.at,
        &stamp.by,
        &object.id,
    ];
    w.conn().execute(sql, values).await?;
    Ok(())
}

/// The links and exclusions of objects, in the order in which they were given.
///
/// # Errors
///
/// Those of the database.
pub async fn links(db: &impl Reads, objects: &[EnvironmentObject]) -> Result<Vec<Link>> {
    let values: Vec<Value<'_>> = objects.iter().map(|object| (&object.id).into()).collect();
    let sql = format!(
        "SELECT {} FROM environment_object_links WHERE object_id IN ({}) ORDER BY object_id, position",
        Link::COLUMNS,
        placeholders(1, values.len())
    );
    db.conn().all(&sql, &values).await
}

/// What one Deployment has to do with each of the objects.
///
/// # Errors
///
/// Those of the database.
pub async fn links_to(db: &impl Reads, objects: &[EnvironmentObject], deployment: &DeploymentId) -> Result<Vec<Link>> {
    let ids = objects.iter().map(|object| (&object.id).into());
    let values: Vec<Value<'_>> = std::iter::once(deployment.into()).chain(ids).collect();
    let sql = format!(
        "SELECT {} FROM environment_object_links WHERE deployment_id = $1 AND object_id IN ({})",
        Link::COLUMNS,
        placeholders(2, objects.len())
    );
    db.conn().all(&sql, &values).await
}

/// Replaces an object's links and exclusions.
///
/// # Errors
///
/// Those of the database.
pub async fn replace_links(w: &Writing, object: &EnvironmentObjectId, links: &[Link]) -> Result<()> {
    w.conn().execute("DELETE FROM environment_object_links WHERE object_id = $1", params![object]).await?;
    let sql = "INSERT INTO environment_object_links (object_id, deployment_id, is_excluded, position, overrides, \
               overrides_key) VALUES ($1, $2, $3, $4, $5, $6)";
    for (position, link) in (0_i64..).zip(links) {
        let overrides = link.overrides.as_ref();
        let (bytes, key) =
            (overrides.map(|sealed| sealed.bytes.as_slice()), overrides.map(|sealed| sealed.key_id.as_str()));
        let values = params![object, &link.deployment, link.is_excluded, position, bytes, key];
        w.conn().execute(sql, values).await?;
    }
    Ok(())
}

/// Deletes an object.
///
/// # Errors
///
/// Those of the database.
pub async fn delete(w: &Writing, object: &EnvironmentObject) -> Result<()> {
    delete_where(w, "id = $1", object.id.as_str()).await
}

/// Deletes all objects of the Deployments that the condition picks, and what they have to do with
/// others; `$1` is its value.
pub(crate) async fn delete_of_deployments(w: &Writing, these: &str, value: &str) -> Result<()> {
    let sql = format!("DELETE FROM environment_object_links WHERE deployment_id IN ({these})");
    w.conn().execute(&sql, params![value]).await?;
    delete_where(w, &format!("deployment_id IN ({these})"), value).await
}

/// Deletes all objects of a Workspace.
pub(crate) async fn delete_of_workspace(w: &Writing, workspace: &str) -> Result<()> {
    delete_where(w, "workspace_id = $1", workspace).await
}

async fn delete_where(w: &Writing, condition: &str, value: &str) -> Result<()> {
    let sql = format!(
        "DELETE FROM environment_object_links WHERE object_id IN (SELECT id FROM environment_objects WHERE {condition})"
    );
    w.conn().execute(&sql, params![value]).await?;
    w.conn().execute(&format!("DELETE FROM environment_objects WHERE {condition}"), params![value]).await?;
    Ok(())
}
