package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"freehold/internal/budget"
	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/fleet"
	"freehold/internal/ledger"
	"freehold/internal/llm"
	"freehold/internal/meter"
	"freehold/internal/policy"
	"freehold/internal/redact"
	"freehold/internal/routing"
)

// errTotal is the cause of a request's end when its own time is up.
var errTotal = errors.New("the request's total time is up")

// exchange is one request under way.
type exchange struct {
	g    *Gateway
	call *Call
	out  *answer // to the client

	body      *dialect.Body
	names     *redact.Names // what was replaced in body; nil: nothing
	request   *llm.Request  // the body in canonical form, once it was needed
	route     *fleet.Route
	perimeter policy.Perimeter
	plan      routing.Plan
	way       []string          // what the URL of a raw path says
	unasked   []*fleet.Detector // external detectors, where the request is explained
	asks      *dialect.Prompt   // once somebody wanted to know
	first     *cascading        // of a workload with a cascade
	dry       bool              // the request is explained, not served
	deadline  time.Time

	budget   budget.Request
	verdicts map[*fleet.Deployment]*verdict // of budgets, while the plan is made
	blocked  *fault.Error                   // why budgets have left nobody
	warned   *budget.Over                   // what the client is warned of

	// mu guards row.Attempts, queue and faults: a hedge tries beside the first.
	mu     sync.Mutex
	row    ledger.Row
	queue  []routing.Candidate // still to be asked in this round
	faults map[string]*fault.Error
	round  int
	passed string // why a candidate was not even asked, after the plan was made

	sent      llm.Accumulator           // what the client has been shown
	encoder   dialect.StreamEncoder     // nil while a provider's own bytes are relayed
	resume    *resume                   // set while a cut answer is to be continued
	cuts      map[*fleet.Deployment]int // who has cut this answer, and the place of the attempt that did so first
	spent     int64                     // tokens that the client was shown of earlier legs
	counted   int                       // bytes of the answer that spent stands for
	began     *fleet.Deployment         // who began the answer
	usage     llm.Usage                 // of this answer's earlier legs
	plain     []byte                    // a whole answer that is about to be sent
	promptIn  int64                     // estimated prompt tokens
	truncated []int                     // inputs that were cut
	long      *long                     // who refused the inputs together; nil: nobody
	settled   bool                      // the row is on record
	captured  bool                      // the texts are kept
	moving    *Moving                   // a rollout of the workload; nil: none, or not of this request
	refused   error                     // how the request ended, a *fault.Error; nil: well
	share     share                     // of the room, for what is sent
}

func (g *Gateway) newExchange(w http.ResponseWriter, c *Call) *exchange {
	x := &exchange{g: g, call: c}
	x.out = newAnswer(w, c.Codec, g.WriteTimeout)
	x.sent.Keep, x.share.room = maxTaken, g.Room
	x.row = ledger.Row{
		ID: c.ID, ClientID: c.ClientID, Time: c.Received, KeyID: c.Caller.KeyID, KeyName: c.Caller.KeyName,
		Dialect: c.Codec.Name(), Operation: string(c.Op), BytesIn: int64(len(c.Raw)),
		ConfigVersion: c.Fleet.Version, Tags: c.Tags,
	}
	return x
}

// close gives back what the request holds.
func (x *exchange) close() {
	x.share.release()
	x.budget.Close(context.Background())
	if x.body != nil {
		x.body.Release()
	}
}

// noteBody puts on record what the body says.
func (x *exchange) noteBody() {
	f := &x.body.Facts
	x.row.Asked, x.row.Stream, x.row.Conversation = f.Model, f.Stream, f.Conversation
	x.row.Features, x.row.Parameters = f.Features.Names(), f.Parameters.Names()
	x.promptIn = meter.Bytes(f.TextBytes)
}

// next takes the candidate to ask next.
func (x *exchange) next() (routing.Candidate, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.queue) == 0 {
		return routing.Candidate{}, false
	}
	c := x.queue[0]
	x.queue = x.queue[1:]
	return c, true
}

// more reports whether another candidate waits.
func (x *exchange) more() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.queue) > 0
}

// note remembers how a deployment failed in this round.
func (x *exchange) note(d *fleet.Deployment, f *fault.Error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.faults == nil {
		x.faults = map[string]*fault.Error{}
	}
	x.faults[d.Name] = f
	if !slices.ContainsFunc(x.row.Attempts, func(a ledger.Attempt) bool { return a.Deployment == d.Name }) {
		x.passed = string(f.Kind)
		x.row.Plan += " | not " + d.Name + ": " + f.Message
	}
}

// canonical decodes the body, once. Hedges may ask at the same time.
func (x *exchange) canonical() (*llm.Request, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.request == nil {
		r, err := x.call.Codec.Decode(x.body)
		if err != nil {
			return nil, err
		}
		x.request = r
	}
	return x.request, nil
}

// view is how the answer is shown to this client.
func (x *exchange) view() dialect.View {
	v := dialect.View{IncludeUsage: x.body.Facts.IncludeUsage, Created: x.call.Received.Unix(), ID: x.call.ID}
	if !x.call.Fleet.Settings.ShowProviderModel {
		v.Model = x.row.Asked
	}
	return v
}

// refuse ends the request with a fault, in the client's own words.
func (x *exchange) refuse(err error) {
	f := x.faultOf(err)
	x.refused = f
	x.row.ErrorCode = f.StableCode()
	x.row.Outcome = outcomeOf(f.Kind)
	if x.sent.Complete() || len(x.sent.Choices) > 0 {
		x.row.Outcome = ledger.Partial
		if f.Kind == fault.Canceled {
			x.row.Outcome = ledger.Canceled
		}
	}
	x.attribute()
	status, body := x.call.Codec.EncodeError(f, x.call.ID)
	x.row.Status = status
	if x.out.begun() {
		x.row.Status = http.StatusOK
	}
	if jerr := x.settle(); jerr != nil {
		x.g.Log.Error("request is not on record", "request_id", x.call.ID, "error", jerr)
	}
	x.g.logRefusal(&x.row, f)
	if f.Kind == fault.Canceled {
		return
	}
	if x.out.begun() {
		x.out.fail(x.call.Codec.EncodeStreamError(nil, f, x.call.ID))
		return
	}
	x.headers(nil)
	x.out.plainError(status, body, f)
}

// attribute puts a request that nobody answered down to the model and provider
// that were asked last or, where nobody was asked, to the plan's first choice.
func (x *exchange) attribute() {
	r := &x.row
	if x.began != nil || r.Deployment != "" {
		return
	}
	if n := len(r.Attempts); n > 0 {
		r.Model, r.Provider = r.Attempts[n-1].Model(), r.Attempts[n-1].Provider
	} else if len(x.plan.Candidates) > 0 {
		c := &x.plan.Candidates[0]
		r.Model, r.Provider = c.Model.Name, c.Provider.Name
	}
}

// logRefusal tells the log of a request that failed: as a warning where it is
// ours or a provider's to mend, else only when it is asked for.
func (g *Gateway) logRefusal(r *ledger.Row, f *fault.Error) {
	level := slog.LevelDebug
	if r.Outcome.Err() {
		level = slog.LevelWarn
	}
	if g.Log.Enabled(context.Background(), level) {
		g.Log.Log(context.Background(), level, "request "+string(r.Outcome), "request_id", r.ID, "workload", r.Workload,
			"asked", r.Asked, "code", r.ErrorCode, "status", r.Status, "attempts", len(r.Attempts), "error", f.Error())
	}
}

// faultOf gives the fault of any error, the context's own end among them.
func (x *exchange) faultOf(err error) *fault.Error {
	var f *fault.Error
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, errTotal), errors.Is(err, context.DeadlineExceeded):
		return &fault.Error{Kind: fault.Deadline, Message: "the answer was not complete within the time limit",
			Hint: "raise timeouts.total or ask for less", Cause: err}
	case errors.Is(err, context.Canceled), errors.Is(err, errClientGone):
		return &fault.Error{Kind: fault.Canceled, Message: "the client closed the request", Cause: err}
	}
	x.g.Log.Error("internal error", "request_id", x.call.ID, "error", err)
	return fault.From(err)
}

// outcomeOf puts a request's fault into the ledger's words.
func outcomeOf(k fault.Kind) ledger.Outcome {
	switch k {
	case fault.BadRequest, fault.Unsupported, fault.TooLarge, fault.ModelNotFound, fault.NotFound, fault.Method,
		fault.ProviderRejected, fault.ContextLength, fault.ContentFilter:
		return ledger.ClientError
	case fault.PolicyDenied, fault.Denied, fault.Unauthorized, fault.Quota:
		return ledger.Refused
	case fault.RateLimited, fault.Shed, fault.Draining:
		return ledger.Shed
	case fault.Canceled:
		return ledger.Canceled
	}
	return ledger.Failed
}
