package routing

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"freehold/internal/fleet"
	"freehold/internal/health"
	"freehold/internal/llm"
	"freehold/internal/rule"
)

// Class is what a prompt asks for, as far as it can be told.
type Class struct {
	Task                   string // one of rule.Tasks
	Confidence, Complexity float64
	Model                  string // version of the routing model that says so
}

// Decision is what the rules did.
type Decision struct {
	// Rule is the one that matched, nil if none did.
	Rule *fleet.Rule
	// Because are the values that it saw.
	Because string
	// Class is set where somebody asked for it. Unsure: the workload wants more
	// confidence, and rules saw no task.
	Class  *Class
	Unsure bool
	// Language is set where a rule asked for it.
	Language string

	dry    []*fleet.Rule // that matched
	failed []failure
	// Rulings are all rules, in a traced plan.
	Rulings []Ruling
}

// failure is a rule that could not be evaluated.
type failure struct {
	rule *fleet.Rule
	err  error
}

// Ruling is one rule's part in a decision.
type Ruling struct {
	Rule *fleet.Rule
	// Reached is false for those behind the one that decided.
	Reached, Matched bool
	Values           string
	Err              error
}

// Tally counts what the rules did. It belongs to requests, not to explanations.
func (d *Decision) Tally() {
	if d.Rule != nil {
		d.Rule.Counts.Matches.Add(1)
	}
	for _, r := range d.dry {
		r.Counts.Matches.Add(1)
	}
	for _, f := range d.failed {
		f.rule.Counts.Errors.Add(1)
	}
}

// append renders the decision for the ledger.
func (d *Decision) append(b []byte) []byte {
	if d.Rule != nil {
		b = append(append(b, " | rule "...), d.Rule.Name...)
		b = append(append(b, ": "...), d.Because...)
	}
	for _, r := range d.dry {
		b = append(append(b, " | dry rule "...), r.Name...)
		b = append(b, " would match"...)
	}
	for _, f := range d.failed {
		b = append(append(b, " | rule "...), f.rule.Name...)
		b = append(append(b, " failed: "...), strings.ReplaceAll(f.err.Error(), " | ", " / ")...)
	}
	if c := d.Class; c != nil {
		b = append(append(b, " | task "...), c.Task...)
		if d.Unsure {
			b = append(b, " (unsure)"...)
		}
		b = strconv.AppendFloat(append(b, ", confidence "...), c.Confidence, 'f', 2, 64)
		b = strconv.AppendFloat(append(b, ", complexity "...), c.Complexity, 'f', 2, 64)
	}
	return b
}

// evaluation is the memory that rules are evaluated in.
type evaluation struct {
	in     *Input
	values rule.Values
	have   rule.Set
}

var evaluations = sync.Pool{New: func() any { return new(evaluation) }}

// decide finds the models that are asked: the first matching rule's, else the
// route's own.
func (p *Plan) decide(in *Input) []*fleet.Model {
	rules := in.Route.Rules
	if len(rules) == 0 && !in.Trace {
		return in.Route.Models
	}
	e := evaluations.Get().(*evaluation)
	numbers, states := e.values.Numbers[:0], e.values.States[:0]
	*e = evaluation{in: in, values: rule.Values{Numbers: numbers, States: states}}
	defer func() {
		e.in = nil
		evaluations.Put(e)
	}()
	if in.Trace && in.Classify != nil {
		p.classify(e)
	}
	for i, r := range rules {
		err := p.fill(e, r)
		match := false
		if err == nil {
			match, err = r.Condition.Match(&e.values)
		}
		if in.Trace {
			p.Rulings = append(p.Rulings, ruling(e, r, match, err))
		}
		switch {
		case err != nil:
			p.failed = append(p.failed, failure{r, err})
		case match && r.Dry:
			p.dry = append(p.dry, r)
		case match:
			p.Rule, p.Because = r, string(r.Condition.Append(make([]byte, 0, 64), &e.values))
			if in.Trace {
				for _, rest := range rules[i+1:] {
					p.Rulings = append(p.Rulings, Ruling{Rule: rest})
				}
			}
			return r.Models
		}
	}
	return in.Route.Models
}

func ruling(e *evaluation, r *fleet.Rule, match bool, err error) Ruling {
	out := Ruling{Rule: r, Reached: true, Matched: match, Err: err}
	if len(e.values.Numbers)+len(e.values.States) == len(r.Condition.Live()) { // all could be looked up
		out.Values = string(r.Condition.Append(nil, &e.values))
	}
	return out
}

var (
	errUnclassified = errors.New("nobody can tell task and complexity here")
	errSpend        = errors.New("what was spent today is not known")
)

// fill sets what the rule's condition reads.
func (p *Plan) fill(e *evaluation, r *fleet.Rule) error {
	in, v := e.in, &e.values
	e.values.Numbers, e.values.States = e.values.Numbers[:0], e.values.States[:0]
	need := r.Condition.Uses() &^ e.have
	if need != 0 {
		if need.Has(rule.Classified) {
			if in.Classify == nil {
				return errUnclassified
			}
			p.classify(e)
		}
		if need.Has(rule.Language) && in.Language != nil {
			v.Language = in.Language()
			p.Language = v.Language
		}
		if need.Has(rule.Draw) && in.Draw != nil {
			v.Draw = in.Draw()
		}
		if need.Has(rule.Hour | rule.Day) {
			at := in.Now
			if in.Location != nil {
				at = at.In(in.Location)
			}
			v.Hour, v.Day = at.Hour(), days[at.Weekday()]
		}
		f := in.Facts
		v.PromptTokens, v.MaxTokens, v.Turns = int(in.PromptTokens), int(f.MaxTokens), f.Turns
		v.HasTools = f.Features&(llm.FeatureTools|llm.FeatureServerTools) != 0
		v.HasImages = f.Features.Has(llm.FeatureImages)
		v.JSON = f.Features&(llm.FeatureJSONObject|llm.FeatureJSONSchema) != 0
		v.Stream = f.Stream
		v.Key, v.Tags, v.DataClass = in.Key, in.Tags, in.Classes
		e.have |= need
	}
	for i, l := range r.Condition.Live() {
		switch {
		case l.Kind == rule.SpendToday:
			if in.Spend == nil {
				return errSpend
			}
			usd, ok := in.Spend(l.Target)
			if !ok {
				return errSpend
			}
			v.Numbers = append(v.Numbers, usd)
		case l.Kind.State():
			v.States = append(v.States, state(r.Targets[i], in))
		default:
			n, err := live(l.Kind, r.Targets[i], in.Now)
			if err != nil {
				return err
			}
			v.Numbers = append(v.Numbers, n)
		}
	}
	return nil
}

var days = [...]string{time.Sunday: "sun", time.Monday: "mon", time.Tuesday: "tue", time.Wednesday: "wed",
	time.Thursday: "thu", time.Friday: "fri", time.Saturday: "sat"}

func (p *Plan) classify(e *evaluation) {
	c := e.in.Classify()
	p.Class, p.Unsure = new(c), c.Confidence < e.in.Route.Confidence
	if p.Unsure {
		c.Task = ""
	}
	e.values.Task, e.values.Confidence, e.values.Complexity = c.Task, c.Confidence, c.Complexity
	e.have |= rule.Classified
}

// state is the best state among deployments, in the words of rule.Health.
func state(ds []*fleet.Deployment, in *Input) string {
	best := len(rule.Health) - 1
	for _, d := range ds {
		if u, ok := d.Sender.(fleet.Unready); ok && u.Unready() != "" {
			continue
		}
		switch v := d.Health.Check(in.Now); {
		case v.OK && !v.Trial:
			best = 0
		case v.OK:
			best = min(best, 1)
		case v.State == health.Cooling:
			best = min(best, 2)
		}
	}
	return rule.Health[best]
}

// live is a number about deployments: of several that of the one that is best
// off, for there the next request would go; in flight, all of theirs.
func live(k rule.Kind, ds []*fleet.Deployment, now time.Time) (float64, error) {
	out, first := 0.0, true
	for _, d := range ds {
		var n float64
		switch k {
		case rule.InFlightOf:
			out += float64(d.Health.InFlight())
			continue
		case rule.QueueOf:
			n = float64(d.Health.Queued())
		case rule.FirstTokenOf:
			if n = float64(d.Health.FirstToken(now, usual).Milliseconds()); n == 0 {
				continue // nothing known
			}
		default:
			return 0, fmt.Errorf("live value %d is not known", k)
		}
		if first || n < out {
			out, first = n, false
		}
	}
	return out, nil
}
