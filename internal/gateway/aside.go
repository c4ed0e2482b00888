package gateway

import (
	"context"
	"net/http"

	"freehold/internal/fault"
	"freehold/internal/fleet"
	"freehold/internal/ledger"
	"freehold/internal/llm"
)

// Aside marks a call that freehold makes by itself: a copy of a request for
// another model, a question to a judge. It keeps to the same perimeter as a
// client's request, and is on record, but counts as nobody's (but see Counts): its
// row names Label in the place of a workload, and no key. The call's Caller and Header are
// those of the request that it was made for, as far as there is one, since they
// decide about data classes and tenant.
type Aside struct {
	Route *fleet.Route // in the place of what the body names
	Label string
	// Counts is the workload whose budgets count the call; empty: those of Label do,
	// as of a workload by itself.
	Counts string
	Part   *ledger.Part // nil: none
}

// Answer is what a call aside came to.
type Answer struct {
	Row      ledger.Row
	Response *llm.Response // what there is of an answer, nil of none
	Err      error         // a [*fault.Error], nil of a whole answer
}

// Ask serves a call whose answer goes to whoever asks here. c.Aside must be set.
func (g *Gateway) Ask(ctx context.Context, c *Call) Answer {
	x := g.newExchange(&discard{header: http.Header{}}, c)
	defer x.close()
	x.row.KeyID, x.row.KeyName, x.row.Part = "", "", c.Aside.Part
	x.serve(ctx)
	a := Answer{Row: x.row, Err: x.refused}
	switch {
	case x.plain != nil:
		r, err := c.Codec.DecodeReply(c.Op, x.plain)
		if a.Response = r; err != nil && a.Err == nil {
			a.Err = fault.From(err)
		}
	case x.shown() != nil:
		a.Response = x.sent.Response()
	}
	return a
}

// discard is a client that nothing is shown to.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Flush()                      {}
