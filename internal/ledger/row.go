// Package ledger is the durable record of every request: one row a request,
// with its attempts, tokens, money, times and outcome, and hourly rollups of
// the rows for whoever looks far back.
//
// Recording has two halves. On the request path a record is appended to a
// journal on disk: [Ledger.Begin] before an attempt's bytes leave, [Ledger.End]
// before the last byte of the answer reaches the client. Behind it one
// goroutine moves what the journal holds into a [Store], in batches. The
// journal position is stored in the same transaction as the rows, and rows are
// unique by request id, so that every row arrives once, whatever is killed when.
// What was begun and never ended, because the process died, becomes a row with
// outcome [Unknown] and an estimated cost.
//
// A store that is slow or broken makes the journal grow on disk, never in
// memory. A journal that cannot be written makes Begin fail, and the gateway
// refuse the request: nothing is sent that is not on record.
package ledger

import (
	"math"
	"slices"
	"time"

	"github.com/shopspring/decimal"
)

// Outcome says how a request, or one attempt of it, ended.
type Outcome string

// The outcomes. The empty Outcome is that of an attempt still open.
const (
	OK          Outcome = "ok"           // a whole answer
	Partial     Outcome = "partial"      // the client got a beginning, then an error it was told of
	ClientError Outcome = "client_error" // the request was at fault: 4xx
	Refused     Outcome = "refused"      // by policy, budget or credentials, before any attempt
	Shed        Outcome = "shed"         // turned away because of load or a limit
	Canceled    Outcome = "canceled"     // the client left first
	Failed      Outcome = "failed"       // no deployment answered, or this attempt's did not
	Unknown     Outcome = "unknown"      // freehold died before the end was known
)

// Outcomes lists the outcomes of a request.
func Outcomes() []Outcome {
	return []Outcome{OK, Partial, ClientError, Refused, Shed, Canceled, Failed, Unknown}
}

// Err reports whether the outcome is a failure on our side or a provider's,
// as opposed to an answer or to what the caller or our rules brought about.
func (o Outcome) Err() bool { return o == Failed || o == Partial || o == Unknown }

// Tokens are a request's or an attempt's tokens as the provider reported them.
// In is everything read, Out everything written; Cached and CacheWrite are
// parts of In, Reasoning is a part of Out.
type Tokens struct {
	In         int64 `json:"in"`
	Out        int64 `json:"out"`
	Cached     int64 `json:"cached,omitempty"`
	CacheWrite int64 `json:"cache_write,omitempty"`
	Reasoning  int64 `json:"reasoning,omitempty"`
	// Estimated marks counts of ours, where the provider reported none.
	Estimated bool `json:"estimated,omitempty"`
}

// Add returns the sum of t and u, which is an estimate when either is. A count
// that would not fit stays at the largest one that does.
func (t Tokens) Add(u Tokens) Tokens {
	return Tokens{
		In: plus(t.In, u.In), Out: plus(t.Out, u.Out),
		Cached: plus(t.Cached, u.Cached), CacheWrite: plus(t.CacheWrite, u.CacheWrite),
		Reasoning: plus(t.Reasoning, u.Reasoning), Estimated: t.Estimated || u.Estimated,
	}
}

// plus is a + b, or the nearest number to it: sums do not wrap around.
func plus(a, b int64) int64 {
	switch {
	case b > 0 && a > math.MaxInt64-b:
		return math.MaxInt64
	case b < 0 && a < math.MinInt64-b:
		return math.MinInt64
	}
	return a + b
}

// Row is the record of one request. Texts longer than [MaxText] are cut, times
// are kept to the microsecond, in UTC.
type Row struct {
	ID       string    // ours, a UUIDv7; the key of the ledger
	ClientID string    // the request id that the client sent, if any
	Time     time.Time // when the request arrived

	KeyID, KeyName string // the virtual key, empty without authentication
	Tenant         string // of the configuration, whose key or header it was

	Workload      string // that the request was resolved to
	Asked         string // the model field as it was sent
	Model         string // that answered, as we name it; where none did, who was asked last or would have been first
	Deployment    string // that answered
	Provider      string // of the model
	ProviderModel string // the provider's own model id

	Dialect   string // that the client speaks
	Operation string // chat, completion, embedding, ...
	Stream    bool

	Status    int // HTTP status of the answer; 0 when none was sent
	Outcome   Outcome
	ErrorCode string // the stable code of the error that the client got
	Finish    string // why the answer's first choice ended: stop, length, tool_calls, refusal, ...; empty: it is not known, or there is none

	Tokens      Tokens
	Cost        decimal.NullDecimal // US dollars, over all attempts; not valid: unknown
	PriceSource string              // where the price is from
	PriceDate   string              // the price's date, YYYY-MM-DD

	FirstToken time.Duration // from arrival to the first content sent; 0: none was
	Total      time.Duration // from arrival to the last byte sent

	Route         string   // why this deployment, in short
	Plan          string   // who might have answered, in order, and who not and why
	DataClasses   []string // that governed the request
	Detected      []Detection
	Cascade       *Cascade // what a cascade decided; nil: none was asked
	Part          *Part    // in a rollout; nil: none
	Drill         string   // id of the drill that touched it; empty: none did
	RoutingModel  string   // that told task and complexity; empty: none was asked
	Seams         []Seam   // where the answer changed deployments
	Features      []string // that the request used: tools, json_schema, images, ...
	Parameters    []string // that the request gave, beside those that its features tell: temperature, user, ...
	Language      string   // of the prompt, as far as it was looked at; empty: it was not, or it is not clear
	Dropped       []string // parameters that did not reach the provider
	Conversation  string   // a hash that the requests of one conversation share
	BytesIn       int64    // size of the request's body
	BytesOut      int64    // size of the answer's body
	ConfigVersion string   // of the configuration that decided
	Tags          []string // from x-freehold-tags

	Attempts []Attempt // in the order in which they began
}

// Answerer is the model that answered, empty where none did.
func (r *Row) Answerer() string {
	if r.Deployment == "" {
		return ""
	}
	return r.Model
}

// Played reports whether a drill made an attempt of the request fail or wait.
func (r *Row) Played() bool {
	return slices.ContainsFunc(r.Attempts, func(a Attempt) bool { return a.Played })
}

// TokensPerSecond returns the pace of the answer after its first token, or 0
// where there is none to speak of.
func (r *Row) TokensPerSecond() float64 {
	d := r.Total - r.FirstToken
	if !r.Stream || r.FirstToken <= 0 {
		d = r.Total
	}
	if d <= 0 || r.Tokens.Out == 0 {
		return 0
	}
	return float64(r.Tokens.Out) / d.Seconds()
}

// Detection is what a detector found in a request: how much of what kind, never
// the text itself.
type Detection struct {
	Detector string `json:"detector"`
	Kind     string `json:"kind"` // email, iban, ...; failed: the detector did not work
	Count    int64  `json:"count"`
	Action   string `json:"action"` // tighten, redact, block; pass: it failed and was let pass
}

// Cascade is the decision of a cascade: whether the answer of the model that was
// asked first could stand. Nothing of what was compared is kept.
type Cascade struct {
	Model    string `json:"model"`           // that was asked
	By       string `json:"by"`              // agreement, logprobs
	Attempts int    `json:"attempts"`        // that were made; the request's first ones
	Decision string `json:"decision"`        // kept, escalated
	Cause    string `json:"cause,omitempty"` // of an escalation
	// Margin is how sure the model was, 0 to 1, by logprobs and as far as it was
	// known. It is kept to the millionth.
	Margin float64 `json:"margin"`
}

// Part is a request's part in a rollout of its workload.
type Part struct {
	Rollout string `json:"rollout"` // its id
	Arm     Arm    `json:"arm"`
}

// Arm is the side of a rollout that a request stands on.
type Arm string

// The arms.
const (
	Baseline  Arm = "baseline"  // would have been answered by the old model without a rollout, and was asked of it
	Candidate Arm = "candidate" // was asked of the new model first
	Shadow    Arm = "shadow"    // a copy of a baseline request, asked of the new model aside
	Judged    Arm = "judge"     // asked a judge about two answers
)

// Seam is a place in an answer where another deployment took over.
type Seam struct {
	Offset int64  `json:"offset"` // characters of content before the seam
	From   string `json:"from"`   // deployment
	To     string `json:"to"`     // deployment
	Method string `json:"method"` // prefill, prefill-echo, instruct
	Cause  string `json:"cause"`  // fault kind
}

// Attempt is one try of a request at one deployment.
type Attempt struct {
	N             int // 1 for the first
	Deployment    string
	Provider      string
	ProviderModel string
	Variant       string // version of the workload's variant for the model; empty: the request went as it was
	Cause         string // why there is this attempt: the fault kind it follows, hedge, continue; empty for the first

	Start     time.Time
	FirstByte time.Duration // from Start; 0: none came
	Total     time.Duration // from Start to its end

	Outcome   Outcome // empty while the attempt is open
	Fault     string  // fault kind, empty when it succeeded
	Detail    string  // what the connection failed with, or the refused key's place; empty: neither
	Status    int     // the provider's HTTP status; 0: none came
	RequestID string  // the provider's own id of the request
	Played    bool    // a drill made it fail or wait: its end says nothing of who was asked

	// Sent is how many bytes of the request were sent: its whole body, unless it
	// is known that none left. Until the attempt has ended it is what may leave.
	Sent int64
	Place

	Tokens Tokens
	Cost   decimal.NullDecimal // US dollars; not valid: unknown

	// Estimate is what the attempt would cost if its end were never seen. It
	// is on record only while the attempt is open.
	Estimate Estimate
}

// Place is where an attempt's bytes went, as the configuration knew it then.
// An empty text is unknown.
type Place struct {
	Region       string
	Jurisdiction string
	Inside       bool
}

// Estimate holds what [Ledger.Begin] puts on record so that an attempt whose
// end is lost can still be priced. Prices are US dollars for one token in
// decimal notation; an empty price is unknown, and so is the cost then.
type Estimate struct {
	TokensIn  int64 // counted or estimated before sending
	TokensOut int64 // expected
	PriceIn   string
	PriceOut  string
	Source    string // of the price
	Date      string // of the price, YYYY-MM-DD
}

// cost returns what the estimate amounts to, not valid where a price that is
// needed is unknown.
func (e Estimate) cost() decimal.NullDecimal {
	sum := decimal.Zero
	for _, part := range []struct {
		tokens int64
		price  string
	}{{e.TokensIn, e.PriceIn}, {e.TokensOut, e.PriceOut}} {
		if part.tokens == 0 {
			continue
		}
		price, err := decimal.NewFromString(part.price)
		if err != nil {
			return decimal.NullDecimal{}
		}
		sum = sum.Add(price.Mul(decimal.NewFromInt(part.tokens)))
	}
	if e.PriceIn == "" && e.PriceOut == "" {
		return decimal.NullDecimal{}
	}
	return decimal.NewNullDecimal(sum)
}

// lost turns a row whose end was never journaled into one with outcome
// Unknown: attempts still open get their estimate, those that had ended keep
// their facts, and the row is their sum.
func (r *Row) lost() {
	r.Outcome = Unknown
	r.Tokens, r.Cost = Tokens{}, decimal.NewNullDecimal(decimal.Zero)
	for i := range r.Attempts {
		a := &r.Attempts[i]
		if a.Outcome == "" {
			a.Outcome = Unknown
			a.Tokens = Tokens{In: a.Estimate.TokensIn, Out: a.Estimate.TokensOut, Estimated: true}
			a.Cost = a.Estimate.cost()
			r.Model = a.Model()
			r.Deployment, r.Provider, r.ProviderModel = a.Deployment, a.Provider, a.ProviderModel
			r.PriceSource, r.PriceDate = a.Estimate.Source, a.Estimate.Date
		}
		r.Tokens = r.Tokens.Add(a.Tokens)
		if r.Cost.Valid = r.Cost.Valid && a.Cost.Valid; r.Cost.Valid {
			r.Cost.Decimal = r.Cost.Decimal.Add(a.Cost.Decimal)
		}
	}
	if !r.Cost.Valid {
		r.Cost.Decimal = decimal.Zero
	}
}
