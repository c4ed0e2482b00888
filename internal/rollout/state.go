package rollout

import (
	"slices"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"freehold/internal/history"
)

// Stage is how far a rollout is.
type Stage string

// The stages. Returning is the way back after a cutover, until the configuration
// names the old model again; the last four are ends.
const (
	Shadowing  Stage = "shadow"
	Canary     Stage = "canary"
	Cutover    Stage = "cutover" // waits for approvals, then for the configuration
	Watching   Stage = "watch"
	Returning  Stage = "returning"
	Done       Stage = "done"
	Aborted    Stage = "aborted"
	RolledBack Stage = "rolled-back"
)

// Ended reports whether nothing more follows by itself.
func (s Stage) Ended() bool { return s == Done || s == Aborted || s == RolledBack }

// State is a rollout as it is kept.
type State struct {
	ID       string `json:"id"`
	Workload string `json:"workload"`
	From     string `json:"from"` // models
	To       string `json:"to"`
	Plan     Plan   `json:"plan"`

	Stage Stage `json:"stage"`
	Step  int   `json:"step"` // of a canary, from 0
	// Paused: nothing follows by itself but what protects clients.
	Paused bool   `json:"paused,omitempty"`
	Reason string `json:"reason"` // of the last change

	Started time.Time `json:"started"`
	Entered time.Time `json:"entered"` // the stage and step
	Ended   time.Time `json:"ended,omitzero"`
	By      string    `json:"by"` // who started it

	// Wanted are the people who want the cutover, each once; who started it is
	// the first.
	Wanted []Approval `json:"approved,omitempty"`
	// Asks is how many people the configuration wants by now. It is not kept, and
	// counts where it is more than the plan's.
	Asks int `json:"-"`
	// Asked is the number of pairs at which a person was last asked.
	Asked int `json:"asked,omitempty"`
	// Epoch counts the beginnings of gates, so that all of them together keep
	// their error chance.
	Epoch int `json:"epoch"`
	// Muted is why nothing is copied any more, though the stage wants it; nil: it is.
	Muted *Muted `json:"muted,omitempty"`
}

// Muted is why a rollout has no copies made any more, until it is resumed or begins
// its next stage or step.
type Muted struct {
	Why string `json:"why"`
	// Broke: since the budget is spent; Cheapest is the least that a copy might have
	// cost, in US dollars, of those that it did not pay for.
	Broke    bool            `json:"broke,omitempty"`
	Cheapest decimal.Decimal `json:"cheapest,omitzero"`
}

// Approval is a person's word for the cutover.
type Approval struct {
	Person string `json:"person"` // see [history.Who]
	Who    string `json:"who"`    // as it was shown
}

// Approve notes that somebody wants the cutover, and reports whether that is new.
// Only a key of their own tells people apart: whoever opens the local socket, or
// has the one key of the configuration, may hold such a key too.
func (s *State) Approve(who history.Who) bool {
	if strings.TrimSpace(who.Person) == "" || s.approved(who) {
		return false
	}
	s.Wanted = append(slices.Clip(s.Wanted), Approval{who.Person, who.String()})
	return true
}

// approved compares names as people read them: spaces around them and the case of
// letters make nobody another person.
func (s *State) approved(who history.Who) bool {
	same := strings.TrimSpace(who.Person)
	return slices.ContainsFunc(s.Wanted, func(a Approval) bool { return strings.EqualFold(strings.TrimSpace(a.Person), same) })
}

// Approvals is how many people must want the cutover, at least 1.
func (s *State) Approvals() int { return max(1, s.Plan.Approvals, s.Asks) }

// Missing is how many people more must want the cutover.
func (s *State) Missing() int {
	if s.Approvals() == 1 {
		return 0
	}
	return max(0, s.Approvals()-len(s.Wanted))
}

// Share of conversations that the new model answers, and of the requests that the
// old one answers the share that is copied to the new one.
func (s *State) Share() (canary, shadow float64) {
	switch s.Stage {
	case Shadowing:
	case Canary:
		canary = s.Plan.Steps[s.Step].Share
	case Cutover, Watching:
		return 1, 0
	default:
		return 0, 0
	}
	if !s.Paused && canary < 1 {
		shadow = s.Plan.Shadow.Share
	}
	return canary, shadow
}

// Alone reports whether the old model answers no client's requests any more, but
// those that the new one fails.
func (s *State) Alone() bool {
	canary, _ := s.Share()
	return canary == 1
}

// enter is the state in another stage or step.
func (s State) enter(stage Stage, step int, reason string, now time.Time) State {
	s.Stage, s.Step, s.Reason, s.Entered = stage, step, reason, now
	s.Epoch++
	if stage.Ended() {
		s.Ended, s.Paused = now, false
	}
	return s
}
