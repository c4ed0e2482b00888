package dialect_test

import (
	"testing"

	"freehold/internal/dialect"
	"freehold/internal/llm"
	"freehold/internal/sse"
)

// scripted is a decoder whose events are given.
type scripted struct{ events []llm.Event }

func (s scripted) Decode(dst []llm.Event, _ *sse.Event) ([]llm.Event, error) {
	return append(dst, s.events...), nil
}

func (s scripted) End(dst []llm.Event) ([]llm.Event, error) { return dst, nil }

func TestSumUsage(t *testing.T) {
	usage := func(in, cached, out int64) llm.Event {
		return llm.Event{Kind: llm.EventUsage, Meta: &llm.Meta{Usage: llm.Usage{Input: in, CachedInput: cached, Output: out, Reported: true}}}
	}
	finish := func(choice int) llm.Event {
		return llm.Event{Kind: llm.EventFinish, Choice: choice, Finish: llm.FinishStop}
	}
	for name, c := range map[string]struct {
		n      int
		events []llm.Event
		want   llm.Usage
	}{
		"one choice":                {0, []llm.Event{finish(0), usage(33, 32, 8)}, llm.Usage{Input: 33, CachedInput: 32, Output: 8, Reported: true}},
		"two of one prompt":         {2, []llm.Event{finish(1), usage(33, 24, 5), finish(0), usage(33, 24, 8)}, llm.Usage{Input: 33, CachedInput: 24, Output: 13, Reported: true}},
		"two prompts":               {1, []llm.Event{finish(1), usage(2, 1, 3), finish(0), usage(3, 2, 3)}, llm.Usage{Input: 5, CachedInput: 3, Output: 6, Reported: true}},
		"two prompts, two of each":  {2, []llm.Event{finish(1), usage(3, 2, 2), finish(0), usage(3, 2, 2), finish(2), usage(5, 0, 2), finish(3), usage(5, 0, 1)}, llm.Usage{Input: 8, CachedInput: 2, Output: 7, Reported: true}},
		"one count for all, at end": {2, []llm.Event{finish(0), finish(1), usage(33, 0, 16)}, llm.Usage{Input: 33, Output: 16, Reported: true}},
		"a count that grows":        {1, []llm.Event{usage(33, 0, 1), usage(33, 0, 2), finish(0), usage(33, 0, 2)}, llm.Usage{Input: 33, Output: 2, Reported: true}},
		"one that cannot be true":   {2, []llm.Event{finish(0), usage(33, 0, 5), finish(1), {Kind: llm.EventUsage}}, llm.Usage{Input: 33, Output: 5}},
	} {
		events, err := dialect.SumUsage(scripted{c.events}, c.n).Decode(nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := events[len(events)-1].Usage(); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
