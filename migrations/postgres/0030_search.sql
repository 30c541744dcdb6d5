-- +goose Up

-- What applications are found by: the words of reference, address and description.
-- The server keeps the column up by itself; a case that is taken down has none. Marks
-- become spaces, since the parser would make one word of a reference or a range, and
-- the commonest accents go; the rest is seen from the application itself.
-- +goose StatementBegin
ALTER TABLE application ADD COLUMN words tsvector GENERATED ALWAYS AS (CASE WHEN NOT hidden THEN to_tsvector('simple', lower(translate(
	reference || ' ' || coalesce(replace(details, '\u0000', '\u0020')::json ->> 'address', '') || ' ' || coalesce(replace(details, '\u0000', '\u0020')::json ->> 'description', ''),
	'!"#$%&''()*+,-./:;<=>?@[\]^_`{|}~‘’“”–—·•…àáâãäåçèéêëìíîïñòóôõöùúûüýÿŵŷẁẃẅỳÀÁÂÃÄÅÇÈÉÊËÌÍÎÏÑÒÓÔÕÖÙÚÛÜÝŸŴŶẀẂẄỲ',
	'                                         aaaaaaceeeeiiiinooooouuuuyywywwwyaaaaaaceeeeiiiinooooouuuuyywywwwy'))) END) STORED;
-- +goose StatementEnd

CREATE INDEX application_words ON application USING gin (words);

-- References as people copy them: without the marks and spaces between their parts.
CREATE INDEX alias_loose ON alias (replace(replace(replace(replace(replace(reference_key, '/', ''), ' ', ''), '-', ''), '.', ''), '_', ''));
