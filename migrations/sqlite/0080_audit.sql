-- +goose Up

-- What each night's check of the ledger by brute force found.
CREATE TABLE audit_run (
	id       INTEGER PRIMARY KEY AUTOINCREMENT,
	at       BIGINT NOT NULL,
	from_seq BIGINT NOT NULL, -- of the events with from_seq < seq <= to_seq
	to_seq   BIGINT NOT NULL,
	events   BIGINT NOT NULL,
	matches  BIGINT NOT NULL, -- that the ledger held
	missing  BIGINT NOT NULL,
	extra    BIGINT NOT NULL,
	mended   BIGINT NOT NULL -- of the missing ones, entered late
);

-- When an audit found that a match was missing; 0 for all that were there in time.
ALTER TABLE match ADD COLUMN found_at BIGINT NOT NULL DEFAULT 0;

-- How soon alerts went out, of the last weeks, for everybody to see.
CREATE TABLE timeliness (
	authority TEXT PRIMARY KEY,
	at        BIGINT NOT NULL,
	told      BIGINT NOT NULL, -- events told, once for each person
	prompt    BIGINT NOT NULL, -- of these, to people who want to hear at once
	median    BIGINT NOT NULL, -- ms from reading the council's data to the mail's acceptance, of the prompt ones
	p95       BIGINT NOT NULL
);
