package dialecttest

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/llm"
	"freehold/internal/sse"
)

var kinds = []fault.Kind{
	fault.BadRequest, fault.Unsupported, fault.TooLarge, fault.Unauthorized, fault.Denied, fault.PolicyDenied,
	fault.ModelNotFound, fault.NotFound, fault.Method, fault.RateLimited, fault.Quota, fault.Shed, fault.Exhausted, fault.Storage,
	fault.Draining, fault.Internal, fault.Deadline, fault.Connect, fault.ConnectTimeout, fault.FirstTokenTime,
	fault.IdleTimeout, fault.Cut, fault.Malformed, fault.Empty, fault.StreamError, fault.Credentials, fault.Billing,
	fault.ModelMissing, fault.ProviderLimit, fault.Overloaded, fault.ProviderError, fault.ProviderRejected,
	fault.ContextLength, fault.ContentFilter, fault.EngineUnready,
}

func failures(t *testing.T, c dialect.Codec, f Fixtures) {
	for _, k := range kinds {
		t.Run("encode "+string(k), func(t *testing.T) { envelope(t, c, k) })
	}
	for _, p := range f.Failures {
		t.Run("decode "+p.Name, func(t *testing.T) {
			h := p.Header
			if h == nil {
				h = http.Header{}
			}
			got := c.DecodeError(p.Status, h, []byte(p.Body))
			if got.Kind != p.Kind || got.RetryAfter != p.RetryAfter || got.ProviderStatus != p.Status || got.Message == "" {
				t.Errorf("kind %q, retry after %v, status %d, message %q", got.Kind, got.RetryAfter, got.ProviderStatus, got.Message)
			}
			if !strings.Contains(got.Message, p.Says) {
				t.Errorf("message %q lacks %q", got.Message, p.Says)
			}
			status, body := c.EncodeError(got, "req-1")
			if fault.BlameOf(got.Kind) == fault.Caller && (status > 499 || got.ProviderStatus > 499 && got.ProviderBody != nil) {
				t.Errorf("the caller's mistake is told as a failure: %d %s, its own words %s", status, body, got.ProviderBody)
			}
			for _, text := range []string{got.Error(), string(got.ProviderBody), string(body)} {
				if p.Hides != "" && strings.Contains(text, p.Hides) {
					t.Errorf("shows %q: %s", p.Hides, clip(text))
				}
			}
			if len(got.Message) > 4096 {
				t.Errorf("a message of %d bytes", len(got.Message))
			}
		})
	}
	t.Run("any status", func(t *testing.T) {
		for status := 300; status < 600; status++ {
			for _, body := range []string{"", "<html><h1>502</h1></html>", `{}`, `[]`, `null`, `{"error":null}`, `{"error":"text"}`, `{"error":[1]}`, "\xff"} {
				got := c.DecodeError(status, http.Header{"Retry-After": {"Wed, 21 Oct 2026 07:28:00 GMT"}, "Date": {"Wed, 21 Oct 2026 07:27:50 GMT"}}, []byte(body))
				if got == nil || got.Kind == "" || got.Message == "" || got.ProviderStatus != status || got.RetryAfter != 10*time.Second {
					t.Fatalf("%d %q: %+v", status, body, got)
				}
			}
		}
	})
}

// envelope: every fault has the dialect's form, on its own and in a stream.
func envelope(t *testing.T, c dialect.Codec, k fault.Kind) {
	f := fault.New(k, "something \"broke\"\n")
	f.Param = "messages"
	status, body := c.EncodeError(f, "req-1")
	if status != f.HTTPStatus() || status < 400 {
		t.Errorf("status %d, want %d", status, f.HTTPStatus())
	}
	checkEnvelope(t, body, f)
	if !bytes.Contains(body, []byte("req-1")) {
		t.Errorf("no request id: %s", body)
	}

	raw := c.EncodeStreamError(nil, f, "req-1")
	ev, err := sse.NewReader(bytes.NewReader(raw), 0).Next()
	if err != nil {
		t.Fatalf("%v: %q", err, raw)
	}
	checkEnvelope(t, ev.Data, f)
	events, err := c.NewStreamDecoder(llm.Chat).Decode(nil, ev)
	if err != nil || len(events) == 0 || events[len(events)-1].Kind != llm.EventError || events[len(events)-1].Err == nil {
		t.Errorf("in a stream: %v %v", events, err)
	} else if e := (*fault.Error)(nil); !errors.As(events[len(events)-1].Err, &e) {
		t.Errorf("in a stream: not a fault: %v", events[len(events)-1].Err)
	}
}

func checkEnvelope(t *testing.T, body []byte, f *fault.Error) {
	t.Helper()
	var e struct {
		Error struct{ Type, Message, Code, Param *string }
	}
	if err := json.Unmarshal(body, &e); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	if e.Error.Type == nil || *e.Error.Type == "" || e.Error.Message == nil || !strings.Contains(*e.Error.Message, f.Message) ||
		e.Error.Code == nil || *e.Error.Code != f.StableCode() {
		t.Errorf("envelope %s", body)
	}
}

// Fuzz feeds garbage to everything that reads, in every operation: a codec may
// refuse it, but must not panic, and what it accepts it must be able to handle.
func Fuzz(f *testing.F, c dialect.Codec, fx Fixtures) {
	for _, list := range [][]Sample{fx.Requests, fx.Replies, fx.Streams} {
		for _, s := range list {
			f.Add(s.Data)
		}
	}
	ops := []llm.Operation{llm.Chat, llm.Completion, llm.Embedding, llm.CountTokens}
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, op := range ops {
			fuzzRequest(t, c, op, in)
			fuzzAnswer(t, c, op, in)
		}
		c.DecodeError(400, http.Header{}, in)
	})
}

func fuzzRequest(t *testing.T, c dialect.Codec, op llm.Operation, in []byte) {
	b, err := c.Read(op, in)
	if err != nil {
		return
	}
	target := &dialect.Target{Model: "m", Stream: b.Facts.Stream, Usage: true, Drop: true}
	out, err := c.Forward(b, target)
	if err == nil && !json.Valid(out.Body) {
		t.Errorf("forwarded: %s", out.Body)
	}
	r, err := c.Decode(b)
	if err != nil {
		return
	}
	for _, from := range []string{c.Name(), "foreign"} {
		r.Dialect = from
		if out, err := c.Encode(r, target); err == nil && !json.Valid(out.Body) {
			t.Errorf("encoded: %s", out.Body)
		}
	}
}

func fuzzAnswer(t *testing.T, c dialect.Codec, op llm.Operation, in []byte) {
	_, _ = c.Summarize(op, in)
	if r, err := c.DecodeReply(op, in); err == nil {
		if body, err := c.EncodeReply(r, op, dialect.View{}); err == nil && !json.Valid(body) {
			t.Errorf("encoded: %s", body)
		}
	}
	_, _ = c.RewriteReply(op, in, dialect.View{Model: "m"})
	atOnce(t, c, op, in)
	events, _ := decodeStream(c, op, bytes.NewReader(in))
	enc := c.NewStreamEncoder(op, dialect.View{IncludeUsage: true}, nil)
	var out []byte
	for i := range events {
		var err error
		if out, err = enc.Encode(out, &events[i]); err != nil {
			return
		}
	}
	enc.End(out)
}
