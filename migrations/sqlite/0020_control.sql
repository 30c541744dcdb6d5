-- +goose Up

-- What a person wants to hear no more of, in all areas.
CREATE TABLE mute (
	id           INTEGER PRIMARY KEY AUTOINCREMENT,
	recipient_id BIGINT NOT NULL,
	what         TEXT NOT NULL, -- case, site, kind
	key          TEXT NOT NULL, -- the application's id; what names its site; the kind
	label        TEXT NOT NULL,
	created_at   BIGINT NOT NULL,
	UNIQUE (recipient_id, what, key)
);

-- Another address for a person, until both ends have agreed to it.
CREATE TABLE address_move (
	recipient_id BIGINT PRIMARY KEY,
	target_id    BIGINT NOT NULL, -- whom the new address was until then
	address      TEXT NOT NULL,
	old_hash     TEXT NOT NULL, -- of the secrets in the two links
	new_hash     TEXT NOT NULL,
	old_agreed   BIGINT NOT NULL DEFAULT 0,
	new_agreed   BIGINT NOT NULL DEFAULT 0,
	created_at   BIGINT NOT NULL,
	expires_at   BIGINT NOT NULL,
	done_at      BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX address_move_target ON address_move (target_id);
CREATE INDEX address_move_old ON address_move (old_hash);
CREATE INDEX address_move_new ON address_move (new_hash);
