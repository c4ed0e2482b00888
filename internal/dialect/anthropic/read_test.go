package anthropic_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"freehold/internal/dialect/anthropic"
	"freehold/internal/fault"
	"freehold/internal/llm"
)

func facts(t *testing.T, op llm.Operation, body string) llm.Facts {
	t.Helper()
	b, err := anthropic.Codec{}.Read(op, []byte(body))
	if err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	defer b.Release()
	return b.Facts
}

func TestFacts(t *testing.T) {
	msg := func(content string) string {
		return `{"model":"m","max_tokens":5,"messages":[{"role":"user","content":[` + content + `]}]}`
	}
	with := func(member string) string {
		return `{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"x"}],` + member + `}`
	}
	for _, tc := range []struct {
		name, body string
		want       llm.Features
	}{
		{"plain", with(`"system":null`), 0},
		{"stream", with(`"stream":true`), llm.FeatureStream},
		{"not stream", with(`"stream":false`), 0},
		{"stop", with(`"stop_sequences":["a"]`), llm.FeatureStop},
		{"tools", with(`"tools":[{"name":"f","input_schema":{"type":"object"}}]`), llm.FeatureTools},
		{"cached tool", with(`"tools":[{"name":"f","input_schema":{},"cache_control":{"type":"ephemeral"}}]`), llm.FeatureTools | llm.FeatureCacheControl},
		{"web search", with(`"tools":[{"type":"web_search_20250305","name":"web_search"}]`), llm.FeatureServerTools},
		{"bash", with(`"tools":[{"type":"bash_20250124","name":"bash"}]`), llm.FeatureServerTools},
		{"computer", with(`"tools":[{"type":"computer_20250124","name":"computer","display_width_px":1,"display_height_px":1}]`), llm.FeatureServerTools},
		{"mcp", with(`"mcp_servers":[{"type":"url"}]`), llm.FeatureServerTools},
		{"any", with(`"tool_choice":{"type":"any"}`), llm.FeatureToolRequired},
		{"named", with(`"tool_choice":{"type":"tool","name":"f"}`), llm.FeatureToolRequired},
		{"thinking", with(`"thinking":{"type":"adaptive"}`), llm.FeatureThinking},
		{"no thinking", with(`"thinking":{"type":"disabled"}`), 0},
		{"schema", with(`"output_config":{"format":{"type":"json_schema","schema":{}}}`), llm.FeatureJSONSchema},
		{"beta schema", with(`"output_format":{"type":"json_schema","schema":{}}`), llm.FeatureJSONSchema},
		{"effort", with(`"output_config":{"effort":"low"}`), 0},
		{"automatic caching", with(`"cache_control":{"type":"ephemeral"}`), llm.FeatureCacheControl},
		{"cached system", with(`"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}]`), llm.FeatureCacheControl},
		{"image", msg(`{"type":"image","source":{"type":"url","url":"https://x"}}`), llm.FeatureImages},
		{"document", msg(`{"type":"document","source":{"type":"url","url":"https://x"}}`), llm.FeatureDocuments},
		{"image in a result", msg(`{"type":"tool_result","tool_use_id":"a","content":[{"type":"image","source":{"type":"url","url":"https://x"}}]}`), llm.FeatureImages | llm.FeatureTools},
		{"parallel calls", `{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{}},{"type":"tool_use","id":"b","name":"f","input":{}}]}]}`, llm.FeatureTools | llm.FeatureParallelTools | llm.FeaturePrefill},
		{"prefill", `{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"y"}]}`, llm.FeaturePrefill},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := facts(t, llm.Chat, tc.body); got.Features != tc.want {
				t.Errorf("%q, want %q", got.Features.Names(), tc.want.Names())
			}
		})
	}
	got := facts(t, llm.Chat, must(os.ReadFile("testdata/requests/chat/minimal.json")))
	want := llm.Facts{Model: "claude-3-5-sonnet-20241022", IncludeUsage: true, MaxTokens: 1024, Turns: 1, TextBytes: 13, Parameters: llm.ParamMaxTokens, Conversation: got.Conversation}
	if diff := cmp.Diff(want, got); diff != "" || got.Conversation == "" {
		t.Error(diff)
	}
}

func TestConversationIsThatOfTheFirstTurns(t *testing.T) {
	first := facts(t, llm.Chat, `{"model":"a","max_tokens":5,"system":"s","messages":[{"role":"user","content":[{"type":"text","text":"x","cache_control":{"type":"ephemeral"}}]}]}`).Conversation
	later := facts(t, llm.Chat, `{"model":"b","max_tokens":9,"system":[{"type":"text","text":"s"}],"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"y"},{"role":"user","content":"z"}]}`).Conversation
	other := facts(t, llm.Chat, `{"model":"a","max_tokens":5,"system":"s","messages":[{"role":"user","content":"X"}]}`).Conversation
	if first != later || first == other || first == "" {
		t.Errorf("%s %s %s", first, later, other)
	}
}

func TestOtherOperationsAreRefused(t *testing.T) {
	if _, err := (anthropic.Codec{}).Read(llm.Embedding, []byte(`{}`)); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	_, err := anthropic.Codec{}.Read(llm.Chat, []byte(`{"model":"m","messages":[{"role":"user","content":"x"}]}`))
	if err == nil || !strings.Contains(err.Error(), "max_tokens: Field required") {
		t.Error(err)
	}
}
