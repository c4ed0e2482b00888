package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"freehold/internal/app"
	"freehold/internal/capture"
	"freehold/internal/drill"
	"freehold/internal/drill/runner"
	"freehold/internal/fleet"
	"freehold/internal/ledger"
	"freehold/internal/llm"
)

// maxSynthetic is the most requests that a synthetic drill makes.
const maxSynthetic = 10_000

// DrillStartIn is the plan of a drill.
type DrillStartIn struct {
	Kind      string            `json:"kind" doc:"down, slow, errors, cut, auth, quota; or exit: the workload does without its vendor"`
	Provider  string            `json:"provider,omitempty" doc:"that fails; absent for exit, which finds out whose the workload's model is"`
	Workload  string            `json:"workload,omitempty" doc:"absent: all; exit needs one"`
	For       string            `json:"for" doc:"how long at most, such as 2m"`
	Share     float64           `json:"share" doc:"of requests, above 0, at most 1"`
	Delay     string            `json:"delay,omitempty" doc:"of kind slow, such as 2s"`
	Synthetic bool              `json:"synthetic,omitempty" doc:"freehold asks by itself; no client's request is touched"`
	Requests  int               `json:"requests,omitempty" doc:"of a synthetic drill: how many; absent: 50, or each of prompts once"`
	Prompts   []json.RawMessage `json:"prompts,omitempty" doc:"of a synthetic drill: {\"prompt\": TEXT} or requests in OpenAI's dialect; absent: what the workload's capture keeps, else harmless ones of freehold's own"`
	Reason    string            `json:"reason,omitempty" doc:"for the history"`
}

func (s *Service) drillStart(ctx context.Context, c Caller, in DrillStartIn) (Drill, error) {
	if s.app.URL() == "" {
		return Drill{}, &Error{Status: http.StatusConflict, Code: CodeNoServer, Message: "no server runs: a drill is of requests that it serves",
			Hint: "freehold serve, or give --synthetic"}
	}
	if err := s.drillNames(in.Workload, in.Provider); err != nil {
		return Drill{}, err
	}
	p := drill.Plan{Kind: drill.Kind(in.Kind), Workload: in.Workload, Share: in.Share, Synthetic: in.Synthetic, Errors: 1}
	f := s.app.Fleet()
	switch {
	case p.Kind == drill.Exit && in.Provider != "":
		return Drill{}, invalid("an exit drill takes no provider", "it forbids whoever serves the workload's model")
	case p.Kind == drill.Exit:
		b := vendorOf(f, s.app.Config(), in.Workload)
		p.Providers, p.Vendor = b.providers, b.why
	case in.Provider != "":
		p.Providers = []string{in.Provider}
	}
	var err error
	if p.For, err = time.ParseDuration(in.For); err != nil {
		return Drill{}, invalid(fmt.Sprintf("for is %q", in.For), "give a length of time such as 2m")
	}
	if in.Delay != "" {
		if p.Delay, err = time.ParseDuration(in.Delay); err != nil {
			return Drill{}, invalid(fmt.Sprintf("delay is %q", in.Delay), "give a length of time such as 2s")
		}
	}
	if err := p.Check(); err != nil {
		return Drill{}, invalid(oneLine(err), "")
	}
	if len(reaching(f, &p)) == 0 {
		return Drill{}, invalid("no request could be hit: "+unreached(&p), "freehold workloads shows who may answer what")
	}
	var d drill.Drill
	if in.Synthetic {
		var prompts []runner.Prompt
		if prompts, err = s.drillPrompts(ctx, c, &p, &in); err != nil {
			return Drill{}, err
		}
		d, err = s.app.Drills.Rehearse(ctx, p, prompts, c.Who, in.Reason)
	} else if len(in.Prompts) > 0 || in.Requests > 0 {
		return Drill{}, invalid("prompts are of a synthetic drill", "set synthetic")
	} else {
		d, err = s.app.Drills.Start(ctx, p, c.Who, in.Reason)
	}
	if err != nil {
		return Drill{}, drillError(err)
	}
	return drillOf(&d), nil
}

func oneLine(err error) string {
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return err.Error()
	}
	text := ""
	for i, e := range joined.Unwrap() {
		if i > 0 {
			text += "; "
		}
		text += e.Error()
	}
	return text
}

// reaching lists the workloads of a plan that may ask one of its providers.
func reaching(f *fleet.Fleet, p *drill.Plan) []string {
	var out []string
	for _, name := range f.WorkloadNames() {
		if p.Workload != "" && p.Workload != name {
			continue
		}
		if slices.ContainsFunc(f.Workload(name).Reach(), func(m *fleet.Model) bool {
			return slices.ContainsFunc(m.Deployments, func(d *fleet.Deployment) bool { return slices.Contains(p.Providers, d.Provider.Name) })
		}) {
			out = append(out, name)
		}
	}
	return out
}

func unreached(p *drill.Plan) string {
	if p.Workload != "" {
		return fmt.Sprintf("workload %s never asks %s", p.Workload, p.Providers[0])
	}
	return "no workload asks " + p.Providers[0]
}

// drillPrompts are the requests of a synthetic drill: those that are given, else
// those that were captured, else our own.
func (s *Service) drillPrompts(ctx context.Context, c Caller, p *drill.Plan, in *DrillStartIn) ([]runner.Prompt, error) {
	if in.Requests < 0 || in.Requests > maxSynthetic || len(in.Prompts) > maxSynthetic {
		return nil, invalid(fmt.Sprintf("%d requests", max(in.Requests, len(in.Prompts))), fmt.Sprintf("a synthetic drill makes 1 to %d", maxSynthetic))
	}
	names := reaching(s.app.Fleet(), p)
	pools := map[string][]runner.Prompt{}
	n := in.Requests
	if n == 0 {
		n = max(50, len(in.Prompts))
		if len(in.Prompts) > 0 {
			n = len(in.Prompts)
		}
	}
	for _, name := range names {
		var err error
		if len(in.Prompts) > 0 {
			pools[name], err = given(name, in.Prompts)
		} else {
			pools[name], err = s.drillCaptured(ctx, c, name, n, in.Reason)
		}
		if err != nil {
			return nil, err
		}
	}
	var out []runner.Prompt
	for i := range n {
		name := names[i%len(names)]
		pool, turn := pools[name], i/len(names)
		if len(in.Prompts) > 0 {
			turn = i
		}
		if len(pool) > 0 {
			out = append(out, pool[turn%len(pool)])
		} else {
			out = append(out, builtIn(s.app.Fleet().Workloads[name], turn))
		}
	}
	return out, nil
}

// builtIn is the nth request of our own for a workload.
func builtIn(w *fleet.Route, n int) runner.Prompt {
	out := runner.Prompt{Workload: w.Workload, Op: llm.Chat, Codec: app.Codecs()["openai"]}
	switch w.Models[0].Mode {
	case "embedding":
		out.Op, out.Body = llm.Embedding, drill.EmbeddingPrompt(n)
	case "completion":
		out.Op, out.Body = llm.Completion, drill.CompletionPrompt(n)
	default:
		out.Body = drill.ChatPrompt(n)
	}
	return out
}

// given are the requests that the caller brings along, as the door reads them.
func given(workload string, bodies []json.RawMessage) ([]runner.Prompt, error) {
	codec := app.Codecs()["openai"]
	var out []runner.Prompt
	for i, raw := range bodies {
		bad := func(why string) error {
			return invalid(fmt.Sprintf("prompt %d: %s", i+1, why), `each is {"prompt": TEXT}, or a request with messages or input`)
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(raw, &members); err != nil {
			return nil, bad(err.Error())
		}
		op := llm.Chat
		switch {
		case members["messages"] != nil:
		case members["input"] != nil:
			op = llm.Embedding
		case members["prompt"] != nil && len(members) == 1:
			var text string
			if err := json.Unmarshal(members["prompt"], &text); err != nil {
				return nil, bad("prompt is no text")
			}
			messages, err := json.Marshal([]map[string]string{{"role": "user", "content": text}})
			if err != nil {
				return nil, err
			}
			members = map[string]json.RawMessage{"messages": messages}
		default:
			return nil, bad("it is not understood")
		}
		members["model"] = json.RawMessage(`"drill"`)
		body, err := marshal(members)
		if err != nil {
			return nil, err
		}
		read, err := codec.Read(op, body)
		if err != nil {
			return nil, bad(err.Error())
		}
		read.Release()
		out = append(out, runner.Prompt{Workload: workload, Op: op, Codec: codec, Body: body})
	}
	return out, nil
}

// drillCaptured are requests that the workload's capture keeps; none where it
// keeps none. That they are read is in the history.
func (s *Service) drillCaptured(ctx context.Context, c Caller, workload string, n int, why string) ([]runner.Prompt, error) {
	w := s.app.Config().Workloads[workload]
	if w == nil || w.Capture == nil || !w.Capture.Enabled {
		return nil, nil
	}
	if why == "" {
		why = "for a drill"
	}
	by, err := captureBy(c, why)
	if err != nil {
		return nil, err
	}
	var out []runner.Prompt
	want := func(e *capture.Entry) bool { return e.Outcome == string(ledger.OK) }
	_, err = s.app.Captures.ReadAll(ctx, capture.Filter{Workload: workload, Limit: n}, want, by, func(r *capture.Record) error {
		if codec := app.Codecs()[r.Dialect]; codec != nil && !r.Request.IsCut() {
			out = append(out, runner.Prompt{Workload: workload, Op: llm.Operation(r.Operation), Codec: codec, Body: r.Request.Body, Classes: r.Classes})
		}
		return nil
	})
	return out, err
}
