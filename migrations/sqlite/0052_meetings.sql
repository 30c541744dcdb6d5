-- +goose Up

-- When a group meets.
CREATE TABLE meeting (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	group_id   BIGINT NOT NULL,
	day        TEXT NOT NULL,
	title      TEXT NOT NULL DEFAULT '',
	created_at BIGINT NOT NULL,
	UNIQUE (group_id, day)
);

-- What a group has made of a case.
CREATE TABLE triage (
	group_id       BIGINT NOT NULL,
	application_id BIGINT NOT NULL,
	state          TEXT NOT NULL DEFAULT '', -- relevant, ignored
	assignee       BIGINT NOT NULL DEFAULT 0, -- account
	updated_at     BIGINT NOT NULL,
	PRIMARY KEY (group_id, application_id)
);

-- Who wants a case out of sight.
CREATE TABLE hide_vote (
	group_id       BIGINT NOT NULL,
	application_id BIGINT NOT NULL,
	account_id     BIGINT NOT NULL,
	at             BIGINT NOT NULL,
	PRIMARY KEY (group_id, application_id, account_id)
);

-- What was done, by whom: notes and every change. Never changed afterwards.
CREATE TABLE triage_log (
	id             INTEGER PRIMARY KEY AUTOINCREMENT,
	group_id       BIGINT NOT NULL,
	application_id BIGINT NOT NULL,
	account_id     BIGINT NOT NULL,
	name           TEXT NOT NULL, -- as they were known then
	at             BIGINT NOT NULL,
	action         TEXT NOT NULL, -- relevant, ignored, undecided, assigned, unassigned, note, hide, unhide
	text           TEXT NOT NULL DEFAULT ''
);
CREATE INDEX triage_log_case ON triage_log (group_id, application_id, id);
