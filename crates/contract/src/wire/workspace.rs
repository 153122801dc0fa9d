//! Workspaces, groups of Deployments.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{BasicSubjectProfile, default_limit, default_offset, paged, sorts, text, words};
use crate::{OrganizationId, Time, WorkspaceId};

words! {
    /// Where a Deployment runs.
    CloudProvider {
        Aws "AWS",
        Azure "AZURE",
        Gcp "GCP",
    }
}

/// A Workspace.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Workspace {
    /// Its id.
    pub id: WorkspaceId,
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The Organization that it belongs to.
    pub organization_id: OrganizationId,
    /// The Organization's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization_name: Option<String>,
    /// Whether new Deployments take deploys from automations only.
    pub cicd_enforced_default: bool,
    /// The cloud of new Deployments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_cloud_provider: Option<CloudProvider>,
    /// The cluster of new Deployments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_cluster_id: Option<String>,
    /// The region of new Deployments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_region: Option<String>,
    /// When it was created.
    pub created_at: Time,
    /// Who created it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<BasicSubjectProfile>,
    /// When it was last changed.
    pub updated_at: Time,
    /// Who last changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_by: Option<BasicSubjectProfile>,
}

/// A page of Workspaces.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkspacesPaginated {
    /// The Workspaces of this page.
    pub workspaces: Vec<Workspace>,
    /// The `limit` that was used.
    pub limit: u32,
    /// The `offset` that was used.
    pub offset: u32,
    /// How many there are on all pages.
    pub total_count: u32,
}

/// What a Workspace is made from.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
#[schemars(example = json!({"name": "Data platform", "description": "The pipelines of the data team."}))]
pub struct CreateWorkspaceRequest {
    /// Its name.
    #[garde(length(chars, min = 1, max = 50), custom(text::line))]
    pub name: String,
    /// What it is for.
    #[garde(length(chars, max = 500), custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether new Deployments take deploys from automations only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cicd_enforced_default: Option<bool>,
    /// The cloud of new Deployments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_cloud_provider: Option<CloudProvider>,
    /// The cluster of new Deployments.
    #[garde(length(chars, max = 256), custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_cluster_id: Option<String>,
    /// The region of new Deployments.
    #[garde(length(chars, max = 256), custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_region: Option<String>,
}

/// What can be changed about a Workspace.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
#[schemars(example = json!({
    "name": "Data platform",
    "description": "The pipelines of the data team.",
    "cicdEnforcedDefault": true,
}))]
pub struct UpdateWorkspaceRequest {
    /// Its name.
    #[garde(length(chars, min = 1, max = 50), custom(text::line))]
    pub name: String,
    /// What it is for.
    #[garde(length(chars, max = 500), custom(text::prose))]
    pub description: String,
    /// Whether new Deployments take deploys from automations only.
    pub cicd_enforced_default: bool,
    /// The cloud of new Deployments; unchanged when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_cloud_provider: Option<CloudProvider>,
    /// The cluster of new Deployments; unchanged when absent.
    #[garde(length(chars, max = 256), custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_cluster_id: Option<String>,
    /// The region of new Deployments; unchanged when absent.
    #[garde(length(chars, max = 256), custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_region: Option<String>,
}

sorts! {
    /// The orders in which Workspaces can be listed.
    WorkspaceSort {
        NameAsc "name:asc" "name",
        NameDesc "name:desc" "name",
        CreatedAtAsc "createdAt:asc" "created_at",
        CreatedAtDesc "createdAt:desc" "created_at",
        UpdatedAtAsc "updatedAt:asc" "updated_at",
        UpdatedAtDesc "updatedAt:desc" "updated_at",
    }
}

/// Which Workspaces to list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct ListWorkspacesQuery {
    /// Only these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workspace_ids: Vec<WorkspaceId>,
    /// Only those with one of these names.
    #[garde(custom(text::all_prose))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// How many Workspaces to pass over.
    #[serde(default = "default_offset")]
    pub offset: u32,
    /// How many Workspaces to answer at the most.
    #[garde(range(max = 1000))]
    #[schemars(example = 10)]
    #[serde(default = "default_limit")]
    pub limit: u32,
    /// What to sort by, the first the most significant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sorts: Vec<WorkspaceSort>,
}
paged!(ListWorkspacesQuery);
