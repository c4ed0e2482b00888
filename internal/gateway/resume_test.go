package gateway

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"freehold/internal/llm"
)

// texts with the white space and repetitions on which seams are won or lost.
var texts = rapid.StringOfN(rapid.RuneFrom([]rune("ab \n\té日")), 0, 40, -1)

// shown is an answer of which text was sent.
func shown(text string) *llm.Accumulator {
	a := &llm.Accumulator{}
	for _, e := range []llm.Event{
		{Kind: llm.EventStart, ID: "1"}, {Kind: llm.EventPartStart, PartKind: llm.PartText}, {Kind: llm.EventDelta, Text: text},
	} {
		a.Add(&e)
	}
	return a
}

// stream is an answer in random pieces.
func stream(t *rapid.T, text string) []llm.Event {
	events := []llm.Event{{Kind: llm.EventStart, ID: "2"}, {Kind: llm.EventPartStart, PartKind: llm.PartText}}
	for len(text) > 0 {
		n := rapid.IntRange(1, len(text)).Draw(t, "piece")
		events = append(events, llm.Event{Kind: llm.EventDelta, Text: text[:n]})
		text = text[n:]
	}
	return append(events, llm.Event{Kind: llm.EventPartStop}, llm.Event{Kind: llm.EventFinish, Finish: llm.FinishStop})
}

// join runs a continuing stream through a splice, in batches of one event.
func join(sent *llm.Accumulator, s *splice, events []llm.Event) {
	for i := range events {
		for _, e := range s.apply(events[i : i+1]) {
			sent.Add(&e)
		}
	}
	for _, e := range s.flush() {
		sent.Add(&e)
	}
}

func newSplice(sent *llm.Accumulator, text string, echo bool) *splice {
	prefix := strings.TrimRight(text, " \t\r\n")
	s := &splice{sent: sent, hasText: text != "", space: text[len(prefix):]}
	if echo {
		s.echo = prefix
	}
	return s
}

// A provider that continues exactly, with or without repeating the prefix,
// yields the text of an answer that was never cut.
func TestSpliceExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := texts.Draw(t, "text")
		cut := rapid.IntRange(0, len(text)).Draw(t, "cut")
		echoes := rapid.Bool().Draw(t, "echoes")
		sent := shown(text[:cut])
		prefix := strings.TrimRight(text[:cut], " \t\r\n")
		rest := text[len(prefix):]
		if echoes {
			rest = text
		}
		join(sent, newSplice(sent, text[:cut], echoes), stream(t, rest))
		if got := sent.Text(0); got != text {
			t.Fatalf("cut %q after %q: got %q", text, text[:cut], got)
		}
		if len(sent.Choices[0].Parts) != 1 || !sent.Choices[0].Parts[0].Stopped || sent.Choices[0].Finish != llm.FinishStop {
			t.Fatalf("the joined answer is %+v", sent.Choices[0])
		}
	})
}

// Whatever a provider says instead, what was sent stays, and nothing that it
// says is lost but a whole echo and white space that was already shown.
func TestSpliceForeign(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before, after := texts.Draw(t, "before"), texts.Draw(t, "after")
		sent := shown(before)
		join(sent, newSplice(sent, before, rapid.Bool().Draw(t, "expects echo")), stream(t, after))
		got := sent.Text(0)
		if !strings.HasPrefix(got, before) {
			t.Fatalf("what was sent, %q, became %q", before, got)
		}
		rest := got[len(before):]
		if !strings.HasSuffix(after, rest) {
			t.Fatalf("%q was shown as %q", after, rest)
		}
		lost := strings.TrimPrefix(after[:len(after)-len(rest)], strings.TrimRight(before, " \t\r\n"))
		if strings.TrimSpace(lost) != "" {
			t.Fatalf("%q of %q was lost after %q", lost, after, before)
		}
	})
}

// Parts of the continuing leg are numbered behind those that were sent.
func TestSpliceParts(t *testing.T) {
	for _, c := range []struct {
		name  string
		sent  []llm.Event
		leg   []llm.Event
		kinds []llm.PartKind
	}{
		{
			name: "cut in thinking: the block is closed and the answer begins anew",
			sent: []llm.Event{{Kind: llm.EventPartStart, PartKind: llm.PartThinking}, {Kind: llm.EventDelta, Text: "hm"}},
			leg: []llm.Event{
				{Kind: llm.EventPartStart, PartKind: llm.PartThinking}, {Kind: llm.EventDelta, Text: "so"}, {Kind: llm.EventPartStop},
				{Kind: llm.EventPartStart, Part: 1, PartKind: llm.PartText}, {Kind: llm.EventDelta, Part: 1, Text: "yes"}, {Kind: llm.EventPartStop, Part: 1},
			},
			kinds: []llm.PartKind{llm.PartThinking, llm.PartThinking, llm.PartText},
		},
		{
			name: "cut in text: thinking about the rest is not shown, tools follow",
			sent: []llm.Event{{Kind: llm.EventPartStart, PartKind: llm.PartText}, {Kind: llm.EventDelta, Text: "a"}},
			leg: []llm.Event{
				{Kind: llm.EventPartStart, PartKind: llm.PartThinking}, {Kind: llm.EventDelta, Text: "hm"}, {Kind: llm.EventSignature, Text: "s"}, {Kind: llm.EventPartStop},
				{Kind: llm.EventPartStart, Part: 1, PartKind: llm.PartText}, {Kind: llm.EventDelta, Part: 1, Text: "b"}, {Kind: llm.EventPartStop, Part: 1},
				{Kind: llm.EventPartStart, Part: 2, PartKind: llm.PartToolCall, Name: "f"}, {Kind: llm.EventDelta, Part: 2, Text: "{}"}, {Kind: llm.EventPartStop, Part: 2},
			},
			kinds: []llm.PartKind{llm.PartText, llm.PartToolCall},
		},
		{
			name: "cut in text, tools only follow",
			sent: []llm.Event{{Kind: llm.EventPartStart, PartKind: llm.PartText}, {Kind: llm.EventDelta, Text: "a"}},
			leg: []llm.Event{
				{Kind: llm.EventPartStart, PartKind: llm.PartToolCall, Name: "f"}, {Kind: llm.EventDelta, Text: "{}"}, {Kind: llm.EventPartStop},
			},
			kinds: []llm.PartKind{llm.PartText, llm.PartToolCall},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			sent := &llm.Accumulator{}
			for i := range c.sent {
				sent.Add(&c.sent[i])
			}
			s := &splice{sent: sent, hasText: sent.Text(0) != ""}
			join(sent, s, append(c.leg, llm.Event{Kind: llm.EventFinish, Finish: llm.FinishStop}))
			parts := sent.Choices[0].Parts
			if len(parts) != len(c.kinds) {
				t.Fatalf("%d parts, want %d: %+v", len(parts), len(c.kinds), parts)
			}
			for i := range parts {
				if parts[i].Kind != c.kinds[i] || !parts[i].Stopped {
					t.Errorf("part %d: kind %d stopped %v", i, parts[i].Kind, parts[i].Stopped)
				}
			}
		})
	}
}
