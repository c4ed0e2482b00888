package openaichat

import (
	"encoding/json"
	"slices"
	"strings"

	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
)

// encoder makes one provider's body.
type encoder struct {
	r       *llm.Request
	t       *dialect.Target
	members members
	foreign bool
	dropped []string
	refused []string // parameters that cannot be said here
	fail    *fault.Error
}

// Encode implements dialect.Codec.
func (Codec) Encode(r *llm.Request, t *dialect.Target) (*dialect.Outgoing, error) {
	e := &encoder{r: r, t: t, foreign: r.Dialect != Name}
	e.set("model", jsondoor.Quote(t.Model))
	switch r.Operation {
	case llm.Chat:
		e.chat()
	case llm.Completion:
		e.completion()
	case llm.Embedding:
		e.embedding()
	case llm.CountTokens: // of the servers that have it: llama.cpp
		e.set("messages", e.messages())
		e.tools()
		return e.out(nil)
	default:
		return nil, noOperation(r.Operation)
	}
	e.common()
	return e.out(r.Extra)
}

// out is the body, with further members.
func (e *encoder) out(more []llm.Field) (*dialect.Outgoing, error) {
	t := e.t
	for _, x := range more {
		switch {
		case e.foreign:
			e.foreignMember(x)
		case !e.members.has(x.Name): // else set from the canonical model
			e.set(x.Name, x.Raw)
		}
	}
	if e.fail == nil {
		e.dropped, e.fail = e.members.adjust(t, e.r.Operation, e.dropped, e.refused)
	}
	if e.fail != nil {
		return nil, e.fail
	}
	out := &dialect.Outgoing{Body: e.members.bytes(), Dropped: e.dropped}
	if t.Bound {
		out.Bound = e.members.bound()
	}
	return out, nil
}

func (e *encoder) set(name string, raw []byte) { e.members.set(name, raw) }

// unsupported refuses what cannot be said here, or drops it where allowed.
func (e *encoder) unsupported(param string) {
	if e.t.Drop {
		e.drop(param)
		return
	}
	if !slices.Contains(e.refused, param) {
		e.refused = append(e.refused, param)
	}
}

// unsupported refuses parameters, all in one answer.
func unsupported(params ...string) *fault.Error {
	f := &fault.Error{Kind: fault.Unsupported, Param: params[0], Code: "unsupported_parameter",
		Message: "The parameter '" + params[0] + "' is not supported by the model that would answer."}
	if len(params) > 1 {
		f.Message = "The parameters '" + strings.Join(params, "', '") + "' are not supported by the model that would answer."
	}
	return f
}

// drop reports what was left out on purpose.
func (e *encoder) drop(param string) {
	if !slices.Contains(e.dropped, param) {
		e.dropped = append(e.dropped, param)
	}
}

func (e *encoder) integer(name string, v *int64) {
	if v != nil {
		e.set(name, encoded(*v))
	}
}

func (e *encoder) float(name string, v *float64) {
	if v != nil {
		var w jsondoor.Writer
		e.set(name, w.Float(*v).Buf)
	}
}

func (e *encoder) text(name, v string) {
	if v != "" {
		e.set(name, jsondoor.Quote(v))
	}
}

func (e *encoder) boolean(name string, v *bool) {
	if v != nil {
		e.set(name, encoded(*v))
	}
}

// encoded returns the JSON of a value that always has one: numbers without
// fraction, booleans, strings and slices of them.
func encoded[T int64 | bool | []string | [][]int64 | []int64](v T) json.RawMessage {
	b, _ := json.Marshal(v) // cannot fail for these types
	return b
}

// common sets what all operations, or all but embeddings, know.
func (e *encoder) common() {
	r := e.r
	e.text("user", r.User)
	if r.Operation == llm.Embedding {
		return
	}
	e.float("temperature", r.Temperature)
	e.float("top_p", r.TopP)
	e.integer("top_k", r.TopK)
	e.integer("n", r.N)
	e.integer("seed", r.Seed)
	e.float("frequency_penalty", r.FrequencyPenalty)
	e.float("presence_penalty", r.PresencePenalty)
	if len(r.LogitBias) > 0 {
		e.set("logit_bias", r.LogitBias)
	}
	if len(r.Stop) == 1 {
		e.text("stop", r.Stop[0])
	} else if len(r.Stop) > 1 {
		e.set("stop", encoded(r.Stop))
	}
	if r.MaxTokens != nil {
		name := "max_tokens"
		if r.Operation == llm.Chat && e.t.Quirks.MaxTokensField == "" && reasoningModel(e.t.Model) {
			name = "max_completion_tokens"
		}
		e.integer(name, r.MaxTokens)
	}
	if e.t.Stream {
		e.set("stream", encoded(true))
		if r.IncludeUsage {
			e.set("stream_options", []byte(`{"include_usage":true}`))
		}
	}
}

// reasoningModel reports whether OpenAI's own rule applies that max_tokens is
// refused in favour of max_completion_tokens (o-series and GPT-5 on).
func reasoningModel(model string) bool {
	name := model[strings.LastIndexByte(model, '/')+1:]
	for _, p := range []string{"o1", "o3", "o4", "gpt-5", "gpt-6"} {
		if rest, ok := strings.CutPrefix(name, p); ok && (rest == "" || strings.ContainsRune("-.", rune(rest[0]))) {
			return true
		}
	}
	return false
}

func (e *encoder) chat() {
	r := e.r
	e.set("messages", e.messages())
	e.tools()
	switch f := r.Format; f.Kind {
	case "", llm.FormatText:
		if f.Kind == llm.FormatText && !e.foreign {
			e.set("response_format", []byte(`{"type":"text"}`))
		}
	case llm.FormatObject:
		e.set("response_format", []byte(`{"type":"json_object"}`))
	case llm.FormatSchema:
		e.set("response_format", schemaFormat(f))
	}
	e.reasoning()
	e.boolean("logprobs", r.Logprobs)
	e.integer("top_logprobs", r.TopLogprobs)
	switch tier := r.ServiceTier; {
	case e.foreign && tier == "standard_only": // Anthropic's word for it
		e.text("service_tier", "default")
	default:
		e.text("service_tier", tier)
	}
}

func schemaFormat(f llm.Format) []byte {
	var w jsondoor.Writer
	w.Object().Key("type").String("json_schema").Key("json_schema").Object()
	name := f.Name
	if name == "" {
		name = "answer"
	}
	w.Key("name").String(name)
	if f.Description != "" {
		w.Key("description").String(f.Description)
	}
	if len(f.Schema) > 0 {
		w.Key("schema").Raw(f.Schema)
	}
	if f.Strict != nil {
		w.Key("strict").Bool(*f.Strict)
	}
	w.EndObject().EndObject()
	return w.Buf
}

func (e *encoder) reasoning() {
	g := e.r.Reasoning
	if g == nil {
		return
	}
	if e.foreign && slices.Contains(e.t.Quirks.Unsupported, "reasoning_effort") {
		e.noReasoning(g)
		return
	}
	effort := g.Effort
	if effort == "" && g.Mode == "enabled" {
		switch {
		case g.BudgetTokens <= 2048:
			effort = "low"
		case g.BudgetTokens <= 8192:
			effort = "medium"
		default:
			effort = "high"
		}
	}
	if e.foreign {
		effort = e.effort(effort)
	}
	e.text("reasoning_effort", effort)
}

func (e *encoder) completion() {
	r := e.r
	prompts, echo := r.Prompt, r.Echo
	if c := e.t.Continue; c != nil {
		prompts, echo = e.continued(prompts, echo, c)
	}
	e.inputs("prompt", prompts, r.InputTokens)
	e.text("suffix", r.Suffix)
	if echo {
		e.set("echo", encoded(true))
	}
	e.integer("best_of", r.BestOf)
	e.integer("logprobs", r.TopLogprobs)
}

// continued puts what was sent already behind the prompt. An echoed prompt is
// part of what was sent.
func (e *encoder) continued(prompts []string, echo bool, c *dialect.Continuation) ([]string, bool) {
	if len(prompts) != 1 || c.Method == dialect.ContinueNone || echo && !strings.HasPrefix(c.Prefix, prompts[0]) {
		e.fail = unsupported("continue")
		return prompts, echo
	}
	if echo {
		return []string{c.Prefix}, false
	}
	return []string{prompts[0] + c.Prefix}, false
}

func (e *encoder) embedding() {
	r := e.r
	e.inputs("input", r.Input, r.InputTokens)
	e.text("encoding_format", r.EncodingFormat)
	e.integer("dimensions", r.Dimensions)
	if r.InputType != "" { // which only some servers know
		if e.foreign {
			e.dropped = appendOnce(e.dropped, "input_type")
		} else {
			e.text("input_type", r.InputType)
		}
	}
}

func (e *encoder) inputs(name string, texts []string, ids [][]int64) {
	switch {
	case len(ids) == 1:
		e.set(name, encoded(ids[0]))
	case len(ids) > 1:
		e.set(name, encoded(ids))
	case len(texts) == 1:
		e.set(name, jsondoor.Quote(texts[0]))
	default:
		e.set(name, encoded(texts))
	}
}
