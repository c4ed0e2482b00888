package cli

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"freehold/internal/admin"
	"freehold/internal/fault"
	"freehold/internal/ledger"
)

func (p *program) whyCommand() *cobra.Command {
	return p.facts(&cobra.Command{
		Use:   "why REQUEST_ID",
		Short: "Show how a past request was decided and how it went",
		Long: `why shows what is on record of one request: the plan (who might answer, in
order, and who not and why), the version of the configuration, each attempt with
its timings, where the answer changed deployments, dropped parameters, money,
and the caller's feedback (POST /v1/feedback), if there is any.
The id is in the header x-request-id of every answer, also of vector indexes: of
their requests it shows which store answered, and what it took of the time.`,
		Example: `  freehold why 01936f5e-7c1a-7000-8000-1b2c3d4e5f60`,
		Args:    takes(1, 1),
		RunE: func(c *cobra.Command, a []string) error {
			out, err := call(c.Context(), p, admin.Why, admin.WhyIn{ID: a[0]})
			if err != nil || p.json {
				return p.done(out, err)
			}
			p.printWhy(out)
			return nil
		},
	})
}

// fields prints names and values, the empty ones left out. A value that is wider than
// the terminal goes on below itself.
func (p *program) fields(pairs ...string) {
	for i := 0; i+1 < len(pairs); i += 2 {
		name, value := fmt.Sprintf("%-13s ", tame(pairs[i])), tame(pairs[i+1])
		if value == "" {
			continue
		}
		in := utf8.RuneCountInString(name)
		if room := p.width() - in; utf8.RuneCountInString(value) > room {
			value = wrap(value, room, "\n"+strings.Repeat(" ", in))
		}
		fmt.Fprintln(p.out, name+value)
	}
}

// indexDialect is that of requests of vector indexes.
const indexDialect = "pinecone"

// redirected is what stands for the fault of an answer that is a redirect: none is
// followed, so it is on record as one that cannot be understood.
const redirected = "redirect"

// faultOf is an attempt's fault in a word.
func faultOf(a *admin.Attempt) string {
	if a.Fault == string(fault.Malformed) && a.Status >= 300 && a.Status <= 399 {
		return redirected
	}
	return a.Fault
}

// detected lists what detectors found and did.
func detected(list []admin.Detection) string {
	var out []string
	for _, d := range list {
		out = append(out, fmt.Sprintf("%s: %d %s (%s)", d.Detector, d.Count, d.Kind, d.Action))
	}
	return strings.Join(out, ", ")
}

// cascaded is a cascade's decision in words.
func cascaded(c *ledger.Cascade) string {
	if c == nil {
		return ""
	}
	what := fmt.Sprintf("%s, %s by %s", c.Decision, plural(c.Attempts, "attempt"), c.By)
	if c.Cause != "" {
		what = fmt.Sprintf("%s (%s), %s by %s", c.Decision, c.Cause, plural(c.Attempts, "attempt"), c.By)
	}
	if c.By == "logprobs" {
		what += fmt.Sprintf(", margin %.3f", c.Margin)
	}
	return c.Model + ": " + what
}

// partOf is a request's part in a rollout in words.
func partOf(p *ledger.Part) string {
	if p == nil {
		return ""
	}
	return p.Rollout + ", " + string(p.Arm)
}

func (p *program) printWhy(w admin.WhyOut) {
	status := w.Outcome
	if w.Status > 0 {
		status += " (HTTP " + strconv.Itoa(w.Status) + ")"
	}
	if w.ErrorCode != "" {
		status += " " + w.ErrorCode
	}
	if w.Finish != "" {
		status += ", ended by " + w.Finish
	}
	tokens := fmt.Sprintf("%s in, %s out", count(w.Tokens.In), count(w.Tokens.Out))
	if w.Tokens.Cached > 0 {
		tokens += ", " + count(w.Tokens.Cached) + " cached"
	}
	if w.Tokens.Reasoning > 0 {
		tokens += ", " + count(w.Tokens.Reasoning) + " reasoning"
	}
	if w.Tokens.Estimated {
		tokens += " (estimated)"
	}
	cost := costOf(w.Cost, w.Currency)
	if w.CostSource != "" {
		cost += " (price: " + strings.TrimSpace(w.CostSource+" "+w.CostDate) + ")"
	}
	key := w.Key
	if w.KeyID != "" {
		key += " (" + w.KeyID + ")"
	}
	asked := w.Asked
	if w.Workload != "" && w.Workload != w.Asked {
		asked += " -> workload " + w.Workload
	}
	total := millis(w.Total)
	if w.FirstToken > 0 {
		total += ", first content after " + millis(w.FirstToken)
	}
	bytes := ""
	if w.Dialect == indexDialect { // it has no tokens, and what Pinecone takes is not known
		asked, tokens = strings.Join([]string{w.Asked, w.Operation}, ": "), ""
		bytes = size(w.BytesIn) + " in, " + size(w.BytesOut) + " out"
		if cost = ""; !w.Cost.Valid {
			cost = unknown + " (Pinecone counts units of its own)"
		}
	}
	p.fields("request", w.ID, "time", at(w.Time)+" UTC", "asked", asked, "outcome", status,
		"answered by", w.Deployment, "reason", w.Route, "key", key, "tenant", w.Tenant, "data classes", strings.Join(w.DataClasses, ", "), "detected", detected(w.Detected),
		"cascade", cascaded(w.Cascade), "rollout", partOf(w.Rollout), "drill", w.Drill, "tokens", tokens, "bytes", bytes, "cost", cost, "took", total, "features", strings.Join(w.Features, ", "),
		"parameters", strings.Join(w.Parameters, ", "), "language", w.Language,
		"dropped", strings.Join(w.Dropped, ", "), "tags", strings.Join(w.Tags, ", "), "routing model", w.RoutingModel, "config", w.ConfigVersion)
	if f := w.Feedback; f != nil {
		said := fmt.Sprintf("score %g", f.Score)
		if f.Task != "" {
			said += ", task " + f.Task
		}
		p.fields("feedback", said+" ("+at(f.Time)+" UTC)", "comment", f.Comment)
	}
	if w.Plan != "" {
		fmt.Fprintln(p.out, "\nplan")
		order, excluded, _ := strings.Cut(w.Plan, " | ")
		if order != "" {
			for i, c := range strings.Split(order, " > ") {
				if !strings.HasSuffix(c, ")") { // the one reason that is not on record
					c += " (model)"
				}
				p.say(fmt.Sprintf("  %d %s", i+1, c))
			}
		}
		if excluded != "" {
			for _, e := range strings.Split(excluded, " | ") {
				p.say("  " + e)
			}
		}
	}
	if len(w.Attempts) > 0 {
		fmt.Fprintln(p.out, "\nattempts")
		t := table{columns: []column{{head: "N", right: true, keep: true}, {head: "DEPLOYMENT"}, {head: "BECAUSE", whole: true}, {head: "OUTCOME", keep: true, below: true}, {head: "FAULT", below: true},
			{head: "HTTP", right: true, keep: true, below: true}, {head: "FIRST", right: true, keep: true, below: true}, {head: "TOTAL", right: true, keep: true, below: true}}}
		for i, a := range w.Attempts {
			code, cause := none, a.Cause
			if a.Status > 0 {
				code = strconv.Itoa(a.Status)
			}
			if i > 0 && cause == w.Attempts[i-1].Fault {
				cause = faultOf(&w.Attempts[i-1])
			}
			t.row(strconv.Itoa(a.N), a.Deployment, orNone(cause), a.Outcome, orNone(faultOf(&a)), code, millis(a.FirstByte), millis(a.Total))
		}
		p.print(&t)
		for _, a := range w.Attempts {
			if a.Variant != "" {
				fmt.Fprintf(p.out, "%d: variant %s\n", a.N, tame(a.Variant))
			}
			if a.Played {
				fmt.Fprintf(p.out, "%d: a drill made it fail or wait\n", a.N)
			}
			if a.Detail != "" {
				p.say(fmt.Sprintf("%d: %s", a.N, a.Detail))
			}
		}
	}
	for _, s := range w.Seams {
		fmt.Fprintln(p.out, "\n"+seam(s))
	}
}
