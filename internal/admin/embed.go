package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/shopspring/decimal"

	"freehold/internal/app"
	"freehold/internal/fault"
	"freehold/internal/gateway"
	"freehold/internal/llm"
	"freehold/internal/suggest"
)

// EmbedPlanIn names who would make vectors of texts, and of which data they are.
type EmbedPlanIn struct {
	Alias       string   `json:"alias" doc:"workload, other name of one, or model"`
	Model       string   `json:"model,omitempty" doc:"that alias stood for earlier; absent: the one that it stands for now"`
	DataClasses []string `json:"data_classes,omitempty" doc:"of the texts, beside the workload's own"`
}

// EmbedPlanOut is the model that would be asked.
type EmbedPlanOut struct {
	Model   string `json:"model"`
	Price   *Price `json:"price" doc:"of the first deployment that may see the data; null: unknown"`
	Context int64  `json:"context" doc:"tokens that a text may have, as far as it is known; 0: unknown"`
	Denied  string `json:"denied,omitempty" doc:"why the texts may not go there"`
}

func (s *Service) embedPlan(_ context.Context, _ Caller, in EmbedPlanIn) (EmbedPlanOut, error) {
	f := s.app.Fleet()
	route, ok := f.Resolve(in.Alias)
	if !ok {
		return EmbedPlanOut{}, invalid("there is no workload or model "+strconv.Quote(in.Alias), hintOr(suggest.Hint(in.Alias, slices.Concat(f.WorkloadNames(), f.ModelNames())), "freehold models lists them"))
	}
	m := route.Models[0]
	if in.Model != "" {
		var err error
		if m, err = modelNamed(f, in.Model); err != nil {
			return EmbedPlanOut{}, err
		}
	}
	if m.Mode != "embedding" {
		return EmbedPlanOut{}, invalid("the model "+m.Name+" makes no embeddings", "models."+m.Name+".mode: embedding says that it does")
	}
	out := EmbedPlanOut{Model: m.Name}
	perimeter, err := f.Classes.For(nil, append(append([]string{}, in.DataClasses...), route.Classes...)...)
	if err != nil {
		return out, invalid(err.Error(), "")
	}
	out.Denied = "it has no deployment"
	for _, d := range m.Deployments {
		if _, no := perimeter.Permit(d.Provider.Place, s.app.Clock()); no != "" {
			out.Denied = no
			continue
		}
		out.Denied, out.Price, out.Context = "", priceOf(d), d.Context
		break
	}
	return out, nil
}

// EmbedAskIn asks one model for vectors of texts.
type EmbedAskIn struct {
	Alias       string   `json:"alias"`
	Model       string   `json:"model" doc:"that alias stood for when it was planned: no other is asked"`
	Input       []string `json:"input"`
	Dimensions  int64    `json:"dimensions,omitempty"`
	InputType   string   `json:"input_type,omitempty" doc:"what the vectors are for, where the model tells it apart: search_document or search_query"`
	DataClasses []string `json:"data_classes,omitempty"`
}

// EmbedAskOut are the vectors, or why there are none.
type EmbedAskOut struct {
	ID       string              `json:"request_id" doc:"in the ledger, under embed:WORKLOAD, or embed:MODEL"`
	Vectors  []string            `json:"vectors" doc:"one for each text: base64 of float32, the lowest byte first"`
	TokensIn int64               `json:"tokens_in"`
	Cost     decimal.NullDecimal `json:"cost" doc:"in US dollars; null: unknown"`
	NotAsked string              `json:"not_asked,omitempty" doc:"why the model was not asked: the texts may not go there"`
	Refused  string              `json:"refused,omitempty" doc:"why the model refuses the texts for what they are"`
	Failure  string              `json:"failure,omitempty" doc:"why there is no answer; a later question may have one"`
	Wait     float64             `json:"wait_ms,omitempty" doc:"a limit or a breaker was met: ask again after that long"`
}

func (s *Service) embedAsk(ctx context.Context, _ Caller, in EmbedAskIn) (EmbedAskOut, error) {
	out := EmbedAskOut{Vectors: []string{}}
	if s.app.Aside == nil {
		return out, &Error{Status: http.StatusConflict, Code: CodeNoServer, Message: "no server runs that could ask models"}
	}
	body := map[string]any{"model": in.Alias, "input": in.Input}
	if in.Dimensions > 0 {
		body["dimensions"] = in.Dimensions
	}
	if in.InputType != "" {
		body["input_type"] = in.InputType
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return out, err
	}
	call := &gateway.Call{Op: llm.Embedding, Codec: app.Codecs()["openai"], Raw: raw, Classes: in.DataClasses}
	answer, asked := s.app.Aside.Embed(ctx, in.Alias, in.Model, call)
	out.ID = call.ID
	if out.NotAsked, out.Wait, err = whyNot(answer.Err, unless(asked)); err != nil || out.NotAsked != "" || out.Wait > 0 {
		return out, err
	}
	if f := asFault(answer.Err); f != nil {
		return out, out.failed(f)
	}
	out.TokensIn, out.Cost = answer.Row.Tokens.In, answer.Row.Cost
	if answer.Response == nil || len(answer.Response.Embeddings) != len(in.Input) {
		out.Failure = "the answer does not have a vector for each text"
		return out, nil
	}
	for i := range answer.Response.Embeddings {
		out.Vectors = append(out.Vectors, answer.Response.Embeddings[i].Packed())
	}
	return out, nil
}

// unless is an error that will not pass by itself: what a later question may not meet is
// no such error.
func unless(asked error) error {
	if f := asFault(asked); f != nil {
		switch f.Kind {
		case fault.Storage, fault.Internal, fault.Draining, fault.Shed, fault.BreakerOpen:
			return nil
		}
	}
	return asked
}

func asFault(err error) *fault.Error {
	var f *fault.Error
	errors.As(err, &f)
	return f
}

// failed says what a failure is: the texts' own fault, one that may pass, or an error.
func (o *EmbedAskOut) failed(f *fault.Error) error {
	cause := f
	if f.Kind == fault.Exhausted {
		if c := asFault(f.Cause); c != nil {
			cause = c
		}
	}
	switch cause.Kind {
	case fault.BadRequest, fault.Unsupported, fault.TooLarge, fault.ProviderRejected, fault.ContextLength, fault.ContentFilter:
		o.Refused = cause.Error()
	case fault.Quota, fault.Credentials, fault.Billing, fault.ModelMissing, fault.ModelNotFound, fault.Denied, fault.Canceled:
		return f
	default:
		o.Failure = f.Error()
	}
	return nil
}

// Unpacked are the vectors of an answer.
func (o *EmbedAskOut) Unpacked() ([][]float32, error) {
	out := make([][]float32, len(o.Vectors))
	for i, text := range o.Vectors {
		var err error
		if out[i], err = llm.Unpack(text); err != nil {
			return nil, errors.New("a vector of the answer is no list of float32")
		}
	}
	return out, nil
}
