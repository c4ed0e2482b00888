package anthropic_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"freehold/internal/dialect/anthropic"
	"freehold/internal/llm"
)

// Counts that cannot be true are not reported, so that they are estimated.
func TestUsageThatCannotBeTrue(t *testing.T) {
	for usage, want := range map[string]llm.Usage{
		`{"input_tokens":3,"cache_read_input_tokens":2,"output_tokens":4}`:                                       {Input: 5, CachedInput: 2, Output: 4, Reported: true},
		`{"input_tokens":3,"cache_read_input_tokens":null,"cache_creation_input_tokens":null,"output_tokens":4}`: {Input: 3, Output: 4, Reported: true},
		`{"input_tokens":1000000000,"output_tokens":0}`:                                                          {Input: 1_000_000_000, Reported: true},
		`{"input_tokens":1000000001,"output_tokens":4}`:                                                          {},
		`{"input_tokens":3,"output_tokens":-1}`:                                                                  {},
		`{"input_tokens":3,"output_tokens":1.5}`:                                                                 {},
		`{"input_tokens":"3","output_tokens":4}`:                                                                 {},
		`{"input_tokens":3,"output_tokens":99999999999999999999}`:                                                {},
		`{"input_tokens":9223372036854775807,"cache_read_input_tokens":9223372036854775807,"output_tokens":4}`:   {},
		`{"input_tokens":3,"output_tokens":4,"output_tokens_details":{"thinking_tokens":-7}}`:                    {},
	} {
		body := []byte(`{"type":"message","content":[{"type":"text","text":"x"}],"stop_reason":"end_turn","usage":` + usage + `}`)
		r, err := anthropic.Codec{}.DecodeReply(llm.Chat, body)
		if err != nil {
			t.Fatalf("%s: %v", usage, err)
		}
		s, err := anthropic.Codec{}.Summarize(llm.Chat, body)
		if err != nil {
			t.Fatalf("%s: %v", usage, err)
		}
		if diff := cmp.Diff([]llm.Usage{want, want}, []llm.Usage{r.Usage, s.Usage}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", usage, diff)
		}
	}
}
