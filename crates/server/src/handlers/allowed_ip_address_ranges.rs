//! `/organizations/{organizationId}/allowed-ip-address-ranges`

use std::{collections::HashSet, slice};

use airlock_contract::{
    AllowedIpAddressRangeId, Operation,
    operations::{
        BulkCreateAllowedIpAddressRanges, BulkDeleteAllowedIpAddressRanges, CreateAllowedIpAddressRange,
        DeleteAllowedIpAddressRange, ListAllowedIpAddressRanges,
    },
    permissions::{OrganizationAllowedIpAddressRangesCreate, OrganizationAllowedIpAddressRangesDelete},
    wire::{
        AllowedIpAddressRange, AllowedIpAddressRanges, AllowedIpAddressRangesPaginated, Paged,
        allowed_ip_address_range::MOST_RANGES,
    },
};
use airlock_core::{
    Error, Result,
    address::{Ranges, sort_key},
};
use airlock_store::{
    Reading, Writing,
    allowed_ip_address_ranges::{self as store, AllowedRange as Record},
};

use super::names::some_of;
use crate::{
    adaptor::{Call, Changed, Handlers, Read, Write},
    allow_list::shown,
    settings::AllowedRanges,
};

impl Read<ListAllowedIpAddressRanges> for Handlers {
    async fn read(
        call: &Call<'_, ListAllowedIpAddressRanges>,
        db: &Reading,
    ) -> Result<AllowedIpAddressRangesPaginated> {
        let (records, total_count) = store::list(db, call.granted, call.query).await?;
        Ok(AllowedIpAddressRangesPaginated {
            allowed_ip_address_ranges: records.into_iter().map(view).collect(),
            limit: call.query.limit(),
            offset: call.query.offset,
            total_count,
        })
    }
}

impl Write<CreateAllowedIpAddressRange> for Handlers {
    async fn write(
        call: &Call<'_, CreateAllowedIpAddressRange>,
        w: &Writing,
    ) -> Result<Changed<AllowedIpAddressRange>> {
        let range = slice::from_ref(&call.body.ip_address_range);
        let known = store::all_locked(w, call.granted).await?;
        if !allowed_already(&known, range).is_empty() {
            return Err(Error::field("conflict", "ipAddressRange", "is allowed already"));
        }
        let added = add(call, w, &known, range, "ipAddressRange").await?.pop();
        let record = added.ok_or_else(|| Error::internal("one range in, none out"))?;
        let id = record.id.clone();
        Ok(Changed::new(view(record), "allowedIpAddressRange", &id))
    }
}

impl Write<BulkCreateAllowedIpAddressRanges> for Handlers {
    async fn write(
        call: &Call<'_, BulkCreateAllowedIpAddressRanges>,
        w: &Writing,
    ) -> Result<Changed<AllowedIpAddressRanges>> {
        let ranges = &call.body.allowed_ip_address_ranges;
        let mut keys = HashSet::new();
        if let Some(at) = ranges.iter().position(|range| !keys.insert(sort_key(range))) {
            let field = format!("allowedIpAddressRanges[{at}]");
            return Err(Error::field("conflict", field, "is there more than once"));
        }
        let known = store::all_locked(w, call.granted).await?;
        let conflicts = allowed_already(&known, ranges);
        if !conflicts.is_empty() {
            return Err(Error::Conflict(format!(
                "these ranges are allowed already: {}. Nothing was changed; leave them out",
                some_of(&conflicts)
            )));
        }
        let added = add(call, w, &known, ranges, "allowedIpAddressRanges").await?;
        let output = AllowedIpAddressRanges { allowed_ip_address_ranges: added.into_iter().map(view).collect() };
        Ok(Changed::new(output, "organization", call.granted.organization()))
    }
}

impl Write<DeleteAllowedIpAddressRange> for Handlers {
    async fn write(call: &Call<'_, DeleteAllowedIpAddressRange>, w: &Writing) -> Result<Changed<()>> {
        let id = &call.path.allowed_ip_address_range_id;
        let known = store::all_locked(w, call.granted).await?;
        if known.iter().all(|one| one.id != *id) {
            return Err(Error::NotFound("allowed IP address range".into()));
        }
        remove(call, w, &known, slice::from_ref(id)).await?;
        Ok(Changed::new((), "allowedIpAddressRange", id))
    }
}

impl Write<BulkDeleteAllowedIpAddressRanges> for Handlers {
    async fn write(call: &Call<'_, BulkDeleteAllowedIpAddressRanges>, w: &Writing) -> Result<Changed<()>> {
        let known = store::all_locked(w, call.granted).await?;
        remove(call, w, &known, &call.body.allowed_ip_address_range_ids).await?;
        Ok(Changed::new((), "organization", call.granted.organization()))
    }
}

/// Those of the ranges that are allowed already, however they are spelt.
fn allowed_already<'a>(known: &[Record], ranges: &'a [String]) -> Vec<&'a str> {
    let known: HashSet<_> = known.iter().map(|one| sort_key(&one.range)).collect();
    ranges.iter().filter(|range| known.contains(&sort_key(range))).map(String::as_str).collect()
}

/// Allows ranges that are not allowed yet. The first ones close the Organization for all other
/// addresses, so they must hold the caller's.
async fn add<O>(
    call: &Call<'_, O>,
    w: &Writing,
    known: &[Record],
    ranges: &[String],
    field: &str,
) -> Result<Vec<Record>>
where
    O: Operation<Permission = OrganizationAllowedIpAddressRangesCreate>,
{
    if known.len() + ranges.len() > MOST_RANGES {
        return Err(Error::refused(format!(
            "an Organization can have {MOST_RANGES} allowed IP address ranges, and this one has {} already; put \
             neighbours together into one range",
            known.len()
        )));
    }
    let address = call.source_ip();
    if known.is_empty() && !read(ranges.iter())?.admit(address) {
        let why = format!(
            "does not hold {}, from where this request comes: you would be locked out. Allow your own address first",
            shown(address)
        );
        return Err(Error::field("constraint", field, why));
    }
    let ranges: Vec<_> = ranges.iter().map(|range| (call.app.env.new_id(), range.as_str())).collect();
    store::insert(w, call.granted, &ranges, &call.stamp()).await
}

/// Allows ranges no longer, unless that would lock the caller out.
async fn remove<O>(call: &Call<'_, O>, w: &Writing, known: &[Record], ids: &[AllowedIpAddressRangeId]) -> Result<()>
where
    O: Operation<Permission = OrganizationAllowedIpAddressRangesDelete>,
{
    let address = call.source_ip();
    let left = known.iter().filter(|one| !ids.contains(&one.id));
    let admitted = read(known.iter().map(|one| &one.range))?.admit(address);
    let locks_out = admitted && !read(left.map(|one| &one.range))?.admit(address);
    if locks_out && call.app.settings.allowed_ranges != AllowedRanges::Unguarded {
        return Err(Error::refused(format!(
            "without this you would be locked out: no other range holds {}, from where this request comes. Allow \
             another range that does first, or remove all ranges; whoever runs the server can lift this guard",
            shown(address)
        )));
    }
    store::delete(w, call.granted, ids).await
}

fn read<'a>(ranges: impl Iterator<Item = &'a String>) -> Result<Ranges> {
    Ranges::parse(ranges.map(String::as_str)).map_err(|bad| Error::internal(format!("{bad:?} is no address range")))
}

fn view(record: Record) -> AllowedIpAddressRange {
    AllowedIpAddressRange {
        id: record.id,
        ip_address_range: record.range,
        organization_id: record.organization,
        created_at: record.authorship.created_at,
        created_by: Some(record.authorship.created_by),
        updated_at: record.authorship.updated_at,
        updated_by: Some(record.authorship.updated_by),
    }
}
