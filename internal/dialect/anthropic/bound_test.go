package anthropic

import (
	"fmt"
	"strings"
	"testing"

	"freehold/internal/dialect"
	"freehold/internal/llm"
)

// What a body says of the answer's size is the max_tokens that is sent, which
// room for thinking may have raised.
func TestBound(t *testing.T) {
	low := &llm.Reasoning{Effort: "low"}
	n := int64(7)
	for _, c := range []struct {
		request llm.Request
		target  dialect.Target
		want    int64
	}{
		{want: defaultMaxTokens},
		{request: llm.Request{MaxTokens: &n}, want: 7},
		{target: dialect.Target{Quirks: dialect.Quirks{DefaultMaxTokens: 99}}, want: 99},
		{request: llm.Request{MaxTokens: &n}, target: dialect.Target{MaxTokens: 3}, want: 3},
		{request: llm.Request{Reasoning: low}, want: defaultMaxTokens + budgets["low"]},
		{target: dialect.Target{Params: dialect.Params{Drop: []string{"max_tokens"}}}, want: 0},
	} {
		r, target := c.request, c.target
		r.Operation, r.Messages = llm.Chat, []llm.Message{{Role: llm.User, Parts: []llm.Part{{Kind: llm.PartText, Text: "Hi"}}}}
		target.Model, target.Bound = "x", true
		out, err := Codec{}.Encode(&r, &target)
		if err != nil {
			t.Fatal(err)
		}
		if out.Bound.MaxTokens != c.want || strings.Contains(string(out.Body), fmt.Sprintf(`"max_tokens":%d`, c.want)) != (c.want > 0) {
			t.Errorf("%+v to %+v: %+v, want %d: %s", c.request, c.target, out.Bound, c.want, out.Body)
		}
	}
	b, err := Codec{}.Read(llm.Chat, []byte(`{"model":"m","max_tokens":7,"messages":[{"role":"user","content":"Hi"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for limit, want := range map[int64]int64{0: 7, 3: 3} {
		out, err := Codec{}.Forward(b, &dialect.Target{Model: "x", MaxTokens: limit})
		if err != nil || out.Bound != (dialect.Bound{MaxTokens: want, Answers: 1}) || !strings.Contains(string(out.Body), fmt.Sprintf(`"max_tokens":%d`, want)) {
			t.Errorf("forwarded with %d: %+v, %v: %s", limit, out.Bound, err, out.Body)
		}
	}
}
