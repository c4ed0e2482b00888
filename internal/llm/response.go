package llm

import "encoding/json"

// FinishReason says why an answer ended.
type FinishReason string

// Finish reasons, a superset of what the dialects know.
const (
	FinishStop          FinishReason = "stop"
	FinishStopSequence  FinishReason = "stop_sequence" // one of Request.Stop; StopSequence says which
	FinishLength        FinishReason = "length"        // max_tokens reached
	FinishContext       FinishReason = "context"       // the context window was full
	FinishToolCalls     FinishReason = "tool_calls"
	FinishContentFilter FinishReason = "content_filter"
	FinishRefusal       FinishReason = "refusal"
	FinishPause         FinishReason = "pause" // Anthropic pause_turn: a server-side tool needs another round
)

// Usage counts tokens in one meaning for every dialect: Input counts all
// prompt tokens, CachedInput and CacheWrite are parts of Input, Reasoning is a
// part of Output. Codecs convert (OpenAI reports cached tokens inside
// prompt_tokens, Anthropic beside input_tokens).
type Usage struct {
	Input, Output                      int64
	CachedInput, CacheWrite, Reasoning int64
	// Reported is true when the provider gave the counts.
	Reported bool
}

// Choice is one of an answer's n alternatives.
type Choice struct {
	Index        int
	Parts        []Part
	Finish       FinishReason // empty: the answer is not complete
	StopSequence string
	Logprobs     json.RawMessage
}

// Response is a whole answer.
type Response struct {
	ID      string
	Model   string
	Created int64 // Unix seconds; 0: not given
	Choices []Choice
	Usage   Usage
	// Embeddings are the vectors of an Embedding answer, in input order.
	Embeddings []Vector
	// InputTokens answers CountTokens.
	InputTokens       int64
	SystemFingerprint string
	ServiceTier       string
	// Extra holds members the canonical model does not know, for the same dialect.
	Extra []Field
}

// Summary is what the gateway must know of an answer that it passes on as
// bytes: enough to judge, meter and price it.
type Summary struct {
	ID      string
	Model   string
	Usage   Usage
	Finish  FinishReason // of the first choice
	Choices int
	// Complete is true when every choice ended with a finish reason.
	Complete bool
	// Content is true when any choice carries text, a refusal, thinking or a tool call.
	Content bool
	// Refused is true when the first choice says its refusal in a place of its own.
	Refused bool
}
