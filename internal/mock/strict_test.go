package mock_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"freehold/internal/mock"
)

// TestRefusals sends what real providers refuse.
func TestRefusals(t *testing.T) {
	const chat, messages, completions, embeddings = "/v1/chat/completions", "/v1/messages", "/v1/completions", "/v1/embeddings"
	user := `{"role":"user","content":"hi"}`
	tool := `{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}`
	calls := `{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}]}`
	use := `{"role":"assistant","content":[{"type":"tool_use","id":"u1","name":"f","input":{}}]}`
	result := `{"type":"tool_result","tool_use_id":"u1","content":"x"}`
	tests := []struct {
		name, path, body string
		says             string // in the message
		param            string // OpenAI's param
		profile          mock.Profile
		status           int // 400 if 0
	}{
		{name: "unknown", path: chat, body: `{"model":"m","messages":[` + user + `],"top_k":3}`, says: "Unknown parameter: 'top_k'.", param: "top_k"},
		{name: "unknown in a message", path: chat, body: `{"model":"m","messages":[{"role":"user","content":"hi","cache_control":{}}]}`, says: "Unknown parameter", param: "messages[0].cache_control"},
		{name: "case", path: chat, body: `{"model":"m","Messages":[` + user + `]}`, says: "Unknown parameter: 'Messages'."},
		{name: "no messages", path: chat, body: `{"model":"m"}`, says: "Missing required parameter: 'messages'.", param: "messages"},
		{name: "no model", path: chat, body: `{"messages":[` + user + `]}`, says: "Missing required parameter: 'model'.", param: "model"},
		{name: "empty messages", path: chat, body: `{"model":"m","messages":[]}`, says: "empty array", param: "messages"},
		{name: "type", path: chat, body: `{"model":"m","messages":[` + user + `],"temperature":"hot"}`, says: "expected a number, but got a string", param: "temperature"},
		{name: "range", path: chat, body: `{"model":"m","messages":[` + user + `],"temperature":2.5}`, says: "<= 2", param: "temperature"},
		{name: "integer", path: chat, body: `{"model":"m","messages":[` + user + `],"n":1.5}`, says: "expected an integer, but got a decimal", param: "n"},
		{name: "duplicate", path: chat, body: `{"model":"m","model":"n","messages":[` + user + `]}`, says: "could not parse"},
		{name: "nested duplicate", path: chat, body: `{"model":"m","messages":[{"role":"user","role":"user","content":"x"}]}`, says: "could not parse"},
		{name: "bad UTF-8", path: chat, body: "{\"model\":\"m\xff\"}", says: "could not parse"},
		{name: "truncated", path: chat, body: `{"model":"m"`, says: "could not parse"},
		{name: "trailing", path: chat, body: `{"model":"m"} {}`, says: "could not parse"},
		{name: "not an object", path: chat, body: `[]`, says: "could not parse"},
		{name: "stream_options", path: chat, body: `{"model":"m","messages":[` + user + `],"stream_options":{"include_usage":true}}`, says: "only allowed when 'stream'", param: "stream_options"},
		{name: "o-series max_tokens", path: chat, body: `{"model":"o3-mini","messages":[` + user + `],"max_tokens":5}`, says: "Use 'max_completion_tokens' instead", param: "max_tokens"},
		{name: "o-series temperature", path: chat, body: `{"model":"gpt-5","messages":[` + user + `],"temperature":0.5}`, says: "Only the default (1)", param: "temperature"},
		{name: "both limits", path: chat, body: `{"model":"m","messages":[` + user + `],"max_tokens":5,"max_completion_tokens":5}`, says: "at the same time"},
		{name: "tool_choice alone", path: chat, body: `{"model":"m","messages":[` + user + `],"tool_choice":"auto"}`, says: "only allowed when 'tools'"},
		{name: "empty tools", path: chat, body: `{"model":"m","messages":[` + user + `],"tools":[]}`, says: "empty array"},
		{name: "unknown forced tool", path: chat, body: `{"model":"m","messages":[` + user + `],"tools":[` + tool + `],"tool_choice":{"type":"function","function":{"name":"g"}}}`, says: "no function named 'g'"},
		{name: "schema without type", path: chat, body: `{"model":"m","messages":[` + user + `],"tools":[{"type":"function","function":{"name":"f","parameters":{"properties":{}}}}]}`, says: `got 'type: "None"'`},
		{name: "tool name", path: chat, body: `{"model":"m","messages":[` + user + `],"tools":[{"type":"function","function":{"name":"f g"}}]}`, says: "does not match pattern"},
		{name: "orphan tool message", path: chat, body: `{"model":"m","messages":[` + user + `,{"role":"tool","tool_call_id":"c9","content":"x"}]}`, says: "must be a response to a preceeding message"},
		{name: "calls without results", path: chat, body: `{"model":"m","messages":[` + user + `,` + calls + `,` + user + `]}`, says: "did not have response messages: c1"},
		{name: "calls at the end", path: chat, body: `{"model":"m","messages":[` + user + `,` + calls + `]}`, says: "did not have response messages: c1"},
		{name: "null content", path: chat, body: `{"model":"m","messages":[{"role":"assistant","content":null}]}`, says: "got null"},
		{name: "image", path: chat, body: `{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,@@"}}]}]}`, says: "base64"},
		{name: "image in a system message", path: chat, body: `{"model":"m","messages":[{"role":"system","content":[{"type":"image_url","image_url":{"url":"https://x/y.png"}}]}]}`, says: "Supported values are: 'text'"},
		{name: "json_object without the word", path: chat, body: `{"model":"m","messages":[` + user + `],"response_format":{"type":"json_object"}}`, says: "must contain the word 'json'"},
		{name: "strict schema", path: chat, body: `{"model":"m","messages":[` + user + `],"response_format":{"type":"json_schema","json_schema":{"name":"x","strict":true,"schema":{"type":"object","properties":{"a":{"type":"object"}},"required":["a"],"additionalProperties":false}}}}`, says: "In context=('properties', 'a'), 'additionalProperties'"},
		{name: "stop", path: chat, body: `{"model":"m","messages":[` + user + `],"stop":["a","b","c","d","e"]}`, says: "too long"},
		{name: "top_logprobs", path: chat, body: `{"model":"m","messages":[` + user + `],"top_logprobs":3}`, says: "only allowed when 'logprobs'"},
		{name: "role", path: chat, body: `{"model":"m","messages":[{"role":"robot","content":"x"}]}`, says: "Invalid value: 'robot'"},
		{name: "mistral seed", path: chat, body: `{"model":"m","messages":[` + user + `],"seed":1}`, says: "seed", profile: mock.Mistral, status: 422},
		{name: "mistral developer", path: chat, body: `{"model":"m","messages":[{"role":"developer","content":"x"}]}`, says: "developer", profile: mock.Mistral},
		{name: "mistral assistant last", path: chat, body: `{"model":"m","messages":[` + user + `,{"role":"assistant","content":"x"}]}`, says: "Assistant with prefix True", profile: mock.Mistral},
		{name: "vllm continue", path: chat, body: `{"model":"m","messages":[` + user + `,{"role":"assistant","content":"x"}],"continue_final_message":true}`, says: "add_generation_prompt", profile: mock.VLLM},
		{name: "ollama image address", path: chat, body: `{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x/y.png"}}]}]}`, says: "invalid image", profile: mock.Ollama},
		{name: "ollama tool_choice", path: chat, body: `{"model":"m","messages":[` + user + `],"tools":[` + tool + `],"tool_choice":"auto"}`, says: "tool_choice", profile: mock.Ollama},
		{name: "azure without a version", path: "/openai/deployments/d/chat/completions", body: `{"messages":[` + user + `]}`, says: "not found", profile: mock.Azure, status: 404},
		{name: "wrong house", path: messages, body: `{}`, says: "Invalid URL", profile: mock.OpenAI, status: 404},
		{name: "unknown path", path: "/v1/responses", body: `{}`, says: "Invalid URL (POST /v1/responses)", status: 404},
		{name: "prompt", path: completions, body: `{"model":"m"}`, says: "'prompt'"},
		{name: "best_of", path: completions, body: `{"model":"m","prompt":"x","n":3,"best_of":2}`, says: "best_of"},
		{name: "empty input", path: embeddings, body: `{"model":"m","input":""}`, says: "'input'"},
		{name: "dimensions", path: embeddings, body: `{"model":"text-embedding-ada-002","input":"x","dimensions":5}`, says: "does not support specifying dimensions"},
		{name: "directive", path: chat, body: `{"model":"m","messages":[{"role":"user","content":"mock: jump"}]}`, says: `"mock: jump"`},

		{name: "no max_tokens", path: messages, body: `{"model":"m","messages":[` + user + `]}`, says: "max_tokens: Field required"},
		{name: "unknown", path: messages, body: `{"model":"m","max_tokens":9,"messages":[` + user + `],"n":2}`, says: "n: Extra inputs are not permitted"},
		{name: "type", path: messages, body: `{"model":"m","max_tokens":"9","messages":[` + user + `]}`, says: "max_tokens: Input should be a valid integer"},
		{name: "temperature", path: messages, body: `{"model":"m","max_tokens":9,"temperature":1.5,"messages":[` + user + `]}`, says: "temperature: Input should be less than or equal to 1"},
		{name: "prefill with white space", path: messages, body: `{"model":"m","max_tokens":9,"messages":[` + user + `,{"role":"assistant","content":"x "}]}`, says: "final assistant content cannot end with trailing whitespace"},
		{name: "prefill of a new model", path: messages, body: `{"model":"claude-opus-4-6","max_tokens":9,"messages":[` + user + `,{"role":"assistant","content":"x"}]}`, says: "does not support assistant message prefill"},
		{name: "stop", path: messages, body: `{"model":"m","max_tokens":9,"stop_sequences":[" \n"],"messages":[` + user + `]}`, says: "must contain non-whitespace"},
		{name: "schema without type", path: messages, body: `{"model":"m","max_tokens":9,"messages":[` + user + `],"tools":[{"name":"f","input_schema":{}}]}`, says: "input_schema.type: Field required"},
		{name: "schema of another type", path: messages, body: `{"model":"m","max_tokens":9,"messages":[` + user + `],"tools":[{"name":"f","input_schema":{"type":"array"}}]}`, says: "Input should be 'object'"},
		{name: "orphan result", path: messages, body: `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[` + result + `]}]}`, says: "unexpected `tool_use_id`"},
		{name: "use without result", path: messages, body: `{"model":"m","max_tokens":9,"messages":[` + user + `,` + use + `,` + user + `]}`, says: "were found without `tool_result` blocks"},
		{name: "result after text", path: messages, body: `{"model":"m","max_tokens":9,"messages":[` + user + `,` + use + `,{"role":"user","content":[{"type":"text","text":"x"},` + result + `]}]}`, says: "were found without `tool_result` blocks"},
		{name: "assistant first", path: messages, body: `{"model":"m","max_tokens":9,"messages":[{"role":"assistant","content":"x"},` + user + `]}`, says: "first message must use the"},
		{name: "empty text", path: messages, body: `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":""}]}]}`, says: "text content blocks must be non-empty"},
		{name: "empty content", path: messages, body: `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":""}]}`, says: "non-empty content"},
		{name: "small budget", path: messages, body: `{"model":"m","max_tokens":9,"thinking":{"type":"enabled","budget_tokens":9},"messages":[` + user + `]}`, says: "greater than or equal to 1024"},
		{name: "budget above the limit", path: messages, body: `{"model":"m","max_tokens":1024,"thinking":{"type":"enabled","budget_tokens":1024},"messages":[` + user + `]}`, says: "`max_tokens` must be greater"},
		{name: "thinking and temperature", path: messages, body: `{"model":"m","max_tokens":2000,"temperature":0,"thinking":{"type":"enabled","budget_tokens":1024},"messages":[` + user + `]}`, says: "may only be set to 1"},
		{name: "thinking and forced tool", path: messages, body: `{"model":"m","max_tokens":2000,"tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":{"type":"any"},"thinking":{"type":"enabled","budget_tokens":1024},"messages":[` + user + `]}`, says: "forces tool use"},
		{name: "thinking and prefill", path: messages, body: `{"model":"m","max_tokens":2000,"thinking":{"type":"enabled","budget_tokens":1024},"messages":[` + user + `,{"role":"assistant","content":"x"}]}`, says: "Expected `thinking`"},
		{name: "adaptive only", path: messages, body: `{"model":"claude-opus-4-7","max_tokens":2000,"thinking":{"type":"enabled","budget_tokens":1024},"messages":[` + user + `]}`, says: "is not supported for this model"},
		{name: "not adaptive", path: messages, body: `{"model":"claude-3-7-sonnet-20250219","max_tokens":2000,"thinking":{"type":"adaptive"},"messages":[` + user + `]}`, says: "adaptive thinking is not supported"},
		{name: "newest and temperature", path: messages, body: `{"model":"claude-opus-4-7","max_tokens":2000,"temperature":0.2,"messages":[` + user + `]}`, says: "`temperature` is deprecated"},
		{name: "foreign thinking", path: messages, body: `{"model":"m","max_tokens":2000,"messages":[` + user + `,{"role":"assistant","content":[{"type":"thinking","thinking":"x","signature":"y"},{"type":"text","text":"x"}]},` + user + `]}`, says: "messages.1.content.0: Invalid `signature`"},
		{name: "system role", path: messages, body: `{"model":"claude-3-5-sonnet-20241022","max_tokens":9,"messages":[` + user + `,{"role":"system","content":"x"}]}`, says: `Unexpected role "system"`},
		{name: "tool_choice alone", path: messages, body: `{"model":"m","max_tokens":9,"tool_choice":{"type":"auto"},"messages":[` + user + `]}`, says: "only be specified while providing tools"},
		{name: "max_tokens to count", path: messages + "/count_tokens", body: `{"model":"m","max_tokens":9,"messages":[` + user + `]}`, says: "max_tokens: Extra inputs are not permitted"},
		{name: "duplicate", path: messages, body: `{"model":"m","model":"n"}`, says: "not valid JSON"},
	}
	for _, tt := range tests {
		t.Run(strings.TrimPrefix(tt.path, "/v1/")+"/"+tt.name, func(t *testing.T) {
			s := mock.New(mock.Options{Profile: tt.profile})
			r := httptest.NewRequest("POST", tt.path, strings.NewReader(tt.body))
			r.Header.Set("Content-Type", "application/json")
			isAnthropic := strings.HasPrefix(tt.path, messages)
			if isAnthropic {
				r.Header.Set("Anthropic-Version", "2023-06-01")
			}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			want := tt.status
			if want == 0 {
				want = 400
			}
			var e struct {
				Type  string
				Error *struct {
					Message, Type string
					Param, Code   *string
				}
			}
			if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || e.Error == nil {
				t.Fatalf("%d %s: %v", w.Code, w.Body, err)
			}
			if w.Code != want || !strings.Contains(e.Error.Message, tt.says) || e.Error.Type == "" {
				t.Errorf("%d %s\nwant %d with %q", w.Code, w.Body, want, tt.says)
			}
			if tt.param != "" && (e.Error.Param == nil || *e.Error.Param != tt.param) {
				t.Errorf("param %v, want %s: %s", e.Error.Param, tt.param, w.Body)
			}
			if isAnthropic && tt.profile == "" && e.Type != "error" {
				t.Errorf("envelope %s", w.Body)
			}
			if s.Stats().Refused != 1 || s.Requests()[0].Problem == "" {
				t.Errorf("not counted: %+v", s.Stats())
			}
		})
	}
}

func TestHeadersDemanded(t *testing.T) {
	ask := object{"model": "m", "messages": []object{message("user", "hi")}}
	claude := object{"model": "m", "max_tokens": 9, "messages": []object{message("user", "hi")}}
	tests := []struct {
		name, path string
		body       object
		profile    mock.Profile
		headers    []string
		status     int
		says       string
	}{
		{"no key", "/v1/chat/completions", ask, "", nil, 401, `"type":"invalid_request_error"`},
		{"wrong key", "/v1/chat/completions", ask, "", []string{"Authorization", "Bearer no"}, 401, `"code":"invalid_api_key"`},
		{"wrong header", "/v1/chat/completions", ask, "", []string{"X-Api-Key", "right"}, 401, "Authorization"},
		{"right", "/v1/chat/completions", ask, "", []string{"Authorization", "Bearer right"}, 200, ""},
		{"azure", "/openai/deployments/d/chat/completions?api-version=2024-10-21", object{"messages": ask["messages"]}, mock.Azure, []string{"Api-Key", "right"}, 200, `"model":"d"`},
		{"anthropic without key", "/v1/messages", claude, "", nil, 401, `"type":"authentication_error"`},
		{"anthropic wrong key", "/v1/messages", claude, "", []string{"X-Api-Key", "no"}, 401, "invalid x-api-key"},
		{"anthropic right", "/v1/messages", claude, "", []string{"X-Api-Key", "right"}, 200, `"stop_reason"`},
		{"anthropic token", "/v1/messages", claude, "", []string{"Authorization", "Bearer right"}, 200, ""},
		{"no version", "/v1/messages", claude, "", []string{"X-Api-Key", "right", "Anthropic-Version", ""}, 400, "anthropic-version: header is required"},
		{"newest version", "/v1/messages", claude, "", []string{"X-Api-Key", "right", "Anthropic-Version", "2026-10-21"}, 200, `"stop_reason"`},
		{"malformed version", "/v1/messages", claude, "", []string{"X-Api-Key", "right", "Anthropic-Version", "2023-6-1"}, 400, "is not a valid version"},
		{"unknown version", "/v1/messages", claude, "", []string{"X-Api-Key", "right", "Anthropic-Version", "2024-02-30"}, 400, "is not a valid version"},
		{"content type", "/v1/chat/completions", ask, "", []string{"Authorization", "Bearer right", "Content-Type", "text/plain"}, 415, "Content-Type"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mock.New(mock.Options{Keys: []string{"right"}, Profile: tt.profile})
			w := post(s, tt.path, tt.body, tt.headers...)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.says) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			id := w.Header().Get("Request-Id") + w.Header().Get("X-Request-Id")
			limit := w.Header().Get("Anthropic-Ratelimit-Requests-Limit") + w.Header().Get("X-Ratelimit-Limit-Requests")
			if !strings.HasPrefix(id, "req_") || limit == "" {
				t.Errorf("headers %v", w.Header())
			}
		})
	}
}

// TestLenient: what the others know, their profile accepts.
func TestLenient(t *testing.T) {
	ask := object{"model": "m", "messages": []object{message("user", "hi")}, "top_k": 5, "min_p": 0.1}
	for profile, want := range map[mock.Profile]int{mock.VLLM: 200, mock.LlamaCpp: 200, mock.OpenAI: 400, mock.Ollama: 400} {
		if w := post(mock.New(mock.Options{Profile: profile}), "/v1/chat/completions", ask); w.Code != want {
			t.Errorf("%s: %d %s", profile, w.Code, w.Body)
		}
	}
	if w := post(mock.New(mock.Options{Profile: mock.Ollama, Lenient: []string{"top_k", "min_p"}}), "/v1/chat/completions", ask); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	beta := object{"model": "m", "max_tokens": 9, "messages": []object{message("user", "hi")}, "context_management": object{}}
	if w := post(mock.New(mock.Options{}), "/v1/messages", beta); w.Code != 400 {
		t.Errorf("without beta: %d", w.Code)
	}
	if w := post(mock.New(mock.Options{}), "/v1/messages", beta, "Anthropic-Beta", "context-management-2025-06-27"); w.Code != 200 {
		t.Errorf("with beta: %d %s", w.Code, w.Body)
	}
}
