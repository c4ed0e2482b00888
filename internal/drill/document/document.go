// Package document writes drills down for people who were not there: what an
// outage showed, and, of an exit drill, the tested exit plan that Article 28(8)
// of Regulation (EU) 2022/2554 (DORA) asks for. It states what configuration,
// ledger and history know; the rest is left open, and marked so.
package document

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"freehold/internal/drill"
)

// Blank stands where a person has to fill something in.
const Blank = "[to be filled in]"

// unknown stands for a fact that the configuration could say and does not.
const unknown = "not known"

// few is how many requests are called few.
const few = 100

// Of is the document of a drill that has ended. due is the day of the next test.
func Of(d *drill.Drill, f *drill.Facts, due time.Time) *Page {
	w := writer{d: d, f: f, r: d.Report}
	if w.r == nil {
		w.r = &drill.Report{Verdict: drill.Nothing, Why: "the drill has not ended"}
	}
	if d.Plan.Kind == drill.Exit {
		return w.exit(due)
	}
	return w.outage(due)
}

type writer struct {
	d *drill.Drill
	f *drill.Facts
	r *drill.Report
}

func (w *writer) outage(due time.Time) *Page {
	return &Page{
		Title: fmt.Sprintf("Drill: %s, %s", strings.Join(w.d.Plan.Providers, ", "), w.d.Plan.Kind),
		Lead:  []string{verdict(w.r)},
		Sections: numbered(
			w.scenario(), w.vendors(), w.alternatives(), w.results(nil), w.residual(), w.open(), w.evidence(due),
		),
	}
}

func (w *writer) exit(due time.Time) *Page {
	return &Page{
		Title: "Tested exit plan: workload " + w.d.Plan.Workload,
		Lead: []string{
			"Test of the exit from an ICT third-party service provider, in the form that Article 28(8) of Regulation (EU) 2022/2554 (DORA) asks for: documented, tested, reviewed periodically.",
			"What is stated here is from the configuration, the request ledger and the change record of freehold. What it cannot know is marked " + Blank + ".",
			verdict(w.r),
		},
		Sections: numbered(
			w.service(), w.vendors(), w.scenario(), w.alternatives(), w.results(requirements), w.removal(), w.transition(), w.residual(), w.open(), w.evidence(due), approvals(),
		),
	}
}

func verdict(r *drill.Report) string { return fmt.Sprintf("Result: %s (%s).", r.Verdict, r.Why) }

func numbered(sections ...Section) []Section {
	for i := range sections {
		sections[i].Title = fmt.Sprintf("%d. %s", i+1, sections[i].Title)
	}
	return sections
}

func facts(pairs ...string) *Table {
	t := &Table{Head: []string{"Fact", "Value"}}
	for i := 0; i+1 < len(pairs); i += 2 {
		t.Rows = append(t.Rows, []string{pairs[i], pairs[i+1]})
	}
	return t
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func joined(list []string, other string) string { return or(strings.Join(list, ", "), other) }

func (w *writer) service() Section {
	s := &w.f.Service
	return Section{Title: "Function and service", Table: facts(
		"Critical or important function", Blank,
		"Owner of the function", Blank,
		"Service (workload)", w.d.Plan.Workload,
		"Names that applications send", joined(s.Aliases, "only its own"),
		"Model", or(s.Model, unknown),
		"Fallbacks", joined(s.Fallbacks, "none"),
		"Data classes", joined(s.Classes, "none"),
	)}
}

func (w *writer) vendors() Section {
	t := &Table{Head: []string{"Provider", "Kind", "Hosting", "Region", "Jurisdiction", "DPA", "Keeps nothing", "Trains", "Contract until"}}
	for i := range w.f.Vendors {
		v := &w.f.Vendors[i]
		t.Rows = append(t.Rows, []string{
			v.Provider, or(v.Preset, unknown), or(v.Hosting, unknown), or(v.Region, unknown), or(v.Jurisdiction, unknown),
			or(v.DPA, unknown), or(v.ZeroRetention, unknown), or(v.Training, unknown), or(v.Expires, unknown),
		})
	}
	s := Section{Title: "Provider", Table: t}
	if w.d.Plan.Kind == drill.Exit {
		s.Title = "Provider to leave"
		s.Text = []string{
			"Legal entity and identifier (LEI): " + Blank,
			"Contract reference, notice period, termination rights: " + Blank,
		}
	}
	return s
}

func (w *writer) scenario() Section {
	d := w.d
	what := map[drill.Kind]string{
		drill.Down: "connections fail", drill.Slow: fmt.Sprintf("answers begin %s later", d.Plan.Delay), drill.Errors: "each answer is an error (HTTP 503)",
		drill.Cut: "answers break off", drill.Auth: "credentials are refused (HTTP 401)", drill.Quota: "the quota is used up (HTTP 429)",
		drill.Exit: "none of these providers may be asked: sudden failure, or termination without notice",
	}[d.Plan.Kind]
	source := "live requests of clients"
	if d.Plan.Synthetic {
		source = "requests that freehold made for the drill; no client was affected"
	}
	ended := "still under way"
	if !d.Ended.IsZero() {
		ended = fmt.Sprintf("%s (%s)", stamp(d.Ended), or(d.Cause, string(d.State)))
		if d.State == drill.Stopped && d.EndedBy.Name != "" {
			ended += " by " + d.EndedBy.String()
		}
	}
	providers := joined(d.Plan.Providers, unknown)
	if len(d.Plan.Vendor) > 0 {
		providers += " (taken for one vendor: " + strings.Join(d.Plan.Vendor, "; ") + ")"
	}
	return Section{Title: "Scenario and test", Table: facts(
		"Scenario", what,
		"Providers", providers,
		"Workload", or(d.Plan.Workload, "all"),
		"Began", stamp(d.Started),
		"Ended", ended,
		"Share of requests", fmt.Sprintf("%g %%", d.Plan.Share*100),
		"Tested with", source,
		"Requests in that time", fmt.Sprint(w.r.Requests),
		"Requests in the test", fmt.Sprint(w.r.Hit),
		"Carried out by", d.By.String(),
		"Reason", or(d.Reason, "none given"),
		"Configuration", d.Config,
	)}
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

func (w *writer) alternatives() Section {
	s := Section{Title: "Alternatives"}
	if len(w.f.StandIns) == 0 {
		s.Text = []string{"The configuration has no deployment elsewhere that could answer."}
		return s
	}
	s.Table = &Table{Head: []string{"Model", "Provider", "Hosting", "Region", "Jurisdiction", "Sovereignty class", "Data may go there", "Answered"}}
	for i := range w.f.StandIns {
		x := &w.f.StandIns[i]
		may := "yes"
		if x.Forbidden != "" {
			may = "no: " + x.Forbidden
		}
		hosting := or(x.Hosting, unknown)
		if x.Own {
			hosting = "self, run by freehold"
		}
		s.Table.Rows = append(s.Table.Rows, []string{
			x.Model, x.Provider, hosting, or(x.Region, unknown), or(x.Jurisdiction, unknown), fmt.Sprintf("%d (%s)", x.Class, x.ClassName), may, fmt.Sprint(x.Requests),
		})
	}
	return s
}

// requirements are what Article 28(8) wants an exit to be without.
var requirements = []string{
	"(a) disruption to business activities", "(b) limiting compliance with regulatory requirements", "(c) detriment to the continuity and quality of services", "(beyond the article)",
}

// results are the figures; with requirements, beside each what was measured of it.
func (w *writer) results(requirements []string) Section {
	r := w.r
	s := Section{Title: "Results"}
	available := fmt.Sprintf("%d of %d requests were answered by somebody else; clients saw %d errors", r.FailedOver, r.Hit, r.Errors)
	if r.Needed > 0 {
		available += fmt.Sprintf("; %d could be answered by the provider only", r.Needed)
	}
	if r.Stayed > 0 {
		available += fmt.Sprintf("; %d were answered by the slow provider, %s later", r.Stayed, w.d.Plan.Delay)
	}
	for _, p := range r.Promises {
		available += "; " + p.String()
	}
	if len(r.Failed) > 0 {
		available += " (" + strings.Join(r.Failed, ", ") + ")"
	}
	perimeter := "data stayed where it may go: every attempt was checked"
	if r.Hit == 0 {
		perimeter = unknown + ": there was no attempt to check"
	}
	if len(r.Outside) > 0 {
		perimeter = "data left its perimeter: " + strings.Join(r.Outside, "; ")
	}
	cells := [][2]string{
		{"Availability", available},
		{"Time to the first content", compared(r.FirstToken)},
		{"Time of the whole answer", compared(r.Total)},
		{"Data perimeter", perimeter},
		{"Answers that were cut and continued elsewhere", fmt.Sprint(r.Continued)},
		{"Quality of the alternatives", w.quality()},
		{"Cost of a request (USD)", cost(r.Cost)},
	}
	if requirements == nil {
		s.Table = &Table{Head: []string{"Measured", "Value"}}
		for _, c := range cells {
			s.Table.Rows = append(s.Table.Rows, []string{c[0], c[1]})
		}
		return s
	}
	s.Text = []string{"Article 28(8) wants an exit to be possible without what stands in the first column."}
	s.Table = &Table{Head: []string{"Without", "Measured", "Value"}}
	for i, c := range cells {
		s.Table.Rows = append(s.Table.Rows, []string{requirements[[]int{0, 0, 0, 1, 2, 2, 3}[i]], c[0], c[1]})
	}
	return s
}

func compared(c drill.Compared) string {
	ms := func(v float64) string { return fmt.Sprintf("%.0f ms", v) }
	switch {
	case c.HitP50 == 0:
		return unknown
	case c.OthersP50 == 0:
		return fmt.Sprintf("p50 %s, p95 %s; nothing to compare with", ms(c.HitP50), ms(c.HitP95))
	}
	return fmt.Sprintf("p50 %s (others %s), p95 %s (others %s)", ms(c.HitP50), ms(c.OthersP50), ms(c.HitP95), ms(c.OthersP95))
}

func cost(c drill.Costs) string {
	switch {
	case !c.Hit.Valid:
		return unknown
	case !c.Others.Valid:
		return c.Hit.Decimal.Round(8).String() + "; nothing to compare with"
	}
	return fmt.Sprintf("%s (others %s)", c.Hit.Decimal.Round(8), c.Others.Decimal.Round(8))
}

func (w *writer) quality() string {
	if len(w.r.Quality) == 0 {
		return unknown + ": no rollout has compared these models"
	}
	var out []string
	for _, q := range w.r.Quality {
		out = append(out, fmt.Sprintf("%s for %s: %+.1f points (%.1f to %.1f, from %d pairs, %s, rollout %s of %s)",
			q.To, q.From, q.Mean*100, q.Low*100, q.High*100, q.Pairs, q.Conclusion, q.Rollout, q.At.UTC().Format(time.DateOnly)))
	}
	return strings.Join(out, "; ")
}

func (w *writer) removal() Section {
	s := Section{Title: "Data at the provider", Text: []string{
		"Requests carry data there while the provider is in use. Removal, return and proof of deletion: " + Blank,
	}}
	for i := range w.f.Vendors {
		v := &w.f.Vendors[i]
		s.List = append(s.List, fmt.Sprintf("%s: by contract it keeps nothing: %s; it trains on requests: %s", v.Provider, or(v.ZeroRetention, unknown), or(v.Training, unknown)))
	}
	return s
}

func (w *writer) transition() Section {
	s := Section{Title: "Transition plan", Text: []string{"Responsible, steps beyond these, time needed: " + Blank}}
	i := slices.IndexFunc(w.f.StandIns, func(x drill.StandIn) bool { return x.Forbidden == "" && x.Requests > 0 })
	if i < 0 {
		s.List = []string{"No alternative has answered in this test: first add one as fallback of the workload."}
		return s
	}
	to := w.f.StandIns[i].Model
	s.List = []string{
		fmt.Sprintf("Set workloads.%s.model to %s in config.yaml, or freehold rollout start %s --to %s for a step by step move; applications stay as they are.", w.d.Plan.Workload, to, w.d.Plan.Workload, to),
		"Take the provider out of config.yaml and revoke its keys.",
	}
	return s
}

func (w *writer) residual() Section {
	s := Section{Title: "Residual dependencies"}
	for _, r := range w.f.Residual {
		s.List = append(s.List, fmt.Sprintf("%s (%s, provider %s)", r.What, r.Where, r.Provider))
	}
	if len(s.List) == 0 {
		s.Text = []string{"The configuration has none. Outside of freehold: " + Blank}
	} else {
		s.Text = []string{"What of the configuration needs the provider all the same. Outside of freehold: " + Blank}
	}
	return s
}

func (w *writer) open() Section {
	s := Section{Title: "Open points"}
	add := func(when bool, format string, args ...any) {
		if when {
			s.List = append(s.List, fmt.Sprintf(format, args...))
		}
	}
	r, p := w.r, &w.d.Plan
	add(r.Verdict != drill.Passed, "the test was not passed: %s", r.Why)
	add(r.Hit > 0 && r.Hit < few, "only %d requests were in the test", r.Hit)
	add(p.Synthetic, "tested with requests of freehold's own, not of clients")
	add(p.Share < 1, "tested with a share of %g %%: whether the alternatives bear all of the load is not known", p.Share*100)
	add(len(r.Quality) == 0, "the quality of the alternatives is not known: freehold compare or a rollout measures it")
	add(!r.Cost.Hit.Valid, "the cost of the alternatives is not known: some model has no price")
	for i := range w.f.StandIns {
		x := &w.f.StandIns[i]
		add(x.Requests > 0 && x.Jurisdiction == "" && !x.Own, "the jurisdiction of provider %s is not known", x.Provider)
	}
	add(w.f.Config != w.d.Config, "providers and alternatives are described by configuration %s; the test ran with %s", w.f.Config, w.d.Config)
	add(len(w.f.Residual) > 0, "residual dependencies: %d", len(w.f.Residual))
	s.Text = []string{"Found by freehold: " + fmt.Sprint(len(s.List)) + ". Others: " + Blank}
	return s
}

func (w *writer) evidence(due time.Time) Section {
	pairs := []string{"Drill", w.d.ID}
	if r := w.f.Record; r != nil {
		pairs = append(pairs, "Record in the history", fmt.Sprintf("%d of %s", r.Seq, stamp(r.Time)), "Its hash (RFC 6962)", r.Hash,
			"To check", fmt.Sprintf("freehold history verify; freehold history show %d", r.Seq))
	} else {
		pairs = append(pairs, "Record in the history", "none: the end of the drill is not on record")
	}
	return Section{Title: "Evidence", Table: facts(append(pairs, "Next test due", due.UTC().Format(time.DateOnly))...)}
}

func approvals() Section {
	t := &Table{Head: []string{"Role", "Name", "Date", "Signature"}}
	for _, role := range []string{"Carried out", "Owner of the function", "ICT risk control", "Approved"} {
		t.Rows = append(t.Rows, []string{role, "", "", ""})
	}
	return Section{Title: "Approvals", Table: t}
}
