package server

import (
	"net/http"
	"strings"

	"freehold/internal/auth"
	"freehold/internal/fault"
	"freehold/internal/llm"
)

// relay passes a raw OpenAI path (files, batches, ...) to the one provider that
// takes it, under the same keys, limits and perimeter. A key must be allowed to
// call models directly.
func (s *Server) relay(w http.ResponseWriter, r *http.Request) {
	what := family(r.URL.Path)
	c := s.call(r, s.OpenAI, llm.Operation(what))
	if !plainPath(r.URL.EscapedPath()) {
		s.refuse(w, s.OpenAI, c.ID, fault.New(fault.BadRequest, "the path must not have dot segments or escaped slashes and dots"))
		return
	}
	if leave := s.admit(w, r, c, func(k *auth.Key) error { return k.AllowModel(what) }); leave != nil {
		defer leave()
		s.Relay.Serve(r.Context(), w, r, c)
	}
}

// plainPath reports whether a path means the same to everyone who reads it: a
// provider may undo an escape before it looks where a path leads.
func plainPath(escaped string) bool {
	p := strings.ToLower(escaped)
	for _, bad := range []string{"%2f", "%5c", "%2e", "%25", "\\"} {
		if strings.Contains(p, bad) {
			return false
		}
	}
	for segment := range strings.SplitSeq(p, "/") {
		if segment == "." || segment == ".." {
			return false
		}
	}
	return true
}
