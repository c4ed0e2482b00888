package openaichat_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"freehold/internal/dialect/openaichat"
	"freehold/internal/llm"
)

// Counts that cannot be true are not reported, so that they are estimated.
func TestUsageThatCannotBeTrue(t *testing.T) {
	for usage, want := range map[string]llm.Usage{
		`{"prompt_tokens":5,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":2}}`:         {Input: 5, CachedInput: 2, Output: 4, Reported: true},
		`{"prompt_tokens":5,"completion_tokens":4,"prompt_tokens_details":null}`:                        {Input: 5, Output: 4, Reported: true},
		`{"prompt_tokens":5,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":null}}`:      {Input: 5, Output: 4, Reported: true},
		`{"prompt_tokens":1000000000,"completion_tokens":0}`:                                            {Input: 1_000_000_000, Reported: true},
		`{"prompt_tokens":1000000001,"completion_tokens":4}`:                                            {},
		`{"prompt_tokens":5,"completion_tokens":-1}`:                                                    {},
		`{"prompt_tokens":5,"completion_tokens":1.5}`:                                                   {},
		`{"prompt_tokens":"5","completion_tokens":4}`:                                                   {},
		`{"prompt_tokens":5,"completion_tokens":99999999999999999999}`:                                  {},
		`{"prompt_tokens":5,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":6}}`:         {},
		`{"prompt_tokens":5,"completion_tokens":4,"prompt_cache_hit_tokens":6}`:                         {},
		`{"prompt_tokens":5,"completion_tokens":4,"completion_tokens_details":{"reasoning_tokens":-7}}`: {},
	} {
		body := []byte(`{"choices":[{"index":0,"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}],"usage":` + usage + `}`)
		r, err := openaichat.Codec{}.DecodeReply(llm.Chat, body)
		if err != nil {
			t.Fatalf("%s: %v", usage, err)
		}
		s, err := openaichat.Codec{}.Summarize(llm.Chat, body)
		if err != nil {
			t.Fatalf("%s: %v", usage, err)
		}
		if diff := cmp.Diff([]llm.Usage{want, want}, []llm.Usage{r.Usage, s.Usage}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", usage, diff)
		}
	}
}
