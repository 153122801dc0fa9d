//! From where an Organization can be reached: its allowed IP address ranges.
//!
//! They bind whoever calls the API or introspection, signs in, gets a session or asks whose one is, and
//! the agents of all its Deployments, whose own ranges ([`crate::airflow::Airflow::admits`]) come on top.
//! What belongs to nobody, such as the public keys and the sign-in page, and ending a token that leaked can
//! be reached from everywhere.

use std::net::IpAddr;

use airlock_contract::OrganizationId;
use airlock_core::{Error, Result};
use airlock_store::allowed_ip_address_ranges::admitted;
use axum::http::request::Parts;

use crate::{App, request::source_ip, settings::AllowedRanges};

/// How many Organizations' ranges are remembered.
pub(crate) const REMEMBERED: usize = 10_000;

/// Lets a request to an Organization through, if it comes from where it may.
///
/// # Errors
///
/// [`Error::Denied`], which says that it is for the address; those of the database.
pub(crate) async fn admit(app: &App, organization: &OrganizationId, parts: &Parts) -> Result<()> {
    if app.settings.allowed_ranges == AllowedRanges::Ignored {
        return Ok(());
    }
    let read = async |db| admitted(&db, organization).await.map(Some);
    let ranges = app.allow_lists.get(&app.store, organization, read).await?;
    let address = source_ip(app, parts);
    if ranges.is_none_or(|ranges| ranges.admit(address)) {
        return Ok(());
    }
    Err(Error::Denied(format!(
        "this request comes from {}, which is in none of the Organization's allowed IP address ranges; send it from \
         an address that is, or have this one allowed",
        shown(address)
    )))
}

/// An address, for people.
pub(crate) fn shown(address: Option<IpAddr>) -> String {
    address.map_or_else(|| "an unknown address".into(), |address| address.to_string())
}
