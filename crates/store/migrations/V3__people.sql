-- People: users, the invites that make them, teams, and who holds which role.

-- A role that somebody holds on something. The holder is an API token, a user or a team.
CREATE TABLE role_bindings (
    holder_id       TEXT NOT NULL,
    position        BIGINT NOT NULL,
    organization_id TEXT NOT NULL,
    role            TEXT NOT NULL,
    entity_type     TEXT NOT NULL,
    entity_id       TEXT NOT NULL,
    deployment_id   TEXT,
    -- For DIRECT_ACCESS: what the role permitted when the token was created, as a JSON array.
    permissions     TEXT,
    PRIMARY KEY (holder_id, position)
);
INSERT INTO role_bindings (holder_id, position, organization_id, role, entity_type, entity_id, deployment_id, permissions)
    SELECT r.token_id, r.position, t.organization_id, r.role, r.entity_type, r.entity_id, r.deployment_id, r.permissions
    FROM api_token_roles r JOIN api_tokens t ON t.id = r.token_id;
DROP TABLE api_token_roles;
CREATE INDEX role_bindings_on_entity ON role_bindings (entity_id);
CREATE INDEX role_bindings_by_role ON role_bindings (organization_id, role);

-- The user's e-mail address, so that whoever reads a record knows who made it.
ALTER TABLE subjects ADD COLUMN username TEXT;

-- A user belongs to one Organization. It is PENDING from its invite until its first login, which
-- finds it by its address; what an identity provider calls it will be in a table of its own.
CREATE TABLE users (
    id              TEXT PRIMARY KEY REFERENCES subjects (id),
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    -- The e-mail address as it was given, and in lower case.
    username        TEXT NOT NULL,
    address         TEXT NOT NULL,
    full_name       TEXT NOT NULL,
    avatar_url      TEXT NOT NULL,
    status          TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    created_by      TEXT NOT NULL REFERENCES subjects (id),
    updated_at      BIGINT NOT NULL,
    updated_by      TEXT NOT NULL REFERENCES subjects (id),
    UNIQUE (organization_id, address)
);

-- Open invites. One that is accepted, deleted or replaced is gone.
CREATE TABLE invites (
    id         TEXT PRIMARY KEY,
    user_id    TEXT NOT NULL UNIQUE REFERENCES users (id),
    expires_at BIGINT NOT NULL
);

CREATE TABLE teams (
    id              TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    name            TEXT NOT NULL,
    description     TEXT NOT NULL,
    -- Whether an identity provider says who is in it; nobody else does then.
    is_idp_managed  BOOLEAN NOT NULL,
    created_at      BIGINT NOT NULL,
    created_by      TEXT NOT NULL REFERENCES subjects (id),
    updated_at      BIGINT NOT NULL,
    updated_by      TEXT NOT NULL REFERENCES subjects (id),
    UNIQUE (organization_id, name)
);

CREATE TABLE team_members (
    team_id  TEXT NOT NULL REFERENCES teams (id),
    user_id  TEXT NOT NULL REFERENCES users (id),
    added_at BIGINT NOT NULL,
    PRIMARY KEY (team_id, user_id)
);
CREATE INDEX team_members_of_user ON team_members (user_id);

-- What users call with after a login.
CREATE TABLE sessions (
    -- SHA-256 of the value. The value itself is nowhere.
    hash    BYTEA PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id),
    end_at  BIGINT NOT NULL
);
CREATE INDEX sessions_of_user ON sessions (user_id);
CREATE INDEX sessions_by_end ON sessions (end_at);
