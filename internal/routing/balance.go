package routing

import (
	"bytes"
	"math"
	"slices"
	"strconv"
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

// append says it for people, behind the reason that stands there: nothing where there
// is nothing to say.
func (p place) append(b []byte) []byte {
	switch {
	case p.by == fleet.Weighted:
		return strconv.AppendFloat(append(b, ", weight "...), p.value, 'g', -1, 64)
	case p.by == fleet.LeastLatency && p.value == 0:
		return append(b, ", no recent latency"...)
	case p.by == fleet.LeastLatency && p.value == explored:
		return append(b, ", tried again: another is faster"...)
	case p.by == fleet.LeastLatency:
		return append(append(b, ", first content in "...), time.Duration(p.value).Round(time.Millisecond).String()...)
	case p.by == fleet.LeastBusy:
		return strconv.AppendFloat(append(b, ", load "...), p.value, 'g', 3, 64)
	case p.by == fleet.Cheapest && math.IsInf(p.value, 1):
		return append(b, ", last: price unknown"...)
	case p.by == fleet.Cheapest:
		return append(appendMoney(append(b, ", about "...), p.value), " USD"...)
	}
	return b
}

// appendMoney appends an amount with three digits that count, and no exponent.
func appendMoney(b []byte, usd float64) []byte {
	digits := 2
	if usd > 0 && usd < 1 {
		digits -= int(math.Floor(math.Log10(usd)))
	}
	b = strconv.AppendFloat(b, usd, 'f', digits, 64)
	return bytes.TrimSuffix(bytes.TrimRight(b, "0"), []byte("."))
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
