package judge

import (
	"fmt"
	"slices"
	"strings"
)

// Model is one that may judge, or that is judged.
type Model struct {
	Name string
	// Weights are names of what is behind it; none: not known.
	Weights []string
	// Families are those of what is behind it; none: not known.
	Families []string
	// Denied is why the perimeter of the workload does not let it see the texts;
	// empty: it does.
	Denied string
}

// Refusal is why a model may not judge.
type Refusal struct{ Model, Why string }

// NoJudgeError says of each model why it may not judge.
type NoJudgeError struct{ Refusals []Refusal }

func (e *NoJudgeError) Error() string {
	if len(e.Refusals) == 0 {
		return "no model is named that could judge"
	}
	why := make([]string, len(e.Refusals))
	for i, r := range e.Refusals {
		why[i] = r.Model + " " + r.Why
	}
	return "no model may judge: " + strings.Join(why, "; ")
}

// Choose returns the first model that may judge the contestants: the perimeter
// lets it see the texts, and it is none of them, nor one with the weights or of
// the family of one, since models prefer their own kind. Else the error is a
// [*NoJudgeError].
func Choose(models []Model, contestants ...Model) (Model, error) {
	var refusals []Refusal
	for _, m := range models {
		why := m.refused(contestants)
		if why == "" {
			return m, nil
		}
		refusals = append(refusals, Refusal{m.Name, why})
	}
	return Model{}, &NoJudgeError{refusals}
}

func (m *Model) refused(contestants []Model) string {
	if m.Denied != "" {
		return "may not see the texts: " + m.Denied
	}
	for _, c := range contestants {
		switch {
		case m.Name == c.Name:
			return "is one of those judged"
		case slices.ContainsFunc(m.Weights, func(w string) bool { return slices.Contains(c.Weights, w) }):
			return "has the weights of " + c.Name
		}
		if i := slices.IndexFunc(m.Families, func(f string) bool { return slices.Contains(c.Families, f) }); i >= 0 {
			return fmt.Sprintf("is of the family of %s (%s)", c.Name, m.Families[i])
		}
	}
	return ""
}
