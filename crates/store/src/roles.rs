//! Custom roles.

use airlock_contract::{
    RoleId, WorkspaceId,
    permissions::scope,
    wire::{CustomRoleScopeType, ListRolesQuery},
};
use airlock_core::{
    Error, Result,
    policy::{Granted, Permissions},
};

use crate::{
    Page, Stamp, Writing,
    db::{Column, Reads, Row, params, record, sealed::Sealed},
    filter::Filter,
    role_bindings,
    subjects::JOIN_SUBJECTS,
};

record! {
    /// A custom role.
    pub struct Role {
        /// Its id.
        pub id: RoleId = "t.id",
        /// Its name.
        pub name: String = "t.name",
        /// What it is for.
        pub description: String = "t.description",
        /// What it can be granted on.
        pub scope: CustomRoleScopeType = "t.scope_type",
        /// What it permits.
        pub permissions: Permissions = "t.permissions",
        /// Where it can be used.
        pub restricted: Restricted = "t.restricted_workspace_ids",
    } and authorship
}

/// The Workspaces in which a role or a cluster can be used; all of them when there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restricted(pub Vec<WorkspaceId>);

impl Restricted {
    /// Whether what has this restriction can be used in the Workspace.
    pub fn allows(&self, workspace: &WorkspaceId) -> bool {
        self.0.is_empty() || self.0.contains(workspace)
    }
}

impl Column for Restricted {
    fn take(row: &mut Row<'_>) -> Result<Self> {
        let text: String = row.take()?;
        serde_json::from_str(&text).map(Self).map_err(|cause| crate::corrupt("list of ids", cause))
    }
}

impl Column for Permissions {
    fn take(row: &mut Row<'_>) -> Result<Self> {
        let text: String = row.take()?;
        Ok(permissions(&text))
    }
}

/// Reads a JSON array of names. Names that this version does not know permit nothing.
pub(crate) fn permissions(json: &str) -> Permissions {
    let names: Vec<String> = serde_json::from_str(json).unwrap_or_default();
    Permissions::from_names(names.iter().map(String::as_str))
}

/// What a custom role shall be like.
#[derive(Debug)]
pub struct RoleSettings<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it is for.
    pub description: &'a str,
    /// What it permits.
    pub permissions: &'a Permissions,
    /// Where it can be used.
    pub restricted: &'a [WorkspaceId],
}

impl RoleSettings<'_> {
    fn lists(&self) -> (String, String) {
        (serde_json::json!(self.permissions.names()).to_string(), serde_json::json!(self.restricted).to_string())
    }
}

/// A page of the Organization's custom roles, and how many there are.
///
/// # Errors
///
/// Those of the database.
pub async fn list(
    db: &impl Reads,
    granted: &Granted<scope::Organization>,
    query: &ListRolesQuery,
) -> Result<(Vec<Role>, u32)> {
    let mut filter = Filter::of_organization(granted.organization());
    if !query.scope_types.is_empty() {
        filter.among("t.scope_type", query.scope_types.iter().map(|scope| scope.as_str()));
    }
    filter.page(db, Role::COLUMNS, "roles t", "", &Page::of(query)).await
}

/// One of the Organization's custom roles.
///
/// # Errors
///
/// [`Error::NotFound`] when it is not there.
pub async fn get(db: &impl Reads, granted: &Granted<scope::Organization>, id: &RoleId) -> Result<Role> {
    let sql =
        format!("SELECT {} FROM roles t{JOIN_SUBJECTS} WHERE t.id = $1 AND t.organization_id = $2", Role::COLUMNS);
    let found = db.conn().one(&sql, params![id, granted.organization()]).await?;
    found.ok_or(Error::NotFound("role".into()))
}

/// The Organization's custom role of that name.
///
/// # Errors
///
/// Those of the database.
pub async fn named(db: &impl Reads, granted: &Granted<scope::Organization>, name: &str) -> Result<Option<Role>> {
    let sql =
        format!("SELECT {} FROM roles t{JOIN_SUBJECTS} WHERE t.name = $1 AND t.organization_id = $2", Role::COLUMNS);
    db.conn().one(&sql, params![name, granted.organization()]).await
}

/// Keeps the Organization's roles as they are until this change is committed or dropped, so that
/// two roles cannot get the same name, nor anybody a role that is being deleted.
///
/// # Errors
///
/// Those of the database.
pub async fn lock(w: &Writing, granted: &Granted<scope::Organization>) -> Result<()> {
    w.conn().lock_row("organizations", granted.organization().as_str()).await
}

/// Keeps a new role.
///
/// # Errors
///
/// Those of the database.
pub async fn insert(
    w: &Writing,
    granted: &Granted<scope::Organization>,
    id: &RoleId,
    scope: CustomRoleScopeType,
    role: &RoleSettings<'_>,
    stamp: &Stamp,
) -> Result<()> {
    let sql = "INSERT INTO roles (id, organization_id, name, description, scope_type, permissions, \
               restricted_workspace_ids, created_at, created_by, updated_at, updated_by) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $8, $9)";
    let (permissions, restricted) = role.lists();
    let values = params![
        id,
        granted.organization(),
        role.name,
        role.description,
        scope.as_str(),
        &permissions,
        &restricted,
        stamp.at,
        &stamp.by,
    ];
    w.conn().execute(sql, values).await?;
    Ok(())
}

/// Changes a role. Whoever has it by its old name has it by its new one.
///
/// # Errors
///
/// Those of the database.
pub async fn update(
    w: &Writing,
    granted: &Granted<scope::Organization>,
    old: &Role,
    role: &RoleSettings<'_>,
    stamp: &Stamp,
) -> Result<()> {
    w.touch_authority();
    let sql = "UPDATE roles SET name = $1, description = $2, permissions = $3, restricted_workspace_ids = $4, \
               updated_at = $5, updated_by = $6 WHERE id = $7";
    let (permissions, restricted) = role.lists();
    let values = params![role.name, role.description, &permissions, &restricted, stamp.at, &stamp.by, &old.id];
    w.conn().execute(sql, values).await?;
    role_bindings::rename(w, granted.organization(), &old.name, role.name).await
}

/// Deletes a role.
///
/// # Errors
///
/// Those of the database.
pub async fn delete(w: &Writing, role: &Role) -> Result<()> {
    w.touch_authority();
    w.conn().execute("DELETE FROM roles WHERE id = $1", params![&role.id]).await?;
    Ok(())
}
