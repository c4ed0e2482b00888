// Package qdrant reads and writes Qdrant collections by its gRPC, with the stubs
// of the official client. What moves records has an encoding of its own, which
// makes [vector.Record]s of bytes and back without the objects in between.
package qdrant

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	pb "github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"freehold/internal/vector"
)

// Options say where a collection is.
type Options struct {
	Host       string // with its port, if that is not 6334
	Collection string // or an alias of it
	Vector     string // only this one is described and read; empty: all
	// Namespace: only the records are read of which NamespaceField (empty: _namespace)
	// says that they are of it, as records of that namespace. nil: all, of none.
	Namespace      *string
	NamespaceField string
	APIKey         string
	TLS            *tls.Config // nil: none
	// Timeout is the time that one request has; 0: a minute.
	Timeout time.Duration
	// Ordered: replicas apply writes of one id in one order, whoever sends them, at
	// the price of a way over the leader. A copy needs none, writes of two sides do.
	Ordered bool
	// Dial makes the connections; nil: as usual.
	Dial func(ctx context.Context, address string) (net.Conn, error)
}

// Store is a collection. It is a [vector.Target].
type Store struct {
	options     Options
	at          string // in errors
	conn        *grpc.ClientConn
	collections pb.CollectionsClient
	points      pb.PointsClient
	health      pb.QdrantClient

	sifts int          // mostSifted, or fewer in tests
	page  atomic.Int64 // records that a page had, so that it had about pageBytes

	mu   sync.Mutex
	name string        // of the collection behind an alias; empty: not looked up yet
	spec []vector.Spec // as it was when it was looked at last; nil: it was not
}

var _ vector.Target = (*Store)(nil)

const (
	// maxAnswer is what one answer may have. Pages have about pageBytes; a page of
	// records that are far larger than those before is asked for in smaller ones.
	maxAnswer = 64 << 20
	pageBytes = 512 << 10
	// firstPage is how many records are asked for before it is known how large
	// they are.
	firstPage = 64
	// maxPage is how many ids one page lists, and records one has, at most.
	maxPage = 10_000
)

// Open makes a store; the first request connects it.
func Open(o Options) (*Store, error) { return open(o, maxAnswer) }

func open(o Options, maxAnswer int) (*Store, error) {
	if o.Collection == "" {
		return nil, errors.New("qdrant: the URL names no collection: qdrant://HOST:6334/COLLECTION")
	}
	addr := o.Host
	if _, _, err := net.SplitHostPort(addr); err != nil {
		addr = net.JoinHostPort(strings.Trim(addr, "[]"), "6334")
	}
	if o.NamespaceField == "" {
		o.NamespaceField = NamespaceField
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	s := &Store{options: o, sifts: mostSifted, at: "qdrant at " + addr + "/" + o.Collection}
	s.page.Store(firstPage)
	secure := insecure.NewCredentials()
	if o.TLS != nil {
		secure = credentials.NewTLS(o.TLS)
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(secure),
		grpc.WithUnaryInterceptor(s.call),
		grpc.WithDisableServiceConfig(), // what is asked again is the caller's matter
		grpc.WithDisableRetry(),
		// A server that is back is found within seconds, and one that is gone without a
		// word is missed before the requests' deadline.
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: 200 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 3 * time.Second}, MinConnectTimeout: 10 * time.Second}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 20 * time.Second, Timeout: 20 * time.Second}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer), grpc.MaxCallSendMsgSize(maxAnswer)),
	}
	if o.Dial != nil {
		options = append(options, grpc.WithContextDialer(o.Dial), grpc.WithNoProxy())
	}
	conn, err := grpc.NewClient("dns:///"+addr, options...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.at, err)
	}
	s.conn = conn
	s.collections, s.points, s.health = pb.NewCollectionsClient(conn), pb.NewPointsClient(conn), pb.NewQdrantClient(conn)
	return s, nil
}

// Close ends the connection.
func (s *Store) Close() error { return s.conn.Close() }

// call gives each request its deadline and its key, and makes a [vector.Error] of
// what it is refused with.
func (s *Store) call(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	timed, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	if s.options.APIKey != "" {
		timed = metadata.AppendToOutgoingContext(timed, "api-key", s.options.APIKey)
	}
	var trailer metadata.MD
	err := invoke(timed, method, req, reply, conn, append(opts, grpc.Trailer(&trailer))...)
	if err == nil {
		return nil
	}
	out := &vector.Error{Store: s.at, Doing: doing(method), Trouble: trouble(status.Code(err)), Message: status.Convert(err).Message(), Cause: ctx.Err()}
	if wait := trailer.Get("retry-after"); len(wait) > 0 {
		if n, err := strconv.Atoi(wait[0]); err == nil && n > 0 {
			out.RetryAfter = time.Duration(n) * time.Second
		}
	}
	if out.Cause == nil && tooLarge(err) {
		out.Trouble, out.Cause = vector.Invalid, errTooLarge
	}
	return out
}

// doing is what a method does, in words for people.
func doing(method string) string {
	return strings.ToLower(method[strings.LastIndexByte(method, '/')+1:])
}

func trouble(c codes.Code) vector.Trouble {
	switch c {
	case codes.NotFound:
		return vector.Missing
	case codes.Unauthenticated, codes.PermissionDenied:
		return vector.Denied
	case codes.ResourceExhausted:
		return vector.Throttled
	case codes.InvalidArgument, codes.FailedPrecondition, codes.OutOfRange, codes.AlreadyExists, codes.Unimplemented:
		return vector.Invalid
	}
	return vector.Unavailable
}

// errTooLarge is of an answer above maxAnswer, which gRPC has no code of its own
// for.
var errTooLarge = errors.New("the answer is too large")

func tooLarge(err error) bool {
	return status.Code(err) == codes.ResourceExhausted && strings.Contains(status.Convert(err).Message(), "received message larger than max")
}

// invalid is the error of a request that is not even sent.
func (s *Store) invalid(doing, format string, args ...any) error {
	return &vector.Error{Store: s.at, Doing: doing, Trouble: vector.Invalid, Message: fmt.Sprintf(format, args...)}
}

// oneNamespace refuses namespaces, which Qdrant has none of.
func (s *Store) oneNamespace(doing, namespace string) error {
	if namespace == "" {
		return nil
	}
	return s.invalid(doing, "Qdrant has no namespaces, and %q was asked for: keep it as a field of the payload", namespace)
}

// collection is the collection's own name: an alias that is moved in the midst of
// a copy does not move the copy.
func (s *Store) collection(ctx context.Context) (string, error) {
	s.mu.Lock()
	name := s.name
	s.mu.Unlock()
	if name != "" {
		return name, nil
	}
	name = s.options.Collection
	all, err := s.collections.ListAliases(ctx, &pb.ListAliasesRequest{})
	var refused *vector.Error
	switch {
	case errors.As(err, &refused) && (refused.Trouble == vector.Denied || refused.Trouble == vector.Invalid):
		// A key for this collection only may not list them; its name will do.
	case err != nil:
		return "", err
	}
	for _, a := range all.GetAliases() {
		if a.GetAliasName() == name {
			name = a.GetCollectionName()
			break
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.name = name
	return name, nil
}
