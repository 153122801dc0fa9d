//! `/organizations/{organizationId}/deployments/{deploymentId}/agents`

use airlock_contract::{
    Operation, Time,
    operations::{DeleteAgent, GetAgent, ListAgents, TriggerAgentAction},
    wire::{Agent, AgentAction, AgentCapability, AgentSlots, AgentStatus, AgentsPaginated},
};
use airlock_core::{
    Error, Result,
    agent::{Cordon, Sysinfo},
};
use airlock_store::{
    Reading, Writing,
    agents::{self, Agent as Record},
};

use crate::adaptor::{Call, Changed, Handlers, Read, Write};

impl Read<ListAgents> for Handlers {
    async fn read(call: &Call<'_, ListAgents>, db: &Reading) -> Result<AgentsPaginated> {
        let clock = Clock::of(call);
        let statuses = &call.query.statuses;
        let wanted = |agent: &Record| statuses.is_empty() || statuses.contains(&clock.status(agent).0);
        let (records, total_count) = agents::list(db, call.granted, call.query, wanted).await?;
        Ok(AgentsPaginated {
            agents: records.into_iter().map(|record| view(record, &clock)).collect(),
            limit: call.query.limit,
            offset: call.query.offset,
            total_count,
        })
    }
}

impl Read<GetAgent> for Handlers {
    async fn read(call: &Call<'_, GetAgent>, db: &Reading) -> Result<Agent> {
        let record = agents::get(db, call.granted, &call.path.agent_id).await?;
        Ok(view(record, &Clock::of(call)))
    }
}

impl Write<DeleteAgent> for Handlers {
    async fn write(call: &Call<'_, DeleteAgent>, w: &Writing) -> Result<Changed<()>> {
        let id = &call.path.agent_id;
        let record = agents::get_locked(w, call.granted, id).await?;
        match Clock::of(call).status(&record).0 {
            AgentStatus::Terminated | AgentStatus::Unhealthy => {}
            AgentStatus::Healthy | AgentStatus::Cordoned => {
                return Err(Error::refused(format!(
                    "the agent is connected. Stop its worker, or cut it off by deleting its agent token {}; then delete \
                     the agent",
                    record.token
                )));
            }
        }
        agents::delete(w, call.granted, id, call.now).await?;
        Ok(Changed::new((), "agent", id))
    }
}

impl Write<TriggerAgentAction> for Handlers {
    async fn write(call: &Call<'_, TriggerAgentAction>, w: &Writing) -> Result<Changed<Agent>> {
        let id = &call.path.agent_id;
        let record = agents::get_locked(w, call.granted, id).await?;
        let (cordon, reason) = match (call.body.action, call.body.reason.as_deref()) {
            (AgentAction::Cordon, reason) => (Cordon::Cordoned, reason),
            (AgentAction::Uncordon, None) => (record.cordon.uncordon(&record.state), None),
            (AgentAction::Uncordon, Some(_)) => {
                return Err(Error::field("constraint", "reason", "goes with CORDON only"));
            }
        };
        agents::set_cordon(w, call.granted, id, cordon, reason).await?;
        let record = agents::get(w, call.granted, id).await?;
        Ok(Changed::new(view(record, &Clock::of(call)), "agent", id))
    }
}

/// What statuses are told by.
struct Clock {
    interval: u32,
    now: Time,
}

impl Clock {
    fn of<O: Operation>(call: &Call<'_, O>) -> Self {
        Self { interval: call.app.settings.agent_heartbeat_interval, now: call.now }
    }

    fn status(&self, agent: &Record) -> (AgentStatus, Option<String>) {
        agent.status(self.interval, self.now)
    }
}

fn view(record: Record, clock: &Clock) -> Agent {
    let (status, status_reason) = clock.status(&record);
    let running_jobs = record.running_jobs();
    let sysinfo = Sysinfo::read(&record.sysinfo);
    Agent {
        id: record.id,
        name: record.name,
        status,
        status_reason,
        is_cordoned: record.cordon == Cordon::Cordoned,
        cordoning_reason: record.cordoning_reason,
        capabilities: vec![AgentCapability::Worker],
        queues: record.queues,
        slots: AgentSlots { total: sysinfo.concurrency, free: sysinfo.free_concurrency },
        version: sysinfo.edge_provider_version.unwrap_or_default(),
        created_at: record.created_at,
        last_heartbeat_at: record.last_heartbeat_at,
        deleted_at: record.deleted_at,
        agent_token_id: record.token,
        running_jobs,
        airflow_version: sysinfo.airflow_version,
        address: record.address,
    }
}
