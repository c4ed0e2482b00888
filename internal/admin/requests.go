package admin

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/shopspring/decimal"

	"freehold/internal/feedback"
	"freehold/internal/ledger"
)

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Filter selects requests.
type Filter struct {
	Since    time.Time `json:"since,omitzero" doc:"inclusive"`
	Until    time.Time `json:"until,omitzero" doc:"exclusive"`
	Workload string    `json:"workload,omitempty"`
	Model    string    `json:"model,omitempty"`
	Provider string    `json:"provider,omitempty"`
	Key      string    `json:"key,omitempty" doc:"id or name of a virtual key"`
	Tenant   string    `json:"tenant,omitempty"`
	Outcome  string    `json:"outcome,omitempty" doc:"ok, partial, client_error, refused, shed, canceled, failed, unknown"`
}

// query is the ledger's form. A key's name stands for the newest key of it.
func (s *Service) query(f Filter) (ledger.Query, error) {
	q := ledger.Query{
		Since: f.Since, Until: f.Until, Workload: f.Workload, Model: f.Model, Provider: f.Provider,
		Tenant: f.Tenant, Outcome: ledger.Outcome(f.Outcome),
	}
	if f.Outcome != "" {
		if err := known("outcome", q.Outcome, ledger.Outcomes()); err != nil {
			return q, err
		}
	}
	if err := ordered(f.Since, f.Until); err != nil {
		return q, err
	}
	var err error
	q.KeyID, err = s.keyID(f.Key)
	return q, err
}

// RequestsIn asks for single requests.
type RequestsIn struct {
	Filter
	Limit int    `json:"limit,omitempty" doc:"at most so many; 100 if absent, 10000 at most"`
	After string `json:"after,omitempty" doc:"id of the last request of the page before"`
}

// RequestsOut is one page.
type RequestsOut struct {
	Requests []Request `json:"requests"`
	Next     string    `json:"next,omitempty" doc:"for after, where more may follow"`
}

// Request is one request of the ledger.
type Request struct {
	ID              string              `json:"request_id"`
	ClientID        string              `json:"client_request_id,omitempty"`
	Time            time.Time           `json:"time"`
	KeyID           string              `json:"key_id,omitempty"`
	Key             string              `json:"key,omitempty" doc:"its name"`
	Tenant          string              `json:"tenant,omitempty"`
	Workload        string              `json:"workload"`
	Asked           string              `json:"asked" doc:"the model field as it was sent"`
	Model           string              `json:"model" doc:"that answered; where deployment is empty none did, and it is who was asked last or would have been first"`
	Deployment      string              `json:"deployment"`
	Provider        string              `json:"provider"`
	ProviderModel   string              `json:"provider_model"`
	Dialect         string              `json:"dialect"`
	Operation       string              `json:"operation"`
	Stream          bool                `json:"stream"`
	Status          int                 `json:"status" doc:"HTTP; 0: no answer was sent"`
	Outcome         string              `json:"outcome"`
	ErrorCode       string              `json:"error_code,omitempty"`
	Finish          string              `json:"finish,omitempty" doc:"why the first choice ended: stop, length, tool_calls, refusal, content_filter, ...; absent: not known, or there is no answer"`
	Tokens          ledger.Tokens       `json:"tokens"`
	Cost            decimal.NullDecimal `json:"cost" doc:"null: unknown"`
	Currency        string              `json:"currency"`
	CostSource      string              `json:"cost_source,omitempty"`
	CostDate        string              `json:"cost_date,omitempty"`
	Attempts        int                 `json:"attempts"`
	Seams           int                 `json:"seams"`
	FirstToken      float64             `json:"first_token_ms"`
	Total           float64             `json:"total_ms"`
	TokensPerSecond float64             `json:"tokens_per_second"`
	Route           string              `json:"route"`
	Cascade         *ledger.Cascade     `json:"cascade,omitempty" doc:"what the workload's cascade decided; absent: its model was not asked"`
	Rollout         *ledger.Part        `json:"rollout,omitempty" doc:"the request's part in a rollout: its id, and baseline, candidate, shadow or judge"`
	RoutingModel    string              `json:"routing_model,omitempty" doc:"version of the model that told task and complexity; absent: no rule asked"`
	Drill           string              `json:"drill,omitempty" doc:"id of the drill that touched the request"`
	ConfigVersion   string              `json:"config_version"`
	Tags            []string            `json:"tags,omitempty"`
}

func requestOf(r *ledger.Row) Request {
	return Request{
		ID: r.ID, ClientID: r.ClientID, Time: r.Time, KeyID: r.KeyID, Key: r.KeyName, Tenant: r.Tenant, Workload: r.Workload, Asked: r.Asked,
		Model: r.Model, Deployment: r.Deployment, Provider: r.Provider, ProviderModel: r.ProviderModel, Dialect: r.Dialect,
		Operation: r.Operation, Stream: r.Stream, Status: r.Status, Outcome: string(r.Outcome), ErrorCode: r.ErrorCode, Finish: r.Finish,
		Tokens: r.Tokens, Cost: r.Cost, Currency: "USD", CostSource: r.PriceSource, CostDate: r.PriceDate,
		Attempts: len(r.Attempts), Seams: len(r.Seams), FirstToken: millis(r.FirstToken), Total: millis(r.Total),
		TokensPerSecond: float64(int64(r.TokensPerSecond()*100)) / 100, Route: r.Route, Cascade: r.Cascade, Rollout: r.Part, Drill: r.Drill, RoutingModel: r.RoutingModel, ConfigVersion: r.ConfigVersion, Tags: r.Tags,
	}
}

func (s *Service) requests(ctx context.Context, _ Caller, in RequestsIn) (RequestsOut, error) {
	q, err := s.query(in.Filter)
	if err != nil {
		return RequestsOut{}, err
	}
	if q.Limit, err = limit(in.Limit); err != nil {
		return RequestsOut{}, err
	}
	if q.After = in.After; q.After != "" {
		// A page behind nothing would be the end of the list.
		if _, err := s.app.Ledger.Request(ctx, q.After); err != nil {
			return RequestsOut{}, err
		}
	}
	rows, err := s.app.Ledger.Requests(ctx, q)
	if err != nil {
		return RequestsOut{}, err
	}
	out := RequestsOut{Requests: []Request{}}
	for _, r := range rows {
		out.Requests = append(out.Requests, requestOf(r))
	}
	if len(rows) == q.Limit {
		out.Next = rows[len(rows)-1].ID
	}
	return out, nil
}

// WhyIn names a request.
type WhyIn struct {
	ID string `json:"request_id"`
}

// Attempt is one try at one deployment.
type Attempt struct {
	N             int                 `json:"n"`
	Deployment    string              `json:"deployment"`
	Provider      string              `json:"provider"`
	ProviderModel string              `json:"provider_model"`
	Variant       string              `json:"variant,omitempty" doc:"version of the workload's variant for the model; absent: the request went as it was"`
	Cause         string              `json:"cause,omitempty" doc:"why there is this attempt: the fault it follows, hedge, continue"`
	Start         time.Time           `json:"start"`
	FirstByte     float64             `json:"first_byte_ms"`
	Total         float64             `json:"total_ms"`
	Outcome       string              `json:"outcome"`
	Fault         string              `json:"fault,omitempty"`
	Detail        string              `json:"detail,omitempty" doc:"what the connection failed with, or which of several keys was refused"`
	Status        int                 `json:"status" doc:"the provider's; 0: none came"`
	RequestID     string              `json:"provider_request_id,omitempty"`
	Played        bool                `json:"played,omitempty" doc:"a drill made it fail or wait"`
	Sent          int64               `json:"sent" doc:"bytes of the request that were sent there"`
	Region        string              `json:"region,omitempty" doc:"of the provider, then"`
	Jurisdiction  string              `json:"jurisdiction,omitempty"`
	Inside        bool                `json:"inside"`
	Tokens        ledger.Tokens       `json:"tokens"`
	Cost          decimal.NullDecimal `json:"cost"`
}

// Detection is what a detector found in a request.
type Detection = ledger.Detection

// WhyOut is all that is on record of a request: attempts and seams are lists
// here, where Request has their numbers.
type WhyOut struct {
	Request
	Plan         string        `json:"plan" doc:"candidates in order, each with its reason (none: the workload's own model), then who was excluded and why; empty: none was made"`
	DataClasses  []string      `json:"data_classes"`
	Detected     []Detection   `json:"detected" doc:"what detectors found: kinds and numbers, never the text"`
	Features     []string      `json:"features"`
	Parameters   []string      `json:"parameters" doc:"that the request gave, beside those that its features tell"`
	Language     string        `json:"language,omitempty" doc:"of the prompt; absent: not looked at, as of most requests, or not clear"`
	Dropped      []string      `json:"dropped" doc:"parameters that did not reach the provider"`
	Conversation string        `json:"conversation,omitempty"`
	BytesIn      int64         `json:"bytes_in"`
	BytesOut     int64         `json:"bytes_out"`
	Attempts     []Attempt     `json:"attempts"`
	Seams        []ledger.Seam `json:"seams"`
	Feedback     *Feedback     `json:"feedback,omitempty" doc:"what the caller said of the answer afterwards"`
}

// Feedback is what was said of an answer.
type Feedback struct {
	Time    time.Time `json:"time"`
	KeyID   string    `json:"key_id,omitempty"`
	Score   float64   `json:"score" doc:"0 (useless) to 1 (right)"`
	Task    string    `json:"task,omitempty" doc:"what the prompt asked for"`
	Comment string    `json:"comment,omitempty"`
}

func (s *Service) why(ctx context.Context, _ Caller, in WhyIn) (WhyOut, error) {
	r, err := s.app.Ledger.Request(ctx, in.ID)
	if err != nil {
		return WhyOut{}, err
	}
	out := WhyOut{
		Request: requestOf(r), Plan: r.Plan, DataClasses: orEmpty(r.DataClasses), Features: orEmpty(r.Features),
		Parameters: orEmpty(r.Parameters), Language: r.Language, Dropped: orEmpty(r.Dropped), Conversation: r.Conversation, BytesIn: r.BytesIn, BytesOut: r.BytesOut,
		Detected: append([]Detection{}, r.Detected...), Attempts: []Attempt{}, Seams: append([]ledger.Seam{}, r.Seams...),
	}
	switch f, err := s.app.Feedback.Feedback(ctx, r.ID); {
	case err == nil:
		out.Feedback = &Feedback{Time: f.Time, KeyID: f.KeyID, Score: f.Score, Task: f.Task, Comment: f.Comment}
	case !errors.Is(err, feedback.ErrNotFound):
		return WhyOut{}, err
	}
	for _, a := range r.Attempts {
		out.Attempts = append(out.Attempts, Attempt{
			N: a.N, Deployment: a.Deployment, Provider: a.Provider, ProviderModel: a.ProviderModel, Variant: a.Variant, Cause: a.Cause, Start: a.Start,
			FirstByte: millis(a.FirstByte), Total: millis(a.Total), Outcome: string(a.Outcome), Fault: a.Fault, Detail: a.Detail, Status: a.Status,
			RequestID: a.RequestID, Played: a.Played, Sent: a.Sent, Region: a.Region, Jurisdiction: a.Jurisdiction, Inside: a.Inside, Tokens: a.Tokens, Cost: a.Cost,
		})
	}
	return out, nil
}

// UsageIn asks for sums.
type UsageIn struct {
	Filter
	By []string `json:"by,omitempty" doc:"workload, model, provider, key, tenant, outcome, day, hour"`
}

// Group is the usage of requests with the same values of By.
type Group struct {
	By          map[string]string `json:"by"`
	KeyName     string            `json:"key_name,omitempty"`
	Requests    int64             `json:"requests"`
	Errors      int64             `json:"errors"`
	Outcomes    map[string]int64  `json:"outcomes"`
	Streams     int64             `json:"streams"`
	Attempts    int64             `json:"attempts"`
	Seams       int64             `json:"seams"`
	Tokens      ledger.Tokens     `json:"tokens"`
	Cost        decimal.Decimal   `json:"cost" doc:"of the requests whose cost is known"`
	Currency    string            `json:"currency"`
	CostUnknown int64             `json:"cost_unknown" doc:"requests whose cost is not known"`
	BytesIn     int64             `json:"bytes_in"`
	BytesOut    int64             `json:"bytes_out"`
	FirstToken  Latency           `json:"first_token"`
	Total       Latency           `json:"total"`
	Features    map[string]int64  `json:"features"`
}

// UsageOut is usage by group, and all of it.
type UsageOut struct {
	Since  *time.Time `json:"since,omitempty"`
	Until  *time.Time `json:"until,omitempty"`
	Groups []Group    `json:"groups"`
	Sum    *Group     `json:"total" doc:"null: nothing is selected"`
}

func (s *Service) usage(ctx context.Context, _ Caller, in UsageIn) (UsageOut, error) {
	q, err := s.query(in.Filter)
	if err != nil {
		return UsageOut{}, err
	}
	out := UsageOut{Since: moment(in.Since), Until: moment(in.Until), Groups: []Group{}}
	sum, err := s.app.Ledger.Usage(ctx, q)
	if err != nil {
		return UsageOut{}, err
	}
	if len(sum) > 0 {
		g := s.group(&sum[0])
		out.Sum = &g
	}
	for _, by := range in.By {
		d := ledger.Dimension(by)
		if err := known("dimension", d, ledger.Dimensions()); err != nil {
			return UsageOut{}, err
		}
		if slices.Contains(q.GroupBy, d) {
			return UsageOut{}, invalid("by names "+by+" twice", "once is enough")
		}
		q.GroupBy = append(q.GroupBy, d)
	}
	if len(q.GroupBy) == 0 {
		return out, nil
	}
	groups, err := s.app.Ledger.Usage(ctx, q)
	if err != nil {
		return UsageOut{}, err
	}
	for i := range groups {
		out.Groups = append(out.Groups, s.group(&groups[i]))
	}
	return out, nil
}

func (s *Service) group(g *ledger.Group) Group {
	out := Group{
		By: map[string]string{}, Requests: g.Requests, Errors: g.Errors, Outcomes: map[string]int64{}, Streams: g.Streams,
		Attempts: g.Attempts, Seams: g.Seams, Tokens: g.Tokens, Cost: g.Cost, Currency: "USD", CostUnknown: g.CostUnknown,
		BytesIn: g.BytesIn, BytesOut: g.BytesOut, FirstToken: latencyOf(g.FirstToken), Total: latencyOf(g.Total), Features: g.Features,
	}
	for d, v := range g.By {
		out.By[string(d)] = v
		if d == ledger.ByKey && v != "" {
			if k, err := s.app.Keys.Get(v); err == nil {
				out.KeyName = k.Name
			}
		}
	}
	for o, n := range g.Outcomes {
		out.Outcomes[string(o)] = n
	}
	return out
}
