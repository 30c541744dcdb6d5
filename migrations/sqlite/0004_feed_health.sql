-- +goose Up

-- What a run saw of its source, for the feed's health.
ALTER TABLE run ADD COLUMN newest TEXT NOT NULL DEFAULT ''; -- the latest date received
ALTER TABLE run ADD COLUMN columns_seen TEXT NOT NULL DEFAULT '[]'; -- JSON: name, used
ALTER TABLE run ADD COLUMN unmapped TEXT NOT NULL DEFAULT '[]'; -- JSON: field, code, count

-- A feed's latest runs, and its latest that brought something.
CREATE INDEX run_feed ON run (feed_id, id);
CREATE INDEX run_news ON run (feed_id, id) WHERE new + changed > 0;

-- What a person has to mend of a feed, from when it is seen until whoever mends it
-- has been told that it is over.
CREATE TABLE feed_fault (
	feed_id   BIGINT NOT NULL REFERENCES feed (id),
	kind      TEXT NOT NULL,
	detail    TEXT NOT NULL,
	since     BIGINT NOT NULL,
	told_at   BIGINT NOT NULL DEFAULT 0,
	mended_at BIGINT NOT NULL DEFAULT 0,
	PRIMARY KEY (feed_id, kind)
);

-- With which a council hands its file over; only its hash is stored.
CREATE TABLE feed_token (
	feed_id BIGINT PRIMARY KEY REFERENCES feed (id),
	hash    TEXT NOT NULL,
	made_at BIGINT NOT NULL
);
