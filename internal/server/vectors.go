package server

import (
	"net/http"
	"strings"
	"time"

	"freehold/internal/auth"
	"freehold/internal/fault"
	"freehold/internal/gateway"
)

// Vectors serves vector indexes in the dialect of their clients, and puts on record who
// asked for what.
type Vectors interface {
	// Index is which one a request is about; empty: none of them.
	Index(r *http.Request) string
	// Serve serves a request.
	Serve(w http.ResponseWriter, r *http.Request, v *Visit)
	// Refuse answers instead.
	Refuse(w http.ResponseWriter, r *http.Request, v *Visit, f *fault.Error)
}

// Visit is a request of an index, and who it is of.
type Visit struct {
	ID, ClientID string
	Received     time.Time
	Caller       gateway.Caller
	Tags         []string
	// Classes are the data classes of the header. Governing are all that the request brings,
	// by header, key and tenant, once it is known that there are such.
	Classes, Governing []string
	// Known: it is known who asks. Of whom it is not nothing is put on record.
	Known bool
	// May is of which indexes the client may know.
	May func(index string) bool
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
	v := &Visit{ID: s.NewID(), ClientID: clientID(r.Header), Received: s.Clock()}
	w.Header()["X-Request-Id"] = []string{v.ID}
	leave, f := s.admitVectors(settings, w, r, v)
	if f != nil {
		s.Vectors.Refuse(w, r, v, f)
		return
	}
	defer leave()
	s.Vectors.Serve(w, r, v)
}

func (s *Server) admitVectors(settings *Settings, w http.ResponseWriter, r *http.Request, v *Visit) (leave func(), f *fault.Error) {
	if f := s.foreign(r); f != nil {
		return nil, f
	}
	key, f := s.authenticate(settings, r)
	if f != nil {
		return nil, f
	}
	v.Known = true
	v.Classes = list(r.Header["X-Freehold-Data-Class"])
	if key != nil {
		v.Caller, v.Tags = Caller(key), key.Tags
	}
	if v.Tags, f = tagged(v.Tags, r.Header); f != nil {
		return nil, f
	}
	if s.Draining() {
		return nil, &fault.Error{Kind: fault.Draining, Message: "this gateway is shutting down", RetryAfter: time.Second}
	}
	v.May = func(index string) bool { return key == nil || key.AllowWorkload(IndexScope+index) == nil }
	if index := s.Vectors.Index(r); index != "" && !v.May(index) {
		return nil, denied(key.AllowWorkload(IndexScope + index))
	}
	room, err := s.Room.Acquire(r.Context(), false)
	if err != nil {
		return nil, crowded(err)
	}
	var lease auth.Lease
	if key != nil {
		var facts auth.Facts
		lease, facts, err = s.Limiter.Admit(r.Context(), key, 0)
		facts.SetHeaders(w.Header())
		if err != nil {
			room()
			return nil, denied(err)
		}
	}
	return func() {
		if lease != nil {
			lease.Done(0)
		}
		room()
	}, nil
}
