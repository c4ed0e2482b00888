package gateway

import (
	"slices"
	"testing"

	"freehold/internal/llm"
)

// TestGateShowsTextBeforeAToolCall holds that events which came in one burst
// are shown as far as they may be: what stands before a held tool call is not
// held with it.
func TestGateShowsTextBeforeAToolCall(t *testing.T) {
	g := gate{tools: true}
	push := func(e llm.Event, raw string) {
		t.Helper()
		if err := g.push(&e); err != nil {
			t.Fatal(err)
		}
		g.raw = append(g.raw, raw...)
		g.release()
	}
	push(llm.Event{Kind: llm.EventDelta, Text: "one"}, "a")
	push(llm.Event{Kind: llm.EventDelta, Text: "two"}, "b")
	push(llm.Event{Kind: llm.EventPartStart, PartKind: llm.PartToolCall, Part: 1}, "c")
	push(llm.Event{Kind: llm.EventDelta, Part: 1, Text: "{}"}, "d")
	if !g.waiting() || g.free != 2 || string(g.raw[:g.freeRaw]) != "ab" {
		t.Fatalf("free are %d events and %q, want the two of text", g.free, g.raw[:g.freeRaw])
	}
	g.clear()
	if g.waiting() || len(g.events) != 2 || string(g.raw) != "cd" || g.events[0].PartKind != llm.PartToolCall {
		t.Fatalf("after showing the text %d events and %q are held", len(g.events), g.raw)
	}
	if g.size == 0 {
		t.Error("what is held is no longer counted")
	}
	g.open = true
	if g.release(); g.free != 2 || g.freeRaw != 2 {
		t.Errorf("of the ended answer %d events and %d bytes are free", g.free, g.freeRaw)
	}
	if g.clear(); len(g.events) != 0 || len(g.raw) != 0 || g.size != 0 {
		t.Error("something is left after all was shown")
	}
}

func TestGateBatchIsBounded(t *testing.T) {
	var g gate
	for i := range 3 * maxFree {
		if err := g.push(&llm.Event{Kind: llm.EventDelta, Text: "word "}); err != nil {
			t.Fatal(err)
		}
		g.release()
		if want := i+1 >= maxFree; g.full() != want {
			t.Fatalf("full() = %v after %d events", g.full(), i+1)
		}
	}
	g = gate{output: true, raw: make([]byte, 8<<10)}
	if g.release(); !g.full() {
		t.Error("8 KiB of a provider's bytes wait for more")
	}
}

// Held deltas of one part are one event; those of others, and what carries
// logprobs, stay apart.
func TestGateJoinsHeldDeltas(t *testing.T) {
	g := gate{holding: true}
	for _, e := range []llm.Event{
		{Kind: llm.EventPartStart, PartKind: llm.PartText}, {Kind: llm.EventDelta, Text: "one"}, {Kind: llm.EventDelta, Text: " two"}, {Kind: llm.EventDelta},
		{Kind: llm.EventDelta, Text: " three"}, {Kind: llm.EventDelta, Part: 1, Text: "a"}, {Kind: llm.EventDelta, Part: 1, Text: "b"},
		{Kind: llm.EventDelta, Part: 1, Text: "c", Raw: []byte("{}")}, {Kind: llm.EventDelta, Part: 1, Text: "d"}, {Kind: llm.EventDelta, Part: 1, Text: "e"},
	} {
		size := g.held()
		if err := g.push(&e); err != nil {
			t.Fatal(err)
		}
		if g.held() < size+len(e.Text) {
			t.Errorf("%q is not counted", e.Text)
		}
	}
	g.open = true
	g.release()
	var got []string
	for i := range g.events[:g.free] {
		got = append(got, g.events[i].Text)
	}
	if want := []string{"", "one two three", "ab", "c", "de"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
