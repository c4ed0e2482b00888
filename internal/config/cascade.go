package config

import "slices"

// Cascade asks a cheap model first. The workload's own plan answers where that
// one's answer cannot be trusted.
type Cascade struct {
	// Model that is asked first; not the workload's own.
	Model string `yaml:"model" jsonschema:"required"`
	// What shows that its answer may stand: agreement (of several attempts, each in other words) or logprobs (how sure it was of its tokens).
	By CascadeBy `yaml:"by" jsonschema:"default=agreement"`
	// How often it is asked, all at once; by: agreement.
	Attempts int `yaml:"attempts" jsonschema:"minimum=2,maximum=5,default=2"`
	// Least margin, 0 to 1, between the probabilities of the likeliest two tokens at which an answer may stand; by: logprobs. freehold route train --cascade finds it.
	Margin float64 `yaml:"margin" jsonschema:"minimum=0,maximum=1,default=0.3"`
	// Longest answer of the model in tokens; a longer one is cut and does not stand. Absent: the request's own limit.
	MaxTokens int `yaml:"max_tokens" jsonschema:"minimum=1"`
}

func (c *Cascade) defaults() { c.By, c.Attempts, c.Margin = ByAgreement, 2, 0.3 }

// CascadeBy is what shows that an answer may stand.
type CascadeBy string

// Values of workloads.NAME.cascade.by.
const (
	ByAgreement CascadeBy = "agreement"
	ByLogprobs  CascadeBy = "logprobs"
)

func (CascadeBy) values() []string { return []string{"agreement", "logprobs"} }

func (c *checker) cascade(w *Workload, at []string) {
	k := w.Cascade
	if k == nil || k.Model == "" {
		return
	}
	key := func(name string) []string { return append(slices.Clone(at), name) }
	if k.Model == w.Model {
		c.rep.errorf(c.pos(key("model")...), "name a cheaper model, or take the cascade away", "%s asks the workload's own model %s first", label(at), k.Model)
		return
	}
	if m := c.cfg.Models[k.Model]; m != nil && m.Mode != ModeChat {
		c.rep.errorf(c.pos(key("model")...), "name a model for chat", "%s: %s is for %s", label(at), k.Model, m.Mode)
		return
	}
	c.candidate(w, k.Model, key("model"))
	for _, other := range []struct {
		name string
		by   CascadeBy
	}{{"attempts", ByAgreement}, {"margin", ByLogprobs}} {
		if k.By != other.by && c.has(key(other.name)...) {
			c.rep.warnf(c.pos(key(other.name)...), "set by: "+string(other.by)+", or take it away", "%s is for by: %s", label(key(other.name)), other.by)
		}
	}
}
