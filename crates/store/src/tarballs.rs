//! Archives of code: which are kept, and which are current. What is in them is in the bundle
//! storage, under the deploy that each was uploaded for.

use std::collections::HashSet;

use airlock_contract::{DeployId, DeploymentId, TarballVersion, Time, permissions::scope, wire::DeployStatus};
use airlock_core::{Result, policy::Granted};

use crate::{
    Reading, Writing,
    db::{Reads, Value, params, placeholders, record, sealed::Sealed as _},
    deploys::Deploy,
    live_tokens::LiveToken,
    upkeep::Upkeep,
};

record! {
    /// An archive that agents get.
    pub struct Current {
        /// Its place: the mount path, or `dags`.
        pub place: String = "k.place",
        /// Its version.
        pub version: TarballVersion = "k.tarball_id",
        /// The deploy that made it current.
        pub deploy: DeployId = "k.deploy_id",
        /// What it is; absent for Dags.
        pub bundle_type: Option<String> = "k.bundle_type",
        /// The deploy that it was uploaded for.
        pub uploaded_for: DeployId = "t.deploy_id",
    }
}

const FROM: &str = "current_tarballs k JOIN tarballs t ON t.id = k.tarball_id";

/// Who asks for archives, and of which Deployment.
pub enum Asker<'a> {
    /// An agent, with its token.
    Agent(&'a LiveToken),
    /// Somebody with an API token.
    Api(&'a Granted<scope::Deployment>),
}

impl Asker<'_> {
    fn deployment(&self) -> &DeploymentId {
        match self {
            Self::Agent(token) => &token.deployment,
            Self::Api(granted) => granted.deployment(),
        }
    }
}

/// The archive that is current at a place of the asker's Deployment.
///
/// # Errors
///
/// Those of the database.
pub async fn current(db: &impl Reads, asker: &Asker<'_>, place: &str) -> Result<Option<Current>> {
    let sql = format!("SELECT {} FROM {FROM} WHERE k.deployment_id = $1 AND k.place = $2", Current::COLUMNS);
    db.conn().one(&sql, params![asker.deployment(), place]).await
}

/// All archives that are current in the asker's Deployment.
///
/// # Errors
///
/// Those of the database.
pub async fn all_current(db: &impl Reads, asker: &Asker<'_>) -> Result<Vec<Current>> {
    let order = db.conn().text_order();
    let sql = format!("SELECT {} FROM {FROM} WHERE k.deployment_id = $1 ORDER BY k.place{order}", Current::COLUMNS);
    db.conn().all(&sql, params![asker.deployment()]).await
}

/// Whether the granted Deployment keeps an archive.
///
/// # Errors
///
/// Those of the database.
pub async fn has(db: &impl Reads, granted: &Granted<scope::Deployment>, version: &TarballVersion) -> Result<bool> {
    let sql = "SELECT COUNT(*) FROM tarballs WHERE id = $1 AND deployment_id = $2";
    Ok(db.conn().count(sql, params![version, granted.deployment()]).await? > 0)
}

/// [`has`], such that the archive is kept until this change is committed or dropped.
///
/// # Errors
///
/// Those of the database.
pub async fn has_for_good(w: &Writing, granted: &Granted<scope::Deployment>, version: &TarballVersion) -> Result<bool> {
    // Nobody holds up what is another's.
    if !has(w, granted, version).await? {
        return Ok(false);
    }
    w.conn().lock_row("tarballs", version.as_str()).await?;
    has(w, granted, version).await
}

/// Keeps an archive that was uploaded for a deploy, from when it becomes current on.
///
/// # Errors
///
/// Those of the database.
pub async fn insert(w: &Writing, deploy: &Deploy, version: &TarballVersion, at: Time) -> Result<()> {
    let sql = "INSERT INTO tarballs (id, deployment_id, deploy_id, place, current_at) VALUES ($1, $2, $3, $4, $5)";
    w.conn().execute(sql, params![version, &deploy.deployment, &deploy.id, &deploy.place, at]).await?;
    Ok(())
}

/// Makes an archive that is kept the current one at the place of a deploy, in the name of the deploy
/// `by`; with no archive, there is none from then on.
///
/// # Errors
///
/// Those of the database.
pub async fn make_current(
    w: &Writing,
    deploy: &Deploy,
    by: &DeployId,
    version: Option<&TarballVersion>,
    at: Time,
) -> Result<()> {
    let sql = "DELETE FROM current_tarballs WHERE deployment_id = $1 AND place = $2";
    w.conn().execute(sql, params![&deploy.deployment, &deploy.place]).await?;
    let Some(version) = version else { return Ok(()) };
    w.conn().execute("UPDATE tarballs SET current_at = $1 WHERE id = $2", params![at, version]).await?;
    let sql = "INSERT INTO current_tarballs (deployment_id, place, tarball_id, deploy_id, bundle_type) \
               VALUES ($1, $2, $3, $4, $5)";
    w.conn().execute(sql, params![&deploy.deployment, &deploy.place, version, by, &deploy.bundle_type]).await?;
    Ok(())
}

/// What the bundle storage must have of some deploys.
#[derive(Debug, Default)]
pub struct Kept {
    /// Deploys to which may still be uploaded.
    pub awaited: HashSet<DeployId>,
    /// Archives that are kept.
    pub versions: HashSet<TarballVersion>,
}

/// What the bundle storage must have of these deploys, of whichever tenant.
///
/// The two answers are of two moments. Which deploys are awaited is asked first: one that is finalized
/// in between is among them, or its archive is in the second answer. The other way round it would be
/// in neither, and the archive that is current lost.
///
/// # Errors
///
/// Those of the database.
pub async fn kept(db: &Reading, deploys: &[DeployId]) -> Result<Kept> {
    let mut values: Vec<Value<'_>> = deploys.iter().map(Value::from).collect();
    let these = placeholders(1, values.len());
    values.push(DeployStatus::Initialized.as_str().into());
    let sql = format!("SELECT id FROM deploys WHERE id IN ({these}) AND status = ${}", values.len());
    let awaited: Vec<(DeployId,)> = db.conn().all(&sql, &values).await?;
    values.pop();
    let sql = format!("SELECT id FROM tarballs WHERE deploy_id IN ({these})");
    let versions: Vec<(TarballVersion,)> = db.conn().all(&sql, &values).await?;
    Ok(Kept {
        awaited: awaited.into_iter().map(|(id,)| id).collect(),
        versions: versions.into_iter().map(|(id,)| id).collect(),
    })
}

impl Upkeep {
    /// Keeps so many archives at each place of each Deployment, those that were current last; answers
    /// how many it has let go. One that is current is never let go.
    ///
    /// # Errors
    ///
    /// Those of the database; on PostgreSQL also when an archive becomes current meanwhile, after
    /// which nothing is let go until the next time.
    pub async fn keep_tarballs(&self, most: u32) -> Result<u64> {
        let sql = "DELETE FROM tarballs WHERE id IN (SELECT id FROM (SELECT id, ROW_NUMBER() OVER \
                   (PARTITION BY deployment_id, place ORDER BY current_at DESC, id DESC) AS rank FROM tarballs) ranked \
                   WHERE rank > $1) AND id NOT IN (SELECT tarball_id FROM current_tarballs)";
        self.conn.execute(sql, params![most]).await
    }
}
