-- +goose Up

-- The ward of an application, by which lists and snapshots of a ward find it.
ALTER TABLE application ADD COLUMN ward TEXT GENERATED ALWAYS AS (json_extract(details, '$.ward')) VIRTUAL;
CREATE INDEX application_ward ON application (ward, listed DESC, id DESC);
