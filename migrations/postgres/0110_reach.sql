-- +goose Up

-- How many people an authority's applications reached in a month, and how early; of
-- all together where the authority is ''. Counts as they were: what is shown of them
-- is rounded, and left out where they are small.
CREATE TABLE reach (
	authority    TEXT NOT NULL,
	month        TEXT NOT NULL, -- 2026-10
	applications BIGINT NOT NULL,
	told         BIGINT NOT NULL,
	people       BIGINT NOT NULL,
	alerts       BIGINT NOT NULL,
	new_people   BIGINT NOT NULL, -- of the alerts about an application that was new
	new_alerts   BIGINT NOT NULL,
	hours_median BIGINT NOT NULL, -- from reading it to the mail's acceptance
	hours_p95    BIGINT NOT NULL,
	dated_people BIGINT NOT NULL, -- of those with a published end of comments
	dated_alerts BIGINT NOT NULL,
	days_median  BIGINT NOT NULL, -- left until it
	days_p95     BIGINT NOT NULL,
	PRIMARY KEY (authority, month)
);
