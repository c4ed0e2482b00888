package variant

import (
	"slices"

	"freehold/internal/llm"
)

// Apply returns r as it is put to the model, and which of its parameters are left
// out. r itself stays as it is; what does not differ is shared with it.
func (v *Variant) Apply(r *llm.Request) (*llm.Request, []string) {
	if v == nil || r.Operation == llm.Embedding {
		return r, nil
	}
	c := *r
	var dropped []string
	if v.System != "" && (r.Operation == llm.Chat || r.Operation == llm.CountTokens) && v.system(&c) {
		dropped = append(dropped, "system")
	}
	for _, name := range v.Strip {
		if strip(&c, name) {
			dropped = append(dropped, name)
		}
	}
	v.set.apply(&c)
	return &c, dropped
}

// system puts the system prompt in. It reports whether the client's is left out.
func (v *Variant) system(c *llm.Request) (left bool) {
	own := 0 // messages of the client's system prompt
	for own < len(c.Messages) && (c.Messages[own].Role == llm.System || c.Messages[own].Role == llm.Developer) {
		own++
	}
	ours := llm.Message{Role: llm.System, Parts: []llm.Part{{Kind: llm.PartText, Text: v.System}}}
	if own == 0 {
		c.Messages = append([]llm.Message{ours}, c.Messages...)
		return false
	}
	if v.Mode == Replace {
		for i := range c.Messages[:own] {
			left = left || says(c.Messages[i].Parts)
		}
		ours.Role = c.Messages[0].Role
		c.Messages = append([]llm.Message{ours}, c.Messages[own:]...)
		return left
	}
	// One message of all, for not every model takes several.
	c.Messages = slices.Clone(c.Messages)
	at := 0
	if v.Mode == Append {
		at = own - 1
	}
	m := &c.Messages[at]
	m.Parts = slices.Clone(m.Parts)
	part := 0
	if v.Mode == Append {
		part = len(m.Parts) - 1
	}
	switch {
	case len(m.Parts) > 0 && m.Parts[part].Kind == llm.PartText && len(m.Parts[part].CacheControl) == 0:
		m.Parts[part].Text = v.Join(m.Parts[part].Text)
	case v.Mode == Prepend:
		m.Parts = append(slices.Clone(ours.Parts), m.Parts...)
	default:
		m.Parts = append(m.Parts, ours.Parts...)
	}
	return false
}

// says reports parts with something in them.
func says(parts []llm.Part) bool {
	return slices.ContainsFunc(parts, func(p llm.Part) bool { return p.Kind != llm.PartText || p.Text != "" })
}

// strip takes a parameter out and reports whether it was there.
func strip(c *llm.Request, name string) bool {
	switch name {
	case "temperature":
		return unset(&c.Temperature)
	case "top_p":
		return unset(&c.TopP)
	case "top_k":
		return unset(&c.TopK)
	case "seed":
		return unset(&c.Seed)
	case "frequency_penalty":
		return unset(&c.FrequencyPenalty)
	case "presence_penalty":
		return unset(&c.PresencePenalty)
	case "logprobs":
		if c.Operation == llm.Completion { // there it is the number of them
			return unset(&c.TopLogprobs)
		}
		return unset(&c.Logprobs)
	case "top_logprobs":
		return c.Operation == llm.Chat && unset(&c.TopLogprobs)
	case "stop":
		had := len(c.Stop) > 0
		c.Stop = nil
		return extra(c, name) || had
	case "logit_bias":
		had := len(c.LogitBias) > 0
		c.LogitBias = nil
		return had
	case "response_format":
		had := c.Format.Kind != ""
		c.Format = llm.Format{}
		return extra(c, name) || had
	case "tool_choice":
		had := c.ToolChoice.Mode != ""
		c.ToolChoice = llm.ToolChoice{Parallel: c.ToolChoice.Parallel}
		return extra(c, name) || had
	case "parallel_tool_calls":
		return unset(&c.ToolChoice.Parallel)
	case "reasoning_effort":
		had := c.Reasoning != nil
		c.Reasoning = nil
		return extra(c, "reasoning") || had
	case "user":
		had := c.User != ""
		c.User = ""
		return had
	}
	return extra(c, name)
}

func unset[T any](p **T) bool {
	had := *p != nil
	*p = nil
	return had
}

// extra takes a member out that the canonical model does not know.
func extra(c *llm.Request, name string) bool {
	i := slices.IndexFunc(c.Extra, func(f llm.Field) bool { return f.Name == name })
	if i < 0 {
		return false
	}
	c.Extra = slices.Delete(slices.Clone(c.Extra), i, i+1)
	return true
}

// apply sets the parameters. A smaller limit of the client's stays.
func (s *values) apply(c *llm.Request) {
	if c.Operation == llm.CountTokens {
		return
	}
	put(&c.Temperature, s.temperature)
	put(&c.TopP, s.topP)
	put(&c.TopK, s.topK)
	put(&c.Seed, s.seed)
	put(&c.FrequencyPenalty, s.frequencyPenalty)
	put(&c.PresencePenalty, s.presencePen)
	if s.maxTokens != nil && (c.MaxTokens == nil || *c.MaxTokens > *s.maxTokens) {
		c.MaxTokens = s.maxTokens
	}
	if s.stop != nil {
		c.Stop = s.stop
		extra(c, "stop")
	}
	if c.Operation != llm.Chat {
		return
	}
	if s.effort != "" {
		c.Reasoning = &llm.Reasoning{Effort: s.effort, Plain: true}
		extra(c, "reasoning")
	}
	if s.parallel != nil && len(c.Tools) > 0 { // without tools it is refused
		c.ToolChoice.Parallel = s.parallel
	}
}

func put[T any](dst **T, v *T) {
	if v != nil {
		*dst = v
	}
}
