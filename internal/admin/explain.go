package admin

import (
	"context"
	"encoding/json"

	"freehold/internal/app"
	"freehold/internal/fleet"
	"freehold/internal/gateway"
	"freehold/internal/llm"
)

// ExplainIn describes a request: a prompt, or a whole body.
type ExplainIn struct {
	Workload    string          `json:"workload" doc:"what the model field would say: a workload, alias, model or vendor's model"`
	Prompt      string          `json:"prompt,omitempty" doc:"text of one user message"`
	Body        json.RawMessage `json:"body,omitempty" doc:"a whole request instead; its model is replaced by workload"`
	Dialect     string          `json:"dialect,omitempty" doc:"of body: openai (default) or anthropic"`
	Operation   string          `json:"operation,omitempty" doc:"chat (default), completion or embedding"`
	DataClasses []string        `json:"data_classes,omitempty" doc:"as x-freehold-data-class would add"`
}

// Candidate is a deployment that would be asked.
type Candidate struct {
	Deployment
	Order      int    `json:"order" doc:"1 is asked first"`
	Model      string `json:"model"`
	Reason     string `json:"reason"`
	LastResort bool   `json:"last_resort" doc:"down, and asked only because nothing else is left"`
}

// Exclusion is a deployment that would not be asked.
type Exclusion struct {
	Deployment string `json:"deployment"`
	Reason     string `json:"reason"`
	Policy     bool   `json:"policy" doc:"the perimeter of a data class forbids it"`
}

// ExplainOut is the decision.
type ExplainOut struct {
	Asked        string      `json:"asked"`
	Kind         string      `json:"kind" doc:"what the name is: workload, alias, model, vendor; empty: nothing"`
	Workload     string      `json:"workload"`
	DataClasses  []string    `json:"data_classes"`
	PromptTokens int64       `json:"prompt_tokens" doc:"estimated"`
	Features     []string    `json:"features" doc:"that the request uses"`
	Candidates   []Candidate `json:"candidates"`
	Excluded     []Exclusion `json:"excluded"`
	Refused      *Error      `json:"refused,omitempty" doc:"why the request would be refused before any attempt"`
	Live         bool        `json:"live" doc:"health was known: a server runs"`
}

func (s *Service) explain(_ context.Context, _ Caller, in ExplainIn) (ExplainOut, error) {
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
	}
	body, err := in.request(op)
	if err != nil {
		return ExplainOut{}, err
	}
	e := gateway.Explain(&gateway.Call{
		ID: "explain", Received: s.app.Clock(), Op: op, Codec: codec, Raw: body, Fleet: s.app.Fleet(), Classes: in.DataClasses,
	}, s.app.Clock, fleet.Pick, s.app.Log)

	out := ExplainOut{
		Asked: in.Workload, DataClasses: orEmpty(e.Classes), PromptTokens: e.PromptTokens, Features: orEmpty(e.Facts.Features.Names()),
		Candidates: []Candidate{}, Excluded: []Exclusion{}, Live: s.app.URL() != "",
	}
	if e.Route != nil {
		out.Kind, out.Workload = e.Route.Kind, e.Route.Workload
	}
	for i, c := range e.Plan.Candidates {
		out.Candidates = append(out.Candidates, Candidate{
			Order: i + 1, Model: c.Model.Name, Reason: c.Reason, LastResort: c.LastResort, Deployment: s.deployment(c.Deployment),
		})
	}
	for _, x := range e.Plan.Excluded {
		out.Excluded = append(out.Excluded, Exclusion{Deployment: x.Deployment, Reason: x.Reason, Policy: x.Policy})
	}
	if f := e.Refused; f != nil {
		out.Refused = &Error{Status: f.HTTPStatus(), Code: f.StableCode(), Message: f.Message, Hint: f.Hint}
	}
	return out, nil
}

// request is the body to plan for.
func (in *ExplainIn) request(op llm.Operation) ([]byte, error) {
	members := map[string]any{}
	switch {
	case len(in.Body) > 0:
		given := map[string]json.RawMessage{}
		if err := json.Unmarshal(in.Body, &given); err != nil {
			return nil, invalid("the body is not a JSON object: "+err.Error(), "")
		}
		for k, v := range given {
			members[k] = v
		}
	case op == llm.Embedding:
		members["input"] = in.Prompt
	case op == llm.Completion:
		members["prompt"] = in.Prompt
	default:
		prompt := in.Prompt
		if prompt == "" {
			prompt = "Hello"
		}
		members["messages"] = []map[string]string{{"role": "user", "content": prompt}}
		if in.Dialect == "anthropic" {
			members["max_tokens"] = 1024
		}
	}
	if in.Workload != "" {
		members["model"] = in.Workload
	}
	return json.Marshal(members)
}
