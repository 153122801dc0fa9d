-- One text for SQLite and PostgreSQL; crates/store/README.md has the rules.
-- Times are microseconds since the Unix epoch. Ids are CUIDs.

-- Whoever acts. A row outlives the user or token, so that history keeps its names.
CREATE TABLE subjects (
    id   TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL
);

CREATE TABLE organizations (
    id                                TEXT PRIMARY KEY,
    name                              TEXT NOT NULL,
    billing_email                     TEXT NOT NULL,
    is_scim_enabled                   BOOLEAN NOT NULL,
    allow_enhanced_support_access     BOOLEAN NOT NULL,
    has_ai_features_disabled          BOOLEAN NOT NULL,
    should_enforce_dedicated_clusters BOOLEAN NOT NULL,
    created_at                        BIGINT NOT NULL,
    created_by                        TEXT NOT NULL REFERENCES subjects (id),
    updated_at                        BIGINT NOT NULL,
    updated_by                        TEXT NOT NULL REFERENCES subjects (id)
);

CREATE TABLE workspaces (
    id                     TEXT PRIMARY KEY,
    organization_id        TEXT NOT NULL REFERENCES organizations (id),
    name                   TEXT NOT NULL,
    description            TEXT NOT NULL,
    cicd_enforced_default  BOOLEAN NOT NULL,
    default_cloud_provider TEXT,
    default_cluster_id     TEXT,
    default_region         TEXT,
    created_at             BIGINT NOT NULL,
    created_by             TEXT NOT NULL REFERENCES subjects (id),
    updated_at             BIGINT NOT NULL,
    updated_by             TEXT NOT NULL REFERENCES subjects (id)
);
CREATE INDEX workspaces_of_organization ON workspaces (organization_id, created_at);

CREATE TABLE deployments (
    id               TEXT PRIMARY KEY,
    organization_id  TEXT NOT NULL REFERENCES organizations (id),
    workspace_id     TEXT NOT NULL REFERENCES workspaces (id),
    name             TEXT NOT NULL,
    -- Whether agent tokens can be made; the rest of what was asked for is in settings, as JSON.
    remote_execution BOOLEAN NOT NULL,
    settings         TEXT NOT NULL,
    created_at       BIGINT NOT NULL,
    created_by       TEXT NOT NULL REFERENCES subjects (id),
    updated_at       BIGINT NOT NULL,
    updated_by       TEXT NOT NULL REFERENCES subjects (id)
);
CREATE INDEX deployments_of_organization ON deployments (organization_id, created_at);
CREATE INDEX deployments_of_workspace ON deployments (workspace_id);

CREATE TABLE deployment_variables (
    deployment_id TEXT NOT NULL REFERENCES deployments (id),
    position      BIGINT NOT NULL,
    name          TEXT NOT NULL,
    -- Either a plain value, or one that is sealed under a master key.
    plain_value   TEXT,
    sealed_value  BYTEA,
    key_id        TEXT,
    updated_at    BIGINT NOT NULL,
    PRIMARY KEY (deployment_id, name)
);

CREATE TABLE roles (
    id                       TEXT PRIMARY KEY,
    organization_id          TEXT NOT NULL REFERENCES organizations (id),
    name                     TEXT NOT NULL,
    description              TEXT NOT NULL,
    scope_type               TEXT NOT NULL,
    -- JSON arrays of names and ids.
    permissions              TEXT NOT NULL,
    restricted_workspace_ids TEXT NOT NULL,
    created_at               BIGINT NOT NULL,
    created_by               TEXT NOT NULL REFERENCES subjects (id),
    updated_at               BIGINT NOT NULL,
    updated_by               TEXT NOT NULL REFERENCES subjects (id),
    UNIQUE (organization_id, name)
);

-- A deleted token stays as a row with deleted_at, so that its holder can be told what became of
-- it and its id is never used again. It refers to no Deployment or Workspace, for it outlives them.
CREATE TABLE api_tokens (
    id              TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL,
    workspace_id    TEXT,
    deployment_id   TEXT,
    name            TEXT NOT NULL,
    description     TEXT NOT NULL,
    kind            TEXT NOT NULL,
    scope           TEXT NOT NULL,
    -- SHA-256 of the value. The value itself is nowhere.
    hash            BYTEA NOT NULL UNIQUE,
    short_token     TEXT NOT NULL,
    start_at        BIGINT NOT NULL,
    end_at          BIGINT,
    expiry_days     BIGINT,
    last_used_at    BIGINT,
    last_rotated_at BIGINT,
    created_at      BIGINT NOT NULL,
    created_by      TEXT NOT NULL REFERENCES subjects (id),
    updated_at      BIGINT NOT NULL,
    updated_by      TEXT NOT NULL REFERENCES subjects (id),
    deleted_at      BIGINT
);
CREATE INDEX api_tokens_of_organization ON api_tokens (organization_id, deleted_at, created_at);

CREATE TABLE api_token_roles (
    token_id      TEXT NOT NULL REFERENCES api_tokens (id),
    position      BIGINT NOT NULL,
    role          TEXT NOT NULL,
    entity_type   TEXT NOT NULL,
    entity_id     TEXT NOT NULL,
    deployment_id TEXT,
    -- For DIRECT_ACCESS: what the role permitted when the token was created, as a JSON array.
    permissions   TEXT,
    PRIMARY KEY (token_id, position)
);
CREATE INDEX api_token_roles_on_entity ON api_token_roles (entity_id);

CREATE TABLE agent_tokens (
    id              TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL,
    deployment_id   TEXT NOT NULL,
    name            TEXT NOT NULL,
    description     TEXT NOT NULL,
    -- How to derive the value again: the master key's id, and how often it was renewed.
    key_id          TEXT NOT NULL,
    generation      BIGINT NOT NULL,
    short_token     TEXT NOT NULL,
    start_at        BIGINT NOT NULL,
    end_at          BIGINT,
    expiry_days     BIGINT,
    last_used_at    BIGINT,
    created_at      BIGINT NOT NULL,
    created_by      TEXT NOT NULL REFERENCES subjects (id),
    updated_at      BIGINT NOT NULL,
    updated_by      TEXT NOT NULL REFERENCES subjects (id),
    deleted_at      BIGINT
);
CREATE INDEX agent_tokens_of_deployment ON agent_tokens (deployment_id, deleted_at, created_at);

CREATE TABLE audit_log (
    id              TEXT PRIMARY KEY,
    at              BIGINT NOT NULL,
    -- CHANGED or REFUSED
    outcome         TEXT NOT NULL,
    -- Absent for what concerns no Organization.
    organization_id TEXT,
    subject_id      TEXT,
    subject_type    TEXT,
    subject_name    TEXT,
    operation       TEXT NOT NULL,
    method          TEXT NOT NULL,
    path            TEXT NOT NULL,
    entity_type     TEXT,
    entity_id       TEXT,
    status          BIGINT NOT NULL,
    reason          TEXT,
    -- How often, for refusals that came many times within a short while.
    occurrences     BIGINT NOT NULL,
    source_ip       TEXT,
    user_agent      TEXT,
    client          TEXT,
    client_version  TEXT,
    request_id      TEXT NOT NULL
);
CREATE INDEX audit_log_of_organization ON audit_log (organization_id, at, id);
CREATE INDEX audit_log_refused ON audit_log (outcome, at);
