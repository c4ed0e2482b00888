// Package weaviate reads collections of Weaviate (from 1.24 on) by its REST API, and
// counts and searches by GraphQL.
//
// It is a source only: a batch may answer that an object has failed, for the length of
// its vector or a reference to nothing, and has stored it all the same (1.40), so that
// what a write has done is not known from its answer.
package weaviate

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"freehold/internal/vector"
	"freehold/internal/vector/rest"
)

// Options say where a collection is.
type Options struct {
	Host  string // with its port
	Class string // or an alias of one
	Key   string
	TLS   *tls.Config // nil: none
	// Dial makes connections to the host with its port; nil: as usual.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// Vector is the only one that is read; empty: all of them.
	Vector string
	// Namespace is the only tenant that is described; nil: all.
	Namespace *string
	// Timeout is the time that one request has; 0: a minute.
	Timeout time.Duration
}

// Store is a collection. It is a [vector.Source].
type Store struct {
	options Options
	at      string // in errors
	client  *rest.Client

	mu sync.Mutex
	is *class // as it was looked at last; nil: it was not
	// size is how many bytes an object has had, on average of late.
	size atomic.Int64
}

var _ vector.Source = (*Store)(nil)

// Open makes a store; the first request connects it.
func Open(o Options) (*Store, error) {
	if ok, err := regexp.MatchString(`^[A-Za-z][_0-9A-Za-z]{0,254}$`, o.Class); err != nil || !ok {
		return nil, fmt.Errorf("weaviate: %q is no name of a collection: weaviate://HOST/CLASS", o.Class)
	}
	at := "weaviate at " + o.Host + "/" + o.Class
	header := http.Header{}
	if o.Key != "" {
		header.Set("Authorization", "Bearer "+o.Key)
	}
	return &Store{options: o, at: at, client: rest.New(rest.Options{Store: at, Host: o.Host, TLS: o.TLS, Dial: o.Dial, Timeout: o.Timeout, Header: header, Message: message})}, nil
}

// Close ends the connections.
func (s *Store) Close() error { return s.client.Close() }

// message is what the server says of an error.
func message(body []byte) string {
	var said struct {
		Error   []struct{ Message string } `json:"error"`
		Message string                     `json:"message"`
	}
	if json.Unmarshal(body, &said) != nil {
		return ""
	}
	for _, e := range said.Error {
		return e.Message
	}
	return said.Message
}

func (s *Store) get(ctx context.Context, doing, path string, out any) error {
	return s.client.Call(ctx, doing, http.MethodGet, "/v1"+path, nil, out)
}

// ask asks by GraphQL, whose errors come as answers.
func (s *Store) ask(ctx context.Context, doing, query string, data any) error {
	body, err := json.Marshal(map[string]string{"query": query})
	if err != nil {
		return s.invalid(doing, "%v", err)
	}
	out := struct {
		Data   any `json:"data"`
		Errors []struct {
			Message string `json:"message"`
		} `json:"errors"`
	}{Data: data}
	if err := s.client.Call(ctx, doing, http.MethodPost, "/v1/graphql", body, &out); err != nil {
		return err
	}
	for _, e := range out.Errors {
		return s.invalid(doing, "%s", e.Message)
	}
	return nil
}

// quoted is a text of GraphQL, whose escapes are those of JSON.
func quoted(s string) string {
	out, err := json.Marshal(s)
	if err != nil { // a text has JSON
		panic(err)
	}
	return string(out)
}

// invalid is the error of a request that is not even sent, or of an answer of no use.
func (s *Store) invalid(doing, format string, args ...any) error {
	return &vector.Error{Store: s.at, Doing: doing, Trouble: vector.Invalid, Message: fmt.Sprintf(format, args...)}
}

// missing reports whether something is not there.
func missing(err error) bool {
	var e *vector.Error
	return errors.As(err, &e) && e.Trouble == vector.Missing
}

// tenant refuses a namespace that the collection cannot have.
func (s *Store) tenant(doing string, c *class, namespace string) error {
	switch {
	case c.Tenancy.Enabled && namespace == "":
		return s.invalid(doing, "each object is a tenant's, and none was named")
	case !c.Tenancy.Enabled && namespace != "":
		return s.invalid(doing, "the collection has no tenants, and %q was asked for", namespace)
	}
	return nil
}

// of are the arguments of GraphQL by which a tenant is named, with others.
func of(namespace string, others ...string) string {
	if namespace != "" {
		others = append(others, "tenant: "+quoted(namespace))
	}
	if len(others) == 0 {
		return ""
	}
	return "(" + strings.Join(others, ", ") + ")"
}
