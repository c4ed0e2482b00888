package openaichat_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"freehold/internal/dialect"
	"freehold/internal/dialect/anthropic"
	"freehold/internal/fault"
	"freehold/internal/llm"

	"github.com/google/go-cmp/cmp"
)

// encodeForeign encodes a request of an Anthropic client with the given members.
func encodeForeign(t *testing.T, members string, target dialect.Target) (*dialect.Outgoing, error) {
	t.Helper()
	raw := `{"model":"x","max_tokens":9,"messages":[{"role":"user","content":"hi"}]` + members + `}`
	b, err := anthropic.Codec{}.Read(llm.Chat, []byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	r, err := anthropic.Codec{}.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if target.Model == "" {
		target.Model = "m"
	}
	return codec.Encode(r, &target)
}

// What coding agents of Anthropic send beside the conversation.
func TestForeignMembers(t *testing.T) {
	const edits = `,"context_management":{"edits":[{"type":"clear_tool_uses_20250919","keep":{"type":"tool_uses","value":3}},{"type":"clear_thinking_20251015"}`
	for _, c := range []struct {
		members string
		dropped []string
		refused string
	}{
		{`,"metadata":{"user_id":"u","x":1},"speed":"fast","betas":["a"],"diagnostics":{}`, []string{"metadata", "speed", "betas", "diagnostics"}, ""},
		{`,"cache_control":{"type":"ephemeral"}`, []string{"cache_control"}, ""},
		{edits + `]}`, []string{"context_management"}, ""},
		{`,"context_management":{}`, []string{"context_management"}, ""},
		{edits + `,{"type":"compact_20260112"}]}`, nil, "context_management"},
		{`,"context_management":{"edits":[],"else":1}`, nil, "context_management"},
		{`,"mcp_servers":[],"container":null`, nil, ""},
		{`,"mcp_servers":[{"type":"url","url":"https://x","name":"x"}]`, nil, "mcp_servers"},
		{`,"container":"c_1"`, nil, "container"},
		{`,"inference_geo":"global"`, []string{"inference_geo"}, ""},
		{`,"inference_geo":"us"`, nil, "inference_geo"},
		{`,"output_config":{"task_budget":{"type":"tokens","total":9}}`, nil, "output_config"},
		{`,"something_new":1`, nil, "something_new"},
	} {
		out, err := encodeForeign(t, c.members, dialect.Target{})
		if c.refused != "" {
			if f := (*fault.Error)(nil); !errors.As(err, &f) || f.Kind != fault.Unsupported || f.Param != c.refused {
				t.Errorf("%s: %v", c.members, err)
			}
			if out, err = encodeForeign(t, c.members, dialect.Target{Drop: true}); err != nil {
				t.Errorf("%s: %v", c.members, err)
				continue
			}
			c.dropped = []string{c.refused}
		}
		if err != nil {
			t.Errorf("%s: %v", c.members, err)
			continue
		}
		if diff := cmp.Diff(c.dropped, out.Dropped); diff != "" {
			t.Errorf("%s: dropped %s", c.members, diff)
		}
		if want := `{"model":"m","messages":[{"role":"user","content":"hi"}],`; !strings.HasPrefix(string(out.Body), want) || strings.Contains(string(out.Body), "context_management") {
			t.Errorf("%s: %s", c.members, out.Body)
		}
	}
}

// Thinking asked of a model that has none is refused in the client's words.
func TestForeignThinking(t *testing.T) {
	target := dialect.Target{Quirks: dialect.Quirks{Unsupported: []string{"reasoning_effort", "top_k"}}}
	for _, c := range []struct{ members, refused, dropped string }{
		{`,"thinking":{"type":"disabled"}`, "", ""},
		{`,"thinking":{"type":"adaptive"}`, "", "thinking"},
		{`,"thinking":{"type":"enabled","budget_tokens":2000}`, "thinking", "thinking"},
		{`,"output_config":{"effort":"high"}`, "output_config.effort", "output_config.effort"},
		{`,"top_k":5`, "top_k", "top_k"},
	} {
		out, err := encodeForeign(t, c.members, target)
		if c.refused != "" {
			if f := (*fault.Error)(nil); !errors.As(err, &f) || f.Kind != fault.Unsupported || f.Param != c.refused {
				t.Errorf("%s: %v", c.members, err)
			}
			dropping := target
			dropping.Drop = true
			out, err = encodeForeign(t, c.members, dropping)
		}
		if err != nil {
			t.Errorf("%s: %v", c.members, err)
			continue
		}
		if got := strings.Join(out.Dropped, ","); got != c.dropped || strings.Contains(string(out.Body), "reasoning") || strings.Contains(string(out.Body), "top_k") {
			t.Errorf("%s: dropped %q, body %s", c.members, got, out.Body)
		}
	}
}

func TestForeignTools(t *testing.T) {
	const function = `"name":"look","description":"d","input_schema":{"type":"object"}`
	const want = `"tools":[{"type":"function","function":{"name":"look","description":"d","parameters":{"type":"object"}}}]`
	for _, c := range []struct {
		tool    string
		dropped []string
	}{
		{`{` + function + `}`, nil},
		{`{"type":"custom","eager_input_streaming":true,` + function + `}`, nil},
		{`{"defer_loading":true,"allowed_callers":["direct"],"input_examples":[{}],` + function + `}`,
			[]string{"tools.defer_loading", "tools.allowed_callers", "tools.input_examples"}},
		{`{"cache_control":{"type":"ephemeral"},` + function + `}`, []string{"cache_control"}},
	} {
		out, err := encodeForeign(t, `,"tools":[`+c.tool+`]`, dialect.Target{})
		if err != nil {
			t.Errorf("%s: %v", c.tool, err)
			continue
		}
		if diff := cmp.Diff(c.dropped, out.Dropped); diff != "" || !strings.Contains(string(out.Body), want) {
			t.Errorf("%s: dropped %s, body %s", c.tool, diff, out.Body)
		}
	}
	if _, err := encodeForeign(t, `,"tools":[{"type":"web_search_20250305","name":"web_search"}]`, dialect.Target{}); !fault.Is(err, fault.Unsupported) {
		t.Errorf("a server tool: %v", err)
	}
}

// A function with members that only a server of this dialect knows stays one.
func TestOwnToolMembers(t *testing.T) {
	for _, tool := range []string{
		`{"type":"function","function":{"name":"f"},"x":1}`,
		`{"type":"function","function":{"name":"f","x":1}}`,
	} {
		b := mustRead(t, llm.Chat, `{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[`+tool+`]}`)
		r, err := codec.Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		out, err := codec.Encode(r, &dialect.Target{Model: "m"})
		if err != nil || !strings.Contains(string(out.Body), `"tools":[`+tool+`]`) {
			t.Errorf("to the same dialect: %v %s", err, out.Body)
		}
		if out, err = (anthropic.Codec{}).Encode(r, &dialect.Target{Model: "m"}); err != nil || !strings.Contains(string(out.Body), `"name":"f","input_schema":{"type":"object"`) {
			t.Errorf("to another dialect: %v", err)
		}
	}
}

func TestForeignEffort(t *testing.T) {
	for _, c := range []struct {
		effort, model, want string
		reported            bool
	}{
		{"max", "gpt-5.1-codex-max", "xhigh", true},
		{"max", "openai/gpt-5.4-mini", "xhigh", true},
		{"max", "gpt-5.1", "high", true},
		{"max", "llama-3.3", "high", true},
		{"xhigh", "gpt-5", "high", true},
		{"xhigh", "gpt-5.2", "xhigh", false},
		{"low", "gpt-5", "low", false},
	} {
		out, err := encodeForeign(t, `,"output_config":{"effort":"`+c.effort+`"}`, dialect.Target{Model: c.model})
		if err != nil {
			t.Fatal(err)
		}
		var body struct {
			Effort string `json:"reasoning_effort"`
		}
		if err := json.Unmarshal(out.Body, &body); err != nil || body.Effort != c.want || (len(out.Dropped) > 0) != c.reported {
			t.Errorf("%s at %s: %q, dropped %q (%v)", c.effort, c.model, body.Effort, out.Dropped, err)
		}
	}
}

// Thinking that a client gathered from a stream, sent back: the text stands in
// reasoning_content, the signature in a block without text.
func TestThinkingSentBack(t *testing.T) {
	think := func(text, sig string) llm.Part {
		return llm.Part{Kind: llm.PartThinking, Text: text, Signature: sig}
	}
	red := llm.Part{Kind: llm.PartRedactedThinking, Opaque: json.RawMessage(`"r"`), Dialect: "anthropic"}
	const block, other, redacted = `{"type":"thinking","thinking":"","signature":"s"}`, `{"type":"thinking","thinking":"","signature":"t"}`, `{"type":"redacted_thinking","data":"r"}`
	for _, c := range []struct {
		members string
		want    []llm.Part
	}{
		{`"reasoning_content":"Hm.","thinking_blocks":[` + block + `]`, []llm.Part{think("Hm.", "s")}},
		{`"reasoning":"Hm.","thinking_blocks":[` + block + `]`, []llm.Part{think("Hm.", "s")}},
		{`"reasoning_content":"Hm.","thinking_blocks":[` + redacted + `,` + block + `]`, []llm.Part{red, think("Hm.", "s")}},
		{`"reasoning_content":"Hm.","thinking_blocks":[{"type":"thinking","thinking":"Hm.","signature":"s"}]`, []llm.Part{think("Hm.", "s")}},
		{`"reasoning_content":"AB","thinking_blocks":[` + block + `,` + other + `]`, []llm.Part{think("AB", "")}},
		{`"reasoning_content":"AB","thinking_blocks":[` + block + `,` + redacted + `,` + other + `]`, []llm.Part{think("AB", ""), red}},
		{`"reasoning_content":"AB","thinking_blocks":[` + redacted + `]`, []llm.Part{think("AB", ""), red}},
		{`"thinking_blocks":[` + block + `,` + other + `]`, []llm.Part{think("", "s"), think("", "t")}},
		{`"reasoning_content":"AB"`, []llm.Part{think("AB", "")}},
	} {
		b := mustRead(t, llm.Chat, `{"model":"m","messages":[{"role":"user","content":"x"},{"role":"assistant","content":"y",`+c.members+`}]}`)
		r, err := codec.Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		want := slices.Concat(c.want, []llm.Part{{Kind: llm.PartText, Text: "y"}})
		if diff := cmp.Diff(want, r.Messages[1].Parts); diff != "" {
			t.Errorf("%s:\n%s", c.members, diff)
		}
	}
}
