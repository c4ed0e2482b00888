package admin

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/shopspring/decimal"

	"freehold/internal/app"
	"freehold/internal/cascade"
	"freehold/internal/config"
	"freehold/internal/fault"
	"freehold/internal/gateway"
	"freehold/internal/llm"
	"freehold/internal/routing"
	"freehold/internal/rule"
	"freehold/internal/server"
	"freehold/internal/variant"
)

// ExplainIn describes a request: a prompt, or a whole body.
type ExplainIn struct {
	Workload    string          `json:"workload" doc:"what the model field would say: a workload, alias, model or vendor's model"`
	Prompt      string          `json:"prompt,omitempty" doc:"text of one user message"`
	Body        json.RawMessage `json:"body,omitempty" doc:"a whole request instead; its model is replaced by workload"`
	Dialect     string          `json:"dialect,omitempty" doc:"of body: openai (default) or anthropic"`
	Operation   string          `json:"operation,omitempty" doc:"chat, completion or embedding; absent: chat, or of a prompt what the model is for"`
	DataClasses []string        `json:"data_classes,omitempty" doc:"as x-freehold-data-class would add"`
	Tags        []string        `json:"tags,omitempty" doc:"as x-freehold-tags would give"`
	Key         string          `json:"key,omitempty" doc:"id or name of the virtual key; its classes and tags go along. Where server.auth is none, no request has one"`
	Tenant      string          `json:"tenant,omitempty" doc:"name of a tenant that is known by a header, which goes along; one that is known by its keys is told from key"`
	MaxTokens   int64           `json:"max_tokens,omitempty" doc:"limit of the answer, put into the request"`
	Stream      bool            `json:"stream,omitempty" doc:"put into the request"`
	JSON        bool            `json:"json,omitempty" doc:"the request asks for JSON"`
	Tools       bool            `json:"tools,omitempty" doc:"the request has a tool"`
	Images      bool            `json:"images,omitempty" doc:"the request has an image"`
}

// Candidate is a deployment that would be asked.
type Candidate struct {
	Deployment
	Order      int    `json:"order" doc:"1 is asked first"`
	Model      string `json:"model"`
	Reason     string `json:"reason"`
	LastResort bool   `json:"last_resort" doc:"down, and asked only because nothing else is left"`
	// Variant is how the request would be put to it.
	Variant *Variant `json:"variant,omitempty" doc:"how the request is put to the model; absent: as it is"`
}

// Variant is how a workload's requests are put to a model.
type Variant struct {
	Version     string                     `json:"version" doc:"of its content"`
	SystemFile  string                     `json:"system_file,omitempty" doc:"that the system prompt stands in"`
	SystemBytes int                        `json:"system_bytes,omitempty" doc:"size of the system prompt; absent: there is none"`
	SystemMode  string                     `json:"system_mode,omitempty" doc:"replace, prepend or append: where it stands beside the client's"`
	Params      map[string]json.RawMessage `json:"params,omitempty" doc:"that are set"`
	Strip       []string                   `json:"strip,omitempty" doc:"parameters that are taken out"`
}

// variantOf tells of a variant; nil where there is none.
func variantOf(v *variant.Variant) *Variant {
	if v == nil {
		return nil
	}
	out := &Variant{Version: v.Version, SystemFile: v.File, SystemBytes: len(v.System), Strip: v.Strip}
	if v.System != "" {
		out.SystemMode = string(v.Mode)
	}
	for _, p := range v.Params {
		if out.Params == nil {
			out.Params = map[string]json.RawMessage{}
		}
		out.Params[p.Name] = p.Raw
	}
	return out
}

// Exclusion is a deployment that would not be asked.
type Exclusion struct {
	Deployment string `json:"deployment"`
	Reason     string `json:"reason"`
	Policy     bool   `json:"policy" doc:"the perimeter of a data class forbids it"`
}

// Ruling is one rule's part in the decision.
type Ruling struct {
	Name    string `json:"name"`
	When    string `json:"when"`
	Model   string `json:"model"`
	Dry     bool   `json:"dry" doc:"counted, not obeyed"`
	Outcome string `json:"outcome" doc:"matched, no match, failed, or not reached: a rule before it decided"`
	Values  string `json:"values,omitempty" doc:"of what the condition reads"`
	Error   string `json:"error,omitempty" doc:"why it could not be evaluated"`
}

// Prompt is what the request asks for.
type Prompt struct {
	Task       string  `json:"task"`
	Unsure     bool    `json:"unsure" doc:"below the workload's confidence: rules see no task"`
	Confidence float64 `json:"confidence" doc:"that the task is right, 0 to 1"`
	Complexity float64 `json:"complexity" doc:"chance that a cheap model's answer would be worse, 0 to 1"`
	Model      string  `json:"routing_model" doc:"version of the model that says so"`
}

// Cascade is what a workload's cascade would do with the request.
type Cascade struct {
	Model      string              `json:"model" doc:"that is asked first"`
	By         string              `json:"by" doc:"agreement or logprobs"`
	Attempts   int                 `json:"attempts" doc:"how often it is asked, all at once"`
	Margin     float64             `json:"margin,omitempty" doc:"by logprobs: least at which its answer may stand"`
	Asked      bool                `json:"asked" doc:"it would be asked"`
	Skip       string              `json:"skip,omitempty" doc:"why not"`
	Deployment string              `json:"deployment,omitempty" doc:"that would be asked"`
	Variant    *Variant            `json:"variant,omitempty" doc:"how the request is put to the model; absent: as it is"`
	Most       decimal.NullDecimal `json:"cost_at_most" doc:"of all its attempts, in US dollars; null: unknown"`
	Excluded   []Exclusion         `json:"excluded" doc:"deployments that may not be asked"`
	Kept       int64               `json:"kept" doc:"answers that stood, since the start"`
	Escalated  int64               `json:"escalated" doc:"requests that went on to the workload's own plan, since the start"`
}

// cascadeOf tells of a cascade; nil where there is none.
func cascadeOf(x *gateway.Explanation) *Cascade {
	e := x.Cascade
	if e == nil {
		return nil
	}
	out := &Cascade{
		Model: e.Model.Name, By: string(e.By), Attempts: e.Attempts, Asked: e.Skip == "", Skip: e.Skip, Most: e.Most, Excluded: exclusions(e.Excluded),
		Variant: variantOf(x.Variant(e.Model)),
	}
	if e.By == cascade.Logprobs {
		out.Margin = e.Margin
	}
	if e.Deployment != nil {
		out.Deployment = e.Deployment.Name
	}
	st := e.Switch.Stats()
	out.Kept = st.Kept
	for _, n := range st.Escalated {
		out.Escalated += n
	}
	return out
}

func exclusions(list []routing.Exclusion) []Exclusion {
	out := []Exclusion{}
	for _, x := range list {
		out = append(out, Exclusion{Deployment: x.Deployment.Name, Reason: x.Reason, Policy: x.Policy})
	}
	return out
}

// Detector is an external detector that would look at the request first.
type Detector struct {
	Name        string   `json:"name"`
	URL         string   `json:"url"`
	OnHit       string   `json:"on_hit" doc:"tighten, redact or block; no answer counts as a hit"`
	DataClasses []string `json:"data_classes" doc:"that a hit adds"`
}

// ExplainOut is the decision.
type ExplainOut struct {
	Asked        string       `json:"asked"`
	Kind         string       `json:"kind" doc:"what the name is: workload, alias, model, vendor; empty: nothing"`
	Workload     string       `json:"workload"`
	Stands       string       `json:"stands,omitempty" doc:"why it stands for its model: the index whose embeddings it makes, and the index's phase"`
	Tenant       string       `json:"tenant,omitempty" doc:"whose request it is"`
	DataClasses  []string     `json:"data_classes"`
	PromptTokens int64        `json:"prompt_tokens" doc:"estimated"`
	Features     []string     `json:"features" doc:"that the request uses"`
	Language     string       `json:"language,omitempty" doc:"of the prompt; absent: not clear"`
	Prompt       *Prompt      `json:"prompt,omitempty" doc:"absent where nobody can tell"`
	Detected     []Detection  `json:"detected" doc:"what detectors found: kinds and numbers, never the text"`
	Detectors    []Detector   `json:"detectors" doc:"external ones, which are not asked for an explanation"`
	Rules        []Ruling     `json:"rules" doc:"of the workload, in order"`
	KeyDraws     bool         `json:"key_draws,omitempty" doc:"a rule read draw, which is another one for each key, and no key was named"`
	Cascade      *Cascade     `json:"cascade,omitempty" doc:"of the workload; absent: it has none"`
	Candidates   []Candidate  `json:"candidates"`
	Excluded     []Exclusion  `json:"excluded"`
	Rollout      *RolloutPart `json:"rollout,omitempty" doc:"the request's part in a rollout; of one conversation it stays the same"`
	Warned       string       `json:"budget_warned,omitempty" doc:"name of a budget with on_exceed: warn that is exceeded"`
	Over         string       `json:"budget_over,omitempty" doc:"how that budget is exceeded"`
	Refused      *Error       `json:"refused,omitempty" doc:"why the request would be refused before any attempt"`
	Live         bool         `json:"live" doc:"health was known: a server runs"`
	// ConfigVersion is of what the plan is by.
	ConfigVersion string `json:"config_version" doc:"short hash of the configuration that the plan is by"`
}

func (s *Service) explain(ctx context.Context, _ Caller, in ExplainIn) (ExplainOut, error) {
	if in.Dialect == "" {
		in.Dialect = "openai"
	}
	codec, ok := app.Codecs()[in.Dialect]
	if !ok {
		return ExplainOut{}, invalid("the dialect "+in.Dialect+" is not known", "openai or anthropic")
	}
	op := llm.Operation(in.Operation)
	if op == "" {
		op = llm.Chat
		if r, ok := s.app.Fleet().Resolve(in.Workload); ok && len(in.Body) == 0 && r.Models[0].Mode == string(config.ModeEmbedding) {
			op = llm.Embedding
		}
	}
	body, err := in.request(op)
	if err != nil {
		return ExplainOut{}, err
	}
	if limit := int64(s.app.Config().Server.Limits.Body); int64(len(body)) > limit {
		f := server.TooLarge(limit)
		return ExplainOut{
			Asked: in.Workload, DataClasses: []string{}, Features: []string{}, Detected: []Detection{}, Detectors: []Detector{}, Rules: []Ruling{},
			Candidates: []Candidate{}, Excluded: []Exclusion{}, Live: s.app.URL() != "", Refused: refused(f),
			ConfigVersion: s.app.Fleet().Version,
		}, nil
	}
	planner, err := s.app.Planner(ctx)
	if err != nil {
		return ExplainOut{}, err
	}
	call := &gateway.Call{
		ID: "explain", Received: s.app.Clock(), Op: op, Codec: codec, Raw: body, Fleet: s.app.Fleet(), Classes: in.DataClasses, Tags: in.Tags,
	}
	if err := s.callAs(call, in.Key); err != nil {
		return ExplainOut{}, err
	}
	if call.Header, err = s.headerOf(in.Tenant); err != nil {
		return ExplainOut{}, err
	}
	e := planner.Explain(call)

	out := ExplainOut{
		Asked: in.Workload, Tenant: e.Tenant, Warned: e.Warned, Over: e.Over, DataClasses: orEmpty(e.Classes), PromptTokens: e.PromptTokens, Features: orEmpty(e.Facts.Features.Names()),
		Cascade: cascadeOf(&e), Candidates: []Candidate{}, Excluded: exclusions(e.Plan.Excluded), Live: s.app.URL() != "",
		Language: e.Language, Rules: rulings(&e.Plan), Detected: append([]Detection{}, e.Detected...),
		ConfigVersion: s.app.Fleet().Version,
	}
	if c := e.Plan.Class; c != nil {
		out.Prompt = &Prompt{Task: c.Task, Unsure: e.Plan.Unsure, Confidence: c.Confidence, Complexity: c.Complexity, Model: c.Model}
	}
	out.Detectors = []Detector{}
	for _, d := range e.Unasked {
		out.Detectors = append(out.Detectors, Detector{Name: d.Name, URL: d.Remote.At, OnHit: string(d.Action), DataClasses: orEmpty(d.Classes)})
	}
	if out.Rollout, err = s.partOf(ctx, &e); err != nil {
		return ExplainOut{}, err
	}
	if e.Route != nil {
		out.Kind, out.Workload = e.Route.Kind, e.Route.Workload
		if e.Route.Stands != nil {
			out.Stands = e.Route.Stands.String()
		}
	}
	for i, c := range e.Plan.Candidates {
		out.Candidates = append(out.Candidates, Candidate{
			Order: i + 1, Model: c.Model.Name, Reason: c.Reason(), LastResort: c.LastResort, Deployment: s.deployment(c.Deployment),
			Variant: variantOf(e.Variant(c.Model)),
		})
	}
	if e.Refused != nil {
		out.Refused = refused(e.Refused)
	}
	out.KeyDraws = in.Key == "" && s.app.Config().Server.Auth != config.AuthNone && e.Facts.Conversation != "" &&
		slices.ContainsFunc(e.Plan.Rulings, func(r routing.Ruling) bool { return r.Reached && r.Rule.Condition.Uses().Has(rule.Draw) })
	return out, nil
}

func refused(f *fault.Error) *Error {
	return &Error{Status: f.HTTPStatus(), Code: f.StableCode(), Message: f.Message, Hint: f.Hint}
}

func rulings(p *routing.Plan) []Ruling {
	out := []Ruling{}
	for _, r := range p.Rulings {
		made := Ruling{Name: r.Rule.Name, When: r.Rule.Condition.Text(), Model: r.Rule.Models[0].Name, Dry: r.Rule.Dry, Outcome: "no match", Values: r.Values}
		switch {
		case !r.Reached:
			made.Outcome = "not reached"
		case r.Err != nil:
			made.Outcome, made.Error = "failed", r.Err.Error()
		case r.Matched:
			made.Outcome = "matched"
		}
		out = append(out, made)
	}
	return out
}
