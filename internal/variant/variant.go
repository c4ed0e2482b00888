// Package variant is how a workload's requests are put to one model: the system
// prompt that is written for it, parameters that it needs, and parameters that it
// must not see. Prompts do not port by themselves; a variant is the port of one.
//
// The parameters have the names of OpenAI's API, whatever dialect a request came
// in or goes out in. A nil *Variant changes nothing.
package variant

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"

	"freehold/internal/llm"
)

// Mode says where a variant's system prompt stands beside the client's own.
type Mode string

// The modes. Messages of system and developer before the first turn are the
// client's own system prompt; what it says later in the conversation stays.
const (
	Replace Mode = "replace" // in the place of the client's
	Prepend Mode = "prepend" // before it
	Append  Mode = "append"  // behind it
)

// Spec is a variant as it is written.
type Spec struct {
	System string
	File   string // that System was read from; empty: written in the configuration
	Mode   Mode   // empty: Replace
	Params map[string]json.RawMessage
	Strip  []string
}

// Variant is a checked Spec.
type Variant struct {
	// Version names the content: the same text, mode and parameters have the same
	// one, on every machine.
	Version string
	System  string
	File    string
	Mode    Mode
	Params  []llm.Field // by name; values are compact JSON
	Strip   []string    // by name

	set values
}

// values are the parameters as Go values.
type values struct {
	maxTokens, topK, seed                            *int64
	temperature, topP, frequencyPenalty, presencePen *float64
	stop                                             []string
	effort                                           string
	parallel                                         *bool
}

// Problem is a part of a Spec that cannot be.
type Problem struct {
	Key, Name string // "params" or "strip", and the parameter
	Message   string
	Hint      string
}

func (p *Problem) Error() string { return p.Key + "." + p.Name + ": " + p.Message }

// New checks a Spec. All problems come back at once.
func New(s Spec) (*Variant, []*Problem) {
	v := &Variant{System: s.System, File: s.File, Mode: s.Mode, Strip: slices.Clone(s.Strip)}
	if v.Mode == "" {
		v.Mode = Replace
	}
	slices.Sort(v.Strip)
	v.Strip = slices.Compact(v.Strip)
	var problems []*Problem
	for _, name := range slices.Sorted(maps.Keys(s.Params)) {
		if p := v.set.take(name, s.Params[name]); p != nil {
			problems = append(problems, p)
			continue
		}
		v.Params = append(v.Params, llm.Field{Name: name, Raw: compact(s.Params[name])})
	}
	for _, name := range s.Strip {
		if p := strippable(name); p != nil {
			problems = append(problems, p)
		} else if _, both := s.Params[name]; both {
			problems = append(problems, &Problem{"strip", name, "is set under params and taken out here", "keep one of them"})
		}
	}
	v.Version = version(v)
	return v, problems
}

// version is the hash of all that the variant does.
func version(v *Variant) string {
	text, err := json.Marshal([]any{v.System, v.Mode, v.Params, v.Strip})
	if err != nil {
		panic(err) // strings and JSON only
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

// Limit is the smaller of a limit of the answer and the variant's own; 0 is none.
func (v *Variant) Limit(n int64) int64 {
	if v == nil || v.set.maxTokens == nil || n > 0 && n <= *v.set.maxTokens {
		return n
	}
	return *v.set.maxTokens
}

// Features are those of f that are left: a parameter that is taken out asks for
// nothing.
func (v *Variant) Features(f llm.Features) llm.Features {
	if v == nil {
		return f
	}
	for _, name := range v.Strip {
		f &^= asks[name]
	}
	return f
}

// asks are the features that parameters ask for. Thinking in earlier turns is no
// parameter, and a provider is sent it all the same.
var asks = map[string]llm.Features{
	"logprobs": llm.FeatureLogprobs, "logit_bias": llm.FeatureLogitBias, "seed": llm.FeatureSeed, "stop": llm.FeatureStop,
	"response_format":     llm.FeatureJSONObject | llm.FeatureJSONSchema,
	"parallel_tool_calls": llm.FeatureParallelTools, "tool_choice": llm.FeatureToolRequired,
	"reasoning_effort": llm.FeatureThinking,
}

// Grows is by how many bytes the text of a prompt with these facts grows; below 0
// it shrinks.
func (v *Variant) Grows(op llm.Operation, f *llm.Facts) int {
	switch {
	case v == nil || v.System == "" || op != llm.Chat && op != llm.CountTokens:
		return 0
	case v.Mode == Replace:
		return len(v.System) - f.SystemBytes
	case f.SystemBytes > 0:
		return len(v.System) + len(Between)
	}
	return len(v.System)
}

// Between stands between the variant's system prompt and the client's.
const Between = "\n\n"

// Join is the variant's system prompt with the client's, as Mode says.
func (v *Variant) Join(own string) string {
	switch {
	case v.Mode == Replace || own == "":
		return v.System
	case v.Mode == Prepend:
		return v.System + Between + own
	}
	return own + Between + v.System
}

// Strips reports whether the parameter is taken out.
func (v *Variant) Strips(name string) bool { return v != nil && slices.Contains(v.Strip, name) }

// Sets reports whether the parameter is set.
func (v *Variant) Sets(name string) bool {
	return v != nil && slices.ContainsFunc(v.Params, func(f llm.Field) bool { return f.Name == name })
}
