// Package openaichat is the codec of OpenAI's chat completions, text
// completions and embeddings, and of the many servers that speak them: Azure,
// Mistral, Groq, Together, OpenRouter, vLLM, SGLang, TGI, Ollama, llama.cpp and
// others, whose departures arrive as dialect.Quirks or are understood when
// read.
//
// Where the dialects have no common ground, this is what happens:
//
//   - Thinking is read from reasoning_content, reasoning, Mistral's thinking
//     parts and thinking_blocks, and shown to clients as reasoning_content.
//     Signatures and redacted thinking are shown as thinking_blocks
//     ([{"type":"thinking","thinking","signature"}, {"type":"redacted_thinking","data"}]),
//     which a client that sends the message back keeps, so that they survive
//     the round trip through an OpenAI client.
//   - Thinking of earlier turns goes to a provider in Quirks.ReasoningField. If
//     that is empty and the client spoke another dialect it is left out and
//     reported as "thinking": OpenAI's own models take none.
//   - cache_control of another dialect's client is left out and reported: it
//     never changes an answer. tool_result.is_error likewise.
//   - Images in tool results follow in a user message: a tool message holds
//     text only.
//   - Anthropic's thinking budget becomes a reasoning_effort: up to 2048 low,
//     up to 8192 medium, above high. Its effort max becomes the highest that
//     the model takes (xhigh from gpt-5.1-codex-max on, else high), and xhigh
//     becomes high where it is not taken; both are reported.
//   - Members that never change what an answer says are left out and reported:
//     metadata, cache_control, diagnostics, speed, betas, inference_geo
//     "global", and a context_management that only clears old tool results or
//     thinking. So are a function's defer_loading, allowed_callers,
//     input_examples and whatever else says how a tool is offered.
//   - Server-side tools, container, mcp_servers, inference_geo, a
//     context_management that compacts, and all other members of another
//     dialect are refused, or dropped and reported where the target allows it.
//   - Finish reasons without a counterpart: refusal becomes content_filter,
//     pause becomes stop, context becomes length.
//
// Message shapes are those of the OpenAI API reference (chat, completions,
// embeddings) as of 2026 and of its SDKs' types.
package openaichat

import (
	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
)

// Name is the dialect's name.
const Name = "openai"

// Codec is the dialect. The zero value is ready.
type Codec struct{}

var _ dialect.Codec = Codec{}

// Name implements dialect.Codec.
func (Codec) Name() string { return Name }

// KeepAlive implements dialect.Codec: a comment, which every client ignores.
func (Codec) KeepAlive() []byte { return []byte(": keep-alive\n\n") }

func noOperation(op llm.Operation) *fault.Error {
	return fault.New(fault.NotFound, "the OpenAI dialect has no operation %q", op)
}

// document returns the index of a body that Read made, or makes it anew.
func document(b *dialect.Body) (*jsondoor.Doc, *fault.Error) {
	if d, ok := b.Index.(*jsondoor.Doc); ok {
		return d, nil
	}
	s, f := requestSchema(b.Op)
	if f != nil {
		return nil, f
	}
	d, err := jsondoor.Parse(b.Raw, s)
	if err != nil {
		return nil, refusal(err)
	}
	b.Index = d
	return d, nil
}
