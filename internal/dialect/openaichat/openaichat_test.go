package openaichat_test

import (
	"net/http"
	"testing"
	"time"

	"freehold/internal/dialect/dialecttest"
	"freehold/internal/dialect/openaichat"
	"freehold/internal/fault"
	"freehold/internal/llm"
)

func fixtures(t testing.TB) dialecttest.Fixtures {
	f := dialecttest.Load(t, "testdata")
	f.Refused = refusals
	f.Failures = failures
	f.Finish = func(r llm.FinishReason) llm.FinishReason {
		switch r {
		case llm.FinishContext:
			return llm.FinishLength
		case llm.FinishStopSequence:
			return llm.FinishStop
		}
		return r
	}
	return f
}

func TestDialect(t *testing.T) { dialecttest.Run(t, openaichat.Codec{}, fixtures(t)) }

func FuzzDialect(f *testing.F) { dialecttest.Fuzz(f, openaichat.Codec{}, fixtures(f)) }

var refusals = []dialecttest.Refusal{
	{Name: "no model", Op: llm.Chat, Body: `{"messages":[{"role":"user","content":"x"}]}`, Param: "model"},
	{Name: "empty model", Op: llm.Chat, Body: `{"model":"","messages":[{"role":"user","content":"x"}]}`, Param: "model"},
	{Name: "model a number", Op: llm.Chat, Body: `{"model":1,"messages":[{"role":"user","content":"x"}]}`, Param: "model"},
	{Name: "no messages", Op: llm.Chat, Body: `{"model":"m"}`, Param: "messages"},
	{Name: "null messages", Op: llm.Chat, Body: `{"model":"m","messages":null}`, Param: "messages"},
	{Name: "messages a string", Op: llm.Chat, Body: `{"model":"m","messages":"x"}`, Param: "messages"},
	{Name: "empty messages", Op: llm.Chat, Body: `{"model":"m","messages":[]}`, Param: "messages"},
	{Name: "message a string", Op: llm.Chat, Body: `{"model":"m","messages":["x"]}`, Param: "messages[0]"},
	{Name: "no role", Op: llm.Chat, Body: `{"model":"m","messages":[{"content":"x"}]}`, Param: "messages[0].role"},
	{Name: "role a number", Op: llm.Chat, Body: `{"model":"m","messages":[{"role":1,"content":"x"}]}`, Param: "messages[0].role"},
	{Name: "unknown role", Op: llm.Chat, Body: `{"model":"m","messages":[{"role":"user","content":"x"},{"role":"robot","content":"x"}]}`, Param: "messages[1].role"},
	{Name: "no content", Op: llm.Chat, Body: `{"model":"m","messages":[{"role":"user"}]}`, Param: "messages[0].content"},
	{Name: "content a number", Op: llm.Chat, Body: `{"model":"m","messages":[{"role":"user","content":1}]}`, Param: "messages[0].content"},
	{Name: "part a string", Op: llm.Chat, Body: `{"model":"m","messages":[{"role":"user","content":["x"]}]}`, Param: "messages[0].content[0]"},
	{Name: "part without type", Op: llm.Chat, Body: `{"model":"m","messages":[{"role":"user","content":[{"text":"x"}]}]}`, Param: "messages[0].content[0].type"},
	{Name: "part without text", Op: llm.Chat, Body: `{"model":"m","messages":[{"role":"user","content":[{"type":"text"}]}]}`, Param: "messages[0].content[0].text"},
	{Name: "image without url", Op: llm.Chat, Body: `{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{}}]}]}`, Param: "messages[0].content[0].image_url.url"},
	{Name: "tool result without id", Op: llm.Chat, Body: `{"model":"m","messages":[{"role":"tool","content":"x"}]}`, Param: "messages[0].tool_call_id"},
	{Name: "call without name", Op: llm.Chat, Body: `{"model":"m","messages":[{"role":"assistant","tool_calls":[{"function":{}}]}]}`, Param: "messages[0].tool_calls[0].function.name"},
	{Name: "arguments an object", Op: llm.Chat, Body: `{"model":"m","messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":{}}}]}]}`, Param: "messages[0].tool_calls[0].function.arguments"},
	{Name: "stream a string", Op: llm.Chat, Body: `{"model":"m","messages":[{"role":"user","content":"x"}],"stream":"true"}`, Param: "stream"},
	{Name: "max_tokens a fraction", Op: llm.Chat, Body: `{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":1.5}`, Param: "max_tokens"},
	{Name: "temperature a string", Op: llm.Chat, Body: `{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":"1"}`, Param: "temperature"},
	{Name: "tools an object", Op: llm.Chat, Body: `{"model":"m","messages":[{"role":"user","content":"x"}],"tools":{}}`, Param: "tools"},
	{Name: "logprobs a number", Op: llm.Chat, Body: `{"model":"m","messages":[{"role":"user","content":"x"}],"logprobs":3}`, Param: "logprobs"},
	{Name: "case variant in a message", Op: llm.Chat, Body: `{"model":"m","messages":[{"role":"user","Content":"x","content":"y"}]}`, Param: "messages[0].*"},
	{Name: "case variant in a call", Op: llm.Chat, Body: `{"model":"m","messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","Arguments":"{}"}}]}]}`},
	{Name: "no prompt", Op: llm.Completion, Body: `{"model":"m"}`, Param: "prompt"},
	{Name: "prompt an object", Op: llm.Completion, Body: `{"model":"m","prompt":{}}`, Param: "prompt"},
	{Name: "logprobs a boolean", Op: llm.Completion, Body: `{"model":"m","prompt":"x","logprobs":true}`, Param: "logprobs"},
	{Name: "no input", Op: llm.Embedding, Body: `{"model":"m"}`, Param: "input"},
	{Name: "empty input", Op: llm.Embedding, Body: `{"model":"m","input":[]}`, Param: "input"},
	{Name: "mixed input", Op: llm.Embedding, Body: `{"model":"m","input":["a",1]}`, Param: "input"},
	{Name: "input of nulls", Op: llm.Embedding, Body: `{"model":"m","input":[null]}`, Param: "input"},
	{Name: "an array", Op: llm.Chat, Body: `[]`},
}

var failures = []dialecttest.Failure{
	{Name: "key refused", Status: 401, Kind: fault.Credentials, Body: `{"error":{"message":"Incorrect API key provided: sk-proj-abcd****wxyz.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}`, Says: "Incorrect API key", Hides: "abcd****wxyz"},
	{Name: "forbidden", Status: 403, Kind: fault.Credentials, Body: `{"error":{"message":"Country not supported","code":"unsupported_country_region_territory"}}`},
	{Name: "moderation at OpenRouter", Status: 403, Kind: fault.ContentFilter, Body: `{"error":{"code":403,"message":"Input was flagged","metadata":{"reasons":["violence"],"flagged_input":"..."}}}`},
	{Name: "payment", Status: 402, Kind: fault.Billing, Body: `{"error":{"message":"Insufficient credits","code":402}}`},
	{Name: "not this model at vLLM's proxies", Status: 403, Kind: fault.ModelMissing, Body: `{"error":{"message":"You are not allowed to sample from this model","type":"invalid_request_error","code":null}}`},
	{Name: "a key that may nothing", Status: 403, Kind: fault.Credentials, Body: `{"error":{"message":"Your API key does not have access to any model","type":"invalid_request_error","code":null}}`},
	{Name: "no model for this project", Status: 403, Kind: fault.ModelMissing, Body: `{"error":{"message":"Project 'p' does not have access to model 'gpt-4o'","type":"invalid_request_error","param":null,"code":"model_not_found"}}`},
	{Name: "no such model", Status: 404, Kind: fault.ModelMissing, Body: `{"error":{"message":"The model does not exist","code":"model_not_found"}}`},
	{Name: "no such model with 400", Status: 400, Kind: fault.ModelMissing, Body: `{"error":{"message":"x is not a valid model ID","code":400}}`},
	{Name: "rate limit", Status: 429, Kind: fault.ProviderLimit, Header: http.Header{"Retry-After": {"7"}}, RetryAfter: 7 * time.Second, Body: `{"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}}`},
	{Name: "rate limit in milliseconds", Status: 429, Kind: fault.ProviderLimit, Header: http.Header{"Retry-After-Ms": {"250"}, "Retry-After": {"1"}}, RetryAfter: 250 * time.Millisecond, Body: `{"message":"Requests rate limit exceeded"}`, Says: "Requests rate limit"},
	{Name: "quota", Status: 429, Kind: fault.Billing, Body: `{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}`},
	{Name: "invalid", Status: 400, Kind: fault.ProviderRejected, Body: `{"error":{"message":"Invalid 'temperature'","type":"invalid_request_error","param":"temperature","code":"decimal_above_max_value"}}`, Says: "temperature"},
	{Name: "unprocessable", Status: 422, Kind: fault.ProviderRejected, Body: `{"detail":[{"type":"missing","loc":["body","messages"],"msg":"Field required"}]}`, Says: "messages: Field required"},
	{Name: "unprocessable at Mistral", Status: 422, Kind: fault.ProviderRejected, Body: `{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","foo"],"msg":"Extra inputs are not permitted"}]},"type":"invalid_request_error","param":null,"code":null}`, Says: "foo: Extra inputs"},
	{Name: "too large", Status: 413, Kind: fault.ProviderRejected, Body: `{"error":{"message":"Request too large"}}`},
	{Name: "context at OpenAI", Status: 400, Kind: fault.ContextLength, Body: `{"error":{"message":"This model's maximum context length is 128000 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}`},
	{Name: "context at vLLM", Status: 400, Kind: fault.ContextLength, Body: `{"object":"error","message":"This model's maximum context length is 4096 tokens. However, you requested 5000 tokens","type":"BadRequestError","param":null,"code":400}`},
	{Name: "context at llama.cpp", Status: 400, Kind: fault.ContextLength, Body: `{"error":{"code":400,"message":"the request exceeds the available context size, try increasing it","type":"exceed_context_size_error","n_prompt_tokens":9000,"n_ctx":4096}}`},
	{Name: "context of an embedding at llama.cpp", Status: 500, Kind: fault.ContextLength, Body: `{"error":{"code":500,"message":"input (401 tokens) is too large to process. increase the physical batch size (current batch size: 256)","type":"server_error"}}`, Says: "401 tokens"},
	{Name: "image for a text model at llama.cpp", Status: 500, Kind: fault.Unsupported, Body: `{"error":{"code":500,"message":"image input is not supported - hint: if this is unexpected, you may need to provide the mmproj","type":"server_error"}}`, Says: "image input"},
	{Name: "server tool at llama.cpp", Status: 500, Kind: fault.Unsupported, Body: `{"error":{"code":500,"message":"Failed to parse tools: Unsupported tool type: {\"type\":\"web_search\"}; tools = []","type":"server_error"}}`},
	{Name: "tool without a name at llama.cpp", Status: 500, Kind: fault.ProviderRejected, Body: `{"error":{"code":500,"message":"Failed to parse tools: Missing tool function: {}; tools = []","type":"server_error"}}`},
	{Name: "call without arguments at llama.cpp", Status: 500, Kind: fault.ProviderRejected, Body: `{"error":{"code":500,"message":"Failed to parse messages: [json.exception.out_of_range.403] key 'arguments' not found","type":"server_error"}}`},
	{Name: "custom call at llama.cpp", Status: 500, Kind: fault.Unsupported, Body: `{"error":{"code":500,"message":"Failed to parse messages: Unsupported tool call type: {}","type":"server_error"}}`},
	{Name: "unknown reasoning format at llama.cpp", Status: 500, Kind: fault.ProviderRejected, Body: `{"error":{"code":500,"message":"Unknown reasoning format: zz","type":"server_error"}}`},
	{Name: "more choices than slots at llama.cpp", Status: 400, Kind: fault.Unsupported, Body: `{"error":{"code":400,"message":"Field 'n': Value must be between 1 <= value <= 2, but got 3","type":"invalid_request_error"}}`},
	{Name: "another failure at llama.cpp", Status: 500, Kind: fault.ProviderError, Body: `{"error":{"code":500,"message":"Compute error.","type":"server_error"}}`},
	{Name: "context at TGI", Status: 422, Kind: fault.ContextLength, Body: "{\"error\":\"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096\",\"error_type\":\"validation\"}"},
	{Name: "context at Mistral", Status: 400, Kind: fault.ContextLength, Body: `{"object":"error","message":"Prompt contains 40000 tokens, too large for model with 32768 maximum context","type":"invalid_request_error"}`},
	{Name: "context at Groq", Status: 400, Kind: fault.ContextLength, Body: `{"error":{"message":"Please reduce the length of the messages or completion.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}`},
	{Name: "context behind a gateway", Status: 400, Kind: fault.ContextLength, Body: `{"error":{"message":"prompt is too long: 210000 tokens > 200000 maximum"}}`},
	{Name: "filter at Azure", Status: 400, Kind: fault.ContentFilter, Body: `{"error":{"message":"The response was filtered","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{}}}}`},
	{Name: "loading at llama.cpp", Status: 503, Kind: fault.EngineUnready, Body: `{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}`},
	{Name: "overloaded", Status: 503, Kind: fault.Overloaded, Body: `{"error":{"message":"The server is overloaded"}}`},
	{Name: "a proxy's page", Status: 502, Kind: fault.ProviderError, Body: "<html><body>Bad gateway nginx</body></html>", Says: "502", Hides: "nginx"},
	{Name: "nothing", Status: 500, Kind: fault.ProviderError},
	{Name: "conflict", Status: 409, Kind: fault.ProviderError, Body: `{"error":{"message":"x"}}`},
	{Name: "Gemini's list", Status: 400, Kind: fault.ProviderRejected, Body: `[{"error":{"code":400,"message":"Request contains an invalid argument.","status":"INVALID_ARGUMENT"}}]`, Says: "invalid argument"},
	{Name: "a very long message", Status: 500, Kind: fault.ProviderError, Body: `{"error":{"message":"` + long + `"}}`},
}

var long = func() string {
	b := make([]byte, 50_000)
	for i := range b {
		b[i] = 'x'
	}
	return string(b)
}()
