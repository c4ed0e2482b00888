package aside

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"freehold/internal/dialect"
	"freehold/internal/fleet"
	"freehold/internal/gateway"
	"freehold/internal/judge"
	"freehold/internal/llm"
)

// maxVerdict is the longest answer of a judge, in tokens: it may think first.
const maxVerdict = 1024

// Judge asks a model which of two answers is better. about is the call that they
// are of: the judge sees no more than it would have been let see.
func (a *Asker) Judge(ctx context.Context, f For, model string, about *gateway.Call, p judge.Prompt) (gateway.Answer, error) {
	body, err := question(model, p)
	if err != nil {
		return gateway.Answer{}, err
	}
	call := &gateway.Call{Op: judging, Codec: a.Codec, Raw: body, Header: about.Header, Caller: about.Caller, Classes: about.Classes}
	return a.ask(ctx, f, model, call, plain)
}

const judging = llm.Chat

// question is the body of what a judge is asked.
func question(model string, p judge.Prompt) ([]byte, error) {
	type message struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	}
	return json.Marshal(map[string]any{
		"model": model, "temperature": 0, "max_tokens": maxVerdict,
		"messages": []message{{"system", p.System}, {"user", p.User}},
	})
}

// plain takes from a route what is for the workload's own requests.
func plain(r *fleet.Route) { r.Params, r.Variants = dialect.Params{}, nil }

// Contestant is a model as one that judges or is judged. denied is why it may not
// see the texts; empty: it may.
func Contestant(m *fleet.Model, denied string) judge.Model {
	out := judge.Model{Name: m.Name, Denied: denied}
	for _, d := range m.Deployments { // providers name the same weights with and without their maker
		out.Weights = append(out.Weights, strings.ToLower(d.ID[strings.LastIndexByte(d.ID, '/')+1:]))
		if d.Maker != "" && !slices.Contains(out.Families, d.Maker) {
			out.Families = append(out.Families, d.Maker)
		}
	}
	return out
}

// Denied says why the workload's data may not go to any deployment of a model, ""
// where it may go to one. Classes that requests add may still forbid it.
func Denied(f *fleet.Fleet, route *fleet.Route, m *fleet.Model, now time.Time) string {
	if of, why := permitted(f, route, m, now); len(of) == 0 {
		return why
	}
	return ""
}
