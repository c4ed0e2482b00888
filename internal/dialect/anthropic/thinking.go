package anthropic

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
)

// minBudget is the smallest thinking budget the API takes.
const minBudget = 1024

// budgets are the thinking budgets that stand for OpenAI's efforts.
var budgets = map[string]int64{
	"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 24576, "max": 24576,
}

// efforts are output_config.effort for OpenAI's words.
var efforts = map[string]string{
	"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max",
}

// thinking is what a request says of thinking, and its token limit, which
// covers thinking and answer together.
type thinking struct {
	mode      string // thinking.type; empty: not sent
	budget    int64
	display   string
	effort    string // output_config.effort
	maxTokens int64
}

func (t *thinking) on() bool { return t.mode != "" && t.mode != "disabled" }

// thinkingWished reports whether the client asked for thinking.
func (e *encoder) thinkingWished() bool {
	r := e.r.Reasoning
	switch {
	case r == nil:
		return false
	case r.Mode != "":
		return r.Mode != "disabled"
	case r.BudgetTokens > 0:
		return true
	}
	return !e.ownWords() && r.Effort != "" && r.Effort != "none"
}

// ownWords reports that what the request says of thinking is in this dialect's words.
func (e *encoder) ownWords() bool { return e.own && !e.r.Reasoning.Plain }

// reasoningParam names the client's parameter for errors.
func (e *encoder) reasoningParam() string {
	if e.ownWords() || e.r.Reasoning.Mode != "" || e.r.Reasoning.BudgetTokens > 0 {
		return "thinking"
	}
	return "reasoning_effort"
}

// planThinking decides thinking and max_tokens.
func (e *encoder) planThinking() error {
	th := &e.thinking
	given := e.r.MaxTokens != nil || e.t.MaxTokens > 0
	switch {
	case e.t.MaxTokens > 0:
		th.maxTokens = e.t.MaxTokens
	case e.r.MaxTokens != nil:
		th.maxTokens = *e.r.MaxTokens
	case configuredLimit(&e.t.Params) > 0:
		th.maxTokens = configuredLimit(&e.t.Params)
	case e.t.Quirks.DefaultMaxTokens > 0:
		th.maxTokens = e.t.Quirks.DefaultMaxTokens
	default:
		th.maxTokens = defaultMaxTokens
	}
	if given && !e.count && (th.maxTokens < 0 || th.maxTokens == 0 && !e.own) {
		return invalid("max_tokens", "must be at least 1")
	}
	r := e.r.Reasoning
	if r == nil {
		return nil
	}
	if e.ownWords() {
		th.effort = r.Effort
	}
	if !e.thinkingWished() {
		if r.Mode == "disabled" || r.Effort == "none" {
			th.mode = "disabled"
		}
		return nil
	}
	if c := e.t.Continue; c != nil && c.Method != dialect.Instruct {
		th.effort = ""
		return nil // a prefilled answer has done its thinking
	}
	if mode := e.r.ToolChoice.Mode; mode == llm.ToolRequired || mode == llm.ToolNamed {
		if !e.t.Drop {
			return &fault.Error{Kind: fault.Unsupported, Param: "tool_choice",
				Message: "tool_choice: Anthropic models cannot be forced to call a tool while they think",
				Hint:    "leave out " + e.reasoningParam() + ", or let tool_choice be auto"}
		}
		e.drop(e.reasoningParam())
		return nil
	}
	th.display = r.Display
	if e.t.Quirks.AdaptiveThinking || r.Mode != "" && r.Mode != "enabled" {
		return e.planAdaptive(r)
	}
	return e.planBudget(r, given)
}

// configuredLimit is the token limit that the configuration gives to requests
// without one, under either name; 0: none.
func configuredLimit(p *dialect.Params) int64 {
	for _, d := range p.Defaults {
		if n, err := strconv.ParseInt(string(d.Raw), 10, 64); err == nil && wireName(d.Name) == "max_tokens" {
			return n
		}
	}
	return 0
}

// planAdaptive asks for thinking whose depth the model chooses.
func (e *encoder) planAdaptive(r *llm.Reasoning) error {
	th := &e.thinking
	th.mode = "adaptive"
	if r.Mode != "" && r.Mode != "enabled" {
		th.mode = r.Mode
	}
	switch {
	case th.effort != "": // the client's own word
	case r.Effort != "":
		word, ok := efforts[r.Effort]
		if !ok {
			return invalid("reasoning_effort", "unknown effort "+strconv.Quote(r.Effort))
		}
		th.effort = word
	case r.BudgetTokens > 0:
		th.effort = effortOf(r.BudgetTokens)
	}
	return nil
}

// effortOf is the effort that stands for a thinking budget.
func effortOf(budget int64) string {
	switch {
	case budget <= budgets["low"]:
		return "low"
	case budget <= budgets["medium"]:
		return "medium"
	}
	return "high"
}

// planBudget asks for thinking with a token budget, 1024 or more and below
// max_tokens.
func (e *encoder) planBudget(r *llm.Reasoning, given bool) error {
	th := &e.thinking
	if e.unsignedToolLoop() {
		e.drop(e.reasoningParam())
		return nil
	}
	budget, explicit := r.BudgetTokens, r.BudgetTokens > 0
	if !explicit {
		word := r.Effort
		if word == "" {
			word = "medium"
		}
		var ok bool
		if budget, ok = budgets[word]; !ok {
			return invalid("reasoning_effort", "unknown effort "+strconv.Quote(r.Effort))
		}
	}
	if budget < minBudget {
		return invalid("thinking.budget_tokens", "must be at least 1024")
	}
	rest := e.t.Continue != nil || e.t.MaxTokens > 0 // the limit is what is left of the client's
	switch {
	case e.count:
	case !given:
		th.maxTokens += budget
	case budget < th.maxTokens && (explicit || budget <= th.maxTokens*3/4):
	case explicit && !rest:
		return invalid("max_tokens", "must be greater than thinking.budget_tokens")
	case th.maxTokens <= minBudget:
		if rest {
			return nil // what is left of the limit is for the answer
		}
		e.refuse(e.reasoningParam(), "max_tokens must be above 1024 to leave room for thinking")
		return nil
	default:
		budget = max(minBudget, min(budget, th.maxTokens*3/4)) // a quarter stays for the answer
	}
	th.mode, th.budget = "enabled", budget
	return nil
}

// unsignedToolLoop reports whether the conversation is inside a tool loop
// whose last assistant turn has no thinking that can be replayed: then the API
// refuses a thinking budget.
func (e *encoder) unsignedToolLoop() bool {
	msgs := e.r.Messages
	for i := len(msgs) - 1; i >= 0; i-- {
		m := &msgs[i]
		if m.Role != llm.Assistant {
			continue
		}
		calls := false
		for j := range m.Parts {
			p := &m.Parts[j]
			if p.Kind == llm.PartRedactedThinking || p.Kind == llm.PartThinking && p.Signature != "" {
				return false
			}
			calls = calls || p.Kind == llm.PartToolCall
		}
		return calls
	}
	return false
}

// thinkingFields sends thinking and output_config.
func (e *encoder) thinkingFields() {
	th := &e.thinking
	if th.mode != "" {
		raw := jsondoor.AppendString([]byte(`{"type":`), th.mode)
		if th.budget > 0 {
			raw = strconv.AppendInt(append(raw, `,"budget_tokens":`...), th.budget, 10)
		}
		if th.display != "" && th.on() {
			raw = jsondoor.AppendString(append(raw, `,"display":`...), th.display)
		}
		e.set("thinking", append(raw, '}'))
	}
	var config []llm.Field
	if th.effort != "" {
		config = append(config, llm.Field{Name: "effort", Raw: jsondoor.AppendString(nil, th.effort)})
	}
	if e.format != nil && e.formatTool == "" {
		raw := append([]byte(`{"type":"json_schema","schema":`), e.format...)
		config = append(config, llm.Field{Name: "format", Raw: append(raw, '}')})
	}
	if e.own { // members of output_config that the canonical model does not know
		for _, f := range e.r.Extra {
			var rest map[string]json.RawMessage
			if f.Name == "output_config" && json.Unmarshal(f.Raw, &rest) == nil {
				for _, name := range slices.Sorted(maps.Keys(rest)) {
					config = append(config, llm.Field{Name: name, Raw: rest[name]})
				}
			}
		}
	}
	if len(config) > 0 {
		e.set("output_config", appendObject(nil, config))
	}
}
