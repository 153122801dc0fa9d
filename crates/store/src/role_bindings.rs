//! Who holds which role on what. An API token, a user and a team hold roles in the same way.

use airlock_contract::{
    DeploymentId, OrganizationId, RoleHolderId, WorkspaceId,
    permissions::scope,
    wire::{ApiTokenKind, ApiTokenRole, EntityType},
};
use airlock_core::{
    Result,
    policy::{Binding, Entity, Granted, Permissions, Place, Reach, roles as builtin},
};

use crate::{
    Writing,
    db::{Reads, Value, params, placeholders, record, sealed::Sealed},
    filter::Filter,
    roles,
};

/// A record of somebody who holds roles.
pub trait RoleHolder {
    /// Its id, as that of a holder.
    fn holder_id(&self) -> RoleHolderId;
}

record! {
    /// A role that somebody holds, as it is kept.
    pub struct RoleBinding {
        /// Who.
        pub holder: RoleHolderId = "b.holder_id",
        /// Which of its roles, for the database.
        position: i64 = "b.position",
        /// The role's name.
        pub role: String = "b.role",
        /// The kind of thing that it is on.
        pub entity_type: EntityType = "b.entity_type",
        /// That thing.
        pub entity_id: String = "b.entity_id",
        /// The Deployment of a Dag.
        pub deployment: Option<DeploymentId> = "b.deployment_id",
        /// What it permits, when that was fixed at the token's creation.
        pub fixed: Option<String> = "b.permissions",
        /// The Workspace of the Deployment that it is on or within.
        workspace: Option<WorkspaceId> = "d.workspace_id",
    }
}

impl RoleBinding {
    /// What the role permits for good, for DIRECT_ACCESS.
    pub fn fixed_permissions(&self) -> Option<Permissions> {
        self.fixed.as_deref().map(roles::permissions)
    }

    /// What the role is on, in its Organization, or the Deployment that has the Dags; `None` when a
    /// Deployment is gone.
    pub fn place(&self, organization: &OrganizationId) -> Option<Place> {
        let organization = organization.clone();
        let deployment = match self.entity_type {
            EntityType::Organization => return Some(Place::Organization(organization)),
            EntityType::Workspace => return Some(Place::Workspace(organization, self.entity_id.as_str().into())),
            EntityType::Deployment => self.entity_id.as_str().into(),
            EntityType::Dag | EntityType::DagTag => self.deployment.clone()?,
        };
        Some(Place::Deployment(organization, self.workspace.clone()?, deployment))
    }
}

impl From<RoleBinding> for ApiTokenRole {
    fn from(row: RoleBinding) -> Self {
        let deployment_id = row.deployment.filter(|_| is_on_dags(row.entity_type));
        Self { role: row.role, entity_type: row.entity_type, entity_id: row.entity_id, deployment_id }
    }
}

/// Whether a role is on Dags, and so within a Deployment that it names besides.
pub fn is_on_dags(on: EntityType) -> bool {
    matches!(on, EntityType::Dag | EntityType::DagTag)
}

/// The Deployment that a role `b` is on or within. What else one names that is on no Dag has no say.
const ITS_DEPLOYMENT: &str = "CASE WHEN b.entity_type = 'DEPLOYMENT' THEN b.entity_id \
                              WHEN b.entity_type IN ('DAG', 'DAG_TAG') THEN b.deployment_id END";

/// A role that somebody shall hold.
#[derive(Debug)]
pub struct NewRole<'a> {
    /// The role and what it is on.
    pub role: &'a ApiTokenRole,
    /// What it shall permit for good, for DIRECT_ACCESS.
    pub fixed: Option<&'a Permissions>,
}

/// Gives a holder roles, after those that it has.
pub(crate) async fn insert(
    w: &Writing,
    organization: &OrganizationId,
    holder: &RoleHolderId,
    roles: &[NewRole<'_>],
) -> Result<()> {
    let sql = "INSERT INTO role_bindings (holder_id, position, organization_id, role, entity_type, entity_id, \
               deployment_id, permissions) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let next = "SELECT COALESCE(MAX(position) + 1, 0) FROM role_bindings WHERE holder_id = $1";
    let next = w.conn().count(next, params![holder]).await?;
    for (position, NewRole { role, fixed }) in (next..).zip(roles) {
        let fixed = fixed.map(|fixed| serde_json::json!(fixed.names()).to_string());
        let deployment = role.deployment_id.as_ref().map(|id| id.as_str());
        let on = role.entity_type.as_str();
        let values = params![holder, position, organization, &role.role, on, &role.entity_id, deployment, &fixed];
        w.conn().execute(sql, values).await?;
    }
    Ok(())
}

/// Gives a holder these roles instead of those it has.
pub(crate) async fn replace(
    w: &Writing,
    granted: &Granted<scope::Organization>,
    holder: &impl RoleHolder,
    roles: &[NewRole<'_>],
) -> Result<()> {
    let holder = holder.holder_id();
    delete_of(w, &holder).await?;
    insert(w, granted.organization(), &holder, roles).await
}

/// Takes some of its roles from a holder, and gives it others. The rest is not touched, so what
/// another transaction takes meanwhile does not come back.
///
/// # Errors
///
/// Those of the database.
pub async fn exchange(
    w: &Writing,
    granted: &Granted<scope::Organization>,
    holder: &impl RoleHolder,
    taken: &[RoleBinding],
    given: &[NewRole<'_>],
) -> Result<()> {
    let holder = holder.holder_id();
    w.touch_authority();
    let mut values: Vec<Value<'_>> = vec![(&holder).into()];
    values.extend(taken.iter().map(|role| Value::from(role.position)));
    let these = placeholders(2, taken.len());
    let sql = format!("DELETE FROM role_bindings WHERE holder_id = $1 AND position IN ({these})");
    w.conn().execute(&sql, &values).await?;
    insert(w, granted.organization(), &holder, given).await
}

/// Takes all its roles from a holder.
pub(crate) async fn delete_of(w: &Writing, holder: &RoleHolderId) -> Result<()> {
    w.touch_authority();
    w.conn().execute("DELETE FROM role_bindings WHERE holder_id = $1", params![holder]).await?;
    Ok(())
}

/// Takes the roles away that anybody holds on a thing that is deleted.
pub(crate) async fn delete_on(w: &Writing, entity_id: &str) -> Result<()> {
    delete_on_those(w, "= $1", entity_id).await
}

/// [`delete_on`] for all things whose id fulfils the condition on `$1`.
pub(crate) async fn delete_on_those(w: &Writing, condition: &str, value: &str) -> Result<()> {
    w.touch_authority();
    let sql = format!("DELETE FROM role_bindings WHERE entity_id {condition} OR deployment_id {condition}");
    w.conn().execute(&sql, params![value]).await?;
    Ok(())
}

/// Whoever holds a custom role by its old name holds it by its new one.
pub(crate) async fn rename(w: &Writing, organization: &OrganizationId, old: &str, new: &str) -> Result<()> {
    w.touch_authority();
    let sql = "UPDATE role_bindings SET role = $1 WHERE role = $2 AND organization_id = $3";
    w.conn().execute(sql, params![new, old, organization]).await?;
    Ok(())
}

/// The roles of holders, in their order.
///
/// # Errors
///
/// Those of the database.
pub async fn of(db: &impl Reads, holders: &[impl RoleHolder]) -> Result<Vec<RoleBinding>> {
    of_holders(db, &holders.iter().map(RoleHolder::holder_id).collect::<Vec<_>>()).await
}

pub(crate) async fn of_holders(db: &impl Reads, holders: &[RoleHolderId]) -> Result<Vec<RoleBinding>> {
    let values: Vec<Value<'_>> = holders.iter().map(Into::into).collect();
    let sql = format!(
        "SELECT {} FROM role_bindings b LEFT JOIN deployments d ON d.id = {ITS_DEPLOYMENT} \
         WHERE b.holder_id IN ({}) ORDER BY b.holder_id, b.position",
        RoleBinding::COLUMNS,
        placeholders(1, values.len())
    );
    db.conn().all(&sql, &values).await
}

/// Names of those who hold a role of the Organization, to tell who stands in the way of changing
/// it: API tokens of one kind, or everybody.
///
/// # Errors
///
/// Those of the database.
pub async fn holders_of(
    db: &impl Reads,
    granted: &Granted<scope::Organization>,
    role: &str,
    kind: Option<ApiTokenKind>,
) -> Result<Vec<String>> {
    let order = db.conn().text_order();
    let sql = format!(
        "SELECT h.name FROM (\
         SELECT id, name, kind FROM api_tokens WHERE organization_id = $1 AND deleted_at IS NULL \
         UNION ALL SELECT id, username, 'USER' FROM users WHERE organization_id = $1 \
         UNION ALL SELECT id, name, 'TEAM' FROM teams WHERE organization_id = $1) h \
         WHERE (h.kind = $3 OR CAST($3 AS TEXT) IS NULL) \
         AND EXISTS (SELECT 1 FROM role_bindings b WHERE b.holder_id = h.id AND b.role = $2) ORDER BY h.name{order}"
    );
    let kind = kind.map(ApiTokenKind::as_str);
    let names: Vec<(String,)> = db.conn().all(&sql, params![granted.organization(), role, kind]).await?;
    Ok(names.into_iter().map(|(name,)| name).collect())
}

/// The things that a list of holders can be narrowed to: those with a role on each that is given.
#[derive(Debug, Default)]
pub(crate) struct On<'a> {
    pub(crate) workspace: Option<&'a WorkspaceId>,
    pub(crate) deployment: Option<&'a DeploymentId>,
    pub(crate) dag: Option<&'a String>,
    pub(crate) dag_tags: &'a [String],
    /// No other roles count, if this is given.
    pub(crate) seen: Option<&'a Seen>,
}

impl<'a> On<'a> {
    /// Demands of a list of holders what was asked for.
    pub(crate) fn narrow(self, filter: &mut Filter<'a>) {
        let mut asked = Vec::new();
        if let Some(workspace) = self.workspace {
            asked.push(on_workspaces(&filter.bind([workspace])));
        }
        if let Some(deployment) = self.deployment {
            asked.push(on_deployments(&filter.bind([deployment])));
        }
        if let Some(dag) = self.dag {
            asked.push(format!("b.entity_type = 'DAG' AND b.entity_id = {}", filter.bind([dag])));
        }
        if !self.dag_tags.is_empty() {
            asked.push(format!("b.entity_type = 'DAG_TAG' AND b.entity_id IN ({})", filter.bind(self.dag_tags)));
        }
        if asked.is_empty() {
            return; // and so needs no values for what the caller sees
        }
        let seen = self.seen.map(|seen| within(filter, &seen.workspaces, &seen.deployments));
        for on in asked {
            let on = seen.as_ref().map_or_else(|| on.clone(), |seen| format!("{on} AND {seen}"));
            filter.require(has_role(&on));
        }
    }
}

/// What of an Organization the caller sees. Of a role on anything else it learns nothing.
#[derive(Debug)]
pub struct Seen {
    /// The Workspaces.
    pub workspaces: Reach,
    /// The Deployments.
    pub deployments: Reach,
}

/// Where in an Organization the caller may see who holds a role there: in all of it, or in some
/// Workspaces and on some Deployments.
#[derive(Debug)]
pub struct VisibleHolders {
    /// Whether whoever belongs to the Organization.
    pub organization: Reach,
    /// Those with a role on these Workspaces.
    pub workspaces: Reach,
    /// Those with a role on these Deployments.
    pub deployments: Reach,
    /// The roles of theirs that the caller may see.
    pub seen: Seen,
}

impl VisibleHolders {
    /// The holders of the Organization that the caller may see.
    pub(crate) fn filter(&self) -> Filter<'_> {
        let mut filter = Filter::of_organization(self.organization.organization());
        if self.organization.is_everywhere() {
            return filter;
        }
        let on = within(&mut filter, &self.workspaces, &self.deployments);
        filter.require(has_role(&on));
        filter
    }

    /// Whether the caller may see one of the holders in a table `t`.
    pub(crate) async fn shows(&self, db: &impl Reads, from: &str, id: &str) -> Result<bool> {
        if self.organization.is_everywhere() {
            return Ok(true);
        }
        let mut filter = self.filter();
        filter.among("t.id", [id]);
        filter.matches(db, from).await
    }
}

/// A condition on a holder `t`: that it has a role that is on something.
fn has_role(on: &str) -> String {
    format!("EXISTS (SELECT 1 FROM role_bindings b WHERE b.holder_id = t.id AND {on})")
}

/// A condition on a role `b`: that it is on one of these Workspaces, or on or within one of these
/// Deployments.
fn within<'a>(filter: &mut Filter<'a>, workspaces: &'a Reach, deployments: &'a Reach) -> String {
    let on_workspaces = if workspaces.is_everywhere() {
        "b.entity_type = 'WORKSPACE'".to_owned()
    } else {
        on_workspaces(&filter.bind(workspaces.workspaces()))
    };
    let on_deployments = if deployments.is_everywhere() {
        "b.entity_type IN ('DEPLOYMENT', 'DAG', 'DAG_TAG')".to_owned()
    } else {
        let of_workspaces = filter.bind(deployments.workspaces());
        let these = filter.bind(deployments.deployments());
        on_deployments(&format!(
            "SELECT d.id FROM deployments d WHERE d.workspace_id IN ({of_workspaces}) OR d.id IN ({these})"
        ))
    };
    format!("({on_workspaces} OR {on_deployments})")
}

fn on_workspaces(these: &str) -> String {
    format!("(b.entity_type = 'WORKSPACE' AND b.entity_id IN ({these}))")
}

fn on_deployments(these: &str) -> String {
    format!("({ITS_DEPLOYMENT} IN ({these}))")
}

record! {
    /// A role that somebody holds, with what is needed to know what it permits.
    pub struct HeldRole {
        role: String = "b.role",
        entity_type: EntityType = "b.entity_type",
        entity_id: String = "b.entity_id",
        fixed: Option<String> = "b.permissions",
        workspace: Option<WorkspaceId> = "d.workspace_id",
        deployment: Option<DeploymentId> = "d.id",
        custom: Option<String> = "c.permissions",
        restricted: Option<String> = "c.restricted_workspace_ids",
    }
}

/// What somebody may do who has the roles of these holders: the union of what each permits.
pub(crate) async fn held(db: &impl Reads, holders: &[RoleHolderId]) -> Result<Vec<Binding>> {
    let values: Vec<Value<'_>> = holders.iter().map(Into::into).collect();
    let sql = format!(
        "SELECT {} FROM role_bindings b \
         LEFT JOIN deployments d ON d.id = {ITS_DEPLOYMENT} \
         LEFT JOIN roles c ON c.organization_id = b.organization_id AND c.name = b.role \
         WHERE b.holder_id IN ({}) ORDER BY b.holder_id, b.position",
        HeldRole::COLUMNS,
        placeholders(1, values.len())
    );
    let held: Vec<HeldRole> = db.conn().all(&sql, &values).await?;
    Ok(held.into_iter().filter_map(binding).collect())
}

/// What a held role comes to: nothing, when what it is on is gone, or the role may not be used
/// there any more.
fn binding(held: HeldRole) -> Option<Binding> {
    let on = match held.entity_type {
        EntityType::Organization => Entity::Organization,
        EntityType::Workspace => Entity::Workspace(held.entity_id.as_str().into()),
        EntityType::Deployment => Entity::Deployment(held.workspace.clone()?, held.deployment?),
        EntityType::Dag | EntityType::DagTag => Entity::Dag(held.workspace.clone()?, held.deployment?),
    };
    let permits = if let Some(fixed) = held.fixed {
        roles::permissions(&fixed)
    } else if let Some(custom) = held.custom {
        let restricted: Vec<WorkspaceId> = serde_json::from_str(&held.restricted?).ok()?;
        if !restricted.is_empty() && !held.workspace.is_some_and(|workspace| restricted.contains(&workspace)) {
            return None;
        }
        roles::permissions(&custom)
    } else {
        builtin::permissions_of(&held.role)?
    };
    Some(Binding::new(on, permits))
}
