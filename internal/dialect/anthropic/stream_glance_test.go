package anthropic

import (
	"testing"

	"freehold/internal/jsondoor"
	"freehold/internal/llm"
	"freehold/internal/sse"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// begun returns a decoder with a block of each kind open: 0 text, 1 thinking,
// 2 a tool call, 3 a server's tool call; block 4 has ended.
func begun(t testing.TB) *decoder {
	t.Helper()
	s := &decoder{}
	for _, data := range []string{
		`{"type":"message_start","message":{"id":"m"}}`,
		`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`,
		`{"type":"content_block_start","index":1,"content_block":{"type":"thinking","thinking":""}}`,
		`{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"t","name":"n","input":{}}}`,
		`{"type":"content_block_start","index":3,"content_block":{"type":"server_tool_use","id":"t","name":"n","input":{}}}`,
		`{"type":"content_block_start","index":4,"content_block":{"type":"text","text":""}}`,
		`{"type":"content_block_stop","index":4}`,
	} {
		if _, err := s.Decode(nil, &sse.Event{Data: []byte(data)}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// Deltas of running text are read at a glance, unusual ones are not.
func TestGlance(t *testing.T) {
	for _, c := range []struct {
		data string
		want bool
	}{
		{`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}`, true},
		{`{"index":0,"delta":{"text":"a\n\u00e9","type":"text_delta","x":[1]},"y":{},"type":"content_block_delta"}`, true},
		{`{"type":"content_block_delta","index":1,"delta":{"type":"thinking_delta","thinking":"Hm"}}`, true},
		{`{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"a\""}}`, true},
		{`{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"{"}}`, true},
		{`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":""}}`, false},
		{`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm"}}`, false},
		{`{"type":"content_block_delta","index":3,"delta":{"type":"text_delta","text":"Hm"}}`, false},
		{`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","text":"Hm"}}`, false},
		{`{"type":"content_block_delta","index":1,"delta":{"type":"signature_delta","signature":"s"}}`, false},
		{`{"type":"content_block_delta","index":0,"delta":{"type":"citations_delta","citation":{}}}`, false},
		{`{"type":"content_block_delta","index":4,"delta":{"type":"text_delta","text":"Hi"}}`, false},
		{`{"type":"content_block_delta","index":9,"delta":{"type":"text_delta","text":"Hi"}}`, false},
		{`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a","text":"b"}}`, false},
		{`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}} 1`, false},
		{`{"type":"content_block_stop","index":0}`, false},
		{`{"type":"ping"}`, false},
	} {
		if _, got := begun(t).glance([]byte(c.data)); got != c.want {
			t.Errorf("%s: %v", c.data, got)
		}
		twice(t, []byte(c.data))
	}
}

// twice decodes an event with and without the glance.
func twice(t *testing.T, data []byte) {
	t.Helper()
	fast, slow := begun(t), begun(t)
	e, ok := fast.glance(data)
	if !ok {
		return
	}
	d, err := jsondoor.ParseLax(data, eventSchema)
	if err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	defer d.Release()
	want, err := slow.event(nil, d.Root(), &sse.Event{Data: data})
	if diff := cmp.Diff(want, []llm.Event{e}); diff != "" || err != nil {
		t.Fatalf("%s: %v, events (-all +glance):\n%s", data, err, diff)
	}
	if diff := cmp.Diff(slow.blocks, fast.blocks, cmp.AllowUnexported(block{}), cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s: state (-all +glance):\n%s", data, diff)
	}
}

func FuzzGlance(f *testing.F) {
	for _, s := range []string{
		`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi\n"}}`,
		`{"type":"content_block_delta","index":1,"delta":{"type":"thinking_delta","thinking":"Hm"}}`,
		`{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{"}}`,
		`{"type":"content_block_delta","index":4,"delta":{"type":"text_delta","text":"a","text":"b"},"x":null}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(twice)
}
