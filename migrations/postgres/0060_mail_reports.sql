-- +goose Up

-- What is known of a mail after the next server took it: delivered, bounced,
-- complained; '' for nothing.
ALTER TABLE delivery ADD COLUMN fate TEXT NOT NULL DEFAULT '';

-- What other servers, SendGrid and recipients said of our mails. No words, no
-- addresses.
CREATE TABLE mail_report (
	key          TEXT PRIMARY KEY, -- makes it once only
	delivery_id  BIGINT NOT NULL,
	recipient_id BIGINT NOT NULL,
	kind         TEXT NOT NULL,
	status       TEXT NOT NULL,
	source       TEXT NOT NULL,
	at           BIGINT NOT NULL
);
CREATE INDEX mail_report_recipient ON mail_report (recipient_id, kind, at);
CREATE INDEX mail_report_at ON mail_report (at);
