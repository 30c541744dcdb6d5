-- +goose Up

-- What somebody wants done with the held news of a feed, until another person has
-- agreed to it and it is done. It speaks of what was held then: of the events up to
-- one, and of their number.
CREATE TABLE held_request (
	feed_id   BIGINT PRIMARY KEY REFERENCES feed (id),
	what      TEXT NOT NULL,   -- release, discard
	asked_by  BIGINT NOT NULL, -- account
	asked_at  BIGINT NOT NULL,
	reason    TEXT NOT NULL,
	last      BIGINT NOT NULL, -- id of the last held event
	events    BIGINT NOT NULL,
	reach     TEXT NOT NULL,   -- JSON, as it was shown
	agreed_by BIGINT NOT NULL DEFAULT 0,
	agreed_at BIGINT NOT NULL DEFAULT 0
);

-- The mail of which this one is a copy, sent again at somebody's request. It tells no
-- matches of its own.
ALTER TABLE delivery ADD COLUMN again_of BIGINT;
CREATE INDEX delivery_again ON delivery (again_of) WHERE again_of IS NOT NULL;
