package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/shopspring/decimal"

	"freehold/internal/app"
	"freehold/internal/fault"
	"freehold/internal/fleet"
	"freehold/internal/gateway"
	"freehold/internal/judge"
	"freehold/internal/ledger"
	"freehold/internal/llm"
	"freehold/internal/rollout/aside"
	"freehold/internal/suggest"
)

// ComparePlanIn names the models of a comparison, and some of its requests.
type ComparePlanIn struct {
	Workload string            `json:"workload"`
	Models   []string          `json:"models" doc:"that are compared with the workload's own"`
	Baseline string            `json:"baseline,omitempty" doc:"model in the place of the workload's own"`
	Judges   []string          `json:"judges,omitempty" doc:"models that may judge: the first that may see the data and is none of those compared does"`
	Requests []json.RawMessage `json:"requests,omitempty" doc:"OpenAI chat requests, to be checked and measured"`
	// DataClasses are those of all requests.
	DataClasses []string `json:"data_classes,omitempty" doc:"of the requests, beside the workload's own"`
}

// ComparedModel is a model that would be asked.
type ComparedModel struct {
	Model  string `json:"model"`
	Price  *Price `json:"price" doc:"of the first deployment that may see the data; null: unknown"`
	Denied string `json:"denied,omitempty" doc:"why the workload's data may not go there"`
}

// ComparedRequest is what a request is known to be before it is asked.
type ComparedRequest struct {
	TokensIn  int64                  `json:"tokens_in" doc:"estimated"`
	MaxTokens int64                  `json:"max_tokens" doc:"limit of the answer; 0: none is said"`
	Most      map[string]CompareMost `json:"most" doc:"by model, what an answer of it can cost at most"`
	Error     string                 `json:"error,omitempty" doc:"why it is no request that could be asked"`
}

// CompareMost is what an answer can cost at most.
type CompareMost struct {
	USD       decimal.NullDecimal `json:"usd" doc:"null: not known"`
	TokensOut int64               `json:"tokens_out"`
	Why       string              `json:"why,omitempty" doc:"why it is not known"`
}

// CompareJudgeMost is what a question to the judge can cost at most.
type CompareJudgeMost struct {
	CompareMost
	Byte decimal.Decimal `json:"usd_per_byte" doc:"for each byte of what it is asked, beside usd"`
}

// ComparePlanOut is what a comparison would be.
type ComparePlanOut struct {
	Baseline     ComparedModel     `json:"baseline"`
	Models       []ComparedModel   `json:"models"`
	Judge        *ComparedModel    `json:"judge,omitempty" doc:"absent: no model judges"`
	JudgeMost    *CompareJudgeMost `json:"judge_most,omitempty" doc:"absent: no model judges"`
	AnswerTokens int64             `json:"answer_tokens" doc:"mean of the workload's answers in the last 30 days; 0: not known"`
	Requests     []ComparedRequest `json:"requests"`
}

// answersSince is how far back the length of answers is looked for.
const answersSince = 30 * 24 * time.Hour

func (s *Service) comparePlan(ctx context.Context, _ Caller, in ComparePlanIn) (ComparePlanOut, error) {
	f := s.app.Fleet()
	route := f.Workloads[in.Workload]
	if route == nil {
		return ComparePlanOut{}, invalid("there is no workload "+strconv.Quote(in.Workload), hintOr(suggest.Hint(in.Workload, f.WorkloadNames()), "freehold workloads lists them"))
	}
	if len(in.DataClasses) > 0 {
		classed := *route
		classed.Classes = slices.Concat(route.Classes, in.DataClasses)
		route = &classed
	}
	if in.Baseline == "" {
		in.Baseline = route.Models[0].Name
	}
	out := ComparePlanOut{Models: []ComparedModel{}, Requests: []ComparedRequest{}}
	var contestants []judge.Model
	for i, name := range append([]string{in.Baseline}, in.Models...) {
		m, err := modelNamed(f, name)
		if err != nil {
			return out, err
		}
		compared := s.compared(f, route, m)
		contestants = append(contestants, aside.Contestant(m, ""))
		if i == 0 {
			out.Baseline = compared
			continue
		}
		out.Models = append(out.Models, compared)
	}
	planner, err := s.app.Planner(ctx)
	if err != nil {
		return out, err
	}
	if len(in.Judges) > 0 {
		chosen, err := s.chooseJudge(f, route, in.Judges, contestants)
		if err != nil {
			return out, err
		}
		out.Judge, out.JudgeMost = &chosen, s.judgeMost(planner, f, route, chosen.Model)
	}
	groups, err := s.app.Ledger.Usage(ctx, ledger.Query{Workload: in.Workload, Outcome: ledger.OK, Since: s.app.Clock().Add(-answersSince)})
	if err != nil {
		return out, err
	}
	if len(groups) > 0 && groups[0].Requests > 0 {
		out.AnswerTokens = groups[0].Tokens.Out / groups[0].Requests
	}
	for _, raw := range in.Requests {
		out.Requests = append(out.Requests, s.measure(planner, f, route, append([]string{in.Baseline}, in.Models...), raw))
	}
	return out, nil
}

func modelNamed(f *fleet.Fleet, name string) (*fleet.Model, error) {
	if m := f.Models[name]; m != nil {
		return m, nil
	}
	return nil, invalid("there is no model "+strconv.Quote(name), hintOr(suggest.Hint(name, f.ModelNames()), "freehold models lists them"))
}

// compared says what a model costs for the workload, or why it is not asked.
func (s *Service) compared(f *fleet.Fleet, route *fleet.Route, m *fleet.Model) ComparedModel {
	now := s.app.Clock()
	out := ComparedModel{Model: m.Name, Denied: aside.Denied(f, route, m, now)}
	perimeter, err := f.Classes.For(nil, route.Classes...)
	if err != nil {
		return out
	}
	for _, d := range m.Deployments {
		if _, no := perimeter.Permit(d.Provider.Place, now); no == "" {
			out.Price = priceOf(d)
			break
		}
	}
	return out
}

func (s *Service) chooseJudge(f *fleet.Fleet, route *fleet.Route, names []string, contestants []judge.Model) (ComparedModel, error) {
	var models []judge.Model
	for _, name := range names {
		m, err := modelNamed(f, name)
		if err != nil {
			return ComparedModel{}, err
		}
		models = append(models, aside.Contestant(m, aside.Denied(f, route, m, s.app.Clock())))
	}
	chosen, err := judge.Choose(models, contestants...)
	if err != nil {
		return ComparedModel{}, invalid(err.Error(), "name another model with --judge-model, or judge by another kind")
	}
	return s.compared(f, route, f.Models[chosen.Name]), nil
}

// longestJudged is more than a judge is asked at once, in bytes.
const longestJudged = 1 << 20

// judgeMost is what a question to a judge can cost at most, by its length: at the
// rates of a long one.
func (s *Service) judgeMost(planner *gateway.Gateway, f *fleet.Fleet, route *fleet.Route, model string) *CompareJudgeMost {
	m := aside.MostJudge(planner, app.Codecs()["openai"], f, route, f.Models[model], longestJudged, s.app.Clock())
	out := &CompareJudgeMost{CompareMost: mostOf(m), Byte: m.Byte}
	out.USD.Decimal = out.USD.Decimal.Sub(m.Byte.Mul(decimal.NewFromInt(longestJudged)))
	return out
}

func mostOf(m gateway.Most) CompareMost { return CompareMost{m.USD, m.Out, m.Why} }

// measure looks at one request as the gateway would, and sends nothing. The first of
// the models is the baseline.
func (s *Service) measure(planner *gateway.Gateway, f *fleet.Fleet, route *fleet.Route, models []string, raw json.RawMessage) ComparedRequest {
	if limit := int64(s.app.Config().Server.Limits.Body); int64(len(raw)) > limit {
		return ComparedRequest{Error: "the request is larger than server.limits.body allows"}
	}
	call := gateway.Call{
		ID: "compare", Received: s.app.Clock(), Op: llm.Chat, Codec: app.Codecs()["openai"], Raw: raw, Header: http.Header{}, Fleet: f,
		Aside: &gateway.Aside{Route: route.Only(f.Models[models[0]])},
	}
	e := planner.Explain(&call)
	out := ComparedRequest{TokensIn: e.PromptTokens, MaxTokens: e.Facts.MaxTokens, Most: map[string]CompareMost{}}
	if r := e.Refused; r != nil {
		switch r.Kind {
		case fault.BadRequest, fault.Unsupported, fault.TooLarge:
			out.Error = r.Error()
			return out
		}
	}
	for _, name := range models {
		out.Most[name] = mostOf(aside.Most(planner, f, route, f.Models[name], &call, s.app.Clock()))
	}
	return out
}

// CompareAskIn asks one model one of a workload's requests, as the workload would
// ask it.
type CompareAskIn struct {
	Workload    string          `json:"workload"`
	Model       string          `json:"model"`
	Request     json.RawMessage `json:"request" doc:"an OpenAI chat request; its model does not count"`
	DataClasses []string        `json:"data_classes,omitempty" doc:"beside the workload's own"`
	Tenant      string          `json:"tenant,omitempty" doc:"whose request it is, where tenants are known by a header"`
	Key         string          `json:"key,omitempty" doc:"id of the virtual key whose classes and tenant count"`
}

// CompareAnswer is what one model answered.
type CompareAnswer struct {
	judge.Answer
	FirstToken float64             `json:"first_token_ms"`
	Total      float64             `json:"total_ms"`
	TokensIn   int64               `json:"tokens_in"`
	TokensOut  int64               `json:"tokens_out"`
	Cost       decimal.NullDecimal `json:"cost" doc:"in US dollars; null: unknown"`
}

// CompareAskOut is the answer, or why there is none.
type CompareAskOut struct {
	CompareAnswer
	ID           string   `json:"request_id" doc:"in the ledger, under compare:WORKLOAD"`
	Conversation string   `json:"conversation" doc:"the request as judges read it"`
	Segments     []string `json:"segments" doc:"task, language and length of the request"`
	NotAsked     string   `json:"not_asked,omitempty" doc:"why the model was not asked: the request's data may not go there"`
	Wait         float64  `json:"wait_ms,omitempty" doc:"a limit or a breaker was met: ask again after that long"`
}

// CompareLabel stands in the ledger in the place of a workload, for what is asked
// for a comparison of its models.
func CompareLabel(workload string) string { return "compare:" + workload }

func (s *Service) compareAsk(ctx context.Context, _ Caller, in CompareAskIn) (CompareAskOut, error) {
	call, denied, err := s.asideCall(in.DataClasses, in.Tenant, in.Key)
	if err != nil || denied != "" {
		return CompareAskOut{NotAsked: denied, Segments: []string{}}, err
	}
	call.Raw = in.Request
	answer, asked := s.app.Aside.Request(ctx, aside.For{Workload: in.Workload, Label: CompareLabel(in.Workload)}, in.Model, call)
	out := CompareAskOut{ID: call.ID, Segments: []string{}}
	if out.NotAsked, out.Wait, err = whyNot(answer.Err, asked); err != nil || out.NotAsked != "" {
		return out, err
	}
	if out.CompareAnswer = comparedAnswer(&answer.Row, judge.AnswerOf(answer.Response)); answer.Err != nil {
		out.Failure = answer.Err.Error()
	}
	reading, err := s.app.Aside.Read(call)
	if err == nil { // else it failed by itself, and says so
		out.Conversation, out.Segments = reading.Conversation, reading.Segments
	}
	return out, nil
}

func comparedAnswer(r *ledger.Row, a judge.Answer) CompareAnswer {
	return CompareAnswer{Answer: a, FirstToken: millis(r.FirstToken), Total: millis(r.Total), TokensIn: r.Tokens.In, TokensOut: r.Tokens.Out, Cost: r.Cost}
}

// asideCall is a call for somebody's request, without the request. denied is why
// nobody may be asked in their name: what bound the request can no longer be told.
func (s *Service) asideCall(classes []string, tenant, key string) (call *gateway.Call, denied string, err error) {
	if s.app.Aside == nil {
		return nil, "", &Error{Status: http.StatusConflict, Code: CodeNoServer, Message: "no server runs that could ask models"}
	}
	call = &gateway.Call{Op: llm.Chat, Codec: app.Codecs()["openai"], Classes: classes, Header: http.Header{}}
	if err := s.callAs(call, key); err != nil {
		return nil, fmt.Sprintf("its key %s: %s", key, err), nil
	}
	if tenant == "" {
		return call, "", nil
	}
	tenants := &s.app.Fleet().Tenants
	if t, err := tenants.Find(call.Caller.KeyID, call.Caller.KeyName, call.Header); err == nil && t != nil && t.Name == tenant {
		return call, "", nil // its key says so
	}
	if call.Header, err = s.headerOf(tenant); err != nil {
		return nil, fmt.Sprintf("its tenant %s: %s", tenant, err), nil
	}
	return call, "", nil
}

// whyNot tells apart why there is no answer: the data may not go there; nobody
// could be asked just now; or it is an error that will not pass. The model's own
// failure is none of these.
func whyNot(failed, asked error) (denied string, wait float64, err error) {
	var gone *aside.GoneError
	if errors.As(asked, &gone) {
		return "", 0, invalid(gone.Error(), "freehold workloads and freehold models list what there is")
	}
	var f *fault.Error
	if !errors.As(failed, &f) {
		return "", 0, failed
	}
	cause := f
	if f.Kind == fault.Exhausted {
		errors.As(f.Cause, &cause)
	}
	if cause != nil {
		switch cause.Kind {
		case fault.ProviderLimit, fault.Overloaded, fault.BreakerOpen, fault.Shed, fault.RateLimited:
			return "", millis(max(f.RetryAfter, time.Second)), nil
		}
	}
	switch {
	case f.Kind == fault.PolicyDenied:
		return f.Error(), 0, nil
	case asked != nil:
		return "", 0, asked
	}
	return "", 0, nil
}

// CompareJudgeIn asks a model which of two answers is better.
type CompareJudgeIn struct {
	Workload    string   `json:"workload"`
	Model       string   `json:"model"`
	System      string   `json:"system"`
	User        string   `json:"user"`
	DataClasses []string `json:"data_classes,omitempty" doc:"of the request that the answers are to, beside the workload's own"`
	Tenant      string   `json:"tenant,omitempty"`
	Key         string   `json:"key,omitempty"`
}

// CompareJudgeOut is what the judge said.
type CompareJudgeOut struct {
	CompareAnswer
	ID       string  `json:"request_id"`
	NotAsked string  `json:"not_asked,omitempty"`
	Wait     float64 `json:"wait_ms,omitempty"`
}

func (s *Service) compareJudge(ctx context.Context, _ Caller, in CompareJudgeIn) (CompareJudgeOut, error) {
	about, denied, err := s.asideCall(in.DataClasses, in.Tenant, in.Key)
	if err != nil || denied != "" {
		return CompareJudgeOut{NotAsked: denied}, err
	}
	answer, asked := s.app.Aside.Judge(ctx, aside.For{Workload: in.Workload, Label: CompareLabel(in.Workload)}, in.Model, about, judge.Prompt{System: in.System, User: in.User})
	out := CompareJudgeOut{ID: answer.Row.ID}
	if out.NotAsked, out.Wait, err = whyNot(answer.Err, asked); err != nil || out.NotAsked != "" {
		return out, err
	}
	if out.CompareAnswer = comparedAnswer(&answer.Row, judge.AnswerOf(answer.Response)); answer.Err != nil {
		out.Failure = answer.Err.Error()
	}
	return out, nil
}
