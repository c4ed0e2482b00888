package pinecone

import (
	"context"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"freehold/internal/vector"
)

// call asks the data plane, when it is its turn. What the store says is a
// [*vector.Error]; what ctx says is ctx's own.
func (s *Store) call(ctx context.Context, turn *bucket, doing, method string, in, out any) error {
	conn, err := s.connection(ctx)
	if err != nil {
		return err
	}
	if err := turn.wait(ctx); err != nil {
		return err
	}
	within, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	within = metadata.AppendToOutgoingContext(within, "api-key", s.o.Key, "x-pinecone-api-version", version)
	var trailer metadata.MD
	err = conn.Invoke(within, method, in, out, grpc.Trailer(&trailer))
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	told := s.trouble(doing, err, trailer)
	if told.Trouble == vector.Throttled && told.RetryAfter > 0 {
		turn.pause(told.RetryAfter)
	}
	return told
}

// connection is the data plane's, which is looked for where it is not known.
func (s *Store) connection(ctx context.Context) (*grpc.ClientConn, error) {
	if conn := s.conn.Load(); conn != nil {
		return conn, nil
	}
	ix, err := s.describeIndex(ctx)
	if err != nil {
		return nil, err
	}
	if ix.Host == "" {
		return nil, &vector.Error{Trouble: vector.Unavailable, Store: s.name, Doing: "describe index", Message: "the index has no host yet; its state is " + ix.Status.State}
	}
	if err := s.connect(ix.Host); err != nil {
		return nil, err
	}
	return s.conn.Load(), nil
}

// trouble puts a gRPC error into the words of stores.
func (s *Store) trouble(doing string, err error, trailer metadata.MD) *vector.Error {
	st := status.Convert(err)
	out := &vector.Error{Trouble: vector.Invalid, Store: s.name, Doing: doing, Message: st.Message()}
	switch st.Code() {
	case codes.ResourceExhausted:
		out.Trouble = vector.Throttled
		if strings.HasPrefix(st.Message(), "grpc: received message") { // our own side did not take it
			out.Trouble, out.Cause = vector.Invalid, errTooLarge
		}
	case codes.Unavailable, codes.DeadlineExceeded, codes.Aborted, codes.Internal, codes.Unknown, codes.Canceled, codes.DataLoss:
		out.Trouble = vector.Unavailable
	case codes.Unauthenticated, codes.PermissionDenied:
		out.Trouble = vector.Denied
	case codes.NotFound:
		out.Trouble = vector.Missing
	case codes.Unimplemented:
		out.Cause = errUnsupported
	}
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.RetryInfo); ok {
			out.RetryAfter = info.GetRetryDelay().AsDuration()
		}
	}
	if after := trailer.Get("retry-after"); out.RetryAfter == 0 && len(after) > 0 {
		out.RetryAfter = seconds(after[0])
	}
	return out
}

// errUnsupported is the cause where an index has not got a method.
var errUnsupported = errors.New("the index does not have that")

// errTooLarge is the cause where our own side did not take an answer, for its size.
var errTooLarge = errors.New("ask for fewer records at once")

// seconds reads a Retry-After header; 0: it says nothing, or a date.
func seconds(text string) time.Duration {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || n <= 0 || math.IsNaN(n) {
		return 0
	}
	return time.Duration(min(n, 3600) * float64(time.Second))
}

// is reports whether an error is a trouble of a store.
func is(err error, what vector.Trouble) bool {
	var e *vector.Error
	return errors.As(err, &e) && e.Trouble == what
}
