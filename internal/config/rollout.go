package config

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"freehold/internal/judge"
	"freehold/internal/suggest"
)

// Rollout is the plan by which a workload is moved to another model. It is read
// when a rollout starts; later changes are for the next one.
type Rollout struct {
	// Name is the key under rollouts: a workload.
	Name string `yaml:"-"`
	// Model that freehold rollout start takes where --to names none.
	To string `yaml:"to"`
	// The new model is asked the same as the old one, beside the clients' requests, and both answers are compared.
	Shadow RolloutShadow `yaml:"shadow"`
	// How the two answers to a prompt are compared.
	Judge RolloutJudge `yaml:"judge"`
	// Loss of quality that is accepted, as a share: 5% are 5 points of 100.
	Margin Share `yaml:"margin" jsonschema:"minimum=0.001,maximum=0.9,default=5%"`
	// What ends the rollout by itself when the new model breaks it.
	Gates RolloutGates `yaml:"gates"`
	// Steps of the canary: shares of conversations that rise to 100%, each for at least a time and a number of requests. Absent: 1%, 5%, 20%, 50%, 100%.
	Steps []RolloutStep `yaml:"steps"`
	// How long the new model is watched after the cutover, and taken back by itself when it breaks a gate.
	Watch time.Duration `yaml:"watch" jsonschema:"default=7d"`
	// No stage or step follows without freehold rollout promote. What breaks a gate ends it all the same.
	Manual bool `yaml:"manual" jsonschema:"default=false"`
}

func (r *Rollout) defaults() {
	r.Margin, r.Watch = 0.05, 7*day
	r.Shadow.defaults()
	r.Judge.defaults()
	r.Gates.defaults()
	for _, share := range []Share{0.01, 0.05, 0.2, 0.5, 1} {
		r.Steps = append(r.Steps, RolloutStep{Share: share, For: 30 * time.Minute, Samples: 50})
	}
}

// RolloutShadow is the asking of the new model beside the old one.
type RolloutShadow struct {
	// Share of requests that are copied to the new model, in the canary of those that the old one answers; 0 leaves the shadow stage out, and nothing is known of quality.
	Share Share `yaml:"share" jsonschema:"minimum=0,maximum=1,default=10%"`
	// How many copies are under way at once.
	Concurrency int `yaml:"concurrency" jsonschema:"minimum=1,maximum=256,default=4"`
	// How many copies may wait; what finds no room is dropped, and delays nobody.
	Queue int `yaml:"queue" jsonschema:"minimum=1,maximum=65536,default=256"`
	// The most that copies and judging may cost, such as 20 USD; then a shadow stage pauses, and a canary goes on without copies. Absent: no limit.
	Budget *BudgetLimit `yaml:"budget"`
	// Least number of judged pairs before the canary begins.
	Least int `yaml:"least" jsonschema:"minimum=1,default=50"`
	// Number of judged pairs without a decision at which the rollout pauses, so that a person decides.
	Most int `yaml:"most" jsonschema:"minimum=1,default=5000"`
}

func (s *RolloutShadow) defaults() {
	s.Share, s.Concurrency, s.Queue, s.Least, s.Most = 0.1, 4, 256, 50, 5000
}

// RolloutJudge is how the answers of two models are compared.
type RolloutJudge struct {
	// Way to compare answers (see docs/judges.md); each of the other keys is for the kinds it names.
	Kind JudgeKind `yaml:"kind" jsonschema:"default=normalised"`
	// Models that may judge; the first that the workload's perimeter admits and that is no contestant does. Kind: pairwise.
	Models Names `yaml:"models"`
	// What makes an answer good, for the model that judges. Kind: pairwise.
	Rubric string `yaml:"rubric"`
	// How many characters of each answer the model is shown. Kind: pairwise.
	MaxText int `yaml:"max_text" jsonschema:"minimum=1,default=16000"`
	// JSON Schema that answers must satisfy. Kind: json.
	Schema map[string]json.RawMessage `yaml:"schema"`
	// File with that schema, in place of schema; read with the configuration. Kind: json.
	SchemaFile Path `yaml:"schema_file"`
	// JSON in a markdown fence is JSON, too. Kind: json.
	Fenced bool `yaml:"fenced" jsonschema:"default=false"`
	// Places that do not count: JSON pointers, in which * is any member or element. Kinds: json, tools.
	Ignore []string `yaml:"ignore"`
	// How far apart equal numbers may be: 0.01, or a share of the larger one: 1%. Kinds: json, tools, numeric.
	Tolerance Tolerance `yaml:"tolerance"`
	// Calls may come in any order. Kind: tools.
	AnyOrder bool `yaml:"any_order" jsonschema:"default=false"`
	// Answers are letters of a multiple choice; the letter counts. Kind: normalised.
	Choices bool `yaml:"choices" jsonschema:"default=false"`
	// 1.234,5 is more than a thousand. Kind: numeric.
	DecimalComma bool `yaml:"decimal_comma" jsonschema:"default=false"`
	// Expression (RE2) that good answers match. Kind: regex.
	Pattern string `yaml:"pattern"`
	// Name or number of the group of pattern whose text is compared; absent: to match is enough. Kind: regex.
	Group string `yaml:"group"`
	// Program with its arguments, started for each pair without a shell. Kind: program.
	Command []string `yaml:"command"`
	// How long the program may take. Kind: program.
	Timeout time.Duration `yaml:"timeout" jsonschema:"default=30s"`

	schema json.RawMessage
}

func (j *RolloutJudge) defaults() {
	j.Kind, j.MaxText, j.Timeout = JudgeKind(judge.Normalised), judge.DefaultMaxText, judge.DefaultTimeout
}

// RolloutGates are how much worse than the old model's the new one's figures may
// be, quality apart.
type RolloutGates struct {
	// Failed answers: so much above the old model's share.
	Errors Share `yaml:"errors" jsonschema:"minimum=0,maximum=1,default=2%"`
	// Refusals: so much above the old model's share.
	Refusals Share `yaml:"refusals" jsonschema:"minimum=0,maximum=1,default=5%"`
	// Answers that a limit of length cut: so much above the old model's share.
	Truncations Share `yaml:"truncations" jsonschema:"minimum=0,maximum=1,default=5%"`
	// People's scores of answers to clients' requests (POST /v1/feedback): so much below the old model's, of a scale from 0 to 1.
	Feedback Share `yaml:"feedback" jsonschema:"minimum=0,maximum=1,default=10%"`
	// A percentile of the times to the first content and to the end.
	Latency RolloutLatency `yaml:"latency"`
}

func (g *RolloutGates) defaults() {
	g.Errors, g.Refusals, g.Truncations, g.Feedback = 0.02, 0.05, 0.05, 0.1
	g.Latency.defaults()
}

// RolloutLatency is the gate of latencies.
type RolloutLatency struct {
	// Percentile that is compared; 0: latencies are no gate.
	Percentile float64 `yaml:"percentile" jsonschema:"minimum=0,maximum=99.9,default=95"`
	// How much slower the new model may be, as a share of the old one's time.
	Tolerance Share `yaml:"tolerance" jsonschema:"minimum=0,maximum=100,default=50%"`
}

func (l *RolloutLatency) defaults() { l.Percentile, l.Tolerance = 95, 0.5 }

// RolloutStep is one step of a canary; a share alone may stand for it.
type RolloutStep struct {
	// Share of conversations that the new model answers.
	Share Share `yaml:"share" jsonschema:"minimum=0.0001,maximum=1,required"`
	// Least time that the step lasts.
	For time.Duration `yaml:"for" jsonschema:"default=30m"`
	// Least number of the new model's requests before the next step.
	Samples int `yaml:"samples" jsonschema:"minimum=0,default=50"`
}

func (s *RolloutStep) defaults()     { s.For, s.Samples = 30*time.Minute, 50 }
func (s *RolloutStep) short() string { return "share" }

// JudgeKind is a way to compare answers.
type JudgeKind string

func (JudgeKind) values() []string {
	var out []string
	for _, k := range judge.Kinds() {
		out = append(out, string(k))
	}
	return out
}

// Share is a share of something, written as 5% or 0.05.
type Share float64

// ParseShare reads 5% or 0.05.
func ParseShare(s string) (Share, error) {
	number, percent := strings.CutSuffix(s, "%")
	f, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || f != f || f-f != 0 {
		return 0, fmt.Errorf("%q is not a share", s)
	}
	if percent {
		f /= 100
	}
	return Share(f), nil
}

// String is the form of the file.
func (s Share) String() string {
	return strconv.FormatFloat(float64(s)*100, 'g', 12, 64) + "%"
}

// Tolerance is how far apart equal numbers may be.
type Tolerance judge.Tolerance

// ParseTolerance reads 0.01, or 1% of the larger number.
func ParseTolerance(s string) (Tolerance, error) {
	f, err := ParseShare(s)
	if err != nil || f < 0 {
		return Tolerance{}, fmt.Errorf("%q is not a tolerance", s)
	}
	if !strings.HasSuffix(s, "%") {
		return Tolerance{Absolute: float64(f)}, nil
	}
	if f >= 1 {
		return Tolerance{}, fmt.Errorf("%q is the whole number or more", s)
	}
	return Tolerance{Relative: float64(f)}, nil
}

// String is the form of the file.
func (t Tolerance) String() string {
	if t.Relative > 0 {
		return Share(t.Relative).String()
	}
	return strconv.FormatFloat(t.Absolute, 'g', -1, 64)
}

// Spec is the judge as package judge has it.
func (j *RolloutJudge) Spec() judge.Spec {
	return judge.Spec{
		Kind: judge.Kind(j.Kind), Choices: j.Choices, Schema: j.schema, Fenced: j.Fenced, Ignore: j.Ignore, Tolerance: judge.Tolerance(j.Tolerance),
		AnyOrder: j.AnyOrder, DecimalComma: j.DecimalComma, Pattern: j.Pattern, Group: j.Group, Command: j.Command, Timeout: j.Timeout,
		Rubric: j.Rubric, MaxText: j.MaxText,
	}
}

// judgeKeys are the options of a judge with the kinds that use them.
var judgeKeys = []struct {
	key   string
	kinds []judge.Kind
}{
	{"any_order", []judge.Kind{judge.Tools}},
	{"choices", []judge.Kind{judge.Normalised}},
	{"command", []judge.Kind{judge.Program}},
	{"decimal_comma", []judge.Kind{judge.Numeric}},
	{"fenced", []judge.Kind{judge.JSON}},
	{"group", []judge.Kind{judge.Regex}},
	{"ignore", []judge.Kind{judge.JSON, judge.Tools}},
	{"max_text", []judge.Kind{judge.Pairwise}},
	{"models", []judge.Kind{judge.Pairwise}},
	{"pattern", []judge.Kind{judge.Regex}},
	{"rubric", []judge.Kind{judge.Pairwise}},
	{"schema", []judge.Kind{judge.JSON}},
	{"schema_file", []judge.Kind{judge.JSON}},
	{"timeout", []judge.Kind{judge.Program}},
	{"tolerance", []judge.Kind{judge.JSON, judge.Tools, judge.Numeric}},
}

// rollout checks the plan of one workload.
func (c *checker) rollout(r *Rollout, workloads []string) {
	at := func(key ...string) []string { return append([]string{"rollouts", r.Name}, key...) }
	if c.told(at()...) {
		return
	}
	w := c.cfg.Workloads[r.Name]
	if w == nil {
		hint := suggest.Hint(r.Name, workloads)
		if _, is := c.cfg.Models[r.Name]; is {
			hint = "this is a model; name the workload that is to be moved"
		}
		c.rep.errorf(c.keyPos(at()...), hint, "rollouts: unknown workload %q", r.Name)
		return
	}
	if r.To != "" {
		c.candidate(w, r.To, at("to"))
	}
	if b := r.Shadow.Budget; b != nil && (b.Tokens || b.Amount.IsZero()) {
		c.rep.errorf(c.pos(at("shadow", "budget")...), "write money, such as 20 USD", "%s is %s: copies are paid for in money", label(at("shadow", "budget")), b)
	}
	if r.Shadow.Most < r.Shadow.Least {
		key := at("shadow", "most")
		if !c.has(key...) {
			key = at("shadow", "least")
		}
		c.rep.errorf(c.pos(key...), "", "%s: most (%d) is below least (%d)", label(at("shadow")), r.Shadow.Most, r.Shadow.Least)
	}
	c.steps(r.Steps, at("steps"))
	c.rolloutJudge(w, &r.Judge, at("judge"))
}

func (c *checker) steps(steps []RolloutStep, at []string) {
	if len(steps) == 0 {
		c.rep.errorf(c.pos(at...), "write [1%, 10%, 100%], or take the key away", "%s is empty", label(at))
		return
	}
	last := Share(0)
	for i, s := range steps {
		here := append(slices.Clone(at), strconv.Itoa(i))
		if s.Share <= 0 {
			return // it is told already
		}
		if s.Share <= last {
			c.rep.errorf(c.pos(here...), "shares rise from step to step", "%s: %s follows %s", label(at), s.Share, last)
		}
		last = s.Share
	}
	if last != 1 {
		c.rep.errorf(c.pos(append(slices.Clone(at), strconv.Itoa(len(steps)-1))...), "add 100%", "%s ends at %s", label(at), last)
	}
}

func (c *checker) rolloutJudge(w *Workload, j *RolloutJudge, at []string) {
	key := func(name string) []string { return append(slices.Clone(at), name) }
	kind := judge.Kind(j.Kind)
	for _, k := range judgeKeys {
		if c.has(key(k.key)...) && !slices.Contains(k.kinds, kind) {
			c.rep.warnf(c.pos(key(k.key)...), "set kind: "+string(k.kinds[0])+", or take it away", "%s has no effect: kind is %s", label(key(k.key)), kind)
		}
	}
	switch {
	case j.SchemaFile == "" && j.Schema != nil:
		text, err := json.Marshal(j.Schema)
		if err != nil { // a value that is no JSON is told already
			return
		}
		j.schema = text
	case j.SchemaFile != "" && j.Schema != nil:
		c.rep.errorf(c.pos(key("schema")...), "keep one of them", "%s has a schema and a schema_file", label(at))
	case j.SchemaFile != "":
		c.files[string(j.SchemaFile)] = true
		if c.env.ReadFile != nil {
			text, err := c.env.ReadFile(string(j.SchemaFile))
			if err != nil {
				c.rep.errorf(c.pos(key("schema_file")...), "the file must exist and be readable for freehold's user", "%s: %s", j.SchemaFile, reason(err))
				return
			}
			j.schema = text
		}
	}
	if kind == judge.Pairwise {
		if len(j.Models) == 0 {
			c.rep.errorf(c.pos(key("kind")...), "add models: [NAME], none of the two that are compared", "%s: no model is named that could judge", label(at))
		}
		for i, name := range j.Models {
			where := append(key("models"), fmt.Sprint(i))
			if !c.has(where...) {
				where = key("models")
			}
			if m := c.cfg.Models[name]; m != nil && m.Mode != ModeChat {
				c.rep.errorf(c.pos(where...), "name a model for chat", "%s: %s is for %s", label(at), name, m.Mode)
				continue
			}
			c.candidate(w, name, where)
		}
		return
	}
	if _, err := judge.New(j.Spec(), judge.Means{}); err != nil {
		name, _, _ := strings.Cut(strings.ReplaceAll(err.Error(), ":", " "), " ")
		where := key(name)
		if name == "schema" && j.SchemaFile != "" {
			where = key("schema_file")
		}
		if !c.has(where...) {
			where = key("kind")
		}
		c.rep.errorf(c.pos(where...), "see docs/judges.md", "%s: %s", label(at), strings.Join(strings.Fields(err.Error()), " "))
	}
}
