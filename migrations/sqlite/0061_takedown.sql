-- +goose Up

-- What has been taken away of an application for good: '', words, address, all.
ALTER TABLE application ADD COLUMN redacted TEXT NOT NULL DEFAULT '';
ALTER TABLE application ADD COLUMN redacted_at BIGINT NOT NULL DEFAULT 0;
CREATE INDEX application_redacted ON application (redacted_at) WHERE redacted_at > 0;

-- What people did to what others see or get. Never changed afterwards.
CREATE TABLE act (
	id      INTEGER PRIMARY KEY AUTOINCREMENT,
	at      BIGINT NOT NULL,
	who     TEXT NOT NULL,
	what    TEXT NOT NULL,
	subject TEXT NOT NULL,
	reason  TEXT NOT NULL
);
CREATE INDEX act_subject ON act (subject, id);
