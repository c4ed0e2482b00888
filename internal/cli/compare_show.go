package cli

import (
	"fmt"
	"strconv"
	"strings"

	"freehold/internal/compare"
	"freehold/internal/rollout"
	"freehold/internal/sequential"
)

// printCompared shows a comparison.
func (p *program) printCompared(r *compare.Report) {
	t := table{columns: []column{
		{head: "MODEL", keep: true}, {head: "SCORE", right: true, keep: true}, {head: "DIFFERENCE (95 %)", keep: true}, {head: "ABOVE", right: true, keep: true}, {head: "OUTCOME", keep: true},
		{head: "FAILED", right: true, keep: true}, {head: "REFUSED", right: true, keep: true, below: true}, {head: "CUT", right: true, keep: true, below: true},
		{head: "WHOLE P50/P95", keep: true, below: true}, {head: "FIRST P50/P95", keep: true, below: true},
		{head: "TOKENS IN/OUT", keep: true, below: true}, {head: "USD PER 1000", right: true, keep: true, below: true},
	}}
	row := func(m *compare.Measured, difference, above, outcome string) {
		perThousand := unknown
		if m.PerThousand.Valid {
			perThousand = m.PerThousand.Decimal.Round(4).String()
		}
		t.row(m.Model, scoreOf(m.Score), difference, above, outcome, count(int64(m.Failures)), count(int64(m.Refusals)), count(int64(m.Truncations)),
			pairOf(m.Total), pairOf(m.FirstToken), fmt.Sprintf("%s/%s", count(int64(m.TokensIn+0.5)), count(int64(m.TokensOut+0.5))), perThousand)
	}
	row(&r.Baseline, none, none, "baseline")
	for i := range r.Candidates {
		c := &r.Candidates[i]
		q := &c.Evidence.Quality
		if q.Pairs == 0 || c.Failed() {
			row(&c.Measured, none, none, "not judged")
			continue
		}
		row(&c.Measured, points(q), floor(q), string(q.Outcome))
	}
	p.print(&t)
	fmt.Fprintln(p.out)
	p.printFailed(&r.Baseline, "")
	for i := range r.Candidates {
		p.printCandidate(r, &r.Candidates[i])
	}
	spent := money(r.Spent.USD, "USD")
	if r.Spent.Unknown > 0 {
		spent += fmt.Sprintf(", and %s of unknown cost", plural(r.Spent.Unknown, "answer"))
	}
	fmt.Fprintf(p.out, "judged: %s, on %s; spent: %s\n", tame(string(r.Judge.Kind)), plural(r.Rows, "request"), spent)
}

// printCandidate says what follows for a model.
func (p *program) printCandidate(r *compare.Report, c *compare.Candidate) {
	q := &c.Evidence.Quality
	var said string
	switch {
	case c.Regression != "":
		said = "no: " + c.Regression
	case c.Failed():
		said = "nothing could be compared: every answer failed"
	case q.Outcome == sequential.Better:
		said = "better than " + r.Baseline.Model
	case q.Outcome == sequential.Equivalent:
		said = fmt.Sprintf("not worse than %s by more than %g points: %s", r.Baseline.Model, 100*r.Margin, difference(q))
	case q.Pairs == 0:
		said = "nothing could be judged"
	default:
		said = fmt.Sprintf("not decided by %s: it is not sure that the difference is above -%g", plural(q.Pairs, "pair"), 100*r.Margin)
		if q.Remaining != nil {
			said += fmt.Sprintf("; about %s more would", count(int64(*q.Remaining)))
		}
	}
	fmt.Fprintln(p.out, wrap(tame(c.Model+": "+said), p.width(), "\n  "))
	p.printFailed(&c.Measured, "  ")
	for _, worse := range c.Worse() {
		fmt.Fprintln(p.out, "  "+wrap(tame(worse), p.width()-4, "\n    "))
	}
	if n := c.Unjudged + c.NotAsked; n > 0 {
		fmt.Fprintln(p.out, "  "+wrap(tame(fmt.Sprintf("%s not judged, the first: %s", plural(n, "pair"), c.Why)), p.width()-2, "\n  "))
	}
	if e := &c.Evidence; e.Swaps > 0 {
		fmt.Fprintf(p.out, "  the judge said the same in both orders in %d of %d pairs\n", e.Consistent, e.Swaps)
	}
}

// printFailed says why answers of a model failed.
func (p *program) printFailed(m *compare.Measured, indent string) {
	if m.Failures > 0 {
		said := fmt.Sprintf("%s: %s failed, the last: %s", m.Model, plural(m.Failures, "answer"), strings.ReplaceAll(m.LastFailure, "\n", "; "))
		fmt.Fprintln(p.out, indent+wrap(tame(said), p.width()-len(indent)-2, "\n"+indent+"  "))
	}
}

// points is a difference with its interval.
func points(q *rollout.Quality) string {
	return fmt.Sprintf("%+.1f (%+.1f to %+.1f)", 100*q.Mean, 100*q.Low, 100*q.High)
}

// floor is the one-sided bound on which "equivalent" rests.
func floor(q *rollout.Quality) string { return fmt.Sprintf("%+.1f", 100*q.Floor) }

// difference says in words what is known of a difference: where it is (95 %, two
// sides), and above what it is (95 %, one side), which is what decides.
func difference(q *rollout.Quality) string {
	return fmt.Sprintf("the difference is %+.1f points of 100 (95 %%: %+.1f to %+.1f), surely above %s, over %s", 100*q.Mean, 100*q.Low, 100*q.High, floor(q), plural(q.Pairs, "judged pair"))
}

func scoreOf(v *float64) string {
	if v == nil {
		return none
	}
	return strconv.FormatFloat(*v, 'f', 3, 64)
}

// pairOf shows the median and the 95th percentile.
func pairOf(t compare.Times) string {
	if t.P50 == nil {
		return none
	}
	return latency(t.P50) + "/" + latency(t.P95)
}
