package cascade

import (
	"fmt"
	"maps"
	"sync"
)

const (
	// fading is what is left of a decision's weight after the next one: the last
	// hundred or so count.
	fading = 0.99
	// enough decisions say something.
	enough = 50
	// mostEscalated is the share of requests above which asking first only costs
	// time, whatever it costs in money.
	mostEscalated = 0.8
	// While it is off, one request in trialEvery is asked all the same, and
	// trials of these decide whether it goes on again.
	trialEvery = 20
	trials     = 20
)

// Outcome is one decision of a cascade, with what it was about in money. Amounts
// are for a comparison, not for a bill, hence no decimals.
type Outcome struct {
	Kept  bool
	Cause string // of an escalation
	// Spent is what the attempts cost; Saved what the strong model would have
	// cost for the answer that was kept, 0 for an escalation; both in US dollars.
	// Priced is false where one of them is not known: then neither counts.
	Spent, Saved float64
	Priced       bool
}

// Switch turns a cascade off where it does not pay: where it spends more than it
// saves, or escalates nearly always. Its zero value is on and knows nothing.
type Switch struct {
	mu    sync.Mutex
	off   bool
	why   string
	waits int // requests since the last trial
	now   tally
	all   Stats
}

// tally is what fades.
type tally struct {
	n                             int // decisions, not faded
	seen, escalated, spent, saved float64
}

// Stats are counts since the start.
type Stats struct {
	Kept         int64
	Escalated    map[string]int64 // by cause
	Passed       int64            // requests that were not asked because it was off
	Spent, Saved float64          // US dollars, where both are known
	Off          bool
	Why          string // it is off
}

// Ask reports whether the next request is asked. Off, one in twenty is.
func (s *Switch) Ask() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.off {
		return true
	}
	if s.waits++; s.waits >= trialEvery {
		s.waits = 0
		return true
	}
	s.all.Passed++
	return false
}

// Off says why the cascade is off, "" where it is on. It counts nothing.
func (s *Switch) Off() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.off {
		return ""
	}
	return s.why
}

// Note takes a decision in. It reports whether the cascade was turned off or on
// by it; Off then says why.
func (s *Switch) Note(o Outcome) (turned bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count(&o)
	s.now.add(&o)
	why := s.now.verdict()
	switch {
	case !s.off && s.now.n >= enough && why != "":
		s.off, s.why, s.waits, s.now = true, why, 0, tally{}
		return true
	case s.off && s.now.n >= trials:
		turned = why == ""
		if s.off = !turned; s.off {
			s.why = why
		} else {
			s.why = ""
		}
		s.now = tally{}
	}
	return turned
}

func (s *Switch) count(o *Outcome) {
	if o.Kept {
		s.all.Kept++
	} else {
		if s.all.Escalated == nil {
			s.all.Escalated = map[string]int64{}
		}
		s.all.Escalated[o.Cause]++
	}
	if o.Priced {
		s.all.Spent += o.Spent
		s.all.Saved += o.Saved
	}
}

func (t *tally) add(o *Outcome) {
	t.n++
	t.seen, t.escalated = t.seen*fading+1, t.escalated*fading
	t.spent, t.saved = t.spent*fading, t.saved*fading
	if !o.Kept {
		t.escalated++
	}
	if o.Priced {
		t.spent += o.Spent
		t.saved += o.Saved
	}
}

// verdict says why the cascade does not pay, or "".
func (t *tally) verdict() string {
	if t.seen == 0 {
		return ""
	}
	if share := t.escalated / t.seen; share > mostEscalated {
		return fmt.Sprintf("%.0f %% of the last requests were escalated", 100*share)
	}
	if t.spent > 0 && t.spent >= t.saved {
		return fmt.Sprintf("its attempts cost $%.3g a request lately, and saved $%.3g", t.spent/t.seen, t.saved/t.seen)
	}
	return ""
}

// Stats are the counts so far.
func (s *Switch) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.all
	out.Escalated = maps.Clone(s.all.Escalated)
	out.Off, out.Why = s.off, s.why
	return out
}
