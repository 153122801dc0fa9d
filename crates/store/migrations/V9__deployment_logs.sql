-- Lines of logs that passed the gate, and what the gate did: what GetDeploymentLogs answers. They
-- may hold whatever tasks print.
CREATE TABLE deployment_logs (
    deployment_id TEXT NOT NULL,
    -- When the line came to the gate.
    at            BIGINT NOT NULL,
    -- Names the lines that were written together; and the line's number among them.
    id            TEXT NOT NULL,
    line          BIGINT NOT NULL,
    -- A word of the API's LogSource.
    source        TEXT NOT NULL,
    raw           TEXT NOT NULL,
    -- How long raw is in UTF-8: what a Deployment's logs take is found in the index.
    bytes         BIGINT NOT NULL
);
CREATE UNIQUE INDEX deployment_logs_by_time ON deployment_logs (deployment_id, at, id, line, bytes);
