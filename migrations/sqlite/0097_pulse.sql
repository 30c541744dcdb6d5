-- +goose Up

-- When each stage last showed a sign of life, to half a minute; "alarm" is whoever
-- looks whether they do.
CREATE TABLE pulse (
	name     TEXT PRIMARY KEY,
	moved_at BIGINT NOT NULL
);

-- Faults of the work, from when they are seen until the operator has been told that
-- they are over.
CREATE TABLE alarm (
	key     TEXT PRIMARY KEY, -- for example still:match
	text    TEXT NOT NULL,
	stuck   BOOLEAN NOT NULL,
	since   BIGINT NOT NULL,
	told_at BIGINT NOT NULL DEFAULT 0,
	gone_at BIGINT NOT NULL DEFAULT 0
);
