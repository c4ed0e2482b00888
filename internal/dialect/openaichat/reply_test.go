package openaichat_test

import (
	"errors"
	"strings"
	"testing"

	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/llm"
)

// An answer of status 200 that is an error, in the shapes of many servers.
func TestErrorInAnswer(t *testing.T) {
	for body, want := range map[string]fault.Kind{
		`{"error":{"message":"boom","type":"server_error"}}`:                                    fault.StreamError,
		`{"error":{"message":"slow down","type":"rate_limit_error"}}`:                           fault.ProviderLimit,
		`{"error":{"message":"slow down","code":"rate_limit_exceeded"},"choices":[]}`:           fault.ProviderLimit,
		`{"error":{"message":"upstream died","code":502},"choices":[]}`:                         fault.StreamError,
		`{"error":{"message":"nope","code":401}}`:                                               fault.Credentials,
		`{"error":{"message":"bad key","type":"authentication_error"}}`:                         fault.Credentials,
		`{"error":{"message":"pay","code":"insufficient_quota"}}`:                               fault.Billing,
		`{"error":{"message":"x","code":"model_not_found"}}`:                                    fault.ModelMissing,
		`{"error":{"message":"bad n","type":"invalid_request_error"}}`:                          fault.ProviderRejected,
		`{"error":{"message":"This model's maximum context length is 5"}}`:                      fault.ContextLength,
		`{"error":{"message":"full","type":"overloaded_error"}}`:                                fault.Overloaded,
		`{"error":"the model failed"}`:                                                          fault.StreamError,
		`{"error":{"code":503}}`:                                                                fault.Overloaded,
		`{"object":"error","message":"out of memory","type":"InternalServerError","code":500}`:  fault.StreamError,
		`{"object":"error","message":"prompt is too long","type":"BadRequestError","code":400}`: fault.ContextLength,
		`{"detail":"Not authenticated","code":401}`:                                             fault.Credentials,
		`{"detail":[{"loc":["body","n"],"msg":"too large"}]}`:                                   fault.StreamError,
		`{"message":"Too many","code":429}`:                                                     fault.ProviderLimit,
		`[{"error":{"code":429,"message":"Quota","status":"RESOURCE_EXHAUSTED"}}]`:              fault.ProviderLimit,
		`{"type":"message","content":[]}`:                                                       fault.Malformed,
		`{"error":null}`:                                                                        fault.Malformed,
		`{"choices":{}}`:                                                                        fault.Malformed,
		`<html><body>502 Bad Gateway</body></html>`:                                             fault.Malformed,
		``:             fault.Malformed,
		`null`:         fault.Malformed,
		`[]`:           fault.Malformed,
		`"overloaded"`: fault.Malformed,
		`{"error":null,"choices":[{"message":{"content":"x"},"finish_reason":"stop"}]}`:                 "",
		`{"error":{},"message":"","choices":[{"message":{"content":"x"},"finish_reason":"stop"}]}`:      "",
		`{"error":"","detail":"fine","choices":[{"message":{"content":"x"},"finish_reason":"length"}]}`: "",
	} {
		_, err := codec.Summarize(llm.Chat, []byte(body))
		_, again := codec.DecodeReply(llm.Chat, []byte(body))
		for _, err := range []error{err, again} {
			var f *fault.Error
			switch {
			case want == "" && err == nil:
			case !errors.As(err, &f) || f.Kind != want || f.Message == "":
				t.Errorf("%s: %v, want %s", body, err, want)
			}
		}
	}
}

// Whether the client or only the gateway wants a stream, the body says what the
// target says.
func TestForwardStream(t *testing.T) {
	const usage = `,"stream":true,"stream_options":{"include_usage":true}}`
	on := dialect.Target{Model: "m", Stream: true, Usage: true}
	quiet := dialect.Target{Model: "m", Stream: true}
	old := dialect.Target{Model: "m", Stream: true, Usage: true, Quirks: dialect.Quirks{NoStreamUsage: true}}
	off := dialect.Target{Model: "m"}
	for _, c := range []struct {
		in, want string
		target   dialect.Target
	}{
		{`}`, usage, on},
		{`,"stream":false}`, usage, on},
		{`,"stream":null,"stream_options":null}`, usage, on},
		{`,"stream":true}`, usage, on},
		{`,"stream":true,"stream_options":{"include_usage":false,"x":1}}`, `,"stream":true,"stream_options":{"include_usage":true,"x":1}}`, on},
		{`,"stream":false}`, `,"stream":true}`, quiet},
		{`,"stream_options":{"include_usage":true}}`, `,"stream":true}`, old},
		{`,"stream":true,"stream_options":{"include_usage":true}}`, `,"stream":false}`, off},
		{`,"stream":false}`, `,"stream":false}`, off},
		{`}`, `}`, off},
	} {
		out, err := codec.Forward(mustRead(t, llm.Chat, strings.TrimSuffix(hello, "}")+c.in), &c.target)
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.TrimSuffix(hello, "}") + c.want; string(out.Body) != want {
			t.Errorf("%s to %+v:\n%s\nwant\n%s", c.in, c.target, out.Body, want)
		}
		r, err := codec.Decode(mustRead(t, llm.Chat, strings.TrimSuffix(hello, "}")+c.in))
		if err != nil {
			t.Fatal(err)
		}
		if out, err = codec.Encode(r, &c.target); err != nil {
			t.Fatal(err)
		}
		for _, member := range []string{`"stream":true`, `"include_usage":true`} {
			if strings.Contains(string(out.Body), member) != strings.Contains(c.want, member) {
				t.Errorf("%s encoded for %+v:\n%s", c.in, c.target, out.Body)
			}
		}
	}
}
