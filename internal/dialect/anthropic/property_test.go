package anthropic_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"freehold/internal/dialect"
	"freehold/internal/llm"
)

// TestAnyOrderOfEventsIsShownWhole: however a provider interleaves parts and
// whatever it forgets (starts of text, stops), the official SDK reads one block
// at a time and all of the text, thinking and arguments.
func TestAnyOrderOfEventsIsShownWhole(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		kinds := rapid.SliceOfN(rapid.SampledFrom([]llm.PartKind{llm.PartText, llm.PartThinking, llm.PartToolCall}), 1, 5).Draw(r, "kinds")
		const args = `{"k":"vä\n"}`
		left := make([]string, len(kinds)) // what is still to be said of a part
		began, stopped := make([]bool, len(kinds)), make([]bool, len(kinds))
		want := map[llm.PartKind]int{}
		for i, k := range kinds {
			if left[i] = strings.Repeat("ab", 1+i); k == llm.PartToolCall {
				left[i] = args
			}
			want[k] += len(left[i])
		}
		events := []llm.Event{{Kind: llm.EventStart, ID: "x"}}
		for open := len(kinds); open > 0; {
			i := rapid.IntRange(0, len(kinds)-1).Draw(r, "part")
			switch {
			case i > 0 && !began[i-1] || stopped[i]:
			case !began[i]:
				began[i] = true
				if kinds[i] == llm.PartToolCall || kinds[i] == llm.PartThinking || rapid.Bool().Draw(r, "says start") {
					events = append(events, llm.Event{Kind: llm.EventPartStart, Part: i, PartKind: kinds[i], ID: "t", Name: "f"})
				}
			case left[i] != "":
				n := rapid.IntRange(1, len(left[i])).Draw(r, "bytes")
				for n < len(left[i]) && left[i][n]&0xC0 == 0x80 {
					n++
				}
				events = append(events, llm.Event{Kind: llm.EventDelta, Part: i, Text: left[i][:n]})
				left[i] = left[i][n:]
			default:
				stopped[i] = true
				open--
				if rapid.Bool().Draw(r, "says stop") {
					events = append(events, llm.Event{Kind: llm.EventPartStop, Part: i})
				}
			}
		}
		events = append(events, llm.Event{Kind: llm.EventFinish, Finish: llm.FinishStop}, llm.Event{Kind: llm.EventEnd})
		out := encodeAll(t, dialect.View{}, nil, events...)
		sequential(t, out)
		got := map[llm.PartKind]int{}
		for _, b := range sdkMessage(t, out).Content {
			switch b.Type {
			case "text":
				got[llm.PartText] += len(b.Text)
			case "thinking":
				got[llm.PartThinking] += len(b.Thinking)
			case "tool_use":
				if !json.Valid(b.Input) || string(b.Input) != args {
					r.Fatalf("arguments %s", b.Input)
				}
				got[llm.PartToolCall] += len(b.Input)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			r.Fatalf("%s\n%s", diff, out)
		}
	})
}
