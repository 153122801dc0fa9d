//! Organizations.

use airlock_contract::{
    OrganizationId,
    permissions::scope,
    wire::{ListOrganizationsQuery, UpdateOrganizationRequest},
};
use airlock_core::{
    Error, Result,
    policy::{Caller, Granted},
};

use crate::{
    Page, Stamp, Writing,
    db::{Reads, params, record, sealed::Sealed},
    filter::Filter,
    subjects::JOIN_SUBJECTS,
};

record! {
    /// An Organization.
    pub struct Organization {
        /// Its id.
        pub id: OrganizationId = "t.id",
        /// Its name.
        pub name: String = "t.name",
        /// Where bills go.
        pub billing_email: String = "t.billing_email",
        /// Whether an identity provider manages its people.
        pub is_scim_enabled: bool = "t.is_scim_enabled",
        /// Whether support may look deeper.
        pub allow_enhanced_support_access: bool = "t.allow_enhanced_support_access",
        /// Whether features that use AI are off.
        pub has_ai_features_disabled: bool = "t.has_ai_features_disabled",
        /// Whether Deployments must be on dedicated clusters.
        pub should_enforce_dedicated_clusters: bool = "t.should_enforce_dedicated_clusters",
        /// Whether secret values of environment objects can be asked for.
        pub allow_environment_secrets_fetching: bool = "t.allow_environment_secrets_fetching",
        /// Whether it can be reached from some addresses only.
        pub has_allowed_ip_address_ranges: bool =
            "EXISTS (SELECT 1 FROM allowed_ip_address_ranges r WHERE r.organization_id = t.id)",
    } and authorship
}

/// A page of the Organizations that the caller belongs to, and how many there are. A token
/// belongs to one.
///
/// # Errors
///
/// Those of the database.
pub async fn list(
    db: &impl Reads,
    caller: &Caller,
    query: &ListOrganizationsQuery,
) -> Result<(Vec<Organization>, u32)> {
    let mut filter = Filter::default();
    filter.among("t.id", [&caller.organization]);
    filter.page(db, Organization::COLUMNS, "organizations t", "", &Page::of(query)).await
}

/// The granted Organization.
///
/// # Errors
///
/// [`Error::NotFound`] when it was deleted meanwhile.
pub async fn get(db: &impl Reads, granted: &Granted<scope::Organization>) -> Result<Organization> {
    let sql = format!("SELECT {} FROM organizations t{JOIN_SUBJECTS} WHERE t.id = $1", Organization::COLUMNS);
    let found = db.conn().one(&sql, params![granted.organization()]).await?;
    found.ok_or(Error::NotFound("Organization".into()))
}

/// Changes the granted Organization. What the request leaves out stays.
///
/// # Errors
///
/// [`Error::NotFound`] when it was deleted meanwhile.
pub async fn update(
    w: &Writing,
    granted: &Granted<scope::Organization>,
    request: &UpdateOrganizationRequest,
    stamp: &Stamp,
) -> Result<Organization> {
    w.conn().lock_row("organizations", granted.organization().as_str()).await?;
    let old = get(w, granted).await?;
    let sql = "UPDATE organizations SET name = $1, billing_email = $2, is_scim_enabled = $3, \
               allow_enhanced_support_access = $4, has_ai_features_disabled = $5, \
               should_enforce_dedicated_clusters = $6, allow_environment_secrets_fetching = $7, updated_at = $8, \
               updated_by = $9 WHERE id = $10";
    let values = params![
        &request.name,
        &request.billing_email,
        request.is_scim_enabled,
        request.allow_enhanced_support_access.unwrap_or(old.allow_enhanced_support_access),
        request.has_ai_features_disabled.unwrap_or(old.has_ai_features_disabled),
        request.should_enforce_dedicated_clusters.unwrap_or(old.should_enforce_dedicated_clusters),
        request.allow_environment_secrets_fetching.unwrap_or(old.allow_environment_secrets_fetching),
        stamp.at,
        &stamp.by,
        granted.organization(),
    ];
    w.conn().execute(sql, values).await?;
    get(w, granted).await
}

pub(crate) async fn insert(w: &Writing, id: &OrganizationId, name: &str, stamp: &Stamp) -> Result<()> {
    let sql = "INSERT INTO organizations (id, name, billing_email, is_scim_enabled, allow_enhanced_support_access, \
               has_ai_features_disabled, should_enforce_dedicated_clusters, created_at, created_by, updated_at, \
               updated_by) VALUES ($1, $2, '', FALSE, FALSE, FALSE, FALSE, $3, $4, $3, $4)";
    w.conn().execute(sql, params![id, name, stamp.at, &stamp.by]).await?;
    Ok(())
}
