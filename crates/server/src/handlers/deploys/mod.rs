//! `/organizations/{organizationId}/deployments/{deploymentId}/deploys`

mod archive;
mod finalize;
mod rollback;

use airlock_contract::{
    DeployId, Operation, Time,
    operations::{CreateDeploy, GetDeploy, ListDeploys, UpdateDeploy},
    permissions::{Permission, scope},
    wire::{
        Bundle, CreateDeployRequest, DAGS, Deploy, DeployStatus, DeployType, DeploysPaginated, SubjectType,
        canonical_mount_path,
    },
};
use airlock_core::{
    Error, Result,
    upload_link::{Part, UploadLink},
};
use airlock_store::{
    Reading, Writing,
    deployments::{self, Deployment},
    deploys::{self, Deploy as Record, NewDeploy},
};

use crate::adaptor::{Call, Changed, Handlers, Read, Write};

/// How long an upload link is good, in seconds.
const LINK_LIFETIME: i64 = 3600;

/// How much of a deploy's id is in its image's tag: its end, which is chance.
const TAG_CHANCE: usize = 6;

impl Read<ListDeploys> for Handlers {
    async fn read(call: &Call<'_, ListDeploys>, db: &Reading) -> Result<DeploysPaginated> {
        let (records, total_count) = deploys::list(db, call.granted, call.query).await?;
        Ok(DeploysPaginated {
            deploys: records.into_iter().map(view).collect(),
            limit: call.query.limit,
            offset: call.query.offset,
            total_count,
        })
    }
}

impl Read<GetDeploy> for Handlers {
    async fn read(call: &Call<'_, GetDeploy>, db: &Reading) -> Result<Deploy> {
        deploys::get(db, call.granted, &call.path.deploy_id).await.map(view)
    }
}

impl Write<CreateDeploy> for Handlers {
    async fn write(call: &Call<'_, CreateDeploy>, w: &Writing) -> Result<Changed<Deploy>> {
        let (app, body) = (call.app, call.body);
        let deployment = deployments::get(w, call.granted).await?;
        refuse_people(call, &deployment)?;
        let place = place(body)?;
        let takes_dags = takes_dags(&deployment);
        if !takes_dags && !body.kind.has_image() {
            return Err(dags_are_off("type"));
        }
        let id: DeployId = app.env.new_id();
        let image_tag = if body.kind.has_image() { image_tag(&id, call.now) } else { String::new() };
        let deploy = NewDeploy {
            id: &id,
            kind: body.kind,
            status: DeployStatus::Initialized,
            description: body.description.as_deref(),
            git: body.git.as_ref(),
            image_tag: &image_tag,
            runtime_version: deployment.settings.astro_runtime_version.as_deref(),
            is_dag_deploy_enabled: takes_dags,
            bundle_mount_path: body.bundle_mount_path.as_deref(),
            bundle_type: body.bundle_type.as_deref(),
            place,
            version: None,
            rollback_from: None,
        };
        deploys::insert(w, call.granted, &deploy, &call.stamp()).await?;
        let link = |part| {
            let until = call.now.plus_seconds(LINK_LIFETIME);
            format!("{}{}", app.settings.public_url, UploadLink::sign(&app.keys, &id, part, until))
        };
        let output = Deploy {
            dags_upload_url: (takes_dags && body.kind.has_dags()).then(|| link(Part::Dags)),
            bundle_upload_url: (body.kind == DeployType::Bundle).then(|| link(Part::Bundle)),
            ..view(deploys::get(w, call.granted, &id).await?)
        };
        Ok(Changed::new(output, "deploy", &id))
    }
}

impl Write<UpdateDeploy> for Handlers {
    async fn write(call: &Call<'_, UpdateDeploy>, w: &Writing) -> Result<Changed<Deploy>> {
        let id = &call.path.deploy_id;
        let deploy = deploys::get_for_good(w, call.granted, id).await?;
        let description = call.body.description.as_deref().or(deploy.description.as_deref());
        deploys::describe(w, &deploy, description, &call.stamp()).await?;
        Ok(Changed::new(view(deploys::get(w, call.granted, id).await?), "deploy", id))
    }
}

/// A call about the deploys of one Deployment.
trait AboutDeploys: Operation<Permission: Permission<Scope = scope::Deployment>> {}
impl<O: Operation<Permission: Permission<Scope = scope::Deployment>>> AboutDeploys for O {}

/// Refuses a user where only automations may deploy.
fn refuse_people<O: AboutDeploys>(call: &Call<'_, O>, deployment: &Deployment) -> Result<()> {
    let is_enforced = deployment.settings.is_cicd_enforced == Some(true);
    if is_enforced && call.caller.kind == SubjectType::User {
        return Err(Error::Denied(
            "the Deployment takes deploys from API tokens only; update it without isCicdEnforced to deploy yourself"
                .into(),
        ));
    }
    Ok(())
}

fn takes_dags(deployment: &Deployment) -> bool {
    deployment.settings.is_dag_deploy_enabled == Some(true)
}

fn dags_are_off(field: &str) -> Error {
    let message = "the Deployment has DAG deploys off; update it with isDagDeployEnabled";
    Error::field("constraint", field, message)
}

/// Where the archive of a new deploy belongs.
fn place(body: &CreateDeployRequest) -> Result<&str> {
    let is_bundle = body.kind == DeployType::Bundle;
    for (field, value) in [("bundleMountPath", &body.bundle_mount_path), ("bundleType", &body.bundle_type)] {
        match value.as_deref().filter(|value| !value.is_empty()) {
            None if is_bundle => return Err(Error::field("required", field, "is required for a BUNDLE")),
            Some(_) if !is_bundle => return Err(Error::field("constraint", field, "is for a BUNDLE only")),
            _ => {}
        }
    }
    Ok(body.bundle_mount_path.as_deref().filter(|_| is_bundle).map_or(DAGS, canonical_mount_path))
}

/// A tag that no other image of the Deployment has: when the deploy was created, and a little of its
/// id.
fn image_tag(id: &DeployId, now: Time) -> String {
    let second: String = now.to_string().chars().take(19).map(|c| if c == ':' { '-' } else { c }).collect();
    let chance = id.as_str().len().saturating_sub(TAG_CHANCE);
    format!("deploy-{second}-{}", &id.as_str()[chance..])
}

fn view(record: Record) -> Deploy {
    let bundle = record.bundle_mount_path.clone().map(|mount_path| Bundle {
        bundle_type: record.bundle_type.clone().unwrap_or_default(),
        deploy_id: record.id.clone(),
        mount_path,
        current_version: record.current.clone(),
        desired_version: record.version.clone(),
    });
    Deploy {
        id: record.id,
        deployment_id: record.deployment,
        kind: record.kind.into(),
        status: record.status,
        description: record.description,
        git: record.git,
        dags_upload_url: None,
        bundle_upload_url: None,
        dag_tarball_version: record.version.filter(|_| bundle.is_none()),
        bundle_mount_path: record.bundle_mount_path,
        bundles: bundle.map(|bundle| vec![bundle]),
        image_repository: String::new(),
        image_tag: record.image_tag,
        airflow_version: None,
        astro_runtime_version: record.runtime_version,
        is_dag_deploy_enabled: record.is_dag_deploy_enabled,
        rollback_from_id: record.rollback_from,
        created_at: record.authorship.created_at,
        created_by_subject: Some(record.authorship.created_by),
        updated_at: Some(record.authorship.updated_at),
        updated_by_subject: Some(record.authorship.updated_by),
    }
}
