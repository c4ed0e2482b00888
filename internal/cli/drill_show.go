package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"freehold/internal/admin"
	"freehold/internal/drill"
)

// printDrill shows a drill at 80 columns.
func (p *program) printDrill(d *admin.DrillOut) {
	what := strings.Join(d.Providers, ", ")
	source := "of the requests of clients"
	if d.Synthetic {
		source = "of requests made for it"
	}
	ended := ""
	if d.Ended != nil {
		ended = fmt.Sprintf("%s UTC, after %s", at(*d.Ended), millis(float64(d.Ended.Sub(d.Started).Milliseconds())))
		if d.EndedBy != nil && d.State == string(drill.Stopped) {
			ended += ", by " + d.EndedBy.String()
		}
		ended += ": " + d.Cause
	}
	record := ""
	if r := d.Facts.Record; r != nil {
		record = fmt.Sprintf("record %d, hash %s", r.Seq, r.Hash)
	}
	p.fields("drill", d.ID, "kind", d.Kind, "providers", what, "vendor", strings.Join(d.Vendor, "; "), "workload", d.Workload, "share", fmt.Sprintf("%g %% %s", d.Share*100, source),
		"began", at(d.Started)+" UTC", "ended", ended, "by", d.By.String(), "reason", d.Reason, "history", record)
	r := d.Report
	if r == nil {
		if d.Now != nil {
			p.fields("so far", progressOf(*d.Now))
		}
		p.fields("state", d.State)
		return
	}
	fmt.Fprintln(p.out)
	p.fields("requests", fmt.Sprintf("%s in its time, %s hit", count(int64(r.Requests)), count(int64(r.Hit))),
		"failed over", fmt.Sprintf("%s, %s of them in mid-answer", count(int64(r.FailedOver)), count(int64(r.Continued))),
		"errors", count(int64(r.Errors))+seenAs(d.Synthetic)+more(r.Failed))
	if r.Needed > 0 {
		p.fields("needed", plural(r.Needed, "request")+" could be answered there only")
	}
	if r.Stayed > 0 {
		p.fields("not moved", fmt.Sprintf("%s, answered there %s later", count(int64(r.Stayed)), millis(d.DelayMillis)))
	}
	for _, x := range r.Promises {
		kept := ", kept"
		if !x.Kept {
			kept = ", NOT KEPT"
		}
		p.fields("slo", x.String()+kept)
	}
	p.fields("cost", drillCost(r.Cost), "perimeter", perimeterKept(r))
	if len(r.Quality) == 0 && r.FailedOver > 0 {
		p.fields("quality", "not known: no rollout has compared the stand-ins")
	}
	for _, q := range r.Quality {
		p.fields("quality", fmt.Sprintf("%s for %s: %+.1f points (%.1f to %.1f), %s", q.To, q.From, q.Mean*100, q.Low*100, q.High*100, q.Conclusion))
	}
	p.printDrillTimes(r)
	if len(r.By) > 0 {
		fmt.Fprintln(p.out)
		t := table{columns: []column{{head: "ANSWERED BY"}, {head: "MODEL"}, {head: "REQUESTS", right: true, keep: true}}}
		for _, a := range r.By {
			t.row(a.Deployment, a.Model, count(int64(a.Requests)))
		}
		p.print(&t)
	}
	fmt.Fprintf(p.out, "\n%s\n", wrap(tame(fmt.Sprintf("%s: %s", r.Verdict, r.Why)), p.width(), "\n  "))
}

func seenAs(synthetic bool) string {
	if synthetic {
		return ""
	}
	return " seen by clients"
}

func more(ids []string) string {
	if len(ids) == 0 {
		return ""
	}
	return "; freehold why " + ids[0]
}

func drillCost(c drill.Costs) string {
	switch {
	case !c.Hit.Valid:
		return unknown
	case !c.Others.Valid:
		return money(c.Hit.Decimal, "USD") + " a request, with nothing to compare it with"
	}
	diff := c.Hit.Decimal.Sub(c.Others.Decimal)
	sign := ""
	if diff.Sign() >= 0 {
		sign = "+"
	}
	return fmt.Sprintf("%s a request, %s%s against the others", money(c.Hit.Decimal, "USD"), sign, money(diff, "USD"))
}

func perimeterKept(r *drill.Report) string {
	switch {
	case r.Hit == 0:
		return "nothing to check"
	case len(r.Outside) > 0:
		return "NOT KEPT: " + strings.Join(r.Outside, "; ")
	}
	return "kept"
}

// printDrillTimes compares hit requests with the others.
func (p *program) printDrillTimes(r *drill.Report) {
	t := table{columns: []column{{head: "LATENCY", keep: true}}}
	for _, head := range []string{"HIT P50", "P95", "OTHERS P50", "P95", "ADDED P50", "P95"} {
		t.columns = append(t.columns, column{head: head, right: true, keep: true})
	}
	for _, x := range []struct {
		name string
		c    drill.Compared
	}{{"first content", r.FirstToken}, {"whole answer", r.Total}} {
		if x.c.HitP50 > 0 || x.c.OthersP50 > 0 {
			t.row(x.name, millis(x.c.HitP50), millis(x.c.HitP95), millis(x.c.OthersP50), millis(x.c.OthersP95),
				added(x.c.HitP50, x.c.OthersP50), added(x.c.HitP95, x.c.OthersP95))
		}
	}
	if len(t.rows) > 0 {
		fmt.Fprintln(p.out)
		p.print(&t)
	}
}

func added(hit, others float64) string {
	switch {
	case hit == 0 || others == 0:
		return unknown
	case hit < others:
		return "-" + millis(others-hit)
	case hit == others:
		return "0"
	}
	return "+" + millis(hit-others)
}

// printDrills lists drills.
func (p *program) printDrills(out admin.DrillsOut) {
	if len(out.Drills) == 0 {
		fmt.Fprintln(p.err, "no drill was made yet")
		return
	}
	t := table{columns: []column{{head: "DRILL", keep: true}, {head: "BEGAN (UTC)", keep: true, below: true}, {head: "KIND", keep: true}, {head: "OF", below: true}, {head: "STATE", keep: true},
		{head: "HIT", right: true, keep: true}, {head: "VERDICT", keep: true}}}
	for i := range out.Drills {
		d := &out.Drills[i]
		of := strings.Join(d.Providers, ", ")
		if d.Workload != "" {
			of += " for " + d.Workload
		}
		hit, verdict := none, none
		if d.Report != nil {
			hit, verdict = count(int64(d.Report.Hit)), string(d.Report.Verdict)
		}
		t.row(d.ID, at(d.Started), d.Kind, of, d.State, hit, verdict)
	}
	p.print(&t)
}

// due is the day of the next test: a number of days, weeks, months or years later.
type due struct{ years, months, days int }

// after is the day that is due when a test was made at t.
func (d due) after(t time.Time) time.Time { return t.AddDate(d.years, d.months, d.days) }

func readDue(s string) (due, error) {
	bad := fmt.Errorf("is no time to the next test: give 90d, 12w, 6m or 1y")
	if s == "" {
		return due{}, bad
	}
	n, err := strconv.ParseUint(s[:len(s)-1], 10, 12)
	if err != nil || n == 0 {
		return due{}, bad
	}
	switch s[len(s)-1] {
	case 'd':
		return due{days: int(n)}, nil
	case 'w':
		return due{days: 7 * int(n)}, nil
	case 'm':
		return due{months: int(n)}, nil
	case 'y':
		return due{years: int(n)}, nil
	}
	return due{}, bad
}

// String is what the help shows as the default.
func (d due) String() string {
	switch {
	case d.years > 0:
		return strconv.Itoa(d.years) + "y"
	case d.months > 0:
		return strconv.Itoa(d.months) + "m"
	}
	return strconv.Itoa(d.days) + "d"
}
