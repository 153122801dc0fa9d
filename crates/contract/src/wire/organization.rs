//! Organizations, the tenants.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{BasicSubjectProfile, default_limit, default_offset, paged, sorts, text, words};
use crate::{OrganizationId, Time};

words! {
    /// How an Organization pays.
    PaymentMethod {
        CreditCard "CREDIT_CARD",
        Invoice "INVOICE",
        AwsMarketplace "AWS_MARKETPLACE",
        AzureMarketplace "AZURE_MARKETPLACE",
        GcpMarketplace "GCP_MARKETPLACE",
        SnowflakeMarketplace "SNOWFLAKE_MARKETPLACE",
    }
    /// The line of products that an Organization uses.
    OrganizationProduct {
        Hosted "HOSTED",
        Hybrid "HYBRID",
    }
    /// Whether an Organization is in use.
    OrganizationStatus {
        Active "ACTIVE",
        Inactive "INACTIVE",
        Suspended "SUSPENDED",
    }
    /// The one product of the API.
    AstronomerProduct {
        Astro "ASTRO",
    }
    /// The plans that a list of Organizations can be narrowed by.
    ProductPlanFilter {
        Trial "TRIAL",
        Basic "BASIC",
        Standard "STANDARD",
        Premium "PREMIUM",
        BusinessCritical "BUSINESS_CRITICAL",
    }
    /// The plans that the public API knows. An Airlock server is always INTERNAL.
    ProductPlanName {
        Inactive "INACTIVE",
        Internal "INTERNAL",
        Pov "POV",
        Trial "TRIAL",
        Basic "BASIC",
        BasicPaygo "BASIC_PAYGO",
        TeamPaygo "TEAM_PAYGO",
        Standard "STANDARD",
        Premium "PREMIUM",
        BusinessCritical "BUSINESS_CRITICAL",
        Business "BUSINESS",
        Team "TEAM",
        Enterprise "ENTERPRISE",
        Developer "DEVELOPER",
        DeveloperPaygo "DEVELOPER_PAYGO",
        TeamV2 "TEAM_V2",
        BusinessV2 "BUSINESS_V2",
        EnterpriseV2 "ENTERPRISE_V2",
        TrialV2 "TRIAL_V2",
        EnterpriseBusinessCritical "ENTERPRISE_BUSINESS_CRITICAL",
        IbmEnterprise "IBM_ENTERPRISE",
    }
    /// Whether a managed domain was shown to belong to the Organization.
    ManagedDomainStatus {
        Pending "PENDING",
        Verified "VERIFIED",
    }
}

/// An Organization.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Organization {
    /// Its id.
    pub id: OrganizationId,
    /// Its name.
    pub name: String,
    /// The line of products that it uses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product: Option<OrganizationProduct>,
    /// The plans that it has.
    pub product_plans: Vec<OrganizationProductPlan>,
    /// Whether it is in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<OrganizationStatus>,
    /// Where bills go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub billing_email: Option<String>,
    /// How it pays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_method: Option<PaymentMethod>,
    /// When its trial ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trial_expires_at: Option<Time>,
    /// The domains whose users belong to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub managed_domains: Option<Vec<ManagedDomain>>,
    /// Whether users and teams are managed by an identity provider over SCIM.
    pub is_scim_enabled: bool,
    /// Whether support may look deeper.
    pub allow_enhanced_support_access: bool,
    /// Whether features that use AI are off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub has_ai_features_disabled: Option<bool>,
    /// Whether features that use AI cannot be switched on.
    pub is_blocked_enable_ai_features: bool,
    /// Whether it can be reached from some addresses only.
    pub has_allowed_ip_address_ranges: bool,
    /// Whether Deployments must be on dedicated clusters.
    pub should_enforce_dedicated_clusters: bool,
    /// When it was created.
    pub created_at: Time,
    /// Who created it.
    pub created_by: BasicSubjectProfile,
    /// When it was last changed.
    pub updated_at: Time,
    /// Who last changed it.
    pub updated_by: BasicSubjectProfile,
    /// Whether secret values of environment objects can be asked for with `showSecrets`.
    #[schemars(extend("x-extension" = true))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_environment_secrets_fetching: Option<bool>,
}

/// A plan that an Organization has.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrganizationProductPlan {
    /// The plan's id.
    pub product_plan_id: String,
    /// The plan's name.
    pub product_plan_name: ProductPlanName,
    /// The product that the plan is for.
    pub astronomer_product: AstronomerProduct,
    /// The Organization.
    pub organization_id: OrganizationId,
}

/// A domain whose users belong to an Organization.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManagedDomain {
    /// Its id.
    pub id: String,
    /// The domain.
    pub name: String,
    /// The Organization.
    pub organization_id: OrganizationId,
    /// Whether it was shown to belong to the Organization.
    pub status: ManagedDomainStatus,
    /// The ways of logging in that its users must use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enforced_logins: Option<Vec<String>>,
    /// When it was added.
    pub created_at: Time,
    /// When it was last changed.
    pub updated_at: Time,
}

/// A page of Organizations.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrganizationsPaginated {
    /// The Organizations of this page.
    pub organizations: Vec<Organization>,
    /// The `limit` that was used.
    pub limit: u32,
    /// The `offset` that was used.
    pub offset: u32,
    /// How many there are on all pages.
    pub total_count: u32,
}

/// What can be changed about an Organization.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
#[schemars(example = json!({"name": "Example Corp", "billingEmail": "billing@example.com", "isScimEnabled": false}))]
pub struct UpdateOrganizationRequest {
    /// Its name.
    #[garde(length(chars, min = 1, max = 50), custom(text::line))]
    pub name: String,
    /// Where bills go.
    #[garde(length(chars, max = 256), custom(text::prose))]
    pub billing_email: String,
    /// Whether users and teams are managed by an identity provider over SCIM.
    pub is_scim_enabled: bool,
    /// Whether support may look deeper.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_enhanced_support_access: Option<bool>,
    /// Whether features that use AI are off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub has_ai_features_disabled: Option<bool>,
    /// Whether Deployments must be on dedicated clusters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub should_enforce_dedicated_clusters: Option<bool>,
    /// Whether secret values of environment objects can be asked for with `showSecrets`.
    #[schemars(extend("x-extension" = true))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_environment_secrets_fetching: Option<bool>,
}

sorts! {
    /// The orders in which Organizations can be listed.
    OrganizationSort {
        NameAsc "name:asc" "name",
        NameDesc "name:desc" "name",
        CreatedAtAsc "createdAt:asc" "created_at",
        CreatedAtDesc "createdAt:desc" "created_at",
        UpdatedAtAsc "updatedAt:asc" "updated_at",
        UpdatedAtDesc "updatedAt:desc" "updated_at",
    }
}

/// Which Organizations to list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct ListOrganizationsQuery {
    /// Only Organizations with this plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_plan: Option<ProductPlanFilter>,
    /// Only Organizations with a plan of this product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub astronomer_product: Option<AstronomerProduct>,
    /// Only Organizations of this line of products.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<OrganizationProduct>,
    /// How many Organizations to pass over.
    #[serde(default = "default_offset")]
    pub offset: u32,
    /// How many Organizations to answer at the most.
    #[garde(range(max = 1000))]
    #[schemars(example = 10)]
    #[serde(default = "default_limit")]
    pub limit: u32,
    /// What to sort by, the first the most significant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sorts: Vec<OrganizationSort>,
}
paged!(ListOrganizationsQuery);

/// How to answer about an Organization.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct GetOrganizationQuery {
    /// Leave out what is not needed to recognise the Organization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_look_up_only: Option<bool>,
}

/// Which part of the audit log to export.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct GetOrganizationAuditLogsQuery {
    /// From this time on, included.
    #[schemars(example = &"2026-01-01T00:00:00Z")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_date: Option<Time>,
    /// Up to this time, excluded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_date: Option<Time>,
}
