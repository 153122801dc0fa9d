-- Clusters: named places where Airflows run.

CREATE TABLE clusters (
    id              TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    name            TEXT NOT NULL,
    cluster_type    TEXT NOT NULL,
    cloud_provider  TEXT NOT NULL,
    -- The rest of what was asked for, as JSON.
    settings        TEXT NOT NULL,
    node_pools      TEXT NOT NULL,
    -- The Workspaces whose Deployments can run in it, a JSON array; all when it is empty. One that
    -- was deleted stays, for the last one must not open the cluster to all.
    workspace_ids   TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    created_by      TEXT NOT NULL REFERENCES subjects (id),
    updated_at      BIGINT NOT NULL,
    updated_by      TEXT NOT NULL REFERENCES subjects (id)
);
CREATE INDEX clusters_of_organization ON clusters (organization_id, created_at);

-- The cluster that a Deployment runs in; absent for STANDARD.
ALTER TABLE deployments ADD COLUMN cluster_id TEXT REFERENCES clusters (id);
CREATE INDEX deployments_of_cluster ON deployments (cluster_id);
