package front

import (
	"net"
	"net/http"
	"net/url"
	"path"
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

// Set is the indexes that there are, by HTTP: those that are served, and those that
// cannot be now.
type Set struct {
	mu  sync.RWMutex
	all map[string]*planes
}

// planes are the data plane of an index.
type planes struct {
	why   error // it is closed: index is nil
	index *Index
	rest  *http.ServeMux
	ops   map[string]string // by patterns of rest, and by methods of grpc
	grpc  *grpc.Server
}

// Open serves an index, in the place of one of its name.
func (s *Set) Open(ix *Index) {
	p := &planes{index: ix, rest: http.NewServeMux(), ops: map[string]string{}, grpc: grpc.NewServer(grpc.MaxRecvMsgSize(largest), grpc.MaxSendMsgSize(64<<20))}
	wire.Register(p.grpc, ix)
	for _, r := range plane.Routes(ix) {
		p.rest.Handle(r.Pattern, r.Handler)
		p.ops[r.Pattern], p.ops[r.Method] = r.Op, r.Op
	}
	s.put(ix.Name, p)
}

// Close says that there is an index of a name, and why it is not served now.
func (s *Set) Close(name string, why error) { s.put(name, &planes{why: why}) }

func (s *Set) put(name string, p *planes) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[string]*planes{}
	}
	s.all[name] = p
}

// Remove says that there is no index of a name.
func (s *Set) Remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, name)
}

// Find is an index by its name; nil: there is none, or it is closed.
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

// Serve serves both planes. may is of which indexes the client may know. Which one is
// meant is for [Set.Index] to say.
func (s *Set) Serve(w http.ResponseWriter, r *http.Request, may func(index string) bool) {
	first, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, Prefix), "/")
	control := !plane.GRPC(r) && first == "indexes"
	name := s.Index(r)
	if control && name == "" {
		s.list(w, r, may)
		return
	}
	if name == "" {
		Refuse(w, r, status.New(codes.NotFound, "no index is meant: have the name of one as the host's first label, or in the header x-freehold-index"), 0)
		return
	}
	p := s.find(name)
	if p != nil && p.index != nil {
		askedOf(r.Context()).in(p.index.Move().Phase)
	}
	switch {
	case control && r.Method != http.MethodGet:
		Refuse(w, r, unmade, 0)
	case p == nil:
		Refuse(w, r, status.Newf(codes.NotFound, "Resource %s not found", name), 0)
	case p.index == nil:
		Refuse(w, r, status.Newf(codes.Unavailable, "the index %s is not ready: %v", name, p.why), time.Second)
	case control:
		plane.Write(w, http.StatusOK, p.index.describe(r, r.Header.Get("X-Pinecone-Api-Version")))
	case plane.GRPC(r):
		p.grpc.ServeHTTP(w, r)
	default:
		p.serve(w, r, rest)
	}
}

// unmade refuses to make and to change indexes.
var unmade = status.New(codes.PermissionDenied, "indexes are made and changed in freehold's configuration, under indexes")

// serve answers a path of the data plane. What is not there is refused in its form:
// [http.ServeMux] would also send a client elsewhere, where the index is not.
func (p *planes) serve(w http.ResponseWriter, r *http.Request, rest string) {
	in := r.Clone(r.Context())
	in.URL.Path, in.URL.RawPath = "/"+rest, strings.TrimPrefix(in.URL.RawPath, Prefix+p.index.Name)
	served := func(method string) bool {
		probe := *in
		probe.Method = method
		_, pattern := p.rest.Handler(&probe)
		return pattern != ""
	}
	escaped := in.URL.EscapedPath()
	if path.Clean(escaped) == escaped {
		if served(r.Method) {
			p.rest.ServeHTTP(w, in)
			return
		}
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
			if served(method) {
				w.Header().Add("Allow", method)
			}
		}
	}
	if w.Header()["Allow"] != nil {
		plane.Write(w, http.StatusMethodNotAllowed, map[string]any{"code": int(codes.Unimplemented), "message": r.Method + " is not for /" + rest, "details": []any{}})
		return
	}
	Refuse(w, r, status.Newf(codes.NotFound, "there is no path /%s", rest), 0)
}

// Index is the name of the index that a request is about, whether there is one or not;
// empty: of none. gRPC knows no prefix: the header x-freehold-index says the name, else
// the host's first label; where there is one index only, it is always that.
func (s *Set) Index(r *http.Request) string {
	if !plane.GRPC(r) {
		name, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, Prefix), "/")
		if name == "indexes" {
			return rest
		}
		return name
	}
	if name := r.Header.Get("X-Freehold-Index"); name != "" {
		return name
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	first, _, _ := strings.Cut(strings.ToLower(host), ".")
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.all[first] != nil {
		return first
	}
	if len(s.all) == 1 { // also of those that are closed: no other one is meant in their place
		for name := range s.all {
			return name
		}
	}
	return ""
}

// Operation is what a request wants, as the contract calls it; empty: nothing that
// there is.
func (s *Set) Operation(r *http.Request) string {
	first, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, Prefix), "/")
	if !plane.GRPC(r) && first == "indexes" {
		if rest == "" {
			return "list_indexes"
		}
		return "describe_index"
	}
	p := s.find(s.Index(r))
	switch {
	case p == nil || p.index == nil:
		return ""
	case plane.GRPC(r):
		return p.ops[r.URL.Path]
	}
	in := *r
	in.URL = &url.URL{Path: "/" + rest}
	_, pattern := p.rest.Handler(&in)
	return p.ops[pattern]
}

// list answers which indexes there are. Indexes are made and changed by the
// configuration.
func (s *Set) list(w http.ResponseWriter, r *http.Request, may func(index string) bool) {
	if r.Method != http.MethodGet {
		Refuse(w, r, unmade, 0)
		return
	}
	list := []any{}
	for _, name := range s.Names() {
		if ix := s.Find(name); ix != nil && may(name) {
			list = append(list, ix.describe(r, r.Header.Get("X-Pinecone-Api-Version")))
		}
	}
	plane.Write(w, http.StatusOK, map[string]any{"indexes": list})
}

// describe says where the index is served: where the request came to.
func (ix *Index) describe(r *http.Request, version string) map[string]any {
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	d := plane.Description{
		Contract: *ix.contract(ix.Move().Phase), Name: ix.Name, Host: scheme + r.Host + Prefix + ix.Name, Ready: true, Protected: true,
		Spec: map[string]any{"serverless": map[string]any{"cloud": "freehold", "region": "local"}},
	}
	return d.In(version)
}
