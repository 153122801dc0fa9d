//! FinalizeDeploy: the archive that was uploaded becomes what agents get.
//!
//! It is looked at before the transaction begins, for that takes as long as the archive is large. What
//! was looked at cannot change meanwhile: nothing is ever written under its version again.

use airlock_contract::{
    TarballVersion,
    operations::FinalizeDeploy,
    wire::{Deploy, DeployStatus, DeployType, FinalizeDeployRequest},
};
use airlock_core::{Error, Result};
use airlock_store::{
    Reads, Writing, deployments,
    deploys::{self, Deploy as Record},
    tarballs,
};

use super::{archive, dags_are_off, refuse_people, takes_dags, view};
use crate::adaptor::{Call, Changed, Handlers, Write};

const OF_DAGS: &str = "dagTarballVersion";
const OF_BUNDLE: &str = "bundleTarballVersion";

/// What a deploy shall be finalized with.
enum Wanted {
    /// An archive.
    Archive(TarballVersion),
    /// No bundle at its mount path any more.
    Removal,
    /// The image alone.
    Nothing,
}

/// What the Deployment knows of an archive.
enum Known {
    /// Agents get it.
    Current,
    /// Agents got it before.
    Former,
    /// Nothing: it was uploaded for the deploy, or is not there.
    No,
}

impl Write<FinalizeDeploy> for Handlers {
    async fn before(call: &Call<'_, FinalizeDeploy>) -> Result<()> {
        let db = call.app.store.read().await?;
        let deploy = deploys::get(&db, call.granted, &call.path.deploy_id).await?;
        let Wanted::Archive(version) = wanted(&deploy, call.body)? else { return Ok(()) };
        let is_new = matches!(known(&db, call, &deploy, &version).await?, Known::No);
        drop(db); // nobody holds a connection while an archive is read
        if is_new && deploy.status == DeployStatus::Initialized {
            archive::check(call.app, &deploy.id, &version, field(deploy.kind)).await?;
            call.found_good(&version);
        }
        Ok(())
    }

    async fn write(call: &Call<'_, FinalizeDeploy>, w: &Writing) -> Result<Changed<Deploy>> {
        let id = &call.path.deploy_id;
        let deploy = deploys::get_for_good(w, call.granted, id).await?;
        let wanted = wanted(&deploy, call.body)?;
        let version = match &wanted {
            Wanted::Archive(version) => Some(version),
            Wanted::Removal | Wanted::Nothing => None,
        };
        match deploy.status {
            DeployStatus::Initialized => finalize(call, w, &deploy, &wanted, version).await?,
            DeployStatus::Deployed if deploy.version.as_ref() == version => {}
            DeployStatus::Deployed => {
                return Err(Error::refused("the deploy was finalized with another version; create another deploy"));
            }
            DeployStatus::Failed => {
                return Err(Error::refused("the deploy was not finalized within a day; create another"));
            }
        }
        Ok(Changed::new(view(deploys::get(w, call.granted, id).await?), "deploy", id))
    }
}

async fn finalize(
    call: &Call<'_, FinalizeDeploy>,
    w: &Writing,
    deploy: &Record,
    wanted: &Wanted,
    version: Option<&TarballVersion>,
) -> Result<()> {
    let by = &deploy.id;
    let deployment = deployments::get(w, call.granted).await?;
    refuse_people(call, &deployment)?;
    match wanted {
        Wanted::Nothing => {}
        Wanted::Removal => tarballs::make_current(w, deploy, by, None, call.now).await?,
        Wanted::Archive(version) => match known(w, call, deploy, version).await? {
            Known::Current => {}
            Known::Former => {
                let message = "is of another deploy, and not current any more; roll back to that deploy";
                return Err(Error::field("constraint", field(deploy.kind), message));
            }
            // It was another deploy's when this call began, and has been let go since.
            Known::No if !call.was_found_good(version) => return Err(archive::unknown(field(deploy.kind))),
            Known::No => {
                if !takes_dags(&deployment) {
                    return Err(dags_are_off(field(deploy.kind)));
                }
                tarballs::insert(w, deploy, version, call.now).await?;
                tarballs::make_current(w, deploy, by, Some(version), call.now).await?;
            }
        },
    }
    deploys::finalize(w, deploy, version, &call.stamp()).await?;
    if deploy.kind.has_image() {
        deploys::set_image(w, call.granted, &deploy.image_tag).await?;
    }
    Ok(())
}

/// What the request asks for.
fn wanted(deploy: &Record, body: &FinalizeDeployRequest) -> Result<Wanted> {
    let is_bundle = deploy.kind == DeployType::Bundle;
    let (own, other) = match is_bundle {
        true => (&body.bundle_tarball_version, (OF_DAGS, &body.dag_tarball_version)),
        false => (&body.dag_tarball_version, (OF_BUNDLE, &body.bundle_tarball_version)),
    };
    if other.1.as_deref().is_some_and(|text| !text.is_empty()) {
        return Err(Error::field("constraint", other.0, format!("is not for a deploy of {}", deploy.kind.as_str())));
    }
    let field = field(deploy.kind);
    match own.as_deref() {
        // Whatever cannot be a version must not be taken for an empty one, which removes a bundle.
        Some(text) if !text.is_empty() => match TarballVersion::from(text) {
            version if version.as_str().is_empty() => Err(archive::unknown(field)),
            version => Ok(Wanted::Archive(version)),
        },
        Some(_) if is_bundle => Ok(Wanted::Removal),
        _ if deploy.kind.has_image() => Ok(Wanted::Nothing),
        _ => Err(Error::field("required", field, "is required: what the upload was answered with as x-ms-version-id")),
    }
}

/// The field that names a deploy's archive.
fn field(kind: DeployType) -> &'static str {
    if kind == DeployType::Bundle { OF_BUNDLE } else { OF_DAGS }
}

async fn known(
    db: &impl Reads,
    call: &Call<'_, FinalizeDeploy>,
    deploy: &Record,
    version: &TarballVersion,
) -> Result<Known> {
    if deploy.current.as_ref() == Some(version) {
        return Ok(Known::Current);
    }
    Ok(if tarballs::has(db, call.granted, version).await? { Known::Former } else { Known::No })
}
