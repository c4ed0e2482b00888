package fleet

import (
	"fmt"
	"time"

	"freehold/internal/config"
	"freehold/internal/health"
)

// SLO is how fast the answers of a workload should be, and how fast each
// deployment's answers to it have been lately.
type SLO struct {
	FirstToken, Total time.Duration // 0: no promise
	Quantile          float64       // of answers that must be within them, 0 to 1

	watched map[*Deployment]*watched
}

// watched are the latencies of one deployment's answers to one workload: other
// workloads may ask it for longer prompts and answers.
type watched struct{ firstToken, total health.Distribution }

// enough is how many recent answers say something about a deployment.
const enough = 10

// enoughLate is how many of them must be over the limit: one may be chance.
const enoughLate = 2

// NewSLO is the SLO of a route's deployments.
func NewSLO(c *config.SLO, r *Route) *SLO {
	s := &SLO{FirstToken: c.FirstToken, Total: c.Total, Quantile: c.Percentile / 100, watched: map[*Deployment]*watched{}}
	for _, m := range r.All() {
		for _, d := range m.Deployments {
			s.watched[d] = &watched{}
		}
	}
	return s
}

// remember takes over what was measured of deployments that stay.
func (s *SLO) remember(old *SLO) {
	for d := range s.watched {
		for had, w := range old.watched {
			if had.Health == d.Health && had.Name == d.Name {
				s.watched[d] = w
			}
		}
	}
}

// Note takes in an answer of d: the time to its first content, 0 if it was not
// streamed, and to its end, 0 if it did not come to one.
func (s *SLO) Note(d *Deployment, now time.Time, firstToken, total time.Duration) {
	w := s.watched[d]
	if w == nil {
		return
	}
	if s.FirstToken > 0 && firstToken > 0 {
		w.firstToken.Add(now, firstToken)
	}
	if s.Total > 0 && total > 0 {
		w.total.Add(now, total)
	}
}

// Breach is how a deployment misses the SLO. The zero value is none.
type Breach struct {
	Seen, Limit time.Duration
	Quantile    float64
	Total       bool // of whole answers, not of first tokens
}

// Breach says whether d misses the SLO. Too few recent answers say nothing, so
// that what nobody asks is asked again once its past has faded.
func (s *SLO) Breach(d *Deployment, now time.Time) Breach {
	w := s.watched[d]
	if w == nil {
		return Breach{}
	}
	if s.FirstToken > 0 {
		if seen, n, late := w.firstToken.Quantile(now, s.Quantile, s.FirstToken); n >= enough && late >= enoughLate && seen > s.FirstToken {
			return Breach{Seen: seen, Limit: s.FirstToken, Quantile: s.Quantile}
		}
	}
	if s.Total > 0 {
		if seen, n, late := w.total.Quantile(now, s.Quantile, s.Total); n >= enough && late >= enoughLate && seen > s.Total {
			return Breach{Seen: seen, Limit: s.Total, Quantile: s.Quantile, Total: true}
		}
	}
	return Breach{}
}

// Excess is by which factor the limit is missed.
func (b Breach) Excess() float64 { return float64(b.Seen) / float64(b.Limit) }

// String says it for people.
func (b Breach) String() string {
	what := "first token"
	if b.Total {
		what = "answer"
	}
	return fmt.Sprintf("p%g of the %s is %s, over the SLO of %s", b.Quantile*100, what, b.Seen.Round(time.Millisecond), b.Limit)
}
