//! Deploys: changes of the code that a Deployment runs.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{BasicSubjectProfile, Paged, SortKey, default_limit, default_offset, text, words};
use crate::{DeployId, DeploymentId, TarballVersion, Time, id::Id};

words! {
    /// What a deploy changes.
    DeployType {
        ImageAndDag "IMAGE_AND_DAG",
        ImageOnly "IMAGE_ONLY",
        DagOnly "DAG_ONLY",
        /// Files beside the Dags, such as a dbt project.
        Bundle "BUNDLE",
    }
    /// What a deploy has changed, in the words of the public API, which has none for a bundle: one is
    /// `DAG_ONLY`, and has a `bundleMountPath`.
    DeployedType {
        ImageAndDag "IMAGE_AND_DAG",
        ImageOnly "IMAGE_ONLY",
        DagOnly "DAG_ONLY",
    }
    /// How far a deploy has come.
    DeployStatus {
        /// It was created, and is not finalized.
        Initialized "INITIALIZED",
        /// It was finalized.
        Deployed "DEPLOYED",
        /// It was not finalized within a day.
        Failed "FAILED",
    }
    /// Where a Git repository is.
    GitProvider {
        Github "GITHUB",
        Generic "GENERIC",
    }
}

impl DeployType {
    /// Whether Dags may come with it.
    pub fn has_dags(self) -> bool {
        matches!(self, Self::ImageAndDag | Self::DagOnly)
    }

    /// Whether an image comes with it.
    pub fn has_image(self) -> bool {
        matches!(self, Self::ImageAndDag | Self::ImageOnly)
    }
}

impl From<DeployType> for DeployedType {
    fn from(kind: DeployType) -> Self {
        match kind {
            DeployType::ImageAndDag => Self::ImageAndDag,
            DeployType::ImageOnly => Self::ImageOnly,
            DeployType::DagOnly | DeployType::Bundle => Self::DagOnly,
        }
    }
}

/// The commit that a deploy was made from. Airlock keeps what it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct DeployGit {
    /// Where the repository is.
    pub provider: GitProvider,
    /// The commit.
    #[garde(custom(text::short_line))]
    pub commit_sha: String,
    /// The commit before, which the deploy's changes are counted from.
    #[garde(custom(commit_text))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_commit_sha: Option<String>,
    /// A page that shows the commit.
    #[garde(custom(commit_text))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit_url: Option<String>,
    /// The branch.
    #[garde(custom(commit_text))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Whose repository it is.
    #[garde(custom(commit_text))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The repository.
    #[garde(custom(commit_text))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    /// The repository's URL, for a `GENERIC` one.
    #[garde(custom(commit_text))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_url: Option<String>,
    /// The folder in the repository.
    #[garde(custom(commit_text))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The name of the commit's author.
    #[garde(custom(commit_text))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author_name: Option<String>,
    /// The author's name at the provider.
    #[garde(custom(commit_text))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author_username: Option<String>,
    /// A page that shows the author.
    #[garde(custom(commit_text))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author_url: Option<String>,
}

/// What to deploy.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[schemars(example = json!({"type": "DAG_ONLY", "description": "Reports run at six"}))]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct CreateDeployRequest {
    /// What the deploy changes.
    #[serde(rename = "type")]
    pub kind: DeployType,
    /// What it is about.
    #[garde(length(chars, max = 500), custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The commit that it is made from.
    #[garde(dive)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<DeployGit>,
    /// Where the bundle is to be found, such as `/usr/local/airflow/dbt/sales`; for a `BUNDLE`.
    #[garde(custom(mount_path))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle_mount_path: Option<String>,
    /// What the bundle is, such as `dbt`; for a `BUNDLE`.
    #[garde(length(chars, max = 64), custom(text::optional_line))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle_type: Option<String>,
}

/// What to change of a deploy.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema, Validate)]
#[schemars(example = json!({"description": "Reports run at six, after the load"}))]
#[garde(allow_unvalidated)]
pub struct UpdateDeployRequest {
    /// What it is about; as it was when absent.
    #[garde(length(chars, max = 500), custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// What was uploaded for a deploy.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema, Validate)]
#[schemars(example = json!({"dagTarballVersion": TarballVersion::EXAMPLE}))]
#[serde(rename_all = "camelCase")]
#[garde(allow_unvalidated)]
pub struct FinalizeDeployRequest {
    /// The version of the Dags: the `x-ms-version-id` that their upload was answered with. With an
    /// image it may be absent, or the Deployment's current one: its Dags then stay as they are.
    #[garde(length(chars, max = 256), custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dag_tarball_version: Option<String>,
    /// The version of the bundle, likewise. An empty one removes the bundle at the mount path.
    #[garde(length(chars, max = 256), custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle_tarball_version: Option<String>,
}

/// What to say of a rollback.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema, Validate)]
#[schemars(example = json!({"description": "Reports run at seven again"}))]
#[garde(allow_unvalidated)]
pub struct DeployRollbackRequest {
    /// What it is about.
    #[garde(length(chars, max = 500), custom(text::optional_prose))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A change of the code that a Deployment runs.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deploy {
    /// Its id.
    pub id: DeployId,
    /// The Deployment that it changes.
    pub deployment_id: DeploymentId,
    /// What it changes.
    #[serde(rename = "type")]
    pub kind: DeployedType,
    /// How far it has come.
    pub status: DeployStatus,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The commit that it was made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git: Option<DeployGit>,
    /// Where its Dags are uploaded to; only in the answer that creates it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dags_upload_url: Option<String>,
    /// Where its bundle is uploaded to; only in the answer that creates it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundle_upload_url: Option<String>,
    /// The version of its Dags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dag_tarball_version: Option<TarballVersion>,
    /// Where its bundle is to be found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundle_mount_path: Option<String>,
    /// Its bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bundles: Option<Vec<Bundle>>,
    /// Always empty: Airlock runs no image registry.
    pub image_repository: String,
    /// The tag under which its image is meant to be pushed to a registry of your own; empty without
    /// an image.
    pub image_tag: String,
    /// The version of Airflow that the Deployment had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub airflow_version: Option<String>,
    /// The runtime that the Deployment had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub astro_runtime_version: Option<String>,
    /// Whether the Deployment took Dags without an image.
    pub is_dag_deploy_enabled: bool,
    /// The deploy whose code this one brought back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback_from_id: Option<DeployId>,
    /// When it was created.
    pub created_at: Time,
    /// Who created it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by_subject: Option<BasicSubjectProfile>,
    /// When it was last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Time>,
    /// Who last changed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_by_subject: Option<BasicSubjectProfile>,
}

/// Files beside the Dags.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Bundle {
    /// What it is, such as `dbt`.
    pub bundle_type: String,
    /// The deploy that brought it.
    pub deploy_id: DeployId,
    /// Where it is to be found.
    pub mount_path: String,
    /// The version that agents get there now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_version: Option<TarballVersion>,
    /// The version of this deploy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired_version: Option<TarballVersion>,
}

/// A page of deploys.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploysPaginated {
    /// The deploys of this page.
    pub deploys: Vec<Deploy>,
    /// The `limit` that was used.
    pub limit: u32,
    /// The `offset` that was used.
    pub offset: u32,
    /// How many there are on all pages.
    pub total_count: u32,
}

/// Which deploys to list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, Validate)]
#[garde(allow_unvalidated)]
pub struct ListDeploysQuery {
    /// How many deploys to pass over.
    #[serde(default = "default_offset")]
    pub offset: u32,
    /// How many deploys to answer at the most.
    #[garde(range(max = 1000))]
    #[schemars(example = 10)]
    #[serde(default = "default_limit")]
    pub limit: u32,
}

impl Paged for ListDeploysQuery {
    fn offset(&self) -> u32 {
        self.offset
    }
    fn limit(&self) -> u32 {
        self.limit
    }
    fn sort_keys(&self) -> Vec<SortKey> {
        Vec::new() // the newest first
    }
}

/// A text about a commit. Its bound is not in the schema, which answers share with requests.
fn commit_text(about: &Option<String>, (): &()) -> garde::Result {
    match about.as_deref().filter(|about| about.chars().count() > 2000) {
        Some(_) => Err(garde::Error::new("length is greater than 2000")),
        None => text::optional_prose(about, &()),
    }
}

/// The path at which the gate serves a Deployment's Dags, where bundles have their mount paths.
pub const DAGS: &str = "dags";

/// A mount path as it is kept and asked for: without slashes at its ends.
pub fn canonical_mount_path(path: &str) -> &str {
    path.trim_matches('/')
}

/// A mount path: segments that no system reads as something else, and that stand for themselves in
/// a URL.
fn mount_path(path: &Option<String>, (): &()) -> garde::Result {
    let Some(path) = path else { return Ok(()) };
    let wrong = |why: &str| Err(garde::Error::new(why));
    let is_plain = |part: &str| {
        let is_dots = part.bytes().all(|byte| byte == b'.');
        !is_dots && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.@+~".contains(&byte))
    };
    if path.len() > 500 {
        return wrong("length is greater than 500");
    }
    match canonical_mount_path(path) {
        DAGS => wrong("is where the Dags are; choose another"),
        canonical if canonical.split('/').all(is_plain) => Ok(()),
        _ => wrong("must be a path of letters, digits, - _ . @ + and ~, such as /usr/local/airflow/dbt/sales"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_paths() {
        let check = |path: &str| mount_path(&Some(path.into()), &()).is_ok();
        for good in ["/usr/local/airflow/dbt/sales", "dbt", "/dbt/", "a/b.c/d-1_2"] {
            assert!(check(good), "{good}");
        }
        for bad in ["", "/", "//", "a//b", "a/../b", "..", "./a", "/dags", "dags/", "a b", "a%2fb", "a\\b", "ä", "a\0"]
        {
            assert!(!check(bad), "{bad}");
        }
        assert!(!check(&"a".repeat(501)));
    }
}
