// Package milvus reads and writes collections of Milvus (2.3 to 2.6, and
// milvus-lite) by its gRPC, with messages of our own from the published protocol.
//
// A collection has one primary key, by which it is read page by page, vectors and
// typed columns, and, where it takes them, dynamic fields: one JSON object a record.
// A payload is columns and dynamic fields together.
package milvus

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"freehold/internal/vector"
	"freehold/internal/vector/milvus/wire"
)

// Options say where a collection is.
type Options struct {
	Host       string // with its port, if that is not 19530
	Collection string // or an alias of it
	Database   string // empty: the default one
	Token      string // an API key, or user:password
	TLS        *tls.Config
	// Vector is the only one that is described and read; empty: all.
	Vector string
	// Namespace is the only one: a partition, or, of a collection with a partition
	// key, a value of that. nil: all.
	Namespace *string
	// ID and Text are names of fields of a collection that is made: the primary key
	// ("pk"), and a field of payloads that is a column of its own, so that its size
	// does not count among the dynamic fields'.
	ID, Text string
	// Dial makes the connections; nil: as usual.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// Timeout is the time that one request has; 0: a minute.
	Timeout time.Duration
}

// Store is a collection. It is a [vector.Target].
type Store struct {
	options Options
	at      string // in errors
	conn    *grpc.ClientConn

	page     atomic.Int64 // records that a page had, so that it had about pageBytes
	timeless atomic.Bool  // the server does not tell its time
	writes   atomic.Int64 // that were acknowledged
	turn     sync.Mutex   // of writes to milvus-lite, which takes one at a time

	mu         sync.Mutex
	version    string
	schema     *schema         // nil: not looked at yet
	partitions map[string]bool // nil: not listed yet
	latest     uint64          // time of the server, 0: none yet
	covers     int64           // writes before that
}

var _ vector.Target = (*Store)(nil)

const (
	// maxAnswer is what one answer may have. Pages have about pageBytes; a page of
	// records that are far larger than those before is asked for in smaller ones.
	maxAnswer = 64 << 20
	pageBytes = 512 << 10
	firstPage = 64
	// maxPage is the most that a query may ask for.
	maxPage = 16384
)

// Open makes a store; the first request connects it.
func Open(o Options) (*Store, error) {
	if o.Collection == "" {
		return nil, errors.New("milvus: the URL names no collection: milvus://HOST:19530/COLLECTION")
	}
	addr := o.Host
	if _, _, err := net.SplitHostPort(addr); err != nil {
		addr = net.JoinHostPort(strings.Trim(addr, "[]"), "19530")
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	s := &Store{options: o, at: "milvus at " + addr + "/" + o.Collection}
	s.page.Store(firstPage)
	secure := insecure.NewCredentials()
	if o.TLS != nil {
		secure = credentials.NewTLS(o.TLS)
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(secure),
		grpc.WithDisableServiceConfig(), // what is asked again is the caller's matter
		grpc.WithDisableRetry(),
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
	return s, nil
}

// Close ends the connection.
func (s *Store) Close() error { return s.conn.Close() }

// call asks the server, with a deadline and the key. What it does not do is a
// [*vector.Error], whether gRPC or the answer says so.
func (s *Store) call(ctx context.Context, method string, request any, answer wire.Answer) error {
	timed, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	if s.options.Token != "" {
		timed = metadata.AppendToOutgoingContext(timed, "authorization", base64.StdEncoding.EncodeToString([]byte(s.options.Token)))
	}
	if s.options.Database != "" {
		timed = metadata.AppendToOutgoingContext(timed, "dbname", s.options.Database)
	}
	doing := strings.ToLower(method[strings.LastIndexByte(method, '/')+1:])
	err := s.conn.Invoke(timed, method, request, answer)
	if err != nil {
		out := &vector.Error{Store: s.at, Doing: doing, Trouble: ofCode(status.Code(err)), Message: status.Convert(err).Message(), Cause: ctx.Err()}
		if out.Cause == nil && tooLarge(err) {
			out.Trouble, out.Cause = vector.Invalid, errTooLarge
		}
		return out
	}
	st := answer.GetStatus()
	if st.GetCode() == 0 && st.GetErrorCode() == 0 {
		return nil
	}
	out := &vector.Error{Store: s.at, Doing: doing, Trouble: ofStatus(st), Message: st.GetReason()}
	if strings.Contains(out.Message, "json: cannot unmarshal") { // Milvus 2.3 calls it a failure of its disk
		out.Trouble = vector.Invalid
	}
	switch st.GetCode() {
	case notLoaded, partitionNotLoaded:
		out.Message += " (load the collection first: load_collection in Milvus' client)"
	case tooLargeAnswer:
		out.Cause = errTooLarge
	}
	return out
}

// The codes of Milvus' answers that mean something here (merr in its source; those
// that can be tried again say so themselves), and those of before 2.3.2.
const (
	noCollection       = 100
	notLoaded          = 101
	partitionNotLoaded = 201
	noPartition        = 200
	noIndex            = 700
	noDatabase         = 800
	tooLargeAnswer     = 1102
	oldNoCollection    = 4
	oldNoIndex         = 25
	oldDenied          = 3
)

func ofStatus(s *wire.Status) vector.Trouble {
	if s.GetCode() == 0 {
		switch s.GetErrorCode() {
		case oldNoCollection, 28:
			return vector.Missing
		case 48, 49, 52, 53, 54, 55: // forbidden for now, rate limit, memory, disk
			return vector.Throttled
		case oldDenied:
			return vector.Denied
		case 1, 2, 45, 46, 56, 57, 100, 1000:
			return vector.Unavailable
		}
		return vector.Invalid
	}
	switch code := s.GetCode(); {
	case code == noCollection || code == noDatabase:
		return vector.Missing
	case code == 3 || code == 4 || code == 7 || code == 8 || code == 9 || code == 11:
		return vector.Throttled // memory, requests, disk, rate, quota, the log lags
	case code == 1400 || code == 1401:
		return vector.Denied
	case code == 1 || code == 2 || code == 5 || code == 10000 || code == 65535,
		code >= 400 && code < 700, code >= 900 && code < 1100, code >= 1200 && code < 1400, s.GetRetriable():
		return vector.Unavailable
	}
	return vector.Invalid
}

func ofCode(c codes.Code) vector.Trouble {
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

// errTooLarge is of an answer above what one may have, on either side.
var errTooLarge = errors.New("the answer is too large")

func tooLarge(err error) bool {
	return status.Code(err) == codes.ResourceExhausted && strings.Contains(status.Convert(err).Message(), "larger than max")
}

// invalid is the error of a request that is not even sent.
func (s *Store) invalid(doing, format string, args ...any) error {
	return &vector.Error{Store: s.at, Doing: doing, Trouble: vector.Invalid, Message: fmt.Sprintf(format, args...)}
}

// is reports whether an error is a trouble of a store.
func is(err error, what vector.Trouble) bool {
	var e *vector.Error
	return errors.As(err, &e) && e.Trouble == what
}
