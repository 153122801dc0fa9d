//! The worker queues of a Deployment: which of those asked for are there already, and how they are
//! answered.

use std::collections::HashSet;

use airlock_contract::{
    DeploymentId,
    wire::{DeploymentSettings, Executor, UpdateWorkerQueueRequest, WorkerQueue},
};
use airlock_core::{Error, Result, catalogue::Catalogue};

use crate::App;

/// Gives each queue an id: the one it says, the one that a queue of its name had, or a new one.
///
/// # Errors
///
/// [`Error::Invalid`] naming the queue whose name or id another has too, or whose bounds
/// contradict each other.
pub(super) fn name(app: &App, settings: &mut DeploymentSettings, old: Option<&DeploymentSettings>) -> Result<()> {
    let was = old.and_then(|old| old.worker_queues.as_deref()).unwrap_or_default();
    let queues = settings.worker_queues.as_deref_mut().unwrap_or_default();
    let given = |queue: &UpdateWorkerQueueRequest| queue.id.clone().filter(|id| !id.is_empty());
    let (mut names, mut ids) = (HashSet::new(), HashSet::new());
    for (at, queue) in queues.iter().enumerate() {
        let twice =
            |field| Err(Error::field("conflict", format!("workerQueues[{at}].{field}"), "is there more than once"));
        if !names.insert(queue.name.clone()) {
            return twice("name");
        }
        if given(queue).is_some_and(|id| !ids.insert(id)) {
            return twice("id");
        }
        if queue.min_worker_count > queue.max_worker_count {
            let field = format!("workerQueues[{at}].minWorkerCount");
            return Err(Error::field("constraint", field, "is more than maxWorkerCount"));
        }
    }
    for queue in queues {
        let known = was.iter().find(|other| other.name == queue.name).and_then(|other| other.id.clone());
        let id = given(queue).or(known.filter(|id| ids.insert(id.clone())));
        queue.id = Some(id.unwrap_or_else(|| app.env.new_id::<DeploymentId>().to_string()));
    }
    Ok(())
}

/// The queues as they are told.
///
/// When there are none, they are absent where none are due: with the executor KUBERNETES, and with
/// remote execution, where work is done by agents. The stock Terraform provider takes an empty list
/// for something else than what it planned there. Elsewhere the list is empty, for
/// `astro deployment worker-queue` looks at it without asking whether it is there.
pub(super) fn view(catalogue: &Catalogue, settings: &DeploymentSettings) -> Option<Vec<WorkerQueue>> {
    let queues = settings.worker_queues.as_deref().unwrap_or_default();
    let are_due = settings.executor != Some(Executor::Kubernetes) && !settings.has_remote_execution();
    (are_due || !queues.is_empty()).then(|| queues.iter().map(|queue| view_one(catalogue, queue.clone())).collect())
}

/// A queue, with what its machine has according to the catalogue.
fn view_one(catalogue: &Catalogue, queue: UpdateWorkerQueueRequest) -> WorkerQueue {
    let machine = queue.astro_machine.and_then(|name| catalogue.worker(name));
    WorkerQueue {
        id: queue.id.unwrap_or_default(),
        name: queue.name,
        is_default: queue.is_default,
        max_worker_count: queue.max_worker_count,
        min_worker_count: queue.min_worker_count,
        worker_concurrency: queue.worker_concurrency,
        astro_machine: queue.astro_machine.map(|machine| machine.as_str().to_owned()),
        node_pool_id: queue.node_pool_id,
        pod_cpu: machine.map(|machine| machine.cpu.to_owned()).unwrap_or_default(),
        pod_memory: machine.map(|machine| machine.memory.to_owned()).unwrap_or_default(),
        pod_ephemeral_storage: queue.pod_ephemeral_storage,
    }
}
