package routing

import (
	"fmt"
	"math"
	"slices"
	"time"

	"freehold/internal/fleet"
)

// typicalOutput is how many tokens an answer is taken to have, unless the
// request allows fewer.
const typicalOutput = 256

// explore is how rarely the order by latency lets another deployment go first:
// one request in so many. What nobody asks, nobody measures.
const explore = 50

// usual is the percentile by which latencies are compared.
const usual = 0.95

// place is what balance knew of a candidate; less is better.
type place struct {
	by    fleet.Balance
	value float64
}

// String says it for people, "" where there is nothing to say.
func (p place) String() string {
	switch p.by {
	case fleet.Weighted:
		return fmt.Sprintf("weight %g", p.value)
	case fleet.LeastLatency:
		switch p.value {
		case 0:
			return "no recent latency"
		case explored:
			return "tried again: another is faster"
		}
		return fmt.Sprintf("first content in %s", time.Duration(p.value).Round(time.Millisecond))
	case fleet.LeastBusy:
		return fmt.Sprintf("load %.3g", p.value)
	case fleet.Cheapest:
		if math.IsInf(p.value, 1) {
			return "last: price unknown"
		}
		return fmt.Sprintf("about %.3g USD", p.value)
	}
	return ""
}

// explored marks the candidate that goes first for once.
const explored = -1

// balance orders candidates of one model in place.
func balance(m *fleet.Model, cs []Candidate, in *Input) {
	if len(cs) < 2 || !m.Balanced() {
		return
	}
	if m.Balance == fleet.Weighted {
		draw(cs, in.Pick)
	} else {
		for i := range cs {
			cs[i].place = place{m.Balance, measure(m.Balance, cs[i].Deployment, in)}
		}
		for i := len(cs) - 1; i > 0; i-- { // equals stand in any order
			j := in.Pick(i + 1)
			cs[i], cs[j] = cs[j], cs[i]
		}
		slices.SortStableFunc(cs, compare)
		if m.Balance == fleet.LeastLatency && !in.Trace && in.Stays == "" && in.Pick(explore) == 0 {
			i := 1 + in.Pick(len(cs)-1)
			cs[i].place.value = explored
			front(cs, i)
		}
	}
	if in.Stays != "" {
		if i := slices.IndexFunc(cs, func(c Candidate) bool { return c.Name == in.Stays }); i >= 0 {
			cs[i].stays = true
			front(cs, i)
		}
	}
}

// front moves the i-th to the front.
func front(cs []Candidate, i int) {
	c := cs[i]
	copy(cs[1:i+1], cs[:i])
	cs[0] = c
}

// compare holds latencies that differ by less than a tenth, which is about what
// they are measured to, for equal.
func compare(a, b Candidate) int {
	x, y := a.place.value, b.place.value
	if a.place.by == fleet.LeastLatency {
		x, y = step(x), step(y)
	}
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// step is the number of the tenth that a latency lies in; below all for none.
func step(v float64) float64 {
	if v <= 0 {
		return -1
	}
	return math.Floor(math.Log(v) / math.Log(1.1))
}

// measure is what a balance compares.
func measure(by fleet.Balance, d *fleet.Deployment, in *Input) float64 {
	switch by {
	case fleet.LeastLatency:
		return float64(d.Health.FirstToken(in.Now, usual))
	case fleet.LeastBusy:
		return float64(d.Health.InFlight()+d.Health.Queued()) / float64(max(d.Weight, 1))
	case fleet.Cheapest:
		out := int64(typicalOutput)
		if m := in.Facts.MaxTokens; m > 0 {
			out = min(out, m)
		}
		if usd, ok := d.Cost(in.PromptTokens, out); ok {
			return usd.InexactFloat64()
		}
		return math.Inf(1)
	}
	return 0
}

// draw orders candidates by chance, by their weights, none twice.
func draw(cs []Candidate, pick func(int) int) {
	for i := range cs {
		cs[i].place = place{fleet.Weighted, float64(cs[i].Weight)}
	}
	for at := range cs {
		rest := cs[at:]
		sum := 0
		for i := range rest {
			sum += rest[i].Weight
		}
		if sum == 0 {
			return
		}
		i := 0
		for n := pick(sum); n >= rest[i].Weight; i++ {
			n -= rest[i].Weight
		}
		front(rest, i)
	}
}
