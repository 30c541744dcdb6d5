package api

import (
	"embed"
	"net/http"

	"github.com/gorilla/mux"
)

// Schemas are the JSON Schemas of what webhooks carry, one for each type.
//
//go:embed schemas/*.json
var Schemas embed.FS

// schema serves one of them.
func (a *API) schema(w http.ResponseWriter, r *http.Request) {
	b, err := Schemas.ReadFile("schemas/" + mux.Vars(r)["schema"])
	if err != nil {
		problem(w, http.StatusNotFound, "There is no such schema. Webhooks have the types application.received and so on, and endpoint.ping.")
		return
	}
	w.Header().Set("Content-Type", "application/schema+json")
	w.Header().Set("Cache-Control", "public, max-age=3600")
	w.Write(b)
}
