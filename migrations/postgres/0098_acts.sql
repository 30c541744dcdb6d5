-- +goose Up

-- What an act was about: person, record, feed, access.
ALTER TABLE act ADD COLUMN kind TEXT NOT NULL DEFAULT '';
UPDATE act SET kind = CASE WHEN subject LIKE 'recipient %' OR subject = 'suppression' THEN 'person' ELSE 'record' END;
CREATE INDEX act_kind ON act (kind, id);

-- Not by us, and not by anybody who has got this far.
-- +goose StatementBegin
CREATE FUNCTION act_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'the record of what people did is never changed';
END $$;
-- +goose StatementEnd
CREATE TRIGGER act_stays BEFORE UPDATE ON act FOR EACH ROW EXECUTE FUNCTION act_stays();
