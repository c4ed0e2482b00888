package dialect_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"freehold/internal/dialect"
	"freehold/internal/llm"
	"freehold/internal/sse"
)

// canned is a decoder that says what it is told.
type canned struct{ events, end []llm.Event }

func (c canned) Decode(dst []llm.Event, _ *sse.Event) ([]llm.Event, error) {
	return append(dst, c.events...), nil
}
func (c canned) End(dst []llm.Event) ([]llm.Event, error) { return append(dst, c.end...), nil }

func call(part int, name string) llm.Event {
	return llm.Event{Kind: llm.EventPartStart, PartKind: llm.PartToolCall, Part: part, ID: "id", Name: name}
}

func finish(f llm.FinishReason) llm.Event { return llm.Event{Kind: llm.EventFinish, Finish: f} }

func TestUnwrapTool(t *testing.T) {
	text := llm.Event{Kind: llm.EventPartStart, PartKind: llm.PartText}
	delta := llm.Event{Kind: llm.EventDelta, Text: `{"a":1}`}
	for _, tc := range []struct {
		name     string
		in, want []llm.Event
	}{
		{"alone", []llm.Event{call(0, "json"), delta, finish(llm.FinishToolCalls)}, []llm.Event{text, delta, finish(llm.FinishStop)}},
		{"cut by a limit", []llm.Event{call(0, "json"), finish(llm.FinishLength)}, []llm.Event{text, finish(llm.FinishLength)}},
		{"another tool", []llm.Event{call(0, "weather"), finish(llm.FinishToolCalls)}, []llm.Event{call(0, "weather"), finish(llm.FinishToolCalls)}},
		{"both", []llm.Event{call(0, "json"), call(1, "weather"), finish(llm.FinishToolCalls)}, []llm.Event{text, call(1, "weather"), finish(llm.FinishToolCalls)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := dialect.UnwrapTool(canned{events: tc.in[:len(tc.in)-1], end: tc.in[len(tc.in)-1:]}, "json")
			before := []llm.Event{{Kind: llm.EventStart}}
			got, err := d.Decode(before, &sse.Event{})
			if err != nil {
				t.Fatal(err)
			}
			if got, err = d.End(got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(append(before[:1:1], tc.want...), got); diff != "" {
				t.Error(diff)
			}
		})
	}
	if d := (canned{}); !cmp.Equal(dialect.UnwrapTool(d, ""), dialect.StreamDecoder(d), cmp.AllowUnexported(canned{})) {
		t.Error("without a tool the decoder itself is expected")
	}
}

func TestUnwrapToolReply(t *testing.T) {
	r := &llm.Response{Choices: []llm.Choice{
		{Finish: llm.FinishToolCalls, Parts: []llm.Part{{Kind: llm.PartToolCall, ID: "x", Name: "json", Arguments: `{"a":1}`}}},
		{Finish: llm.FinishToolCalls, Parts: []llm.Part{{Kind: llm.PartToolCall, Name: "json", Arguments: "{}"}, {Kind: llm.PartToolCall, Name: "other"}}},
	}}
	dialect.UnwrapToolReply(r, "json")
	want := []llm.Choice{
		{Finish: llm.FinishStop, Parts: []llm.Part{{Kind: llm.PartText, Text: `{"a":1}`}}},
		{Finish: llm.FinishToolCalls, Parts: []llm.Part{{Kind: llm.PartText, Text: "{}"}, {Kind: llm.PartToolCall, Name: "other"}}},
	}
	if diff := cmp.Diff(want, r.Choices); diff != "" {
		t.Error(diff)
	}
}
