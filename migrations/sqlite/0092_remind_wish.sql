-- +goose Up

-- How many days before comments close somebody wants to be reminded, as asked for on
-- the form of a sign-up; it counts once the sign-up is confirmed. 0: it did not ask.
ALTER TABLE subscription ADD COLUMN remind BIGINT NOT NULL DEFAULT 0;
