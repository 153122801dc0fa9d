//! Deploys. The archives that they brought are in [`crate::tarballs`].

use airlock_contract::{
    DeployId, DeploymentId, OrganizationId, TarballVersion, Time,
    permissions::scope,
    wire::{DeployGit, DeployStatus, DeployType, ListDeploysQuery},
};
use airlock_core::{Error, Result, policy::Granted, upload_link::UploadLink};

use crate::{
    Page, Stamp, Writing,
    db::{Column, Reads, Row, params, record, sealed::Sealed as _},
    filter::Filter,
    subjects::JOIN_SUBJECTS,
    upkeep::Upkeep,
};

record! {
    /// A deploy.
    pub struct Deploy {
        /// Its id.
        pub id: DeployId = "t.id",
        /// The Deployment that it changes.
        pub deployment: DeploymentId = "t.deployment_id",
        /// What it changes.
        pub kind: DeployType = "t.deploy_type",
        /// How far it has come.
        pub status: DeployStatus = "t.status",
        /// What it is about.
        pub description: Option<String> = "t.description",
        /// The commit that it was made from.
        pub git: Option<DeployGit> = "t.git",
        /// The tag of its image; empty without one.
        pub image_tag: String = "t.image_tag",
        /// The runtime that the Deployment had.
        pub runtime_version: Option<String> = "t.runtime_version",
        /// Whether the Deployment took Dags without an image.
        pub is_dag_deploy_enabled: bool = "t.is_dag_deploy_enabled",
        /// Where its bundle is to be found, as it was given.
        pub bundle_mount_path: Option<String> = "t.bundle_mount_path",
        /// What its bundle is.
        pub bundle_type: Option<String> = "t.bundle_type",
        /// The archive's place among those of the Deployment.
        pub place: String = "t.place",
        /// The archive that it was finalized with.
        pub version: Option<TarballVersion> = "t.tarball_version",
        /// The deploy whose code it brought back.
        pub rollback_from: Option<DeployId> = "t.rollback_from_id",
        /// The archive that is current at its place now, whichever deploy brought it.
        pub current: Option<TarballVersion> = "k.tarball_id",
    } and authorship
}

const JOIN_CURRENT: &str = " LEFT JOIN current_tarballs k ON k.deployment_id = t.deployment_id AND k.place = t.place";

impl Column for Option<DeployGit> {
    fn take(row: &mut Row<'_>) -> Result<Self> {
        let text: Option<String> = row.take()?;
        text.map(|text| serde_json::from_str(&text).map_err(|cause| crate::corrupt("deploy's commit", cause)))
            .transpose()
    }
}

/// A page of the Deployment's deploys, and how many there are.
///
/// # Errors
///
/// Those of the database.
pub async fn list(
    db: &impl Reads,
    granted: &Granted<scope::Deployment>,
    query: &ListDeploysQuery,
) -> Result<(Vec<Deploy>, u32)> {
    let mut filter = Filter::default();
    filter.among("t.deployment_id", [granted.deployment()]);
    filter.page(db, Deploy::COLUMNS, "deploys t", JOIN_CURRENT, &Page::of(query)).await
}

/// One of the Deployment's deploys.
///
/// # Errors
///
/// [`Error::NotFound`] when it is not there.
pub async fn get(db: &impl Reads, granted: &Granted<scope::Deployment>, id: &DeployId) -> Result<Deploy> {
    let sql = format!(
        "SELECT {} FROM deploys t{JOIN_CURRENT}{JOIN_SUBJECTS} WHERE t.id = $1 AND t.deployment_id = $2",
        Deploy::COLUMNS
    );
    let found = db.conn().one(&sql, params![id, granted.deployment()]).await?;
    found.ok_or(Error::NotFound("deploy".into()))
}

/// [`get`], such that neither the deploy nor what is current in the Deployment changes until this
/// change is committed or dropped.
///
/// # Errors
///
/// As [`get`].
pub async fn get_for_good(w: &Writing, granted: &Granted<scope::Deployment>, id: &DeployId) -> Result<Deploy> {
    w.conn().lock_row("deployments", granted.deployment().as_str()).await?;
    get(w, granted, id).await?; // nobody holds up what is another's
    w.conn().lock_row("deploys", id.as_str()).await?;
    get(w, granted, id).await
}

/// What a new deploy is made of.
pub struct NewDeploy<'a> {
    /// Its id.
    pub id: &'a DeployId,
    /// What it changes.
    pub kind: DeployType,
    /// How far it has come.
    pub status: DeployStatus,
    /// What it is about.
    pub description: Option<&'a str>,
    /// The commit that it is made from.
    pub git: Option<&'a DeployGit>,
    /// The tag of its image; empty without one.
    pub image_tag: &'a str,
    /// The runtime that the Deployment has.
    pub runtime_version: Option<&'a str>,
    /// Whether the Deployment takes Dags without an image.
    pub is_dag_deploy_enabled: bool,
    /// Where its bundle is to be found, as it was given.
    pub bundle_mount_path: Option<&'a str>,
    /// What its bundle is.
    pub bundle_type: Option<&'a str>,
    /// The archive's place among those of the Deployment.
    pub place: &'a str,
    /// The archive that it has, where it is finalized already.
    pub version: Option<&'a TarballVersion>,
    /// The deploy whose code it brings back.
    pub rollback_from: Option<&'a DeployId>,
}

/// Keeps a new deploy.
///
/// # Errors
///
/// Those of the database.
pub async fn insert(
    w: &Writing,
    granted: &Granted<scope::Deployment>,
    deploy: &NewDeploy<'_>,
    stamp: &Stamp,
) -> Result<()> {
    let git = deploy.git.map(serde_json::to_string).transpose().map_err(Error::internal)?;
    let sql = "INSERT INTO deploys (id, deployment_id, deploy_type, status, description, git, image_tag, \
               runtime_version, is_dag_deploy_enabled, bundle_mount_path, bundle_type, place, tarball_version, \
               rollback_from_id, created_at, created_by, updated_at, updated_by) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $15, $16)";
    let values = params![
        deploy.id,
        granted.deployment(),
        deploy.kind.as_str(),
        deploy.status.as_str(),
        deploy.description,
        &git,
        deploy.image_tag,
        deploy.runtime_version,
        deploy.is_dag_deploy_enabled,
        deploy.bundle_mount_path,
        deploy.bundle_type,
        deploy.place,
        deploy.version.map(TarballVersion::as_str),
        deploy.rollback_from.map(DeployId::as_str),
        stamp.at,
        &stamp.by,
    ];
    w.conn().execute(sql, values).await?;
    Ok(())
}

/// Changes what a deploy is about.
///
/// # Errors
///
/// Those of the database.
pub async fn describe(w: &Writing, deploy: &Deploy, description: Option<&str>, stamp: &Stamp) -> Result<()> {
    let sql = "UPDATE deploys SET description = $1, updated_at = $2, updated_by = $3 WHERE id = $4";
    w.conn().execute(sql, params![description, stamp.at, &stamp.by, &deploy.id]).await?;
    Ok(())
}

/// Says that a deploy is finalized, with an archive or without one.
///
/// # Errors
///
/// Those of the database.
pub async fn finalize(w: &Writing, deploy: &Deploy, version: Option<&TarballVersion>, stamp: &Stamp) -> Result<()> {
    let sql = "UPDATE deploys SET status = $1, tarball_version = $2, updated_at = $3, updated_by = $4 WHERE id = $5";
    let status = DeployStatus::Deployed.as_str();
    let version = version.map(TarballVersion::as_str);
    w.conn().execute(sql, params![status, version, stamp.at, &stamp.by, &deploy.id]).await?;
    Ok(())
}

/// Says which image the granted Deployment has now.
///
/// # Errors
///
/// Those of the database.
pub async fn set_image(w: &Writing, granted: &Granted<scope::Deployment>, tag: &str) -> Result<()> {
    let sql = "UPDATE deployments SET image_tag = $1 WHERE id = $2";
    w.conn().execute(sql, params![tag, granted.deployment()]).await?;
    Ok(())
}

record! {
    /// What somebody with an upload link must know of its deploy.
    pub struct Awaited {
        /// The Organization that it belongs to.
        pub organization: OrganizationId = "d.organization_id",
        /// How far it has come.
        pub status: DeployStatus = "t.status",
    }
}

/// The deploy of an upload link; `None` when it is gone, with its Deployment.
///
/// # Errors
///
/// Those of the database.
pub async fn awaited(db: &impl Reads, link: &UploadLink) -> Result<Option<Awaited>> {
    let sql = format!(
        "SELECT {} FROM deploys t JOIN deployments d ON d.id = t.deployment_id WHERE t.id = $1",
        Awaited::COLUMNS
    );
    db.conn().one(&sql, params![link.deploy()]).await
}

/// The Organization that a deploy is in, for the record of a refusal.
///
/// # Errors
///
/// Those of the database.
pub async fn organization_of(db: &impl Reads, id: &DeployId) -> Result<Option<OrganizationId>> {
    let sql = "SELECT d.organization_id FROM deploys t JOIN deployments d ON d.id = t.deployment_id WHERE t.id = $1";
    let found: Option<(OrganizationId,)> = db.conn().one(sql, params![id]).await?;
    Ok(found.map(|(id,)| id))
}

impl Upkeep {
    /// Gives up deploys that were created before a time and are not finalized.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn give_up_deploys_before(&self, time: Time) -> Result<u64> {
        let sql = "UPDATE deploys SET status = $1 WHERE status = $2 AND created_at < $3";
        let (failed, awaited) = (DeployStatus::Failed.as_str(), DeployStatus::Initialized.as_str());
        self.conn.execute(sql, params![failed, awaited, time]).await
    }
}
