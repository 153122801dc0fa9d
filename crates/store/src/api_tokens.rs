//! API tokens. Of a token's value only a hash is kept.

use airlock_contract::{
    ApiTokenId, DeploymentId, OrganizationId, RoleHolderId, Time, WorkspaceId,
    permissions::scope,
    wire::{ApiTokenKind, ApiTokenScope, BasicSubjectProfile, ListApiTokensQuery, SubjectType},
};
use airlock_core::{
    Error, Result,
    api_token::TokenHash,
    policy::{Caller, Granted, Place, Reach},
};

use crate::{
    Page, Stamp, Writing, callers,
    db::{Reads, Value, params, record, sealed::Sealed},
    filter::Filter,
    role_bindings::{self, NewRole, On, RoleHolder},
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
const JOIN_DEPLOYMENT: &str = " LEFT JOIN deployments d ON d.id = t.deployment_id";

impl ApiToken {
    /// The token as somebody who does something.
    pub fn profile(&self) -> BasicSubjectProfile {
        subjects::profile(self.id.clone().into(), SubjectType::ServiceKey, self.name.clone(), None)
    }

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

impl RoleHolder for ApiToken {
    fn holder_id(&self) -> RoleHolderId {
        self.id.clone().into()
    }
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
    subjects::put_token(w, &token.id.clone().into(), token.name).await?;
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
    role_bindings::insert(w, organization, &token.id.clone().into(), token.roles).await
}

/// Replaces a token's roles.
///
/// # Errors
///
/// Those of the database.
pub async fn replace_roles(
    w: &Writing,
    granted: &Granted<scope::Organization>,
    token: &ApiToken,
    roles: &[NewRole<'_>],
    stamp: &Stamp,
) -> Result<()> {
    role_bindings::replace(w, granted, token, roles).await?;
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
    filter.page(db, ApiToken::COLUMNS, "api_tokens t", JOIN_DEPLOYMENT, &Page::of(query)).await
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
        format!(
            "t.deployment_id IN (SELECT id FROM deployments WHERE workspace_id IN ({workspaces})) \
             OR t.deployment_id IN ({these})"
        )
    });
    filter.require(format!("({})", any.join(" OR ")));
}

fn asked_for<'a>(filter: &mut Filter<'a>, query: &'a ListApiTokensQuery) {
    if let Some(kind) = query.kind {
        let kind = filter.bind([kind.as_str()]);
        filter.require(format!("t.kind = {kind}"));
    }
    if query.include_only_organization_tokens == Some(true) {
        filter.require("t.scope = 'ORGANIZATION'".to_owned());
    }
    let on = On {
        workspace: query.workspace_id.as_ref(),
        deployment: query.deployment_id.as_ref(),
        dag: query.dag_id.as_ref(),
        dag_tags: &query.dag_tags,
        seen: None,
    };
    on.narrow(filter);
}

/// One of the Organization's tokens. Whether the caller may see it is for [`ApiToken::place`].
///
/// # Errors
///
/// [`Error::NotFound`] when it is not there.
pub async fn get(db: &impl Reads, granted: &Granted<scope::Organization>, id: &ApiTokenId) -> Result<ApiToken> {
    find(db, granted.organization(), id).await
}

/// The API token that the caller has called with.
///
/// # Errors
///
/// [`Error::NotFound`] when it was deleted meanwhile.
pub async fn of_caller(db: &impl Reads, caller: &Caller, id: &ApiTokenId) -> Result<ApiToken> {
    find(db, &caller.organization, id).await
}

async fn find(db: &impl Reads, organization: &OrganizationId, id: &ApiTokenId) -> Result<ApiToken> {
    let sql = format!(
        "SELECT {} FROM api_tokens t{JOIN_DEPLOYMENT}{JOIN_SUBJECTS} WHERE t.id = $1 AND t.organization_id = $2 AND t.deleted_at IS NULL",
        ApiToken::COLUMNS
    );
    db.conn().one(&sql, params![id, organization]).await?.ok_or(Error::NotFound("API token".into()))
}

/// Changes a token's name and description.
///
/// # Errors
///
/// Those of the database.
pub async fn update(w: &Writing, token: &ApiToken, name: &str, description: &str, stamp: &Stamp) -> Result<()> {
    w.touch_authority(); // a remembered caller has the name
    subjects::put_token(w, &token.id.clone().into(), name).await?;
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
    let Some(holder) = callers::with_api_token(w, hash).await? else { return Ok(None) };
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
