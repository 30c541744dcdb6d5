package web

import (
	"net/http"
	"sync"

	"github.com/sitenotice/sitenotice/web/api"
)

// guide is what the interface for programs offers; a description that cannot be read
// stops the program and not a visitor.
var guide = sync.OnceValue(func() api.Guide {
	g, err := api.NewGuide(api.OpenAPI)
	if err != nil {
		panic(err)
	}
	return g
})

// apiPage shows what programs can ask for.
func (s *Server) apiPage(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, r, http.StatusOK, "api.html", "For programs", guide())
}
