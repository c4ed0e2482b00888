package anthropic_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"freehold/internal/dialect"
	"freehold/internal/dialect/anthropic"
	"freehold/internal/fault"
	"freehold/internal/llm"
)

func ptr[T any](v T) *T { return &v }

func text(s string) llm.Part { return llm.Part{Kind: llm.PartText, Text: s} }
func say(role llm.Role, s string) llm.Message {
	return llm.Message{Role: role, Parts: []llm.Part{text(s)}}
}
func toolCall(id, name, args string) llm.Part {
	return llm.Part{Kind: llm.PartToolCall, ID: id, Name: name, Arguments: args}
}
func toolResult(id, s string) llm.Message {
	return llm.Message{Role: llm.Tool, Parts: []llm.Part{{Kind: llm.PartToolResult, ID: id, Result: []llm.Part{text(s)}}}}
}

var weather = llm.ToolDef{Name: "weather", Schema: json.RawMessage(`{"type":"object"}`)}

const weatherTool = `{"name":"weather","input_schema":{"type":"object"}}`

// ask is the OpenAI client's request "hi", changed by with.
func ask(with ...func(*llm.Request)) *llm.Request {
	r := &llm.Request{Operation: llm.Chat, Dialect: "openai", Model: "w", MaxTokens: ptr[int64](100), Messages: []llm.Message{say(llm.User, "hi")}}
	for _, f := range with {
		f(r)
	}
	return r
}

type encodeCase struct {
	name   string
	req    *llm.Request
	target dialect.Target
	// want are members of the body; a value of null says that the member must
	// not be there.
	want    string
	dropped []string
	tool    string
	// fails is the parameter the error names; kind its kind (Unsupported).
	fails string
	kind  fault.Kind
}

func (tc *encodeCase) run(t *testing.T) {
	tc.target.Model = "claude-x"
	out, err := anthropic.Codec{}.Encode(tc.req, &tc.target)
	if tc.fails != "" {
		var f *fault.Error
		if !errors.As(err, &f) {
			t.Fatalf("no fault, but %v %s", err, out.Body)
		}
		kind := tc.kind
		if kind == "" {
			kind = fault.Unsupported
		}
		if f.Param != tc.fails || f.Kind != kind || f.HTTPStatus() != 400 || !strings.Contains(f.Message, tc.fails) {
			t.Fatalf("got %s %q: %s", f.Kind, f.Param, f.Message)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	var body, want map[string]any
	if err := json.Unmarshal(out.Body, &body); err != nil {
		t.Fatalf("%v: %s", err, out.Body)
	}
	if err := json.Unmarshal([]byte(tc.want), &want); err != nil {
		t.Fatal(err)
	}
	for name, v := range want {
		if diff := cmp.Diff(v, body[name]); diff != "" {
			t.Errorf("%s (-want +got): %s", name, diff)
		}
	}
	if !slices.Equal(out.Dropped, tc.dropped) {
		t.Errorf("dropped %q, want %q", out.Dropped, tc.dropped)
	}
	if out.Tool != tc.tool {
		t.Errorf("tool %q, want %q", out.Tool, tc.tool)
	}
}

func runEncode(t *testing.T, cases []encodeCase) {
	t.Helper()
	for i := range cases {
		t.Run(cases[i].name, cases[i].run)
	}
}

func TestTrap16MaxTokensIsInjected(t *testing.T) {
	none := ask(func(r *llm.Request) { r.MaxTokens = nil })
	limit := func(name string) dialect.Params {
		return dialect.Params{Defaults: []llm.Field{{Name: name, Raw: json.RawMessage("555")}}}
	}
	runEncode(t, []encodeCase{
		{name: "client's", req: ask(), want: `{"max_tokens":100,"model":"claude-x"}`},
		{name: "default", req: none, want: `{"max_tokens":4096}`},
		{name: "preset's", req: none, target: dialect.Target{Quirks: dialect.Quirks{DefaultMaxTokens: 777}}, want: `{"max_tokens":777}`},
		{name: "configured", req: none, target: dialect.Target{Params: limit("max_tokens"), Quirks: dialect.Quirks{DefaultMaxTokens: 777}}, want: `{"max_tokens":555}`},
		{name: "configured by OpenAI's name", req: none, target: dialect.Target{Params: limit("max_completion_tokens")}, want: `{"max_tokens":555,"max_completion_tokens":null}`},
		{name: "configured, but the client has its own", req: ask(), target: dialect.Target{Params: limit("max_tokens")}, want: `{"max_tokens":100}`},
		{name: "configured, when counting", req: ask(func(r *llm.Request) { r.Operation = llm.CountTokens }), target: dialect.Target{Params: limit("max_tokens")}, want: `{"max_tokens":null}`},
		{name: "what is left of a cut answer", req: ask(), target: dialect.Target{MaxTokens: 60}, want: `{"max_tokens":60}`},
		{name: "not when counting", req: ask(func(r *llm.Request) { r.Operation = llm.CountTokens }), target: dialect.Target{Stream: true}, want: `{"max_tokens":null,"stream":null,"messages":[{"role":"user","content":"hi"}]}`},
		{name: "zero", req: ask(func(r *llm.Request) { r.MaxTokens = ptr[int64](0) }), fails: "max_tokens", kind: fault.BadRequest},
	})
}

func TestTrap17ToolChoice(t *testing.T) {
	with := func(c llm.ToolChoice) *llm.Request {
		return ask(func(r *llm.Request) { r.Tools, r.ToolChoice = []llm.ToolDef{weather}, c })
	}
	runEncode(t, []encodeCase{
		{name: "not said", req: with(llm.ToolChoice{}), want: `{"tool_choice":null,"tools":[` + weatherTool + `]}`},
		{name: "auto", req: with(llm.ToolChoice{Mode: llm.ToolAuto}), want: `{"tool_choice":{"type":"auto"}}`},
		{name: "required", req: with(llm.ToolChoice{Mode: llm.ToolRequired}), want: `{"tool_choice":{"type":"any"}}`},
		{name: "none", req: with(llm.ToolChoice{Mode: llm.ToolNone, Parallel: ptr(false)}), want: `{"tool_choice":{"type":"none"}}`},
		{name: "named", req: with(llm.ToolChoice{Mode: llm.ToolNamed, Name: "weather"}), want: `{"tool_choice":{"type":"tool","name":"weather"}}`},
		{name: "not parallel", req: with(llm.ToolChoice{Parallel: ptr(false)}), want: `{"tool_choice":{"type":"auto","disable_parallel_tool_use":true}}`},
		{name: "required, not parallel", req: with(llm.ToolChoice{Mode: llm.ToolRequired, Parallel: ptr(false)}), want: `{"tool_choice":{"type":"any","disable_parallel_tool_use":true}}`},
		{name: "parallel", req: with(llm.ToolChoice{Parallel: ptr(true)}), want: `{"tool_choice":null}`},
		{name: "auto without tools", req: ask(func(r *llm.Request) { r.ToolChoice.Mode = llm.ToolAuto }), want: `{"tool_choice":null,"tools":null}`},
		{name: "required without tools", req: ask(func(r *llm.Request) { r.ToolChoice.Mode = llm.ToolRequired }), fails: "tool_choice", kind: fault.BadRequest},
		{name: "strict where it is native", req: ask(func(r *llm.Request) {
			r.Tools = []llm.ToolDef{{Name: "f", Strict: ptr(true), Schema: json.RawMessage(`{"type":"object","properties":{},"additionalProperties":false}`)}}
		}), target: dialect.Target{Quirks: dialect.Quirks{NativeSchema: true}}, want: `{"tools":[{"name":"f","strict":true,"input_schema":{"type":"object","properties":{},"additionalProperties":false}}]}`},
		{name: "strict elsewhere", req: ask(func(r *llm.Request) { r.Tools = []llm.ToolDef{{Name: "f", Strict: ptr(true)}} }), want: `{"tools":[{"name":"f","input_schema":{"type":"object","properties":{}}}]}`, dropped: []string{"tools.strict"}},
		{name: "another vendor's tool", req: ask(func(r *llm.Request) {
			r.Tools = []llm.ToolDef{{Opaque: json.RawMessage(`{"type":"web_search"}`), Dialect: "openai"}}
		}), fails: "tools[0]"},
	})
}

func TestTrap18ForcedToolExcludesThinking(t *testing.T) {
	req := func(mode llm.ToolMode) *llm.Request {
		return ask(func(r *llm.Request) {
			r.MaxTokens = ptr[int64](9000)
			r.Tools, r.ToolChoice.Mode, r.ToolChoice.Name = []llm.ToolDef{weather}, mode, "weather"
			r.Reasoning = &llm.Reasoning{Effort: "low"}
		})
	}
	runEncode(t, []encodeCase{
		{name: "required", req: req(llm.ToolRequired), fails: "tool_choice"},
		{name: "named", req: req(llm.ToolNamed), fails: "tool_choice"},
		{name: "required, dropping", req: req(llm.ToolRequired), target: dialect.Target{Drop: true}, want: `{"thinking":null,"tool_choice":{"type":"any"}}`, dropped: []string{"reasoning_effort"}},
		{name: "auto", req: req(llm.ToolAuto), want: `{"thinking":{"type":"enabled","budget_tokens":2048},"tool_choice":{"type":"auto"}}`},
	})
}

func TestTrap19ThinkingIsReplayed(t *testing.T) {
	turn := func(parts ...llm.Part) *llm.Request {
		return ask(func(r *llm.Request) {
			r.Tools = []llm.ToolDef{weather}
			r.Messages = append(r.Messages, llm.Message{Role: llm.Assistant, Parts: parts}, toolResult("t1", "rain"))
		})
	}
	signed := llm.Part{Kind: llm.PartThinking, Text: " hm\n", Signature: "SIG="}
	redacted := llm.Part{Kind: llm.PartRedactedThinking, Opaque: json.RawMessage(`"DATA"`), Dialect: anthropic.Name}
	use := toolCall("t1", "weather", "{}")
	const result = `{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":"rain"}]}`
	runEncode(t, []encodeCase{
		{name: "first, unchanged", req: turn(text("look"), use, signed, redacted), want: `{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[
			{"type":"thinking","thinking":" hm\n","signature":"SIG="},{"type":"redacted_thinking","data":"DATA"},
			{"type":"text","text":"look"},{"type":"tool_use","id":"t1","name":"weather","input":{}}]},` + result + `]}`},
		{name: "unsigned is reported", req: turn(llm.Part{Kind: llm.PartThinking, Text: "hm"}, use), dropped: []string{"reasoning_content"}, want: `{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[
			{"type":"tool_use","id":"t1","name":"weather","input":{}}]},` + result + `]}`},
		{name: "a tool loop without signed thinking does not think", req: func() *llm.Request {
			r := turn(use)
			r.MaxTokens, r.Reasoning = ptr[int64](5000), &llm.Reasoning{Effort: "low"}
			return r
		}(), want: `{"thinking":null}`, dropped: []string{"reasoning_effort"}},
		{name: "a tool loop with signed thinking does", req: func() *llm.Request {
			r := turn(signed, use)
			r.MaxTokens, r.Reasoning = ptr[int64](5000), &llm.Reasoning{Effort: "low"}
			return r
		}(), want: `{"thinking":{"type":"enabled","budget_tokens":2048}}`},
	})
}

func TestTrap20Thinking(t *testing.T) {
	think := func(re llm.Reasoning, max int64, with ...func(*llm.Request)) *llm.Request {
		return ask(append([]func(*llm.Request){func(r *llm.Request) {
			r.Reasoning, r.MaxTokens = &re, nil
			if max > 0 {
				r.MaxTokens = &max
			}
		}}, with...)...)
	}
	own := func(r *llm.Request) { r.Dialect = anthropic.Name }
	adaptive := dialect.Target{Quirks: dialect.Quirks{AdaptiveThinking: true}}
	temperature := func(v float64) func(*llm.Request) { return func(r *llm.Request) { r.Temperature = &v } }
	runEncode(t, []encodeCase{
		{name: "effort", req: think(llm.Reasoning{Effort: "medium"}, 20000), want: `{"thinking":{"type":"enabled","budget_tokens":8192},"max_tokens":20000,"output_config":null}`},
		{name: "effort without a limit", req: think(llm.Reasoning{Effort: "high"}, 0), want: `{"thinking":{"type":"enabled","budget_tokens":16384},"max_tokens":20480}`},
		{name: "effort fitted", req: think(llm.Reasoning{Effort: "high"}, 4000), want: `{"thinking":{"type":"enabled","budget_tokens":3000},"max_tokens":4000}`},
		{name: "effort fitted, at least 1024", req: think(llm.Reasoning{Effort: "high"}, 1100), want: `{"thinking":{"type":"enabled","budget_tokens":1024},"max_tokens":1100}`},
		{name: "no room", req: think(llm.Reasoning{Effort: "high"}, 1024), fails: "reasoning_effort"},
		{name: "no room, dropping", req: think(llm.Reasoning{Effort: "high"}, 1024), target: dialect.Target{Drop: true}, want: `{"thinking":null,"max_tokens":1024}`, dropped: []string{"reasoning_effort"}},
		{name: "none", req: think(llm.Reasoning{Effort: "none"}, 100), want: `{"thinking":{"type":"disabled"}}`},
		{name: "unknown effort", req: think(llm.Reasoning{Effort: "huge"}, 5000), fails: "reasoning_effort", kind: fault.BadRequest},
		{name: "explicit budget too small", req: think(llm.Reasoning{Mode: "enabled", BudgetTokens: 1000}, 5000, own), fails: "thinking.budget_tokens", kind: fault.BadRequest},
		{name: "explicit budget not below max_tokens", req: think(llm.Reasoning{Mode: "enabled", BudgetTokens: 5000}, 5000, own), fails: "max_tokens", kind: fault.BadRequest},
		{name: "explicit budget, the rest of a limit", req: think(llm.Reasoning{Mode: "enabled", BudgetTokens: 4000}, 5000, own), target: dialect.Target{MaxTokens: 2000}, want: `{"thinking":{"type":"enabled","budget_tokens":1500},"max_tokens":2000}`},
		{name: "explicit budget, little is left", req: think(llm.Reasoning{Mode: "enabled", BudgetTokens: 4000}, 5000, own), target: dialect.Target{MaxTokens: 900}, want: `{"thinking":null,"max_tokens":900}`},
		{name: "explicit budget kept", req: think(llm.Reasoning{Mode: "enabled", BudgetTokens: 4999}, 5000, own), want: `{"thinking":{"type":"enabled","budget_tokens":4999}}`},
		{name: "adaptive from effort", req: think(llm.Reasoning{Effort: "minimal"}, 500), target: adaptive, want: `{"thinking":{"type":"adaptive"},"output_config":{"effort":"low"},"max_tokens":500}`},
		{name: "adaptive from budget", req: think(llm.Reasoning{Mode: "enabled", BudgetTokens: 30000}, 500, own), target: adaptive, want: `{"thinking":{"type":"adaptive"},"output_config":{"effort":"high"}}`},
		{name: "client's own adaptive", req: think(llm.Reasoning{Mode: "adaptive", Effort: "max", Display: "omitted"}, 500, own), want: `{"thinking":{"type":"adaptive","display":"omitted"},"output_config":{"effort":"max"}}`},
		{name: "client's own effort alone", req: think(llm.Reasoning{Effort: "low"}, 500, own), want: `{"thinking":null,"output_config":{"effort":"low"}}`},
		{name: "temperature with thinking", req: think(llm.Reasoning{Effort: "low"}, 5000, temperature(0.2)), fails: "temperature"},
		{name: "temperature 1 with thinking", req: think(llm.Reasoning{Effort: "low"}, 5000, temperature(1)), want: `{"temperature":null}`},
		{name: "temperature at an adaptive model", req: ask(temperature(0)), target: adaptive, fails: "temperature"},
		{name: "temperature 1 at an adaptive model", req: ask(temperature(1)), target: adaptive, want: `{"temperature":null}`},
		{name: "top_p at an adaptive model", req: ask(func(r *llm.Request) { r.TopP = ptr(0.99) }), target: adaptive, fails: "top_p"},
		{name: "top_p with a budget", req: think(llm.Reasoning{Effort: "low"}, 5000, func(r *llm.Request) { r.TopP = ptr(0.96) }), want: `{"top_p":0.96}`},
		{name: "top_k with a budget", req: think(llm.Reasoning{Effort: "low"}, 5000, func(r *llm.Request) { r.TopK = ptr[int64](5) }), fails: "top_k"},
	})
}

func TestTemperature(t *testing.T) {
	with := func(temp, topP *float64) *llm.Request {
		return ask(func(r *llm.Request) { r.Temperature, r.TopP = temp, topP })
	}
	runEncode(t, []encodeCase{
		{name: "in range", req: with(ptr(0.5), nil), want: `{"temperature":0.5}`},
		{name: "zero", req: with(ptr(0.0), nil), want: `{"temperature":0}`},
		{name: "above one", req: with(ptr(1.5), nil), fails: "temperature"},
		{name: "above one, dropping", req: with(ptr(1.5), nil), target: dialect.Target{Drop: true}, want: `{"temperature":null}`, dropped: []string{"temperature"}},
		{name: "a neutral top_p beside it", req: with(ptr(0.5), ptr(1.0)), want: `{"temperature":0.5,"top_p":null}`},
		{name: "a neutral temperature beside it", req: with(ptr(1.0), ptr(0.5)), want: `{"temperature":null,"top_p":0.5}`},
		{name: "both meant", req: with(ptr(0.4), ptr(0.5)), want: `{"temperature":0.4,"top_p":0.5}`},
	})
}

func TestTrap22ToolResults(t *testing.T) {
	calls := llm.Message{Role: llm.Assistant, Parts: []llm.Part{toolCall("a", "weather", `{"c":1}`), toolCall("b", "weather", "")}}
	talk := func(msgs ...llm.Message) *llm.Request {
		return ask(func(r *llm.Request) {
			r.Tools = []llm.ToolDef{weather}
			r.Messages = append(r.Messages, msgs...)
		})
	}
	const begin = `{"role":"user","content":"hi"},{"role":"assistant","content":[
		{"type":"tool_use","id":"a","name":"weather","input":{"c":1}},{"type":"tool_use","id":"b","name":"weather","input":{}}]}`
	runEncode(t, []encodeCase{
		{name: "parallel results are one user turn, before its text", req: talk(calls, toolResult("a", "x"), say(llm.User, "and?"), toolResult("b", "y")),
			want: `{"messages":[` + begin + `,{"role":"user","content":[
				{"type":"tool_result","tool_use_id":"a","content":"x"},{"type":"tool_result","tool_use_id":"b","content":"y"},{"type":"text","text":"and?"}]}]}`},
		{name: "an empty result has no content", req: talk(calls, toolResult("a", ""), toolResult("b", "y")),
			want: `{"messages":[` + begin + `,{"role":"user","content":[
				{"type":"tool_result","tool_use_id":"a"},{"type":"tool_result","tool_use_id":"b","content":"y"}]}]}`},
		{name: "an empty error", req: talk(calls, toolResult("b", "y"), llm.Message{Role: llm.Tool, Parts: []llm.Part{{Kind: llm.PartToolResult, ID: "a", IsError: true}}}), fails: "messages.content", kind: fault.BadRequest},
		{name: "orphan", req: talk(toolResult("zz", "x")), fails: "messages[0].tool_call_id", kind: fault.BadRequest},
		{name: "answered twice", req: talk(calls, toolResult("a", "x"), toolResult("a", "x"), toolResult("b", "x")), fails: "messages[2].tool_call_id", kind: fault.BadRequest},
		{name: "without id", req: talk(calls, toolResult("", "x")), fails: "messages[2].tool_call_id", kind: fault.BadRequest},
		{name: "not answered", req: talk(calls, toolResult("a", "x")), fails: "messages[1].tool_calls", kind: fault.BadRequest},
		{name: "never answered", req: talk(calls), fails: "messages[1].tool_calls", kind: fault.BadRequest},
		{name: "same id twice", req: talk(llm.Message{Role: llm.Assistant, Parts: []llm.Part{toolCall("a", "f", ""), toolCall("a", "f", "")}}), fails: "messages[1].tool_calls", kind: fault.BadRequest},
		{name: "arguments that are not an object", req: talk(llm.Message{Role: llm.Assistant, Parts: []llm.Part{toolCall("a", "f", `{"x`)}}, toolResult("a", "x")), fails: "messages[1].tool_calls", kind: fault.BadRequest},
		{name: "another server's id", req: talk(llm.Message{Role: llm.Assistant, Parts: []llm.Part{toolCall("functions.f:0", "weather", "")}}, toolResult("functions.f:0", "x")),
			want: `{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"tool_use","id":"functions_f_0_465b9878","name":"weather","input":{}}]},
				{"role":"user","content":[{"type":"tool_result","tool_use_id":"functions_f_0_465b9878","content":"x"}]}]}`},
		{name: "tool history without tools", req: func() *llm.Request {
			r := talk(calls, toolResult("a", "x"), toolResult("b", "y"))
			r.Tools = nil
			return r
		}(), want: `{"tools":[` + weatherTool + `],"tool_choice":{"type":"none"}}`},
		{name: "schema without type", req: ask(func(r *llm.Request) {
			r.Tools = []llm.ToolDef{{Name: "f", Schema: json.RawMessage(`{"properties":{"x":{}}}`)}, {Name: "g", Schema: json.RawMessage(`{ }`)}, {Name: "h"}}
		}), want: `{"tools":[{"name":"f","input_schema":{"type":"object","properties":{"x":{}}}},{"name":"g","input_schema":{"type":"object"}},{"name":"h","input_schema":{"type":"object","properties":{}}}]}`},
		{name: "schema of another type", req: ask(func(r *llm.Request) {
			r.Tools = []llm.ToolDef{{Name: "f", Schema: json.RawMessage(`{"type":"string"}`)}}
		}), fails: "tools[0]", kind: fault.BadRequest},
	})
}

func TestTrap26StopSequencesOfWhiteSpace(t *testing.T) {
	with := func(s ...string) *llm.Request { return ask(func(r *llm.Request) { r.Stop = s }) }
	runEncode(t, []encodeCase{
		{name: "kept", req: with("END", "\n\nHuman:"), want: `{"stop_sequences":["END","\n\nHuman:"]}`},
		{name: "refused", req: with("END", "\n\n"), fails: "stop"},
		{name: "dropped", req: with("END", "\n\n"), target: dialect.Target{Drop: true}, want: `{"stop_sequences":["END"]}`, dropped: []string{"stop"}},
		{name: "all dropped", req: with(" "), target: dialect.Target{Drop: true}, want: `{"stop_sequences":null}`, dropped: []string{"stop"}},
	})
}

func TestTrap27NoEquivalent(t *testing.T) {
	for name, with := range map[string]func(*llm.Request){
		"n":                 func(r *llm.Request) { r.N = ptr[int64](2) },
		"best_of":           func(r *llm.Request) { r.BestOf = ptr[int64](2) },
		"seed":              func(r *llm.Request) { r.Seed = ptr[int64](0) },
		"logprobs":          func(r *llm.Request) { r.Logprobs = ptr(true) },
		"top_logprobs":      func(r *llm.Request) { r.TopLogprobs = ptr[int64](3) },
		"logit_bias":        func(r *llm.Request) { r.LogitBias = json.RawMessage(`{"50256":-100}`) },
		"frequency_penalty": func(r *llm.Request) { r.FrequencyPenalty = ptr(0.5) },
		"presence_penalty":  func(r *llm.Request) { r.PresencePenalty = ptr(-0.5) },
		"service_tier":      func(r *llm.Request) { r.ServiceTier = "flex" },
		"web_search_options": func(r *llm.Request) {
			r.Extra = []llm.Field{{Name: "web_search_options", Raw: json.RawMessage(`{}`)}}
		},
		"messages[0].name": func(r *llm.Request) { r.Messages[0].Name = "Ann" },
		"messages[0].content": func(r *llm.Request) {
			r.Messages[0].Parts = append(r.Messages[0].Parts, llm.Part{Kind: llm.PartAudio, Media: &llm.Media{Data: "AA=="}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			(&encodeCase{req: ask(with), fails: name}).run(t)
			(&encodeCase{req: ask(with), target: dialect.Target{Drop: true}, dropped: []string{name}, want: `{"messages":[{"role":"user","content":"hi"}]}`}).run(t)
		})
	}
	runEncode(t, []encodeCase{
		{name: "values that change nothing", req: ask(func(r *llm.Request) {
			r.N, r.Logprobs, r.TopLogprobs, r.LogitBias = ptr[int64](1), ptr(false), ptr[int64](0), json.RawMessage(`{}`)
			r.FrequencyPenalty, r.PresencePenalty = ptr(0.0), ptr(0.0)
			r.Extra = []llm.Field{{Name: "modalities", Raw: json.RawMessage(`[ "text" ]`)}, {Name: "audio", Raw: json.RawMessage(`null`)}}
		}), want: `{"n":null,"modalities":null}`},
		{name: "what only concerns the vendor's bookkeeping is reported", req: ask(func(r *llm.Request) {
			r.Extra = []llm.Field{{Name: "store", Raw: json.RawMessage(`true`)}, {Name: "prompt_cache_key", Raw: json.RawMessage(`"k"`)}}
		}), want: `{"store":null}`, dropped: []string{"store", "prompt_cache_key"}},
		{name: "user and tier", req: ask(func(r *llm.Request) { r.User, r.ServiceTier = "u-1", "default" }), want: `{"metadata":{"user_id":"u-1"},"service_tier":"standard_only"}`},
	})
	for _, op := range []llm.Operation{llm.Completion, llm.Embedding} {
		if _, err := (anthropic.Codec{}).Encode(&llm.Request{Operation: op}, &dialect.Target{}); !fault.Is(err, fault.Unsupported) {
			t.Errorf("%s: %v", op, err)
		}
	}
}

func TestTrap28ResponseFormat(t *testing.T) {
	const shut = `{"type":"object","properties":{"a":{"type":"array","items":{"type":"object","properties":{},"additionalProperties":false}}},"additionalProperties":false}`
	const loose = `{"type":"object","properties":{"a":{"type":"object","properties":{"b":{}}}},"additionalProperties":false}`
	with := func(f llm.Format, more ...func(*llm.Request)) *llm.Request {
		return ask(append([]func(*llm.Request){func(r *llm.Request) { r.Format = f }}, more...)...)
	}
	schema := func(s string) llm.Format {
		return llm.Format{Kind: llm.FormatSchema, Name: "answer", Schema: json.RawMessage(s), Strict: ptr(true)}
	}
	native := dialect.Target{Quirks: dialect.Quirks{NativeSchema: true}}
	forced := func(name, schema string) string {
		return `{"output_config":null,"tool_choice":{"type":"tool","name":"` + name + `","disable_parallel_tool_use":true},"tools":[{"name":"` + name +
			`","description":"Give the final answer to the user by calling this tool; its input is the answer.","input_schema":` + schema + `}]}`
	}
	tools := func(mode llm.ToolMode) func(*llm.Request) {
		return func(r *llm.Request) { r.Tools, r.ToolChoice.Mode = []llm.ToolDef{weather}, mode }
	}
	runEncode(t, []encodeCase{
		{name: "text", req: with(llm.Format{Kind: llm.FormatText}), want: `{"tools":null,"output_config":null}`},
		{name: "native", req: with(schema(shut)), target: native, want: `{"output_config":{"format":{"type":"json_schema","schema":` + shut + `}},"tools":null}`},
		{name: "native refuses open objects", req: with(schema(loose)), target: native, want: forced("answer", loose), tool: "answer"},
		{name: "not native", req: with(schema(shut)), want: forced("answer", shut), tool: "answer"},
		{name: "json_object", req: with(llm.Format{Kind: llm.FormatObject}), target: native, want: forced("json_response", `{"type":"object"}`), tool: "json_response"},
		{name: "a name that is no tool name", req: with(llm.Format{Kind: llm.FormatSchema, Name: "my answer", Schema: json.RawMessage(`{}`)}), want: forced("json_response", `{"type":"object"}`), tool: "json_response"},
		{name: "beside the client's tools", req: with(schema(shut), tools("")), want: `{"tool_choice":{"type":"any"}}`, tool: "answer"},
		{name: "the client's tools forbidden", req: with(schema(shut), tools(llm.ToolNone)), want: `{"tool_choice":{"type":"tool","name":"answer","disable_parallel_tool_use":true}}`, tool: "answer"},
		{name: "a tool is forced already", req: with(schema(shut), tools(llm.ToolRequired)), want: `{"tool_choice":{"type":"any"},"tools":[` + weatherTool + `]}`, dropped: []string{"response_format"}},
		{name: "the name is taken", req: with(llm.Format{Kind: llm.FormatSchema, Name: "weather", Schema: json.RawMessage(shut)}, tools("")), want: `{"tool_choice":{"type":"any"}}`, tool: "weather_"},
		{name: "with thinking, native", req: with(schema(shut), func(r *llm.Request) { r.Reasoning = &llm.Reasoning{Effort: "low"} }), target: dialect.Target{Quirks: dialect.Quirks{NativeSchema: true, AdaptiveThinking: true}},
			want: `{"thinking":{"type":"adaptive"},"output_config":{"effort":"low","format":{"type":"json_schema","schema":` + shut + `}}}`},
		{name: "with thinking, not native", req: with(schema(shut), func(r *llm.Request) { r.Reasoning = &llm.Reasoning{Effort: "low"} }), fails: "response_format"},
		{name: "root is no object", req: with(schema(`{"type":"array"}`)), fails: "response_format"},
	})
}

func TestTrap29CacheControl(t *testing.T) {
	mark := json.RawMessage(`{"type":"ephemeral"}`)
	runEncode(t, []encodeCase{{name: "survives", req: ask(func(r *llm.Request) {
		r.Messages = []llm.Message{
			{Role: llm.System, Parts: []llm.Part{{Kind: llm.PartText, Text: "s", CacheControl: mark}}},
			{Role: llm.User, Parts: []llm.Part{{Kind: llm.PartText, Text: "hi", CacheControl: mark}}},
		}
		r.Tools = []llm.ToolDef{{Name: "f", CacheControl: mark}}
	}), want: `{"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}],
		"messages":[{"role":"user","content":[{"type":"text","text":"hi","cache_control":{"type":"ephemeral"}}]}],
		"tools":[{"name":"f","input_schema":{"type":"object","properties":{}},"cache_control":{"type":"ephemeral"}}]}`}})
}

func TestTrap30SystemTurns(t *testing.T) {
	talk := func(dialect string, msgs ...llm.Message) *llm.Request {
		return ask(func(r *llm.Request) { r.Dialect, r.Messages = dialect, msgs })
	}
	mid := []llm.Message{say(llm.System, "one"), say(llm.User, "hi"), say(llm.Assistant, "ho"), say(llm.Developer, "two"), say(llm.User, "more"), say(llm.System, "three")}
	runEncode(t, []encodeCase{
		{name: "one", req: talk("openai", say(llm.Developer, "one"), say(llm.User, "hi")), want: `{"system":"one","messages":[{"role":"user","content":"hi"}]}`},
		{name: "flattened in order", req: talk("openai", mid...), want: `{"system":[{"type":"text","text":"one"},{"type":"text","text":"two"},{"type":"text","text":"three"}],
			"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"ho"},{"role":"user","content":"more"}]}`},
		{name: "the dialect's own stay", req: talk(anthropic.Name, mid...), want: `{"system":"one","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"ho"},{"role":"system","content":"two"},{"role":"user","content":"more"},{"role":"system","content":"three"}]}`},
		{name: "turns of one role are joined", req: talk("openai", say(llm.User, "a"), say(llm.User, "b"), say(llm.Assistant, "c"), say(llm.Assistant, ""), say(llm.Assistant, "d"), say(llm.User, "e")),
			want: `{"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},{"role":"assistant","content":[{"type":"text","text":"c"},{"type":"text","text":"d"}]},{"role":"user","content":"e"}]}`},
		{name: "begins with the assistant", req: talk("openai", say(llm.Assistant, "Welcome"), say(llm.User, "hi")), want: `{"messages":[{"role":"user","content":"."},{"role":"assistant","content":"Welcome"},{"role":"user","content":"hi"}]}`},
		{name: "system alone", req: talk("openai", say(llm.System, "Say hi")), want: `{"system":"Say hi","messages":[{"role":"user","content":"."}]}`},
		{name: "nothing", req: talk("openai"), fails: "messages", kind: fault.BadRequest},
		{name: "an empty user turn", req: talk("openai", say(llm.User, " ")), fails: "messages[0].content", kind: fault.BadRequest},
		{name: "prefill loses trailing white space", req: talk("openai", say(llm.User, "hi"), say(llm.Assistant, "The answer is \n")), want: `{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"The answer is"}]}`},
		{name: "a refusal is text", req: talk("openai", say(llm.User, "hi"), llm.Message{Role: llm.Assistant, Parts: []llm.Part{{Kind: llm.PartRefusal, Text: "no"}}}, say(llm.User, "please")),
			want: `{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"no"},{"role":"user","content":"please"}]}`},
	})
}

func TestMedia(t *testing.T) {
	with := func(p llm.Part) *llm.Request {
		return ask(func(r *llm.Request) { r.Messages[0].Parts = append(r.Messages[0].Parts, p) })
	}
	image := func(m llm.Media) *llm.Request { return with(llm.Part{Kind: llm.PartImage, Media: &m}) }
	content := func(block string) string {
		return `{"messages":[{"role":"user","content":[{"type":"text","text":"hi"},` + block + `]}]}`
	}
	runEncode(t, []encodeCase{
		{name: "URL", req: image(llm.Media{URL: "https://example.com/a.png", Detail: "auto"}), want: content(`{"type":"image","source":{"type":"url","url":"https://example.com/a.png"}}`)},
		{name: "data URL", req: image(llm.Media{URL: "data:image/jpeg;base64,/9j/4A"}), want: content(`{"type":"image","source":{"type":"base64","media_type":"image/jpeg","data":"/9j/4A"}}`)},
		{name: "jpg is jpeg", req: image(llm.Media{MediaType: "image/jpg", Data: "/9j/4A"}), want: content(`{"type":"image","source":{"type":"base64","media_type":"image/jpeg","data":"/9j/4A"}}`)},
		{name: "type known by its bytes", req: image(llm.Media{Data: "iVBORw0"}), want: content(`{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0"}}`)},
		{name: "detail is reported", req: image(llm.Media{URL: "https://example.com/a.png", Detail: "low"}), want: content(`{"type":"image","source":{"type":"url","url":"https://example.com/a.png"}}`), dropped: []string{"image_url.detail"}},
		{name: "a type Anthropic has not", req: image(llm.Media{MediaType: "image/tiff", Data: "SUkq"}), fails: "messages.content", kind: fault.BadRequest},
		{name: "no media", req: with(llm.Part{Kind: llm.PartImage}), fails: "messages.content", kind: fault.BadRequest},
		{name: "PDF", req: with(llm.Part{Kind: llm.PartDocument, Name: "a.pdf", Media: &llm.Media{URL: "data:application/pdf;base64,JVBERi0"}}), want: content(`{"type":"document","title":"a.pdf","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0"}}`)},
		{name: "text document", req: with(llm.Part{Kind: llm.PartDocument, Text: "notes"}), want: content(`{"type":"document","source":{"type":"text","media_type":"text/plain","data":"notes"}}`)},
		{name: "another vendor's part", req: with(llm.Part{Kind: llm.PartOpaque, Dialect: "openai", Opaque: json.RawMessage(`{}`)}), fails: "messages[0].content"},
	})
}

func TestContinue(t *testing.T) {
	to := func(m dialect.ContinueMethod, prefix string) dialect.Target {
		return dialect.Target{MaxTokens: 50, Continue: &dialect.Continuation{Prefix: prefix, Method: m}}
	}
	thinking := ask(func(r *llm.Request) { r.Reasoning, r.MaxTokens = &llm.Reasoning{Effort: "high"}, ptr[int64](9000) })
	instruct, _ := json.Marshal(dialect.ContinueInstruction)
	runEncode(t, []encodeCase{
		{name: "prefill", req: ask(), target: to(dialect.Prefill, "Once upon \n"), want: `{"max_tokens":50,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"Once upon"}]}`},
		{name: "nothing sent yet", req: ask(), target: to(dialect.Prefill, " "), want: `{"messages":[{"role":"user","content":"hi"}]}`},
		{name: "the client's own prefill", req: ask(func(r *llm.Request) { r.Messages = append(r.Messages, say(llm.Assistant, "Once ")) }), target: to(dialect.Prefill, "upon"), want: `{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"Once upon"}]}`},
		{name: "instruct", req: ask(), target: to(dialect.Instruct, "Once"), want: `{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"Once"},{"role":"user","content":` + string(instruct) + `}]}`},
		{name: "prefill does not think again", req: thinking, target: to(dialect.Prefill, "Once"), want: `{"thinking":null,"max_tokens":50}`},
		{name: "instruct thinks only where there is room", req: thinking, target: to(dialect.Instruct, "Once"), want: `{"thinking":null,"max_tokens":50}`},
		{name: "a format is begun already", req: ask(func(r *llm.Request) { r.Format.Kind = llm.FormatObject }), target: to(dialect.Prefill, `{"a`), want: `{"tools":null}`, dropped: []string{"response_format"}},
		{name: "a model that cannot", req: ask(), target: to(dialect.ContinueNone, "x"), fails: "continue"},
	})
}

func TestParams(t *testing.T) {
	p := dialect.Params{
		Defaults: []llm.Field{{Name: "temperature", Raw: json.RawMessage("0.1")}, {Name: "top_k", Raw: json.RawMessage("7")}},
		Rename:   map[string]string{"metadata": "meta"},
		Drop:     []string{"stop", "model"},
	}
	runEncode(t, []encodeCase{
		{name: "applied", target: dialect.Target{Params: p}, req: ask(func(r *llm.Request) { r.Stop, r.Temperature, r.User = []string{"x"}, ptr(0.9), "u" }),
			want: `{"model":"claude-x","temperature":0.9,"top_k":7,"stop_sequences":null,"metadata":null,"meta":{"user_id":"u"}}`, dropped: []string{"stop"}},
		{name: "unsupported by the provider", target: dialect.Target{Quirks: dialect.Quirks{Unsupported: []string{"stop"}}}, req: ask(func(r *llm.Request) { r.Stop = []string{"x"} }), fails: "stop"},
		{name: "unsupported, not used", target: dialect.Target{Quirks: dialect.Quirks{Unsupported: []string{"stop"}}}, req: ask(), want: `{}`},
	})
}

// TestForwardTakesForeignThinkingOut: after a failover from another dialect's
// model a client replays thinking that Anthropic never signed.
func TestForwardTakesForeignThinkingOut(t *testing.T) {
	const (
		in = `{"model":"claude-x","max_tokens":9,"messages":[{"role":"user","content":"a"},` +
			`{"role":"assistant","content":[{"type":"thinking","thinking":"x","signature":"freehold-unsigned"},{"type":"text","text":"b"},{"type":"thinking","thinking":"y","signature":"SIG"}]},` +
			`{"role":"user","content":"c"},{"role":"assistant","content":[{"type":"thinking","thinking":"z","signature":"freehold-unsigned"}]},{"role":"user","content":"d"}]}`
		want = `{"model":"claude-x","max_tokens":9,"messages":[{"role":"user","content":"a"},` +
			`{"role":"assistant","content":[{"type":"text","text":"b"},{"type":"thinking","thinking":"y","signature":"SIG"}]},` +
			`{"role":"user","content":"c"},{"role":"user","content":"d"}]}`
	)
	b, err := anthropic.Codec{}.Read(llm.Chat, []byte(in))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Release()
	out, err := anthropic.Codec{}.Forward(b, &dialect.Target{Model: "claude-x"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(out.Body)); diff != "" || !slices.Equal(out.Dropped, []string{"reasoning_content"}) {
		t.Errorf("%q %s", out.Dropped, diff)
	}
	r, err := anthropic.Codec{}.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if p := r.Messages[1].Parts; p[0].Signature != "" || p[0].Text != "x" || p[2].Signature != "SIG" {
		t.Errorf("%+v", p)
	}
}

func TestForward(t *testing.T) {
	const in = `{ "model": "w", "max_tokens": 9,"messages":[{"role":"user","content":"hi \u00fc"}], "top_k":1,"stop_sequences":["x"], "new_member":{"a":[1]} }`
	for _, tc := range []struct {
		name, want, fails string
		t                 dialect.Target
		dropped           []string
	}{
		{name: "model only", want: strings.Replace(in, `"w"`, `"claude-x"`, 1)},
		{name: "what is left", t: dialect.Target{MaxTokens: 4}, want: strings.NewReplacer(`"w"`, `"claude-x"`, ": 9", ": 4").Replace(in)},
		{name: "params", t: dialect.Target{Params: dialect.Params{Drop: []string{"stop"}, Rename: map[string]string{"new_member": "old_member"}, Defaults: []llm.Field{{Name: "top_k", Raw: json.RawMessage("5")}, {Name: "top_p", Raw: json.RawMessage("0.5")}}}},
			want: `{ "model": "claude-x", "max_tokens": 9,"messages":[{"role":"user","content":"hi \u00fc"}], "top_k":1,"old_member":{"a":[1]},"top_p":0.5 }`, dropped: []string{"stop"}},
		{name: "unsupported", t: dialect.Target{Quirks: dialect.Quirks{Unsupported: []string{"top_k"}}}, fails: "top_k"},
		{name: "unsupported, dropped", t: dialect.Target{Drop: true, Quirks: dialect.Quirks{Unsupported: []string{"top_k"}}},
			want: strings.NewReplacer(`"w"`, `"claude-x"`, `"top_k":1,`, "").Replace(in), dropped: []string{"top_k"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b, err := anthropic.Codec{}.Read(llm.Chat, []byte(in))
			if err != nil {
				t.Fatal(err)
			}
			tc.t.Model = "claude-x"
			out, err := anthropic.Codec{}.Forward(b, &tc.t)
			if tc.fails != "" {
				var f *fault.Error
				if !errors.As(err, &f) || f.Kind != fault.Unsupported || f.Param != tc.fails {
					t.Fatal(err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, string(out.Body)); diff != "" {
				t.Error(diff)
			}
			if !slices.Equal(out.Dropped, tc.dropped) {
				t.Errorf("dropped %q", out.Dropped)
			}
		})
	}
}
