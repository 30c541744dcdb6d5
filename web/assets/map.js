// The map on which a place is pinned and an area drawn. Without this script, or
// without the libraries it needs, the forms work with the fields they have.
