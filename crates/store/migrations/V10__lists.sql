-- Indexes that hold a list in the order in which it is read when no other is asked for (on PostgreSQL
-- but for records of one instant, whose ids the list compares byte by byte), with all that
-- says which records are in it: a page far down is found without reading the records before it.

DROP INDEX deployments_of_organization;
CREATE INDEX deployments_of_organization ON deployments (organization_id, created_at DESC, id);

DROP INDEX api_tokens_of_organization;
CREATE INDEX api_tokens_of_organization ON api_tokens (organization_id, deleted_at, created_at DESC, id, scope);

DROP INDEX environment_objects_of_organization;
CREATE INDEX environment_objects_of_organization ON environment_objects (organization_id, created_at DESC, id);
CREATE INDEX environment_objects_of_place
    ON environment_objects (workspace_id, deployment_id, created_at DESC, id, organization_id);
