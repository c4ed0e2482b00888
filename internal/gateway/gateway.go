// Package gateway carries one request to an answer: it plans, asks one
// deployment after another until one answers, relays, goes on elsewhere when
// an answer is cut, and puts all of it on record.
//
// The way of a request, from top to bottom, is Gateway.Serve. What it holds to:
// no client sees a provider's failure while an allowed deployment is alive;
// what was sent is never changed; an attempt is journaled before its bytes
// leave, and the request before the last byte of its answer is sent.
package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"freehold/internal/budget"
	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/fleet"
	"freehold/internal/ledger"
	"freehold/internal/llm"
	"freehold/internal/meter"
	"freehold/internal/routing"
)

// Journal is the ledger as the gateway sees it.
type Journal interface {
	Begin(row *ledger.Row) error
	End(row *ledger.Row) error
}

// Observer is told of every request at its end, for metrics and traces.
type Observer interface {
	// Done must not keep the row. header is the client's, for its trace context.
	Done(row *ledger.Row, header http.Header)
}

// Gateway serves requests. Fields that say nothing of being nil are required.
type Gateway struct {
	Journal  Journal
	Observer Observer
	Log      *slog.Logger
	Clock    func() time.Time
	// Estimator counts tokens where no provider can.
	Estimator *meter.Estimator
	// Pick gives a uniform number in [0,n): balancing and jitter.
	Pick func(n int) int
	// MaxAnswer bounds a whole answer, in bytes; MaxEvent one stream event.
	MaxAnswer int64
	MaxEvent  int
	// Room bounds what all answers under way take together; nil does not.
	Room *Room
	// WriteTimeout is how long a client may take to accept one write.
	WriteTimeout time.Duration
	// Budgets hold spending to limits; nil has none.
	Budgets *budget.Keeper
	// Capture keeps texts; nil keeps none.
	Capture Capture
	// Affinity remembers who answered a conversation; nil remembers nothing.
	Affinity *routing.Affinity
	// Escalated remembers conversations of which a cascade could not answer a
	// turn; nil remembers nothing.
	Escalated *routing.Affinity
	// Classify says what a prompt asks for; nil where nobody can.
	Classify func(dialect.Prompt) routing.Class
	// Spend is what was spent today, in US dollars, by the scope "workload",
	// "key" or "all"; ok is false where that is not known. Nil knows nothing.
	Spend func(scope, workload, keyID string) (usd float64, ok bool)

	// Vectors remembers vectors that clients get; nil: nobody does.
	Vectors Vectors
	// Rollouts move workloads to other models; nil: none does.
	Rollouts Rollouts
	// Drills make attempts fail on purpose; nil: none does.
	Drills Drills

	hedgeable, hedged atomic.Int64
}

// Vectors remembers by which model the vectors are that clients get of a workload.
type Vectors interface {
	// Remembers reports whether it wants to be told those of a workload.
	Remembers(workload string) bool
	// Given is told of vectors before a client has them. It must not keep them.
	Given(workload, model string, vectors [][]float32)
}

// Caller is who asks.
type Caller struct {
	KeyID, KeyName string
	KeyFamily      string   // the first key that KeyID was rotated from
	Classes        []string // data classes that the key adds
	// AllowWorkload and AllowModel return why the key may not ask for a name,
	// or nil. Nil functions allow everything.
	AllowWorkload, AllowModel func(name string) error
}

// Call is one client request as the server hands it over.
type Call struct {
	ID       string // ours, a UUIDv7
	ClientID string
	Received time.Time
	Op       llm.Operation
	Codec    dialect.Codec // the client's dialect
	Raw      []byte        // the whole body; must not change until Serve returns
	Header   http.Header   // the client's
	Caller   Caller
	Fleet    *fleet.Fleet
	Classes  []string // from x-freehold-data-class
	Tags     []string
	// Timeout is the client's own limit, 0 for none.
	Timeout time.Duration
	// Aside is set for calls of freehold's own; nil: a client's.
	Aside *Aside
	// Settled is told of the request's row once it is complete, to settle
	// limits by what was really used. It may be nil, and must not keep the row.
	Settled func(*ledger.Row)
}

// Refuse answers a request that is not even read, and records it: every
// authenticated request has a row.
func (g *Gateway) Refuse(w http.ResponseWriter, c *Call, f *fault.Error) {
	g.newExchange(w, c).refuse(f)
}

// Serve answers one request, whatever happens, and records it.
func (g *Gateway) Serve(ctx context.Context, w http.ResponseWriter, c *Call) {
	x := g.newExchange(w, c)
	defer x.close()
	x.serve(ctx)
}

func (x *exchange) serve(ctx context.Context) {
	c := x.call
	err := x.prepare(ctx)
	x.noteBudgets()
	if err != nil {
		x.refuse(err)
		return
	}
	if len(x.queue) == 0 {
		if err := x.countHere(); err != nil {
			x.refuse(err)
		}
		return
	}
	ctx, stop := context.WithDeadlineCause(ctx, x.deadline, errTotal)
	defer stop()
	if every := c.Fleet.Settings.KeepAlive; x.body.Facts.Stream && every > 0 {
		x.headers(nil)
		x.out.keepAlive(every)
		defer x.out.stop()
	}

	if done, err := x.askFirst(ctx); err != nil {
		x.refuse(err)
		return
	} else if done {
		return
	}
	if x.embeds() {
		if err := x.embed(ctx); err != nil {
			x.refuse(err)
		}
		return
	}
	for {
		l, err := x.open(ctx)
		if errors.Is(err, errWhich) {
			if err := x.embed(ctx); err != nil {
				x.refuse(err)
			}
			return
		}
		if err != nil && x.countable(err) {
			err = x.countHere()
			if err == nil {
				return
			}
		}
		if err != nil {
			x.refuse(err)
			return
		}
		if err = x.relay(ctx, l); err == nil {
			return
		}
		done, err := x.takeUp(ctx, l, err)
		if err != nil {
			x.refuse(err)
		}
		if done || err != nil {
			return
		}
	}
}

// prepare reads the body and makes the plan.
func (x *exchange) prepare(ctx context.Context) error {
	c := x.call
	body, err := c.Codec.Read(c.Op, c.Raw)
	if err != nil {
		return err
	}
	x.body = body
	x.noteBody()
	if c.Aside != nil {
		x.route, x.row.Workload = c.Aside.Route, c.Aside.Label
	} else if err := x.resolve(); err != nil {
		return err
	}
	if err := x.bound(ctx); err != nil {
		return err
	}
	x.deadline = c.Received.Add(x.total())
	x.openBudgets()
	return x.makePlan()
}

// resolve finds what the model field means, and whether the key may ask for it.
func (x *exchange) resolve() error {
	route, ok := x.call.Fleet.Resolve(x.body.Facts.Model)
	if !ok {
		return x.modelNotFound(x.body.Facts.Model)
	}
	x.route = route
	x.row.Workload = route.Workload
	if s := route.Stands; s != nil && s.Err != nil {
		return &fault.Error{Kind: fault.Storage, Message: "which model makes the embeddings of the index " + s.Index + " now is not known: " + s.Err.Error(), Cause: s.Err}
	}
	return x.allowed()
}

func (x *exchange) total() time.Duration {
	t := x.call.Fleet.Settings.Timeouts.Over(x.route.Own).Total
	if c := x.call.Timeout; c > 0 && (t == 0 || c < t) {
		t = c
	}
	if t <= 0 {
		t = 10 * time.Minute
	}
	return t
}

// allowed checks the key's scope.
func (x *exchange) allowed() error {
	check, name := x.call.Caller.AllowModel, x.body.Facts.Model
	if x.route.Workload != "" {
		check, name = x.call.Caller.AllowWorkload, x.route.Workload
	}
	if check == nil {
		return nil
	}
	if err := check(name); err != nil {
		return &fault.Error{Kind: fault.Denied, Code: "scope_denied", Message: err.Error(), NoRetry: true, Cause: err}
	}
	return nil
}

func (x *exchange) modelNotFound(name string) error {
	f := fault.New(fault.ModelNotFound, "the model %q does not exist here", name)
	f.Param, f.NoRetry = "model", true
	if s := x.call.Fleet.Suggest(name); s != "" {
		f.Hint = "did you mean " + s + "?"
	} else {
		f.Hint = "GET /v1/models lists what there is"
	}
	return f
}
