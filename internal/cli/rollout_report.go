package cli

import (
	"bytes"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"strings"

	"github.com/shopspring/decimal"
	"github.com/spf13/cobra"

	"freehold/internal/admin"
	"freehold/internal/rollout"
	"freehold/internal/sequential"
)

func (p *program) rolloutReportCommand() *cobra.Command {
	var in admin.RolloutIn
	var page, text string
	c := p.facts(&cobra.Command{
		Use:   "report WORKLOAD (--html FILE | --md FILE | --json)",
		Short: "Write the report of a rollout, with plots",
		Long: `report writes all that is known of a rollout: what it means, quality as it
became known, segments, latencies and money of both models, how far the judge
can be relied on, and every transition with who and why. --html is one file with
the plots in it; --md has them beside it as SVG and PNG. No text of a request or
an answer is in it.`,
		Example: `  freehold rollout report support-chat --html report.html
  freehold rollout report support-chat --md report.md`,
		Args: takes(1, 1),
		RunE: func(c *cobra.Command, a []string) error {
			if in.Workload = a[0]; page == "" && text == "" && !p.json {
				return hintedf("--html report.html, --md report.md or --json", "name what to write")
			}
			out, err := call(c.Context(), p, admin.RolloutReport, in)
			if err != nil {
				return err
			}
			plots, err := drawRollout(&out)
			if err != nil {
				return err
			}
			if page != "" {
				if err := p.wrote(page, []byte(reportHTML(&out, plots))); err != nil {
					return err
				}
			}
			if text != "" {
				base := strings.TrimSuffix(text, filepath.Ext(text))
				for _, x := range plots {
					for ext, drawn := range map[string][]byte{".svg": x.svg, ".png": x.png} {
						if err := p.wrote(base+"-"+x.name+ext, drawn); err != nil {
							return err
						}
					}
				}
				if err := p.wrote(text, []byte(reportMarkdown(&out, plots, filepath.Base(base)))); err != nil {
					return err
				}
			}
			if p.json {
				return p.done(out, nil)
			}
			return nil
		},
	})
	c.Flags().StringVar(&page, "html", "", "write one page with its plots to `FILE`")
	c.Flags().StringVar(&text, "md", "", "write Markdown to `FILE`, and the plots beside it")
	c.Flags().StringVar(&in.ID, "rollout", "", "of an earlier one: its `ID`")
	return c
}

func (p *program) wrote(file string, data []byte) error {
	if err := os.WriteFile(file, data, 0o644); err != nil { //nolint:gosec // a report is to be read by others
		return err
	}
	fmt.Fprintln(p.err, "wrote", file)
	return nil
}

// means says what a rollout comes to, in one paragraph.
func means(r *admin.RolloutReportOut) string {
	q := &r.Shadowed.Quality
	var b strings.Builder
	switch {
	case q.Pairs == 0:
		fmt.Fprintf(&b, "Nothing is known of the quality of %s: no pair was judged.", r.To)
	case q.Outcome == sequential.Worse:
		fmt.Fprintf(&b, "%s answers worse than %s: %s.", r.To, r.From, difference(q))
	case q.Outcome == sequential.Better:
		fmt.Fprintf(&b, "%s answers better than %s: %s.", r.To, r.From, difference(q))
	case q.Outcome == sequential.Equivalent:
		fmt.Fprintf(&b, "%s answers as well as %s, within the %g points that are accepted: %s.", r.To, r.From, 100*r.Plan.Margin, difference(q))
	default:
		fmt.Fprintf(&b, "Whether %s answers as well as %s is not decided: %s, and a loss of %g is accepted.", r.To, r.From, difference(q), 100*r.Plan.Margin)
		if q.Remaining != nil {
			fmt.Fprintf(&b, " About %d more pairs would decide it.", *q.Remaining)
		}
	}
	for _, s := range r.Shadowed.Segments {
		if s.Outcome == sequential.Worse {
			fmt.Fprintf(&b, " It is worse in %s, by %.1f points.", s.Name, -100*s.Mean)
		}
	}
	if o, n := r.Money.Old, r.Money.New; o.Valid && n.Valid && o.Decimal.IsPositive() {
		change := n.Decimal.Sub(o.Decimal).Div(o.Decimal).Mul(decimal.NewFromInt(100)).Round(0)
		fmt.Fprintf(&b, " A thousand requests cost %s USD instead of %s (%s%s %%).", n.Decimal.Round(4), o.Decimal.Round(4), plus(change), change)
	}
	fmt.Fprintf(&b, " The rollout stands at: %s; because: %s.", r.Where, strings.TrimSuffix(r.Reason, "."))
	if x := r.Reliability; x != nil {
		fmt.Fprintf(&b, " Can the judge be relied on? %s: %s.", x.State, strings.TrimSuffix(x.Reason, "."))
	}
	return b.String()
}

func plus(d decimal.Decimal) string {
	if d.IsPositive() {
		return "+"
	}
	return ""
}

// section is a table of a report, or a plot.
type section struct {
	title string
	head  []string
	rows  [][]string
	plot  string // name
}

func sections(r *admin.RolloutReportOut) []section {
	s := &r.Shadowed
	out := []section{{title: "Quality", plot: "quality", head: []string{"", "pairs", "difference in points (95 %)", "surely above", "outcome"}}}
	quality := &out[0]
	row := func(name string, q *rollout.Quality) {
		quality.rows = append(quality.rows, []string{name, fmt.Sprint(q.Pairs), points(q), floor(q), string(q.Outcome)})
	}
	if s.Quality.Pairs > 0 {
		row("all", &s.Quality)
	}
	for i := range s.Segments {
		row(s.Segments[i].Name, &s.Segments[i])
	}
	if len(s.Segments) > 0 {
		out = append(out, section{title: "Segments", plot: "segments"})
	}
	gates := func(title string, report *rollout.Report) {
		x := section{title: title, head: []string{"", r.From, r.To, "accepted", "state"}}
		for _, g := range report.Rates {
			if g.Old.N+g.New.N > 0 {
				x.rows = append(x.rows, []string{g.Name, shareOf(g.Old), shareOf(g.New), "up to " + percent(g.Limit), gateState(g.Broken, g.Tested)})
			}
		}
		for _, l := range report.Latency {
			if l.Old.N+l.New.N > 0 {
				x.rows = append(x.rows, []string{fmt.Sprintf("%s, p%g (95 %%)", l.Name, l.Percentile), quantileOf(&l.Old), quantileOf(&l.New), "up to +" + percent(l.Tolerance), gateState(l.Broken, l.Tested)})
			}
		}
		if len(x.rows) > 0 {
			out = append(out, x)
		}
	}
	gates("Beside clients' requests", s)
	if r.Report.Clients[0]+r.Report.Clients[1] > 0 {
		gates("Clients' requests, in the present step", &r.Report)
	}
	if len(r.Passed) > 0 {
		x := section{title: "Stages and steps before, old model / new", head: append([]string{"", "until (UTC)"}, passedHead(r.Plan.LatencyPercentile)...)}
		for i := range r.Passed {
			x.rows = append(x.rows, append([]string{r.Passed[i].Where, at(r.Passed[i].Until)}, passedRow(&r.Passed[i].Known)...))
		}
		out = append(out, x)
	}
	if len(r.Totals[0])+len(r.Totals[1]) > 0 {
		out = append(out, section{title: "Latency", plot: "latency"})
	}
	dollars := func(d decimal.NullDecimal) string {
		if !d.Valid {
			return unknown
		}
		return d.Decimal.Round(4).String()
	}
	out = append(out, section{title: "Money and tokens", head: []string{"", r.From, r.To}, rows: [][]string{
		{"USD for 1000 requests", dollars(r.Money.Old), dollars(r.Money.New)},
		{"tokens read, a request", perRequest(s.Old.In, s.Old.Requests), perRequest(s.New.In, s.New.Requests)},
		{"tokens written, a request", perRequest(s.Old.Out, s.Old.Requests), perRequest(s.New.Out, s.New.Requests)},
		{"copies and judging, USD", "", r.Money.Aside},
	}})
	if x := r.Reliability; x != nil {
		same, person, longer := none, none, none
		if x.Swaps > 0 {
			same = fmt.Sprintf("%s of %d", percent(x.Consistency), x.Swaps)
		}
		if x.Labels > 0 {
			person, longer = fmt.Sprintf("%s (%s to %s)", percent(x.Accuracy), percent(x.AccuracyLow), percent(x.AccuracyHigh)), percent(x.LongerAccuracy)
		}
		out = append(out, section{title: "The judge", head: []string{"", ""}, rows: [][]string{
			{"state", x.State}, {"same word in both orders", same},
			{"labels by people", fmt.Sprint(x.Labels)},
			{"agrees with people (95 %)", person},
			{"\"the longer answer wins\" agrees", longer},
		}})
	}
	history := section{title: "Transitions", head: []string{"time (UTC)", "is", "by", "because", "pairs", "history"}}
	for _, t := range r.Transitions {
		history.rows = append(history.rows, []string{at(t.Time), t.Is, t.By, t.Reason, fmt.Sprint(t.Pairs), fmt.Sprint(t.Seq)})
	}
	return append(out, history)
}

func perRequest(tokens int64, requests int) string {
	if requests == 0 {
		return none
	}
	return fmt.Sprintf("%.0f", float64(tokens)/float64(requests))
}

func reportTitle(r *admin.RolloutReportOut) string {
	return fmt.Sprintf("Rollout of %s: %s to %s", r.Workload, r.From, r.To)
}

func reportFacts(r *admin.RolloutReportOut) string {
	return fmt.Sprintf("rollout %s, started %s UTC by %s; judged: %s; a loss of %g points is accepted", r.ID, at(r.Started), r.By, r.Plan.Judge, 100*r.Plan.Margin)
}

func reportMarkdown(r *admin.RolloutReportOut, plots []plotted, base string) string {
	var b strings.Builder
	cell := strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;")
	line := func(cells []string) {
		for _, c := range cells {
			b.WriteString("| " + cell.Replace(tame(c)) + " ")
		}
		b.WriteString("|\n")
	}
	fmt.Fprintf(&b, "# %s\n\n%s\n\n%s\n", cell.Replace(tame(reportTitle(r))), cell.Replace(tame(means(r))), cell.Replace(tame(reportFacts(r))))
	for _, s := range sections(r) {
		fmt.Fprintf(&b, "\n## %s\n\n", s.title)
		for _, x := range plots {
			if x.name == s.plot {
				fmt.Fprintf(&b, "![%s](%s)\n\n", cell.Replace(tame(x.title)), strings.ReplaceAll(base+"-"+x.name+".svg", " ", "%20"))
			}
		}
		if len(s.rows) == 0 {
			continue
		}
		line(s.head)
		b.WriteString(strings.Repeat("|---", len(s.head)) + "|\n")
		for _, row := range s.rows {
			line(row)
		}
	}
	return b.String()
}

const reportStyle = `body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;margin:.5rem 0}th,td{text-align:left;padding:.25rem .8rem .25rem 0;border-bottom:1px solid #ddd;vertical-align:top}
h2{margin-top:2rem}.facts{color:#666}svg{max-width:100%;height:auto}`

func reportHTML(r *admin.RolloutReportOut, plots []plotted) string {
	var b strings.Builder
	text := func(s string) string { return html.EscapeString(tame(s)) }
	fmt.Fprintf(&b, "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>%s</title>\n<style>%s</style>\n<h1>%s</h1>\n<p>%s</p>\n<p class=\"facts\">%s</p>\n",
		text(reportTitle(r)), reportStyle, text(reportTitle(r)), text(means(r)), text(reportFacts(r)))
	for _, s := range sections(r) {
		fmt.Fprintf(&b, "<h2>%s</h2>\n", text(s.title))
		for _, x := range plots {
			if x.name == s.plot {
				b.Write(x.svg[max(0, bytes.Index(x.svg, []byte("<svg"))):])
				b.WriteString("\n")
			}
		}
		if len(s.rows) == 0 {
			continue
		}
		b.WriteString("<table>\n")
		row := func(tag string, cells []string) {
			b.WriteString("<tr>")
			for _, c := range cells {
				fmt.Fprintf(&b, "<%s>%s</%s>", tag, text(c), tag)
			}
			b.WriteString("</tr>\n")
		}
		row("th", s.head)
		for _, cells := range s.rows {
			row("td", cells)
		}
		b.WriteString("</table>\n")
	}
	b.WriteString("</html>\n")
	return b.String()
}
