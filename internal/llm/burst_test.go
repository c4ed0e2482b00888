package llm_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"freehold/internal/llm"
)

// An answer told as events is the same answer again.
func TestEventsOfAnAnswer(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	word := func() string { return fmt.Sprintf("w%d é", r.IntN(1000)) }
	for range 500 {
		want := &llm.Response{ID: word(), Model: word(), Created: r.Int64N(1000), SystemFingerprint: word(), ServiceTier: word()}
		if r.IntN(2) == 0 {
			want.Usage = llm.Usage{Input: 3, Output: r.Int64N(9), Reported: true}
		}
		for i := range 1 + r.IntN(3) {
			c := llm.Choice{Index: i, Finish: llm.FinishStop, StopSequence: word()}
			for range r.IntN(4) {
				switch r.IntN(4) {
				case 0:
					c.Parts = append(c.Parts, llm.Part{Kind: llm.PartThinking, Text: word(), Signature: word()})
				case 1:
					c.Parts = append(c.Parts, llm.Part{Kind: llm.PartToolCall, ID: word(), Name: word(), Arguments: `{"a":1}`})
				case 2:
					c.Parts = append(c.Parts, llm.Part{Kind: llm.PartText})
				default:
					c.Parts = append(c.Parts, llm.Part{Kind: llm.PartText, Text: word()})
				}
			}
			want.Choices = append(want.Choices, c)
		}
		var a llm.Accumulator
		for _, e := range want.Events() {
			if a.Ended {
				t.Fatal("something follows the end")
			}
			a.Add(&e)
		}
		if got := a.Response(); !reflect.DeepEqual(got, want) || !a.Ended || !a.Complete() {
			t.Fatalf("got  %+v\nwant %+v", got, want)
		}
	}
}

// What only one dialect understands is left out, and the parts after it keep
// their numbers without a gap.
func TestEventsLeaveOpaquePartsOut(t *testing.T) {
	r := &llm.Response{Choices: []llm.Choice{{Finish: llm.FinishStop, Parts: []llm.Part{
		{Kind: llm.PartOpaque, Name: "annotations", Opaque: []byte(`[]`)}, {Kind: llm.PartText, Text: "hi"},
	}}}}
	var a llm.Accumulator
	for _, e := range r.Events() {
		a.Add(&e)
	}
	if len(a.Choices[0].Parts) != 1 || a.Text(0) != "hi" || !a.Choices[0].Parts[0].Stopped {
		t.Errorf("%+v", a.Choices)
	}
}
