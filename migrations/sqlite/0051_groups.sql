-- +goose Up

-- Community groups. Who is in one is a role of scope 'group:ID'.
CREATE TABLE community (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	name       TEXT NOT NULL,
	quorum     BIGINT NOT NULL DEFAULT 2, -- how many have to agree to hide a case from the list
	created_at BIGINT NOT NULL
);

-- How somebody is known to the others in a group.
ALTER TABLE role ADD COLUMN name TEXT NOT NULL DEFAULT '';

-- Asked in, by a link that works once; only the hash of its secret is kept.
CREATE TABLE invitation (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	hash       TEXT NOT NULL UNIQUE,
	group_id   BIGINT NOT NULL,
	account_id BIGINT NOT NULL, -- who is asked
	role       TEXT NOT NULL,
	invited_by BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	UNIQUE (group_id, account_id)
);

-- What a group watches.
CREATE TABLE group_area (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	group_id   BIGINT NOT NULL,
	authority  TEXT NOT NULL DEFAULT '', -- in which a ward is, if that is known
	filter     TEXT NOT NULL DEFAULT '', -- JSON; '' for everything
	area       TEXT NOT NULL, -- circle, polygon, ward, authority
	lon        DOUBLE PRECISION NOT NULL DEFAULT 0,
	lat        DOUBLE PRECISION NOT NULL DEFAULT 0,
	radius     DOUBLE PRECISION NOT NULL DEFAULT 0, -- metres
	shape      BLOB, -- WKB
	code       TEXT NOT NULL DEFAULT '',
	label      TEXT NOT NULL,
	created_at BIGINT NOT NULL
);
CREATE INDEX group_area_group ON group_area (group_id);

-- What programs and private feeds show to be let in; only hashes are kept.
CREATE TABLE api_token (
	id           INTEGER PRIMARY KEY AUTOINCREMENT,
	hash         TEXT NOT NULL UNIQUE,
	group_id     BIGINT NOT NULL,
	account_id   BIGINT NOT NULL, -- who made it
	name         TEXT NOT NULL,
	start        TEXT NOT NULL,   -- its first characters, to tell one from another
	scopes       TEXT NOT NULL,   -- JSON: read, write, feeds
	created_at   BIGINT NOT NULL,
	expires_at   BIGINT NOT NULL, -- 9223372036854775807 for never
	last_used_at BIGINT NOT NULL DEFAULT 0, -- to about an hour
	revoked_at   BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX api_token_group ON api_token (group_id);

-- The answer to a POST that a program may send again.
CREATE TABLE idempotency (
	key        TEXT PRIMARY KEY, -- hash of the token's id and the key
	request    TEXT NOT NULL,    -- hash of what was asked
	status     BIGINT NOT NULL DEFAULT 0, -- 0 while it is being answered
	answer     TEXT NOT NULL DEFAULT '',  -- sealed
	created_at BIGINT NOT NULL
);
CREATE INDEX idempotency_created ON idempotency (created_at);
