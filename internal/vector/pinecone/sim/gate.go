package sim

import (
	"context"
	"math"
	"net"
	"net/http"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"freehold/internal/vector/pinecone/plane"
)

// Fault is what goes wrong with a request.
type Fault struct {
	Delay time.Duration // before anything else
	// Code is answered instead of the answer; OK: none is.
	Code       codes.Code
	RetryAfter time.Duration
	// Cut breaks the connection off instead of answering.
	Cut bool
	// Done: the request is carried out before that.
	Done bool
}

// Every is a fault of every nth request of the operations; of none of the others.
func Every(n int, f Fault, ops ...string) func(op string, i int) *Fault {
	return func(op string, i int) *Fault {
		for _, o := range ops {
			if o == op && i%n == 0 {
				return &f
			}
		}
		return nil
	}
}

// limiter is a token bucket of a second's size.
type limiter struct {
	rate float64

	mu    sync.Mutex
	level float64
	at    time.Time
}

// take reports how long to wait; 0: the request may go on.
func (l *limiter) take(now time.Time) time.Duration {
	if l == nil || l.rate <= 0 {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	most := math.Max(1, l.rate)
	if l.at.IsZero() {
		l.level = most
	} else {
		l.level = math.Min(most, l.level+l.rate*now.Sub(l.at).Seconds())
	}
	if l.at = now; l.level < 1 {
		return time.Duration((1 - l.level) / l.rate * float64(time.Second))
	}
	l.level--
	return 0
}

type key int

const (
	indexKey key = iota
	versionKey
)

// gate lets through what has the key and the version, is within the limits, and
// nothing is to go wrong with.
func (s *Server) gate(op string, control bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.counts[op]++
		n := s.counts[op]
		s.mu.Unlock()
		fail := func(code codes.Code, after time.Duration, format string, args ...any) {
			plane.Refuse(w, r, control, status.Newf(code, format, args...), after)
		}
		if r.Header.Get("Api-Key") != s.o.Key {
			fail(codes.Unauthenticated, 0, "Invalid API Key")
			return
		}
		version := r.Header.Get("X-Pinecone-Api-Version")
		if version == "" && !plane.GRPC(r) {
			fail(codes.InvalidArgument, 0, "the header X-Pinecone-Api-Version is required")
			return
		}
		ctx := context.WithValue(r.Context(), versionKey, version)
		if !control {
			ix, err := s.indexAt(r)
			if err != nil {
				plane.Refuse(w, r, control, status.Convert(err), 0)
				return
			}
			if wait := ix.limiter(op).take(s.o.Clock()); wait > 0 {
				fail(codes.ResourceExhausted, wait, "too many requests: the limit of %s is reached", op)
				return
			}
			ctx = context.WithValue(ctx, indexKey, ix)
		}
		s.faulty(op, n, control, next, w, r.WithContext(ctx))
	})
}

// faulty carries a request out, and does what is to go wrong with it.
func (s *Server) faulty(op string, n int, control bool, next http.Handler, w http.ResponseWriter, r *http.Request) {
	var f *Fault
	if s.o.Fault != nil {
		f = s.o.Fault(op, n)
	}
	if f == nil {
		next.ServeHTTP(w, r)
		return
	}
	if f.Delay > 0 && s.o.Sleep(r.Context(), f.Delay) != nil {
		return
	}
	if f.Done && (f.Cut || f.Code != codes.OK) {
		next.ServeHTTP(nowhere{http.Header{}}, r)
	}
	switch {
	case f.Cut:
		panic(http.ErrAbortHandler)
	case f.Code != codes.OK:
		plane.Refuse(w, r, control, status.Newf(f.Code, "a fault that was asked for"), f.RetryAfter)
	default:
		next.ServeHTTP(w, r)
	}
}

// nowhere is an answer that nobody gets.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header         { return n.header }
func (n nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n nowhere) WriteHeader(int)             {}
func (n nowhere) Flush()                      {}

// indexAt is the index whose host the request came to, or the only one there is.
func (s *Server) indexAt(r *http.Request) (*index, error) {
	address, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	s.mu.Lock()
	defer s.mu.Unlock()
	if ix := s.hosts[address.String()]; ix != nil {
		if s.indexes[ix.name] != ix {
			return nil, status.Error(codes.NotFound, "the index is deleted")
		}
		if s.o.Clock().Before(ix.ready) {
			return nil, status.Error(codes.Unavailable, "the index is not ready")
		}
		return ix, nil
	}
	if len(s.indexes) == 1 {
		for _, ix := range s.indexes {
			return ix, nil
		}
	}
	return nil, status.Errorf(codes.NotFound, "no index has the host %s", address)
}
