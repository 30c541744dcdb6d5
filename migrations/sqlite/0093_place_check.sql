-- +goose Up

-- What people found out about where an application is, as against what its feed says.
CREATE TABLE place_check (
	application_id BIGINT PRIMARY KEY,
	state          TEXT NOT NULL,   -- disputed, kept, dropped, moved
	about          TEXT NOT NULL,   -- the place that the feed gives, as JSON
	ward           TEXT NOT NULL,   -- that followed from it
	place          TEXT NOT NULL,   -- the right one, as JSON, once it is known
	right_ward     TEXT NOT NULL,
	people         BIGINT NOT NULL, -- who said that it is wrong
	at             BIGINT NOT NULL,
	told_at        BIGINT NOT NULL  -- when the feed's contact was written to; 0 for not yet
);
CREATE INDEX place_check_disputed ON place_check (application_id) WHERE state = 'disputed';

-- Who said that a place is wrong, once each; forgotten when somebody has decided.
CREATE TABLE place_report (
	application_id BIGINT NOT NULL,
	client         TEXT NOT NULL,   -- a keyed hash of where it came from
	recipient_id   BIGINT NOT NULL, -- 0 unless by the link in a mail
	at             BIGINT NOT NULL,
	PRIMARY KEY (application_id, client)
);
CREATE UNIQUE INDEX place_report_person ON place_report (application_id, recipient_id) WHERE recipient_id > 0;
