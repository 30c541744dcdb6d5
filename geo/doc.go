// Package geo answers the questions of place: how far, which way, inside or
// outside, and which grid.
//
// Coordinates are WGS84 degrees, longitude before latitude, as in GeoJSON;
// lengths are metres. Geometries are go-geom values in the XY layout: points,
// multipoints, polygons and multipolygons, with every ring closed. Edges are
// straight in longitude and latitude (RFC 7946 section 3.1.1). Everything is
// closed: a boundary belongs to what it bounds, and touching is meeting.
//
// The package knows nothing about planning, keeps no state and does no input
// or output.
package geo
