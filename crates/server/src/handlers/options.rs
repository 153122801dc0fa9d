//! `/organizations/{organizationId}/cluster-options` and `.../deployment-options`

use airlock_contract::{
    DeploymentId,
    operations::{GetClusterOptions, GetDeploymentOptions},
    permissions::{
        DeploymentGet,
        scope::{self, Scope},
    },
    wire::{ClusterOptionsOfClouds, DeploymentOptions},
};
use airlock_core::{Error, Result, catalogue::Wanted, policy};
use airlock_store::{
    Reading,
    deployments::{self, Deployment},
    locate::locate,
};

use crate::adaptor::{Call, Handlers, Read};

impl Read<GetClusterOptions> for Handlers {
    async fn read(call: &Call<'_, GetClusterOptions>, _: &Reading) -> Result<ClusterOptionsOfClouds> {
        Ok(call.app.settings.catalogue.cluster_options(call.query.kind, call.query.provider))
    }
}

impl Read<GetDeploymentOptions> for Handlers {
    async fn read(call: &Call<'_, GetDeploymentOptions>, db: &Reading) -> Result<DeploymentOptions> {
        let query = call.query;
        let deployment = match &query.deployment_id {
            Some(id) => Some(find(call, db, id).await?.settings),
            None => None,
        };
        let of_deployment = deployment.as_ref();
        let wanted = Wanted {
            kind: query.deployment_type.or_else(|| of_deployment.map(|settings| settings.kind())),
            executor: query.executor.or_else(|| of_deployment?.executor),
            cloud: query.cloud_provider.or_else(|| of_deployment?.cloud_provider),
        };
        let since = of_deployment.and_then(|settings| settings.astro_runtime_version.as_deref());
        Ok(call.app.settings.catalogue.deployment_options(wanted, since))
    }
}

/// The Deployment that options are for. The public API has no 404 for them.
async fn find(call: &Call<'_, GetDeploymentOptions>, db: &Reading, id: &DeploymentId) -> Result<Deployment> {
    let organization_id = call.granted.organization().clone();
    let target = scope::Deployment { organization_id, deployment_id: id.clone() }.target();
    match policy::authorize::<DeploymentGet>(call.caller, &target, locate(db, &target).await?) {
        Ok(granted) => deployments::get(db, &granted).await,
        Err(Error::NotFound(_) | Error::Hidden(_)) => {
            Err(Error::field("unknown", "deploymentId", "there is no such Deployment, or you may not see it"))
        }
        Err(other) => Err(other),
    }
}
