package server

import (
	"net/http"

	"freehold/internal/auth"
	"freehold/internal/llm"
)

// relay passes a raw OpenAI path (files, batches, ...) to the one provider that
// takes it, under the same keys, limits and perimeter. A key must be allowed to
// call models directly.
func (s *Server) relay(w http.ResponseWriter, r *http.Request) {
	what := family(r.URL.Path)
	c := s.call(r, s.OpenAI, llm.Operation(what))
	if leave := s.admit(w, r, c, func(k *auth.Key) error { return k.AllowModel(what) }); leave != nil {
		defer leave()
		s.Relay.Serve(r.Context(), w, r, c)
	}
}
