package runner

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/shopspring/decimal"

	"freehold/internal/dialect"
	"freehold/internal/gateway"
	"freehold/internal/judge"
	"freehold/internal/ledger"
	"freehold/internal/llm"
	"freehold/internal/rollout"
)

// judge has one sample judged. about is the call that the sample is of: a judging
// model sees no more than it would have been let see.
func (r *Runner) judge(ctx context.Context, s *rollout.State, about *gateway.Call, sample judge.Sample) (judge.Verdict, decimal.NullDecimal, error) {
	cost := zero
	means := judge.Means{Random: rand.Reader}
	if s.Plan.Judge.Kind == judge.Pairwise {
		means.Asker = &asker{r: r, s: s, about: about, cost: &cost}
	}
	j, err := judge.New(s.Plan.Judge.Spec, means)
	if err != nil {
		return judge.Verdict{}, cost, err
	}
	v, err := j.Judge(ctx, sample)
	return v, cost, err
}

// asker asks the judging model about one sample.
type asker struct {
	r     *Runner
	s     *rollout.State
	about *gateway.Call
	cost  *decimal.NullDecimal
}

// maxVerdict is the longest answer of a judge, in tokens: it may think first.
const maxVerdict = 1024

// Ask implements [judge.Asker].
func (a *asker) Ask(ctx context.Context, p judge.Prompt) (string, error) {
	f := a.r.Fleet()
	route, model := f.Workloads[a.s.Workload], f.Models[a.s.Plan.Judge.Models[0]]
	if route == nil || model == nil {
		return "", fmt.Errorf("the configuration has no model %s any more", a.s.Plan.Judge.Models[0])
	}
	type message struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	}
	body, err := json.Marshal(map[string]any{
		"model": model.Name, "temperature": 0, "max_tokens": maxVerdict,
		"messages": []message{{"system", p.System}, {"user", p.User}},
	})
	if err != nil {
		return "", err
	}
	only := route.Only(model)
	only.Params, only.Variants = dialect.Params{}, nil // those are for the workload's own requests
	call := &gateway.Call{
		ID: a.r.NewID(), Received: a.r.Clock(), Op: llm.Chat, Codec: a.r.Codec, Raw: body, Header: a.about.Header, Caller: a.about.Caller,
		Fleet: f, Classes: a.about.Classes,
		Aside: &gateway.Aside{Route: only, Label: Label(a.s.Workload), Part: &ledger.Part{Rollout: a.s.ID, Arm: ledger.Judged}},
	}
	if call.Header == nil {
		call.Header = http.Header{}
	}
	answer := a.r.Ask(ctx, call)
	if c := answer.Row.Cost; c.Valid && a.cost.Valid {
		a.cost.Decimal = a.cost.Decimal.Add(c.Decimal)
	} else {
		a.cost.Valid = false
	}
	if answer.Err != nil {
		return "", answer.Err
	}
	return judge.AnswerOf(answer.Response).Text, nil
}
