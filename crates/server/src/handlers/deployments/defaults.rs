//! What a Deployment has that does not say: what stock clients look at without asking is there.

use airlock_contract::wire::{DeploymentSettings, DeploymentType, Executor, SchedulerSize};
use airlock_core::catalogue::{Catalogue, Wanted};

/// The least units of a HYBRID Deployment's scheduler, and how many of it there are.
const SCHEDULER_UNITS: u32 = 5;
const SCHEDULER_REPLICAS: u32 = 1;

/// Fills in what is missing, from the catalogue where it has a say.
pub(crate) fn with_defaults(catalogue: &Catalogue, mut settings: DeploymentSettings) -> DeploymentSettings {
    let kind = settings.kind();
    settings.kind = Some(kind);
    settings.is_cicd_enforced.get_or_insert(false);
    settings.is_dag_deploy_enabled.get_or_insert(false);
    let wanted = Wanted { kind: Some(kind), executor: settings.executor, cloud: settings.cloud_provider };
    let executor = || catalogue.default_executor(wanted).unwrap_or(Executor::Celery);
    let wanted = Wanted { executor: Some(*settings.executor.get_or_insert_with(executor)), ..wanted };
    if kind == DeploymentType::Hybrid {
        let scheduler = settings.scheduler.get_or_insert_default();
        scheduler.au.get_or_insert(SCHEDULER_UNITS);
        scheduler.replicas.get_or_insert(SCHEDULER_REPLICAS);
    } else {
        settings.is_development_mode.get_or_insert(false);
        settings.is_high_availability.get_or_insert(false);
        let size = || catalogue.default_scheduler(wanted).unwrap_or(SchedulerSize::Small);
        settings.scheduler_size.get_or_insert_with(size);
        put_resources(catalogue, &mut settings);
        for queue in settings.worker_queues.iter_mut().flatten() {
            queue.astro_machine = queue.astro_machine.or_else(|| catalogue.default_worker(wanted));
        }
    }
    settings
}

/// What tasks have in the cloud. With remote execution they run elsewhere, so that it is what was
/// said, which may be nothing: the stock Terraform provider wants it back as that. An old one says
/// nothing by "".
fn put_resources(catalogue: &Catalogue, settings: &mut DeploymentSettings) {
    let is_remote = settings.has_remote_execution();
    let (pod, quota) = (catalogue.default_task_pod(), catalogue.default_quota());
    for (said, default) in [
        (&mut settings.default_task_pod_cpu, pod.cpu),
        (&mut settings.default_task_pod_memory, pod.memory),
        (&mut settings.resource_quota_cpu, quota.cpu),
        (&mut settings.resource_quota_memory, quota.memory),
    ] {
        said.take_if(|text| text.is_empty());
        if !is_remote {
            said.get_or_insert_with(|| default.into());
        }
    }
}
