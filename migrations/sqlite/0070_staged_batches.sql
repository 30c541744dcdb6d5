-- +goose Up

-- Rows of a run that say something new are kept as they are applied: by the batch.
-- A run that is open meanwhile has failed, and its source is read again.
UPDATE run SET verdict = 'failed', reason = 'the program was renewed while the feed was being read', finished_at = started_at WHERE finished_at = 0;
DROP TABLE staged;
CREATE TABLE staged (
	run_id BIGINT NOT NULL,
	ord    BIGINT NOT NULL, -- of the last row of the batch, among all that the run stages
	batch  BLOB NOT NULL,  -- the records after the rows, in their compact form
	PRIMARY KEY (run_id, ord)
) WITHOUT ROWID;
