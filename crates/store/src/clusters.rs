//! Clusters: the places where Airflows run.

use airlock_contract::{
    ClusterId, DeploymentId, OrganizationId, Time, WorkspaceId,
    permissions::scope,
    wire::{
        CloudProvider, ClusterSettings, ClusterType, DeploymentSettings, DeploymentStatus, ListClustersQuery, NodePool,
    },
};
use airlock_core::{Error, Result, policy::Granted};

use crate::{
    Page, Stamp, Writing,
    db::{Column, Reads, Row, Value, params, placeholders, record, sealed::Sealed},
    filter::Filter,
    roles::Restricted,
    subjects::JOIN_SUBJECTS,
};

record! {
    /// A cluster.
    pub struct Cluster {
        /// Its id.
        pub id: ClusterId = "t.id",
        /// The Organization that it belongs to.
        pub organization: OrganizationId = "t.organization_id",
        /// Its name.
        pub name: String = "t.name",
        /// Whose cloud account it is in.
        pub kind: ClusterType = "t.cluster_type",
        /// The cloud that it is in.
        pub provider: CloudProvider = "t.cloud_provider",
        /// What was asked for, but for node pools and Workspaces.
        pub settings: ClusterSettings = "t.settings",
        /// Its node pools.
        pub node_pools: Vec<NodePool> = "t.node_pools",
        /// The Workspaces whose Deployments can run in it; all when there are none. Those that were
        /// deleted since are among them.
        pub workspaces: Restricted = "t.workspace_ids",
    } and authorship
}

macro_rules! json_columns {
    ($($kind:ty, a $what:literal;)*) => {$(
        impl Column for $kind {
            fn take(row: &mut Row<'_>) -> Result<Self> {
                let text: String = row.take()?;
                serde_json::from_str(&text).map_err(|cause| crate::corrupt($what, cause))
            }
        }
    )*};
}
json_columns! {
    ClusterSettings, a "cluster's settings";
    Vec<NodePool>, a "list of node pools";
}

record! {
    /// A Deployment in a cluster, and what is known of its Airflow.
    pub struct Resident {
        /// The cluster.
        pub cluster: ClusterId = "t.cluster_id",
        /// The Deployment.
        pub id: DeploymentId = "t.id",
        /// The Workspace that it belongs to.
        pub workspace: WorkspaceId = "t.workspace_id",
        /// Its name.
        pub name: String = "t.name",
        /// What was asked for.
        pub settings: DeploymentSettings = "t.settings",
        /// How it was found when its Airflow was last looked at.
        pub status: Option<DeploymentStatus> = "h.status",
        /// Why it was not healthy.
        pub reason: Option<String> = "h.reason",
        /// When that was.
        pub checked_at: Option<Time> = "h.checked_at",
        /// When what says where and how to reach its Airflow was last changed.
        pub changed_at: Option<Time> =
            "(SELECT MAX(v.updated_at) FROM deployment_variables v WHERE v.deployment_id = t.id AND SUBSTR(v.name, 1, 9) = 'AIRFLOW__')",
        /// Whether it has an Airflow: 1, or 0.
        pub airflows: u32 =
            "(SELECT COUNT(*) FROM deployment_variables v WHERE v.deployment_id = t.id AND v.name = 'AIRFLOW__API__BASE_URL')",
    }
}

/// A page of the Organization's clusters, and how many there are.
///
/// # Errors
///
/// Those of the database.
pub async fn list(
    db: &impl Reads,
    granted: &Granted<scope::Organization>,
    query: &ListClustersQuery,
) -> Result<(Vec<Cluster>, u32)> {
    let mut filter = Filter::of_organization(granted.organization());
    if !query.names.is_empty() {
        filter.among("t.name", &query.names);
    }
    if let Some(provider) = query.provider {
        filter.among("t.cloud_provider", [provider.as_str()]);
    }
    filter.page(db, Cluster::COLUMNS, "clusters t", "", &Page::of(query)).await
}

/// One of the Organization's clusters.
///
/// # Errors
///
/// [`Error::NotFound`] when it is not there.
pub async fn get(db: &impl Reads, granted: &Granted<scope::Organization>, id: &ClusterId) -> Result<Cluster> {
    find(db, granted.organization(), id).await?.ok_or(Error::NotFound("cluster".into()))
}

/// [`get`], such that nobody else changes the cluster, or who uses it, until this change is
/// committed or dropped.
///
/// # Errors
///
/// [`Error::NotFound`] when it is not there.
pub async fn get_for_good(w: &Writing, granted: &Granted<scope::Organization>, id: &ClusterId) -> Result<Cluster> {
    w.conn().lock_row("clusters", id.as_str()).await?;
    get(w, granted, id).await
}

/// The cluster that something in the Organization shall use. It stays as it is until this change is
/// committed or dropped.
///
/// # Errors
///
/// Those of the database.
pub async fn find_for_good<S: scope::Scope>(
    w: &Writing,
    granted: &Granted<S>,
    id: &ClusterId,
) -> Result<Option<Cluster>> {
    w.conn().lock_row("clusters", id.as_str()).await?;
    match granted.place().organization() {
        Some(organization) => find(w, organization, id).await,
        None => Ok(None),
    }
}

async fn find(db: &impl Reads, organization: &OrganizationId, id: &ClusterId) -> Result<Option<Cluster>> {
    let sql = format!(
        "SELECT {} FROM clusters t{JOIN_SUBJECTS} WHERE t.id = $1 AND t.organization_id = $2",
        Cluster::COLUMNS
    );
    db.conn().one(&sql, params![id, organization]).await
}

/// How many clusters the Organization has, which stays so until this change is committed or dropped.
///
/// # Errors
///
/// Those of the database.
pub async fn count_for_good(w: &Writing, granted: &Granted<scope::Organization>) -> Result<u32> {
    w.conn().lock_row("organizations", granted.organization().as_str()).await?;
    let sql = "SELECT COUNT(*) FROM clusters WHERE organization_id = $1";
    Ok(crate::page::total(w.conn().count(sql, params![granted.organization()]).await?))
}

/// What a cluster is, as it shall be kept.
pub struct ClusterContent<'a> {
    /// Its name.
    pub name: &'a str,
    /// What was asked for, but for node pools and Workspaces.
    pub settings: &'a ClusterSettings,
    /// Its node pools.
    pub node_pools: &'a [NodePool],
    /// The Workspaces whose Deployments can run in it.
    pub workspaces: &'a [WorkspaceId],
}

impl ClusterContent<'_> {
    fn texts(&self) -> Result<[String; 3]> {
        let texts = || {
            Ok([
                serde_json::to_string(self.settings)?,
                serde_json::to_string(self.node_pools)?,
                serde_json::to_string(self.workspaces)?,
            ])
        };
        texts().map_err(|cause: serde_json::Error| Error::internal(cause))
    }
}

/// Keeps a new cluster.
///
/// # Errors
///
/// Those of the database.
pub async fn insert(
    w: &Writing,
    granted: &Granted<scope::Organization>,
    id: &ClusterId,
    (kind, provider): (ClusterType, CloudProvider),
    content: &ClusterContent<'_>,
    stamp: &Stamp,
) -> Result<Cluster> {
    let sql = "INSERT INTO clusters (id, organization_id, name, cluster_type, cloud_provider, settings, node_pools, \
               workspace_ids, created_at, created_by, updated_at, updated_by) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $9, $10)";
    let [settings, node_pools, workspaces] = &content.texts()?;
    let values = params![
        id,
        granted.organization(),
        content.name,
        kind.as_str(),
        provider.as_str(),
        settings,
        node_pools,
        workspaces,
        stamp.at,
        &stamp.by,
    ];
    w.conn().execute(sql, values).await?;
    get(w, granted, id).await
}

/// Changes a cluster.
///
/// # Errors
///
/// [`Error::NotFound`] when it was deleted meanwhile.
pub async fn update(
    w: &Writing,
    granted: &Granted<scope::Organization>,
    id: &ClusterId,
    content: &ClusterContent<'_>,
    stamp: &Stamp,
) -> Result<Cluster> {
    let sql = "UPDATE clusters SET name = $1, settings = $2, node_pools = $3, workspace_ids = $4, updated_at = $5, \
               updated_by = $6 WHERE id = $7";
    let [settings, node_pools, workspaces] = &content.texts()?;
    let values = params![content.name, settings, node_pools, workspaces, stamp.at, &stamp.by, id];
    w.conn().execute(sql, values).await?;
    get(w, granted, id).await
}

/// Deletes a cluster that nothing uses.
///
/// # Errors
///
/// Those of the database.
pub async fn delete(w: &Writing, cluster: &Cluster) -> Result<()> {
    w.conn().execute("DELETE FROM clusters WHERE id = $1", params![&cluster.id]).await?;
    Ok(())
}

/// What uses a cluster: names with ids.
#[derive(Debug, Default)]
pub struct Users {
    /// The Deployments that run in it.
    pub deployments: Vec<String>,
    /// The Workspaces whose default it is.
    pub workspaces: Vec<String>,
}

/// What uses a cluster, but for these Workspaces and what is in them.
///
/// # Errors
///
/// Those of the database.
pub async fn users(db: &impl Reads, cluster: &Cluster, apart_from: &[WorkspaceId]) -> Result<Users> {
    let mut values: Vec<Value<'_>> = vec![(&cluster.id).into()];
    values.extend(apart_from.iter().map(Value::from));
    let others = |column: &str| match apart_from.len() {
        0 => String::new(),
        count => format!(" AND {column} NOT IN ({})", placeholders(2, count)),
    };
    let named = |rows: Vec<(String, String)>| rows.into_iter().map(|(name, id)| format!("{name} ({id})")).collect();
    let sql = format!("SELECT name, id FROM deployments WHERE cluster_id = $1{} ORDER BY id", others("workspace_id"));
    let deployments = named(db.conn().all(&sql, &values).await?);
    let sql = format!("SELECT name, id FROM workspaces WHERE default_cluster_id = $1{} ORDER BY id", others("id"));
    Ok(Users { deployments, workspaces: named(db.conn().all(&sql, &values).await?) })
}

/// The Deployments in clusters.
///
/// # Errors
///
/// Those of the database.
pub async fn residents(db: &impl Reads, clusters: &[Cluster]) -> Result<Vec<Resident>> {
    let values: Vec<Value<'_>> = clusters.iter().map(|cluster| (&cluster.id).into()).collect();
    let sql = format!(
        "SELECT {} FROM deployments t LEFT JOIN deployment_health h ON h.deployment_id = t.id \
         WHERE t.cluster_id IN ({}) ORDER BY t.id",
        Resident::COLUMNS,
        placeholders(1, values.len())
    );
    db.conn().all(&sql, &values).await
}
