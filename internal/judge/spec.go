package judge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Kind is a way to compare answers.
type Kind string

// The kinds, as in config.yaml.
const (
	Exact      Kind = "exact"
	Normalised Kind = "normalised"
	JSON       Kind = "json"
	Tools      Kind = "tools"
	Numeric    Kind = "numeric"
	Regex      Kind = "regex"
	Program    Kind = "program"
	Feedback   Kind = "feedback"
	Pairwise   Kind = "pairwise"
)

// Kinds lists all of them.
func Kinds() []Kind {
	return []Kind{Exact, Normalised, JSON, Tools, Numeric, Regex, Program, Feedback, Pairwise}
}

// Spec chooses a judge and its options. Those of other kinds do nothing.
type Spec struct {
	Kind Kind `json:"kind"`

	// Choices (normalised): the answers are letters of a multiple choice, with
	// or without the choice's text; the letter counts.
	Choices bool `json:"choices,omitempty"`

	// Schema (json) is the JSON Schema that answers must satisfy; nil: any JSON.
	Schema json.RawMessage `json:"schema,omitempty"`
	// Fenced (json): JSON inside a markdown fence is JSON, too. Without it an
	// answer that a program could not parse as it stands scores 0.
	Fenced bool `json:"fenced,omitempty"`
	// Ignore (json, tools) are places that do not count, with all below them: JSON
	// pointers, in which * is any member or element: /id, /items/*/created.
	Ignore []string `json:"ignore,omitempty"`
	// Tolerance (json, tools, numeric) is how far equal numbers may be apart.
	Tolerance Tolerance `json:"tolerance,omitzero"`

	// AnyOrder (tools): the calls may come in any order.
	AnyOrder bool `json:"any_order,omitempty"`

	// DecimalComma (numeric): 1.234,5 is more than a thousand.
	DecimalComma bool `json:"decimal_comma,omitempty"`

	// Pattern (regex) is an RE2 expression; empty where each sample has its own.
	Pattern string `json:"pattern,omitempty"`
	// Group (regex) names or counts the group whose text is compared; empty: to
	// match is enough.
	Group string `json:"group,omitempty"`

	// Command (program) is the program with its arguments. There is no shell.
	Command []string `json:"command,omitempty"`
	// Timeout (program) is how long it may take for a sample; 0: [DefaultTimeout].
	Timeout time.Duration `json:"timeout,omitempty"`
	// Environment (program) is what it finds there beside PATH and the like, as
	// NAME=value. Nothing else of freehold's own environment is passed on.
	Environment []string `json:"-"` // it may hold secrets

	// Rubric (pairwise) says what makes an answer good; empty: [DefaultRubric].
	Rubric string `json:"rubric,omitempty"`
	// MaxText (pairwise) is how many characters of each answer the model is
	// shown; 0: [DefaultMaxText].
	MaxText int `json:"max_text,omitempty"`
}

// Means are what judges need from outside; each may be absent where no kind in
// use needs it.
type Means struct {
	// Asker (pairwise) asks the judging model.
	Asker Asker
	// Random (pairwise) is where markers are drawn from, which answers must not
	// be able to guess: crypto/rand.Reader. Many read it at once.
	Random io.Reader
	// Counts (pairwise) is counted in; nil: nobody wants to know.
	Counts *Counts
}

// New makes the judge of a spec. Its errors name the option at fault.
func New(spec Spec, means Means) (Judge, error) {
	j, err := build(spec, means)
	if err != nil {
		return nil, err
	}
	return seen{j}, nil
}

func build(spec Spec, means Means) (Judge, error) {
	switch spec.Kind {
	case Exact:
		return scored{exact{}}, nil
	case Normalised:
		return scored{normalised{spec.Choices}}, nil
	case JSON:
		return newJSON(spec)
	case Tools:
		return newTools(spec)
	case Numeric:
		if err := spec.Tolerance.check(); err != nil {
			return nil, err
		}
		return scored{numeric{spec.Tolerance, spec.DecimalComma}}, nil
	case Regex:
		return newRegex(spec)
	case Program:
		return newProgram(spec)
	case Feedback:
		return feedback{}, nil
	case Pairwise:
		return newPairwise(spec, means)
	case "":
		return nil, errors.New("kind is missing: it is one of " + kindNames())
	}
	return nil, fmt.Errorf("kind is %.40q, which is none: it is one of %s", spec.Kind, kindNames())
}

func kindNames() string {
	names := make([]string, 0, len(Kinds()))
	for _, k := range Kinds() {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}

// seen adds to verdicts what is there for people to see.
type seen struct{ judge Judge }

func (j seen) Judge(ctx context.Context, s Sample) (Verdict, error) {
	v, err := j.judge.Judge(ctx, s)
	if err != nil {
		return Verdict{}, fmt.Errorf("sample %.80q: %w", s.ID, err)
	}
	v.Similarity = Similar(s.Baseline.Text, s.Candidate.Text)
	return v, nil
}

// Tolerance is how far apart two numbers may be and still count as equal: by
// either of the two. The zero value wants the same value.
type Tolerance struct {
	Absolute float64 `json:"absolute,omitempty"`
	Relative float64 `json:"relative,omitempty"` // of the larger one, 0.01 is a hundredth
}

func (t Tolerance) check() error {
	if !(t.Absolute >= 0) || !(t.Relative >= 0 && t.Relative < 1) {
		return fmt.Errorf("tolerance is %v and %v of the value: the first must be 0 or more, the second from 0 to below 1", t.Absolute, t.Relative)
	}
	return nil
}
