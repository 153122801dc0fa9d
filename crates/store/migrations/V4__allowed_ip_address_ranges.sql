-- The addresses from which an Organization can be reached; all addresses when it has no row.
CREATE TABLE allowed_ip_address_ranges (
    id               TEXT PRIMARY KEY,
    organization_id  TEXT NOT NULL REFERENCES organizations (id),
    -- As it was given.
    ip_address_range TEXT NOT NULL,
    -- What all spellings of a range share, and what sorts as addresses do.
    sort_key         TEXT NOT NULL,
    created_at       BIGINT NOT NULL,
    created_by       TEXT NOT NULL REFERENCES subjects (id),
    updated_at       BIGINT NOT NULL,
    updated_by       TEXT NOT NULL REFERENCES subjects (id),
    UNIQUE (organization_id, sort_key)
);
