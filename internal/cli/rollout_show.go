package cli

import (
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"

	"freehold/internal/admin"
	"freehold/internal/rollout"
)

func (p *program) printRollouts(out admin.RolloutsOut) {
	if len(out.Rollouts) == 0 {
		fmt.Fprintln(p.err, "no rollouts: freehold rollout start WORKLOAD --to MODEL starts one")
		return
	}
	t := table{columns: []column{{head: "WORKLOAD", keep: true}, {head: "FROM"}, {head: "TO"}, {head: "WHERE", keep: true},
		{head: "SINCE (UTC)", keep: true, below: true}, {head: "ROLLOUT", keep: true, below: true}}}
	for i := range out.Rollouts {
		r := &out.Rollouts[i]
		t.row(r.Workload, r.From, r.To, r.Where, at(r.Entered), r.ID)
	}
	p.print(&t)
}

// printRolloutHead says where a rollout is and what is missing to go on.
func (p *program) printRolloutHead(r *admin.RolloutStatus) {
	p.fields("workload", r.Workload+": "+r.From+" to "+r.To, "rollout", r.ID, "stage", r.Where+", since "+at(r.Entered)+" UTC", "started", at(r.Started)+" UTC by "+r.By)
	p.wrapped("because", r.Reason)
	p.wrapped("waits for", missing(r))
	p.wrapped("error", r.Error)
	if r.Approvals > 1 {
		p.wrapped("approved by", fmt.Sprintf("%s (%d of %d)", orNone(strings.Join(r.Wanted, ", ")), len(r.Wanted), r.Approvals))
	}
	if r.Held {
		said := fmt.Sprintf("the configuration in use has the change of the model; the file %s has not: the change is kept in the state until it agrees (docs/rollout.md)", r.File)
		if r.Patch != "" {
			said += "; this patch is for git apply or patch -p1 in " + filepath.Dir(r.File)
		}
		p.wrapped("held", said)
		if r.Patch != "" {
			fmt.Fprintf(p.out, "\n%s\n", strings.TrimRight(tameLines(r.Patch), "\n"))
		}
	}
}

// wrapped is a field whose value may take several lines. Those of the value itself
// become one.
func (p *program) wrapped(name, value string) {
	const indent = 14
	if value = strings.ReplaceAll(strings.TrimSpace(value), "\n", "; "); value != "" {
		fmt.Fprintf(p.out, "%-*s%s\n", indent, name, wrap(tame(value), p.width()-indent, "\n"+strings.Repeat(" ", indent)))
	}
}

// missing is what it takes to go on, in words.
func missing(r *admin.RolloutStatus) string {
	n, out := &r.Next, r.Next.What
	if n.Person {
		return out
	}
	if n.Pairs != nil {
		out = fmt.Sprintf("about %s more %s", count(int64(*n.Pairs)), out)
	}
	if n.Days != nil {
		out += fmt.Sprintf(": %s at the rate so far", about(*n.Days))
	}
	if n.Requests != nil && *n.Requests > 0 {
		out += ": " + plural(*n.Requests, "request") + " more"
	}
	if n.Until != nil {
		out += ", until " + at(*n.Until) + " UTC at the earliest"
	}
	return out
}

// about is a number of days in the unit that fits.
func about(days float64) string {
	switch {
	case days >= 2:
		return fmt.Sprintf("%.0f days", days)
	case days >= 2.0/24:
		return fmt.Sprintf("%.0f hours", 24*days)
	case days >= 2.0/24/60:
		return fmt.Sprintf("%.0f minutes", 24*60*days)
	}
	return "a moment"
}

// printRollout shows all of a rollout's status.
func (p *program) printRollout(r *admin.RolloutStatus) {
	p.printRolloutHead(r)
	q := &r.Report.Quality
	if r.Plan.Shadow.Share > 0 || q.Pairs > 0 {
		p.wrapped("judged by", judgedBy(r))
		fmt.Fprintln(p.out)
		scale := scaleOf(r)
		t := table{columns: []column{{head: "QUALITY", keep: true}, {head: "PAIRS", right: true, keep: true}, {head: "DIFFERENCE (95 %)", keep: true}, {head: "ABOVE", right: true, keep: true}, {head: "OUTCOME", keep: true},
			{head: fmt.Sprintf("%-*s0%*s", bars/2, fmt.Sprintf("-%g", scale), bars/2, fmt.Sprintf("+%g", scale)), keep: true, below: true}}}
		row := func(name string, q *rollout.Quality) {
			if q.Pairs == 0 {
				t.row(name, "0", none, none, string(q.Outcome), "")
				return
			}
			t.row(name, count(int64(q.Pairs)), points(q), floor(q), string(q.Outcome), bar(q, r.Plan.Margin, scale))
		}
		row("all", q)
		for i := range r.Report.Segments {
			row(r.Report.Segments[i].Name, &r.Report.Segments[i])
		}
		p.print(&t)
	}
	p.printRates(r)
	p.printPassed(r)
	p.printAside(r)
}

func judgedBy(r *admin.RolloutStatus) string {
	out := r.Plan.Judge
	if r.Plan.JudgeModel != "" {
		out += " (" + r.Plan.JudgeModel + ")"
	}
	out += fmt.Sprintf("; a loss of %g of 100 points is accepted, marked ┊: equivalent is what is surely ABOVE that", 100*r.Plan.Margin)
	if e := &r.Report; e.Swaps > 0 {
		out += fmt.Sprintf("; the judge said the same in both orders in %d of %d", e.Consistent, e.Swaps)
		if e.JudgeTurns {
			out += ": it cannot be relied on"
		}
	}
	return out
}

// bars is the width of a bar, odd, so that 0 has a place in its middle.
const bars = 41

// scaleOf is how many points are at either end of the bars: all of the interval
// of all pairs, as far as that is of use.
func scaleOf(r *admin.RolloutStatus) float64 {
	q := &r.Report.Quality
	most := 100 * max(math.Abs(q.Low), math.Abs(q.High), 1.5*r.Plan.Margin)
	for _, s := range []float64{5, 10, 20, 50} {
		if most <= s {
			return s
		}
	}
	return 100
}

// bar draws an interval and its mean between -scale and scale points. What lies
// outside ends in an arrow.
func bar(q *rollout.Quality, margin, scale float64) string {
	place := func(points float64) int {
		return int(math.Round((points/scale + 1) / 2 * (bars - 1)))
	}
	out := []rune(strings.Repeat(" ", bars))
	put := func(i int, r rune) {
		if i >= 0 && i < bars {
			out[i] = r
		}
	}
	put(place(-100*margin), '┊')
	put(place(0), '│')
	low, high := place(100*q.Low), place(100*q.High)
	for i := max(low, 0); i <= min(high, bars-1); i++ {
		put(i, '─')
	}
	if low < 0 {
		out[0] = '←'
	}
	if high >= bars {
		out[bars-1] = '→'
	}
	put(place(-100*margin), '┊')
	put(place(0), '│')
	put(min(max(place(100*q.Mean), 0), bars-1), '●')
	return strings.TrimRight(string(out), " ")
}

// shareOf is a share and what it is of, K of N.
func shareOf(s rollout.Share) string {
	if s.N == 0 {
		return none
	}
	return fmt.Sprintf("%s (%s/%d)", percent(s.K/float64(s.N)), strconv.FormatFloat(math.Round(10*s.K)/10, 'f', -1, 64), s.N)
}

func percent(v float64) string {
	return strconv.FormatFloat(math.Round(1e4*v)/100, 'f', -1, 64) + " %"
}

func (p *program) printRates(r *admin.RolloutStatus) {
	fmt.Fprintln(p.out)
	t, note := gates(r)
	p.print(t)
	if note != "" {
		p.sayLines(note)
	}
}

// gates is the table of them, and what is to be said below it. It has intervals
// only where one is known.
func gates(r *admin.RolloutStatus) (t *table, note string) {
	t = &table{columns: []column{{head: "GATE", keep: true}, {head: "OLD", keep: true}, {head: "NEW", keep: true}, {head: "ACCEPTED", right: true, keep: true}, {head: "STATE", keep: true},
		{head: "95 % OF OLD", keep: true, below: true}, {head: "95 % OF NEW", keep: true, below: true}}}
	known := false
	for _, x := range r.Report.Rates {
		t.row(strings.TrimSuffix(x.Name, " of people"), shareOf(x.Old), shareOf(x.New), percent(x.Limit), gateState(x.Broken, x.Tested), "", "")
	}
	for _, x := range r.Report.Latency {
		old := latency(x.Old.Value)
		if x.Before && x.Old.N > 0 {
			old, note = old+" *", "* of the old model's last answers, before the new one took all"
		}
		t.row(fmt.Sprintf("%s p%g", x.Name, x.Percentile), old, latency(x.New.Value), "+"+percent(x.Tolerance), gateState(x.Broken, x.Tested), intervalOf(&x.Old), intervalOf(&x.New))
		if !x.Tested && (x.Old.N > 0 || x.Before) && x.Old.N < x.Needs {
			note = strings.TrimPrefix(note+"\n", "\n") + untested(&x)
		}
		known = known || intervalOf(&x.Old) != none || intervalOf(&x.New) != none
	}
	if !known {
		t = t.part(func(c column) bool { return !c.below })
	}
	return t, note
}

// untested says why a percentile is not: more answers of the old model come only
// while it answers.
func untested(x *rollout.Times) string {
	takes := fmt.Sprintf("%s p%g", x.Name, x.Percentile)
	if x.Before {
		return fmt.Sprintf("%s cannot be tested: it takes %s of the old model, %s are known, and no more will come", takes, plural(x.Needs, "answer"), count(int64(x.Old.N)))
	}
	return fmt.Sprintf("%s takes %s of the old model to be tested; %s are known", takes, plural(x.Needs, "answer"), count(int64(x.Old.N)))
}

// gateState is a gate in a word. One that knows too little is not ok.
func gateState(broken, tested bool) string {
	switch {
	case broken:
		return "broken"
	case !tested:
		return "not tested"
	}
	return "ok"
}

// printPassed shows what was known of the stages and steps before, old model and
// new.
func (p *program) printPassed(r *admin.RolloutStatus) {
	if len(r.Passed) == 0 {
		return
	}
	fmt.Fprintln(p.out)
	t := table{columns: []column{{head: "LEFT", keep: true}}}
	for _, head := range passedHead(r.Plan.LatencyPercentile) {
		t.columns = append(t.columns, column{head: strings.ToUpper(head), keep: true})
	}
	for i := range r.Passed {
		t.row(append([]string{r.Passed[i].Where}, passedRow(&r.Passed[i].Known)...)...)
	}
	p.print(&t)
}

func passedHead(percentile float64) []string {
	head := []string{"errors", "refusals", "truncations"}
	if percentile > 0 {
		head = append(head, fmt.Sprintf("total p%g", percentile))
	}
	return head
}

// passedRow is what was known of a stage or step, old model and new.
func passedRow(k *rollout.Report) []string {
	both := func(old, now string) string {
		if old == none && now == none {
			return none
		}
		return old + " / " + now
	}
	rate := func(s rollout.Share) string {
		if s.N == 0 {
			return none
		}
		return percent(s.K / float64(s.N))
	}
	out := []string{none, none, none}
	for i := range min(3, len(k.Rates)) {
		out[i] = both(rate(k.Rates[i].Old), rate(k.Rates[i].New))
	}
	if n := len(k.Latency); n > 0 {
		value := func(q *rollout.Quantile) string {
			if q.Value == nil {
				return none
			}
			return latency(q.Value)
		}
		out = append(out, both(value(&k.Latency[n-1].Old), value(&k.Latency[n-1].New)))
	}
	return out
}

// quantileOf is a percentile with its interval, as far as it is known.
func quantileOf(q *rollout.Quantile) string {
	if q.Value == nil {
		return none
	}
	if q.Low == nil || q.High == nil {
		return latency(q.Value)
	}
	return latency(q.Value) + " (" + intervalOf(q) + ")"
}

// intervalOf is the interval of a percentile, as far as it is known.
func intervalOf(q *rollout.Quantile) string {
	if q.Low == nil || q.High == nil {
		return none
	}
	return latency(q.Low) + " to " + latency(q.High)
}

func (p *program) printAside(r *admin.RolloutStatus) {
	a := &r.Aside
	if r.Plan.Shadow.Share == 0 {
		return
	}
	spent := a.USD.String() + " USD"
	if r.Plan.Shadow.Budget != "" {
		spent += " of " + r.Plan.Shadow.Budget
	}
	if a.Unpriced > 0 {
		spent += ", and " + plural(a.Unpriced, "answer") + " of unknown cost"
	}
	said := fmt.Sprintf("%s, for %s in all", spent, plural(r.Report.Pairs, "pair"))
	if a.Dropped+a.Failed+a.Unjudged > 0 {
		said += fmt.Sprintf("; since the server began %d had no room in the queue or the budget, %d could not be compared, %d not be judged", a.Dropped, a.Failed, a.Unjudged)
	}
	if a.LastFailure != "" {
		said += "; the last could not, because " + a.LastFailure
	}
	fmt.Fprintln(p.out)
	p.wrapped("copies cost", said)
	p.wrapped("no copies", a.Muted)
}
