package runner

import (
	"context"
	"net/http"
	"slices"
	"sync"

	"freehold/internal/dialect"
	"freehold/internal/drill"
	"freehold/internal/fleet"
	"freehold/internal/gateway"
	"freehold/internal/history"
	"freehold/internal/llm"
)

// Prompt is a request that is made for a drill.
type Prompt struct {
	Workload string
	Op       llm.Operation
	Codec    dialect.Codec // of Body
	Body     []byte
	Classes  []string // data classes that the request adds to its workload's
}

// atOnce is how many requests are made at a time: a drill is no load test.
const atOnce = 4

// Rehearse begins a synthetic drill: the prompts are asked as their workloads'
// requests would be, in order and each once, and no client's request is touched.
// It ends when all are answered, or as any drill does.
func (r *Runner) Rehearse(ctx context.Context, p drill.Plan, prompts []Prompt, who history.Who, why string) (drill.Drill, error) {
	switch {
	case r.Send == nil:
		return drill.Drill{}, refuse("freehold serve starts one", "no server runs that could ask")
	case len(prompts) == 0:
		return drill.Drill{}, refuse("", "there are no prompts to ask")
	}
	p.Synthetic = true
	d, err := r.Start(ctx, p, who, why)
	if err != nil {
		return d, err
	}
	pl := r.playing.Load()
	if pl == nil || pl.drill.ID != d.ID {
		return d, nil // its time is up already
	}
	r.asking.Go(func() { r.rehearse(context.WithoutCancel(ctx), pl, slices.Clone(prompts)) })
	return d, nil
}

// rehearse asks all prompts and ends the drill. What is under way when the drill
// ends otherwise is given up.
func (r *Runner) rehearse(ctx context.Context, p *play, prompts []Prompt) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	over := make(chan struct{})
	defer close(over)
	go func() {
		select {
		case <-p.ended:
			cancel()
		case <-over:
		}
	}()
	next := make(chan Prompt)
	var asking sync.WaitGroup
	for range min(atOnce, len(prompts)) {
		asking.Go(func() {
			for q := range next {
				r.ask(ctx, q)
			}
		})
	}
give:
	for _, q := range prompts {
		select {
		case next <- q:
		case <-ctx.Done():
			break give
		}
	}
	close(next)
	asking.Wait()
	if ctx.Err() != nil {
		return
	}
	state, cause := drill.Finished, "all requests were made"
	if p.errors.Load() >= int64(p.drill.Plan.Errors) {
		state, cause = drill.Failed, "a request ended with an error"
	}
	if err := r.finish(ctx, p, state, cause, history.Who{Via: "server", Name: "drill"}); err != nil {
		r.Log.Error("a drill is over, and that cannot be kept", "drill", p.drill.ID, "error", err)
	}
}

// ask makes one request, by its workload's whole plan. What it came to is in the
// ledger.
func (r *Runner) ask(ctx context.Context, q Prompt) {
	f := r.Fleet()
	w := f.Workload(q.Workload)
	if w == nil {
		return // the configuration has changed
	}
	route := *w
	route.Capture = fleet.Capture{} // nobody wrote it
	r.Send(ctx, &gateway.Call{
		ID: r.NewID(), Received: r.Clock(), Op: q.Op, Codec: q.Codec, Raw: slices.Clone(q.Body), Header: http.Header{}, Fleet: f, Classes: q.Classes,
		Aside: &gateway.Aside{Route: &route, Label: drill.Label(q.Workload)},
	})
}
