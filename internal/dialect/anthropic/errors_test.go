package anthropic_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"freehold/internal/dialect/anthropic"
	"freehold/internal/fault"
)

func TestTrap36ErrorEnvelope(t *testing.T) {
	for _, tc := range []struct {
		f      fault.Error
		status int
		typ    string
	}{
		{fault.Error{Kind: fault.BadRequest}, 400, "invalid_request_error"},
		{fault.Error{Kind: fault.Unsupported}, 400, "invalid_request_error"},
		{fault.Error{Kind: fault.ProviderRejected}, 400, "invalid_request_error"},
		{fault.Error{Kind: fault.ProviderRejected, Status: 422}, 422, "invalid_request_error"},
		{fault.Error{Kind: fault.ContentFilter}, 400, "invalid_request_error"},
		{fault.Error{Kind: fault.Unauthorized}, 401, "authentication_error"},
		{fault.Error{Kind: fault.Denied}, 403, "permission_error"},
		{fault.Error{Kind: fault.PolicyDenied, Code: "data_class_restricted"}, 403, "permission_error"},
		{fault.Error{Kind: fault.ModelNotFound}, 404, "not_found_error"},
		{fault.Error{Kind: fault.NotFound}, 404, "not_found_error"},
		{fault.Error{Kind: fault.Method}, 405, "invalid_request_error"},
		{fault.Error{Kind: fault.TooLarge}, 413, "request_too_large"},
		{fault.Error{Kind: fault.RateLimited}, 429, "rate_limit_error"},
		{fault.Error{Kind: fault.RateLimited, Code: "insufficient_quota"}, 429, "rate_limit_error"},
		{fault.Error{Kind: fault.Shed}, 429, "rate_limit_error"},
		{fault.Error{Kind: fault.ProviderLimit}, 429, "rate_limit_error"},
		{fault.Error{Kind: fault.Internal}, 500, "api_error"},
		{fault.Error{Kind: fault.Credentials}, 502, "api_error"},
		{fault.Error{Kind: fault.Malformed}, 502, "api_error"},
		{fault.Error{Kind: fault.Exhausted}, 503, "overloaded_error"},
		{fault.Error{Kind: fault.Overloaded}, 503, "overloaded_error"},
		{fault.Error{Kind: fault.EngineUnready}, 503, "overloaded_error"},
		{fault.Error{Kind: fault.Deadline}, 504, "timeout_error"},
		{fault.Error{Kind: fault.FirstTokenTime}, 504, "timeout_error"},
	} {
		tc.f.Message, tc.f.Hint = "it \"failed\"", "try later"
		status, body := anthropic.Codec{}.EncodeError(&tc.f, "0192")
		var got map[string]any
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatal(err)
		}
		want := map[string]any{"type": "error", "request_id": "0192", "error": map[string]any{
			"type": tc.typ, "message": "it \"failed\" (try later)", "code": tc.f.StableCode(),
		}}
		if diff := cmp.Diff(want, got); diff != "" || status != tc.status {
			t.Errorf("%s: status %d %s", tc.f.Kind, status, diff)
		}
	}
}

func TestTrap39PromptIsTooLong(t *testing.T) {
	for _, tc := range []struct{ name, body, message, want string }{
		{"an OpenAI provider's", `{"error":{"message":"This model's maximum context length is 8192 tokens."}}`, "This model's maximum context length is 8192 tokens.", "prompt is too long: This model's maximum context length is 8192 tokens."},
		{"no words", ``, "", "prompt is too long: context length"},
		{"Anthropic's", `{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 tokens > 8 maximum"}}`, "x", "prompt is too long: 9 tokens > 8 maximum"},
		{"Anthropic's other", "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"input length and `max_tokens` exceed context limit: 199000 + 8192 > 200000\"}}", "x", "input length and `max_tokens` exceed context limit: 199000 + 8192 > 200000"},
		{"an imitation's", `{"type":"error","error":{"type":"invalid_request_error","message":"context window full"}}`, "context window full", "prompt is too long: context window full"},
	} {
		status, body := anthropic.Codec{}.EncodeError(&fault.Error{Kind: fault.ContextLength, Message: tc.message, ProviderBody: []byte(tc.body)}, "r")
		var got struct {
			Error struct{ Type, Message, Code string }
		}
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatal(err)
		}
		if status != 400 || got.Error.Type != "invalid_request_error" || got.Error.Message != tc.want || got.Error.Code != "context_length" {
			t.Errorf("%s: %d %s", tc.name, status, body)
		}
	}
}

func TestProviderErrorOfTheSameDialectIsKept(t *testing.T) {
	body := `{"type":"error","error":{"type":"invalid_request_error","message":"tools.0: bad","details":{"x":1},"code":"theirs"},"request_id":"req_theirs","took":3}`
	f := anthropic.Codec{}.DecodeError(400, nil, []byte(body))
	_, got := anthropic.Codec{}.EncodeError(f, "ours")
	want := `{"type":"error","error":{"type":"invalid_request_error","message":"tools.0: bad","details":{"x":1},"code":"provider_rejected"},"request_id":"ours","took":3}`
	if string(got) != want {
		t.Errorf("%s", got)
	}
	// What is ours to mend is not shown as the caller's fault.
	f = anthropic.Codec{}.DecodeError(401, nil, []byte(`{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}`))
	if status, got := (anthropic.Codec{}).EncodeError(f, ""); status != 502 || strings.Contains(string(got), "authentication_error") {
		t.Errorf("%d %s", status, got)
	}
}

func TestRetryAfterIsKept(t *testing.T) {
	for _, f := range failures {
		if got := (anthropic.Codec{}).DecodeError(f.Status, f.Header, []byte(f.Body)); got.Kind != f.Kind || got.RetryAfter != f.RetryAfter ||
			!strings.Contains(got.Message, f.Says) || got.Message == "" || f.Hides != "" && strings.Contains(got.Message, f.Hides) || got.ProviderStatus != f.Status {
			t.Errorf("%s: %+v", f.Name, got)
		}
	}
}
