// Package aside asks models what no client waits for: what a client or a file
// asked, of one model alone, and which of two answers is better. Rollouts and
// comparisons both do.
package aside

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/fleet"
	"freehold/internal/gateway"
	"freehold/internal/judge"
	"freehold/internal/language"
	"freehold/internal/ledger"
	"freehold/internal/rollout"
	"freehold/internal/routing"
)

// Asker asks. All fields are required but those that say so.
type Asker struct {
	// Send serves a call aside.
	Send func(ctx context.Context, c *gateway.Call) gateway.Answer
	// Bounds says what calls cost at most.
	Bounds Bounds
	Fleet  func() *fleet.Fleet
	Clock  func() time.Time
	NewID  func() string
	// Codec is the dialect that judges are asked in.
	Codec dialect.Codec
	// Classify says what a prompt asks for; nil where nobody can.
	Classify func(dialect.Prompt) routing.Class
}

// For is what is asked for.
type For struct {
	Workload string       // whose requests these are
	Label    string       // stands in the ledger in the place of a workload
	Counts   string       // workload whose budgets count it; empty: none's
	Part     *ledger.Part // nil: none
	// Keep: the texts are kept as those of the workload's requests are, if they are;
	// of the workload Label, so that nobody takes them for a client's.
	Keep bool
}

// GoneError is a workload or model that the configuration does not have.
type GoneError struct{ What, Name string }

func (e *GoneError) Error() string {
	return fmt.Sprintf("the configuration has no %s %s", e.What, e.Name)
}

// Request asks one model, and no other, a request of the workload, in its way:
// with its parameters and the model's variant. It fills in the call, of which
// Op, Codec and Raw must be set, as far as there are any its Header, Caller,
// Classes and Tags. An error says that the model was not asked.
func (a *Asker) Request(ctx context.Context, f For, model string, call *gateway.Call) (gateway.Answer, error) {
	return a.ask(ctx, f, model, call, func(*fleet.Route) {})
}

func (a *Asker) ask(ctx context.Context, f For, model string, call *gateway.Call, change func(*fleet.Route)) (gateway.Answer, error) {
	in, route, m, err := a.named(f.Workload, model)
	if err != nil {
		return gateway.Answer{}, err
	}
	return a.send(ctx, f, in, route, m, call, change)
}

// embedLabel begins the label of texts that commands embed.
const embedLabel = "embed:"

// Counted is the workload whose budgets count what stands in the ledger under a label:
// one that was asked for vectors by [Asker.Embed], else none.
func Counted(in *fleet.Fleet, label string) (workload string, ok bool) {
	name, ok := strings.CutPrefix(label, embedLabel)
	return name, ok && in.Workloads[name] != nil
}

// Embed asks one model, and no other, for vectors: what a client gets who names alias,
// a workload, another name of one, or a model. The call is filled in as by
// [Asker.Request]. It stands in the ledger under embed:WORKLOAD, and counts in the
// workload's budgets; of a model by its own name, under embed:MODEL.
func (a *Asker) Embed(ctx context.Context, alias, model string, call *gateway.Call) (gateway.Answer, error) {
	in := a.Fleet()
	route, ok := in.Resolve(alias)
	if !ok {
		return gateway.Answer{}, &GoneError{"workload or model", alias}
	}
	m := in.Models[model]
	if m == nil {
		return gateway.Answer{}, &GoneError{"model", model}
	}
	f := For{Label: embedLabel + cmp.Or(route.Workload, alias), Counts: route.Workload}
	return a.send(ctx, f, in, route, m, call, func(*fleet.Route) {})
}

func (a *Asker) send(ctx context.Context, f For, in *fleet.Fleet, route *fleet.Route, m *fleet.Model, call *gateway.Call, change func(*fleet.Route)) (gateway.Answer, error) {
	call.Fleet = in
	only := route.Only(m)
	if f.Keep {
		only.Capture = route.Capture
		only.Capture.Share = 1
	}
	change(only)
	call.ID, call.Received, call.ClientID = a.NewID(), a.Clock(), ""
	call.Aside = &gateway.Aside{Route: only, Label: f.Label, Counts: f.Counts, Part: f.Part}
	if call.Header == nil {
		call.Header = http.Header{}
	}
	answer := a.Send(ctx, call)
	return answer, ours(answer.Err)
}

// named finds a workload and a model in the configuration in use.
func (a *Asker) named(workload, model string) (f *fleet.Fleet, route *fleet.Route, m *fleet.Model, err error) {
	f = a.Fleet()
	switch route, m = f.Workloads[workload], f.Models[model]; {
	case route == nil:
		return nil, nil, nil, &GoneError{"workload", workload}
	case m == nil:
		return nil, nil, nil, &GoneError{"model", model}
	}
	return f, route, m, nil
}

// ours is an error that says nothing of the model: it was not asked.
func ours(err error) error {
	var f *fault.Error
	if !errors.As(err, &f) {
		return err
	}
	switch f.Kind {
	case fault.PolicyDenied, fault.Quota, fault.Storage, fault.Internal, fault.Draining, fault.Canceled, fault.Shed, fault.BreakerOpen:
		return err
	}
	return nil
}

// Reading is what is known of a request without asking anybody.
type Reading struct {
	Conversation string   // for people and models to read
	Segments     []string // task=code, language=de, length=1-4 KB
}

// Read reads a request that the gateway accepts.
func (a *Asker) Read(c *gateway.Call) (Reading, error) {
	body, err := c.Codec.Read(c.Op, c.Raw)
	if err != nil {
		return Reading{}, err
	}
	defer body.Release()
	request, err := c.Codec.Decode(body)
	if err != nil {
		return Reading{}, err
	}
	prompt := c.Codec.Prompt(body)
	out := Reading{
		Conversation: strings.Join(append(request.Prompt, judge.Conversation(request.Messages)), "\n"),
		Segments:     []string{"length=" + bucket(int64(body.Facts.TextBytes))},
	}
	if l := language.Of(prompt.User); l != "" {
		out.Segments = append(out.Segments, "language="+l)
	}
	if a.Classify != nil {
		out.Segments = append(out.Segments, "task="+a.Classify(prompt).Task)
	}
	return out, nil
}

// bucket names the length of a prompt, in bytes of text.
func bucket(bytes int64) string {
	for _, b := range []struct {
		below int64
		name  string
	}{{1 << 10, "under 1 KB"}, {4 << 10, "1-4 KB"}, {16 << 10, "4-16 KB"}, {64 << 10, "16-64 KB"}, {math.MaxInt64, "64 KB and more"}} {
		if bytes < b.below {
			return b.name
		}
	}
	return "64 KB and more"
}

// SideOf is what a row says of the one model that it asked.
func SideOf(r *ledger.Row) rollout.Side {
	return rollout.Side{FirstToken: r.FirstToken, Total: r.Total, In: r.Tokens.In, Out: r.Tokens.Out, Cost: r.Cost}
}
