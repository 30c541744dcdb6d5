-- +goose Up

-- Pictures that a mail shows; forgotten with its words.
ALTER TABLE delivery ADD COLUMN inline_files TEXT NOT NULL DEFAULT ''; -- JSON: id, name, type, data

-- What a subscriber wants of all mail, and the last month of which it was settled
-- whether a note goes out because nothing was sent.
ALTER TABLE recipient ADD COLUMN remind BIGINT NOT NULL DEFAULT 0; -- days before a case closes; 0 for never
ALTER TABLE recipient ADD COLUMN notes BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE recipient ADD COLUMN noted TEXT NOT NULL DEFAULT '';
UPDATE recipient SET noted = strftime('%Y-%m', 'now', 'start of month', '-1 month');
CREATE INDEX recipient_noted ON recipient (noted, id) WHERE kind = 'subscriber' AND state = 'active' AND notes;

-- Cases of which a subscriber was told while they were open, for reminders.
CREATE TABLE reminder (
	recipient_id   BIGINT NOT NULL,
	application_id BIGINT NOT NULL,
	deadline       TEXT NOT NULL,            -- the published end of comments, '' for none
	told           TEXT NOT NULL DEFAULT '', -- the deadline that the subscriber was told when it was near
	delivery_id    BIGINT,                   -- that reminded of it
	PRIMARY KEY (recipient_id, application_id)
) WITHOUT ROWID;
CREATE INDEX reminder_application ON reminder (application_id);
CREATE INDEX reminder_due ON reminder (deadline) WHERE deadline <> told;
CREATE INDEX reminder_delivery ON reminder (delivery_id) WHERE delivery_id IS NOT NULL;

-- Times in which an authority's register was not read, and who was told.
CREATE TABLE outage (
	id        INTEGER PRIMARY KEY AUTOINCREMENT,
	authority TEXT NOT NULL REFERENCES authority (slug),
	since     BIGINT NOT NULL,
	last_read BIGINT NOT NULL,
	min_lon   DOUBLE PRECISION NOT NULL, -- where its applications lie
	max_lon   DOUBLE PRECISION NOT NULL,
	min_lat   DOUBLE PRECISION NOT NULL,
	max_lat   DOUBLE PRECISION NOT NULL,
	passed    BIGINT NOT NULL DEFAULT 0, -- recipients up to this one have been told, if it concerns them
	told_at   BIGINT NOT NULL DEFAULT 0, -- when all had been
	ended_at  BIGINT NOT NULL DEFAULT 0,
	ended_seq BIGINT NOT NULL DEFAULT 0  -- of the event log, when it was seen to have ended
);
CREATE UNIQUE INDEX outage_open ON outage (authority) WHERE ended_at = 0;
CREATE TABLE outage_told (
	outage_id    BIGINT NOT NULL,
	recipient_id BIGINT NOT NULL,
	delivery_id  BIGINT NOT NULL DEFAULT 0,
	ended_told   BOOLEAN NOT NULL DEFAULT FALSE, -- the mail that says so has been written
	ended_by     BIGINT NOT NULL DEFAULT 0,      -- the delivery that says so
	PRIMARY KEY (outage_id, recipient_id)
) WITHOUT ROWID;
CREATE INDEX outage_told_owed ON outage_told (recipient_id) WHERE NOT ended_told;
CREATE INDEX outage_told_by ON outage_told (ended_by) WHERE ended_by > 0;

-- How often registers were read lately.
CREATE INDEX run_finished ON run (finished_at);
