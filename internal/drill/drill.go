// Package drill proves a failover by bringing about what it is for: for a bounded
// time, attempts at one provider fail inside freehold for a share of requests, or
// a workload has to do without its vendor altogether. A drill stops by itself, at
// the latest when a client has seen an error, and what it found is kept.
//
// Nothing is done to the provider and nothing outside of the share: breakers do
// not count failures in play unless all requests are in the drill, and keys stay
// in use whatever is played.
package drill

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"freehold/internal/history"
)

// Kind is the failure that is played.
type Kind string

// The kinds. Exit is not a failure: the vendor's deployments are not asked.
const (
	Down   Kind = "down"   // no connection
	Slow   Kind = "slow"   // each answer begins later by Delay
	Errors Kind = "errors" // HTTP 503
	Cut    Kind = "cut"    // the answer breaks off
	Auth   Kind = "auth"   // HTTP 401
	Quota  Kind = "quota"  // HTTP 429
	Exit   Kind = "exit"
)

// Kinds lists the failures.
func Kinds() []Kind { return []Kind{Down, Slow, Errors, Cut, Auth, Quota} }

// Plan is a drill as it is asked for.
type Plan struct {
	Kind Kind `json:"kind"`
	// Providers are those that fail or are forbidden.
	Providers []string `json:"providers"`
	// Vendor says of Exit's providers why they are taken for one vendor.
	Vendor []string `json:"vendor,omitempty"`
	// Workload bounds the drill to one; "" all, which Exit must not have.
	Workload string        `json:"workload,omitempty"`
	For      time.Duration `json:"for"`
	Share    float64       `json:"share"` // of requests, above 0, at most 1
	Delay    time.Duration `json:"delay,omitempty"`
	// Synthetic: only requests that freehold makes itself for the drill are in it.
	Synthetic bool `json:"synthetic,omitempty"`
	// Errors is how many errors clients may see before it stops; at least 1.
	Errors int `json:"errors"`
}

// Recorded is the name under which the drill's requests are in the ledger as their
// workload's; "" all.
func (p *Plan) Recorded() string {
	if p.Synthetic && p.Workload != "" {
		return Label(p.Workload)
	}
	return p.Workload
}

// Label stands in the ledger in the place of a workload, for requests that are
// made for a drill.
func Label(workload string) string { return "drill:" + workload }

// Longest is how long a drill may be.
const Longest = 24 * time.Hour

// Check says what cannot be, all of it at once.
func (p *Plan) Check() error {
	var all []error
	want := func(ok bool, format string, args ...any) {
		if !ok {
			all = append(all, fmt.Errorf(format, args...))
		}
	}
	if p.Kind != Exit {
		names := make([]string, 0, len(Kinds()))
		for _, k := range Kinds() {
			names = append(names, string(k))
		}
		want(slices.Contains(Kinds(), p.Kind), "kind is %q: it is one of %s", p.Kind, strings.Join(names, ", "))
	} else {
		want(p.Workload != "", "an exit drill is of one workload")
	}
	want(len(p.Providers) > 0, "no provider is named")
	want(p.For > 0 && p.For <= Longest, "the time is %v: it must be above 0 and at most %v", p.For, Longest)
	want(p.Share > 0 && p.Share <= 1, "the share is %v: it must be above 0 and at most 1", p.Share)
	want(p.Kind != Slow || p.Delay > 0, "the delay is %v: it must be above 0", p.Delay)
	want(p.Errors > 0, "the number of errors that stops it is %d: it must be at least 1", p.Errors)
	return errors.Join(all...)
}

// State is how a drill stands.
type State string

// The states.
const (
	Running     State = "running"
	Finished    State = "finished"    // its time was up
	Stopped     State = "stopped"     // by a person
	Failed      State = "failed"      // a client saw an error
	Interrupted State = "interrupted" // freehold ended first
)

// Drill is one that was started: what is kept of it.
type Drill struct {
	ID      string      `json:"id"`
	Plan    Plan        `json:"plan"`
	State   State       `json:"state"`
	Reason  string      `json:"reason,omitempty"` // for it, as its starter said
	Started time.Time   `json:"started"`
	Until   time.Time   `json:"until"`
	Ended   time.Time   `json:"ended,omitzero"`
	By      history.Who `json:"by"`
	EndedBy history.Who `json:"ended_by,omitzero"` // a person who stopped it, or the server
	Config  string      `json:"config"`            // version of the configuration
	Cause   string      `json:"cause,omitempty"`
	Report  *Report     `json:"report,omitempty"` // once it has ended
}

// ErrNotFound is returned for a drill that there is none of.
var ErrNotFound = errors.New("there is no such drill")

// Store keeps drills. It may be used concurrently.
type Store interface {
	// PutDrill keeps d in the place of what there was of its ID.
	PutDrill(ctx context.Context, d Drill) error
	// Drill returns one, or [ErrNotFound].
	Drill(ctx context.Context, id string) (Drill, error)
	// Drills lists all, the latest first.
	Drills(ctx context.Context) ([]Drill, error)
}
