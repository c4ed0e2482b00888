package portability

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"freehold/internal/dialect"
	"freehold/internal/fleet"
	"freehold/internal/llm"
	"freehold/internal/variant"
)

// Severity says what becomes of the requests.
type Severity string

// The severities, the worst first.
const (
	Breaks  Severity = "breaks"  // refused, or not what was asked for
	Changes Severity = "changes" // answered, and not as before
	Fine    Severity = "fine"
)

func (s Severity) rank() int { return slices.Index([]Severity{Breaks, Changes, Fine}, s) }

// Kinds of findings.
const (
	Operation = "operation"
	Feature   = "feature"
	Parameter = "parameter"
	Context   = "context"   // the length of prompts
	Answer    = "answer"    // the length of answers
	Language  = "language"  // of prompts, of the requests of which it is known
	Tuning    = "fine_tune" // models that were tuned at a vendor
	Perimeter = "perimeter" // where the data may go
)

// Finding is one thing that the traffic uses, and what the target does with it.
type Finding struct {
	Kind     string
	Name     string
	Requests int64   // that use it
	Share    float64 // of all, 0 to 1
	Severity Severity
	What     string // happens
	Do       string // about it; empty: nothing
}

// Report is what a switch would change.
type Report struct {
	Requests int64
	// Broken is how many of them use a feature, parameter or operation that breaks.
	Broken   int64
	Findings []Finding // the worst first, then by requests
}

// Target is the model to which the traffic would go, in the place of a workload's own.
type Target struct {
	Model  *fleet.Model
	Route  *fleet.Route // of the workload
	Codecs map[string]dialect.Codec
	// Drop: parameters that are not supported are left out and reported.
	Drop bool
	// Permit says why the workload's data may not go to a deployment, or "".
	Permit func(*fleet.Deployment) string
}

// Check says what of the traffic would break or change at the target.
func Check(t *Traffic, at *Target) Report {
	c := &checker{t: t, at: at, v: at.Route.Variant(at.Model)}
	c.perimeter()
	c.uses()
	c.lengths()
	c.tuned()
	c.spoken()
	slices.SortStableFunc(c.out.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Severity.rank(), b.Severity.rank()), cmp.Compare(b.Requests, a.Requests),
			strings.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name), strings.Compare(a.What, b.What))
	})
	c.out.Requests = t.Requests
	return c.out
}

type checker struct {
	t   *Traffic
	at  *Target
	v   *variant.Variant
	may []*fleet.Deployment // who may be asked
	out Report
}

func (c *checker) find(f Finding) {
	if c.t.Requests > 0 {
		f.Share = float64(f.Requests) / float64(c.t.Requests)
	}
	c.out.Findings = append(c.out.Findings, f)
}

// perimeter finds deployments that may not have the workload's data. What follows
// is about the others.
func (c *checker) perimeter() {
	var whys []string
	for _, d := range c.at.Model.Deployments {
		why := ""
		if c.at.Permit != nil {
			why = c.at.Permit(d)
		}
		if why == "" {
			c.may = append(c.may, d)
			continue
		}
		whys = append(whys, d.Name+": "+why)
	}
	if len(whys) == 0 {
		return
	}
	f := Finding{Kind: Perimeter, Name: strings.Join(c.at.Route.Classes, ", "), Requests: c.t.Requests, Severity: Changes,
		What: "not all deployments may have the data: " + strings.Join(whys, "; "), Do: "nothing, if the others are enough"}
	if len(c.may) == 0 {
		f.Severity, f.What = Breaks, "no deployment may have the data: "+strings.Join(whys, "; ")
		f.Do = "add a deployment inside the perimeter, or see freehold perimeter check"
		c.may = c.at.Model.Deployments // the rest is told all the same
	}
	c.find(f)
}

// uses puts every operation, feature and parameter that is used to the test.
func (c *checker) uses() {
	counts := c.t.uses()
	found, broken := map[use]Finding{}, map[use]bool{}
	for u, n := range counts {
		f := c.judge(u)
		f.Kind, f.Name, f.Requests = u.kind, u.name, n
		broken[u] = f.Severity == Breaks
		// What is the same for all clients is one finding.
		all := use{kind: u.kind, name: u.name, operation: string(f.Severity), dialect: f.What}
		if had, ok := found[all]; ok {
			f.Requests += had.Requests
		}
		found[all] = f
	}
	for _, f := range found {
		c.find(f)
	}
	for s, n := range c.t.shapes {
		for u := range s.uses {
			if broken[u] {
				c.out.Broken += n
				break
			}
		}
	}
}

// judge says what the deployments do with one use. The best of them counts, for
// it is asked; that others cannot is a change.
func (c *checker) judge(u use) Finding {
	var best *Finding
	var cannot []string
	for _, d := range c.may {
		f := c.try(d, u)
		if f.Severity == Breaks {
			cannot = append(cannot, d.Name+": "+f.What)
		}
		if best == nil || f.Severity.rank() > best.Severity.rank() {
			best = &f
		}
	}
	switch {
	case best == nil:
		return Finding{Severity: Breaks, What: c.at.Model.Name + " has no deployment"}
	case best.Severity == Breaks:
		best.What = strings.Join(cannot, "; ")
	case len(cannot) > 0:
		best.Severity = Changes
		best.What = strings.TrimPrefix(best.What+"; fewer deployments are left: "+strings.Join(cannot, "; "), "; ")
	}
	return *best
}

// lengths finds prompts and answers that are too long. A model's own tokens may be
// more or fewer; so may what its template adds.
func (c *checker) lengths() {
	grows := c.grows()
	var context, most int64 // of the deployment that takes most; 0: unknown
	for i, d := range c.may {
		if i == 0 || context > 0 && (d.Context == 0 || d.Context > context) {
			context = d.Context
		}
		if i == 0 || most > 0 && (d.MaxOutput == 0 || d.MaxOutput > most) {
			most = d.MaxOutput
		}
	}
	var over, near, cut int64
	for _, l := range c.t.lengths {
		switch all := l.in + l.out + grows; {
		case context <= 0:
		case all > context:
			over++
		case all > context-context/5:
			near++
		}
		if most > 0 && l.out > most {
			cut++
		}
	}
	p50, p95, longest := c.t.Lengths()
	told := fmt.Sprintf("prompts have %d tokens at the median, %d at the 95th percentile, %d at most", p50, p95, longest)
	switch {
	case len(c.t.lengths) == 0:
	case context <= 0:
		c.find(Finding{Kind: Context, Name: "unknown", Requests: c.t.Requests, Severity: Changes, What: told + "; the context of " + c.at.Model.Name + " is not known",
			Do: "set models." + c.at.Model.Name + ".context"})
	case over > 0:
		c.find(Finding{Kind: Context, Name: fmt.Sprint(context), Requests: over, Severity: Breaks, What: fmt.Sprintf("too long for a context of %d tokens; %s", context, told),
			Do: "a fallback with a larger context answers them (on_context_length: fallback), or send the application's long prompts elsewhere by a rule on prompt_tokens"})
	}
	if near > 0 {
		c.find(Finding{Kind: Context, Name: fmt.Sprint(context), Requests: near, Severity: Changes, What: fmt.Sprintf("within a fifth of the context of %d tokens: another tokenizer may count more", context),
			Do: "try the longest of them"})
	}
	if context > 0 && over+near == 0 && len(c.t.lengths) > 0 {
		c.find(Finding{Kind: Context, Name: fmt.Sprint(context), Requests: int64(len(c.t.lengths)), Severity: Fine, What: told})
	}
	if cut > 0 {
		c.find(Finding{Kind: Answer, Name: fmt.Sprint(most), Requests: cut, Severity: Changes, What: fmt.Sprintf("answers were longer than the %d tokens that the model gives at most", most),
			Do: "ask for less in one answer"})
	}
}

// bytesPerToken is how long a token of a system prompt is taken for, in bytes.
const bytesPerToken = 4

// grows is by how many tokens the variant's system prompt is longer than none: how
// long the client's is, that it may replace, is not on record.
func (c *checker) grows() int64 {
	if c.v == nil || c.v.Mode == variant.Replace {
		return 0
	}
	return int64(len(c.v.System) / bytesPerToken)
}

// tuned finds answers of models that were tuned at a vendor: what they have
// learnt stays there.
func (c *checker) tuned() {
	byModel := map[string]int64{}
	for id, n := range c.t.ids {
		if tunedID(id) {
			byModel[id] += n
		}
	}
	for _, id := range slices.Sorted(maps.Keys(byModel)) {
		c.find(Finding{Kind: Tuning, Name: id, Requests: byModel[id], Severity: Breaks, What: "was tuned at its vendor, and what it has learnt cannot be taken along",
			Do: "tune " + c.at.Model.Name + " on captured answers, or write what was learnt into a variant's system prompt; then compare"})
	}
}

// tunedID reports a provider's name of a model that its customer has tuned:
// ft:gpt-4o-mini-2024-07-18:org::id (OpenAI, Mistral), custom models of Bedrock,
// endpoints of Vertex AI (their documentation, 2026-11).
func tunedID(id string) bool {
	return strings.HasPrefix(id, "ft:") || strings.Contains(id, ":ft-") || strings.Contains(id, ":custom-model") || strings.Contains(id, "custom-model/") ||
		strings.HasPrefix(id, "projects/") && strings.Contains(id, "/endpoints/")
}

// spoken tells of the languages. No list says how well a model has one: that only
// answers show.
func (c *checker) spoken() {
	known := int64(0)
	for _, n := range c.t.languages {
		known += n
	}
	for _, l := range slices.Sorted(maps.Keys(c.t.languages)) {
		n := c.t.languages[l]
		f := Finding{Kind: Language, Name: l, Requests: n, Severity: Fine, What: fmt.Sprintf("%d of %d prompts that were looked at", n, known)}
		if l != "en" {
			f.Severity, f.Do = Changes, "compare answers in this language by themselves: models differ more in it than in English"
		}
		c.find(f)
		c.out.Findings[len(c.out.Findings)-1].Share = float64(n) / float64(known)
	}
}

// try puts a sample of a use through the codecs for one deployment.
func (c *checker) try(d *fleet.Deployment, u use) Finding {
	op := llm.Operation(u.operation)
	switch {
	case d.Path[op] == "" && op == llm.CountTokens:
		return Finding{Severity: Changes, What: "tokens are estimated here: the provider cannot count them"}
	case d.Path[op] == "":
		return Finding{Severity: Breaks, What: "provider " + d.Provider.Name + " has no " + u.operation + " endpoint", Do: "ask for " + string(llm.Chat) + " in the application"}
	case op == llm.Embedding && d.Model.Mode != "embedding":
		return Finding{Severity: Breaks, What: d.Model.Name + " makes no embeddings", Do: "keep a model for embeddings: vectors of another one do not fit to those that are stored"}
	}
	if u.kind == Operation && op == llm.Embedding {
		return Finding{Severity: Breaks, What: "vectors of another model do not fit to those that are stored", Do: "embed all that is stored anew"}
	}
	if f, lacks := c.lacks(d, u); lacks {
		return f
	}
	f := c.sample(d, u)
	if note, ok := notes[u.name]; ok && u.kind == Feature && f.Severity == Fine {
		if what := note(d, u.dialect == d.Provider.Codec.Name()); what != "" {
			f.Severity, f.What = Changes, what
		}
	}
	if f.Severity != Fine && f.Do == "" {
		f.Do = advice(u)
	}
	return f
}

// lacks finds a feature that the deployment is known not to have.
func (c *checker) lacks(d *fleet.Deployment, u use) (Finding, bool) {
	if u.kind != Feature {
		return Finding{}, false
	}
	bits := d.Lacks
	if l, ok := d.Sender.(fleet.Limited); ok {
		bits |= l.Lacks() &^ d.Has
	}
	for _, name := range (c.v.Features(bits)).Names() {
		if name == u.name {
			return Finding{Severity: Breaks, What: "lacks " + name, Do: advice(u)}, true
		}
	}
	return Finding{}, false
}
