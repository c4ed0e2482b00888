// Package sim is a strict simulator of Pinecone, for tests. It follows the contract
// that Pinecone publishes as 2026-04: control plane and data plane by REST, and the
// data plane by gRPC, all on one listener without TLS, with one listener more for
// each index, as each has a host of its own. Of the contract 2026-07 it knows how
// indexes are created and described, which is what newer clients ask for; the data
// plane is the same.
//
// It is strict where Pinecone is, so that what passes here passes there: the API key
// and, by REST, the version header are required; a fetch or a deletion has at most
// 1000 ids; an upsert at most 1000 records and 2 MB; metadata at most 40 KB, without
// nulls and maps, with lists of texts only; ids have 1 to 512 characters. Listings
// are sorted by bytes, 100 ids a page. Counts lag, numbers are doubles, and requests
// above the limits get 429 with Retry-After. Searches are exact.
//
// Not here: integrated embedding, imports, collections, backups, and read capacity.
// Everything is in memory only.
package sim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"google.golang.org/grpc"

	"freehold/internal/vector/pinecone/wire"
)

// Options of [New].
type Options struct {
	Key string // the API key that is required

	Lag   time.Duration // that counts are behind writes
	Ready time.Duration // that a new index takes to be ready

	// Lists, Fetches, Upserts and Queries are how many requests an index takes a
	// second; 0: any number. Deletions and updates count as upserts.
	Lists, Fetches, Upserts, Queries float64

	// Fault says what goes wrong with the nth request of an operation, from 1; nil:
	// nothing does. Operations are called as in the contract: upsert, fetch, list,
	// create_index, ...
	Fault func(op string, n int) *Fault

	// Clock and Sleep are the time; nil: the real one.
	Clock func() time.Time
	Sleep func(ctx context.Context, d time.Duration) error
}

// Server is the simulator.
type Server struct {
	o    Options
	http http.Server
	grpc *grpc.Server
	main net.Listener
	wait sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	indexes map[string]*index
	hosts   map[string]*index // by address
	counts  map[string]int    // requests, by operation
}

// New makes a simulator that listens on loopback. Close ends it.
func New(o Options) (*Server, error) {
	if o.Key == "" {
		return nil, errors.New("sim: a key is needed")
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	s := &Server{o: o, indexes: map[string]*index{}, hosts: map[string]*index{}, counts: map[string]int{}}
	const most = 64 << 20 // more than is taken, so that it is refused in Pinecone's words
	s.grpc = grpc.NewServer(grpc.MaxRecvMsgSize(most), grpc.MaxSendMsgSize(most))
	wire.Register(s.grpc, service{s})
	s.http.Handler = s.handler()
	s.http.ReadHeaderTimeout = 10 * time.Second
	s.http.Protocols = &http.Protocols{}
	s.http.Protocols.SetHTTP1(true)
	s.http.Protocols.SetUnencryptedHTTP2(true)
	s.http.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 1000, MaxReceiveBufferPerStream: 4 << 20, MaxReceiveBufferPerConnection: 16 << 20, MaxReadFrameSize: 1 << 20}
	l, err := s.listen()
	if err != nil {
		return nil, err
	}
	s.main = l
	return s, nil
}

// listen serves on one loopback address more.
func (s *Server) listen() (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("sim: %w", err)
	}
	s.wait.Go(func() { _ = s.http.Serve(l) }) // its error is that it was closed
	return l, nil
}

// URL is of the control plane.
func (s *Server) URL() string { return "http://" + s.main.Addr().String() }

// Address is where the control plane listens, and the data plane of an index that
// is alone.
func (s *Server) Address() string { return s.main.Addr().String() }

// Requests is how many of an operation came.
func (s *Server) Requests(op string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[op]
}

// Close ends the simulator, whatever is under way.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	_ = s.http.Close() // what it says of its connections helps nobody
	s.grpc.Stop()
	s.wait.Wait()
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
