package alerts

import "github.com/twpayne/go-geom"

// A Boundary is where an authority or a ward is.
type Boundary struct {
	Kind   BoundaryKind
	Code   string // GSS code, or an authority's slug
	Name   string
	Area   geom.T // polygons, longitude and latitude
	Source string // the file's name
}

// BoundaryKind is what a boundary is of.
type BoundaryKind string

// The kinds of boundary.
const (
	BoundaryAuthority BoundaryKind = "authority"
	BoundaryWard      BoundaryKind = "ward"
)
