package anthropic

import (
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
)

// tokens are an answer's counts in the API's own meaning: input without what
// came from or went to the cache.
type tokens struct {
	input, cacheRead, cacheWrite, output, thinking int64
	reported                                       bool
	wrong                                          bool // a count was no integer in 0..maxCount
}

// maxCount bounds a believable count of tokens.
const maxCount = 1_000_000_000

// update takes over the counts of a usage object. Counts of a stream are
// cumulative, so they never shrink: a later object that leaves one out, or
// says 0 because its sender does not know, changes nothing.
func (t *tokens) update(v jsondoor.Value) {
	if v.Kind() != jsondoor.Object {
		return
	}
	t.reported = true
	for m := v.First(); m.Exists(); m = m.Next() {
		var to *int64
		switch {
		case m.Named("input_tokens"):
			to = &t.input
		case m.Named("output_tokens"):
			to = &t.output
		case m.Named("cache_read_input_tokens"):
			to = &t.cacheRead
		case m.Named("cache_creation_input_tokens"):
			to = &t.cacheWrite
		case m.Named("output_tokens_details"):
			m, to = m.Get("thinking_tokens"), &t.thinking
		default:
			continue
		}
		if !m.Present() {
			continue
		}
		n, ok := m.Int()
		if !ok || n < 0 || n > maxCount {
			t.wrong = true
			continue
		}
		*to = max(*to, n)
	}
}

// usage returns the counts in the canonical meaning. Those of which one cannot
// be true count as not reported: they would be billed, and are estimated instead.
func (t *tokens) usage() llm.Usage {
	if t.wrong {
		return llm.Usage{}
	}
	return llm.Usage{
		Input: t.input + t.cacheRead + t.cacheWrite, CachedInput: t.cacheRead, CacheWrite: t.cacheWrite,
		Output: t.output, Reasoning: t.thinking, Reported: t.reported,
	}
}

// writeUsage writes a usage object, with the service tier if it is one the API
// knows. With late set, input counts are written
// only when they are known: SDKs take those of message_delta over the ones of
// message_start, so a 0 would erase them.
func writeUsage(w *jsondoor.Writer, u llm.Usage, tier string, late bool) {
	w.Object()
	if !late || u.Input > 0 {
		w.Key("input_tokens").Int(max(0, u.Input-u.CachedInput-u.CacheWrite))
		w.Key("cache_creation_input_tokens").Int(u.CacheWrite)
		w.Key("cache_read_input_tokens").Int(u.CachedInput)
	}
	w.Key("output_tokens").Int(u.Output)
	if u.Reasoning > 0 {
		w.Key("output_tokens_details").Object().Key("thinking_tokens").Int(u.Reasoning).EndObject()
	}
	switch tier {
	case "default":
		tier = "standard" // OpenAI's word for it
		fallthrough
	case "standard", "priority", "batch":
		w.Key("service_tier").String(tier)
	}
	w.EndObject()
}

// finishOf reads a stop_reason. A reason this codec does not know is a stop.
func finishOf(v jsondoor.Value) llm.FinishReason {
	switch string(v.Bytes()) {
	case "":
		return ""
	case "max_tokens":
		return llm.FinishLength
	case "stop_sequence":
		return llm.FinishStopSequence
	case "tool_use":
		return llm.FinishToolCalls
	case "pause_turn":
		return llm.FinishPause
	case "refusal":
		return llm.FinishRefusal
	case "model_context_window_exceeded":
		return llm.FinishContext
	}
	return llm.FinishStop
}

// stopReason words a finish. tools tells whether the answer calls a tool:
// servers of other dialects end such answers with "stop" now and then, and
// Anthropic clients run tools on tool_use only. refused tells whether it holds
// a refusal: OpenAI ends those with "stop" and sets them apart from other text,
// which only the stop reason can do here.
func stopReason(f llm.FinishReason, tools, refused bool) string {
	switch f {
	case llm.FinishLength:
		return "max_tokens"
	case llm.FinishStopSequence:
		return "stop_sequence"
	case llm.FinishToolCalls:
		return "tool_use"
	case llm.FinishPause:
		return "pause_turn"
	case llm.FinishRefusal, llm.FinishContentFilter:
		return "refusal"
	case llm.FinishContext:
		return "model_context_window_exceeded"
	}
	switch {
	case tools:
		return "tool_use"
	case refused:
		return "refusal"
	}
	return "end_turn"
}
