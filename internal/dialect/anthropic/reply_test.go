package anthropic_test

import (
	"errors"
	"strings"
	"testing"

	"freehold/internal/dialect"
	"freehold/internal/dialect/anthropic"
	"freehold/internal/fault"
	"freehold/internal/llm"
)

// An answer of status 200 that is an error, in the shapes of many servers.
func TestErrorInAnswer(t *testing.T) {
	for body, want := range map[string]fault.Kind{
		`{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`:              fault.Overloaded,
		`{"type":"error","error":{"type":"rate_limit_error","message":"x"}}`:                       fault.ProviderLimit,
		`{"type":"error","error":{"type":"api_error","message":"x"}}`:                              fault.StreamError,
		`{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long"}}`: fault.ContextLength,
		`{"type":"error"}`: fault.StreamError,
		`{"error":{"type":"authentication_error","message":"x"}}`:          fault.Credentials,
		`{"error":{"message":"slow down","code":429}}`:                     fault.ProviderLimit,
		`{"error":{"message":"slow down","type":"rate_limit_exceeded"}}`:   fault.ProviderLimit,
		`{"error":{"message":"maximum context length is 5"}}`:              fault.ContextLength,
		`{"error":"it broke"}`:                                             fault.StreamError,
		`{"message":"Too many requests","code":429}`:                       fault.ProviderLimit,
		`{"detail":"it broke"}`:                                            fault.StreamError,
		`{"type":"message","role":"assistant"}`:                            fault.Malformed,
		`{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}]}`: fault.Malformed,
		`{"error":null}`:   fault.Malformed,
		`<html>502</html>`: fault.Malformed,
		``:                 fault.Malformed,
		`null`:             fault.Malformed,
		`[]`:               fault.Malformed,
		`"overloaded"`:     fault.Malformed,
		`{"content":[{"type":"text","text":"x"}],"error":null,"stop_reason":"end_turn"}`: "",
	} {
		for _, op := range []llm.Operation{llm.Chat, llm.CountTokens} {
			if want == "" && op == llm.CountTokens {
				continue
			}
			_, err := anthropic.Codec{}.Summarize(op, []byte(body))
			_, again := anthropic.Codec{}.DecodeReply(op, []byte(body))
			for _, err := range []error{err, again} {
				var f *fault.Error
				switch {
				case want == "" && err == nil:
				case !errors.As(err, &f) || f.Kind != want || f.Message == "":
					t.Errorf("%s %s: %v, want %s", op, body, err, want)
				}
			}
		}
	}
}

// Whether the client or only the gateway wants a stream, the body says what the
// target says.
func TestForwardStream(t *testing.T) {
	const body = `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}]`
	for _, c := range []struct {
		in, want string
		stream   bool
	}{
		{`}`, `,"stream":true}`, true},
		{`,"stream":false}`, `,"stream":true}`, true},
		{`,"stream":null}`, `,"stream":true}`, true},
		{`,"stream":true}`, `,"stream":true}`, true},
		{`,"stream":true}`, `,"stream":false}`, false},
		{`}`, `}`, false},
	} {
		b, err := anthropic.Codec{}.Read(llm.Chat, []byte(body+c.in))
		if err != nil {
			t.Fatal(err)
		}
		target := &dialect.Target{Model: "m", Stream: c.stream, Usage: true}
		out, err := anthropic.Codec{}.Forward(b, target)
		if err != nil || string(out.Body) != body+c.want {
			t.Errorf("%s: %v %s", c.in, err, out.Body)
		}
		r, err := anthropic.Codec{}.Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		if out, err = (anthropic.Codec{}).Encode(r, target); err != nil || strings.Contains(string(out.Body), `"stream":true`) != c.stream {
			t.Errorf("%s encoded: %v %s", c.in, err, out.Body)
		}
	}
}
