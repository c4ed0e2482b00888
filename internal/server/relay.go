package server

import (
	"net/http"

	"freehold/internal/gateway"
	"freehold/internal/llm"
)

// relay passes a raw OpenAI path (files, batches, ...) to the one provider that
// takes it, under the same keys, limits and perimeter.
func (s *Server) relay(w http.ResponseWriter, r *http.Request) {
	settings := s.settings.Load()
	c := &gateway.Call{
		ID: s.NewID(), ClientID: clientID(r.Header), Received: s.Clock(), Op: llm.Operation(family(r.URL.Path)),
		Codec: s.OpenAI, Header: r.Header, Fleet: s.Fleet(),
	}
	key, f := s.authenticate(settings, r)
	if f != nil {
		s.refuse(w, s.OpenAI, c.ID, f)
		return
	}
	if f := s.describe(c, key, r.Header); f != nil {
		s.Gateway.Refuse(w, c, f)
		return
	}
	if key != nil {
		if err := key.AllowModel(family(r.URL.Path)); err != nil {
			s.Gateway.Refuse(w, c, denied(err))
			return
		}
	}
	buf := bodies.Get().(*[]byte)
	defer putBody(buf)
	if f := s.read(w, r, settings, buf); f != nil {
		s.Gateway.Refuse(w, c, f)
		return
	}
	c.Raw = *buf
	s.Relay.Serve(r.Context(), w, r, c)
}
