package dialect

import "freehold/internal/llm"

// SumUsage returns a decoder for a stream of several choices whose provider
// reports usage for each choice alone, behind its finish reason
// (Quirks.UsagePerChoice): usage events then tell the sum of what was reported
// so far. n is how many choices each prompt has; they are numbered prompt after
// prompt, and a prompt's tokens count once for all of them.
func SumUsage(d StreamDecoder, n int) StreamDecoder {
	s := &summer{n: max(n, 1)}
	return &rewritten{d, s.rewrite}
}

type summer struct {
	n    int
	last int // the choice that ended last
	of   map[int]llm.Usage
}

func (s *summer) rewrite(events []llm.Event) {
	for i := range events {
		switch e := &events[i]; e.Kind {
		case llm.EventFinish:
			s.last = e.Choice
		case llm.EventUsage:
			if s.of == nil {
				s.of = map[int]llm.Usage{}
			}
			s.of[s.last] = e.Usage()
			e.Meta = &llm.Meta{Usage: s.sum()}
		}
	}
}

// sum is not reported if the usage of one choice is not: a part is no sum.
func (s *summer) sum() llm.Usage {
	total := llm.Usage{Reported: true}
	prompts := map[int]llm.Usage{}
	for choice, u := range s.of {
		p := prompts[choice/s.n]
		p.Input, p.CachedInput, p.CacheWrite = max(p.Input, u.Input), max(p.CachedInput, u.CachedInput), max(p.CacheWrite, u.CacheWrite)
		prompts[choice/s.n] = p
		total.Output += u.Output
		total.Reasoning += u.Reasoning
		total.Reported = total.Reported && u.Reported
	}
	for _, p := range prompts {
		total.Input += p.Input
		total.CachedInput += p.CachedInput
		total.CacheWrite += p.CacheWrite
	}
	return total
}
