package anthropic_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"freehold/internal/dialect"
	"freehold/internal/dialect/anthropic"
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
	"freehold/internal/sse"
)

func seeds(f *testing.F, pattern string) {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds: ", pattern, err)
	}
	for _, file := range files {
		f.Add(must(os.ReadFile(file)))
	}
}

// FuzzRequest: what the door lets in can be forwarded, decoded and encoded;
// every body that goes out is JSON that the door lets in again.
func FuzzRequest(f *testing.F) {
	seeds(f, "testdata/requests/*/*.json")
	f.Fuzz(func(t *testing.T, body string) {
		c := anthropic.Codec{}
		for _, op := range []llm.Operation{llm.Chat, llm.CountTokens} {
			b, err := c.Read(op, []byte(body))
			if err != nil {
				continue
			}
			target := dialect.Target{Model: "m", Stream: true, Drop: true}
			out, err := c.Forward(b, &target)
			if err != nil {
				t.Fatal(err)
			}
			again(t, op, out.Body)
			r, err := c.Decode(b)
			if err != nil {
				t.Fatal(err)
			}
			if out, err := c.Encode(r, &target); err == nil {
				again(t, op, out.Body)
			}
			r.Dialect = "openai"
			target.Continue = &dialect.Continuation{Prefix: "x", Method: dialect.Instruct}
			if out, err := c.Encode(r, &target); err == nil {
				again(t, op, out.Body)
			}
		}
	})
}

func again(t *testing.T, op llm.Operation, body []byte) {
	t.Helper()
	b, err := anthropic.Codec{}.Read(op, body)
	if err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	if b.Facts.Model != "m" {
		t.Fatalf("model %q: %s", b.Facts.Model, body)
	}
	b.Release()
}

// FuzzReply: an answer that Summarize takes can be decoded, encoded and
// rewritten, and says the same afterwards.
func FuzzReply(f *testing.F) {
	seeds(f, "testdata/replies/*/*.json")
	f.Fuzz(func(t *testing.T, body string) {
		c := anthropic.Codec{}
		s, err := c.Summarize(llm.Chat, []byte(body))
		_ = c.DecodeError(400, nil, []byte(body))
		if err != nil {
			return
		}
		r, err := c.DecodeReply(llm.Chat, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if r.Choices[0].Finish != s.Finish || r.Usage != s.Usage || r.ID != s.ID {
			t.Fatalf("%+v %+v", r, s)
		}
		if out, err := c.EncodeReply(r, llm.Chat, dialect.View{Model: "w"}); err == nil {
			if _, err := c.Summarize(llm.Chat, out); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
		if _, err := c.RewriteReply(llm.Chat, []byte(body), dialect.View{Model: "w"}); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzStream: no stream makes the codec panic, what it shows is JSON, and a
// stream without a stop_reason is never shown as whole.
func FuzzStream(f *testing.F) {
	seeds(f, "testdata/streams/*/*.sse")
	f.Fuzz(func(t *testing.T, stream string) {
		c := anthropic.Codec{}
		d := c.NewStreamDecoder(llm.Chat)
		e := c.NewStreamEncoder(llm.Chat, dialect.View{Model: "w"}, nil)
		r := sse.NewReader(strings.NewReader(stream), 1<<20)
		var shown []byte
		acc := &llm.Accumulator{}
		for ev, err := r.Next(); err == nil; ev, err = r.Next() {
			c.RewriteEvent(nil, ev, dialect.View{Model: "w"})
			events, err := d.Decode(nil, ev)
			for i := range events {
				acc.Add(&events[i])
				var encErr error
				if shown, encErr = e.Encode(shown, &events[i]); encErr != nil {
					t.Fatalf("what was decoded cannot be shown: %v", encErr)
				}
			}
			if err != nil {
				break
			}
		}
		_, cut := d.End(nil)
		if shown = e.End(shown); cut != nil && strings.Contains(string(shown), "event: message_stop") {
			t.Fatalf("a cut stream is shown as whole: %s", shown)
		}
		r = sse.NewReader(strings.NewReader(string(shown)), 1<<20)
		for ev, err := r.Next(); err == nil; ev, err = r.Next() {
			doc, err := jsondoor.ParseLax(ev.Data, nil)
			if err != nil {
				t.Fatalf("%v: %s", err, ev.Raw)
			}
			doc.Release()
		}
		c.NewStreamEncoder(llm.Chat, dialect.View{}, acc).End(nil)
	})
}
