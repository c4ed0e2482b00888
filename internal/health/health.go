// Package health is the one owner of what is known about deployments while the
// gateway runs: circuit breakers, probes, latencies, what is in flight, and the
// limits and queues in front of engines that would queue without end.
//
// A Registry holds one Deployment for each identity. The gateway asks Check
// while it plans (it costs one atomic load when all is well), takes a place
// with Acquire where there is a limit, opens an Attempt with Begin and says
// with End what came of it. Probes run in the Registry and report to the same
// place. A reload calls Sync: deployments whose identity stays keep all they
// have learned.
//
// Time and chance come in from outside, so that every test is exact.
package health

import (
	"time"
)

// State is what a deployment is good for now.
type State uint8

// The states, in the order of how usable a deployment is.
const (
	Closed   State = iota // works, or nothing is known yet
	HalfOpen              // was broken; a few trial requests may show whether it still is
	Cooling               // rate limited until a known time; not broken
	Open                  // broken: no request until the cool-down is over
	Down                  // its probe fails
)

// String is the state's stable name.
func (s State) String() string {
	return [...]string{"closed", "half-open", "cooling", "open", "down"}[s]
}

// Result is what an attempt says about its deployment.
type Result uint8

// The results.
const (
	// Neutral says nothing: the client left, we were at fault.
	Neutral Result = iota
	// Success is any answer that shows it works, a 400 for the caller's own
	// mistake included.
	Success
	// Failure may pass: no connection, time-outs, 408, 5xx, a cut, an empty or
	// malformed answer.
	Failure
	// Ours is 401, 402, 403 or 404: credentials, billing or the model's name
	// are wrong, and asking again is useless until somebody mends them.
	Ours
	// RateLimited is 429 (and 529): it works, but not for us right now.
	RateLimited
)

// Outcome is the end of an attempt.
type Outcome struct {
	Result Result
	// Cause is short and free of secrets: "status 503", "connect", "401".
	Cause string
	// RetryAfter is the provider's own wish, with RateLimited or Failure; 0:
	// none was given.
	RetryAfter time.Duration
	// FirstToken and Total are counted into the latencies of a Success when
	// they are above 0.
	FirstToken, Total time.Duration
}

// Verdict answers whether a deployment may be tried.
type Verdict struct {
	OK bool
	// Trial: the request would be one of the few that test a broken deployment.
	Trial bool
	State State
	Cause string    // why not
	Until time.Time // when asking again makes sense; zero: unknown
}

// Change is one change of a deployment's state, for logs and metrics.
type Change struct {
	ID, Name string
	From, To State
	Cause    string
	At       time.Time
	Until    time.Time
	Seq      uint64 // counts the changes of this deployment
}

// Percentiles of a latency; 0 without samples.
type Percentiles struct {
	P50, P95, P99 time.Duration
	Samples       int // recent ones, weighted by age
}

// Status is a deployment's state for people and metrics.
type Status struct {
	ID, Name    string
	State       State
	Cause       string    // empty when Closed
	Since       time.Time // when the state began; zero: since the start
	Until       time.Time // end of a cool-down; zero: none or unknown
	InFlight    int
	Limit       int // concurrent requests allowed; 0: no limit
	Running     int // of the limit
	Queued      int
	FirstToken  Percentiles
	Total       Percentiles
	Probed      time.Time // last probe; zero: none
	ProbeError  string    // last probe's failure
	Successes   uint64    // since the start
	Failures    uint64    // Failure and Ours
	RateLimited uint64
}
