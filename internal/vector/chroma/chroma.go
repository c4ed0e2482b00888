// Package chroma reads and writes collections of Chroma by its REST API, version 2.
package chroma

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	jsonv2 "github.com/go-json-experiment/json"

	"freehold/internal/vector"
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
	base    string // URL of the API
	client  *http.Client

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
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	scheme := "http"
	if o.TLS != nil {
		scheme = "https"
	}
	transport := &http.Transport{TLSClientConfig: o.TLS, MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second}
	if o.Dial != nil {
		transport.DialContext = func(ctx context.Context, _, address string) (net.Conn, error) { return o.Dial(ctx, address) }
	}
	return &Store{
		options: o, at: "chroma at " + o.Host + "/" + o.Collection, base: scheme + "://" + o.Host + "/api/v2",
		client: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}, nil
}

// Close ends the connections.
func (s *Store) Close() error {
	s.client.CloseIdleConnections()
	return nil
}

func (s *Store) collections() string {
	return "/tenants/" + url.PathEscape(s.options.Tenant) + "/databases/" + url.PathEscape(s.options.Database) + "/collections"
}

// maxAnswer is what one answer may have.
const maxAnswer = 256 << 20

// call makes a request, and reads its answer into out, where that is not nil.
func (s *Store) call(ctx context.Context, doing, method, path string, body []byte, out any) error {
	timed, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	fail := func(trouble vector.Trouble, message string) *vector.Error {
		return &vector.Error{Store: s.at, Doing: doing, Trouble: trouble, Message: message, Cause: ctx.Err()}
	}
	r, err := http.NewRequestWithContext(timed, method, s.base+path, bytes.NewReader(body))
	if err != nil {
		return fail(vector.Invalid, err.Error())
	}
	r.Header.Set("Content-Type", "application/json")
	if s.options.Token != "" { // servers look for one or the other
		r.Header.Set("X-Chroma-Token", s.options.Token)
		r.Header.Set("Authorization", "Bearer "+s.options.Token)
	}
	answer, err := s.client.Do(r)
	if err != nil {
		var unknown *tls.CertificateVerificationError
		if errors.As(err, &unknown) {
			return fail(vector.Invalid, err.Error())
		}
		return fail(vector.Unavailable, err.Error())
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	switch {
	case err != nil:
		return fail(vector.Unavailable, err.Error())
	case len(text) > maxAnswer:
		return fail(vector.Invalid, "the answer is too large")
	case answer.StatusCode == http.StatusOK || answer.StatusCode == http.StatusCreated:
		if out == nil {
			return nil
		}
		if err := jsonv2.Unmarshal(text, out); err != nil {
			return fail(vector.Unavailable, "an answer that is not Chroma's: "+err.Error())
		}
		return nil
	}
	e := fail(trouble(answer.StatusCode), message(answer, text))
	if n, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil && n > 0 {
		e.RetryAfter = time.Duration(n) * time.Second
	}
	return e
}

func trouble(status int) vector.Trouble {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return vector.Denied
	case status == http.StatusNotFound:
		return vector.Missing
	case status == http.StatusTooManyRequests:
		return vector.Throttled
	case status == http.StatusRequestTimeout, status >= 500:
		return vector.Unavailable
	}
	return vector.Invalid
}

// message is what the server says, in short.
func message(answer *http.Response, text []byte) string {
	var said struct{ Message string }
	if json.Unmarshal(text, &said) == nil && said.Message != "" {
		return said.Message
	}
	const most = 200
	return answer.Status + " " + strings.ToValidUTF8(string(text[:min(len(text), most)]), "?")
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
