package server

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"freehold/internal/auth"
	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/gateway"
	"freehold/internal/health"
	"freehold/internal/ledger"
	"freehold/internal/llm"
)

// model serves a request that a model is to answer.
func (s *Server) model(w http.ResponseWriter, r *http.Request, e endpoint) {
	codec := e.codec(s)
	c := s.call(r, codec, e.op)
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		s.refuse(w, codec, c.ID, fault.New(fault.Method, "%s takes POST, not %s", r.URL.Path, r.Method))
		return
	}
	if leave := s.admit(w, r, c, nil); leave != nil {
		defer leave()
		s.Gateway.Serve(r.Context(), w, c)
	}
}

func (s *Server) call(r *http.Request, codec dialect.Codec, op llm.Operation) *gateway.Call {
	return &gateway.Call{
		ID: s.NewID(), ClientID: clientID(r.Header), Received: s.Clock(), Op: op, Codec: codec,
		Header: r.Header, Fleet: s.Fleet(),
	}
}

// admit lets a request in: its key is good and allowed (may refuses further,
// nil does not), there is room, its limits hold, and its body is read into
// c.Raw. Otherwise the request is answered and admit returns nil. leave gives
// everything back.
func (s *Server) admit(w http.ResponseWriter, r *http.Request, c *gateway.Call, may func(*auth.Key) error) (leave func()) {
	settings := s.settings.Load()
	key, f := s.authenticate(settings, r)
	if f != nil {
		s.refuse(w, c.Codec, c.ID, f)
		return nil
	}
	if f = s.describe(c, key, r.Header); f == nil && key != nil && may != nil {
		if err := may(key); err != nil {
			f = denied(err)
		}
	}
	if f == nil && s.Draining() {
		f = &fault.Error{Kind: fault.Draining, Message: "this gateway is shutting down", RetryAfter: time.Second}
	}
	if f != nil {
		s.Gateway.Refuse(w, c, f)
		return nil
	}
	room, err := s.Room.Acquire(r.Context(), false)
	if err != nil {
		s.Gateway.Refuse(w, c, crowded(err))
		return nil
	}
	in := &admitted{room: room, body: bodies.Get().(*[]byte)}
	if key != nil {
		lease, facts, err := s.Limiter.Admit(r.Context(), key, 0)
		facts.SetHeaders(w.Header())
		if err != nil {
			in.leave()
			s.Gateway.Refuse(w, c, denied(err))
			return nil
		}
		in.lease = lease
		c.Settled = func(row *ledger.Row) { in.used = row.Tokens.In + row.Tokens.Out }
	}
	if f := s.read(w, r, settings, in.body); f != nil {
		s.Gateway.Refuse(w, c, f)
		in.leave()
		return nil
	}
	c.Raw = *in.body
	return in.leave
}

// admitted is what a request holds while it is served.
type admitted struct {
	room  func()
	body  *[]byte
	lease auth.Lease // nil without a key
	used  int64      // tokens
}

func (a *admitted) leave() {
	if a.lease != nil {
		a.lease.Done(a.used)
	}
	putBody(a.body)
	a.room()
}

// authenticate finds the caller's key; nil where none is needed.
func (s *Server) authenticate(settings *Settings, r *http.Request) (*auth.Key, *fault.Error) {
	if !settings.Keys {
		return nil, nil
	}
	key, err := s.Keyring.Authenticate(r.Header)
	if err != nil {
		return nil, denied(err)
	}
	return key, nil
}

// denied puts a refusal of auth into the words of faults.
func denied(err error) *fault.Error {
	var d *auth.Denied
	if !errors.As(err, &d) {
		return &fault.Error{Kind: fault.Storage, Message: "keys cannot be checked now", RetryAfter: time.Second, Cause: err}
	}
	f := &fault.Error{Code: string(d.Code), Message: d.Message, RetryAfter: d.RetryAfter, NoRetry: true}
	switch d.Code {
	case auth.CodeScopeDenied:
		f.Kind = fault.Denied
	case auth.CodeRateLimited:
		f.Kind, f.NoRetry = fault.RateLimited, false
	default:
		f.Kind = fault.Unauthorized
	}
	return f
}

func crowded(err error) *fault.Error {
	var shed *health.ShedError
	if errors.As(err, &shed) {
		return &fault.Error{Kind: fault.Shed, Message: "too many requests at once", RetryAfter: max(time.Second, shed.Wait), Cause: err}
	}
	return &fault.Error{Kind: fault.Canceled, Message: "the client closed the request while it waited", Cause: err}
}

// describe fills in what key and headers say about the request.
func (s *Server) describe(c *gateway.Call, key *auth.Key, h http.Header) *fault.Error {
	if key != nil {
		c.Caller = Caller(key)
		c.Tags = key.Tags
	}
	c.Classes = list(h["X-Freehold-Data-Class"])
	var f *fault.Error
	if c.Tags, f = tagged(c.Tags, h); f != nil {
		return f
	}
	if v := h["X-Freehold-Timeout-Ms"]; len(v) > 0 {
		ms, err := strconv.ParseInt(v[0], 10, 32)
		if err != nil || ms <= 0 {
			return &fault.Error{Kind: fault.BadRequest, Message: "x-freehold-timeout-ms must be a positive number of milliseconds", Param: "x-freehold-timeout-ms"}
		}
		c.Timeout = time.Duration(ms) * time.Millisecond
	}
	return nil
}

// Caller is who calls with a virtual key.
func Caller(key *auth.Key) gateway.Caller {
	return gateway.Caller{
		KeyID: key.ID, KeyName: key.Name, KeyFamily: key.Family, Classes: key.DataClasses,
		AllowWorkload: key.AllowWorkload, AllowModel: key.AllowModel,
	}
}

// tagged are a key's tags with those of the request.
func tagged(tags []string, h http.Header) ([]string, *fault.Error) {
	more := list(h["X-Freehold-Tags"])
	if len(more) == 0 {
		return tags, nil
	}
	if len(more) > 32 {
		return nil, fault.New(fault.BadRequest, "x-freehold-tags has %d tags; at most 32", len(more))
	}
	return append(tags[:len(tags):len(tags)], more...), nil
}

// list splits header values at commas.
func list(values []string) []string {
	var out []string
	for _, v := range values {
		for p := range strings.SplitSeq(v, ",") {
			if p = strings.TrimSpace(p); p != "" {
				out = append(out, p)
			}
		}
	}
	return out
}

// clientID is the id that the client gave the request; it is recorded, never used as key.
func clientID(h http.Header) string {
	for _, name := range []string{"X-Request-Id", "X-Client-Request-Id", "Request-Id"} {
		if v := h[name]; len(v) > 0 {
			return v[0]
		}
	}
	return ""
}

// maxPooledBody is the largest buffer that is kept for the next request.
const maxPooledBody = 1 << 20

// firstBody is the room for a body of unknown length: enough for a small one,
// and no more than a slow stream should hold to its end.
const firstBody = 2 << 10

var bodies = sync.Pool{New: func() any { return new([]byte) }}

func putBody(b *[]byte) {
	if cap(*b) <= maxPooledBody {
		*b = (*b)[:0]
		bodies.Put(b)
	}
}

// read takes the whole body into buf, within its limits of size and time.
func (s *Server) read(w http.ResponseWriter, r *http.Request, settings *Settings, buf *[]byte) *fault.Error {
	if enc := r.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return &fault.Error{Kind: fault.BadRequest, Status: http.StatusUnsupportedMediaType, Code: "unsupported_encoding",
			Message: "the body is compressed (" + enc + "); send it plain", NoRetry: true}
	}
	limit := settings.MaxBody
	if r.ContentLength > limit {
		discard(r.Body, limit)
		return TooLarge(limit)
	}
	b := (*buf)[:0]
	if need := int(r.ContentLength) + 1; r.ContentLength > 0 && cap(b) < need {
		b = make([]byte, 0, need)
	}
	for {
		if len(b) == cap(b) {
			b = slices.Grow(b, max(len(b), firstBody))
		}
		n, err := r.Body.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if int64(len(b)) > limit {
			discard(r.Body, limit)
			return TooLarge(limit)
		}
		if err == io.EOF {
			*buf = b
			whole(w)
			return nil
		}
		if err != nil {
			*buf = b
			return &fault.Error{Kind: fault.BadRequest, Code: "incomplete_body", Message: "the request's body did not arrive whole", Cause: err}
		}
	}
}

// whole lets the connection live: the body is read whole.
func whole(w http.ResponseWriter) {
	delete(w.Header(), "Connection")
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // tests' writers have none
}

// discard reads on for a while: most clients read no answer before they have
// sent all, and would see a broken connection in place of a 413.
func discard(body io.Reader, limit int64) {
	_, _ = io.CopyN(io.Discard, body, 2*limit) // within the body's time; the answer is the same whatever comes
}

// TooLarge refuses a body that is larger than limit.
func TooLarge(limit int64) *fault.Error {
	return &fault.Error{Kind: fault.TooLarge, NoRetry: true,
		Message: "the request's body is larger than " + strconv.FormatInt(limit, 10) + " bytes",
		Hint:    "server.limits.body sets the bound"}
}

// deadline gives the client time to take an answer of ours. An earlier request
// on the same connection may have left a deadline that has passed.
func (s *Server) deadline(w http.ResponseWriter) {
	if d := s.Gateway.WriteTimeout; d > 0 {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(d)) // tests' writers have none
	}
}

// refuse answers without a ledger row: nobody is known to have asked.
func (s *Server) refuse(w http.ResponseWriter, codec dialect.Codec, id string, f *fault.Error) {
	h := w.Header()
	h["X-Request-Id"] = []string{id}
	if codec == s.Claude {
		h["Request-Id"] = h["X-Request-Id"]
	}
	status, body := codec.EncodeError(f, id)
	s.deadline(w)
	gateway.WriteError(w, status, body, f)
}
