// Package fleet holds one configuration generation as the gateway uses it: an
// immutable snapshot of providers, deployments, models and workloads, with
// everything resolved that can be resolved before a request comes.
package fleet

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"freehold/internal/dialect"
	"freehold/internal/health"
	"freehold/internal/llm"
	"freehold/internal/policy"
	"freehold/internal/upstream"
	"freehold/internal/variant"
)

// Sender is a way to one deployment: an upstream.Client, or a local engine's
// that may not be up yet.
type Sender interface {
	Send(ctx context.Context, p upstream.Permit, call *upstream.Call) (*upstream.Reply, error)
}

// Unready is a Sender that knows by itself when it cannot serve: a local engine
// that loads. It returns why, or "".
type Unready interface{ Unready() string }

// Limited is a Sender that learns by itself what its model cannot do: a local
// engine, once it has the weights.
type Limited interface{ Lacks() llm.Features }

// Provider is a place that serves models.
type Provider struct {
	Name    string
	Preset  string
	Codec   dialect.Codec
	Keys    *upstream.KeyRing
	Secrets upstream.Secrets // what no answer of it may show
	Place   policy.Place
	Hosting string // api, managed, serverless, kubernetes, self
	Engine  bool   // a local engine that freehold runs
	// Paths by operation; "{model}" is replaced by the escaped model id.
	Paths map[llm.Operation]string
	// Client reaches the provider. Nil for engines: each of their deployments
	// is a process of its own.
	Client *upstream.Client
	// Relay lists the raw OpenAI path families that go here.
	Relay []string
	Owns  func(model string) bool
	// ProbePath is asked to see whether the provider lives; empty: none.
	ProbePath string

	identity string // a hash of all that makes it this provider
	limit    health.LimiterConfig
	probe    health.ProbeSpec
}

// Deployment is a model at a provider.
type Deployment struct {
	// Name is unique and stable: "model@provider", with "#n" from the second
	// deployment of a model at one provider on.
	Name     string
	Model    *Model
	Provider *Provider
	ID       string // the provider's own model id
	Maker    string // who made the weights; empty: not known
	Path     map[llm.Operation]string
	Sender   Sender
	Weight   int
	Context  int64 // tokens; 0: unknown
	// MaxOutput is the longest answer, ImageTokens the most that an image counts,
	// both in tokens; 0: unknown.
	MaxOutput, ImageTokens int64
	// Lacks are the features that it does not have, as far as configuration and
	// catalog know; Has those that the configuration says it has.
	Lacks, Has llm.Features
	Continue   dialect.ContinueMethod
	Embedding  Embedding
	Quirks     dialect.Quirks
	Params     dialect.Params
	Timeouts   Timeouts
	Health     *health.Deployment

	pricing pricing
}

// Embedding is what a deployment makes of requests for embeddings. Zero is no
// limit, or not known.
type Embedding struct {
	MaxInputs int   // in one request
	MaxTokens int64 // in one request, of all inputs together
	Parallel  int   // requests of one client's request at once
	Cuts      bool  // it may cut an input that is too long without a word
	NoTokens  bool  // inputs are texts only
	// ShortensAny: the provider shortens vectors of any model; NoDimensions: it does
	// not know the parameter; neither: it takes or refuses it as the model is made.
	ShortensAny, NoDimensions bool
	// Size is how many numbers a vector has, Shortest the fewest that the model was
	// trained to be shortened to, 0: it was not.
	Size, Shortest int64
	Truncate       bool // inputs that are too long are to be cut
}

// Model is a name of ours for a set of weights.
type Model struct {
	Name        string
	Openness    string // open, proprietary, proprietary-tuned
	Mode        string // chat, completion, embedding
	Balance     Balance
	Deployments []*Deployment
}

// Balance is the order in which the deployments of a model are asked.
type Balance string

// The values of Balance, as in config.yaml. Empty is Priority.
const (
	Priority     Balance = "priority"
	Weighted     Balance = "weighted"
	LeastLatency Balance = "least-latency"
	LeastBusy    Balance = "least-busy"
	Cheapest     Balance = "cheapest"
)

// Balanced reports whether the order differs between requests.
func (m *Model) Balanced() bool {
	return m.Balance != "" && m.Balance != Priority && len(m.Deployments) > 1
}

// Timeouts limit one attempt; Total limits the request too.
type Timeouts struct {
	Connect, FirstToken, Idle, Total time.Duration
}

// Over returns t with what inner sets.
func (t Timeouts) Over(inner Timeouts) Timeouts {
	set := func(dst *time.Duration, v time.Duration) {
		if v != 0 {
			*dst = v
		}
	}
	set(&t.Connect, inner.Connect)
	set(&t.FirstToken, inner.FirstToken)
	set(&t.Idle, inner.Idle)
	set(&t.Total, inner.Total)
	return t
}

// Continue says what follows a cut in mid-answer.
type Continue string

// Hold says what of an answer is held back until it is whole.
type Hold string

// The values of Continue and Hold, as in config.yaml.
const (
	ContinueAny       Continue = "any"
	ContinueSameModel Continue = "same-model"
	ContinueOff       Continue = "off"

	HoldTools      Hold = "tools"
	HoldStructured Hold = "structured"
	HoldOff        Hold = "off"
)

// Hedge asks a second deployment when the first is slow. The zero value does not.
type Hedge struct {
	After      time.Duration // fixed wait, or
	Percentile float64       // of the deployment's live first-token time
	MaxShare   float64       // of requests that may be hedged, 0..1
}

// On reports whether hedging is wanted.
func (h Hedge) On() bool { return h.After > 0 || h.Percentile > 0 }

// Route is what a request's model field resolves to.
type Route struct {
	Workload string   // name; empty for a model or vendor name asked directly
	Kind     string   // workload, alias, model, vendor
	Models   []*Model // the model, then its fallbacks
	Rules    []*Rule
	// Confidence is the least at which rules see what a prompt asks for.
	Confidence float64
	// Stands is why it leads to one of an index's two models; nil: it is no index's.
	Stands   *Stands
	Balanced bool     // the order of some model's deployments differs between requests
	SLO      *SLO     // nil: none
	Cascade  *Cascade // nil: none
	Classes  []string // data classes
	Continue Continue
	Hold     Hold
	Own      Timeouts // the workload's own limits: they win over a deployment's
	Params   dialect.Params
	// Variants are how requests are put to models, for those that have one.
	Variants map[*Model]*variant.Variant
	Hedge    Hedge
	Capture  Capture
	// Detectors look at its requests; nil: none does.
	Detectors *Detectors
	// Tenant: a request must be a tenant's.
	Tenant bool

	FallbackOnFilter  bool
	FallbackOnContext bool
}

// Variant is how the route's requests are put to a model; nil: as they are.
func (r *Route) Variant(m *Model) *variant.Variant { return r.Variants[m] }

// Name is the name under which the route was asked for, as far as it is ours.
func (r *Route) Name() string {
	if r.Workload != "" {
		return r.Workload
	}
	return r.Models[0].Name
}

// All lists every model that the route can lead to: its own, then those of
// rules that are obeyed, each once.
func (r *Route) All() []*Model {
	out := slices.Clone(r.Models)
	for _, rule := range r.Rules {
		for _, m := range rule.Models {
			if !rule.Dry && !slices.Contains(out, m) {
				out = append(out, m)
			}
		}
	}
	return out
}

// Reach lists every model that the route's requests may be sent to: those of All,
// and the one that a cascade asks first.
func (r *Route) Reach() []*Model {
	out := r.All()
	if c := r.Cascade; c != nil && !slices.Contains(out, c.Model) {
		out = append(out, c.Model)
	}
	return out
}

// Only is the route with one model and nothing else that could answer: for
// questions that freehold asks aside. What binds the data stays.
func (r *Route) Only(m *Model) *Route {
	only := *r
	only.Kind, only.Models, only.Balanced = "aside", []*Model{m}, m.Balanced()
	only.Rules, only.Cascade, only.SLO, only.Hedge, only.Capture = nil, nil, nil, Hedge{}, Capture{}
	only.Continue, only.FallbackOnContext, only.FallbackOnFilter = ContinueOff, false, false
	return &only
}

// balanced reports whether the order among a model's deployments ever differs.
func (r *Route) balanced() bool { return slices.ContainsFunc(r.All(), (*Model).Balanced) }

// Capture says whether texts of a workload's requests are kept, of which share
// of them (0 to 1), and for how long.
type Capture struct {
	On         bool
	Unredacted bool // texts are kept as the client sent and saw them
	Share      float64
	Retention  time.Duration
}

// Settings are the configuration's facts that hold for every request.
type Settings struct {
	ShowProviderModel bool // answers name the model as the provider does
	RelayUnknown      bool // vendor names go to the provider that owns them
	DropUnsupported   bool
	RetryMax          int
	RetryBase         time.Duration
	RetryCap          time.Duration
	Timeouts          Timeouts
	KeepAlive         time.Duration
	Location          *time.Location // of hours and days
}

// Fleet is one generation.
type Fleet struct {
	Version   string // short hash of the configuration's text
	Settings  Settings
	Providers map[string]*Provider
	Models    map[string]*Model
	Workloads map[string]*Route // by workload name
	Aliases   map[string]*Route
	Classes   policy.Classes
	Tenants   Tenants
	// Detectors look at requests that name no workload.
	Detectors *Detectors
	// Externals are the detectors over HTTP, by name.
	Externals map[string]*External

	vendors vendors
	// newer are the models of the new stores of indexes, by the workloads that make their
	// embeddings.
	newer  map[string]*Model
	stands Standing
}

// Pick is the everyday source of randomness: a uniform number in [0,n).
func Pick(n int) int { return rand.IntN(n) }

// Retire closes the connections that the next fleet does not use. Calls under
// way run to their end.
func (f *Fleet) Retire(next *Fleet) {
	for name, p := range f.Providers {
		if n := next.Providers[name]; p.Client != nil && (n == nil || n.Client != p.Client) {
			p.Client.Close()
		}
	}
	for name, e := range f.Externals {
		if next.Externals[name] != e {
			e.client.Close()
		}
	}
}
