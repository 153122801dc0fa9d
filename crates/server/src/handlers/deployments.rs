//! `/organizations/{organizationId}/deployments`

mod defaults;
mod place;
mod queues;

pub(crate) use defaults::with_defaults;

use std::collections::HashSet;

use airlock_contract::{
    DeploymentId, Time,
    operations::{CreateDeployment, DeleteDeployment, GetDeployment, ListDeployments, UpdateDeployment},
    permissions::Action,
    wire::{
        Deployment, DeploymentEnvironmentVariable, DeploymentEnvironmentVariableRequest, DeploymentRemoteExecution,
        DeploymentScalingStatus, DeploymentSettings, DeploymentStatus, DeploymentType, DeploymentsPaginated, Executor,
        Paged, UpdateDeploymentRequest,
    },
};
use airlock_core::{Error, Result, hibernation::Hibernation, policy::Reach};
use airlock_store::{
    Reading, Reads, Writing,
    airflow_health::{self, Health},
    deployments::{self, Deployment as Record, Variable, VariableValue},
    workspaces,
};
use secrecy::ExposeSecret;

use super::hibernation;
use crate::{
    App,
    adaptor::{Call, Changed, Handlers, Read, Write},
    airflow::{BASE_URL, health::status},
};

impl Read<ListDeployments> for Handlers {
    async fn read(call: &Call<'_, ListDeployments>, db: &Reading) -> Result<DeploymentsPaginated> {
        let reach = Reach::of(call.caller, call.granted, Action::DeploymentGet);
        let (records, total_count) = deployments::list(db, &reach, call.query).await?;
        Ok(DeploymentsPaginated {
            deployments: views(call.app, db, records).await?,
            limit: call.query.limit(),
            offset: call.query.offset,
            total_count,
        })
    }
}

impl Read<GetDeployment> for Handlers {
    async fn read(call: &Call<'_, GetDeployment>, db: &Reading) -> Result<Deployment> {
        view(call.app, db, deployments::get(db, call.granted).await?).await
    }
}

impl Write<CreateDeployment> for Handlers {
    async fn write(call: &Call<'_, CreateDeployment>, w: &Writing) -> Result<Changed<Deployment>> {
        let workspace = workspaces::get(w, call.granted).await?;
        let place = place::decide(w, call.granted, &workspace, call.body).await?;
        let mut settings = call.body.of_kind(place.kind).map_err(Error::internal)?;
        settings.is_cicd_enforced.get_or_insert(workspace.cicd_enforced_default);
        place.put_into(&mut settings);
        let mut settings = with_defaults(&call.app.settings.catalogue, settings);
        check_executor(&settings)?;
        hibernation::check(&settings, call.body)?;
        let variables = settings.environment_variables.take().unwrap_or_default();
        queues::name(call.app, &mut settings, None)?;
        let id: DeploymentId = call.app.env.new_id();
        let record = deployments::insert(
            w,
            call.granted,
            &id,
            place.cluster.as_ref().map(|cluster| &cluster.id),
            &settings,
            &call.stamp(),
        )
        .await?;
        put_variables(call.app, w, &record, &variables, call.now).await?;
        Ok(Changed::new(view(call.app, w, record).await?, "deployment", &id))
    }
}

impl Write<UpdateDeployment> for Handlers {
    async fn write(call: &Call<'_, UpdateDeployment>, w: &Writing) -> Result<Changed<Deployment>> {
        let old = deployments::get_for_good(w, call.granted).await?;
        let settings = changed(&old, call.body)?;
        let mut settings = with_defaults(&call.app.settings.catalogue, settings);
        check_executor(&settings)?;
        hibernation::check(&settings, call.body)?;
        let variables = settings.environment_variables.take().unwrap_or_default();
        queues::name(call.app, &mut settings, Some(&old.settings))?;
        let record = deployments::update(w, call.granted, &settings, &call.stamp()).await?;
        put_variables(call.app, w, &record, &variables, call.now).await?;
        Ok(Changed::new(view(call.app, w, record).await?, "deployment", call.granted.deployment()))
    }
}

impl Write<DeleteDeployment> for Handlers {
    async fn write(call: &Call<'_, DeleteDeployment>, w: &Writing) -> Result<Changed<()>> {
        deployments::delete(w, call.granted, &call.stamp()).await?;
        Ok(Changed::new((), "deployment", call.granted.deployment()))
    }
}

/// The public API has the ASTRO executor for the hosted types only.
fn check_executor(settings: &DeploymentSettings) -> Result<()> {
    if settings.kind() == DeploymentType::Hybrid && settings.executor == Some(Executor::Astro) {
        return Err(Error::field("constraint", "executor", "ASTRO is not for the type HYBRID"));
    }
    Ok(())
}

/// What a Deployment shall be like after an update: what the request says, and for the rest what
/// it was. What was fixed at its creation stays.
fn changed(old: &Record, request: &UpdateDeploymentRequest) -> Result<DeploymentSettings> {
    if request.workspace_id != old.workspace {
        return Err(Error::field("constraint", "workspaceId", "a Deployment cannot move to another Workspace"));
    }
    if request.kind.is_some_and(|kind| kind != old.settings.kind()) {
        return Err(Error::field(
            "constraint",
            "type",
            format!("a Deployment stays of the type that it was made with: {}", old.settings.kind().as_str()),
        ));
    }
    let new = request.of_kind(old.settings.kind()).map_err(Error::internal)?;
    let was = left_over(old.settings.clone(), &new);
    Ok(DeploymentSettings {
        name: new.name,
        workspace_id: was.workspace_id,
        kind: was.kind,
        astro_runtime_version: was.astro_runtime_version,
        cloud_provider: was.cloud_provider,
        cluster_id: was.cluster_id,
        region: was.region,
        description: new.description.or(was.description),
        contact_emails: new.contact_emails.or(was.contact_emails),
        default_task_pod_cpu: new.default_task_pod_cpu.or(was.default_task_pod_cpu),
        default_task_pod_memory: new.default_task_pod_memory.or(was.default_task_pod_memory),
        dr_workload_identity: new.dr_workload_identity.or(was.dr_workload_identity),
        environment_variables: new.environment_variables,
        executor: new.executor.or(was.executor),
        is_cicd_enforced: new.is_cicd_enforced.or(was.is_cicd_enforced),
        is_dag_deploy_enabled: new.is_dag_deploy_enabled.or(was.is_dag_deploy_enabled),
        is_development_mode: new.is_development_mode.or(was.is_development_mode),
        is_high_availability: new.is_high_availability.or(was.is_high_availability),
        remote_execution: new.remote_execution.or(was.remote_execution),
        resource_quota_cpu: new.resource_quota_cpu.or(was.resource_quota_cpu),
        resource_quota_memory: new.resource_quota_memory.or(was.resource_quota_memory),
        scaling_spec: new.scaling_spec.or(was.scaling_spec),
        scheduler: new.scheduler.or(was.scheduler),
        scheduler_size: new.scheduler_size.or(was.scheduler_size),
        task_pod_node_pool_id: new.task_pod_node_pool_id.or(was.task_pod_node_pool_id),
        worker_queues: new.worker_queues.or(was.worker_queues),
        workload_identity: new.workload_identity.or(was.workload_identity),
    })
}

/// What a Deployment was like, without what a change ends. Clients leave that out of their request,
/// and mean that there is none of it any more.
fn left_over(mut was: DeploymentSettings, new: &DeploymentSettings) -> DeploymentSettings {
    if new.executor == Some(Executor::Kubernetes) {
        was.worker_queues = None; // each task has a pod of its own instead
    }
    if new.has_remote_execution() {
        // Tasks have nothing in the cloud but what the request says.
        (was.default_task_pod_cpu, was.default_task_pod_memory) = (None, None);
        (was.resource_quota_cpu, was.resource_quota_memory) = (None, None);
    }
    was
}

/// The name under which a secret value is sealed: it opens in its own place only.
pub(crate) fn identity(deployment: &DeploymentId, name: &str) -> String {
    format!("deployment/{deployment}/variable/{name}")
}

/// Replaces the environment variables. A secret without a value keeps the one that it has; a
/// value that does not change keeps its time, also where it is sealed anew.
async fn put_variables(
    app: &App,
    w: &Writing,
    record: &Record,
    requests: &[DeploymentEnvironmentVariableRequest],
    now: Time,
) -> Result<()> {
    let mut names = HashSet::new();
    if let Some(at) = requests.iter().position(|request| !names.insert(&request.key)) {
        return Err(Error::field("conflict", format!("environmentVariables[{at}].key"), "is there more than once"));
    }
    let old = deployments::variables(w, std::slice::from_ref(record)).await?;
    let variables = requests.iter().map(|request| {
        let was = old.iter().find(|variable| variable.name == request.key);
        let value = new_value(app, record, request, was)?;
        let is_same = |was: &&Variable| was.value == value || is_secret_again(app, record, request, was);
        let updated_at = was.filter(is_same).map_or(now, |was| was.updated_at);
        Ok(Variable { deployment: record.id.clone(), name: request.key.clone(), value, updated_at })
    });
    let variables = variables.collect::<Result<Vec<_>>>()?;
    deployments::replace_variables(w, record, &variables).await
}

fn new_value(
    app: &App,
    record: &Record,
    request: &DeploymentEnvironmentVariableRequest,
    was: Option<&Variable>,
) -> Result<VariableValue> {
    match (&request.value, request.is_secret) {
        (value, false) => Ok(VariableValue::Plain(value.clone().unwrap_or_default())),
        (None, true) => match was {
            Some(Variable { value: VariableValue::Plain(plain), .. }) => seal(app, record, &request.key, plain),
            Some(was) => Ok(was.value.clone()),
            None => Ok(VariableValue::Secret(None)),
        },
        (Some(new), true) => match was {
            // Under an older master key it would go on to depend on that.
            Some(was) if is_secret_again(app, record, request, was) && is_current(app, &was.value) => {
                Ok(was.value.clone())
            }
            _ => seal(app, record, &request.key, new),
        },
    }
}

/// Whether a request says again what a secret is already. One that does not open, because its
/// master key is gone, is not known to be.
fn is_secret_again(app: &App, record: &Record, request: &DeploymentEnvironmentVariableRequest, was: &Variable) -> bool {
    match (&was.value, &request.value, request.is_secret) {
        (VariableValue::Secret(Some(sealed)), Some(new), true) => {
            let plain = app.keys.open(&identity(&record.id, &request.key), sealed);
            plain.is_ok_and(|plain| plain.expose_secret() == new)
        }
        _ => false,
    }
}

/// Whether a value is sealed under the current master key.
fn is_current(app: &App, value: &VariableValue) -> bool {
    matches!(value, VariableValue::Secret(Some(sealed)) if sealed.key_id == app.keys.current_id())
}

fn seal(app: &App, record: &Record, name: &str, plain: &str) -> Result<VariableValue> {
    Ok(VariableValue::Secret(Some(app.keys.seal(&app.env, &identity(&record.id, name), plain)?)))
}

async fn view(app: &App, db: &impl Reads, record: Record) -> Result<Deployment> {
    let mut views = views(app, db, vec![record]).await?;
    views.pop().ok_or_else(|| Error::internal("one Deployment in, none out"))
}

async fn views(app: &App, db: &impl Reads, records: Vec<Record>) -> Result<Vec<Deployment>> {
    let variables = deployments::variables(db, &records).await?;
    let healths = airflow_health::of(db, &records).await?;
    Ok(records
        .into_iter()
        .map(|record| {
            let own: Vec<&Variable> = variables.iter().filter(|variable| variable.deployment == record.id).collect();
            let health = healths.iter().find(|health| health.deployment == record.id);
            view_with(app, record, &own, health)
        })
        .collect())
}

fn view_with(app: &App, record: Record, variables: &[&Variable], health: Option<&Health>) -> Deployment {
    let (mut status, mut status_reason, airflow_version) = status(app, variables, health);
    let now = app.env.now();
    let sleep = Hibernation::of(&record.settings).status(now);
    if let Some(asleep) = sleep.as_ref().filter(|sleep| sleep.is_hibernating) {
        (status, status_reason) = (DeploymentStatus::Hibernating, asleep.reason.clone());
    }
    let airflow =
        variables.iter().find(|variable| variable.name == BASE_URL).and_then(|variable| match &variable.value {
            VariableValue::Plain(url) => Some(url.trim_end_matches('/').to_owned()),
            VariableValue::Secret(_) => None,
        });
    let airflow = airflow.unwrap_or_default();
    let below = |path: &str| if airflow.is_empty() { String::new() } else { format!("{airflow}{path}") };
    let without_scheme = |url: &str| url.split_once("://").map_or(url, |(_, rest)| rest).to_owned();
    let settings = record.settings;
    let kind = settings.kind();
    let catalogue = &app.settings.catalogue;
    let scaling_spec = hibernation::view(&settings, now);
    let worker_queues = queues::view(catalogue, &settings);
    let scheduler = settings.scheduler_size.and_then(|size| catalogue.scheduler(size));
    let runtime = settings.astro_runtime_version.unwrap_or_default();
    Deployment {
        remote_execution: settings.remote_execution.map(|remote| DeploymentRemoteExecution {
            enabled: remote.enabled,
            allowed_ip_address_ranges: remote.allowed_ip_address_ranges.unwrap_or_default(),
            remote_api_url: format!("{}/d/{}/edge_worker/v1/rpcapi", app.settings.public_url, record.id),
            task_log_bucket: remote.task_log_bucket,
            task_log_url_pattern: remote.task_log_url_pattern,
        }),
        namespace: format!("airlock-{}", record.id),
        id: record.id,
        name: settings.name,
        description: settings.description,
        organization_id: record.organization,
        workspace_id: record.workspace,
        workspace_name: Some(record.workspace_name),
        kind: Some(kind),
        status,
        status_reason,
        airflow_version,
        astro_runtime_version: runtime.clone(),
        runtime_version: runtime,
        cloud_provider: settings.cloud_provider,
        cluster_name: (kind != DeploymentType::Standard).then(|| record.cluster_name.unwrap_or_default()),
        cluster_id: settings.cluster_id.or((kind != DeploymentType::Standard).then(String::new)),
        region: settings.region,
        web_server_ingress_hostname: without_scheme(&airflow),
        web_server_airflow_api_url: without_scheme(&below("/api/v2")),
        api_url: below("/api/v2"),
        ui_url: airflow.clone(),
        web_server_url: without_scheme(&airflow),
        web_server_cpu: String::new(),
        web_server_memory: String::new(),
        web_server_replicas: None,
        image_repository: String::new(),
        image_tag: record.image_tag.unwrap_or_default(),
        image_version: None,
        dag_tarball_version: record.dags.as_ref().map(ToString::to_string),
        desired_dag_tarball_version: record.dags.as_ref().map(ToString::to_string),
        contact_emails: Some(settings.contact_emails.unwrap_or_default()),
        default_task_pod_cpu: settings.default_task_pod_cpu,
        default_task_pod_memory: settings.default_task_pod_memory,
        dr_external_ips: None,
        dr_oidc_issuer_url: None,
        effective_dr_workload_identity: settings.dr_workload_identity,
        effective_workload_identity: settings.workload_identity,
        environment_variables: Some(variables.iter().map(|variable| view_variable(variable)).collect()),
        executor: settings.executor,
        external_ips: None,
        is_cicd_enforced: settings.is_cicd_enforced.unwrap_or_default(),
        is_dag_deploy_enabled: settings.is_dag_deploy_enabled.unwrap_or_default(),
        is_development_mode: settings.is_development_mode,
        is_high_availability: settings.is_high_availability,
        oidc_issuer_url: None,
        resource_quota_cpu: settings.resource_quota_cpu,
        resource_quota_memory: settings.resource_quota_memory,
        scaling_spec,
        scaling_status: sleep.map(|status| DeploymentScalingStatus { hibernation_status: Some(status) }),
        scheduler_au: settings.scheduler.as_ref().and_then(|scheduler| scheduler.au),
        scheduler_cpu: scheduler.map(|machine| machine.cpu.to_owned()).unwrap_or_default(),
        scheduler_memory: scheduler.map(|machine| machine.memory.to_owned()).unwrap_or_default(),
        scheduler_replicas: settings.scheduler.and_then(|scheduler| scheduler.replicas).unwrap_or(1),
        scheduler_size: settings.scheduler_size,
        task_pod_node_pool_id: settings.task_pod_node_pool_id,
        worker_queues,
        created_at: record.authorship.created_at,
        created_by: record.authorship.created_by,
        updated_at: record.authorship.updated_at,
        updated_by: record.authorship.updated_by,
    }
}

fn view_variable(variable: &Variable) -> DeploymentEnvironmentVariable {
    let plain = match &variable.value {
        VariableValue::Plain(plain) => Some(plain.clone()),
        VariableValue::Secret(_) => None,
    };
    DeploymentEnvironmentVariable {
        key: variable.name.clone(),
        is_secret: plain.is_none(),
        value: plain,
        updated_at: variable.updated_at,
    }
}
