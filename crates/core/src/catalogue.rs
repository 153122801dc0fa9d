//! What clusters and Deployments can be made of: the options that clients offer.
//!
//! A catalogue is a TOML file. `catalogue.toml` beside this is the one that is built in, and says in
//! its comments what each entry means; an operator can have another. Nothing is provisioned from it,
//! and no request is held against it: it answers what clients ask before they send one, and what a
//! Deployment has that does not say.

mod check;
mod entries;

use airlock_contract::wire::{
    AstroMachine, CloudProvider, ClusterOptions, ClusterType, DeploymentOptions, DeploymentType, Executor,
    RuntimeRelease, SchedulerSize,
};
use serde::Deserialize;

use self::entries::{
    Cloud, ExecutorEntry, Identity, Queues, Quotas, Runtime, SchedulerMachine, WorkerMachine, offered,
};

/// The catalogue that is built in, as the text that an operator can begin with.
pub const BUILT_IN: &str = include_str!("catalogue.toml");

/// What clusters and Deployments can be made of.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    runtimes: Vec<Runtime>,
    executors: Vec<ExecutorEntry>,
    scheduler_machines: Vec<SchedulerMachine>,
    worker_machines: Vec<WorkerMachine>,
    worker_queues: Queues,
    resource_quotas: Quotas,
    #[serde(default)]
    workload_identities: Vec<Identity>,
    clusters: Vec<Cloud>,
}

/// For which Deployments options are wanted; for all of them where nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Of this type.
    pub kind: Option<DeploymentType>,
    /// With this executor.
    pub executor: Option<Executor>,
    /// In this cloud.
    pub cloud: Option<CloudProvider>,
}

/// What a machine has, as Kubernetes writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine<'a> {
    /// Its CPU.
    pub cpu: &'a str,
    /// Its memory.
    pub memory: &'a str,
}

impl Catalogue {
    /// The catalogue that is built in.
    pub fn built_in() -> Self {
        Self::parse(BUILT_IN).unwrap_or_else(|fault| unreachable!("the catalogue that is built in: {fault}"))
    }

    /// Reads a catalogue, and checks that its parts fit together.
    ///
    /// # Errors
    ///
    /// What is wrong, and where: a line of the text, or the name of an entry.
    pub fn parse(text: &str) -> Result<Self, String> {
        let catalogue: Self = toml::from_str(text).map_err(|cause| {
            let before = cause.span().and_then(|span| text.get(..span.start));
            let line = before.map(|before| format!("line {}: ", before.matches('\n').count() + 1));
            format!("{}{}", line.unwrap_or_default(), cause.message().replace('\n', " "))
        })?;
        check::check(&catalogue)?;
        Ok(catalogue)
    }

    /// What clusters of a type can be made of, in one cloud or in each.
    pub fn cluster_options(&self, kind: ClusterType, provider: Option<CloudProvider>) -> Vec<ClusterOptions> {
        let clouds = self.clusters.iter().filter(|cloud| cloud.types.contains(&kind));
        clouds.filter(|cloud| provider.is_none_or(|provider| provider == cloud.provider)).map(Cloud::options).collect()
    }

    /// What Deployments can be made of. Versions of Airflow that are older than `since` are left
    /// out, if that is one of them: there is no way back.
    pub fn deployment_options(&self, wanted: Wanted, since: Option<&str>) -> DeploymentOptions {
        let identities = self.workload_identities.iter().map(Identity::option).collect();
        DeploymentOptions {
            executors: self.executors_for(wanted).map(|executor| executor.as_str().to_owned()).collect(),
            resource_quotas: self.resource_quotas.options(),
            runtime_releases: self.releases_for(wanted, since),
            scheduler_machines: offered(&self.scheduler_machines, wanted).map(SchedulerMachine::option).collect(),
            worker_machines: offered(&self.worker_machines, wanted).map(WorkerMachine::option).collect(),
            worker_queues: self.worker_queues.options(),
            workload_identity_options: Some(identities),
        }
    }

    fn executors_for(&self, wanted: Wanted) -> impl Iterator<Item = Executor> {
        offered(&self.executors, Wanted { executor: None, ..wanted }).map(|entry| entry.name)
    }

    fn releases_for(&self, wanted: Wanted, since: Option<&str>) -> Vec<RuntimeRelease> {
        let mut releases: Vec<RuntimeRelease> = offered(&self.runtimes, wanted).map(Runtime::release).collect();
        if let Some(oldest) = releases.iter().position(|release| Some(release.version.as_str()) == since) {
            releases.truncate(oldest + 1);
        }
        releases
    }

    /// What runs the tasks of a Deployment that does not say.
    pub fn default_executor(&self, wanted: Wanted) -> Option<Executor> {
        self.executors_for(wanted).next()
    }

    /// The size of the scheduler of a Deployment that does not say.
    pub fn default_scheduler(&self, wanted: Wanted) -> Option<SchedulerSize> {
        offered(&self.scheduler_machines, wanted).next().map(|machine| machine.name)
    }

    /// The machine of a worker queue that does not say.
    pub fn default_worker(&self, wanted: Wanted) -> Option<AstroMachine> {
        offered(&self.worker_machines, wanted).next().map(|machine| machine.name)
    }

    /// What a task has that does not ask for its own.
    pub fn default_task_pod(&self) -> Machine<'_> {
        self.resource_quotas.default_pod_size.machine()
    }

    /// What all tasks of a Deployment have together that does not say.
    pub fn default_quota(&self) -> Machine<'_> {
        self.resource_quotas.resource_quota.machine()
    }

    /// What a scheduler of a size has, if the catalogue knows.
    pub fn scheduler(&self, size: SchedulerSize) -> Option<Machine<'_>> {
        let found = self.scheduler_machines.iter().find(|machine| machine.name == size)?;
        Some(Machine { cpu: &found.cpu, memory: &found.memory })
    }

    /// What a worker's machine has, if the catalogue knows.
    pub fn worker(&self, name: AstroMachine) -> Option<Machine<'_>> {
        let found = self.worker_machines.iter().find(|machine| machine.name == name)?;
        Some(Machine { cpu: &found.cpu, memory: &found.memory })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_catalogue_is_sound() {
        let catalogue = Catalogue::parse(BUILT_IN).expect("sound");
        for &kind in DeploymentType::ALL {
            let options = catalogue.deployment_options(Wanted { kind: Some(kind), ..Wanted::default() }, None);
            let is_hybrid = kind == DeploymentType::Hybrid;
            assert_eq!(options.worker_machines.is_empty(), is_hybrid, "{kind:?}");
            assert_eq!(options.executors.iter().any(|executor| executor == "ASTRO"), !is_hybrid, "{kind:?}");
            assert_eq!(options.runtime_releases[0].version, "3.3.2");
        }
        // What was tried with the gate, from the newest to the oldest: docs/agents.md.
        let options = catalogue.deployment_options(Wanted::default(), Some("3.1.8"));
        let versions: Vec<&str> = options.runtime_releases.iter().map(|release| release.version.as_str()).collect();
        assert_eq!(versions, ["3.3.2", "3.2.2", "3.1.8"]);
        assert_eq!(catalogue.deployment_options(Wanted::default(), Some("13.0.0")).runtime_releases.len(), 4);
    }

    #[test]
    fn entries_are_for_whom_they_say() {
        let text = BUILT_IN.replace(
            "name = \"EXTRA_LARGE\"\n",
            "name = \"EXTRA_LARGE\"\nfor = { types = [\"DEDICATED\"], executors = [\"CELERY\"], clouds = [\"GCP\"] }\n",
        );
        let catalogue = Catalogue::parse(&text).expect("sound");
        let sizes = |wanted| catalogue.deployment_options(wanted, None).scheduler_machines.len();
        let fits = Wanted {
            kind: Some(DeploymentType::Dedicated),
            executor: Some(Executor::Celery),
            cloud: Some(CloudProvider::Gcp),
        };
        assert_eq!((sizes(Wanted::default()), sizes(fits)), (4, 4));
        for other in [
            Wanted { kind: Some(DeploymentType::Standard), ..fits },
            Wanted { executor: Some(Executor::Astro), ..fits },
            Wanted { cloud: Some(CloudProvider::Aws), ..fits },
        ] {
            assert_eq!(sizes(other), 3, "{other:?}");
        }
    }

    #[test]
    fn faults_are_named() {
        for (from, to, fault) in [
            ("[worker_queues]", "[worker_queue]", "unknown field `worker_queue`"),
            ("channel = \"stable\"\n", "", "missing field `channel`"),
            ("name = \"A5\"", "name = \"A6\"", "line 85: unknown variant `A6`"),
            (
                "floor = 0, default = 0",
                "floor = 1, default = 0",
                "worker_queues.min_workers: 1 <= 0 <= 20 does not hold",
            ),
            (
                "floor = \"1\", default = \"10\"",
                "floor = \"11\", default = \"10\"",
                "resource_quotas.resource_quota.cpu: ",
            ),
            (
                "default = \"0.5Gi\"",
                "default = \"half\"",
                "resource_quotas.default_pod_size.memory: \"half\" is no amount",
            ),
            ("cpu = \"8\"", "cpu = \"many\"", "scheduler_machines EXTRA_LARGE: \"many\" is no amount"),
            ("version = \"3.2.2\"\n", "version = \"3.3.2\"\n", "runtimes: 3.3.2 is there more than once"),
            ("name = \"A10\"", "name = \"A5\"", "worker_machines: A5 is there more than once"),
            ("provider = \"GCP\"", "provider = \"AWS\"", "clusters: AWS is there more than once"),
            (
                "default_region = \"eastus2\"",
                "default_region = \"mars\"",
                "clusters AZURE: default_region: \"mars\" is none of",
            ),
            ("vpc_subnet_range = \"172.20.0.0/22\"", "vpc_subnet_range = \"all\"", "clusters GCP: vpc_subnet_range: "),
        ] {
            assert!(BUILT_IN.contains(from), "{from}");
            let found = Catalogue::parse(&BUILT_IN.replacen(from, to, 1)).expect_err(fault);
            assert!(found.contains(fault), "{found}");
        }
        let for_none = BUILT_IN.replace("channel = \"stable\"", "channel = \"stable\"\nfor = { types = [\"HYBRID\"] }");
        let found = Catalogue::parse(&for_none).expect_err("nothing for the others");
        assert!(found.starts_with("runtimes: none is for a Deployment of the type DEDICATED"), "{found}");
    }
}
