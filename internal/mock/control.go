package mock

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// control serves /mock/: what a test in any language needs.
func (s *Server) control(w http.ResponseWriter, r *http.Request, path string) {
	fail := func(status int, message string) {
		reply(w, status, map[string]any{"error": map[string]any{"message": "mock: " + message}})
	}
	switch r.Method + " " + path {
	case "GET stats":
		requests := s.Requests()
		shown := make([]any, 0, len(requests))
		for _, q := range requests {
			for _, h := range secretHeaders {
				if q.Header.Get(h) != "" {
					q.Header = q.Header.Clone()
					q.Header.Set(h, scrubbed)
				}
			}
			shown = append(shown, struct {
				Request
				Body string `json:"body"`
			}{q, string(q.Body)})
		}
		reply(w, http.StatusOK, struct {
			Stats
			Last []any `json:"last"`
		}{s.Stats(), shown})
	case "GET faults":
		list := []string{}
		for _, f := range s.armed.list() {
			list = append(list, f.String())
		}
		reply(w, http.StatusOK, map[string]any{"faults": list})
	case "PUT faults":
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			fail(http.StatusBadRequest, err.Error())
			return
		}
		faults, err := readFaults(body)
		if err != nil {
			fail(http.StatusBadRequest, err.Error())
			return
		}
		s.SetFaults(faults...)
		w.WriteHeader(http.StatusNoContent)
	case "POST reset":
		s.Reset()
		w.WriteHeader(http.StatusNoContent)
	default:
		fail(http.StatusNotFound, "there are GET /mock/stats, GET and PUT /mock/faults, POST /mock/reset")
	}
}

// readFaults reads text, a JSON list of specifications, or {"faults": [...]}.
func readFaults(body []byte) ([]*Fault, error) {
	text := strings.TrimSpace(string(body))
	var specs []string
	switch {
	case strings.HasPrefix(text, "["):
		if err := json.Unmarshal(body, &specs); err != nil {
			return nil, err
		}
	case strings.HasPrefix(text, "{"):
		var o struct{ Faults []string }
		if err := json.Unmarshal(body, &o); err != nil {
			return nil, err
		}
		specs = o.Faults
	default:
		return ParseFaults(text)
	}
	return ParseFaults(strings.Join(specs, "\n"))
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // who asked has left
}
