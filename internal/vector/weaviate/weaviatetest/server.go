// Package weaviatetest is a strict simulator of what freehold uses of Weaviate, and
// fills a collection of it as a client would; or, where
// FREEHOLD_TEST_WEAVIATE=http://HOST:PORT is set, a collection of a real server that
// asks for no key.
//
// The contract is the one published at docs.weaviate.io (REST: schema, tenants, objects,
// batch; GraphQL: Aggregate, Get with nearVector and where) and in the server's OpenAPI
// document. What that refuses is refused here: pages over 10,000, parameters that there
// are not, requests without a tenant or for one that is not active, filters of another
// type than the property. As 1.40 does, a batch stores an object whose vector is of
// another length than the others', and says that it has failed.
package weaviatetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Options of [Start].
type Options struct {
	Key string // empty: whoever asks
}

// Server is a server, simulated or real.
type Server struct {
	Host string // with its port

	key  string
	base string
	mu   sync.Mutex
	all  map[string]*class
}

// New starts a simulator, which ends with the test.
func New(t testing.TB, o Options) *Server {
	t.Helper()
	s, end := Start(o)
	t.Cleanup(end)
	return s
}

// Given is the server that FREEHOLD_TEST_WEAVIATE names, else a simulator.
func Given(t testing.TB) *Server {
	t.Helper()
	if at := os.Getenv("FREEHOLD_TEST_WEAVIATE"); at != "" {
		return &Server{base: at, Host: strings.TrimPrefix(at, "http://")}
	}
	return New(t, Options{})
}

// Start starts a simulator, which ends when end is called.
func Start(o Options) (s *Server, end func()) {
	s = &Server{key: o.Key, all: map[string]*class{}}
	server := httptest.NewServer(s)
	s.base, s.Host = server.URL, strings.TrimPrefix(server.URL, "http://")
	return s, server.Close
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
	r, err := http.NewRequest(method, s.base+"/v1"+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/json")
	if s.key != "" {
		r.Header.Set("Authorization", "Bearer "+s.key)
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

// refusal is an error of the server's.
type refusal struct {
	status int
	why    string
}

func (r *refusal) Error() string { return r.why }

func refuse(status int, why string, args ...any) error {
	return &refusal{status, fmt.Sprintf(why, args...)}
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
		no := &refusal{http.StatusInternalServerError, err.Error()}
		errors.As(err, &no)
		w.WriteHeader(no.status)
		if no.status == http.StatusNotFound {
			return // without a body
		}
		out = map[string]any{"error": []any{map[string]string{"message": no.why}}}
	}
	_ = json.NewEncoder(w).Encode(out) // whoever asked may have gone
}

func (s *Server) answer(r *http.Request, body []byte) (any, error) {
	path, ok := strings.CutPrefix(r.URL.Path, "/v1/")
	switch {
	case s.key != "" && r.Header.Get("Authorization") != "Bearer "+s.key:
		return nil, refuse(http.StatusUnauthorized, "unauthorized: invalid api key")
	case !ok:
		return nil, refuse(http.StatusNotFound, "")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch do := r.Method + " " + path; {
	case do == "POST schema":
		return s.create(body)
	case do == "POST batch/objects":
		return s.batch(body)
	case do == "POST graphql":
		return s.graphql(body)
	case do == "GET objects":
		return s.list(r)
	}
	parts := strings.Split(path, "/")
	if len(parts) < 2 {
		return nil, refuse(http.StatusNotFound, "")
	}
	c := s.all[parts[1]]
	if c == nil {
		return nil, refuse(http.StatusNotFound, "")
	}
	rest := strings.Join(parts[2:], "/")
	switch r.Method + " " + parts[0] {
	case "GET schema":
		if rest == "tenants" {
			return c.tenants(), nil
		}
		return c.described(), nil
	case "POST schema":
		return nil, c.addTenants(body)
	case "DELETE schema":
		delete(s.all, parts[1])
		return nil, nil
	}
	space, err := c.space(r.URL.Query().Get("tenant"))
	if err != nil {
		return nil, err
	}
	o := space[rest]
	switch {
	case o == nil:
		return nil, refuse(http.StatusNotFound, "")
	case r.Method == http.MethodDelete:
		delete(space, rest)
		return nil, nil
	}
	return o.shown(r.URL.Query().Get("include") == "vector"), nil
}

// list is GET /v1/objects.
func (s *Server) list(r *http.Request) (any, error) {
	q := r.URL.Query()
	for name := range q {
		if !slices.Contains([]string{"class", "limit", "after", "include", "tenant"}, name) {
			return nil, refuse(http.StatusUnprocessableEntity, "%s in query is not known, or does not go with after", name)
		}
	}
	c := s.all[q.Get("class")]
	if c == nil {
		return nil, refuse(http.StatusNotFound, "")
	}
	limit, err := strconv.Atoi(q.Get("limit"))
	if err != nil || limit < 1 || limit > 10_000 {
		return nil, refuse(http.StatusUnprocessableEntity, "query maximum results exceeded: limit '%s' exceeds QUERY_MAXIMUM_RESULTS '10000'", q.Get("limit"))
	}
	space, err := c.space(q.Get("tenant"))
	if err != nil {
		return nil, err
	}
	out := []any{}
	for _, id := range space.ids() {
		if id > q.Get("after") && len(out) < limit {
			out = append(out, space[id].shown(q.Get("include") == "vector"))
		}
	}
	return map[string]any{"objects": out, "totalResults": len(out)}, nil
}
