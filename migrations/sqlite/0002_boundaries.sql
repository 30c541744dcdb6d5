-- +goose Up

-- Where authorities and wards are.
CREATE TABLE boundary (
	kind        TEXT NOT NULL,  -- authority or ward
	code        TEXT NOT NULL,  -- GSS code, or an authority's slug
	name        TEXT NOT NULL,
	area        BLOB NOT NULL,  -- WKB, longitude and latitude
	source      TEXT NOT NULL,
	imported_at BIGINT NOT NULL,
	PRIMARY KEY (kind, code)
);

-- Where properties are.
CREATE TABLE uprn (
	uprn INTEGER PRIMARY KEY,
	lon  DOUBLE PRECISION NOT NULL,
	lat  DOUBLE PRECISION NOT NULL
);
