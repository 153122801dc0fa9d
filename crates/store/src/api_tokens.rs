//! API tokens and their roles. Of a token's value only a hash is kept.

use airlock_contract::{
    ApiTokenId, DeploymentId, OrganizationId, Time, WorkspaceId,
    permissions::scope,
    wire::{ApiTokenKind, ApiTokenRole, ApiTokenScope, EntityType, ListApiTokensQuery, SubjectType},
};
use airlock_core::{
    Error, Result,
    api_token::TokenHash,
    policy::{Binding, Caller, Entity, Granted, Permissions, Place, Reach, roles as builtin},
};

use crate::{
    Page, Stamp, Writing,
    db::{Reads, Value, params, placeholders, record, sealed::Sealed},
    filter::Filter,
    roles,
    subjects::{self, JOIN_SUBJECTS},
};

record! {
    /// An API token that is not deleted.
    pub struct ApiToken {
        /// Its id.
        pub id: ApiTokenId = "t.id",
        /// Its name.
        pub name: String = "t.name",
        /// What it is for.
        pub description: String = "t.description",
        /// STANDARD or DIRECT_ACCESS.
        pub kind: ApiTokenKind = "t.kind",
        /// The level that it belongs to.
        pub scope: ApiTokenScope = "t.scope",
        /// The Organization that it belongs to.
        pub organization: OrganizationId = "t.organization_id",
        /// The Workspace that it belongs to, if its scope is WORKSPACE.
        pub workspace: Option<WorkspaceId> = "t.workspace_id",
        /// The Deployment that it belongs to, if its scope is DEPLOYMENT.
        pub deployment: Option<DeploymentId> = "t.deployment_id",
        /// The Workspace of that Deployment.
        pub deployments_workspace: Option<WorkspaceId> = "d.workspace_id",
        /// The end of its value.
        pub short_token: String = "t.short_token",
        /// From when it is good.
        pub start_at: Time = "t.start_at",
        /// When it ends.
        pub end_at: Option<Time> = "t.end_at",
        /// The days after which it ends, as they were asked for.
        pub expiry_days: Option<u32> = "t.expiry_days",
        /// When it was last used.
        pub last_used_at: Option<Time> = "t.last_used_at",
        /// When it was last rotated.
        pub last_rotated_at: Option<Time> = "t.last_rotated_at",
    } and authorship
}

/// The table, with the Deployment of tokens that belong to one.
const FROM: &str = "api_tokens t LEFT JOIN deployments d ON d.id = t.deployment_id";

impl ApiToken {
    /// What the token belongs to, as the policy knows it.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] when that is gone, and so the token.
    pub fn place(&self) -> Result<Place> {
        let organization = self.organization.clone();
        match (self.scope, &self.workspace, &self.deployment, &self.deployments_workspace) {
            (ApiTokenScope::Organization, ..) => Ok(Place::Organization(organization)),
            (ApiTokenScope::Workspace, Some(workspace), ..) => Ok(Place::Workspace(organization, workspace.clone())),
            (ApiTokenScope::Deployment, _, Some(deployment), Some(workspace)) => {
                Ok(Place::Deployment(organization, workspace.clone(), deployment.clone()))
            }
            _ => Err(Error::NotFound("API token".into())),
        }
    }
}

record! {
    /// A role of a token, as it is kept.
    pub struct RoleRow {
        /// The token.
        pub token: ApiTokenId = "r.token_id",
        /// The role's name.
        pub role: String = "r.role",
        /// The kind of thing that it is on.
        pub entity_type: EntityType = "r.entity_type",
        /// That thing.
        pub entity_id: String = "r.entity_id",
        /// The Deployment of a Dag.
        pub deployment: Option<DeploymentId> = "r.deployment_id",
        /// What it permits, when that was fixed at the token's creation.
        pub fixed: Option<String> = "r.permissions",
    }
}

impl From<RoleRow> for ApiTokenRole {
    fn from(row: RoleRow) -> Self {
        Self { role: row.role, entity_type: row.entity_type, entity_id: row.entity_id, deployment_id: row.deployment }
    }
}

/// A role that a token shall have.
#[derive(Debug)]
pub struct NewRole<'a> {
    /// The role and what it is on.
    pub role: &'a ApiTokenRole,
    /// What it shall permit for good, for DIRECT_ACCESS.
    pub fixed: Option<&'a Permissions>,
}

/// What a new API token is made of.
#[derive(Debug)]
pub struct NewApiToken<'a> {
    /// Its id.
    pub id: &'a ApiTokenId,
    /// Its name.
    pub name: &'a str,
    /// What it is for.
    pub description: &'a str,
    /// STANDARD or DIRECT_ACCESS.
    pub kind: ApiTokenKind,
    /// What it belongs to.
    pub place: &'a Place,
    /// The hash of its value.
    pub hash: TokenHash,
    /// The end of its value.
    pub short_token: &'a str,
    /// When it ends.
    pub end_at: Option<Time>,
    /// The days after which it ends.
    pub expiry_days: Option<u32>,
    /// Its roles.
    pub roles: &'a [NewRole<'a>],
}

/// Keeps a new token and its roles.
///
/// # Errors
///
/// Those of the database.
pub async fn insert(
    w: &Writing,
    granted: &Granted<scope::Organization>,
    token: &NewApiToken<'_>,
    stamp: &Stamp,
) -> Result<()> {
    insert_into(w, granted.organization(), token, stamp).await
}

pub(crate) async fn insert_into(
    w: &Writing,
    organization: &OrganizationId,
    token: &NewApiToken<'_>,
    stamp: &Stamp,
) -> Result<()> {
    let (scope, workspace, deployment) = match token.place {
        Place::Workspace(_, workspace) => (ApiTokenScope::Workspace, Some(workspace), None),
        Place::Deployment(_, _, deployment) => (ApiTokenScope::Deployment, None, Some(deployment)),
        Place::Organization(_) | Place::Installation => (ApiTokenScope::Organization, None, None),
    };
    subjects::put(w, &token.id.clone().into(), SubjectType::ServiceKey, token.name).await?;
    let sql = "INSERT INTO api_tokens (id, organization_id, workspace_id, deployment_id, name, description, kind, \
               scope, hash, short_token, start_at, end_at, expiry_days, created_at, created_by, updated_at, updated_by) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $11, $14, $11, $14)";
    let values = params![
        token.id,
        organization,
        workspace.map(|id| id.as_str()),
        deployment.map(|id| id.as_str()),
        token.name,
        token.description,
        token.kind.as_str(),
        scope.as_str(),
        &token.hash,
        token.short_token,
        stamp.at,
        token.end_at,
        token.expiry_days,
        &stamp.by,
    ];
    w.conn().execute(sql, values).await?;
    insert_roles(w, token.id, token.roles).await
}

async fn insert_roles(w: &Writing, id: &ApiTokenId, roles: &[NewRole<'_>]) -> Result<()> {
    let sql = "INSERT INTO api_token_roles (token_id, position, role, entity_type, entity_id, deployment_id, \
               permissions) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    for (position, NewRole { role, fixed }) in (0_i64..).zip(roles) {
        let fixed = fixed.map(|fixed| serde_json::json!(fixed.names()).to_string());
        let deployment = role.deployment_id.as_ref().map(|id| id.as_str());
        let values = params![id, position, &role.role, role.entity_type.as_str(), &role.entity_id, deployment, &fixed];
        w.conn().execute(sql, values).await?;
    }
    Ok(())
}

/// Replaces a token's roles.
///
/// # Errors
///
/// Those of the database.
pub async fn replace_roles(w: &Writing, token: &ApiToken, roles: &[NewRole<'_>], stamp: &Stamp) -> Result<()> {
    w.touch_authority();
    w.conn().execute("DELETE FROM api_token_roles WHERE token_id = $1", params![&token.id]).await?;
    insert_roles(w, &token.id, roles).await?;
    let sql = "UPDATE api_tokens SET updated_at = $1, updated_by = $2 WHERE id = $3";
    w.conn().execute(sql, params![stamp.at, &stamp.by, &token.id]).await?;
    Ok(())
}

/// Where in the Organization the caller may see tokens: one answer for each scope.
#[derive(Debug)]
pub struct Visible {
    /// Whether those of the Organization.
    pub organization: bool,
    /// In which Workspaces those of WORKSPACE scope.
    pub workspaces: Reach,
    /// For which Deployments those of DEPLOYMENT scope.
    pub deployments: Reach,
}

/// A page of the tokens that the caller may see, and how many there are.
///
/// # Errors
///
/// Those of the database.
pub async fn list(db: &impl Reads, visible: &Visible, query: &ListApiTokensQuery) -> Result<(Vec<ApiToken>, u32)> {
    let mut filter = Filter::of_organization(visible.workspaces.organization());
    filter.require("t.deleted_at IS NULL".into());
    may_see(&mut filter, visible);
    asked_for(&mut filter, query);
    filter.page(db, ApiToken::COLUMNS, FROM, &Page::of(query)).await
}

fn may_see<'a>(filter: &mut Filter<'a>, visible: &'a Visible) {
    let mut any = Vec::new();
    if visible.organization {
        any.push("t.scope = 'ORGANIZATION'".to_owned());
    }
    any.push(if visible.workspaces.is_everywhere() {
        "t.scope = 'WORKSPACE'".to_owned()
    } else {
        let these = filter.bind(visible.workspaces.workspaces());
        format!("t.workspace_id IN ({these})")
    });
    any.push(if visible.deployments.is_everywhere() {
        "t.scope = 'DEPLOYMENT'".to_owned()
    } else {
        let workspaces = filter.bind(visible.deployments.workspaces());
        let these = filter.bind(visible.deployments.deployments());
        format!("d.workspace_id IN ({workspaces}) OR t.deployment_id IN ({these})")
    });
    filter.require(format!("({})", any.join(" OR ")));
}

fn asked_for<'a>(filter: &mut Filter<'a>, query: &'a ListApiTokensQuery) {
    let has_role = |on: String| format!("EXISTS (SELECT 1 FROM api_token_roles r WHERE r.token_id = t.id AND {on})");
    if let Some(kind) = query.kind {
        let kind = filter.bind([kind.as_str()]);
        filter.require(format!("t.kind = {kind}"));
    }
    if query.include_only_organization_tokens == Some(true) {
        filter.require("t.scope = 'ORGANIZATION'".to_owned());
    }
    if let Some(workspace) = &query.workspace_id {
        let workspace = filter.bind([workspace]);
        filter.require(has_role(format!("r.entity_type = 'WORKSPACE' AND r.entity_id = {workspace}")));
    }
    if let Some(deployment) = &query.deployment_id {
        let deployment = filter.bind([deployment]);
        filter.require(has_role(format!(
            "((r.entity_type = 'DEPLOYMENT' AND r.entity_id = {deployment}) OR r.deployment_id = {deployment})"
        )));
    }
    if let Some(dag) = &query.dag_id {
        let dag = filter.bind([dag]);
        filter.require(has_role(format!("r.entity_type = 'DAG' AND r.entity_id = {dag}")));
    }
    if !query.dag_tags.is_empty() {
        let tags = filter.bind(&query.dag_tags);
        filter.require(has_role(format!("r.entity_type = 'DAG_TAG' AND r.entity_id IN ({tags})")));
    }
}

/// One of the Organization's tokens. Whether the caller may see it is for [`ApiToken::place`].
///
/// # Errors
///
/// [`Error::NotFound`] when it is not there.
pub async fn get(db: &impl Reads, granted: &Granted<scope::Organization>, id: &ApiTokenId) -> Result<ApiToken> {
    let sql = format!(
        "SELECT {} FROM {FROM}{JOIN_SUBJECTS} WHERE t.id = $1 AND t.organization_id = $2 AND t.deleted_at IS NULL",
        ApiToken::COLUMNS
    );
    let found = db.conn().one(&sql, params![id, granted.organization()]).await?;
    found.ok_or(Error::NotFound("API token".into()))
}

/// The roles of tokens, in their order.
///
/// # Errors
///
/// Those of the database.
pub async fn roles_of(db: &impl Reads, tokens: &[ApiToken]) -> Result<Vec<RoleRow>> {
    let values: Vec<Value<'_>> = tokens.iter().map(|token| (&token.id).into()).collect();
    let sql = format!(
        "SELECT {} FROM api_token_roles r WHERE r.token_id IN ({}) ORDER BY r.token_id, r.position",
        RoleRow::COLUMNS,
        placeholders(1, values.len())
    );
    db.conn().all(&sql, &values).await
}

/// Changes a token's name and description.
///
/// # Errors
///
/// Those of the database.
pub async fn update(w: &Writing, token: &ApiToken, name: &str, description: &str, stamp: &Stamp) -> Result<()> {
    w.touch_authority(); // a remembered caller has the name
    subjects::put(w, &token.id.clone().into(), SubjectType::ServiceKey, name).await?;
    let sql = "UPDATE api_tokens SET name = $1, description = $2, updated_at = $3, updated_by = $4 WHERE id = $5";
    w.conn().execute(sql, params![name, description, stamp.at, &stamp.by, &token.id]).await?;
    Ok(())
}

/// Gives a token another value, and the time that it is good for anew.
///
/// # Errors
///
/// Those of the database.
pub async fn rotate(
    w: &Writing,
    token: &ApiToken,
    hash: &TokenHash,
    short_token: &str,
    end_at: Option<Time>,
    stamp: &Stamp,
) -> Result<()> {
    w.touch_authority();
    let sql = "UPDATE api_tokens SET hash = $1, short_token = $2, start_at = $3, end_at = $4, last_rotated_at = $3, \
               updated_at = $3, updated_by = $5 WHERE id = $6";
    w.conn().execute(sql, params![hash, short_token, stamp.at, end_at, &stamp.by, &token.id]).await?;
    Ok(())
}

/// Deletes a token; it stays as a tombstone.
///
/// # Errors
///
/// [`Error::NotFound`] when it was deleted meanwhile.
pub async fn delete(w: &Writing, token: &ApiToken, stamp: &Stamp) -> Result<()> {
    match delete_where(w, "id = $3", token.id.as_str(), stamp).await? {
        0 => Err(Error::NotFound("API token".into())),
        _ => Ok(()),
    }
}

/// Deletes the token that has the value with this hash, in the token's own name: whoever has the
/// value may. Answers whose it was; `None` when no live token has it.
///
/// # Errors
///
/// Those of the database.
pub async fn revoke(w: &Writing, hash: &TokenHash, at: Time) -> Result<Option<Caller>> {
    let Some(holder) = authenticate(w, hash).await? else { return Ok(None) };
    let deleted = delete_where(w, "hash = $3", hash, &Stamp { at, by: holder.id.clone() }).await?;
    Ok((deleted > 0).then_some(holder))
}

/// Deletes the tokens that the condition on `$3` picks; answers how many.
pub(crate) async fn delete_where(
    w: &Writing,
    condition: &str,
    value: impl Into<Value<'_>>,
    stamp: &Stamp,
) -> Result<u64> {
    w.touch_authority();
    let sql = format!(
        "UPDATE api_tokens SET deleted_at = $1, updated_at = $1, updated_by = $2 \
         WHERE deleted_at IS NULL AND ({condition})"
    );
    w.conn().execute(&sql, params![stamp.at, &stamp.by, value.into()]).await
}

/// Takes the roles away that any token has on a thing that is deleted.
pub(crate) async fn delete_roles_on(w: &Writing, entity_id: &str) -> Result<()> {
    w.touch_authority();
    let sql = "DELETE FROM api_token_roles WHERE entity_id = $1 OR deployment_id = $1";
    w.conn().execute(sql, params![entity_id]).await?;
    Ok(())
}

/// Names of the tokens that have a role of the Organization, to tell who stands in the way of
/// changing it.
///
/// # Errors
///
/// Those of the database.
pub async fn holders_of_role(
    db: &impl Reads,
    granted: &Granted<scope::Organization>,
    role: &str,
    kind: Option<ApiTokenKind>,
) -> Result<Vec<String>> {
    let order = db.conn().text_order();
    let sql = format!(
        "SELECT t.name FROM api_tokens t WHERE t.organization_id = $1 AND t.deleted_at IS NULL \
         AND (t.kind = $3 OR CAST($3 AS TEXT) IS NULL) \
         AND EXISTS (SELECT 1 FROM api_token_roles r WHERE r.token_id = t.id AND r.role = $2) ORDER BY t.name{order}"
    );
    let kind = kind.map(ApiTokenKind::as_str);
    let names: Vec<(String,)> = db.conn().all(&sql, params![granted.organization(), role, kind]).await?;
    Ok(names.into_iter().map(|(name,)| name).collect())
}

record! {
    /// A live token, as far as its holder is concerned.
    pub struct Holder {
        /// Its id.
        id: ApiTokenId = "t.id",
        /// Its name.
        name: String = "t.name",
        /// The Organization that it belongs to.
        organization: OrganizationId = "t.organization_id",
        /// When it ends.
        end_at: Option<Time> = "t.end_at",
    }
}

record! {
    /// A role of a live token, with what is needed to know what it permits.
    pub struct HeldRole {
        role: String = "r.role",
        entity_type: EntityType = "r.entity_type",
        entity_id: String = "r.entity_id",
        fixed: Option<String> = "r.permissions",
        workspace: Option<WorkspaceId> = "d.workspace_id",
        deployment: Option<DeploymentId> = "d.id",
        custom: Option<String> = "c.permissions",
        restricted: Option<String> = "c.restricted_workspace_ids",
    }
}

/// Finds who holds a value, by its hash. Only a live token is found; whether it has ended is for
/// the caller to compare with the clock.
///
/// # Errors
///
/// Those of the database.
pub async fn authenticate(db: &impl Reads, hash: &TokenHash) -> Result<Option<Caller>> {
    let sql = format!("SELECT {} FROM api_tokens t WHERE t.hash = $1 AND t.deleted_at IS NULL", Holder::COLUMNS);
    let Some(holder) = db.conn().one::<Holder>(&sql, params![hash]).await? else { return Ok(None) };
    let sql = format!(
        "SELECT {} FROM api_token_roles r \
         LEFT JOIN deployments d ON d.id = COALESCE(r.deployment_id, r.entity_id) \
         LEFT JOIN roles c ON c.organization_id = $2 AND c.name = r.role \
         WHERE r.token_id = $1 ORDER BY r.position",
        HeldRole::COLUMNS
    );
    let held: Vec<HeldRole> = db.conn().all(&sql, params![&holder.id, &holder.organization]).await?;
    Ok(Some(Caller {
        id: holder.id.clone().into(),
        kind: SubjectType::ServiceKey,
        name: holder.name,
        organization: holder.organization,
        token: holder.id,
        expires_at: holder.end_at,
        bindings: held.into_iter().filter_map(binding).collect(),
    }))
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

/// What became of a token that we issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is alive, but has another value since then.
    Rotated(Option<Time>),
    /// It was deleted then.
    Deleted(Time),
    /// Nothing is known of it.
    Unknown,
}

/// Tells what became of a token. Whoever calls this has checked the signature of its value.
///
/// # Errors
///
/// Those of the database.
pub async fn fate(db: &impl Reads, id: &ApiTokenId) -> Result<Fate> {
    let sql = "SELECT deleted_at, last_rotated_at FROM api_tokens WHERE id = $1";
    let found: Option<(Option<Time>, Option<Time>)> = db.conn().one(sql, params![id]).await?;
    Ok(match found {
        None => Fate::Unknown,
        Some((Some(deleted), _)) => Fate::Deleted(deleted),
        Some((None, rotated)) => Fate::Rotated(rotated),
    })
}

impl RoleRow {
    /// What the role permits for good, for DIRECT_ACCESS.
    pub fn fixed_permissions(&self) -> Option<Permissions> {
        self.fixed.as_deref().map(roles::permissions)
    }
}
