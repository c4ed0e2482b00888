// Package opensearchtest is a strict simulator of what freehold uses of OpenSearch and
// Elasticsearch, and fills an index of it as a client would; or, where
// FREEHOLD_TEST_OPENSEARCH=http://USER:PASSWORD@HOST:PORT is set, an index of a real
// server.
//
// The contract is the one published at docs.opensearch.org (2.19: create index, bulk,
// refresh, count, point in time, search, k-NN query, spaces) and elastic.co/docs (9.2:
// the same, dense_vector, _source.exclude_vectors, _id field). What those refuse is
// refused here: keys that there are not, _id to sort by in Elasticsearch, _shard_doc in
// OpenSearch 2 or without a point in time, pages over 10,000, vectors of other lengths,
// a point in time that is over. Documents are seen after a refresh only.
package opensearchtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Options of [New].
type Options struct {
	Elastic        bool
	Version        string // empty: 2.19.1, or 9.2.0
	User, Password string // empty: whoever
	Key            string // an API key, instead
	Reader         bool   // whoever asks may only read
	Shards         int    // of an index; 0: 3
}

// Server is a server, simulated or real.
type Server struct {
	Host           string // with its port
	User, Password string
	Elastic        bool

	o    Options
	base string
	mu   sync.Mutex
	all  map[string]*index
	// alias are other names, each with a filter or without.
	alias map[string]alias
	pits  map[string][]*document
	next  int
}

type alias struct {
	of     []string
	filter json.RawMessage
}

// New starts a simulator, which ends with the test.
func New(t testing.TB, o Options) *Server {
	t.Helper()
	s, end := Start(o)
	t.Cleanup(end)
	return s
}

// Start starts a simulator, which ends when end is called.
func Start(o Options) (s *Server, end func()) {
	if o.Version == "" {
		o.Version = map[bool]string{false: "2.19.1", true: "9.2.0"}[o.Elastic]
	}
	if o.Shards == 0 {
		o.Shards = 3
	}
	s = &Server{User: o.User, Password: o.Password, Elastic: o.Elastic, o: o, all: map[string]*index{}, alias: map[string]alias{}, pits: map[string][]*document{}}
	server := httptest.NewServer(s)
	s.base, s.Host = server.URL, strings.TrimPrefix(server.URL, "http://")
	return s, server.Close
}

// Given is the server that FREEHOLD_TEST_OPENSEARCH names, else a simulator.
func Given(t testing.TB, o Options) *Server {
	t.Helper()
	at := os.Getenv("FREEHOLD_TEST_OPENSEARCH")
	if at == "" {
		return New(t, o)
	}
	u, err := url.Parse(at)
	if err != nil {
		t.Fatalf("FREEHOLD_TEST_OPENSEARCH is no URL: %v", errors.Unwrap(err))
	}
	s := &Server{Host: u.Host, base: u.Scheme + "://" + u.Host, User: u.User.Username()}
	s.Password, _ = u.User.Password()
	s.Elastic = !strings.Contains(s.Do(t, http.MethodGet, "/", ""), `"opensearch"`)
	return s
}

// Expire ends all points in time, as their time would.
func (s *Server) Expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.pits)
}

// Do makes a request beside freehold, which must be right.
func (s *Server) Do(t testing.TB, method, path, body string) string {
	t.Helper()
	text, err := s.do(method, path, body)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (s *Server) do(method, path, body string) (string, error) {
	r, err := http.NewRequest(method, s.base+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	if r.Header.Set("Content-Type", "application/json"); strings.Contains(path, "_bulk") {
		r.Header.Set("Content-Type", "application/x-ndjson")
	}
	if s.User != "" {
		r.SetBasicAuth(s.User, s.Password)
	} else if s.o.Key != "" {
		r.Header.Set("Authorization", "ApiKey "+s.o.Key)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, text)
	}
	return string(text), err
}

// refusal is an error as the servers write it.
type refusal struct {
	status       int
	kind, reason string
}

func (r *refusal) Error() string { return r.kind + ": " + r.reason }

func refuse(status int, kind, reason string, args ...any) error {
	return &refusal{status, kind, fmt.Sprintf(reason, args...)}
}

func illegal(reason string, args ...any) error {
	return refuse(http.StatusBadRequest, "illegal_argument_exception", reason, args...)
}

// ServeHTTP answers as a server.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var out any
	if err == nil {
		out, err = s.answer(r, body)
	}
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		no := &refusal{http.StatusInternalServerError, "exception", err.Error()}
		errors.As(err, &no)
		cause := map[string]any{"type": no.kind, "reason": no.reason}
		w.WriteHeader(no.status)
		out = map[string]any{"status": no.status, "error": map[string]any{"type": no.kind, "reason": no.reason, "root_cause": []any{cause}}}
	}
	_ = json.NewEncoder(w).Encode(out) // whoever asked may have gone
}

func (s *Server) answer(r *http.Request, body []byte) (any, error) {
	user, password, basic := r.BasicAuth()
	switch {
	case s.o.User != "" && (!basic || user != s.o.User || password != s.o.Password), s.o.Key != "" && r.Header.Get("Authorization") != "ApiKey "+s.o.Key:
		return nil, refuse(http.StatusUnauthorized, "security_exception", "missing authentication credentials for REST request [%s]", r.URL.Path)
	case len(body) > 0 && !strings.HasPrefix(r.Header.Get("Content-Type"), "application/"):
		return nil, refuse(http.StatusNotAcceptable, "media_type_header_exception", "Content-Type header [%s] is not supported", r.Header.Get("Content-Type"))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	parts := strings.SplitN(strings.TrimPrefix(r.URL.Path, "/"), "/", 2)
	name, rest := parts[0], ""
	if len(parts) == 2 {
		rest = parts[1]
	}
	pit := map[bool]string{false: "_search/point_in_time", true: "_pit"}[s.Elastic]
	switch do := r.Method + " " + rest; {
	case do == "GET " && name == "":
		version := map[string]string{"number": s.o.Version}
		if !s.Elastic {
			version["distribution"] = "opensearch"
		}
		return map[string]any{"name": "sim", "version": version}, nil
	case r.Method == http.MethodDelete && strings.TrimPrefix(r.URL.Path, "/") == pit:
		return s.closePIT(body)
	case name == "_search":
		return s.search(r, nil, body)
	case do == "PUT ":
		return s.create(name, body)
	case r.Method == http.MethodPut && strings.HasPrefix(rest, "_alias/"):
		return s.nameAlias(name, strings.TrimPrefix(rest, "_alias/"), body)
	}
	ix, within, err := s.find(name)
	if err != nil {
		return nil, err
	}
	if s.o.Reader && (rest == "_refresh" || rest == "_bulk") {
		return nil, refuse(http.StatusForbidden, "security_exception", "no permissions for [indices:admin/refresh]")
	}
	switch r.Method + " " + rest {
	case "GET ":
		out := map[string]any{ix.name: ix.described()}
		for _, other := range s.alias[name].of {
			out[other] = s.all[other].described()
		}
		return out, nil
	case "DELETE ":
		delete(s.all, name)
		return map[string]bool{"acknowledged": true}, nil
	case "POST _bulk":
		return s.bulk(ix, body)
	case "POST _refresh":
		ix.refresh()
		return map[string]any{"_shards": whole(ix)}, nil
	case "POST _count":
		docs, err := matching(ix, ix.shown, within)
		return map[string]any{"count": len(docs), "_shards": whole(ix)}, err
	case "POST _search":
		return s.search(r, &scope{ix, within}, body)
	case "POST " + pit:
		if r.URL.Query().Get("keep_alive") == "" {
			return nil, refuse(http.StatusBadRequest, "action_request_validation_exception", "[keep_alive] is not specified")
		}
		docs, err := matching(ix, ix.shown, within)
		s.next++
		id := fmt.Sprintf("pit-%d", s.next)
		s.pits[id] = docs
		return map[string]any{map[bool]string{false: "pit_id", true: "id"}[s.Elastic]: id}, err
	}
	return nil, illegal("no handler found for uri [%s] and method [%s]", r.URL.Path, r.Method)
}

func (s *Server) closePIT(body []byte) (any, error) {
	var ids struct {
		ID  string   `json:"id"`
		PIT []string `json:"pit_id"`
	}
	if err := strict(body, &ids); err != nil {
		return nil, err
	}
	for _, id := range append(ids.PIT, ids.ID) {
		delete(s.pits, id)
	}
	return map[string]any{"succeeded": true}, nil
}

// Open is how many points in time are kept.
func (s *Server) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.pits)
}

func (s *Server) find(name string) (*index, json.RawMessage, error) {
	a, ok := s.alias[name]
	if !ok {
		a.of = []string{name}
	}
	ix := s.all[a.of[0]]
	if ix == nil {
		return nil, nil, refuse(http.StatusNotFound, "index_not_found_exception", "no such index [%s]", name)
	}
	return ix, a.filter, nil
}

func (s *Server) nameAlias(of, name string, body []byte) (any, error) {
	var a struct {
		Filter json.RawMessage `json:"filter"`
	}
	if len(body) > 0 {
		if err := strict(body, &a); err != nil {
			return nil, err
		}
	}
	if _, _, err := s.find(of); err != nil {
		return nil, err
	}
	s.alias[name] = alias{append(s.alias[name].of, of), a.Filter}
	return map[string]bool{"acknowledged": true}, nil
}

// strict reads a body that may have nothing but what there is.
func strict(body []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return refuse(http.StatusBadRequest, "parsing_exception", "%v", err)
	}
	return nil
}

func only(of map[string]json.RawMessage, names ...string) error {
	for name := range of {
		if !slices.Contains(names, name) {
			return refuse(http.StatusBadRequest, "parsing_exception", "unknown key [%s]", name)
		}
	}
	return nil
}
