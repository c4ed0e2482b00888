package rollout

import (
	"fmt"
	"math"
	"slices"
	"time"

	"freehold/internal/sequential"
)

// rate is a gate on how often something happens: with the new model no more
// often than with the old one lately, and a tolerance. What the old one does lately
// is known a little late; so that what befalls both at once is not the new one's
// fault, the two must also be apart in the very same time.
type rate struct {
	name      string
	tolerance float64
	alpha     float64
	bet       *sequential.Bet
	tries     int // bets that were begun in this stage or step
	// The old model's share, of which older outcomes count less; before any, what
	// was measured before.
	hits, seen float64
	// least is how many outcomes of the old model it takes to bet on the new one's.
	least float64
	n     [2]int // old and new
	k     [2]float64
	// lately are the new model's latest outcomes, with what was known of the old
	// one when each came.
	lately []moment
}

// moment is an outcome of the new model, and the old one's n and k at that time.
type moment struct {
	x float64
	n int
	k float64
}

const (
	priorWeight = 50          // outcomes that the measure from before counts as
	leastBefore = 20          // outcomes of the old model that stand for such a measure
	forget      = 1 - 1.0/300 // what an outcome counts less with each later one
	latest      = 50          // outcomes of the new model that are compared with the old one's of the same time
	enough      = 10          // outcomes of the old one that it takes for that
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
	if len(r.lately) == latest {
		r.lately = slices.Delete(r.lately, 0, 1)
	}
	r.lately = append(r.lately, moment{x, r.n[0], r.k[0]})
	if r.seen == 0 || r.seen < r.least {
		return
	}
	if r.bet.AddAgainst(x, r.limit()); r.broken() && !r.apart() {
		r.bet = newRateBet()
		r.tries++
	}
}

func newRateBet() *sequential.Bet { return sequential.NewBet(0, 1, 0, sequential.Above) }

// apart reports whether it happens more often with the new model than with the old
// one at the same time, by more than the tolerance and two standard errors; also
// where the old one did too little then to tell.
func (r *rate) apart() bool {
	first, m := r.lately[0], float64(len(r.lately))
	n := float64(r.n[0] - first.n)
	if n < enough {
		return true
	}
	var sum float64
	for _, x := range r.lately {
		sum += x.x
	}
	now, old := sum/m, (r.k[0]-first.k)/n
	p := (sum + r.k[0] - first.k) / (m + n)
	return now-old-r.tolerance > 2*math.Sqrt(p*(1-p)*(1/m+1/n))
}

// again is the gate with nothing seen of the new model; what is known of the old
// one stays.
func (r *rate) again(alpha float64) {
	*r = rate{name: r.name, tolerance: r.tolerance, alpha: alpha, bet: newRateBet(), hits: r.hits, seen: r.seen, least: r.least}
}

func number(hit bool) float64 {
	if hit {
		return 1
	}
	return 0
}

func (r *rate) broken() bool { return r.bet.Sure(sequential.Share(r.alpha, r.tries+1)) }

func (r *rate) why() string {
	return fmt.Sprintf("too many %s: %.4g of %d answers of the new model, where %.1f %% are accepted", r.name, r.k[1], r.n[1], 100*r.limit())
}

// tested reports whether outcomes of the new model were looked at.
func (r *rate) tested() bool { return r.n[1] > 0 && r.seen > 0 && r.seen >= r.least }

// latency is a gate on a percentile of a latency. Where both models answer, those
// of the same time are compared; where the old one does not any more, the new
// one's are compared with the old one's last ones.
type latency struct {
	name string
	Latency
	alpha  float64
	epoch  int
	arms   [2]*sequential.Quantile // old and new
	frozen bool                    // the old one's do not grow
	recent []time.Duration         // the old one's latest, a ring
	next   int                     // place in it
	kept   int                     // how long it gets
	// longest is how many outcomes an arm has in one epoch.
	longest int
	breach  string
}

const (
	// fewKept and shortEpoch are the least of what is kept of the old model, and of an
	// arm's outcomes in one epoch.
	fewKept, shortEpoch = 1000, 4000
	// manyEpochs is how many of them a percentile can be tested in where the old model
	// does not answer any more.
	manyEpochs = 10
)

// Kept is how many of the old model's latest outcomes stand for its latency where it
// does not answer any more: as many as it takes to test the percentile.
func (l Latency) Kept() int {
	alone := latency{Latency: l, alpha: alphaAlone / 2 / stagesAlone, epoch: manyEpochs, frozen: true}
	return max(fewKept, alone.needs())
}

func newLatency(name string, gate Latency) latency {
	l := latency{name: name, Latency: gate, kept: gate.Kept()}
	l.longest = max(shortEpoch, 2*l.kept)
	return l
}

// again begins with nothing seen in this stage or step.
func (l *latency) again(alpha float64) {
	l.alpha, l.epoch, l.frozen, l.breach = alpha, 0, false, ""
	l.begin()
}

func (l *latency) begin() {
	l.epoch++
	for i := range l.arms {
		if i == 1 || !l.frozen {
			l.arms[i] = sequential.NewQuantile(l.Percentile / 100)
		}
	}
}

// remember takes a latency of the old model for when it will not answer any more.
func (l *latency) remember(d time.Duration) {
	switch {
	case d <= 0 || l.Percentile <= 0:
	case len(l.recent) < l.kept:
		l.recent = append(l.recent, d)
	default:
		l.recent[l.next], l.next = d, (l.next+1)%l.kept
	}
}

// freeze makes the old model's latest latencies those that are compared with.
func (l *latency) freeze() {
	for _, d := range l.recent {
		l.arms[0].Add(d.Seconds())
	}
	l.frozen = true
}

// add takes one latency of each arm; 0 is none.
func (l *latency) add(old, candidate time.Duration) {
	if l.Percentile <= 0 {
		return
	}
	for i, d := range [2]time.Duration{old, candidate} {
		if d > 0 && l.arms[i].N() < l.longest && !(i == 0 && l.frozen) {
			l.arms[i].Add(d.Seconds())
		}
	}
	if candidate > 0 {
		l.look()
	}
	if l.arms[1].N() == l.longest {
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
	if l.arms[1].Value() <= l.arms[0].Value()*(1+l.Tolerance) {
		return
	}
	high := l.old(alpha)
	low, _ := l.arms[1].Interval(alpha)
	if low > high*(1+l.Tolerance) {
		l.breach = fmt.Sprintf("p%g of %s is %s with the new model, surely more than %.0f %% over the old one's %s",
			l.Percentile, l.name, seconds(l.arms[1].Value()), 100*l.Tolerance, seconds(l.arms[0].Value()))
	}
}

// tested reports whether both models have an interval to compare.
func (l *latency) tested() bool {
	if l.arms[0].N() == 0 || l.arms[1].N() == 0 {
		return false
	}
	alpha := sequential.Share(l.alpha, l.epoch)
	low, _ := l.arms[1].Interval(alpha)
	return !math.IsInf(l.old(alpha), 0) && !math.IsInf(low, 0)
}

// old is the upper end of the old model's percentile. What does not grow any more is
// looked at once, whatever is compared with it.
func (l *latency) old(alpha float64) float64 {
	if l.frozen {
		return l.arms[0].Upper(alpha / 2)
	}
	_, high := l.arms[0].Interval(alpha)
	return high
}

// needs is how many answers of the old model it takes to test.
func (l *latency) needs() int {
	if l.Percentile <= 0 {
		return 0
	}
	alpha := sequential.Share(l.alpha, l.epoch)
	if l.frozen {
		return int(math.Ceil(math.Log(alpha/2) / math.Log(l.Percentile/100)))
	}
	return sequential.Needs(l.Percentile/100, alpha)
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
