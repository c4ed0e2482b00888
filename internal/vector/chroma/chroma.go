// Package chroma reads and writes collections of Chroma by its REST API, version 2.
package chroma

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"freehold/internal/vector"
	"freehold/internal/vector/rest"
)

// Options say where a collection is.
type Options struct {
	Host             string // with its port
	Tenant, Database string // empty: those that every server has
	Collection       string
	Token            string
	TLS              *tls.Config // nil: none
	// Dial makes connections to the host with its port; nil: as usual.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// Document is the field that a record's document is; empty: document.
	Document string
	// Timeout is the time that one request has; 0: a minute.
	Timeout time.Duration
}

// Store is a collection. It is a [vector.Target].
type Store struct {
	options Options
	at      string // in errors
	client  *rest.Client

	mu    sync.Mutex
	is    *collection // as it was looked at last; nil: it was not
	batch int         // records of one write at most; 0: not asked yet
}

var _ vector.Target = (*Store)(nil)

// maxPage is how many records one answer has at most: Chroma Cloud gives no more.
const maxPage = 300

// uriField is the field of a record's URI. Fields of records cannot begin so.
const (
	reserved = "chroma:"
	uriField = reserved + "uri"
)

// Open makes a store; the first request connects it.
func Open(o Options) (*Store, error) {
	if o.Collection == "" {
		return nil, errors.New("chroma: the URL names no collection: chroma://HOST:8000/COLLECTION")
	}
	set := func(s *string, to string) {
		if *s == "" {
			*s = to
		}
	}
	set(&o.Tenant, "default_tenant")
	set(&o.Database, "default_database")
	set(&o.Document, "document")
	at := "chroma at " + o.Host + "/" + o.Collection
	header := http.Header{}
	if o.Token != "" { // servers look for one or the other
		header.Set("X-Chroma-Token", o.Token)
		header.Set("Authorization", "Bearer "+o.Token)
	}
	return &Store{options: o, at: at, client: rest.New(rest.Options{Store: at, Host: o.Host, TLS: o.TLS, Dial: o.Dial, Timeout: o.Timeout, Header: header, Message: message})}, nil
}

// message is what the server says of an error.
func message(body []byte) string {
	var said struct{ Message string }
	if json.Unmarshal(body, &said) != nil {
		return ""
	}
	return said.Message
}

// Close ends the connections.
func (s *Store) Close() error { return s.client.Close() }

func (s *Store) collections() string {
	return "/tenants/" + url.PathEscape(s.options.Tenant) + "/databases/" + url.PathEscape(s.options.Database) + "/collections"
}

// call makes a request, and reads its answer into out, where that is not nil.
func (s *Store) call(ctx context.Context, doing, method, path string, body []byte, out any) error {
	return s.client.Call(ctx, doing, method, "/api/v2"+path, body, out)
}

// invalid is the error of a request that is not even sent.
func (s *Store) invalid(doing, format string, args ...any) error {
	return &vector.Error{Store: s.at, Doing: doing, Trouble: vector.Invalid, Message: fmt.Sprintf(format, args...)}
}

// one refuses namespaces, which collections have none of.
func (s *Store) one(doing, namespace string) error {
	if namespace == "" {
		return nil
	}
	return s.invalid(doing, "Chroma has no namespaces, and %q was asked for: keep it as a field", namespace)
}
