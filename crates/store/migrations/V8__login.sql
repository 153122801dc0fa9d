-- Signing in: passwords, authorization codes, and what refresh tokens stand for.

-- The passwords of local users.
CREATE TABLE passwords (
    user_id    TEXT PRIMARY KEY REFERENCES users (id),
    -- An Argon2id hash, sealed under a master key.
    hash       BYTEA NOT NULL,
    hash_key   TEXT NOT NULL,
    changed_at BIGINT NOT NULL
);

-- A login of a user by a client. It lasts until it is ended, is not used for a while, or its time is
-- over. One that was ended is kept for a while, so that whoever still uses it is noticed.
CREATE TABLE logins (
    id           TEXT PRIMARY KEY,
    user_id      TEXT NOT NULL REFERENCES users (id),
    client_id    TEXT NOT NULL,
    -- SHA-256 of the refresh token. The value itself is nowhere.
    refresh_hash BYTEA NOT NULL UNIQUE,
    created_at   BIGINT NOT NULL,
    used_at      BIGINT NOT NULL,
    end_at       BIGINT NOT NULL,
    ended_at     BIGINT
);
CREATE INDEX logins_of_user ON logins (user_id);
CREATE INDEX logins_by_end ON logins (end_at);
CREATE INDEX logins_by_ended ON logins (ended_at);

-- The login that a session belongs to; none for one that was opened on the command line. A session is
-- kept as long as its login, so that whoever finds it later can still end that one.
ALTER TABLE sessions ADD COLUMN login_id TEXT REFERENCES logins (id);
CREATE INDEX sessions_of_login ON sessions (login_id);

-- Authorization codes. One that was redeemed is kept until it ends, so that a second time is noticed.
CREATE TABLE authorization_codes (
    -- SHA-256 of the code.
    hash         BYTEA PRIMARY KEY,
    user_id      TEXT NOT NULL REFERENCES users (id),
    client_id    TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    challenge    TEXT NOT NULL,
    end_at       BIGINT NOT NULL,
    -- What it was redeemed for.
    login_id     TEXT
);
CREATE INDEX authorization_codes_of_user ON authorization_codes (user_id);
CREATE INDEX authorization_codes_by_end ON authorization_codes (end_at);

-- What an identity provider calls a user. It gives the name to nobody else, unlike an e-mail address.
CREATE TABLE identities (
    issuer  TEXT NOT NULL,
    subject TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id),
    PRIMARY KEY (issuer, subject),
    UNIQUE (issuer, user_id)
);
CREATE INDEX identities_of_user ON identities (user_id);
