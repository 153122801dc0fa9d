//! Agents without a worker: rows as the gate writes them.

use airlock_contract::Time;

/// The statement that makes an agent which has registered at a time, has nothing to do, and is of
/// a Deployment with this token.
pub fn registered(id: &str, token: &str, name: &str, at: Time) -> String {
    let at = at.as_micros();
    let sysinfo = r#"{"status":20,"airflow_version":"3.3.2","edge_provider_version":"5.1.0","python_version":"3.11.7","worker_start_time":"2026-01-01T00:00:00","concurrency":4,"free_concurrency":4}"#;
    format!(
        "INSERT INTO agents (id, organization_id, deployment_id, token_id, name, state, queues, jobs_active, sysinfo, \
         cordon, source_ip, user_agent, created_at, last_heartbeat_at) \
         SELECT '{id}', organization_id, deployment_id, id, '{name}', 'idle', '[\"default\"]', 0, '{sysinfo}', \
         'OPEN', '192.0.2.7', 'Python/3.11 aiohttp/3.14.5', {at}, {at} FROM agent_tokens WHERE id = '{token}'"
    )
}
