package dialecttest

import (
	"bytes"
	"encoding/json"
	"testing"

	"freehold/internal/dialect"
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
)

// read is a body that must be accepted.
func read(t *testing.T, c dialect.Codec, s Sample) *dialect.Body {
	t.Helper()
	b, err := c.Read(s.Op, s.Data)
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	return b
}

func decode(t *testing.T, c dialect.Codec, b *dialect.Body) *llm.Request {
	t.Helper()
	r, err := c.Decode(b)
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	return r
}

func requests(t *testing.T, c dialect.Codec, f Fixtures) {
	for _, s := range f.Requests {
		t.Run(s.Name, func(t *testing.T) {
			b := read(t, c, s)
			r := decode(t, c, b)
			if r.Dialect != c.Name() || r.Operation != s.Op || r.Model != b.Facts.Model || r.Stream != b.Facts.Stream {
				t.Errorf("%s request %q of %q, facts %+v", r.Operation, r.Model, r.Dialect, b.Facts)
			}
			golden(t, s.Golden, struct {
				Facts    llm.Facts
				Features []string
				Request  *llm.Request
			}{b.Facts, b.Facts.Features.Names(), r})
			encodeAgain(t, c, s, r)
			forward(t, c, s, b)
			if !bytes.Equal(b.Raw, s.Data) {
				t.Error("the client's body was changed")
			}
		})
	}
}

// encodeAgain: what is encoded decodes to the same request.
func encodeAgain(t *testing.T, c dialect.Codec, s Sample, r *llm.Request) {
	t.Helper()
	out, err := c.Encode(r, &dialect.Target{Model: r.Model, Stream: r.Stream, Usage: r.IncludeUsage, Quirks: dialect.Quirks{NativeSchema: true}})
	if err != nil {
		t.Fatalf("encode: %v", err)
	}
	if len(out.Dropped) > 0 || out.Tool != "" {
		t.Errorf("dropped %q, tool %q on the way to the same dialect", out.Dropped, out.Tool)
	}
	again := decode(t, c, read(t, c, Sample{Op: s.Op, Data: out.Body}))
	if diff := same(r, again); diff != "" {
		t.Errorf("decoded again (-want +got):\n%s\nbody: %s", diff, clip(string(out.Body)))
	}
}

// forward: only what the target needs is changed.
func forward(t *testing.T, c dialect.Codec, s Sample, b *dialect.Body) {
	t.Helper()
	same, err := c.Forward(b, &dialect.Target{Model: b.Facts.Model, Stream: b.Facts.Stream})
	if err != nil {
		t.Fatalf("forward: %v", err)
	}
	if !bytes.Equal(same.Body, s.Data) {
		t.Errorf("forwarded without need to change, the body is\n%s", clip(string(same.Body)))
	}
	out, err := c.Forward(b, &dialect.Target{Model: "another/model", Stream: b.Facts.Stream})
	if err != nil {
		t.Fatalf("forward: %v", err)
	}
	if len(out.Dropped) > 0 {
		t.Errorf("dropped %q on the way to the same dialect", out.Dropped)
	}
	if diff := SameJSON(withModel(t, s.Data, "another/model"), out.Body); diff != "" {
		t.Errorf("forwarded (-want +got):\n%s", diff)
	}
	with, err := c.Forward(b, &dialect.Target{Model: "m", Stream: b.Facts.Stream, Params: dialect.Params{
		Defaults: []llm.Field{{Name: "model", Raw: json.RawMessage(`"x"`)}, {Name: "zz_default", Raw: json.RawMessage(`{"a":1}`)}}}})
	if err != nil {
		t.Fatalf("forward: %v", err)
	}
	want := withMember(t, withModel(t, s.Data, "m"), "zz_default", `{"a":1}`)
	if diff := SameJSON(want, with.Body); diff != "" {
		t.Errorf("forwarded with a default (-want +got):\n%s", diff)
	}
}

func withModel(t *testing.T, body []byte, model string) []byte {
	t.Helper()
	return withMember(t, body, "model", string(jsondoor.Quote(model)))
}

func withMember(t *testing.T, body []byte, name, raw string) []byte {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	m[name] = json.RawMessage(raw)
	out, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
