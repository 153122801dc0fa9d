-- The gate: what binds an agent token, the agents that come with it, what they run, what is left
-- to do in an Airflow, and how replicas agree on what was taken away.

-- An agent may sign with a key of its own; then only the public half is here, and nothing is
-- derived. A token's bindings: the agent's name (absent until the first registration pins it) and
-- its queues, a JSON array (absent: those of the Deployment).
ALTER TABLE agent_tokens ADD COLUMN public_key TEXT;
ALTER TABLE agent_tokens ADD COLUMN agent_name TEXT;
ALTER TABLE agent_tokens ADD COLUMN queues TEXT;

-- Which tokens are good, and which end soon, without a look at the rows.
CREATE INDEX agent_tokens_live ON agent_tokens (end_at) WHERE deleted_at IS NULL;

-- A worker that has registered through the gate. Its row outlives its token.
CREATE TABLE agents (
    id                TEXT PRIMARY KEY,
    organization_id   TEXT NOT NULL,
    deployment_id     TEXT NOT NULL,
    -- The token that it came with last.
    token_id          TEXT NOT NULL,
    name              TEXT NOT NULL,
    -- What it last said of itself: Airflow's word for its state, its queues (a JSON array), how
    -- many jobs it has, and its sysinfo (a JSON object).
    state             TEXT NOT NULL,
    queues            TEXT NOT NULL,
    jobs_active       BIGINT NOT NULL,
    sysinfo           TEXT NOT NULL,
    -- OPEN, CORDONED, or UNCORDONING until the agent was told so.
    cordon            TEXT NOT NULL,
    cordoning_reason  TEXT,
    source_ip         TEXT,
    user_agent        TEXT,
    created_at        BIGINT NOT NULL,
    last_heartbeat_at BIGINT NOT NULL,
    deleted_at        BIGINT
);
CREATE UNIQUE INDEX agents_by_name ON agents (deployment_id, name) WHERE deleted_at IS NULL;
CREATE INDEX agents_of_token ON agents (token_id);

-- A job that was handed to an agent. Without its row the agent's calls for it are refused, so it
-- is durable before the agent has the job.
CREATE TABLE agent_jobs (
    id              TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL,
    deployment_id   TEXT NOT NULL,
    agent_id        TEXT NOT NULL,
    token_id        TEXT NOT NULL,
    -- Airflow's key of it.
    dag_id          TEXT NOT NULL,
    task_id         TEXT NOT NULL,
    run_id          TEXT NOT NULL,
    try_number      BIGINT NOT NULL,
    map_index       BIGINT NOT NULL,
    -- The task instance's UUID.
    ti_id           TEXT NOT NULL,
    queue           TEXT NOT NULL,
    -- Airflow's word, as the agent last reported it; queued before it did.
    state           TEXT NOT NULL,
    -- The newest token that Airflow gave for the task, sealed under a master key: what ends the
    -- task in Airflow when its agent is cut off.
    task_token      BYTEA,
    task_token_key  TEXT,
    handed_at       BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    ended_at        BIGINT
);
CREATE UNIQUE INDEX agent_jobs_by_key
    ON agent_jobs (deployment_id, dag_id, task_id, run_id, try_number, map_index);
CREATE INDEX agent_jobs_of_task ON agent_jobs (deployment_id, ti_id);
CREATE INDEX agent_jobs_of_token ON agent_jobs (token_id, ended_at);
CREATE INDEX agent_jobs_of_agent ON agent_jobs (agent_id, ended_at);

-- What is left to do in an Airflow after a token stopped being good: fail its tasks, take its
-- worker offline. Written with the change that ended the token.
CREATE TABLE cutoffs (
    id              TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL,
    deployment_id   TEXT NOT NULL,
    token_id        TEXT NOT NULL,
    -- DELETED, EXPIRED or REPLACED.
    cause           TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    attempts        BIGINT NOT NULL,
    next_at         BIGINT NOT NULL,
    -- What went wrong last. With it, one that is done was given up.
    fault           TEXT,
    done_at         BIGINT
);
CREATE INDEX cutoffs_due ON cutoffs (done_at, next_at);
CREATE INDEX cutoffs_of_token ON cutoffs (token_id);
CREATE INDEX agent_jobs_ended ON agent_jobs (ended_at);
CREATE INDEX agent_jobs_live ON agent_jobs (token_id) WHERE ended_at IS NULL;

-- How the Airflow was reached then: the variables of a Deployment that may be deleted together
-- with the token, as they were kept.
CREATE TABLE cutoff_variables (
    cutoff_id    TEXT NOT NULL,
    name         TEXT NOT NULL,
    plain_value  TEXT,
    sealed_value BYTEA,
    key_id       TEXT,
    updated_at   BIGINT NOT NULL,
    PRIMARY KEY (cutoff_id, name)
);

-- What the last look at a Deployment's Airflow found.
CREATE TABLE deployment_health (
    deployment_id   TEXT PRIMARY KEY,
    -- A word of the API's DeploymentStatus.
    status          TEXT NOT NULL,
    reason          TEXT,
    airflow_version TEXT,
    edge_version    TEXT,
    -- When somebody last set out to look; others leave it alone for a while.
    claimed_at      BIGINT NOT NULL,
    -- When the last look that was finished began; absent until the first is.
    checked_at      BIGINT
);

-- How often rights were taken away: the number of the newest revocation. One row.
CREATE TABLE authority (
    id       BIGINT PRIMARY KEY,
    revision BIGINT NOT NULL
);
INSERT INTO authority (id, revision) VALUES (1, 0);

-- What was taken away, for replicas that keep tokens in memory; docs/revocation.md.
CREATE TABLE revocations (
    revision BIGINT PRIMARY KEY,
    at       BIGINT NOT NULL,
    -- The agent token; absent when it was anything else, which makes replicas read anew.
    token_id TEXT
);

-- The replicas that run, and up to which revocation each has followed.
CREATE TABLE replicas (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    version    TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    -- Counts up at each renewal: others see that it moves.
    renewals   BIGINT NOT NULL,
    applied    BIGINT NOT NULL,
    lease_ms   BIGINT NOT NULL,
    renewed_at BIGINT NOT NULL
);
