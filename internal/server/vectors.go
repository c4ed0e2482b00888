package server

import (
	"net/http"
	"strings"
	"time"

	"freehold/internal/auth"
	"freehold/internal/fault"
)

// Vectors serves vector indexes in the dialect of their clients.
type Vectors interface {
	// Index is which one a request is about; empty: none of them.
	Index(r *http.Request) string
	// Serve serves a request; may is of which indexes its client may know.
	Serve(w http.ResponseWriter, r *http.Request, may func(index string) bool)
	// Refuse answers instead.
	Refuse(w http.ResponseWriter, r *http.Request, f *fault.Error)
}

// IndexScope is what a key needs among its workloads to use an index: this and the
// index's name.
const IndexScope = "index:"

func vectorPath(path string) bool {
	return strings.HasPrefix(path, "/pinecone/") || strings.HasPrefix(path, "/VectorService/")
}

// vectors lets requests through to indexes, within the same limits as those of models.
func (s *Server) vectors(w http.ResponseWriter, r *http.Request) {
	settings := s.settings.Load()
	if d := settings.BodyTimeout; d > 0 {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(d)) // tests' writers have none
	}
	s.deadline(w)
	lease, may, f := s.admitVectors(settings, w, r)
	if f != nil {
		s.Vectors.Refuse(w, r, f)
		return
	}
	defer lease()
	s.Vectors.Serve(w, r, may)
}

func (s *Server) admitVectors(settings *Settings, w http.ResponseWriter, r *http.Request) (leave func(), may func(index string) bool, f *fault.Error) {
	if f := s.foreign(r); f != nil {
		return nil, nil, f
	}
	key, f := s.authenticate(settings, r)
	if f != nil {
		return nil, nil, f
	}
	if s.Draining() {
		return nil, nil, &fault.Error{Kind: fault.Draining, Message: "this gateway is shutting down", RetryAfter: time.Second}
	}
	may = func(index string) bool { return key == nil || key.AllowWorkload(IndexScope+index) == nil }
	if index := s.Vectors.Index(r); index != "" && !may(index) {
		return nil, nil, denied(key.AllowWorkload(IndexScope + index))
	}
	room, err := s.Room.Acquire(r.Context(), false)
	if err != nil {
		return nil, nil, crowded(err)
	}
	var lease auth.Lease
	if key != nil {
		var facts auth.Facts
		lease, facts, err = s.Limiter.Admit(r.Context(), key, 0)
		facts.SetHeaders(w.Header())
		if err != nil {
			room()
			return nil, nil, denied(err)
		}
	}
	return func() {
		if lease != nil {
			lease.Done(0)
		}
		room()
	}, may, nil
}
