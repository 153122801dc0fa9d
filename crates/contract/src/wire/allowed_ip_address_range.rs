//! Allowed IP address ranges: from where an Organization can be reached.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{BasicSubjectProfile, default_limit, default_offset, paged, sorts, text};
use crate::{AllowedIpAddressRangeId, OrganizationId, Time, id::Id};

/// How many ranges an Organization can have, and so how many a request can name.
pub const MOST_RANGES: usize = 1000;

/// A range of addresses from which an Organization can be reached.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AllowedIpAddressRange {
    /// Its id.
    pub id: AllowedIpAddressRangeId,
    /// The range in CIDR form, spelt as it was given.
    pub ip_address_range: String,
    /// The Organization that can be reached from it.
    pub organization_id: OrganizationId,
    /// When it was allowed.
    pub created_at: Time,
    /// Who allowed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<BasicSubjectProfile>,
    /// When it was last changed, which is when it was allowed.
    pub updated_at: Time,
    /// Who last changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_by: Option<BasicSubjectProfile>,
}

/// Ranges that are allowed from now on.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AllowedIpAddressRanges {
    /// The ranges, in the order of the request.
    pub allowed_ip_address_ranges: Vec<AllowedIpAddressRange>,
}

/// A page of allowed IP address ranges.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AllowedIpAddressRangesPaginated {
    /// The ranges of this page.
    pub allowed_ip_address_ranges: Vec<AllowedIpAddressRange>,
    /// The `limit` that was used.
    pub limit: u32,
    /// The `offset` that was used.
    pub offset: u32,
    /// How many there are on all pages.
    pub total_count: u32,
}

/// A range to allow.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[schemars(example = json!({"ipAddressRange": "203.0.113.0/24"}))]
pub struct CreateAllowedIpAddressRangeRequest {
    /// The range in CIDR form, IPv4 or IPv6; a single address is a range of `/32` or `/128`.
    #[garde(custom(text::cidr))]
    pub ip_address_range: String,
}

/// Ranges to allow.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[schemars(example = json!({"allowedIpAddressRanges": ["203.0.113.0/24", "2001:db8::/32"]}))]
pub struct BulkCreateAllowedIpAddressRangesRequest {
    /// The ranges in CIDR form, IPv4 or IPv6.
    #[garde(length(min = 1, max = MOST_RANGES), custom(text::cidrs))]
    pub allowed_ip_address_ranges: Vec<String>,
}

/// Ranges to allow no longer.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[schemars(example = json!({"allowedIpAddressRangeIds": [AllowedIpAddressRangeId::EXAMPLE]}))]
pub struct BulkDeleteAllowedIpAddressRangesRequest {
    /// Their ids. Those that name no range of the Organization are passed over.
    #[garde(length(min = 1, max = MOST_RANGES))]
    pub allowed_ip_address_range_ids: Vec<AllowedIpAddressRangeId>,
}

sorts! {
    /// The orders in which ranges can be listed.
    AllowedIpAddressRangeSort {
        IpAddressAsc "ipAddress:asc" "sort_key",
        IpAddressDesc "ipAddress:desc" "sort_key",
        CreatedAtAsc "createdAt:asc" "created_at",
        CreatedAtDesc "createdAt:desc" "created_at",
        UpdatedAtAsc "updatedAt:asc" "updated_at",
        UpdatedAtDesc "updatedAt:desc" "updated_at",
    }
}

/// Which ranges to list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct ListAllowedIpAddressRangesQuery {
    /// How many ranges to pass over.
    #[serde(default = "default_offset")]
    pub offset: u32,
    /// How many ranges to answer at the most; the server's own bound is 1000.
    #[schemars(example = 10)]
    #[serde(default = "default_limit")]
    pub limit: u32,
    /// What to sort by, the first the most significant.
    #[schemars(example = json!(["ipAddress:asc"]))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sorts: Vec<AllowedIpAddressRangeSort>,
}
paged!(ListAllowedIpAddressRangesQuery);
