package variant

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
)

// settable are the parameters that a variant may set. Those that multiply answers
// or choose a tier of the service are not among them: they change what a request
// costs behind the back of who made it.
var settable = []string{
	"frequency_penalty", "max_tokens", "parallel_tool_calls", "presence_penalty", "reasoning_effort", "seed", "stop", "temperature", "top_k", "top_p",
}

// takeable are the parameters that a variant may take out. A limit of the answer
// is not: without it the answer would be longer than the client allowed.
var takeable = []string{
	"frequency_penalty", "logit_bias", "logprobs", "metadata", "parallel_tool_calls", "prediction", "presence_penalty", "prompt_cache_key",
	"reasoning_effort", "response_format", "safety_identifier", "seed", "stop", "store", "temperature", "tool_choice", "top_k", "top_logprobs", "top_p",
	"user", "verbosity",
}

// Settable lists the parameters that Params may hold.
func Settable() []string { return slices.Clone(settable) }

// Takeable lists the parameters that Strip may hold.
func Takeable() []string { return slices.Clone(takeable) }

// efforts are the words of reasoning_effort.
var efforts = []string{"none", "minimal", "low", "medium", "high", "xhigh"}

// others are the names that parameters have elsewhere.
var others = map[string]string{
	"max_completion_tokens": "max_tokens", "max_output_tokens": "max_tokens", "stop_sequences": "stop", "thinking": "reasoning_effort", "reasoning": "reasoning_effort",
}

// strippable says why a parameter cannot be taken out, or nil.
func strippable(name string) *Problem {
	if slices.Contains(takeable, name) {
		return nil
	}
	p := &Problem{Key: "strip", Name: name, Message: "is no parameter that a variant takes out"}
	switch {
	case others[name] != "" && others[name] != "max_tokens":
		p.Hint = "write " + others[name] + ", which stands for it in every dialect"
	case name == "max_tokens" || others[name] == "max_tokens":
		p.Message, p.Hint = "is a limit of the answer, which is not taken out", "params: {max_tokens: N} lowers it"
	}
	return p
}

// take reads one parameter.
func (s *values) take(name string, raw json.RawMessage) *Problem {
	bad := func(want string) *Problem {
		return &Problem{Key: "params", Name: name, Message: fmt.Sprintf("%s is not %s", clip(raw), want)}
	}
	switch name {
	case "temperature":
		if s.temperature = number(raw, 0, 2); s.temperature == nil {
			return bad("a number from 0 to 2")
		}
	case "top_p":
		if s.topP = number(raw, 0, 1); s.topP == nil {
			return bad("a number from 0 to 1")
		}
	case "frequency_penalty", "presence_penalty":
		v := number(raw, -2, 2)
		if v == nil {
			return bad("a number from -2 to 2")
		}
		if name == "frequency_penalty" {
			s.frequencyPenalty = v
		} else {
			s.presencePen = v
		}
	case "max_tokens":
		if s.maxTokens = integer(raw, 1); s.maxTokens == nil {
			return bad("a whole number of at least 1")
		}
	case "top_k":
		if s.topK = integer(raw, 1); s.topK == nil {
			return bad("a whole number of at least 1")
		}
	case "seed":
		if s.seed = integer(raw, math.MinInt64); s.seed == nil {
			return bad("a whole number")
		}
	case "stop":
		if s.stop = texts(raw); s.stop == nil {
			return bad("a text, or a list of one to four texts")
		}
	case "reasoning_effort":
		if json.Unmarshal(raw, &s.effort) != nil || !slices.Contains(efforts, s.effort) {
			return bad("one of " + strings.Join(efforts, ", "))
		}
	case "parallel_tool_calls":
		var v *bool
		if json.Unmarshal(raw, &v) != nil || v == nil {
			return bad("true or false")
		}
		s.parallel = v
	default:
		p := &Problem{Key: "params", Name: name, Message: "is no parameter that a variant sets"}
		if o := others[name]; o != "" {
			p.Hint = "write " + o + ", which stands for it in every dialect"
		}
		return p
	}
	return nil
}

func number(raw json.RawMessage, least, most float64) *float64 {
	var v *float64
	if json.Unmarshal(raw, &v) != nil || v == nil || *v < least || *v > most {
		return nil
	}
	return v
}

func integer(raw json.RawMessage, least int64) *int64 {
	var v *int64
	if json.Unmarshal(raw, &v) != nil || v == nil || *v < least {
		return nil
	}
	return v
}

// maxStops is how many stop texts the APIs take (OpenAI, 2026-11).
const maxStops = 4

func texts(raw json.RawMessage) []string {
	var one string
	if json.Unmarshal(raw, &one) == nil && one != "" {
		return []string{one}
	}
	var list []string
	if json.Unmarshal(raw, &list) != nil || len(list) == 0 || len(list) > maxStops || slices.Contains(list, "") {
		return nil
	}
	return list
}

// compact is raw without white space.
func compact(raw json.RawMessage) json.RawMessage {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return raw
	}
	return b.Bytes()
}

// clip shortens a value for a message.
func clip(raw json.RawMessage) string {
	if len(raw) > 60 {
		return strings.ToValidUTF8(string(raw[:60]), "") + "..."
	}
	return string(raw)
}
