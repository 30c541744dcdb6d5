-- +goose Up

-- The ward of an application, by which lists and snapshots of a ward find it. It is cut
-- out of the text, since json refuses some of what may be in the rest.
ALTER TABLE application ADD COLUMN ward TEXT GENERATED ALWAYS AS (substring(details from '"ward":"([^"\\]*)"')) STORED;
CREATE INDEX application_ward ON application (ward, listed DESC, id DESC);
