//! `/organizations`

use airlock_contract::{
    operations::{GetOrganization, ListOrganizations, UpdateOrganization},
    wire::{
        AstronomerProduct, Organization, OrganizationProduct, OrganizationProductPlan, OrganizationStatus,
        OrganizationsPaginated, ProductPlanName,
    },
};
use airlock_core::Result;
use airlock_store::{
    Reading, Writing,
    organizations::{self, Organization as Record},
};

use crate::adaptor::{Call, Changed, Handlers, Read, Write};

/// The product and plan that every Organization here has; clients look at the product without
/// checking that it is there.
const PRODUCT: OrganizationProduct = OrganizationProduct::Hosted;
const PLAN: ProductPlanName = ProductPlanName::Internal;

impl Read<ListOrganizations> for Handlers {
    async fn read(call: &Call<'_, ListOrganizations>, db: &Reading) -> Result<OrganizationsPaginated> {
        let query = call.query;
        let is_wanted = query.product.is_none_or(|product| product == PRODUCT)
            && query.product_plan.is_none_or(|plan| plan.as_str() == PLAN.as_str());
        let (records, total_count) =
            if is_wanted { organizations::list(db, call.caller, query).await? } else { (Vec::new(), 0) };
        Ok(OrganizationsPaginated {
            organizations: records.into_iter().map(view).collect(),
            limit: query.limit,
            offset: query.offset,
            total_count,
        })
    }
}

impl Read<GetOrganization> for Handlers {
    async fn read(call: &Call<'_, GetOrganization>, db: &Reading) -> Result<Organization> {
        let organization = view(organizations::get(db, call.granted).await?);
        Ok(if call.query.is_look_up_only == Some(true) {
            Organization { billing_email: None, status: None, product_plans: Vec::new(), ..organization }
        } else {
            organization
        })
    }
}

impl Write<UpdateOrganization> for Handlers {
    async fn write(call: &Call<'_, UpdateOrganization>, w: &Writing) -> Result<Changed<Organization>> {
        let record = organizations::update(w, call.granted, call.body, &call.stamp()).await?;
        Ok(Changed::new(view(record), "organization", call.granted.organization()))
    }
}

fn view(record: Record) -> Organization {
    Organization {
        product_plans: vec![OrganizationProductPlan {
            product_plan_id: format!("{}-internal", record.id.as_str()),
            product_plan_name: PLAN,
            astronomer_product: AstronomerProduct::Astro,
            organization_id: record.id.clone(),
        }],
        id: record.id,
        name: record.name,
        product: Some(PRODUCT),
        status: Some(OrganizationStatus::Active),
        billing_email: Some(record.billing_email).filter(|email| !email.is_empty()),
        payment_method: None,
        trial_expires_at: None,
        managed_domains: None,
        is_scim_enabled: record.is_scim_enabled,
        allow_enhanced_support_access: record.allow_enhanced_support_access,
        has_ai_features_disabled: Some(record.has_ai_features_disabled),
        is_blocked_enable_ai_features: false,
        has_allowed_ip_address_ranges: record.has_allowed_ip_address_ranges,
        should_enforce_dedicated_clusters: record.should_enforce_dedicated_clusters,
        allow_environment_secrets_fetching: Some(record.allow_environment_secrets_fetching),
        created_at: record.authorship.created_at,
        created_by: record.authorship.created_by,
        updated_at: record.authorship.updated_at,
        updated_by: record.authorship.updated_by,
    }
}
