package openaichat

import (
	"strings"
	"testing"

	"freehold/internal/dialect"
	"freehold/internal/llm"
)

// What a body says of the answer's size is read off what is sent: after the
// model's parameters, whichever way the body takes.
func TestBound(t *testing.T) {
	defaults := dialect.Params{Defaults: []llm.Field{{Name: "max_tokens", Raw: []byte("50")}, {Name: "n", Raw: []byte("2")}}}
	rename := dialect.Params{Rename: map[string]string{"max_tokens": "max_output_tokens"}}
	for _, c := range []struct {
		op     llm.Operation
		body   string
		target dialect.Target
		want   dialect.Bound
	}{
		{body: `{}`, want: dialect.Bound{Answers: 1}},
		{body: `{"max_tokens":7}`, want: dialect.Bound{MaxTokens: 7, Answers: 1}},
		{body: `{"max_completion_tokens":7,"n":3}`, want: dialect.Bound{MaxTokens: 7, Answers: 3}},
		{body: `{"max_tokens":7,"max_completion_tokens":9}`, want: dialect.Bound{MaxTokens: 9, Answers: 1}},
		{body: `{"max_tokens":null,"n":null}`, want: dialect.Bound{Answers: 1}},
		{body: `{"max_tokens":-1}`, want: dialect.Bound{Answers: 1}},
		{body: `{"max_tokens":-1}`, target: dialect.Target{MaxTokens: 5}, want: dialect.Bound{MaxTokens: 5, Answers: 1}},
		{body: `{}`, target: dialect.Target{MaxTokens: 5}, want: dialect.Bound{MaxTokens: 5, Answers: 1}},
		{body: `{"max_tokens":9}`, target: dialect.Target{Quirks: dialect.Quirks{MaxTokensField: "max_completion_tokens"}}, want: dialect.Bound{MaxTokens: 9, Answers: 1}},
		{body: `{}`, target: dialect.Target{Params: defaults}, want: dialect.Bound{MaxTokens: 50, Answers: 2}},
		{body: `{"max_tokens":9}`, target: dialect.Target{Params: rename}, want: dialect.Bound{Answers: 1}},
		{body: `{"max_tokens":9,"n_predict":20}`, want: dialect.Bound{MaxTokens: 20, Answers: 1}},
		{body: `{"max_tokens":9,"n_predict":-1}`, want: dialect.Bound{Answers: 1}},
		{op: llm.Completion, body: `{"prompt":["a","b"],"max_tokens":4,"n":2,"best_of":5}`, want: dialect.Bound{MaxTokens: 4, Answers: 5}},
	} {
		if c.op == "" {
			c.op = llm.Chat
			c.body = strings.Replace(c.body, "{", `{"messages":[{"role":"user","content":"Hi"}],`, 1)
		}
		body := strings.Replace(c.body, "{", `{"model":"m",`, 1)
		body = strings.Replace(body, ",}", "}", 1)
		b, err := Codec{}.Read(c.op, []byte(body))
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		r, err := Codec{}.Decode(b)
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		for _, ask := range []bool{true, false} {
			target, want := c.target, c.want
			target.Model, target.Bound = "x", ask
			if !ask {
				want = dialect.Bound{}
			}
			forwarded, err := Codec{}.Forward(b, &target)
			if err != nil || forwarded.Bound != want {
				t.Errorf("%s forwarded: %+v, %v; want %+v", body, forwarded.Bound, err, want)
			}
			encoded, err := Codec{}.Encode(r, &target)
			if err != nil || encoded.Bound != want {
				t.Errorf("%s encoded: %+v, %v; want %+v", body, encoded.Bound, err, want)
			}
			if ask && c.target.Quirks.MaxTokensField == "" && c.target.MaxTokens == 0 && c.target.Params.IsZero() {
				plain := c.target
				plain.Model = "x"
				if other, err := (Codec{}).Forward(b, &plain); err != nil || string(other.Body) != string(forwarded.Body) {
					t.Errorf("%s: asking for the bound changes the body: %s, %v", body, forwarded.Body, err)
				}
			}
		}
	}
}
