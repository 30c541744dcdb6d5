-- +goose Up

-- People who run things. An account is a recipient of kind 'account'; it signs in
-- by a link sent to its address, which is a token of purpose 'sign-in'.

ALTER TABLE token ADD COLUMN destination TEXT NOT NULL DEFAULT ''; -- page of ours to go to, of a sign-in link

-- Who is signed in; only the hash of what the cookie holds is kept.
CREATE TABLE session (
	hash       TEXT PRIMARY KEY,
	account_id BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	seen_at    BIGINT NOT NULL, -- to about a day
	expires_at BIGINT NOT NULL
);
CREATE INDEX session_account ON session (account_id);

-- What an account may do, and where: 'operator', 'feed:SLUG', 'group:ID'.
CREATE TABLE role (
	account_id BIGINT NOT NULL,
	scope      TEXT NOT NULL,
	role       TEXT NOT NULL, -- owner, member, viewer
	created_at BIGINT NOT NULL,
	PRIMARY KEY (account_id, scope)
);
CREATE INDEX role_scope ON role (scope);
