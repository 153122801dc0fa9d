//! What an agent token is bound to: its worker, and the worker's queues.
//!
//! Airflow itself asks for neither: there, whoever can sign is any worker with all queues.

use airlock_core::Result;
use airlock_store::{
    gate::agents::{not_its_name, pinned_name},
    live_tokens::LiveToken,
};

use super::refusal::Refusal;
use crate::{App, airflow::Airflow};

/// Refuses a worker that goes by another name than that of its token.
pub(crate) async fn refuse_other_name(app: &App, token: &LiveToken, worker: &str) -> Result<(), Refusal> {
    let bound = match &token.agent_name {
        Some(name) => Some(name.clone()),
        // It may have been bound since it was read.
        None => pinned_name(&app.store.read().await?, token).await?,
    };
    match bound {
        Some(name) if name == worker => Ok(()),
        Some(name) => Err(not_its_name(&name).into()),
        None => Err(Refusal::denied("agent_not_registered", format!("the worker {worker} has not registered"))),
    }
}

/// Refuses queues that the token does not give. No queue at all means every queue to Airflow.
pub(crate) fn refuse_other_queues(
    airflow: &Airflow,
    token: &LiveToken,
    asked: Option<&[String]>,
) -> Result<(), Refusal> {
    let allowed = token.queues.as_ref().unwrap_or(&airflow.queues);
    let told = || allowed.join(",");
    let asked = match asked {
        None | Some([]) => {
            return Err(Refusal::denied(
                "queues_missing",
                format!("a worker without queues asks for all of them; start it with -q {}", told()),
            ));
        }
        Some(asked) => asked,
    };
    match asked.iter().find(|queue| !allowed.contains(queue)) {
        None => Ok(()),
        Some(other) => Err(Refusal::denied(
            "queue_not_allowed",
            format!("the agent token does not give the queue {other:?}; start the worker with -q {}", told()),
        )),
    }
}
