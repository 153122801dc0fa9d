//! Agents: remote workers that have registered through the gate, and how they are.
//!
//! An agent's status is not kept but told whenever somebody asks, from what the agent last said,
//! what it was told, what became of its token, and the time. So no process has to run for an agent
//! to become unhealthy.

use airlock_contract::{Time, wire::AgentStatus};

/// How many heartbeats must be missing for an agent to be unhealthy.
const MISSED_HEARTBEATS: i64 = 3;

/// Whether an agent may take new work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cordon {
    /// It may.
    Open,
    /// It may not.
    Cordoned,
    /// It may, but does not know: the worker stops asking for work once it was told that it is in
    /// maintenance, and asks again only when it is told so.
    Uncordoning,
}

impl Cordon {
    const ALL: [Self; 3] = [Self::Open, Self::Cordoned, Self::Uncordoning];

    /// The word that is kept.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Cordoned => "CORDONED",
            Self::Uncordoning => "UNCORDONING",
        }
    }

    /// Finds the choice by its word.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|choice| choice.as_str() == word)
    }

    /// After somebody asked for an agent in a state to be uncordoned. One that is in maintenance
    /// without us, because its Airflow said so, has to be told as well.
    pub fn uncordon(self, state: &str) -> Self {
        match self {
            Self::Open if !is_in_maintenance(state) => Self::Open,
            Self::Open | Self::Cordoned | Self::Uncordoning => Self::Uncordoning,
        }
    }
}

/// What is known of an agent.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Its state in the words of Airflow's `EdgeWorkerState`, as it last said.
    pub state: &'a str,
    /// How many jobs it last said it runs.
    pub running_jobs: u32,
    /// What it was told.
    pub cordon: Cordon,
    /// When it was last heard of.
    pub last_heartbeat_at: Time,
    /// When the token that it came with last was deleted.
    pub token_deleted_at: Option<Time>,
    /// When that token ends.
    pub token_end_at: Option<Time>,
    /// When the agent was deleted.
    pub deleted_at: Option<Time>,
}

/// Whether a worker in this state fetches no work until it is told that maintenance is over.
pub fn is_in_maintenance(state: &str) -> bool {
    matches!(
        state,
        "maintenance request" | "maintenance pending" | "maintenance mode" | "maintenance exit" | "offline maintenance"
    )
}

/// How an agent is, and why where the status alone does not say it. `interval` is the seconds
/// between two heartbeats.
pub fn status(agent: &Known<'_>, interval: u32, now: Time) -> (AgentStatus, Option<String>) {
    let Known { cordon, running_jobs, last_heartbeat_at: last, .. } = *agent;
    if let Some(at) = agent.deleted_at {
        return (AgentStatus::Terminated, Some(format!("it was deleted at {at}")));
    }
    if let Some(at) = agent.token_deleted_at {
        return (AgentStatus::Terminated, Some(format!("its agent token was deleted at {at}")));
    }
    if let Some(at) = agent.token_end_at.filter(|at| *at <= now) {
        return (AgentStatus::Terminated, Some(format!("its agent token expired at {at}")));
    }
    if matches!(agent.state, "offline" | "offline maintenance") {
        return (AgentStatus::Terminated, Some(format!("it shut down at {last}")));
    }
    if last.plus_seconds(MISSED_HEARTBEATS * i64::from(interval)) <= now {
        let reason = format!("it was last heard of at {last}, and should report every {interval} s");
        return (AgentStatus::Unhealthy, Some(reason));
    }
    match (cordon, agent.state) {
        (Cordon::Cordoned, _) if running_jobs > 0 => {
            (AgentStatus::Cordoned, Some(format!("jobs that it still runs: {running_jobs}")))
        }
        (Cordon::Cordoned, _) => (AgentStatus::Cordoned, None),
        (Cordon::Uncordoning, _) => {
            (AgentStatus::Healthy, Some("it takes work again after its next heartbeat".to_owned()))
        }
        (Cordon::Open, "terminating" | "shutdown request") => {
            (AgentStatus::Healthy, Some("it is shutting down, and takes no new work".to_owned()))
        }
        (Cordon::Open, state) if is_in_maintenance(state) => {
            (AgentStatus::Healthy, Some("it is in maintenance in its Airflow, and takes no new work".to_owned()))
        }
        (Cordon::Open, _) => (AgentStatus::Healthy, None),
    }
}

/// What a worker says of the machine and the software that it runs on: its `sysinfo`. Whatever is
/// not there, or is of another kind than expected, is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sysinfo {
    /// The version of its Airflow.
    pub airflow_version: Option<String>,
    /// The version of its edge provider.
    pub edge_provider_version: Option<String>,
    /// How many jobs it can run at the same time.
    pub concurrency: Option<u32>,
    /// Of those, how many are free.
    pub free_concurrency: Option<u32>,
}

impl Sysinfo {
    /// Reads the JSON that the worker sent.
    pub fn read(json: &str) -> Self {
        let value = serde_json::from_str::<serde_json::Value>(json).unwrap_or_default();
        let text = |key: &str| value.get(key).and_then(|text| text.as_str()).map(str::to_owned);
        let number = |key: &str| value.get(key).and_then(|number| number.as_u64()?.try_into().ok());
        Self {
            airflow_version: text("airflow_version"),
            edge_provider_version: text("edge_provider_version"),
            concurrency: number("concurrency"),
            free_concurrency: number("free_concurrency"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: u32 = 30;

    fn at(second: i64) -> Time {
        Time::from_micros(0).plus_seconds(second)
    }

    /// An agent that was heard of at second 1000 and has everything in order.
    fn good() -> Known<'static> {
        Known {
            state: "idle",
            running_jobs: 0,
            cordon: Cordon::Open,
            last_heartbeat_at: at(1000),
            token_deleted_at: None,
            token_end_at: None,
            deleted_at: None,
        }
    }

    #[test]
    fn the_table_of_statuses() {
        use AgentStatus::{Cordoned, Healthy, Terminated, Unhealthy};
        let cordoned = Known { cordon: Cordon::Cordoned, ..good() };
        let late = "it was last heard of at 1970-01-01T00:16:40Z, and should report every 30 s";
        let maintenance = "it is in maintenance in its Airflow, and takes no new work";
        let leaving = "it is shutting down, and takes no new work";
        for (agent, now, status_is, reason_is) in [
            (good(), 1000, Healthy, ""),
            (Known { state: "starting", ..good() }, 1001, Healthy, ""),
            (Known { state: "running", running_jobs: 2, ..good() }, 1001, Healthy, ""),
            (Known { state: "a word of a later Airflow", ..good() }, 1001, Healthy, ""),
            (Known { state: "terminating", ..good() }, 1001, Healthy, leaving),
            (Known { state: "shutdown request", ..good() }, 1001, Healthy, leaving),
            (Known { state: "maintenance mode", ..good() }, 1001, Healthy, maintenance),
            (Known { state: "maintenance pending", ..good() }, 1001, Healthy, maintenance),
            // The third heartbeat is missing from second 1090 on.
            (good(), 1089, Healthy, ""),
            (good(), 1090, Unhealthy, late),
            (Known { state: "terminating", ..good() }, 1090, Unhealthy, late),
            (cordoned, 1089, Cordoned, ""),
            (cordoned, 1090, Unhealthy, late),
            (Known { running_jobs: 2, ..cordoned }, 1001, Cordoned, "jobs that it still runs: 2"),
            (Known { state: "maintenance mode", ..cordoned }, 1001, Cordoned, ""),
            (
                Known { state: "maintenance mode", cordon: Cordon::Uncordoning, ..good() },
                1001,
                Healthy,
                "it takes work again after its next heartbeat",
            ),
            (Known { cordon: Cordon::Uncordoning, ..good() }, 1090, Unhealthy, late),
            (Known { state: "offline", ..good() }, 1001, Terminated, "it shut down at 1970-01-01T00:16:40Z"),
            (
                Known { state: "offline maintenance", ..cordoned },
                2000,
                Terminated,
                "it shut down at 1970-01-01T00:16:40Z",
            ),
            (Known { token_end_at: Some(at(1002)), ..good() }, 1001, Healthy, ""),
            (
                Known { token_end_at: Some(at(1002)), ..good() },
                1002,
                Terminated,
                "its agent token expired at 1970-01-01T00:16:42Z",
            ),
            (
                Known { token_deleted_at: Some(at(1001)), token_end_at: Some(at(1)), state: "offline", ..cordoned },
                2000,
                Terminated,
                "its agent token was deleted at 1970-01-01T00:16:41Z",
            ),
            (
                Known { deleted_at: Some(at(1001)), token_deleted_at: Some(at(1000)), ..good() },
                1001,
                Terminated,
                "it was deleted at 1970-01-01T00:16:41Z",
            ),
        ] {
            let (found, reason) = status(&agent, INTERVAL, at(now));
            assert_eq!((found, reason.as_deref().unwrap_or_default()), (status_is, reason_is), "{agent:?} at {now}");
        }
    }

    #[test]
    fn the_interval_is_a_setting() {
        assert_eq!(status(&good(), 5, at(1014)).0, AgentStatus::Healthy);
        assert_eq!(status(&good(), 5, at(1015)).0, AgentStatus::Unhealthy);
        assert_eq!(status(&good(), u32::MAX, at(i64::MAX / 2_000_000)).0, AgentStatus::Unhealthy);
    }

    #[test]
    fn only_who_may_be_in_maintenance_needs_to_be_told() {
        assert_eq!(Cordon::Open.uncordon("running"), Cordon::Open);
        assert_eq!(Cordon::Open.uncordon("maintenance mode"), Cordon::Uncordoning);
        assert_eq!(Cordon::Open.uncordon("offline maintenance"), Cordon::Uncordoning);
        assert_eq!(Cordon::Cordoned.uncordon("idle"), Cordon::Uncordoning);
        assert_eq!(Cordon::Uncordoning.uncordon("idle"), Cordon::Uncordoning);
        for cordon in Cordon::ALL {
            assert_eq!(Cordon::named(cordon.as_str()), Some(cordon));
        }
        assert_eq!(Cordon::named("open"), None);
    }

    #[test]
    fn sysinfo_of_any_kind_is_read() {
        let all = Sysinfo::read(
            r#"{"status":20,"airflow_version":"3.3.2","edge_provider_version":"5.1.0","python_version":"3.11.7",
                "worker_start_time":"2026-11-23T10:00:00","concurrency":4,"free_concurrency":3}"#,
        );
        assert_eq!(all.airflow_version.as_deref(), Some("3.3.2"));
        assert_eq!(all.edge_provider_version.as_deref(), Some("5.1.0"));
        assert_eq!((all.concurrency, all.free_concurrency), (Some(4), Some(3)));
        let odd = r#"{"airflow_version":3,"edge_provider_version":null,"concurrency":-1,"free_concurrency":1e99}"#;
        for json in ["", "{", "null", "[]", "{}", "7", odd] {
            assert_eq!(Sysinfo::read(json), Sysinfo::default(), "{json}");
        }
    }
}
