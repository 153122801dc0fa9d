//! Allowed IP address ranges: from where an Organization can be reached.

use std::collections::HashMap;

use airlock_contract::{
    AllowedIpAddressRangeId, OrganizationId, permissions::scope, wire::ListAllowedIpAddressRangesQuery,
};
use airlock_core::{
    Result,
    address::{self, Ranges},
    policy::Granted,
};

use crate::{
    Page, Stamp, Writing,
    db::{Reads, Value, params, placeholders, record, sealed::Sealed},
    filter::Filter,
    subjects::JOIN_SUBJECTS,
};

record! {
    /// A range from which an Organization can be reached.
    pub struct AllowedRange {
        /// Its id.
        pub id: AllowedIpAddressRangeId = "t.id",
        /// The Organization.
        pub organization: OrganizationId = "t.organization_id",
        /// The range, as it was given.
        pub range: String = "t.ip_address_range",
    } and authorship
}

/// A page of the Organization's ranges, and how many there are.
///
/// # Errors
///
/// Those of the database.
pub async fn list(
    db: &impl Reads,
    granted: &Granted<scope::Organization>,
    query: &ListAllowedIpAddressRangesQuery,
) -> Result<(Vec<AllowedRange>, u32)> {
    let filter = Filter::of_organization(granted.organization());
    filter.page(db, AllowedRange::COLUMNS, "allowed_ip_address_ranges t", "", &Page::of(query)).await
}

/// All addresses from which an Organization can be reached; any when there are none. It is asked
/// before anybody is authorized, and tells nobody else.
///
/// # Errors
///
/// Those of the database.
pub async fn admitted(db: &impl Reads, organization: &OrganizationId) -> Result<Ranges> {
    let sql = "SELECT ip_address_range FROM allowed_ip_address_ranges WHERE organization_id = $1";
    let texts: Vec<(String,)> = db.conn().all(sql, params![organization]).await?;
    Ranges::parse(texts.iter().map(|(text,)| text.as_str())).map_err(|bad| crate::corrupt("range", bad))
}

/// All of the Organization's ranges, which stay as they are until this change is committed or
/// dropped.
///
/// # Errors
///
/// Those of the database.
pub async fn all_locked(w: &Writing, granted: &Granted<scope::Organization>) -> Result<Vec<AllowedRange>> {
    w.conn().lock_row("organizations", granted.organization().as_str()).await?;
    let sql = format!(
        "SELECT {} FROM allowed_ip_address_ranges t{JOIN_SUBJECTS} WHERE t.organization_id = $1",
        AllowedRange::COLUMNS
    );
    w.conn().all(&sql, params![granted.organization()]).await
}

/// Allows ranges that are not there yet; answers them in their order.
///
/// # Errors
///
/// Those of the database.
pub async fn insert(
    w: &Writing,
    granted: &Granted<scope::Organization>,
    ranges: &[(AllowedIpAddressRangeId, &str)],
    stamp: &Stamp,
) -> Result<Vec<AllowedRange>> {
    let sql = "INSERT INTO allowed_ip_address_ranges (id, organization_id, ip_address_range, sort_key, created_at, \
               created_by, updated_at, updated_by) VALUES ($1, $2, $3, $4, $5, $6, $5, $6)";
    for (id, range) in ranges {
        let key = address::sort_key(range).ok_or_else(|| crate::corrupt("range", range))?;
        let values = params![id, granted.organization(), *range, &key, stamp.at, &stamp.by];
        w.conn().execute(sql, values).await?;
    }
    w.touch_authority();
    let all = all_locked(w, granted).await?;
    let mut by_id: HashMap<_, _> = all.into_iter().map(|one| (one.id.clone(), one)).collect();
    Ok(ranges.iter().filter_map(|(id, _)| by_id.remove(id)).collect())
}

/// Allows ranges no longer; those that are not the Organization's are passed over.
///
/// # Errors
///
/// Those of the database.
pub async fn delete(
    w: &Writing,
    granted: &Granted<scope::Organization>,
    ids: &[AllowedIpAddressRangeId],
) -> Result<()> {
    let mut values: Vec<Value<'_>> = vec![granted.organization().into()];
    values.extend(ids.iter().map(Value::from));
    let these = placeholders(2, ids.len());
    let sql = format!("DELETE FROM allowed_ip_address_ranges WHERE organization_id = $1 AND id IN ({these})");
    w.conn().execute(&sql, &values).await?;
    w.touch_authority();
    Ok(())
}
