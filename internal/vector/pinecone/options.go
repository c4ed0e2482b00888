// Package pinecone reads and writes indexes of Pinecone: records by gRPC, what an
// index is by the REST control plane.
//
// Two things about Pinecone decide how it is read. Ids can only be listed page by
// page, each page by a token of the one before, so the listing is sequential and
// what is listed is fetched in parallel. And its counts lag: how many records a
// namespace has is known when it has been listed.
package pinecone

import (
	"context"
	"crypto/tls"
	"fmt"
	"iter"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"freehold/internal/vector"
)

// SparseName is the name of the sparse vector that records have, beside the dense
// one or alone. The dense one has no name.
const SparseName = "sparse"

// version is the contract that is spoken.
const version = "2026-04"

// Options of [Open].
type Options struct {
	// Host is the index's own host, with a port where that is not the usual one.
	// Empty: the control plane is asked for it.
	Host  string
	Index string // the index's name
	Key   string // the API key
	// Plain: without TLS. For a simulator on loopback.
	Plain bool
	// Control is the URL of the control plane; empty: Pinecone's own.
	Control string
	// Cloud and Region are where a new index is made; empty: aws, us-east-1.
	Cloud, Region string
	// Namespaces are those that are described; nil: all.
	Namespaces []string
	// IDs yields the ids of all namespaces, always in the same order, for an index
	// that cannot list them (pods). nil: they are listed.
	IDs iter.Seq2[string, error]

	// Lists, Fetches, Upserts and Queries are the most requests a second; 0:
	// Pinecone's limits of an index, 200, 100, 100 and 100.
	Lists, Fetches, Upserts, Queries float64
	// Timeout is how long one request may take; 0: a minute.
	Timeout time.Duration

	// Clock and Sleep are the time; Sleep returns the context's error when that
	// ends. nil: the real ones.
	Clock func() time.Time
	Sleep func(ctx context.Context, d time.Duration) error
	// Dial makes the connections; nil: as usual.
	Dial func(ctx context.Context, address string) (net.Conn, error)
}

// Store is an index of Pinecone, a [vector.Source] and a [vector.Target].
type Store struct {
	o       Options
	name    string // in errors
	control *http.Client
	conn    atomic.Pointer[grpc.ClientConn]

	lists, fetches, upserts, queries *bucket
	// size is how many bytes a fetched record has had, on average of late.
	size atomic.Int64
}

var _ vector.Target = (*Store)(nil)

// Open prepares an index for use. No byte is sent yet, but to find the host where
// none is given.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Index == "" || o.Key == "" {
		return nil, fmt.Errorf("pinecone: an index and a key are needed: pinecone://HOST/INDEX?api_key=env:NAME")
	}
	o.complete()
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute}
	if o.Dial != nil {
		transport.Proxy = nil
		transport.DialContext = func(ctx context.Context, _, address string) (net.Conn, error) { return o.Dial(ctx, address) }
	}
	limit := func(rate float64) *bucket { return newBucket(rate, o.Clock, o.Sleep) }
	s := &Store{
		o: o, name: "pinecone at " + strings.TrimPrefix(o.Host+"/"+o.Index, "/"), control: &http.Client{Transport: transport},
		lists: limit(o.Lists), fetches: limit(o.Fetches), upserts: limit(o.Upserts), queries: limit(o.Queries),
	}
	if o.Host != "" {
		return s, s.connect(o.Host)
	}
	return s, nil
}

func (o *Options) complete() {
	rate := func(r *float64, to float64) {
		if *r <= 0 {
			*r = to
		}
	}
	rate(&o.Lists, 200)
	rate(&o.Fetches, 100)
	rate(&o.Upserts, 100)
	rate(&o.Queries, 100)
	if o.Timeout <= 0 {
		o.Timeout = time.Minute
	}
	if o.Control == "" {
		o.Control = "https://api.pinecone.io"
	}
	if o.Cloud == "" {
		o.Cloud = "aws"
	}
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// mostReceived is the largest answer that is taken. Requests are made so that
// answers are far smaller.
const mostReceived = 128 << 20

// connect prepares the data plane's connection.
func (s *Store) connect(host string) error {
	host = strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(host, "https://"), "http://"), "/")
	if _, _, err := net.SplitHostPort(host); err != nil {
		host = net.JoinHostPort(strings.Trim(host, "[]"), map[bool]string{true: "80", false: "443"}[s.o.Plain])
	}
	secure := credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12})
	if s.o.Plain {
		secure = insecure.NewCredentials()
	}
	const window = 4 << 20 // whole answers fit, so that they do not wait for leave to go on
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(secure),
		grpc.WithInitialWindowSize(window), grpc.WithInitialConnWindowSize(4 * window),
		grpc.WithReadBufferSize(128 << 10), grpc.WithWriteBufferSize(128 << 10),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(codec{}), grpc.MaxCallRecvMsgSize(mostReceived), grpc.MaxCallSendMsgSize(mostReceived)),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: 200 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 5 * time.Second}, MinConnectTimeout: 10 * time.Second}),
		grpc.WithDisableRetry(), grpc.WithDisableServiceConfig(),
		grpc.WithUserAgent("freehold"),
	}
	if s.o.Dial != nil {
		options = append(options, grpc.WithContextDialer(s.o.Dial), grpc.WithNoProxy())
	}
	conn, err := grpc.NewClient("dns:///"+host, options...)
	if err != nil {
		return &vector.Error{Trouble: vector.Invalid, Store: s.name, Doing: "connect", Cause: err}
	}
	if !s.conn.CompareAndSwap(nil, conn) {
		return conn.Close()
	}
	return nil
}

// Close ends the connections.
func (s *Store) Close() error {
	s.control.CloseIdleConnections()
	if conn := s.conn.Load(); conn != nil {
		if err := conn.Close(); err != nil {
			return fmt.Errorf("%s: close: %w", s.name, err)
		}
	}
	return nil
}
