package rollout

import "freehold/internal/judge"

// Person is what people said of a request together: the winner that most of them
// named, a tie where no one has most, "" where nobody said anything.
func Person(labels []Label, request string) judge.Winner {
	votes := map[judge.Winner]int{}
	for _, l := range labels {
		if l.Request == request {
			votes[judge.Winner(l.Winner)]++
		}
	}
	most, out := 0, judge.Winner("")
	for _, w := range []judge.Winner{judge.BaselineWins, judge.CandidateWins, judge.Tie} {
		switch n := votes[w]; {
		case n > most:
			most, out = n, w
		case n == most && n > 0:
			out = judge.Tie
		}
	}
	return out
}

// Readings are the judged pairs as what tells whether the judge is reliable. The
// judge's word is what it said before control for length.
func Readings(pairs []Pair, labels []Label) []judge.Reading {
	var out []judge.Reading
	for i := range pairs {
		p := &pairs[i]
		if !p.Judged {
			continue
		}
		r := judge.Reading{
			Judge: judge.WinnerOf(p.Raw), Person: Person(labels, p.Request), Longer: judge.WinnerOf(float64(p.Lengths[1] - p.Lengths[0])),
		}
		if p.Consistent != nil {
			r.Orders = &[2]judge.Winner{r.Judge, r.Judge}
			if !*p.Consistent { // which one it named first is not kept, and does not matter
				r.Orders = &[2]judge.Winner{judge.BaselineWins, judge.CandidateWins}
			}
		}
		out = append(out, r)
	}
	return out
}

// Point is what was known of the quality after N judged pairs.
type Point struct {
	N    int     `json:"n"`
	Mean float64 `json:"mean"`
	Low  float64 `json:"low"` // of 95 % at all looks
	High float64 `json:"high"`
}

// Course is how the knowledge of the quality grew with the pairs: at most so many
// points, the last one among them.
func Course(p *Plan, pairs []Pair, most int) []Point {
	judged := 0
	for i := range pairs {
		if pairs[i].Judged {
			judged++
		}
	}
	out := []Point{}
	every := max(1, (judged+most-1)/most)
	e := NewEvidence(p)
	for i := range pairs {
		if !pairs[i].Judged {
			continue
		}
		e.quality.Add(pairs[i].Difference)
		if n := e.quality.N(); n%every == 0 || n == judged {
			low, high := e.quality.Interval(0.05)
			out = append(out, Point{n, e.quality.Mean(), low, high})
		}
	}
	return out
}

// Beside is what all pairs say, with the gates of the shadow stage: what is known
// of a rollout that has gone on since has only its present step in the gates.
func Beside(p *Plan, pairs []Pair) Report {
	e := NewEvidence(p)
	for i := range pairs {
		e.AddPair(&pairs[i])
		e.errors.baseline(pairs[i].Old.Failed != "") // there are no clients' outcomes here
	}
	return e.Report()
}
