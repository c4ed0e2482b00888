package openaichat

import (
	"encoding/json"
	"strings"

	"freehold/internal/jsondoor"
	"freehold/internal/llm"
)

// hints are members of another dialect that never change what an answer says:
// notes, cache marks, version and speed hints. They are left out and reported.
var hints = map[string]bool{
	"metadata": true, "cache_control": true, "diagnostics": true, "speed": true,
	"betas": true, "anthropic_beta": true, "anthropic_version": true,
}

// foreignMember decides on a top-level member of another dialect. What could
// change the answer, or where it is made, is refused (dropped and reported
// where the target allows it): container and mcp_servers (their tools run at
// the vendor), inference_geo (a promise nobody else gives), and whatever is
// unknown.
func (e *encoder) foreignMember(x llm.Field) {
	switch raw := strings.TrimSpace(string(x.Raw)); {
	case raw == "null":
	case hints[x.Name]:
		e.drop(x.Name)
	case x.Name == "mcp_servers" && raw == "[]":
	case x.Name == "inference_geo" && raw == `"global"`:
		e.drop(x.Name)
	case x.Name == "context_management" && clearingOnly(x.Raw):
		e.drop(x.Name)
	default:
		e.unsupported(x.Name)
	}
}

var contextManagement = jsondoor.ObjectOf(jsondoor.Fields{
	"edits": jsondoor.ArrayOf(jsondoor.ObjectOf(jsondoor.Fields{"type": nil})),
})

// clearingOnly reports whether Anthropic's context_management asks for nothing
// but edits that clear old tool results or thinking away before the model reads
// the conversation: without them it reads more, and answers the same question.
// Other edits (compaction) put something into the answer.
func clearingOnly(raw json.RawMessage) bool {
	d, err := jsondoor.ParseLax(raw, contextManagement)
	if err != nil {
		return false
	}
	defer d.Release()
	root := d.Root()
	for m := root.First(); m.Exists(); m = m.Next() {
		if !m.Named("edits") && m.Present() {
			return false
		}
	}
	for edit := root.Get("edits").First(); edit.Exists(); edit = edit.Next() {
		if !strings.HasPrefix(edit.Get("type").Text(), "clear_") {
			return false
		}
	}
	return root.Kind() == jsondoor.Object
}

// noReasoning is a wish for thinking at a model that has none, in the client's
// own words. Adaptive thinking leaves it to the model whether it thinks.
func (e *encoder) noReasoning(g *llm.Reasoning) {
	switch g.Mode {
	case "", "disabled":
	case "adaptive":
		e.drop("thinking")
	default:
		e.unsupported("thinking")
	}
	if g.Effort != "" && g.Effort != "none" {
		e.unsupported("output_config.effort")
	}
}

// effort turns Anthropic's output_config.effort, low to max, into a
// reasoning_effort that the model takes. What becomes another word is reported.
func (e *encoder) effort(word string) string {
	to := word
	switch {
	case word == "max" && xhighModel(e.t.Model):
		to = "xhigh"
	case word == "max", word == "xhigh" && !xhighModel(e.t.Model):
		to = "high"
	}
	if to != word {
		e.drop("output_config.effort")
	}
	return to
}

// xhighModel reports whether a model takes reasoning_effort xhigh: OpenAI
// documents it for gpt-5.1-codex-max and for the models after it.
func xhighModel(model string) bool {
	name := model[strings.LastIndexByte(model, '/')+1:]
	if strings.HasPrefix(name, "gpt-5.1-codex-max") || strings.HasPrefix(name, "gpt-6") {
		return true
	}
	minor, ok := strings.CutPrefix(name, "gpt-5.")
	return ok && minor != "" && minor[0] >= '2' && minor[0] <= '9'
}
