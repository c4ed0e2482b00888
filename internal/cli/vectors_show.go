package cli

import (
	"cmp"
	"fmt"
	"html"
	"maps"
	"slices"
	"strings"
	"time"

	"freehold/internal/vector"
	"freehold/internal/vector/plan"
	"freehold/internal/vector/transfer"
)

// printPlan shows a plan to who decides about it.
func (p *program) printPlan(pl *plan.Plan) {
	f := &pl.Found
	p.fields("from", pl.From, "to", pl.To)
	p.wrapped("vectors", vectorsOf(pl.Create.Vectors))
	if pl.Embed != nil {
		p.wrapped("embedded", fmt.Sprintf("by %s, of the field %s", pl.Embed.Model, pl.Embed.Text))
	}
	ids := "kept"
	switch pl.Mapping.IDs {
	case vector.TextIDs:
		ids = "as texts, since the target has no others"
	case vector.UUIDs, vector.UUIDTexts:
		ids = "UUIDs of index, namespace and id; the original one stays in " + pl.Mapping.KeepID
	}
	p.wrapped("ids", ids)
	if pl.Mapping.Flat {
		p.wrapped("namespaces", "the target has none, or not as many: all go into one collection, and "+pl.Mapping.KeepNamespace+" says from which")
	}
	fmt.Fprintln(p.out)
	t := table{columns: []column{{head: "NAMESPACE", keep: true}, {head: "RECORDS", right: true, keep: true}}}
	for _, ns := range f.Source.Namespaces {
		if slices.Contains(pl.Namespaces, ns.Name) {
			t.row(orDefault(ns.Name), count(ns.Count))
		}
	}
	p.print(&t)
	if len(f.Fields) > 0 {
		fmt.Fprintln(p.out)
		t := table{columns: []column{{head: "FIELD", keep: true}, {head: "IS", keep: true}, {head: "BECOMES", keep: true}, {head: "WHY", below: true}}}
		for i := range f.Fields {
			x := &f.Fields[i]
			t.row(x.Name, kindsOf(x), orNone(x.As), x.Why)
		}
		p.print(&t)
	}
	fmt.Fprintln(p.out)
	if len(f.Losses) == 0 {
		fmt.Fprintf(p.out, "nothing is lost, by a sample of %s\n", plural(f.Sampled, "record"))
	}
	for _, l := range f.Losses {
		line := "lost: " + l.What
		if l.Share > 0 {
			line += fmt.Sprintf(" (%s of the sample)", percent(l.Share))
		}
		line += ": " + l.Why
		fmt.Fprintln(p.out, wrap(tame(line), p.width(), "\n  "))
	}
	fmt.Fprintln(p.out)
	s := &f.Size
	p.wrapped("size", fmt.Sprintf("%s, about %s", plural(int(s.Records), "record"), size(s.Bytes)))
	if s.Seconds > 0 {
		p.wrapped("at least", fmt.Sprintf("%s, by the source's limits", (time.Duration(s.Seconds)*time.Second).Round(time.Second)))
	}
	if s.ReadUnits > 0 {
		p.wrapped("read units", fmt.Sprintf("%s for the copy and its verification: %s USD", count(s.ReadUnits), s.Reading.StringFixed(2)))
	}
	if !s.Egress.IsZero() {
		p.wrapped("egress", s.Egress.StringFixed(2)+" USD, if the target is outside the source's cloud")
	}
	if pl.Embed != nil {
		p.printQuoted(pl)
	}
	for _, m := range f.Memory {
		p.wrapped("target", fmt.Sprintf("%s: %s of memory, %s of disk, about %s USD a month", m.Vectors, size(m.RAM), size(m.Disk), m.Monthly.StringFixed(2)))
	}
	p.wrapped("source", f.Perimeter.Source)
	p.wrapped("goes to", f.Perimeter.Target)
	verdict := f.Perimeter.Verdict
	if f.Perimeter.Why != "" {
		verdict += ": " + f.Perimeter.Why
	}
	p.wrapped("perimeter", verdict)
	p.wrapped("writers", f.Writers)
	for _, a := range f.Assumed {
		p.wrapped("assumed", a)
	}
}

func orDefault(namespace string) string {
	if namespace == "" {
		return "(default)"
	}
	return namespace
}

func vectorsOf(specs []vector.Spec) string {
	var out []string
	for _, s := range specs {
		text := string(s.Form)
		if s.Dim > 0 {
			text = fmt.Sprintf("%s of %d", s.Form, s.Dim)
		}
		if text += ", " + string(s.Metric); s.Name != "" {
			text = s.Name + ": " + text
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

func kindsOf(f *plan.Field) string {
	var out []string
	for _, k := range []vector.Kind{vector.Text, vector.Int, vector.Float, vector.Bool, vector.List, vector.Map, vector.Null} {
		if n := f.Kinds[k.String()]; n > 0 {
			out = append(out, fmt.Sprintf("%s %s", count(int64(n)), k))
		}
	}
	return strings.Join(out, ", ")
}

// printCopied says what a copy has come to.
func (p *program) printCopied(out *copied) {
	t := &out.Tally
	p.fields("copy", out.ID, "from", out.From, "to", out.To)
	of := count(t.Listed) + " listed"
	if out.Given {
		of = count(out.Has) + " that the source says it has"
	}
	p.wrapped("copied", fmt.Sprintf("%s of %s, %s in %.1f s", count(t.Copied), of, size(t.Bytes), out.Seconds))
	if out.Indexing >= 0.1 {
		p.wrapped("index", fmt.Sprintf("made in %.1f s", out.Indexing))
	}
	if t.Gone > 0 {
		p.wrapped("gone", plural(int(t.Gone), "record")+" went from the source during the copy")
	}
	if t.Refused > 0 {
		p.wrapped("refused", fmt.Sprintf("%s: %s", plural(int(t.Refused), "record"), out.Refused))
	}
	if s := out.Embedded; s != nil {
		cost := money(s.USD, "USD")
		if s.Unknown > 0 {
			cost += fmt.Sprintf(" and %s of unknown cost", plural(s.Unknown, "request"))
		}
		p.wrapped("embedded", fmt.Sprintf("%s by %s in this run, %s, %s", plural(int(s.Texts), "text"), plural(int(s.Asked), "request"), plural(int(s.Tokens), "token"), cost))
	}
	if out.Verify != nil {
		p.wrapped("verified", verdict(out.Verify))
		p.printGiven(out.Verify.Given)
		for i := range out.Verify.Exact {
			x := &out.Verify.Exact[i]
			if x.Queries == 0 {
				p.wrapped("recall", fmt.Sprintf("%s: %s", asked(x.Vector, x.K, x.Filtered), unasked(0, x.Failure)))
				continue
			}
			p.wrapped("recall", fmt.Sprintf("%s: the target finds %s of the exact neighbours", asked(x.Vector, x.K, x.Filtered), recalled(x.Queries, &x.Target)))
		}
		p.printDifferences(out.Verify)
	}
	switch {
	case out.Alias != "" && out.AliasWas != "":
		p.wrapped("alias", fmt.Sprintf("%s, in the place of %s", out.Alias, out.AliasWas))
	case out.Alias != "":
		p.wrapped("alias", out.Alias)
	}
}

// printGiven says what the ids of --ids are not of.
func (p *program) printGiven(g *transfer.GivenReport) {
	if g.Whole() {
		return
	}
	if len(g.Short) > 0 {
		var out []string
		for _, s := range g.Short {
			out = append(out, fmt.Sprintf("%s of %s in %s", count(s.Read), count(s.Has), orDefault(s.Namespace)))
		}
		p.wrapped("by --ids", strings.Join(out, ", ")+"; the source says so, and its counts may lag behind writes")
	}
	if g.Nowhere > 0 {
		const most = 20
		out := strings.Join(g.Some[:min(most, len(g.Some))], ", ")
		if more := g.Nowhere - int64(min(most, len(g.Some))); more > 0 {
			out += fmt.Sprintf(" and %s more", count(more))
		}
		p.wrapped("nowhere", out)
	}
}

// partly says which ids were not given, or are of nothing.
func partly(g *transfer.GivenReport) string {
	var out []string
	if len(g.Short) > 0 {
		out = append(out, fmt.Sprintf("the ids of --ids are those of %s of %s that the source says it has", count(g.Read), plural(int(g.Has), "record")))
	}
	if g.Nowhere > 0 {
		out = append(out, fmt.Sprintf("%s of --ids %s in no namespace", plural(int(g.Nowhere), "id"), agree(g.Nowhere, "is", "are")))
	}
	return strings.Join(out, "; ")
}

func verdict(r *transfer.Report) string {
	if !r.Given.Whole() {
		rest, of := *r, ""
		if rest.Given = nil; r.Given.Read > 0 {
			of = "; of what was read: " + verdict(&rest)
		}
		return "no: " + partly(r.Given) + of
	}
	if r.Compared == 0 && r.Same() {
		return "no record was there to be compared, and the target has nothing else"
	}
	if x := r.Embedded; x != nil && r.Same() {
		return fmt.Sprintf("%s, with vectors of the model (%s asked once more), and nothing else", allThere(r.Compared), plural(x.Texts, "text"))
	}
	if r.Same() {
		out := allThere(r.Compared) + exactly(r) + ", and nothing else"
		if r.Rounded > 0 {
			out += "; " + rounded(r.Rounded)
		}
		return out
	}
	return fmt.Sprintf("no: of %s %s missing, %s altered; %s extra", plural(int(r.Compared), "record"), count(r.Missing), count(r.Altered), count(r.Extra))
}

func allThere(n int64) string {
	return agree(n, "the one record is there", "all of "+plural(int(n), "record")+" are there")
}

// exactly says how closely records were compared.
func exactly(r *transfer.Report) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(r.Near)) {
		out = append(out, strings.TrimSpace("vector "+name)+" by its "+r.Near[name])
	}
	rest := "to the last byte"
	if len(out) > 0 {
		rest = "all else " + rest
	}
	if r.Rounded > 0 {
		rest += " but for the last bit of doubles"
	}
	return ", " + strings.Join(append(out, rest), ", ")
}

// rounded says what a store has done to doubles, which is no difference.
func rounded(n int64) string {
	return fmt.Sprintf("%s of fields %s kept as the double beside, and a filter by the exact value does not find %s", plural(int(n), "number"), agree(n, "is", "are"), agree(n, "it", "them"))
}

// whose is a record by the source's id and namespace, with the target's id where that is
// another one.
func whose(d *vector.Difference) (id, namespace string) {
	switch of := d.Source; {
	case of == nil:
		return d.ID, d.Namespace
	case of.ID == d.ID:
		return of.ID, of.Namespace
	default:
		return fmt.Sprintf("%s (%s)", of.ID, d.ID), of.Namespace
	}
}

// countsOf are the namespaces of the source, where the target has them in one, with what
// that has in all.
func countsOf(r *transfer.Report) (out [][]string) {
	row := func(name string, ns *transfer.NamespaceReport) {
		out = append(out, []string{name, count(ns.Want), count(ns.Have), ns.Digest})
	}
	for i := range r.Folded {
		row(orDefault(r.Folded[i].Name), &r.Folded[i])
	}
	for i := range r.Namespaces {
		ns := &r.Namespaces[i]
		name := orDefault(ns.Name)
		if len(r.Folded) > 0 && ns.Name == "" {
			name = "(all)"
		}
		row(name, ns)
	}
	return out
}

func (p *program) printDifferences(r *transfer.Report) {
	if len(r.Differences) == 0 {
		return
	}
	fmt.Fprintln(p.out)
	t := table{columns: []column{{head: "ID", keep: true}, {head: "NAMESPACE"}, {head: "DIFFERS IN", keep: true}, {head: "SHOULD BE", below: true}, {head: "IS", below: true}}}
	for _, d := range r.Differences {
		id, ns := whose(&d)
		t.row(id, orDefault(ns), strings.TrimSpace(d.What), d.Want, d.Got)
	}
	p.print(&t)
}

// printVerified shows what a verification found.
func (p *program) printVerified(r *transfer.Report, e *ends) {
	p.fields("from", e.fromURL, "to", e.toURL)
	p.wrapped("verified", verdict(r))
	p.printGiven(r.Given)
	if r.Refused > 0 {
		p.wrapped("refused", plural(int(r.Refused), "record")+agree(r.Refused, " is", " are")+" known not to be there")
	}
	fmt.Fprintln(p.out)
	t := table{columns: []column{{head: "NAMESPACE", keep: true}, {head: "SHOULD HAVE", right: true, keep: true}, {head: "HAS", right: true, keep: true}, {head: "IDS", below: true}}}
	for _, row := range countsOf(r) {
		t.row(row...)
	}
	p.print(&t)
	if x := r.Embedded; x != nil {
		fmt.Fprintln(p.out)
		p.wrapped("embedded", fmt.Sprintf("%s asked once more: %s "+agree(x.Differ, "differs", "differ")+", and the least alike has a cosine of %.4f", plural(x.Texts, "text"), count(int64(x.Differ)), x.Worst))
	}
	if len(r.Search) > 0 {
		fmt.Fprintln(p.out)
		t := table{columns: []column{{head: "NEIGHBOURS OF", keep: true}, {head: "QUERIES", right: true, keep: true}, {head: "FOUND BY BOTH", right: true, keep: true}, {head: "WORST", right: true, keep: true}, {head: "FAILED", below: true}}}
		for _, s := range r.Search {
			t.row(asked(s.Vector, s.K, s.Filtered), count(int64(s.Queries)), recalled(s.Queries, &s.Overlap), recalled(s.Queries, &s.Worst), unasked(s.Queries, s.Failure))
		}
		p.print(&t)
	}
	if len(r.Exact) > 0 {
		fmt.Fprintln(p.out)
		t := table{columns: []column{{head: "EXACT NEIGHBOURS OF", keep: true}, {head: "QUERIES", right: true, keep: true}, {head: "SOURCE FINDS", right: true, keep: true}, {head: "TARGET FINDS", right: true, keep: true}, {head: "WORST", right: true, keep: true}, {head: "FAILED", below: true}}}
		for _, s := range r.Exact {
			t.row(asked(s.Vector, s.K, s.Filtered), count(int64(s.Queries)), recalled(s.Queries, s.Source), recalled(s.Queries, &s.Target), recalled(s.Queries, &s.Worst), unasked(s.Queries, s.Failure))
		}
		p.print(&t)
	}
	p.printDifferences(r)
}

// asked is what neighbours were looked for of.
func asked(name string, k int, filtered bool) string {
	out := cmp.Or(name, "the vector") + fmt.Sprintf(", %d", k)
	if filtered {
		out += ", with a filter"
	}
	return out
}

// unasked says of neighbours that nothing could be asked for, and why; else what failed.
func unasked(queries int, failure string) string {
	if queries == 0 && failure != "" {
		return "not measured, every query failed: " + failure
	}
	return failure
}

// recalled is a share of what was asked for, - where it was not.
func recalled(queries int, share *float64) string {
	if queries == 0 || share == nil {
		return orNone("")
	}
	return percent(*share)
}

// verifyHTML is the report as a page.
func verifyHTML(r *transfer.Report, e *ends) string {
	var b strings.Builder
	text := func(s string) string { return html.EscapeString(tame(s)) }
	fmt.Fprintf(&b, "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Verification</title>\n<style>%s</style>\n<h1>%s</h1>\n<p>%s</p>\n<p class=\"facts\">%s UTC, %.1f s</p>\n",
		reportStyle, text(e.fromURL+" to "+e.toURL), text(verdict(r)), at(r.Started), r.Took)
	rows := func(title string, head []string, cells [][]string) {
		if len(cells) == 0 {
			return
		}
		fmt.Fprintf(&b, "<h2>%s</h2>\n<table>\n<tr>", title)
		for _, h := range head {
			fmt.Fprintf(&b, "<th>%s</th>", text(h))
		}
		b.WriteString("</tr>\n")
		for _, row := range cells {
			b.WriteString("<tr>")
			for _, c := range row {
				fmt.Fprintf(&b, "<td>%s</td>", text(c))
			}
			b.WriteString("</tr>\n")
		}
		b.WriteString("</table>\n")
	}
	var searches, exact, differences, given, nowhere [][]string
	for _, s := range r.Search {
		searches = append(searches, []string{asked(s.Vector, s.K, s.Filtered), count(int64(s.Queries)), recalled(s.Queries, &s.Overlap), recalled(s.Queries, &s.Worst), unasked(s.Queries, s.Failure)})
	}
	for _, s := range r.Exact {
		exact = append(exact, []string{asked(s.Vector, s.K, s.Filtered), count(int64(s.Queries)), recalled(s.Queries, s.Source), recalled(s.Queries, &s.Target), recalled(s.Queries, &s.Worst), unasked(s.Queries, s.Failure)})
	}
	for _, d := range r.Differences {
		id, ns := whose(&d)
		differences = append(differences, []string{id, orDefault(ns), d.What, d.Want, d.Got})
	}
	if !r.Given.Whole() {
		for _, s := range r.Given.Short {
			given = append(given, []string{orDefault(s.Namespace), count(s.Read), count(s.Has)})
		}
		for _, id := range r.Given.Some {
			nowhere = append(nowhere, []string{id})
		}
	}
	rows("Records whose ids were not given", []string{"namespace", "read", "the source says it has"}, given)
	rows("Ids that are in no namespace", []string{"id"}, nowhere)
	rows("Counts", []string{"namespace", "should have", "has", "digest of the ids"}, countsOf(r))
	rows("Neighbours", []string{"of", "queries", "found by both", "worst", "failed"}, searches)
	rows("Exact neighbours", []string{"of", "queries", "source finds", "target finds", "worst", "failed"}, exact)
	rows("Differences", []string{"id", "namespace", "differs in", "should be", "is"}, differences)
	b.WriteString("</html>\n")
	return b.String()
}
