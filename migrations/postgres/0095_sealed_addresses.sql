-- +goose Up

-- Whoever knows the address of a chat room can write in it, and programs have keys in
-- theirs: url holds it encrypted with the key ring, as secrets are. This is what may
-- be shown of it.
ALTER TABLE endpoint ADD COLUMN shown TEXT NOT NULL DEFAULT ''; -- https://hooks.example.org/…
