-- +goose Up

-- Times are unix milliseconds, civil dates ISO text ('' when unknown), enums text.

-- What the council says, and how it is read ---------------------------------------

CREATE TABLE authority (
	slug     TEXT PRIMARY KEY,
	name     TEXT NOT NULL,
	district TEXT NOT NULL DEFAULT '', -- GSS code of the district it plans for
	website  TEXT NOT NULL DEFAULT ''
);

CREATE TABLE feed (
	id            INTEGER PRIMARY KEY AUTOINCREMENT,
	slug          TEXT NOT NULL UNIQUE,
	authority     TEXT NOT NULL REFERENCES authority (slug),
	declaration   TEXT NOT NULL, -- YAML
	schedule      TEXT NOT NULL DEFAULT '',
	contact       TEXT NOT NULL DEFAULT '',
	precedence    BIGINT NOT NULL DEFAULT 0,
	paused        BOOLEAN NOT NULL DEFAULT FALSE,
	horizon_days  BIGINT NOT NULL DEFAULT 90,
	etag          TEXT NOT NULL DEFAULT '',
	last_modified TEXT NOT NULL DEFAULT '',
	last_complete BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE run (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	feed_id     BIGINT NOT NULL REFERENCES feed (id),
	period      TEXT NOT NULL, -- what makes it once only
	source      TEXT NOT NULL DEFAULT '',
	silent      BOOLEAN NOT NULL,
	verdict     TEXT NOT NULL DEFAULT '',
	reason      TEXT NOT NULL DEFAULT '',
	started_at  BIGINT NOT NULL,
	finished_at BIGINT NOT NULL DEFAULT 0,
	lease_until BIGINT NOT NULL DEFAULT 0,
	claim_no    BIGINT NOT NULL DEFAULT 0,
	applied     BOOLEAN NOT NULL DEFAULT FALSE,
	rows_read   BIGINT NOT NULL DEFAULT 0,
	new         BIGINT NOT NULL DEFAULT 0,
	changed     BIGINT NOT NULL DEFAULT 0,
	newsworthy  BIGINT NOT NULL DEFAULT 0, -- new and changed records that raise an event
	unchanged   BIGINT NOT NULL DEFAULT 0,
	duplicates  BIGINT NOT NULL DEFAULT 0,
	quarantined BIGINT NOT NULL DEFAULT 0,
	unlocated   BIGINT NOT NULL DEFAULT 0,
	events      BIGINT NOT NULL DEFAULT 0,
	UNIQUE (feed_id, period)
);
CREATE INDEX run_unfinished ON run (lease_until) WHERE finished_at = 0;

-- Rows of a run that say something new, until they are applied.
CREATE TABLE staged (
	run_id     BIGINT NOT NULL,
	ord        BIGINT NOT NULL,
	source_key TEXT NOT NULL,
	authority  TEXT NOT NULL,
	supplied   BIGINT NOT NULL,
	details    TEXT NOT NULL, -- JSON, the record after the row
	hash       TEXT NOT NULL,
	PRIMARY KEY (run_id, ord)
) WITHOUT ROWID;

CREATE TABLE quarantine (
	run_id      BIGINT NOT NULL,
	ord         BIGINT NOT NULL,
	line        BIGINT NOT NULL,
	column_name TEXT NOT NULL,
	value       TEXT NOT NULL,
	reason      TEXT NOT NULL,
	PRIMARY KEY (run_id, ord)
) WITHOUT ROWID;

CREATE TABLE record (
	feed_id        BIGINT NOT NULL,
	source_key     TEXT NOT NULL,
	application_id BIGINT NOT NULL,
	supplied       BIGINT NOT NULL,
	details        TEXT NOT NULL, -- JSON
	hash           TEXT NOT NULL,
	run_id         BIGINT NOT NULL, -- that last changed it
	PRIMARY KEY (feed_id, source_key)
);
CREATE INDEX record_application ON record (application_id);

CREATE TABLE application (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	authority  TEXT NOT NULL,
	reference  TEXT NOT NULL, -- as the council writes it
	version    BIGINT NOT NULL,
	hidden     BOOLEAN NOT NULL DEFAULT FALSE,
	first_seen BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	listed     TEXT NOT NULL,   -- the day by which lists are ordered: received, else first seen
	cell       BIGINT,          -- of the representative point; NULL when unlocated
	lon        DOUBLE PRECISION,
	lat        DOUBLE PRECISION,
	details    TEXT NOT NULL    -- JSON
);
-- Covers the area page: which applications, before their rows are read.
CREATE INDEX application_cell ON application (cell, listed DESC, id DESC, lon, lat, hidden, authority) WHERE cell IS NOT NULL;
CREATE INDEX application_authority ON application (authority, listed DESC, id DESC);
CREATE INDEX application_hidden ON application (id) WHERE hidden;

-- Every reference under which an application is known, its current one included.
CREATE TABLE alias (
	authority      TEXT NOT NULL,
	reference_key  TEXT NOT NULL,
	application_id BIGINT NOT NULL,
	PRIMARY KEY (authority, reference_key)
) WITHOUT ROWID;

-- What happened -------------------------------------------------------------------

CREATE TABLE event (
	id             INTEGER PRIMARY KEY AUTOINCREMENT,
	seq            BIGINT UNIQUE, -- NULL unless live
	application_id BIGINT NOT NULL,
	version        BIGINT NOT NULL,
	type           TEXT NOT NULL,
	state          TEXT NOT NULL,
	late           BOOLEAN NOT NULL DEFAULT FALSE,
	at             BIGINT NOT NULL,
	run_id         BIGINT NOT NULL,
	before         TEXT, -- JSON snapshots
	after          TEXT NOT NULL,
	UNIQUE (application_id, version, type)
);
CREATE INDEX event_held ON event (application_id) WHERE state = 'held';

CREATE TABLE counter (
	name  TEXT PRIMARY KEY,
	value BIGINT NOT NULL
);
INSERT INTO counter (name, value) VALUES ('event', 0), ('application', 0);

-- How far a reader of the event log has come.
CREATE TABLE watermark (
	name        TEXT PRIMARY KEY,
	position    BIGINT NOT NULL, -- everything up to here is in the ledger
	claimed     BIGINT NOT NULL, -- a pass works on (position, claimed]
	claim_no    BIGINT NOT NULL,
	lease_until BIGINT NOT NULL
);
INSERT INTO watermark (name, position, claimed, claim_no, lease_until) VALUES ('match', 0, 0, 0, 0);

-- Scheduled work, once per period whoever comes first.
CREATE TABLE tick (
	name        TEXT NOT NULL,
	period      TEXT NOT NULL,
	claimed_at  BIGINT NOT NULL,
	lease_until BIGINT NOT NULL,
	done_at     BIGINT NOT NULL DEFAULT 0,
	PRIMARY KEY (name, period)
);

-- Who wants to hear ---------------------------------------------------------------

CREATE TABLE recipient (
	id           INTEGER PRIMARY KEY AUTOINCREMENT,
	kind         TEXT NOT NULL, -- subscriber, endpoint, contact
	address      TEXT NOT NULL DEFAULT '', -- '' once erased
	address_key  TEXT, -- keyed hash of the address; NULL once erased
	state        TEXT NOT NULL,
	language     TEXT NOT NULL DEFAULT 'en',
	created_at   BIGINT NOT NULL,
	confirmed_at BIGINT NOT NULL DEFAULT 0,
	ended_at     BIGINT NOT NULL DEFAULT 0,
	UNIQUE (kind, address_key)
);

CREATE TABLE subscription (
	id           INTEGER PRIMARY KEY AUTOINCREMENT,
	recipient_id BIGINT NOT NULL,
	state        TEXT NOT NULL,
	paused_until BIGINT NOT NULL DEFAULT 0,
	created_at   BIGINT NOT NULL,
	ended_at     BIGINT NOT NULL DEFAULT 0,
	version_id   BIGINT NOT NULL DEFAULT 0 -- the version in force, or to come into force
);
CREATE INDEX subscription_recipient ON subscription (recipient_id);

CREATE TABLE subscription_version (
	id              INTEGER PRIMARY KEY AUTOINCREMENT,
	subscription_id BIGINT NOT NULL,
	recipient_id    BIGINT NOT NULL,
	from_seq        BIGINT NOT NULL, -- wants events with from_seq < seq <= to_seq
	to_seq          BIGINT NOT NULL, -- 9223372036854775807 while in force; equal to from_seq while pending
	created_at      BIGINT NOT NULL,
	cadence         TEXT NOT NULL,
	filter          TEXT NOT NULL DEFAULT '', -- JSON; '' for everything
	area            TEXT NOT NULL, -- circle, polygon, ward, authority
	lon             DOUBLE PRECISION NOT NULL DEFAULT 0,
	lat             DOUBLE PRECISION NOT NULL DEFAULT 0,
	radius          DOUBLE PRECISION NOT NULL DEFAULT 0, -- metres
	ring            DOUBLE PRECISION NOT NULL DEFAULT 0, -- metres
	shape           BLOB, -- WKB
	carve_out       BLOB, -- WKB
	code            TEXT NOT NULL DEFAULT '',
	label           TEXT NOT NULL DEFAULT ''
);
CREATE INDEX subscription_version_subscription ON subscription_version (subscription_id);

-- Where candidates for an event are looked up: cells, ward: or authority: keys.
CREATE TABLE subscription_scope (
	key        TEXT NOT NULL,
	version_id BIGINT NOT NULL,
	PRIMARY KEY (key, version_id)
) WITHOUT ROWID;
CREATE INDEX subscription_scope_version ON subscription_scope (version_id);

CREATE TABLE consent (
	id              INTEGER PRIMARY KEY AUTOINCREMENT,
	recipient_id    BIGINT NOT NULL,
	subscription_id BIGINT NOT NULL,
	at              BIGINT NOT NULL,
	method          TEXT NOT NULL, -- sign-up, confirm, edit, stop
	wording         TEXT NOT NULL, -- version of the words shown
	page            TEXT NOT NULL
);

-- Links that work once or for a while; only the hash of the secret is kept.
CREATE TABLE token (
	hash            TEXT PRIMARY KEY,
	purpose         TEXT NOT NULL, -- confirm, manage
	recipient_id    BIGINT NOT NULL,
	subscription_id BIGINT NOT NULL DEFAULT 0,
	created_at      BIGINT NOT NULL,
	expires_at      BIGINT NOT NULL,
	used_at         BIGINT NOT NULL DEFAULT 0
);

-- "Tell me when my council is covered."
CREATE TABLE coverage_wish (
	recipient_id BIGINT NOT NULL,
	district     TEXT NOT NULL,
	created_at   BIGINT NOT NULL,
	told_at      BIGINT NOT NULL DEFAULT 0,
	PRIMARY KEY (recipient_id, district)
);

CREATE TABLE suppression (
	address_key TEXT PRIMARY KEY,
	reason      TEXT NOT NULL,
	at          BIGINT NOT NULL
);

-- How often a stranger may ask for something, kept so that a restart forgets nothing.
CREATE TABLE allowance (
	key    TEXT NOT NULL,
	period TEXT NOT NULL,
	used   BIGINT NOT NULL,
	PRIMARY KEY (key, period)
);

-- What is owed, and what became of it ----------------------------------------------

-- The ledger. A row counts as owed once the watermark 'match' has reached its seq.
CREATE TABLE match (
	version_id   BIGINT NOT NULL,
	seq          BIGINT NOT NULL,
	recipient_id BIGINT NOT NULL,
	correction   BOOLEAN NOT NULL DEFAULT FALSE,
	closes       TEXT NOT NULL DEFAULT '', -- published end of comments
	delivery_id  BIGINT, -- the delivery that tells it
	closed       TEXT,   -- why it will never be told
	PRIMARY KEY (version_id, seq)
) WITHOUT ROWID;
CREATE INDEX match_owed ON match (recipient_id) WHERE delivery_id IS NULL AND closed IS NULL;
CREATE INDEX match_delivery ON match (delivery_id) WHERE delivery_id IS NOT NULL;

-- When a recipient's next mail of a cadence is due.
CREATE TABLE due (
	recipient_id BIGINT NOT NULL,
	cadence      TEXT NOT NULL,
	next_at      BIGINT NOT NULL,
	PRIMARY KEY (recipient_id, cadence)
);
CREATE INDEX due_next ON due (cadence, next_at);

-- The sequence that the log had reached when a due moment was first noticed.
CREATE TABLE due_mark (
	due_at BIGINT PRIMARY KEY,
	seq    BIGINT NOT NULL
);

CREATE TABLE delivery (
	id           INTEGER PRIMARY KEY AUTOINCREMENT,
	kind         TEXT NOT NULL,
	recipient_id BIGINT NOT NULL,
	cadence      TEXT NOT NULL DEFAULT '',
	state        TEXT NOT NULL,
	priority     BIGINT NOT NULL,
	message_id   TEXT NOT NULL UNIQUE,
	subject      TEXT NOT NULL,
	text         TEXT NOT NULL,
	html         TEXT NOT NULL,
	headers      TEXT NOT NULL DEFAULT '', -- JSON
	attempts     BIGINT NOT NULL DEFAULT 0,
	claim_no     BIGINT NOT NULL DEFAULT 0,
	next_at      BIGINT NOT NULL, -- pushed forward, it is the lease
	created_at   BIGINT NOT NULL,
	sent_at      BIGINT NOT NULL DEFAULT 0,
	error        TEXT NOT NULL DEFAULT ''
);
CREATE INDEX delivery_queued ON delivery (priority, next_at, id) WHERE state = 'queued';
CREATE INDEX delivery_recipient ON delivery (recipient_id, created_at);
CREATE INDEX delivery_kept ON delivery (created_at) WHERE state <> 'queued' AND subject <> ''; -- whose words are to be forgotten one day

CREATE TABLE attempt (
	delivery_id BIGINT NOT NULL,
	n           BIGINT NOT NULL,
	at          BIGINT NOT NULL,
	duration    BIGINT NOT NULL, -- ms
	class       TEXT NOT NULL,   -- '' when accepted
	detail      TEXT NOT NULL,
	PRIMARY KEY (delivery_id, n)
);
CREATE INDEX attempt_at ON attempt (at);

-- A sender that met a relay-wide failure rests until then.
CREATE TABLE sender (
	name         TEXT PRIMARY KEY,
	failures     BIGINT NOT NULL,
	paused_until BIGINT NOT NULL,
	reason       TEXT NOT NULL
);

-- Mail kept instead of sent, for demos and development.
CREATE TABLE captured (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	message_id TEXT NOT NULL UNIQUE,
	at         BIGINT NOT NULL,
	address    TEXT NOT NULL,
	subject    TEXT NOT NULL,
	raw        BLOB NOT NULL -- the whole message, RFC 5322
);

-- Things that a person should look at, told once per key until mended.
CREATE TABLE notice (
	key     TEXT PRIMARY KEY, -- for example held:york
	at      BIGINT NOT NULL,
	text    TEXT NOT NULL,
	told_at BIGINT NOT NULL DEFAULT 0
);
