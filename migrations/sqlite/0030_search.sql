-- +goose Up

-- What applications are found by: the words of reference, address and description.
-- Triggers keep the index up, in the transaction of whatever changes an application,
-- and take a case that is taken down out of it. It holds which words occur where and
-- nothing more; whether they stand side by side is seen from the application itself.
CREATE VIEW application_words (id, words) AS
	SELECT id, reference || ' ' || coalesce(details ->> '$.address', '') || ' ' || coalesce(details ->> '$.description', '') FROM application;

CREATE VIRTUAL TABLE application_search USING fts5 (words, content = 'application_words', content_rowid = 'id',
	detail = none, columnsize = 0, tokenize = "unicode61 remove_diacritics 2 separators '¹²³½¼¾'");

INSERT INTO application_search (rowid, words) SELECT w.id, w.words FROM application_words w JOIN application a ON a.id = w.id WHERE NOT a.hidden;

-- +goose StatementBegin
CREATE TRIGGER application_search_insert AFTER INSERT ON application WHEN NOT new.hidden BEGIN
	INSERT INTO application_search (rowid, words)
		VALUES (new.id, new.reference || ' ' || coalesce(new.details ->> '$.address', '') || ' ' || coalesce(new.details ->> '$.description', ''));
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER application_search_update AFTER UPDATE OF reference, details ON application
WHEN NOT old.hidden AND NOT new.hidden AND (old.reference <> new.reference
	OR old.details ->> '$.address' IS NOT new.details ->> '$.address' OR old.details ->> '$.description' IS NOT new.details ->> '$.description') BEGIN
	INSERT INTO application_search (application_search, rowid, words)
		VALUES ('delete', old.id, old.reference || ' ' || coalesce(old.details ->> '$.address', '') || ' ' || coalesce(old.details ->> '$.description', ''));
	INSERT INTO application_search (rowid, words)
		VALUES (new.id, new.reference || ' ' || coalesce(new.details ->> '$.address', '') || ' ' || coalesce(new.details ->> '$.description', ''));
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER application_search_hide AFTER UPDATE OF hidden ON application WHEN NOT old.hidden AND new.hidden BEGIN
	INSERT INTO application_search (application_search, rowid, words)
		VALUES ('delete', old.id, old.reference || ' ' || coalesce(old.details ->> '$.address', '') || ' ' || coalesce(old.details ->> '$.description', ''));
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER application_search_show AFTER UPDATE OF hidden ON application WHEN old.hidden AND NOT new.hidden BEGIN
	INSERT INTO application_search (rowid, words)
		VALUES (new.id, new.reference || ' ' || coalesce(new.details ->> '$.address', '') || ' ' || coalesce(new.details ->> '$.description', ''));
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER application_search_delete AFTER DELETE ON application WHEN NOT old.hidden BEGIN
	INSERT INTO application_search (application_search, rowid, words)
		VALUES ('delete', old.id, old.reference || ' ' || coalesce(old.details ->> '$.address', '') || ' ' || coalesce(old.details ->> '$.description', ''));
END;
-- +goose StatementEnd

-- References as people copy them: without the marks and spaces between their parts.
CREATE INDEX alias_loose ON alias (replace(replace(replace(replace(replace(reference_key, '/', ''), ' ', ''), '-', ''), '.', ''), '_', ''));
