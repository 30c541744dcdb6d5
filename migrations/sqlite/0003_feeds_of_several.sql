-- +goose Up

-- Whose applications a feed brings.
CREATE TABLE feed_authority (
	feed_id   BIGINT NOT NULL REFERENCES feed (id),
	authority TEXT NOT NULL REFERENCES authority (slug),
	PRIMARY KEY (feed_id, authority)
) WITHOUT ROWID;
INSERT INTO feed_authority (feed_id, authority) SELECT id, authority FROM feed;
CREATE INDEX feed_authority_authority ON feed_authority (authority);

-- A run is compared with others of its adapter, and one that asked only for what had
-- changed with none by its length.
ALTER TABLE run ADD COLUMN adapter TEXT NOT NULL DEFAULT '';
ALTER TABLE run ADD COLUMN incremental BOOLEAN NOT NULL DEFAULT FALSE;
