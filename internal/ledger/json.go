package ledger

import (
	"encoding/json"
	"math"
	"time"

	"github.com/shopspring/decimal"
)

// The JSON of a row is what `freehold why --json` and the admin API show. It
// differs from the Go form in its durations, which are numbers of milliseconds
// there, and in that it has the answer's pace. Costs are decimal strings, null
// where unknown.

type jsonRow struct {
	ID              string              `json:"request_id"`
	ClientID        string              `json:"client_request_id,omitempty"`
	Time            time.Time           `json:"time"`
	KeyID           string              `json:"key_id,omitempty"`
	KeyName         string              `json:"key_name,omitempty"`
	Tenant          string              `json:"tenant,omitempty"`
	Workload        string              `json:"workload"`
	Asked           string              `json:"asked"`
	Model           string              `json:"model"`
	Deployment      string              `json:"deployment"`
	Provider        string              `json:"provider"`
	ProviderModel   string              `json:"provider_model"`
	Dialect         string              `json:"dialect"`
	Operation       string              `json:"operation"`
	Stream          bool                `json:"stream"`
	Status          int                 `json:"status"`
	Outcome         Outcome             `json:"outcome"`
	ErrorCode       string              `json:"error_code,omitempty"`
	Finish          string              `json:"finish,omitempty"`
	Tokens          Tokens              `json:"tokens"`
	Cost            decimal.NullDecimal `json:"cost"`
	PriceSource     string              `json:"price_source,omitempty"`
	PriceDate       string              `json:"price_date,omitempty"`
	FirstToken      float64             `json:"first_token_ms"`
	Total           float64             `json:"total_ms"`
	TokensPerSecond float64             `json:"tokens_per_second"`
	Route           string              `json:"route"`
	Plan            string              `json:"plan,omitempty"`
	DataClasses     []string            `json:"data_classes,omitempty"`
	Detected        []Detection         `json:"detected,omitempty"`
	Cascade         *Cascade            `json:"cascade,omitempty"`
	Part            *Part               `json:"rollout,omitempty"`
	Drill           string              `json:"drill,omitempty"`
	RoutingModel    string              `json:"routing_model,omitempty"`
	Seams           []Seam              `json:"seams,omitempty"`
	Features        []string            `json:"features,omitempty"`
	Parameters      []string            `json:"parameters,omitempty"`
	Language        string              `json:"language,omitempty"`
	Dropped         []string            `json:"dropped,omitempty"`
	Conversation    string              `json:"conversation,omitempty"`
	BytesIn         int64               `json:"bytes_in"`
	BytesOut        int64               `json:"bytes_out"`
	ConfigVersion   string              `json:"config_version"`
	Tags            []string            `json:"tags,omitempty"`
	Attempts        []Attempt           `json:"attempts"`
}

type jsonAttempt struct {
	N             int                 `json:"n"`
	Deployment    string              `json:"deployment"`
	Provider      string              `json:"provider"`
	ProviderModel string              `json:"provider_model"`
	Variant       string              `json:"variant,omitempty"`
	Cause         string              `json:"cause,omitempty"`
	Start         time.Time           `json:"start"`
	FirstByte     float64             `json:"first_byte_ms"`
	Total         float64             `json:"total_ms"`
	Outcome       Outcome             `json:"outcome"`
	Fault         string              `json:"fault,omitempty"`
	Detail        string              `json:"detail,omitempty"`
	Status        int                 `json:"status"`
	RequestID     string              `json:"provider_request_id,omitempty"`
	Played        bool                `json:"played,omitempty"`
	Sent          int64               `json:"sent"`
	Region        string              `json:"region,omitempty"`
	Jurisdiction  string              `json:"jurisdiction,omitempty"`
	Inside        bool                `json:"inside,omitempty"`
	Tokens        Tokens              `json:"tokens"`
	Cost          decimal.NullDecimal `json:"cost"`
}

type jsonLatency struct {
	P50 float64 `json:"p50_ms"`
	P95 float64 `json:"p95_ms"`
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func fromMillis(ms float64) time.Duration {
	return time.Duration(math.Round(ms*1000)) * time.Microsecond
}

// MarshalJSON implements [json.Marshaler].
func (r *Row) MarshalJSON() ([]byte, error) {
	attempts := r.Attempts
	if attempts == nil {
		attempts = []Attempt{}
	}
	return json.Marshal(jsonRow{
		r.ID, r.ClientID, r.Time, r.KeyID, r.KeyName, r.Tenant, r.Workload, r.Asked, r.Model,
		r.Deployment, r.Provider, r.ProviderModel, r.Dialect, r.Operation, r.Stream,
		r.Status, r.Outcome, r.ErrorCode, r.Finish, r.Tokens, r.Cost, r.PriceSource, r.PriceDate,
		millis(r.FirstToken), millis(r.Total), math.Round(r.TokensPerSecond()*100) / 100,
		r.Route, r.Plan, r.DataClasses, r.Detected, r.Cascade, r.Part, r.Drill, r.RoutingModel, r.Seams, r.Features, r.Parameters, r.Language, r.Dropped, r.Conversation,
		r.BytesIn, r.BytesOut, r.ConfigVersion, r.Tags, attempts,
	})
}

// UnmarshalJSON implements [json.Unmarshaler].
func (r *Row) UnmarshalJSON(data []byte) error {
	var j jsonRow
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	*r = Row{
		j.ID, j.ClientID, j.Time, j.KeyID, j.KeyName, j.Tenant, j.Workload, j.Asked, j.Model,
		j.Deployment, j.Provider, j.ProviderModel, j.Dialect, j.Operation, j.Stream,
		j.Status, j.Outcome, j.ErrorCode, j.Finish, j.Tokens, j.Cost, j.PriceSource, j.PriceDate,
		fromMillis(j.FirstToken), fromMillis(j.Total),
		j.Route, j.Plan, j.DataClasses, j.Detected, j.Cascade, j.Part, j.Drill, j.RoutingModel, j.Seams, j.Features, j.Parameters, j.Language, j.Dropped, j.Conversation,
		j.BytesIn, j.BytesOut, j.ConfigVersion, j.Tags, j.Attempts,
	}
	return nil
}

// MarshalJSON implements [json.Marshaler]. The estimate is left out: where it
// mattered it is the attempt's tokens and cost.
func (a Attempt) MarshalJSON() ([]byte, error) {
	return json.Marshal(jsonAttempt{
		a.N, a.Deployment, a.Provider, a.ProviderModel, a.Variant, a.Cause, a.Start,
		millis(a.FirstByte), millis(a.Total), a.Outcome, a.Fault, a.Detail, a.Status, a.RequestID, a.Played,
		a.Sent, a.Region, a.Jurisdiction, a.Inside,
		a.Tokens, a.Cost,
	})
}

// UnmarshalJSON implements [json.Unmarshaler].
func (a *Attempt) UnmarshalJSON(data []byte) error {
	var j jsonAttempt
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	*a = Attempt{
		j.N, j.Deployment, j.Provider, j.ProviderModel, j.Variant, j.Cause, j.Start,
		fromMillis(j.FirstByte), fromMillis(j.Total), j.Outcome, j.Fault, j.Detail, j.Status, j.RequestID, j.Played,
		j.Sent, Place{j.Region, j.Jurisdiction, j.Inside},
		j.Tokens, j.Cost, Estimate{},
	}
	return nil
}

// MarshalJSON implements [json.Marshaler].
func (l Latency) MarshalJSON() ([]byte, error) {
	return json.Marshal(jsonLatency{millis(l.P50), millis(l.P95)})
}

// UnmarshalJSON implements [json.Unmarshaler].
func (l *Latency) UnmarshalJSON(data []byte) error {
	var j jsonLatency
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	*l = Latency{fromMillis(j.P50), fromMillis(j.P95)}
	return nil
}
