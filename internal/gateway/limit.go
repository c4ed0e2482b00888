package gateway

import (
	"strings"

	"freehold/internal/llm"
	"freehold/internal/meter"
)

// spend takes what the client was shown of a cut leg off its token limit, and
// reports whether nothing is left of it.
func (x *exchange) spend(l *leg) bool {
	limit := x.body.Facts.MaxTokens
	if limit <= 0 {
		return false
	}
	text := x.shownSince(x.counted)
	x.counted += len(text)
	x.spent += l.shownTokens(text, x.g.Estimator)
	return x.spent >= limit
}

// shownSince is what the client was shown of its answer, thinking included,
// after the first n bytes of it.
func (x *exchange) shownSince(n int) string {
	var b strings.Builder
	for i := range x.sent.Choices[0].Parts {
		p := &x.sent.Choices[0].Parts[i]
		if n < p.Len() {
			b.WriteString(p.Body()[n:])
		}
		n = max(0, n-p.Len())
	}
	return b.String()
}

// shownTokens counts the tokens of text, which the client was shown of the leg:
// as the provider counted them; without that, at least one for each piece, or
// what our vocabulary makes of them. What was held back and is lost does not
// count.
func (l *leg) shownTokens(text string, e *meter.Estimator) int64 {
	estimate := max(l.shown, e.Text(text))
	switch reported := l.usage.Output; {
	case !l.usage.Reported:
		return estimate
	case len(l.gate.events) > 0:
		return min(reported, estimate)
	default:
		return reported
	}
}

// endAtLimit ends an answer that was cut when nothing was left of its limit, as
// a provider would have ended it.
func (x *exchange) endAtLimit() error {
	if x.encoder == nil {
		x.encoder = x.call.Codec.NewStreamEncoder(x.call.Op, x.view(), x.shown())
	}
	var ending []llm.Event
	parts := x.sent.Choices[0].Parts
	if n := len(parts); n > 0 && !parts[n-1].Stopped {
		ending = append(ending, llm.Event{Kind: llm.EventPartStop, Part: n - 1})
	}
	usage := x.usage
	usage.Reported = true // it is all the client will be told
	ending = append(ending, llm.Event{Kind: llm.EventFinish, Finish: llm.FinishLength}, llm.Event{Kind: llm.EventUsage, Meta: &llm.Meta{Usage: usage}})
	var tail []byte
	for i := range ending {
		var err error
		if tail, err = x.encoder.Encode(tail, &ending[i]); err != nil {
			return err
		}
		x.sent.Add(&ending[i])
	}
	x.row.Finish = string(llm.FinishLength)
	return x.conclude(x.encoder.End(tail))
}
