package anthropic_test

import (
	"net/http"
	"testing"
	"time"

	"freehold/internal/dialect/anthropic"
	"freehold/internal/dialect/dialecttest"
	"freehold/internal/fault"
	"freehold/internal/llm"
)

func TestDialect(t *testing.T) {
	f := dialecttest.Load(t, "testdata")
	f.Refused = refused
	f.Failures = failures
	dialecttest.Run(t, anthropic.Codec{}, f)
}

// refused are bodies and the member the error names, in the API's own words.
var refused = []dialecttest.Refusal{
	{Name: "no max_tokens", Op: llm.Chat, Param: "max_tokens", Body: `{"model":"m","messages":[{"role":"user","content":"x"}]}`},
	{Name: "no model", Op: llm.Chat, Param: "model", Body: `{"max_tokens":1,"messages":[{"role":"user","content":"x"}]}`},
	{Name: "no messages", Op: llm.Chat, Param: "messages", Body: `{"model":"m","max_tokens":1}`},
	{Name: "no messages to count", Op: llm.CountTokens, Param: "messages", Body: `{"model":"m"}`},
	{Name: "empty messages", Op: llm.Chat, Param: "messages", Body: `{"model":"m","max_tokens":1,"messages":[]}`},
	{Name: "messages null", Op: llm.Chat, Param: "messages", Body: `{"model":"m","max_tokens":1,"messages":null}`},
	{Name: "model a number", Op: llm.Chat, Param: "model", Body: `{"model":1,"max_tokens":1,"messages":[{"role":"user","content":"x"}]}`},
	{Name: "max_tokens a string", Op: llm.Chat, Param: "max_tokens", Body: `{"model":"m","max_tokens":"1","messages":[{"role":"user","content":"x"}]}`},
	{Name: "max_tokens a fraction", Op: llm.Chat, Param: "max_tokens", Body: `{"model":"m","max_tokens":1.5,"messages":[{"role":"user","content":"x"}]}`},
	{Name: "max_tokens negative", Op: llm.Chat, Param: "max_tokens", Body: `{"model":"m","max_tokens":-1,"messages":[{"role":"user","content":"x"}]}`},
	{Name: "role unknown", Op: llm.Chat, Param: "messages.0.role", Body: `{"model":"m","max_tokens":1,"messages":[{"role":"tool","content":"x"}]}`},
	{Name: "role missing", Op: llm.Chat, Param: "messages.0.role", Body: `{"model":"m","max_tokens":1,"messages":[{"content":"x"}]}`},
	{Name: "content missing", Op: llm.Chat, Param: "messages.1.content", Body: `{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"x"},{"role":"user"}]}`},
	{Name: "content a number", Op: llm.Chat, Param: "messages.0.content", Body: `{"model":"m","max_tokens":1,"messages":[{"role":"user","content":7}]}`},
	{Name: "message a string", Op: llm.Chat, Param: "messages.0", Body: `{"model":"m","max_tokens":1,"messages":["x"]}`},
	{Name: "block without type", Op: llm.Chat, Param: "messages.0.content.0.type", Body: `{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"text":"x"}]}]}`},
	{Name: "text missing", Op: llm.Chat, Param: "messages.0.content.0.text", Body: `{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"text"}]}]}`},
	{Name: "image without source", Op: llm.Chat, Param: "messages.0.content.0.source", Body: `{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"image"}]}]}`},
	{Name: "tool_use without input", Op: llm.Chat, Param: "messages.0.content.0.input", Body: `{"model":"m","max_tokens":1,"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f"}]}]}`},
	{Name: "tool_result without id", Op: llm.Chat, Param: "messages.0.content.0.tool_use_id", Body: `{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"tool_result","content":"x"}]}]}`},
	{Name: "tool_result content a number", Op: llm.Chat, Param: "messages.0.content.0.content", Body: `{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":1}]}]}`},
	{Name: "system a number", Op: llm.Chat, Param: "system", Body: `{"model":"m","max_tokens":1,"system":1,"messages":[{"role":"user","content":"x"}]}`},
	{Name: "stream a string", Op: llm.Chat, Param: "stream", Body: `{"model":"m","max_tokens":1,"stream":"yes","messages":[{"role":"user","content":"x"}]}`},
	{Name: "temperature a string", Op: llm.Chat, Param: "temperature", Body: `{"model":"m","max_tokens":1,"temperature":"hot","messages":[{"role":"user","content":"x"}]}`},
	{Name: "tool without schema", Op: llm.Chat, Param: "tools.0.input_schema", Body: `{"model":"m","max_tokens":1,"tools":[{"name":"f"}],"messages":[{"role":"user","content":"x"}]}`},
	{Name: "tool_choice unknown", Op: llm.Chat, Param: "tool_choice.type", Body: `{"model":"m","max_tokens":1,"tool_choice":{"type":"required"},"messages":[{"role":"user","content":"x"}]}`},
	{Name: "stop_sequences of numbers", Op: llm.Chat, Param: "stop_sequences", Body: `{"model":"m","max_tokens":1,"stop_sequences":[1],"messages":[{"role":"user","content":"x"}]}`},
	{Name: "thinking without type", Op: llm.Chat, Param: "thinking.type", Body: `{"model":"m","max_tokens":1,"thinking":{"budget_tokens":1024},"messages":[{"role":"user","content":"x"}]}`},
	{Name: "case variant in a message", Op: llm.Chat, Body: `{"model":"m","max_tokens":1,"messages":[{"Role":"user","role":"user","content":"x"}]}`},
	{Name: "case variant in a block", Op: llm.Chat, Body: `{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"text","text":"x","Text":"y"}]}]}`},
}

func envelope(typ, msg string) string {
	return `{"type":"error","error":{"type":"` + typ + `","message":"` + msg + `"},"request_id":"req_011CSHoEeqs5C35K2UUqR7Fy"}`
}

// failures are the API's answers (trap 36, 39) and what they mean.
var failures = []dialecttest.Failure{
	{Name: "bad request", Status: 400, Body: envelope("invalid_request_error", "temperature: range: -1..1"), Kind: fault.ProviderRejected, Says: "temperature: range"},
	{Name: "prompt too long", Status: 400, Body: envelope("invalid_request_error", "prompt is too long: 210310 tokens > 200000 maximum"), Kind: fault.ContextLength, Says: "210310"},
	{Name: "limit exceeds context", Status: 400, Body: envelope("invalid_request_error", "input length and `max_tokens` exceed context limit: 199000 + 8192 > 200000, decrease input length or `max_tokens` and try again"), Kind: fault.ContextLength},
	{Name: "another server's words", Status: 400, Body: envelope("invalid_request_error", "This model's maximum context length is 8192 tokens."), Kind: fault.ContextLength},
	{Name: "filter", Status: 400, Body: envelope("invalid_request_error", "Output blocked by content filtering policy"), Kind: fault.ContentFilter},
	{Name: "no credit", Status: 400, Body: envelope("invalid_request_error", "Your credit balance is too low to access the Anthropic API."), Kind: fault.Billing},
	{Name: "key refused", Status: 401, Body: envelope("authentication_error", "invalid x-api-key"), Kind: fault.Credentials},
	{Name: "billing", Status: 402, Body: envelope("billing_error", "payment required"), Kind: fault.Billing},
	{Name: "not this model", Status: 403, Body: envelope("permission_error", "Your organization does not have access to this model: claude-x"), Kind: fault.ModelMissing},
	{Name: "forbidden", Status: 403, Body: envelope("permission_error", "no access"), Kind: fault.Credentials},
	{Name: "no such model", Status: 404, Body: envelope("not_found_error", "model: claude-9"), Kind: fault.ModelMissing},
	{Name: "timeout", Status: 408, Body: "", Kind: fault.ProviderError},
	{Name: "conflict", Status: 409, Body: "", Kind: fault.ProviderError},
	{Name: "too large", Status: 413, Body: envelope("request_too_large", "Request exceeds the maximum size"), Kind: fault.ProviderRejected},
	{Name: "rate limit, seconds", Status: 429, Header: http.Header{"Retry-After": {"12"}}, Body: envelope("rate_limit_error", "slow down"), Kind: fault.ProviderLimit, RetryAfter: 12 * time.Second},
	{Name: "rate limit, milliseconds first", Status: 429, Header: http.Header{"Retry-After": {"12"}, "Retry-After-Ms": {"250"}}, Body: "", Kind: fault.ProviderLimit, RetryAfter: 250 * time.Millisecond},
	{Name: "rate limit, date", Status: 429, Header: http.Header{"Retry-After": {"Wed, 21 Oct 2015 07:28:30 GMT"}, "Date": {"Wed, 21 Oct 2015 07:28:00 GMT"}}, Body: "", Kind: fault.ProviderLimit, RetryAfter: 30 * time.Second},
	{Name: "server error", Status: 500, Body: envelope("api_error", "Internal server error"), Kind: fault.ProviderError},
	{Name: "bad gateway in HTML", Status: 502, Body: "<html>cloud</html>", Kind: fault.ProviderError, Hides: "<html>"},
	{Name: "timeout at the provider", Status: 504, Body: envelope("timeout_error", "timed out"), Kind: fault.ProviderError},
	{Name: "overloaded", Status: 529, Body: envelope("overloaded_error", "Overloaded"), Kind: fault.Overloaded},
	{Name: "overloaded by another status", Status: 500, Body: envelope("overloaded_error", "Overloaded"), Kind: fault.Overloaded},
}
