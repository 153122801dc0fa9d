-- What a change was asked to be, as JSON, where the operation's body can hold no secret.
ALTER TABLE audit_log ADD COLUMN request_body TEXT;
