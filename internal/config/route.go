package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"freehold/internal/rule"
)

// Rule sends the requests that it matches to a model.
type Rule struct {
	// Name of the rule in metrics and explanations; absent takes its place in the list, from 1.
	Name string `yaml:"name"`
	// Condition, such as task == "summarize" && prompt_tokens < 6000; docs/rules.md lists what it may say.
	When string `yaml:"when" jsonschema:"required"`
	// Model that is asked first.
	Model string `yaml:"model" jsonschema:"required"`
	// Models asked after it. Absent: the workload's model and fallbacks.
	Fallbacks []string `yaml:"fallbacks"`
	// Count what the rule matches, and do not act on it.
	Dry bool `yaml:"dry" jsonschema:"default=false"`
}

// SLO is a promise of a workload: the percentile of its answers that is at
// least so fast.
type SLO struct {
	// Time to the first content of a streamed answer.
	FirstToken time.Duration `yaml:"first_token"`
	// Time to the end of an answer.
	Total time.Duration `yaml:"total"`
	// Percentile of answers that must be within these times.
	Percentile float64 `yaml:"percentile" jsonschema:"minimum=50,maximum=99.9,default=95"`
}

func (s *SLO) defaults() { s.Percentile = 95 }

// Chain are the models that a rule of w leads to, in the order in which they
// are asked.
func (w *Workload) Chain(r *Rule) []string {
	rest := append([]string{w.Model}, w.Fallbacks...)
	if r.Fallbacks != nil {
		rest = r.Fallbacks
	}
	out := []string{r.Model}
	for _, m := range rest {
		if !slices.Contains(out, m) {
			out = append(out, m)
		}
	}
	return out
}

// RuleNames are the names that conditions of this configuration may use.
func (c *Config) RuleNames() rule.Names {
	n := rule.Names{Classes: slices.Sorted(maps.Keys(c.DataClasses))}
	for _, name := range slices.Sorted(maps.Keys(c.Models)) {
		n.Targets = append(n.Targets, name)
		for i := range c.Models[name].Deployments {
			n.Targets = append(n.Targets, c.Models[name].DeploymentName(i))
		}
	}
	return n
}

// DeploymentName is the name of the model's i-th deployment: MODEL@PROVIDER,
// with #N from the second at one provider on.
func (m *Model) DeploymentName(i int) string {
	n := 1
	for _, d := range m.Deployments[:i] {
		if d.Provider == m.Deployments[i].Provider {
			n++
		}
	}
	name := m.Name + "@" + m.Deployments[i].Provider
	if n > 1 {
		name += fmt.Sprintf("#%d", n)
	}
	return name
}

var ruleName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// maxRules bounds what one request may be asked.
const maxRules = 100

func (c *checker) route(w *Workload, at []string) {
	if len(w.Route) > maxRules {
		c.rep.errorf(c.pos(at...), "", "%s has more than %d rules", label(at), maxRules)
		return
	}
	seen := map[string]bool{}
	for i, r := range w.Route {
		if r == nil {
			continue // told already
		}
		at := append(slices.Clone(at), fmt.Sprint(i))
		if r.Name == "" {
			r.Name = fmt.Sprint(i + 1)
		} else if !ruleName.MatchString(r.Name) {
			c.rep.errorf(c.pos(append(at, "name")...), "letters, digits, dots, dashes and underscores, at most 64", "%q is no name of a rule", r.Name)
		}
		if seen[r.Name] {
			c.rep.errorf(c.pos(append(at, "name")...), "rename one of them", "%s has two rules named %q", label([]string{"workloads", w.Name}), r.Name)
		}
		seen[r.Name] = true
		if r.Model != "" {
			c.candidate(w, r.Model, append(at, "model"))
		}
		for j, f := range r.Fallbacks {
			path := append(slices.Clone(at), "fallbacks", fmt.Sprint(j))
			if f == r.Model || slices.Contains(r.Fallbacks[:j], f) {
				c.rep.errorf(c.pos(path...), "name each model once", "%s asks %s twice", label(at), f)
				continue
			}
			c.candidate(w, f, path)
		}
		c.condition(r, append(at, "when"))
		if i > 0 && !r.Dry && always(w.Route[:i]) {
			c.rep.warnf(c.keyPos(at...), "take it away, or put it before", "the rule %q is never reached: one before it always matches", r.Name)
		}
	}
}

// always reports a rule that matches whatever comes.
func always(rules []*Rule) bool {
	return slices.ContainsFunc(rules, func(r *Rule) bool { return r != nil && !r.Dry && strings.TrimSpace(r.When) == "true" })
}

func (c *checker) condition(r *Rule, path []string) {
	if r.When == "" {
		return // told already
	}
	made, problems := rule.Compile(r.When, c.cfg.RuleNames())
	e := c.entry(path...)
	place := func(p rule.Problem) Pos {
		if e != nil && e.value.kind == kindScalar && e.value.text == r.When {
			return c.within(e.value, p.Offset)
		}
		return c.pos(path...)
	}
	for _, p := range problems {
		c.rep.errorf(place(p), p.Hint, "%s: %s", label(path), p.Message)
	}
	if made == nil {
		return
	}
	for _, p := range made.Doubts() {
		c.rep.warnf(place(p), p.Hint, "%s: %s", label(path), p.Message)
	}
}

func (c *checker) slo(s *SLO, at []string) {
	if s == nil {
		return
	}
	if s.FirstToken == 0 && s.Total == 0 {
		c.rep.errorf(c.pos(at...), "add first_token: 300ms or total: 5s", "%s promises nothing", label(at))
	}
	if s.Total > 0 && s.FirstToken > s.Total {
		c.rep.errorf(c.pos(append(slices.Clone(at), "first_token")...), "", "%s: the first token may take longer than the whole answer", label(at))
	}
}

// within is where the n-th character of a text stands in the file. Quotes,
// escapes and folded lines are passed over: the text's characters are looked
// for one after the other. What is not found leaves the last place found.
func (c *checker) within(v *node, n int) Pos {
	doc := c.cfg.doc
	if doc == nil || v.end > len(doc.text) || v.start >= v.end {
		return v.pos
	}
	src, at := doc.text[v.start:v.end], 0
	switch src[0] {
	case '"', '\'':
		at = 1
	case '|', '>':
		if i := strings.IndexByte(src, '\n'); i >= 0 {
			at = i + 1
		}
	}
	for _, want := range v.text {
		i := at
		if unicode.IsSpace(want) {
			for i < len(src) && !unicode.IsSpace(rune(src[i])) {
				i++
			}
		} else {
			for i < len(src) {
				r, size := utf8.DecodeRuneInString(src[i:])
				if r == want {
					break
				}
				i += size
			}
		}
		if i == len(src) {
			break
		}
		at = i
		if n--; n < 0 {
			break
		}
		_, size := utf8.DecodeRuneInString(src[i:])
		at += size
		if src[i] == '\n' { // a folded or indented line
			for at < len(src) && unicode.IsSpace(rune(src[at])) {
				at++
			}
		}
	}
	return doc.position(v.start + min(at, len(src)-1))
}

// position is the place of a byte offset.
func (d *document) position(at int) Pos {
	line, found := slices.BinarySearch(d.lines, at)
	if !found {
		line--
	}
	return Pos{line + 1, utf8.RuneCountInString(d.text[d.lines[line]:at]) + 1}
}
