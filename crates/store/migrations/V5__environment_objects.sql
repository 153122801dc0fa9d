-- Environment objects: what tasks find instead of Airflow's own connections and variables.

CREATE TABLE environment_objects (
    id              TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    workspace_id    TEXT NOT NULL REFERENCES workspaces (id),
    -- Absent for one of the whole Workspace.
    deployment_id   TEXT REFERENCES deployments (id),
    object_type     TEXT NOT NULL,
    object_key      TEXT NOT NULL,
    description     TEXT,
    -- Whether all Deployments of the Workspace have it.
    auto_link       BOOLEAN NOT NULL,
    -- What it holds, a JSON object, sealed as a whole under a master key.
    value           BYTEA NOT NULL,
    value_key       TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    created_by      TEXT NOT NULL REFERENCES subjects (id),
    updated_at      BIGINT NOT NULL,
    updated_by      TEXT NOT NULL REFERENCES subjects (id)
);
CREATE UNIQUE INDEX environment_objects_of_workspace
    ON environment_objects (workspace_id, object_type, object_key) WHERE deployment_id IS NULL;
CREATE UNIQUE INDEX environment_objects_of_deployment
    ON environment_objects (deployment_id, object_type, object_key) WHERE deployment_id IS NOT NULL;
-- What a task asks for, whichever of the two it is.
CREATE INDEX environment_objects_by_key ON environment_objects (workspace_id, object_type, object_key);
CREATE INDEX environment_objects_of_organization ON environment_objects (organization_id, created_at);

-- A Deployment that has an object of its Workspace, or is kept from having it.
CREATE TABLE environment_object_links (
    object_id     TEXT NOT NULL REFERENCES environment_objects (id),
    deployment_id TEXT NOT NULL REFERENCES deployments (id),
    is_excluded   BOOLEAN NOT NULL,
    position      BIGINT NOT NULL,
    -- What is different for the Deployment, sealed likewise; absent when nothing is.
    overrides     BYTEA,
    overrides_key TEXT,
    PRIMARY KEY (object_id, deployment_id)
);
CREATE INDEX environment_object_links_of_deployment ON environment_object_links (deployment_id);

-- Whether secret values can be asked for by showSecrets.
ALTER TABLE organizations ADD COLUMN allow_environment_secrets_fetching BOOLEAN NOT NULL DEFAULT FALSE;

-- The connections and variables that an agent token's tasks may use, JSON arrays; absent for all.
ALTER TABLE agent_tokens ADD COLUMN connections TEXT;
ALTER TABLE agent_tokens ADD COLUMN variables TEXT;
