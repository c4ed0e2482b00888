package rollout

import (
	"fmt"
	"math"
	"time"

	"freehold/internal/sequential"
)

// rate is a gate on how often something happens: with the new model no more
// often than with the old one lately, and a tolerance.
type rate struct {
	name      string
	tolerance float64
	alpha     float64
	bet       *sequential.Bet
	// The old model's share, of which older outcomes count less; before any, what
	// was measured before.
	hits, seen float64
	// least is how many outcomes of the old model it takes to bet on the new one's.
	least float64
	n     [2]int // old and new
	k     [2]float64
}

const (
	priorWeight = 50           // outcomes that the measure from before counts as
	leastBefore = 20           // outcomes of the old model that stand for such a measure
	forget      = 1 - 1.0/1000 // what an outcome counts less with each later one
)

// newRate begins with what was measured before.
func newRate(name string, tolerance, before float64) rate {
	return rate{name: name, tolerance: tolerance, hits: before * priorWeight, seen: priorWeight}
}

// unmeasured begins with nothing, and waits for the old model's first outcomes.
func unmeasured(name string, tolerance float64) rate {
	return rate{name: name, tolerance: tolerance, least: leastBefore}
}

// limit is how often it may happen with the new model.
func (r *rate) limit() float64 {
	if r.seen == 0 {
		return r.tolerance
	}
	return min(0.99, r.tolerance+r.hits/r.seen)
}

func (r *rate) baseline(hit bool)  { r.old(number(hit)) }
func (r *rate) candidate(hit bool) { r.new(number(hit)) }

// old and new take what is between happening and not.
func (r *rate) old(x float64) {
	r.hits, r.seen = r.hits*forget+x, r.seen*forget+1
	r.n[0]++
	r.k[0] += x
}

func (r *rate) new(x float64) {
	r.n[1]++
	r.k[1] += x
	if r.seen > 0 && r.seen >= r.least {
		r.bet.AddAgainst(x, r.limit())
	}
}

// again is the gate with nothing seen of the new model; what is known of the old
// one stays.
func (r *rate) again(alpha float64) {
	*r = rate{name: r.name, tolerance: r.tolerance, alpha: alpha, bet: sequential.NewBet(0, 1, 0, sequential.Above), hits: r.hits, seen: r.seen, least: r.least}
}

func number(hit bool) float64 {
	if hit {
		return 1
	}
	return 0
}

func (r *rate) broken() bool { return r.bet.Sure(r.alpha) }

func (r *rate) why() string {
	return fmt.Sprintf("too many %s: %.4g of %d answers of the new model, where %.1f %% are accepted", r.name, r.k[1], r.n[1], 100*r.limit())
}

// latency is a gate on a percentile of a latency.
type latency struct {
	name      string
	tolerance float64
	level     float64
	alpha     float64
	epoch     int
	arms      [2]*sequential.Quantile // old and new
	breach    string
}

func newLatency(name string, l Latency, alpha float64) latency {
	out := latency{name: name, tolerance: l.Tolerance, level: l.Percentile / 100, alpha: alpha}
	out.begin()
	return out
}

func (l *latency) begin() {
	l.epoch++
	for i := range l.arms {
		l.arms[i] = sequential.NewQuantile(l.level)
	}
}

// add takes one latency of each arm; 0 is none.
func (l *latency) add(old, candidate time.Duration) {
	if l.level <= 0 {
		return
	}
	for i, d := range [2]time.Duration{old, candidate} {
		if d > 0 && l.arms[i].N() < longestEpoch {
			l.arms[i].Add(d.Seconds())
		}
	}
	if candidate > 0 {
		l.look()
	}
	if l.arms[1].N() == longestEpoch {
		l.begin()
	}
}

// look compares the ends of the two intervals that are nearest to each other.
func (l *latency) look() {
	if l.breach != "" || l.arms[0].N() == 0 {
		return
	}
	alpha := sequential.Share(l.alpha, l.epoch)
	// Cheap first: no interval can be above before the percentile itself is.
	if l.arms[1].Value() <= l.arms[0].Value()*(1+l.tolerance) {
		return
	}
	_, high := l.arms[0].Interval(alpha)
	low, _ := l.arms[1].Interval(alpha)
	if low > high*(1+l.tolerance) {
		l.breach = fmt.Sprintf("p%g of %s is %s with the new model, surely more than %.0f %% over the old one's %s",
			100*l.level, l.name, seconds(l.arms[1].Value()), 100*l.tolerance, seconds(l.arms[0].Value()))
	}
}

func (l *latency) broken() bool { return l.breach != "" }
func (l *latency) why() string  { return l.breach }

// seconds is a time for people.
func seconds(s float64) string {
	if math.IsNaN(s) {
		return "unknown"
	}
	return time.Duration(s * float64(time.Second)).Round(time.Millisecond).String()
}
