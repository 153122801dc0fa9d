//! DeployRollback: a new deploy of what an older one has deployed.

use airlock_contract::{
    DeployId,
    operations::DeployRollback,
    wire::{Deploy, DeployStatus, DeployType},
};
use airlock_core::{Error, Result};
use airlock_store::{
    Writing, deployments,
    deploys::{self, Deploy as Record, NewDeploy},
    tarballs,
};

use super::{dags_are_off, refuse_people, takes_dags, view};
use crate::adaptor::{Call, Changed, Handlers, Write};

impl Write<DeployRollback> for Handlers {
    async fn write(call: &Call<'_, DeployRollback>, w: &Writing) -> Result<Changed<Deploy>> {
        let old = deploys::get_for_good(w, call.granted, &call.path.deploy_id).await?;
        let deployment = deployments::get(w, call.granted).await?;
        refuse_people(call, &deployment)?;
        let takes_dags = takes_dags(&deployment);
        refuse_unfit(call, w, &old, takes_dags).await?;

        let id: DeployId = call.app.env.new_id();
        let deploy = NewDeploy {
            id: &id,
            kind: old.kind,
            status: DeployStatus::Deployed,
            description: call.body.description.as_deref(),
            git: old.git.as_ref(),
            image_tag: &old.image_tag,
            runtime_version: deployment.settings.astro_runtime_version.as_deref(),
            is_dag_deploy_enabled: takes_dags,
            bundle_mount_path: old.bundle_mount_path.as_deref(),
            bundle_type: old.bundle_type.as_deref(),
            place: &old.place,
            version: old.version.as_ref(),
            rollback_from: Some(&old.id),
        };
        deploys::insert(w, call.granted, &deploy, &call.stamp()).await?;
        // A deploy that removed a bundle removes it again; one of an image alone leaves the Dags.
        if old.version.is_some() || old.kind == DeployType::Bundle {
            tarballs::make_current(w, &old, &id, old.version.as_ref(), call.now).await?;
        }
        if old.kind.has_image() {
            deploys::set_image(w, call.granted, &old.image_tag).await?;
        }
        Ok(Changed::new(view(deploys::get(w, call.granted, &id).await?), "deploy", &id))
    }
}

/// Refuses a deploy that there is no way back to.
async fn refuse_unfit(call: &Call<'_, DeployRollback>, w: &Writing, old: &Record, takes_dags: bool) -> Result<()> {
    if old.status != DeployStatus::Deployed {
        return Err(Error::refused("the deploy was not finalized, so that there is nothing to go back to"));
    }
    let Some(version) = &old.version else { return Ok(()) };
    if !takes_dags {
        return Err(dags_are_off("deployId"));
    }
    if tarballs::has_for_good(w, call.granted, version).await? {
        return Ok(());
    }
    let kept = call.app.settings.deploys.kept;
    Err(Error::refused(format!(
        "the archive {version} of the deploy is not kept any more: the server keeps the last {kept}, and what is current"
    )))
}
