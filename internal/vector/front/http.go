package front

import (
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"freehold/internal/vector/pinecone/plane"
	"freehold/internal/vector/pinecone/wire"
)

// Prefix is where the control plane is, and under it the data plane of each index by
// its name.
const Prefix = "/pinecone/"

// largest is more than the contract allows of a message, so that it is refused in its
// own words.
const largest = 8 << 20

// Set is the indexes that are served, by HTTP.
type Set struct {
	mu  sync.RWMutex
	all map[string]*planes
}

// planes are the data plane of an index.
type planes struct {
	index *Index
	rest  *http.ServeMux
	grpc  *grpc.Server
}

// Put serves an index, in the place of one of its name.
func (s *Set) Put(ix *Index) {
	p := &planes{index: ix, rest: http.NewServeMux(), grpc: grpc.NewServer(grpc.MaxRecvMsgSize(largest), grpc.MaxSendMsgSize(64<<20))}
	wire.Register(p.grpc, ix)
	for _, r := range plane.Routes(ix) {
		p.rest.Handle(r.Pattern, r.Handler)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[string]*planes{}
	}
	s.all[ix.Name] = p
}

// Remove serves an index no more.
func (s *Set) Remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, name)
}

// Find is an index by its name; nil: there is none.
func (s *Set) Find(name string) *Index {
	if p := s.find(name); p != nil {
		return p.index
	}
	return nil
}

func (s *Set) find(name string) *planes {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.all[name]
}

// Names are those of all indexes, sorted.
func (s *Set) Names() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]string, 0, len(s.all))
	for name := range s.all {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// Refuse answers an error in the form that Pinecone's clients read; after is when to
// ask again, 0: it is not said.
func Refuse(w http.ResponseWriter, r *http.Request, st *status.Status, after time.Duration) {
	name, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, Prefix), "/")
	plane.Refuse(w, r, name == "indexes" || rest == "", st, after)
}

// ServeHTTP serves both planes. gRPC knows no prefix: which index is meant is said by
// the host's first label, or by the header x-freehold-index, where there are several.
func (s *Set) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if plane.GRPC(r) {
		p := s.meant(r)
		if p == nil {
			Refuse(w, r, status.New(codes.NotFound, "no index is meant: have its name as the host's first label, or in the header x-freehold-index"), 0)
			return
		}
		p.grpc.ServeHTTP(w, r)
		return
	}
	name, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, Prefix), "/")
	if name == "indexes" {
		s.control(w, r, rest)
		return
	}
	p := s.find(name)
	if p == nil {
		Refuse(w, r, status.Newf(codes.NotFound, "Resource %s not found", name), 0)
		return
	}
	in := r.Clone(r.Context())
	in.URL.Path, in.URL.RawPath = "/"+rest, strings.TrimPrefix(in.URL.RawPath, Prefix+name)
	if _, pattern := p.rest.Handler(in); pattern == "" {
		Refuse(w, r, status.Newf(codes.Unimplemented, "%s %s is not served here", r.Method, "/"+rest), 0)
		return
	}
	p.rest.ServeHTTP(w, in)
}

// Index is the name of the index that a request is about; empty: of none.
func (s *Set) Index(r *http.Request) string {
	if plane.GRPC(r) {
		if p := s.meant(r); p != nil {
			return p.index.Name
		}
		return ""
	}
	name, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, Prefix), "/")
	if name == "indexes" {
		return rest
	}
	return name
}

func (s *Set) meant(r *http.Request) *planes {
	if name := r.Header.Get("X-Freehold-Index"); name != "" {
		return s.find(name)
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	first, _, _ := strings.Cut(host, ".")
	s.mu.RLock()
	defer s.mu.RUnlock()
	if p := s.all[first]; p != nil {
		return p
	}
	if len(s.all) == 1 {
		for _, p := range s.all {
			return p
		}
	}
	return nil
}

// control is the control plane. Indexes are made and changed by the configuration.
func (s *Set) control(w http.ResponseWriter, r *http.Request, name string) {
	version := r.Header.Get("X-Pinecone-Api-Version")
	switch {
	case r.Method != http.MethodGet:
		Refuse(w, r, status.New(codes.PermissionDenied, "indexes are made and changed in freehold's configuration, under indexes"), 0)
	case name == "":
		list := []any{}
		for _, name := range s.Names() {
			if ix := s.Find(name); ix != nil {
				list = append(list, ix.describe(r, version))
			}
		}
		plane.Write(w, http.StatusOK, map[string]any{"indexes": list})
	default:
		ix := s.Find(name)
		if ix == nil {
			Refuse(w, r, status.Newf(codes.NotFound, "Resource %s not found", name), 0)
			return
		}
		plane.Write(w, http.StatusOK, ix.describe(r, version))
	}
}

// describe says where the index is served: where the request came to.
func (ix *Index) describe(r *http.Request, version string) map[string]any {
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	d := plane.Description{
		Contract: ix.Served.Contract, Name: ix.Name, Host: scheme + r.Host + Prefix + ix.Name, Ready: true, Protected: true,
		Spec: map[string]any{"serverless": map[string]any{"cloud": "freehold", "region": "local"}},
	}
	return d.In(version)
}
