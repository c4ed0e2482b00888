// Package opensearch reads indexes of OpenSearch (from 2.4 on) and Elasticsearch (from
// 8.4 on) by their REST API.
//
// Two things decide how they are read. A listing must go on after hours, and a point in
// time does not last that long; ids cannot be sorted by everywhere (Elasticsearch 8
// forbids it), and _shard_doc means something within one point in time only. So pages
// follow _seq_no, which a document keeps until it is written again, and then goes to the
// end. And documents are those that the last refresh has made visible: one is asked for
// before anything is counted or listed.
package opensearch

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"freehold/internal/vector"
	"freehold/internal/vector/rest"
)

// Options say where an index is.
type Options struct {
	Host  string // with its port
	Index string // or an alias of one
	// User and Password are for basic authentication; Key is an API key, where there
	// is no user.
	User, Password, Key string
	TLS                 *tls.Config // nil: none
	// Dial makes connections to the host with its port; nil: as usual.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// Vector is the only field of vectors that is read; empty: all of them.
	Vector string
	// Metric is that of vectors of which the mapping says none.
	Metric vector.Metric
	// Timeout is the time that one request has; 0: a minute.
	Timeout time.Duration
}

// Store is an index. It is a [vector.Source].
type Store struct {
	options Options
	at      string // in errors
	client  *rest.Client

	mu sync.Mutex
	is *index // as it was looked at last; nil: it was not
	// size is how many bytes a document has had, on average of late.
	size atomic.Int64
}

var _ vector.Source = (*Store)(nil)

// Open makes a store; the first request connects it.
func Open(o Options) (*Store, error) {
	if o.Index == "" || strings.ContainsAny(o.Index, ",*") || strings.HasPrefix(o.Index, "-") {
		return nil, fmt.Errorf("opensearch: %q names no index: opensearch://HOST:9200/INDEX, or an alias of one", o.Index)
	}
	at := "opensearch at " + o.Host + "/" + o.Index
	header := http.Header{}
	switch {
	case o.User != "":
		r := http.Request{Header: header}
		r.SetBasicAuth(o.User, o.Password)
	case o.Key != "":
		header.Set("Authorization", "ApiKey "+o.Key)
	}
	return &Store{options: o, at: at, client: rest.New(rest.Options{Store: at, Host: o.Host, TLS: o.TLS, Dial: o.Dial, Timeout: o.Timeout, Header: header, Message: message})}, nil
}

// Close ends the connections.
func (s *Store) Close() error { return s.client.Close() }

// message is what a server says of an error: its type, and the reason, which for a
// search stands with the shards.
func message(body []byte) string {
	var said struct {
		Error json.RawMessage `json:"error"`
	}
	if json.Unmarshal(body, &said) != nil {
		return ""
	}
	var reason struct {
		Type   string `json:"type"`
		Reason string `json:"reason"`
		Root   []struct {
			Type   string `json:"type"`
			Reason string `json:"reason"`
		} `json:"root_cause"`
	}
	if json.Unmarshal(said.Error, &reason) != nil {
		return ""
	}
	if len(reason.Root) > 0 {
		return reason.Root[0].Type + ": " + reason.Root[0].Reason
	}
	return strings.TrimPrefix(reason.Type+": "+reason.Reason, ": ")
}

// post sends a body, and reads the answer.
func (s *Store) post(ctx context.Context, doing, path string, body, out any) error {
	return s.send(ctx, doing, http.MethodPost, path, body, out)
}

func (s *Store) send(ctx context.Context, doing, method, path string, body, out any) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return s.invalid(doing, "%v", err)
		}
	}
	return s.client.Call(ctx, doing, method, path, text, out)
}

// path is one of the index's own.
func (s *Store) path(rest string) string { return "/" + url.PathEscape(s.options.Index) + rest }

// invalid is the error of a request that is not even sent, or of an answer of no use.
func (s *Store) invalid(doing, format string, args ...any) error {
	return &vector.Error{Store: s.at, Doing: doing, Trouble: vector.Invalid, Message: fmt.Sprintf(format, args...)}
}

// one refuses namespaces, which indexes have none of.
func (s *Store) one(doing, namespace string) error {
	if namespace == "" {
		return nil
	}
	return s.invalid(doing, "an index has no namespaces, and %q was asked for", namespace)
}

// shards say whether an answer is of all of them.
type shards struct {
	Total  int `json:"total"`
	Failed int `json:"failed"`
}

func (s *Store) whole(doing string, of shards, late bool) error {
	if of.Failed == 0 && !late {
		return nil
	}
	return &vector.Error{Store: s.at, Doing: doing, Trouble: vector.Unavailable, Message: fmt.Sprintf("%d of %d shards do not answer, or not in time", of.Failed, of.Total)}
}

// is reports whether an error is of that kind.
func is(err error, trouble vector.Trouble) bool {
	var e *vector.Error
	return errors.As(err, &e) && e.Trouble == trouble
}
