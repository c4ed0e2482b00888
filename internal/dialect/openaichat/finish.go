package openaichat

import (
	"freehold/internal/fault"
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
)

// finishOf reads a finish reason. failed: the provider says that the answer
// broke off, so it is none.
func finishOf(v jsondoor.Value) (reason llm.FinishReason, failed bool) {
	if v.Size() == 0 {
		return "", false
	}
	switch s := v.Text(); s {
	case "stop", "eos", "eos_token", "end_turn":
		return llm.FinishStop, false
	case "stop_sequence": // TGI
		return llm.FinishStopSequence, false
	case "length", "max_tokens":
		return llm.FinishLength, false
	case "model_length": // Mistral
		return llm.FinishContext, false
	case "tool_calls", "function_call", "tool_use":
		return llm.FinishToolCalls, false
	case "content_filter", "safety", "recitation":
		return llm.FinishContentFilter, false
	case "refusal":
		return llm.FinishRefusal, false
	case "error", "abort", "aborted", "insufficient_system_resource": // Mistral, vLLM, SGLang, DeepSeek
		return "", true
	}
	return llm.FinishStop, false
}

// finishWord is a finish reason as an OpenAI client knows it.
func finishWord(f llm.FinishReason) string {
	switch f {
	case llm.FinishLength, llm.FinishContext:
		return "length"
	case llm.FinishToolCalls:
		return "tool_calls"
	case llm.FinishContentFilter, llm.FinishRefusal:
		return "content_filter"
	}
	return "stop"
}

func brokeOff(v jsondoor.Value) *fault.Error {
	return fault.New(fault.StreamError, "the provider ended its answer with finish_reason %q", v.Text())
}

// maxCount bounds a believable count of tokens.
const maxCount = 1_000_000_000

// usageOf reads usage. Reported is false for none, and for one that cannot be
// true: a count that is no integer in 0..[maxCount], or parts of the input that
// exceed it. Such usage would be billed; it is estimated instead.
func usageOf(v jsondoor.Value) llm.Usage {
	if v.Kind() != jsondoor.Object {
		return llm.Usage{}
	}
	u, believable := llm.Usage{Reported: true}, true
	count := func(v jsondoor.Value) int64 {
		if !v.Present() {
			return 0
		}
		n, ok := v.Int()
		believable = believable && ok && n >= 0 && n <= maxCount
		return n
	}
	for m := v.First(); m.Exists(); m = m.Next() {
		switch string(m.RawName()) {
		case "prompt_tokens":
			u.Input = count(m)
		case "completion_tokens":
			u.Output = count(m)
		case "prompt_cache_hit_tokens":
			u.CachedInput = max(u.CachedInput, count(m))
		case "prompt_tokens_details":
			u.CachedInput = max(u.CachedInput, count(m.Get("cached_tokens")))
			u.CacheWrite = count(m.Get("cache_creation_tokens"))
		case "completion_tokens_details":
			u.Reasoning = count(m.Get("reasoning_tokens"))
		}
	}
	if !believable || u.CachedInput+u.CacheWrite > u.Input {
		return llm.Usage{}
	}
	return u
}

func writeUsage(w *jsondoor.Writer, u llm.Usage, op llm.Operation) {
	w.Object().Key("prompt_tokens").Int(u.Input)
	if op != llm.Embedding {
		w.Key("completion_tokens").Int(u.Output)
	}
	w.Key("total_tokens").Int(u.Input + u.Output)
	if op == llm.Chat {
		w.Key("prompt_tokens_details").Object().Key("cached_tokens").Int(u.CachedInput)
		if u.CacheWrite > 0 {
			w.Key("cache_creation_tokens").Int(u.CacheWrite)
		}
		w.EndObject().Key("completion_tokens_details").Object().Key("reasoning_tokens").Int(u.Reasoning).EndObject()
	}
	w.EndObject()
}
