package openaichat

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"freehold/internal/dialect"
	"freehold/internal/llm"
	"freehold/internal/sse"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const (
	opening    = `{"id":"c","model":"m","created":1,"choices":[{"index":0,"delta":{"content":"x"}},{"index":1,"delta":{"reasoning":"x"}}]}`
	openingOne = `{"id":"c","model":"m","created":1,"choices":[{"index":0,"text":"x"}]}`
)

// begun returns a decoder in the middle of a stream.
func begun(t testing.TB, first string) *streamDecoder {
	t.Helper()
	s := &streamDecoder{}
	if _, err := s.Decode(nil, &sse.Event{Data: []byte(first)}); err != nil {
		t.Fatal(err)
	}
	return s
}

// Chunks of running text are read at a glance, unusual ones are not.
func TestGlance(t *testing.T) {
	for _, c := range []struct {
		data string
		want bool
	}{
		{`{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"content":"hello"},"logprobs":null,"finish_reason":null}],"usage":null}`, true},
		{`{"id":"c","choices":[{"index":0,"delta":{"content":"a\n\u00e9","role":"assistant","tool_calls":[],"refusal":null},"content_filter_results":{"hate":{"filtered":false}}}],"obfuscation":"x"}`, true},
		{`{"id":"c","choices":[{"index":1,"delta":{"reasoning_content":"hm","content":null}}]}`, true},
		{`{"id":"c","choices":[{"index":1,"delta":{"reasoning":"hm","reasoning_content":"hm","content":""}}]}`, true},
		{`{"id":"c","choices":[{"index":0,"text":"hello","finish_reason":""}]}`, true},
		{`{"id":"c","choices":[{"delta":{}}]}`, true},
		{`{"id":"c","choices":[{"index":1,"delta":{"content":"text after thinking"}}]}`, false},
		{`{"id":"c","choices":[{"index":2,"delta":{"content":"a new choice"}}]}`, false},
		{`{"id":"c","choices":[{"index":0,"delta":{"content":"x","reasoning":"y"}}]}`, false},
		{`{"id":"c","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}]}`, false},
		{`{"id":"c","choices":[{"index":0,"delta":{"content":"x"},"logprobs":{}}]}`, false},
		{`{"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{}]}}]}`, false},
		{`{"id":"c","choices":[{"index":0,"delta":{"content":"x"}}],"usage":{}}`, false},
		{`{"id":"c","choices":[{"index":0,"delta":{"content":"x"}}],"error":{}}`, false},
		{`{"id":"c","object":"error","choices":[{"index":0,"delta":{"content":"x"}}]}`, false},
		{`{"id":"c","choices":[]}`, false},
		{`{"id":"c","choices":[{"index":0,"delta":{"content":"x"}}]} x`, false},
		{`{"id":"c","choices":[{"index":0,"delta":{"content":"x","content":"y"}}]}`, false},
		{`{"id":"c"}`, false},
	} {
		if _, got := begun(t, opening).glance(&sse.Event{Data: []byte(c.data)}); got != c.want {
			t.Errorf("%s: %v", c.data, got)
		}
		twice(t, opening, []byte(c.data))
	}
}

// twice decodes a chunk with and without the glance.
func twice(t *testing.T, first string, data []byte) {
	t.Helper()
	again(t, begun(t, first), begun(t, first), data)
}

// again decodes a chunk, with a glance at it in fast, and three times so that it
// finds a mould.
func again(t *testing.T, fast, slow *streamDecoder, data []byte) {
	t.Helper()
	ev := &sse.Event{Raw: append([]byte("data: "), data...), Data: data, DataAt: len("data: ")}
	for _, v := range []*dialect.View{nil, {Model: "ours"}, {IncludeUsage: true}} {
		want, wantOut, wantErr := slow.decode(nil, nil, ev, v)
		var got []llm.Event
		var out []byte
		var err error
		if v == nil {
			got, err = fast.Decode(nil, ev)
		} else {
			got, out, err = fast.DecodeRelay(nil, nil, ev, *v)
		}
		diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmp.Comparer(func(a, b error) bool {
			return (a == nil) == (b == nil) && (a == nil || a.Error() == b.Error())
		}))
		if diff != "" || !bytes.Equal(wantOut, out) || (wantErr == nil) != (err == nil) {
			t.Fatalf("%s: errors %v and %v, bytes\n%q and\n%q, events (-all +glance):\n%s", data, wantErr, err, wantOut, out, diff)
		}
	}
}

// What differs from the chunk before in its text alone is read as if nothing had
// been there before it.
func TestMould(t *testing.T) {
	texts := []string{"x", "a longer piece", `an \"escape\n\u00e9`, "\u00e9\u4e16", `"`, `x","role":"y`, `\`, `\u12`, "\xff", "", "a\tb", `b"}}],"choices":[{"index":0,"delta":{"content":"c`}
	for _, around := range [][2]string{
		{`{"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"`, `"},"finish_reason":null}]}`},
		{`{"id":"c","choices":[{"index":0,"delta":{"content":"`, `"}}],"model":"m"}`},
		{`{"choices":[{"index":1,"delta":{"reasoning":"`, `"}}]}`},
		{`{"choices":[{"index":0,"text":"`, `"}]}`},
	} {
		for _, first := range texts {
			for _, second := range texts {
				s := begun(t, opening)
				one, two := []byte(around[0]+first+around[1]), []byte(around[0]+second+around[1])
				_, _ = s.Decode(nil, &sse.Event{Data: one}) // its own faults are others' business
				again(t, s, begun(t, opening), two)
			}
		}
	}
}

// The mould is of one part: text after another part was opened is not its.
func TestMouldOfAClosedPart(t *testing.T) {
	s, slow := begun(t, openingOne), begun(t, openingOne)
	for _, data := range []string{
		`{"choices":[{"index":0,"delta":{"content":"a"}}]}`, `{"choices":[{"index":0,"delta":{"reasoning":"b"}}]}`,
		`{"choices":[{"index":0,"delta":{"content":"c"}}]}`, `{"choices":[{"index":0,"delta":{"content":"d"}}]}`,
		`{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`, `{"choices":[{"index":0,"delta":{"content":"e"}}]}`,
	} {
		again(t, s, slow, []byte(data))
	}
}

func FuzzGlance(f *testing.F) {
	files, err := filepath.Glob("testdata/streams/*/*.sse")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if data, ok := strings.CutPrefix(line, "data: "); ok {
				f.Add([]byte(strings.TrimSpace(data)))
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		twice(t, opening, data)
		twice(t, openingOne, data)
	})
}
