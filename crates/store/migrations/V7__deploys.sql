-- Deploys: changes of the code that Deployments run. The archives themselves are in the bundle storage.

CREATE TABLE deploys (
    id                    TEXT PRIMARY KEY,
    deployment_id         TEXT NOT NULL REFERENCES deployments (id),
    deploy_type           TEXT NOT NULL,
    status                TEXT NOT NULL,
    description           TEXT,
    -- The commit that it was made from, a JSON object.
    git                   TEXT,
    image_tag             TEXT NOT NULL,
    runtime_version       TEXT,
    is_dag_deploy_enabled BOOLEAN NOT NULL,
    -- Of a bundle, as it was given.
    bundle_mount_path     TEXT,
    bundle_type           TEXT,
    -- The archive's place among those of the Deployment; see current_tarballs.
    place                 TEXT NOT NULL,
    -- What was finalized; absent without an archive.
    tarball_version       TEXT,
    rollback_from_id      TEXT,
    created_at            BIGINT NOT NULL,
    created_by            TEXT NOT NULL REFERENCES subjects (id),
    updated_at            BIGINT NOT NULL,
    updated_by            TEXT NOT NULL REFERENCES subjects (id)
);
CREATE INDEX deploys_of_deployment ON deploys (deployment_id, created_at);
CREATE INDEX deploys_unfinished ON deploys (created_at) WHERE status = 'INITIALIZED';

-- Archives that were finalized and are kept. The id is the version.
CREATE TABLE tarballs (
    id            TEXT PRIMARY KEY,
    deployment_id TEXT NOT NULL REFERENCES deployments (id),
    -- For which it was uploaded, and under which the storage has it.
    deploy_id     TEXT NOT NULL REFERENCES deploys (id),
    place         TEXT NOT NULL,
    -- When it last became current.
    current_at    BIGINT NOT NULL
);
CREATE INDEX tarballs_of_deployment ON tarballs (deployment_id, place, current_at);
CREATE INDEX tarballs_of_deploy ON tarballs (deploy_id);

-- What agents get. The place is the mount path without slashes at its ends; that of the Dags is dags.
CREATE TABLE current_tarballs (
    deployment_id TEXT NOT NULL REFERENCES deployments (id),
    place         TEXT NOT NULL,
    tarball_id    TEXT NOT NULL REFERENCES tarballs (id),
    -- That made it current.
    deploy_id     TEXT NOT NULL REFERENCES deploys (id),
    bundle_type   TEXT,
    PRIMARY KEY (deployment_id, place)
);
CREATE INDEX current_tarballs_by_tarball ON current_tarballs (tarball_id);

-- The tag of the image that was deployed last.
ALTER TABLE deployments ADD COLUMN image_tag TEXT;
