//! The entries of a catalogue, as its file has them, and the options that each becomes.

use airlock_contract::{
    Time,
    wire::{
        self, AstroMachine, CloudProvider, ClusterOptions, ClusterType, DeploymentType, Executor, MachineSpec,
        ProviderInstanceType, ProviderRegion, ResourceOption, ResourceQuotaOptions, ResourceRange, RuntimeRelease,
        SchedulerSize, WorkerQueueOptions, WorkloadIdentityOption,
    },
};
use serde::Deserialize;

use super::{Machine, Wanted};

/// For which Deployments an entry is; for all of them where a list is empty.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct For {
    types: Vec<DeploymentType>,
    executors: Vec<Executor>,
    clouds: Vec<CloudProvider>,
}

impl For {
    fn fits(&self, wanted: Wanted) -> bool {
        fn is_among<T: PartialEq>(list: &[T], one: Option<T>) -> bool {
            list.is_empty() || one.is_none_or(|one| list.contains(&one))
        }
        is_among(&self.types, wanted.kind)
            && is_among(&self.executors, wanted.executor)
            && is_among(&self.clouds, wanted.cloud)
    }
}

/// An entry that may be for some Deployments only.
pub(super) trait Entry {
    /// Whom it is for.
    fn is_for(&self) -> &For;
    /// What it is known by among those of its kind.
    fn name(&self) -> &str;
}

/// The entries that are for the wanted Deployments, in the order of the file.
pub(super) fn offered<T: Entry>(entries: &[T], wanted: Wanted) -> impl Iterator<Item = &T> {
    entries.iter().filter(move |entry| entry.is_for().fits(wanted))
}

macro_rules! entries {
    ($($name:ident known by |$entry:ident| $known:expr;)*) => {$(
        impl Entry for $name {
            fn is_for(&self) -> &For {
                &self.r#for
            }
            fn name(&self) -> &str {
                let $entry = self;
                $known
            }
        }
    )*};
}
entries! {
    Runtime known by |runtime| &runtime.version;
    ExecutorEntry known by |executor| executor.name.as_str();
    SchedulerMachine known by |machine| machine.name.as_str();
    WorkerMachine known by |machine| machine.name.as_str();
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Runtime {
    version: String,
    airflow_version: String,
    channel: String,
    release_date: Time,
    airflow_database_migration: bool,
    #[serde(default)]
    r#for: For,
}

impl Runtime {
    pub(super) fn release(&self) -> RuntimeRelease {
        RuntimeRelease {
            version: self.version.clone(),
            airflow_version: self.airflow_version.clone(),
            channel: self.channel.clone(),
            release_date: self.release_date,
            airflow_database_migration: self.airflow_database_migration,
            stellar_database_migration: false,
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExecutorEntry {
    pub(super) name: Executor,
    #[serde(default)]
    r#for: For,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SchedulerMachine {
    pub(super) name: SchedulerSize,
    pub(super) cpu: String,
    pub(super) memory: String,
    #[serde(default)]
    r#for: For,
}

impl SchedulerMachine {
    pub(super) fn option(&self) -> wire::SchedulerMachine {
        let spec = MachineSpec {
            cpu: self.cpu.clone(),
            memory: self.memory.clone(),
            ephemeral_storage: None,
            concurrency: None,
        };
        wire::SchedulerMachine { name: self.name, spec }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WorkerMachine {
    pub(super) name: AstroMachine,
    pub(super) cpu: String,
    pub(super) memory: String,
    pub(super) ephemeral_storage: String,
    pub(super) concurrency: Numbers,
    #[serde(default)]
    r#for: For,
}

impl WorkerMachine {
    pub(super) fn option(&self) -> wire::WorkerMachine {
        let spec = MachineSpec {
            cpu: self.cpu.clone(),
            memory: self.memory.clone(),
            ephemeral_storage: Some(self.ephemeral_storage.clone()),
            concurrency: Some(self.concurrency.default),
        };
        wire::WorkerMachine { name: self.name, concurrency: self.concurrency.range(), spec }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Queues {
    pub(super) min_workers: Numbers,
    pub(super) max_workers: Numbers,
    pub(super) worker_concurrency: Numbers,
}

impl Queues {
    pub(super) fn options(&self) -> WorkerQueueOptions {
        WorkerQueueOptions {
            min_workers: self.min_workers.range(),
            max_workers: self.max_workers.range(),
            worker_concurrency: self.worker_concurrency.range(),
        }
    }
}

/// Bounds for a number.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Numbers {
    pub(super) floor: u32,
    pub(super) default: u32,
    pub(super) ceiling: u32,
}

impl Numbers {
    fn range(&self) -> wire::Range {
        wire::Range { floor: self.floor, default: self.default, ceiling: self.ceiling }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Quotas {
    pub(super) default_pod_size: Resources,
    pub(super) resource_quota: Resources,
}

impl Quotas {
    pub(super) fn options(&self) -> ResourceQuotaOptions {
        ResourceQuotaOptions {
            default_pod_size: self.default_pod_size.option(),
            resource_quota: self.resource_quota.option(),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Resources {
    pub(super) cpu: Amounts,
    pub(super) memory: Amounts,
}

impl Resources {
    fn option(&self) -> ResourceOption {
        ResourceOption { cpu: self.cpu.range(), memory: self.memory.range() }
    }

    pub(super) fn machine(&self) -> Machine<'_> {
        Machine { cpu: &self.cpu.default, memory: &self.memory.default }
    }
}

/// Bounds for an amount, as Kubernetes writes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Amounts {
    pub(super) floor: String,
    pub(super) default: String,
    pub(super) ceiling: String,
}

impl Amounts {
    fn range(&self) -> ResourceRange {
        ResourceRange { floor: self.floor.clone(), default: self.default.clone(), ceiling: self.ceiling.clone() }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Identity {
    label: String,
    role: String,
}

impl Identity {
    pub(super) fn option(&self) -> WorkloadIdentityOption {
        WorkloadIdentityOption { label: self.label.clone(), role: self.role.clone() }
    }
}

/// What clusters in one cloud can be made of.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cloud {
    pub(super) provider: CloudProvider,
    pub(super) types: Vec<ClusterType>,
    pub(super) regions: Vec<Region>,
    pub(super) default_region: String,
    pub(super) node_instances: Vec<Instance>,
    pub(super) default_node_instance: String,
    pub(super) database_instances: Vec<Instance>,
    pub(super) default_database_instance: String,
    pub(super) nodes: Numbers,
    pub(super) vpc_subnet_range: String,
    pub(super) pod_subnet_range: Option<String>,
    pub(super) service_subnet_range: Option<String>,
    pub(super) service_peering_range: Option<String>,
}

impl Cloud {
    pub(super) fn options(&self) -> ClusterOptions {
        ClusterOptions {
            provider: self.provider,
            regions: self.regions.iter().map(Region::option).collect(),
            default_region: of_name(&self.regions, &self.default_region, Region::option),
            node_instances: self.node_instances.iter().map(Instance::option).collect(),
            default_node_instance: of_name(&self.node_instances, &self.default_node_instance, Instance::option),
            database_instances: self.database_instances.iter().map(Instance::option).collect(),
            default_database_instance: of_name(
                &self.database_instances,
                &self.default_database_instance,
                Instance::option,
            ),
            node_count_min: self.nodes.floor,
            node_count_max: self.nodes.ceiling,
            node_count_default: self.nodes.default,
            default_vpc_subnet_range: self.vpc_subnet_range.clone(),
            default_pod_subnet_range: self.pod_subnet_range.clone(),
            default_service_subnet_range: self.service_subnet_range.clone(),
            default_service_peering_range: self.service_peering_range.clone(),
        }
    }
}

/// Something of a cloud that has a name there.
pub(super) trait Named {
    fn name(&self) -> &str;
}

impl Named for Region {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Named for Instance {
    fn name(&self) -> &str {
        &self.name
    }
}

/// The option of the entry with this name, which was found to be there when the file was read.
fn of_name<T: Named, O>(all: &[T], name: &str, option: impl Fn(&T) -> O) -> O {
    match all.iter().find(|one| one.name() == name) {
        Some(one) => option(one),
        None => unreachable!("{name} was checked to be in the catalogue"),
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Region {
    name: String,
    location: Option<String>,
    #[serde(default)]
    limited: bool,
    #[serde(default)]
    banned_instances: Vec<String>,
}

impl Region {
    fn option(&self) -> ProviderRegion {
        ProviderRegion {
            name: self.name.clone(),
            location: self.location.clone(),
            limited: Some(self.limited),
            banned_instances: Some(self.banned_instances.clone()),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Instance {
    name: String,
    cpu: u32,
    pub(super) memory: String,
}

impl Instance {
    fn option(&self) -> ProviderInstanceType {
        ProviderInstanceType { name: self.name.clone(), cpu: self.cpu, memory: self.memory.clone() }
    }
}
