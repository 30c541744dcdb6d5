-- +goose Up

-- What somebody decided on a held run: 'released', 'discarded', or '' while it waits.
-- Those that are released show what is usual for their feed.
ALTER TABLE run ADD COLUMN settled TEXT NOT NULL DEFAULT '';
UPDATE run SET settled = CASE WHEN EXISTS (SELECT 1 FROM event e WHERE e.run_id = run.id AND e.state = 'collapsed') THEN 'released' ELSE 'discarded' END
WHERE verdict = 'held' AND NOT EXISTS (SELECT 1 FROM event e WHERE e.run_id = run.id AND e.state = 'held');
