package gateway

import (
	"slices"

	"freehold/internal/fleet"
	"freehold/internal/ledger"
	"freehold/internal/routing"
)

// Drills make attempts fail on purpose, and get to know how requests got on.
type Drills interface {
	// Strike says how an attempt of a request at d is to fail; ok is false where
	// it is not.
	Strike(d *fleet.Deployment, workload, request string) (s Strike, ok bool)
	// Forbidden returns the id of the drill that keeps a request away from d, ""
	// where none does.
	Forbidden(d *fleet.Deployment, workload, request string) string
	// Ended is told of a request that a drill touched, once it is on record. It
	// must not keep the row, and must not wait.
	Ended(row *ledger.Row)
}

// Strike is the failure of one attempt.
type Strike struct {
	Drill  string       // its id
	Sender fleet.Sender // takes the place of the deployment's
	// Learn: the deployment's breaker counts the failure. Keys never do: a key that
	// is refused in play stays in use.
	Learn bool
}

// strike is what the attempt is sent by: a drill's sender where it is to fail.
func (l *leg) strike() fleet.Sender {
	x := l.x
	if x.g.Drills == nil {
		return l.d.Sender
	}
	s, ok := x.g.Drills.Strike(l.d, x.row.Workload, x.row.ID)
	if !ok {
		return l.d.Sender
	}
	x.mu.Lock()
	x.row.Drill, x.row.Attempts[l.n].Played = s.Drill, true
	x.mu.Unlock()
	l.struck, l.untold = true, !s.Learn
	return s.Sender
}

// forbid puts the deployments that a drill keeps the request away from behind all
// others: the request is answered all the same, and the drill learns that it
// could not do without them.
func (x *exchange) forbid() {
	if x.g.Drills == nil || x.dry {
		return
	}
	var behind []routing.Candidate
	keep := slices.DeleteFunc(slices.Clone(x.plan.Candidates), func(c routing.Candidate) bool {
		id := x.g.Drills.Forbidden(c.Deployment, x.row.Workload, x.row.ID)
		if id != "" {
			x.row.Drill = id
			behind = append(behind, c)
		}
		return id != ""
	})
	if len(behind) > 0 {
		x.plan.Candidates = slices.Concat(keep, behind)
	}
}
