package anthropic

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
)

// defaultMaxTokens is sent when neither client nor preset says a limit; the
// API requires one.
const defaultMaxTokens = 4096

// Encode implements dialect.Codec.
func (Codec) Encode(r *llm.Request, t *dialect.Target) (*dialect.Outgoing, error) {
	if r.Operation != llm.Chat && r.Operation != llm.CountTokens {
		return nil, &fault.Error{Kind: fault.Unsupported, Param: string(r.Operation),
			Message: "the Anthropic Messages API has no " + string(r.Operation) + " operation"}
	}
	e := &encoder{r: r, t: t, own: r.Dialect == Name, count: r.Operation == llm.CountTokens}
	if err := e.request(); err != nil {
		return nil, err
	}
	out := &dialect.Outgoing{Tool: e.formatTool}
	fields := e.applyParams()
	if err := e.refusals(); err != nil {
		return nil, err
	}
	out.Body, out.Dropped = appendObject(nil, fields), e.dropped
	if slices.ContainsFunc(fields, func(f llm.Field) bool { return f.Name == "max_tokens" }) {
		out.Bound = dialect.Bound{MaxTokens: e.thinking.maxTokens, Answers: 1}
	}
	return out, nil
}

// encoder builds one request body.
type encoder struct {
	r       *llm.Request
	t       *dialect.Target
	own     bool // the client spoke this dialect too
	count   bool // count_tokens: only what costs input tokens
	fields  []llm.Field
	dropped []string
	refused []refusal

	thinking   thinking
	formatTool string // name of the forced tool that stands for the format
	format     json.RawMessage
}

func (e *encoder) set(name string, raw []byte) {
	e.fields = append(e.fields, llm.Field{Name: name, Raw: raw})
}

func (e *encoder) setString(name, s string) { e.set(name, jsondoor.AppendString(nil, s)) }
func (e *encoder) setInt(name string, n int64) {
	e.set(name, strconv.AppendInt(nil, n, 10))
}

// drop reports a parameter as left out, once.
func (e *encoder) drop(param string) {
	if !slices.Contains(e.dropped, param) {
		e.dropped = append(e.dropped, param)
	}
}

// refuse is for what the dialect cannot express: left out and reported where
// the target allows it, else the request is refused in the end, for all of it.
func (e *encoder) refuse(param, why string) {
	if e.t.Drop {
		e.drop(param)
		return
	}
	e.refused = append(e.refused, refusal{param, why})
}

// refusal is a parameter that the dialect cannot express, and why.
type refusal struct{ param, why string }

// refusals is the fault of all that was refused, nil for nothing.
func (e *encoder) refusals() error {
	if len(e.refused) == 0 {
		return nil
	}
	var b strings.Builder
	for i, r := range e.refused {
		switch {
		case i == 0:
		case r.why == e.refused[i-1].why:
			b.WriteString(", ")
		default:
			b.WriteString("; ")
		}
		b.WriteString(r.param)
		if i+1 == len(e.refused) || e.refused[i+1].why != r.why {
			b.WriteString(": " + r.why)
		}
	}
	return &fault.Error{Kind: fault.Unsupported, Param: e.refused[0].param, Message: b.String()}
}

func invalid(param, why string) error {
	return &fault.Error{Kind: fault.BadRequest, Param: param, Message: param + ": " + why}
}

func (e *encoder) request() error {
	e.setString("model", e.t.Model)
	e.noEquivalent()
	if err := e.planFormat(); err != nil {
		return err
	}
	if err := e.planThinking(); err != nil {
		return err
	}
	if !e.count {
		e.setInt("max_tokens", e.thinking.maxTokens)
	}
	if err := e.messages(); err != nil {
		return err
	}
	if err := e.tools(); err != nil {
		return err
	}
	e.thinkingFields()
	if !e.count {
		if err := e.sampling(); err != nil {
			return err
		}
		if e.t.Stream {
			e.set("stream", []byte("true"))
		}
	}
	e.extra()
	return nil
}

// noEquivalent refuses parameters the Messages API does not have. Values that
// say what happens anyway are nothing to refuse.
func (e *encoder) noEquivalent() {
	r := e.r
	for _, p := range []struct {
		name string
		used bool
	}{
		{"n", r.N != nil && *r.N != 1},
		{"best_of", r.BestOf != nil && *r.BestOf != 1},
		{"seed", r.Seed != nil},
		{"frequency_penalty", r.FrequencyPenalty != nil && *r.FrequencyPenalty != 0},
		{"presence_penalty", r.PresencePenalty != nil && *r.PresencePenalty != 0},
		{"logit_bias", len(r.LogitBias) > 0 && !isEmptyJSON(r.LogitBias)},
		{"logprobs", r.Logprobs != nil && *r.Logprobs},
		{"top_logprobs", r.TopLogprobs != nil && *r.TopLogprobs != 0},
		{"suffix", r.Suffix != ""},
		{"echo", r.Echo},
	} {
		if p.used {
			e.refuse(p.name, "the Anthropic Messages API has no equivalent")
		}
	}
}

func isEmptyJSON(raw json.RawMessage) bool {
	s := strings.TrimSpace(string(raw))
	return s == "null" || s == "{}" || s == "[]"
}

// sampling sends temperature, top_p, top_k, stop sequences, the end user and
// the service tier.
func (e *encoder) sampling() error {
	r := e.r
	temperature, topP, topK := r.Temperature, r.TopP, r.TopK
	fixed := e.t.Quirks.AdaptiveThinking || e.thinking.on()
	neutral := func(p *float64) bool { return p != nil && *p == 1 }
	// Newer models refuse temperature and top_p together; 1 is the default of both.
	if temperature != nil && topP != nil || fixed {
		if neutral(topP) {
			topP = nil
		}
		if neutral(temperature) && (topP != nil || fixed) {
			temperature = nil
		}
	}
	why := "this model takes no sampling parameters"
	if !e.t.Quirks.AdaptiveThinking {
		why = "cannot be combined with thinking"
	}
	if temperature != nil {
		switch {
		case fixed:
			e.refuse("temperature", why)
		case *temperature < 0 || *temperature > 1:
			e.refuse("temperature", "Anthropic models take 0 to 1")
		default:
			e.set("temperature", number(*temperature))
		}
	}
	if topP != nil {
		// With a thinking budget the API takes top_p from 0.95.
		if fixed && (e.t.Quirks.AdaptiveThinking || *topP < 0.95) {
			e.refuse("top_p", why)
		} else {
			e.set("top_p", number(*topP))
		}
	}
	if topK != nil {
		if fixed {
			e.refuse("top_k", why)
		} else {
			e.setInt("top_k", *topK)
		}
	}
	e.stop()
	if r.User != "" && !hasField(r.Extra, "metadata", e.own) {
		e.set("metadata", append(jsondoor.AppendString([]byte(`{"user_id":`), r.User), '}'))
	}
	e.serviceTier()
	return nil
}

func (e *encoder) stop() {
	if len(e.r.Stop) == 0 {
		return
	}
	raw, sent := []byte{'['}, 0
	for _, s := range e.r.Stop {
		if strings.TrimSpace(s) == "" {
			e.refuse("stop", "Anthropic refuses stop sequences of white space only")
			continue
		}
		if sent++; sent > 1 {
			raw = append(raw, ',')
		}
		raw = jsondoor.AppendString(raw, s)
	}
	if sent > 0 {
		e.set("stop_sequences", append(raw, ']'))
	}
}

func (e *encoder) serviceTier() {
	tier := e.r.ServiceTier
	switch {
	case tier == "":
		return
	case e.own || tier == "auto":
	case tier == "default":
		tier = "standard_only" // OpenAI's word for no priority capacity
	default:
		e.refuse("service_tier", "Anthropic has no tier "+strconv.Quote(tier))
		return
	}
	e.setString("service_tier", tier)
}

// advisory are members of other dialects that change nothing of the answer:
// they are left out and reported, never refused.
var advisory = map[string]bool{
	"store": true, "metadata": true, "prompt_cache_key": true, "prompt_cache_retention": true,
	"prompt_cache_options": true, "safety_identifier": true, "prediction": true, "stream_options": true,
}

func (e *encoder) extra() {
	for _, f := range e.r.Extra {
		switch {
		case e.own && f.Name == "output_config": // merged in thinkingFields
		case e.own:
			e.set(f.Name, f.Raw)
		case string(f.Raw) == "null":
		case f.Name == "modalities" && strings.Join(strings.Fields(string(f.Raw)), "") == `["text"]`:
		case advisory[f.Name]:
			e.drop(f.Name)
		default:
			e.refuse(f.Name, "the Anthropic Messages API has no equivalent")
		}
	}
}

func hasField(fields []llm.Field, name string, when bool) bool {
	return when && slices.ContainsFunc(fields, func(f llm.Field) bool { return f.Name == name })
}

// wireNames are the members that a parameter of another dialect becomes here,
// for Quirks.Unsupported and Params, which may use either name.
var wireNames = map[string]string{
	"stop": "stop_sequences", "response_format": "output_config", "reasoning_effort": "thinking",
	"max_completion_tokens": "max_tokens", "user": "metadata",
}

func wireName(name string) string {
	if w, ok := wireNames[name]; ok {
		return w
	}
	return name
}

// applyParams applies the model's configured removals, renames and defaults,
// and refuses what the preset lists as unsupported.
func (e *encoder) applyParams() []llm.Field {
	fields, t := e.fields, e.t
	if t.Params.IsZero() && len(t.Quirks.Unsupported) == 0 {
		return fields
	}
	index := func(name string) int {
		return slices.IndexFunc(fields, func(f llm.Field) bool { return f.Name == name })
	}
	for _, name := range t.Params.Drop {
		if i := index(wireName(name)); i >= 0 && !required(fields[i].Name) {
			fields = slices.Delete(fields, i, i+1)
			e.drop(name)
		}
	}
	for _, name := range t.Quirks.Unsupported {
		if i := index(wireName(name)); i >= 0 && !required(fields[i].Name) {
			e.refuse(name, "this provider does not support it")
			fields = slices.Delete(fields, i, i+1)
		}
	}
	for _, d := range t.Params.Defaults {
		if index(d.Name) < 0 && wireName(d.Name) != "max_tokens" { // see configuredLimit
			fields = append(fields, d)
		}
	}
	for _, from := range slices.Sorted(maps.Keys(t.Params.Rename)) {
		to := t.Params.Rename[from]
		if i := index(from); i >= 0 && index(to) < 0 {
			fields[i].Name = to
		}
	}
	return fields
}

// required tells the members no configuration can take away.
func required(name string) bool { return name == "model" || name == "messages" }
