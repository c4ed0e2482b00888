package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"freehold/internal/config"
	"freehold/internal/embed"
	"freehold/internal/fault"
	"freehold/internal/fleet"
	"freehold/internal/gateway"
	"freehold/internal/llm"
	"freehold/internal/meter"
	"freehold/internal/store/sqlite"
	"freehold/internal/vector"
	"freehold/internal/vector/front"
	"freehold/internal/vector/moves"
)

// standing says which model the embeddings of an index are of: the phase of the index
// decides, and nothing else is kept of it.
func (a *App) standing(workload string) (s fleet.Stands, ok bool) {
	if a.Indexes == nil { // nothing is served: the state says it
		return a.stood(workload)
	}
	x, ok, err := a.Indexes.Alias(workload)
	return fleet.Stands{Index: x.Index, Phase: string(x.Phase), Newer: x.Newer, Err: err}, ok
}

func (a *App) stood(workload string) (s fleet.Stands, ok bool) {
	c := a.config.Load()
	if c == nil {
		return s, false
	}
	x := c.IndexOf(workload)
	if x == nil {
		return s, false
	}
	s = fleet.Stands{Index: x.Name, Phase: string(front.Relay)}
	all, err := sqlite.FrontMoves(context.Background(), a.DB)
	s.Err = err
	for i := range all {
		if all[i].Index == x.Name {
			s.Phase, s.Newer = string(all[i].Phase), all[i].Phase.Newer()
		}
	}
	return s, true
}

// indexEmbeddings is how the two models of an index are asked; nil: it has one.
func (a *App) indexEmbeddings(c *config.Config, x *config.Index) *moves.Embeddings {
	e := x.Embeddings
	if e == nil {
		return nil
	}
	classes := func() ([]string, error) {
		p, err := a.indexPerimeter(c, x)
		return slices.Concat(p.Classes, x.Target.Data), err
	}
	return &moves.Embeddings{
		Alias: e.Alias, Old: c.Workloads[e.Alias].Model, New: e.Model, Text: e.Text, InputType: e.InputType,
		Ask: func(model string) embed.Asker {
			return &embedAsker{a: a, alias: e.Alias, model: model, inputType: e.InputType, classes: classes}
		},
		Quote: func() (moves.Quote, error) {
			of, err := classes()
			if err != nil {
				return moves.Quote{}, err
			}
			return a.embedQuote(e.Alias, e.Model, of)
		},
	}
}

// embedQuote is what is known of a model that makes vectors under an alias.
func (a *App) embedQuote(alias, model string, classes []string) (moves.Quote, error) {
	q := moves.Quote{Count: (&meter.Estimator{}).Text}
	f := a.Fleet()
	route, ok := f.Resolve(alias)
	m := f.Models[model]
	if !ok || m == nil {
		return q, fmt.Errorf("the configuration has no workload %s or no model %s any more", alias, model)
	}
	perimeter, err := f.Classes.Perimeter(slices.Concat(classes, route.Classes)...)
	if err != nil {
		return q, err
	}
	q.Denied = "it has no deployment"
	for _, d := range m.Deployments {
		if _, no := perimeter.Permit(d.Provider.Place, a.Clock()); no != "" {
			q.Denied = no
			continue
		}
		q.Denied = ""
		if p := d.Price(); p.Known() {
			q.Token = p.Input
		}
		break
	}
	return q, nil
}

// embedAsker asks a model for vectors of records' texts, as freehold embed does: within
// the perimeter and the budgets, and on record.
type embedAsker struct {
	a                       *App
	alias, model, inputType string
	classes                 func() ([]string, error)
}

// Ask implements [embed.Asker].
func (e *embedAsker) Ask(ctx context.Context, texts []string) (embed.Answer, error) {
	classes, err := e.classes()
	if err != nil {
		return embed.Answer{}, err
	}
	body := map[string]any{"model": e.alias, "input": texts}
	if e.inputType != "" {
		body["input_type"] = e.inputType
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return embed.Answer{}, err
	}
	call := &gateway.Call{Op: llm.Embedding, Codec: e.a.codecs["openai"], Raw: raw, Classes: classes}
	answer, asked := e.a.Aside.Embed(ctx, e.alias, e.model, call)
	if answer.Err != nil {
		return e.failed(answer.Err)
	}
	if asked != nil {
		return embed.Answer{}, asked
	}
	out := embed.Answer{Tokens: answer.Row.Tokens.In, Cost: answer.Row.Cost}
	if answer.Response == nil || len(answer.Response.Embeddings) != len(texts) {
		return out, e.away("the answer does not have a vector for each text", nil)
	}
	for i := range answer.Response.Embeddings {
		v, err := llm.Unpack(answer.Response.Embeddings[i].Packed())
		if err != nil {
			return out, err
		}
		out.Vectors = append(out.Vectors, v)
	}
	return out, nil
}

func (e *embedAsker) away(why string, cause error) error {
	return &vector.Error{Trouble: vector.Unavailable, Store: "the model " + e.model, Doing: "embed", Message: why, Cause: cause}
}

// failed tells a refusal of the texts from what may pass, and from what will not.
func (e *embedAsker) failed(err error) (out embed.Answer, _ error) {
	var f *fault.Error
	if !errors.As(err, &f) {
		return out, err
	}
	cause := f
	if f.Kind == fault.Exhausted {
		errors.As(f.Cause, &cause)
	}
	switch cause.Kind {
	case fault.ProviderLimit, fault.Overloaded, fault.BreakerOpen, fault.Shed, fault.RateLimited:
		out.Wait = max(f.RetryAfter, time.Second)
		return out, nil
	case fault.BadRequest, fault.Unsupported, fault.TooLarge, fault.ProviderRejected, fault.ContextLength, fault.ContentFilter:
		out.Refused = cause.Error()
		return out, nil
	case fault.PolicyDenied:
		return out, fmt.Errorf("the texts may not go to the model %s: %w", e.model, f)
	case fault.Quota, fault.Credentials, fault.Billing, fault.ModelMissing, fault.ModelNotFound, fault.Denied, fault.Canceled:
		return out, fmt.Errorf("the model %s: %w", e.model, f)
	}
	return out, e.away(f.Error(), f)
}
