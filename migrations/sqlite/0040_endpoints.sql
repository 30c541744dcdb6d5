-- +goose Up

-- Where webhooks go. An endpoint is a recipient: its areas are subscriptions like
-- any other.
CREATE TABLE endpoint (
	id             INTEGER PRIMARY KEY, -- its recipient's
	group_id       BIGINT,              -- whose it is; NULL for the operator's own
	owner_id       BIGINT NOT NULL DEFAULT 0, -- the recipient who is told when it fails; 0 for the operator
	name           TEXT NOT NULL,
	url            TEXT NOT NULL, -- '' once deleted
	format         TEXT NOT NULL,
	state          TEXT NOT NULL,
	reason         TEXT NOT NULL DEFAULT '', -- why it was disabled
	challenge      TEXT NOT NULL, -- what a receiver echoes, or its owner types in
	created_at     BIGINT NOT NULL,
	verified_at    BIGINT NOT NULL DEFAULT 0, -- when this address was proved to want them
	sequence       BIGINT NOT NULL DEFAULT 0, -- of the last delivery composed for it
	tried_at       BIGINT NOT NULL DEFAULT 0,
	succeeded_at   BIGINT NOT NULL DEFAULT 0,
	failing_since  BIGINT NOT NULL DEFAULT 0, -- moved on while the fault is ours
	failures       BIGINT NOT NULL DEFAULT 0, -- attempts since the last success
	network        BOOLEAN NOT NULL DEFAULT FALSE, -- the last attempt was not answered at all
	rests_until    BIGINT NOT NULL DEFAULT 0,
	news           TEXT NOT NULL DEFAULT '', -- what its owner is to be told
	told           TEXT NOT NULL DEFAULT '', -- what they have been told since it last worked
	told_at        BIGINT NOT NULL DEFAULT 0,
	lease_until    BIGINT NOT NULL DEFAULT 0, -- one process at a time serves it
	claim_no       BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX endpoint_group ON endpoint (group_id) WHERE group_id IS NOT NULL;
CREATE INDEX endpoint_news ON endpoint (told_at) WHERE news <> '';

-- What deliveries are signed with, sealed with the key ring.
CREATE TABLE endpoint_secret (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	endpoint_id BIGINT NOT NULL REFERENCES endpoint (id),
	sealed      TEXT NOT NULL,
	created_at  BIGINT NOT NULL,
	expires_at  BIGINT NOT NULL DEFAULT 0 -- 0 for the one in force
);
CREATE INDEX endpoint_secret_endpoint ON endpoint_secret (endpoint_id);

-- A webhook's subject is its type, its text the exact bytes that are sent.
ALTER TABLE delivery ADD COLUMN sequence BIGINT;  -- of an event, for this endpoint
ALTER TABLE delivery ADD COLUMN event_seq BIGINT; -- the event
CREATE UNIQUE INDEX delivery_event ON delivery (recipient_id, event_seq) WHERE event_seq IS NOT NULL;
CREATE INDEX delivery_webhook ON delivery (recipient_id, priority, next_at, id) WHERE kind = 'webhook' AND state = 'queued';

ALTER TABLE attempt ADD COLUMN status BIGINT NOT NULL DEFAULT 0;
ALTER TABLE attempt ADD COLUMN answer TEXT NOT NULL DEFAULT ''; -- the beginning of it
