//! `/organizations/{organizationId}/deployments/{deploymentId}/hibernation-override`, and the
//! hibernation rules in a Deployment's settings.

use airlock_contract::{
    Time,
    operations::{DeleteDeploymentHibernationOverride, UpdateDeploymentHibernationOverride},
    wire::{
        DeploymentHibernationOverride, DeploymentHibernationOverrideRequest, DeploymentHibernationSpec,
        DeploymentScalingSpec, DeploymentSettings,
    },
};
use airlock_core::{Error, Result, hibernation};
use airlock_store::{Writing, deployments};

use crate::adaptor::{Call, Changed, Handlers, Write};

/// What to do about a Deployment that cannot sleep.
const NOT_FOR_DEVELOPMENT: &str =
    "only a Deployment for development can hibernate; update it with isDevelopmentMode true";

impl Write<UpdateDeploymentHibernationOverride> for Handlers {
    async fn write(
        call: &Call<'_, UpdateDeploymentHibernationOverride>,
        w: &Writing,
    ) -> Result<Changed<DeploymentHibernationOverride>> {
        let mut settings = deployments::get_for_good(w, call.granted).await?.settings;
        if !hibernation::is_for_development(&settings) {
            return Err(Error::refused(NOT_FOR_DEVELOPMENT));
        }
        if call.body.override_until.is_some_and(|until| until <= call.now) {
            return Err(Error::field("constraint", "overrideUntil", "has passed already"));
        }
        let new = DeploymentHibernationOverrideRequest {
            is_hibernating: Some(call.body.is_hibernating),
            override_until: call.body.override_until.map(|until| until.to_string()),
        };
        let output = hibernation::shown(&new, call.now);
        let scaling = settings.scaling_spec.get_or_insert_default();
        scaling.hibernation_spec.get_or_insert_default().r#override = Some(new);
        deployments::update(w, call.granted, &settings, &call.stamp()).await?;
        Ok(Changed::new(output, "deployment", call.granted.deployment()))
    }
}

impl Write<DeleteDeploymentHibernationOverride> for Handlers {
    async fn write(call: &Call<'_, DeleteDeploymentHibernationOverride>, w: &Writing) -> Result<Changed<()>> {
        let mut settings = deployments::get_for_good(w, call.granted).await?.settings;
        let spec = settings.scaling_spec.as_mut().and_then(|scaling| scaling.hibernation_spec.as_mut());
        if spec.and_then(|spec| spec.r#override.take()).is_some() {
            deployments::update(w, call.granted, &settings, &call.stamp()).await?;
        }
        Ok(Changed::new((), "deployment", call.granted.deployment()))
    }
}

/// Refuses rules that a request asks for, if the Deployment cannot follow them.
///
/// # Errors
///
/// [`Error::Invalid`], naming the fields.
pub(super) fn check(settings: &DeploymentSettings, request: &DeploymentSettings) -> Result<()> {
    let asked = request.scaling_spec.as_ref().and_then(|scaling| scaling.hibernation_spec.as_ref());
    let Some(spec) = asked else { return Ok(()) };
    let faults = hibernation::faults(spec);
    if !faults.is_empty() {
        return Err(Error::invalid(faults));
    }
    let says_something = spec.r#override.is_some() || spec.schedules.as_ref().is_some_and(|all| !all.is_empty());
    if says_something && !hibernation::is_for_development(settings) {
        return Err(Error::field("constraint", "scalingSpec.hibernationSpec", NOT_FOR_DEVELOPMENT));
    }
    Ok(())
}

/// The rules as they are told; none when there are none. The stock Terraform provider asks for
/// `{}` where nobody wants any, and takes whatever object comes back for some.
pub(super) fn view(settings: &DeploymentSettings, now: Time) -> Option<DeploymentScalingSpec> {
    let spec = hibernation::spec_of(settings)?;
    let hibernation_spec = DeploymentHibernationSpec {
        r#override: spec.r#override.as_ref().map(|asked| hibernation::shown(asked, now)),
        schedules: spec.schedules.clone(),
    };
    Some(DeploymentScalingSpec { hibernation_spec: Some(hibernation_spec) })
}
