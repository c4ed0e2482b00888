package llm_test

import (
	"encoding/json"
	"testing"

	"freehold/internal/llm"

	"github.com/google/go-cmp/cmp"
)

func TestAccumulator(t *testing.T) {
	var a llm.Accumulator
	for _, e := range []llm.Event{
		{Kind: llm.EventStart, ID: "1", Meta: &llm.Meta{Model: "m", Created: 7}},
		{Kind: llm.EventPing},
		{Kind: llm.EventPartStart, PartKind: llm.PartThinking},
		{Kind: llm.EventDelta, Text: "Hm"},
		{Kind: llm.EventSignature, Text: "sig"},
		{Kind: llm.EventPartStop},
		{Kind: llm.EventPartStart, Part: 1, PartKind: llm.PartText},
		{Kind: llm.EventDelta, Part: 1, Text: "He"},
		{Kind: llm.EventDelta, Part: 1, Text: "llo"},
		{Kind: llm.EventDelta, Part: 9, Text: "nowhere"},
		{Kind: llm.EventPartStart, Part: 2, PartKind: llm.PartToolCall, ID: "t", Name: "f"},
		{Kind: llm.EventDelta, Part: 2, Text: `{"a": "cu`},
		{Kind: llm.EventUsage, Meta: &llm.Meta{Usage: llm.Usage{Input: 1, Output: 2, Reported: true}}},
	} {
		a.Add(&e)
	}
	if a.Complete() {
		t.Error("complete without a finish reason")
	}
	a.Add(&llm.Event{Kind: llm.EventFinish, Finish: llm.FinishLength})
	if !a.Complete() || a.Text(0) != "Hello" || a.Text(3) != "" {
		t.Errorf("complete %v, text %q", a.Complete(), a.Text(0))
	}
	want := &llm.Response{ID: "1", Model: "m", Created: 7, Usage: llm.Usage{Input: 1, Output: 2, Reported: true}, Choices: []llm.Choice{{
		Finish: llm.FinishLength,
		Parts: []llm.Part{
			{Kind: llm.PartThinking, Text: "Hm", Signature: "sig"},
			{Kind: llm.PartText, Text: "Hello"},
			{Kind: llm.PartToolCall, ID: "t", Name: "f", Arguments: `{"a": "cu`, Incomplete: true},
		},
	}}}
	if diff := cmp.Diff(want, a.Response(), cmp.Comparer(func(x, y json.RawMessage) bool { return string(x) == string(y) })); diff != "" {
		t.Error(diff)
	}
	// The same end by the model's own will is a call that is whole.
	a.Add(&llm.Event{Kind: llm.EventDelta, Part: 2, Text: `t"}`})
	if p := a.Response().Choices[0].Parts[2]; p.Incomplete {
		t.Errorf("whole arguments are incomplete: %+v", p)
	}
}

// A stream tells what a plain answer would: nothing of it is lost.
func TestAccumulatorTellsAll(t *testing.T) {
	var a llm.Accumulator
	for _, e := range []llm.Event{
		{Kind: llm.EventStart, ID: "1", Meta: &llm.Meta{Model: "m", Created: 7, Fingerprint: "fp", ServiceTier: "flex", Usage: llm.Usage{Input: 3, Reported: true}}},
		{Kind: llm.EventPartStart, Choice: 1, PartKind: llm.PartRefusal},
		{Kind: llm.EventDelta, Choice: 1, Text: "No."},
		{Kind: llm.EventFinish, Choice: 1, Finish: llm.FinishStopSequence, StopSequence: "END"},
		{Kind: llm.EventPartStart, PartKind: llm.PartRedactedThinking, Raw: json.RawMessage(`"r"`)},
		{Kind: llm.EventFinish, Finish: llm.FinishStop},
		{Kind: llm.EventUsage, Meta: &llm.Meta{Usage: llm.Usage{Input: 3, Output: 4, CachedInput: 1, Reasoning: 2, Reported: true}}},
		{Kind: llm.EventEnd},
	} {
		a.Add(&e)
	}
	want := &llm.Response{ID: "1", Model: "m", Created: 7, SystemFingerprint: "fp", ServiceTier: "flex",
		Usage: llm.Usage{Input: 3, Output: 4, CachedInput: 1, Reasoning: 2, Reported: true},
		Choices: []llm.Choice{
			{Finish: llm.FinishStop, Parts: []llm.Part{{Kind: llm.PartRedactedThinking, Opaque: json.RawMessage(`"r"`)}}},
			{Index: 1, Finish: llm.FinishStopSequence, StopSequence: "END", Parts: []llm.Part{{Kind: llm.PartRefusal, Text: "No."}}},
		}}
	if diff := cmp.Diff(want, a.Response()); diff != "" || !a.Ended {
		t.Errorf("ended %v: %s", a.Ended, diff)
	}
}

// Of an answer that is larger than what is kept, a beginning is: what comes
// after a gap is not put behind it.
func TestAccumulatorKeepsABeginning(t *testing.T) {
	a := llm.Accumulator{Keep: 5}
	a.Add(&llm.Event{Kind: llm.EventPartStart, PartKind: llm.PartText})
	for _, text := range []string{"abc", "def", "g"} {
		a.Add(&llm.Event{Kind: llm.EventDelta, Text: text})
	}
	if a.Text(0) != "abc" || !a.Cut || a.Size() != 3 {
		t.Errorf("%q, cut %v, size %d", a.Text(0), a.Cut, a.Size())
	}
	if a.Add(&llm.Event{Kind: llm.EventFinish, Finish: llm.FinishStop}); !a.Complete() {
		t.Error("the finish is lost")
	}
}
