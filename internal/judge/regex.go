package judge

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

func newRegex(spec Spec) (Judge, error) {
	if spec.Pattern == "" {
		if spec.Group != "" {
			return nil, errors.New("group is of the pattern, and there is none")
		}
		return pattern{}, nil
	}
	re, err := regexp.Compile(spec.Pattern)
	if err != nil {
		return nil, fmt.Errorf("pattern: %w", err)
	}
	if spec.Group == "" {
		return pattern{re}, nil
	}
	group := re.SubexpIndex(spec.Group)
	if n, err := strconv.Atoi(spec.Group); err == nil {
		group = n
	}
	if group < 0 || group > re.NumSubexp() {
		return nil, fmt.Errorf("group %.40q is not in the pattern, which has %d", spec.Group, re.NumSubexp())
	}
	return scored{captured{re, group}}, nil
}

// pattern looks whether each answer matches, by itself: its own expression, or
// that of the sample.
type pattern struct{ re *regexp.Regexp }

func (m pattern) Judge(_ context.Context, s Sample) (Verdict, error) {
	re, basis := m.re, Check
	if s.Want != nil && s.Want.Pattern != "" {
		own, err := regexp.Compile(s.Want.Pattern)
		if err != nil {
			return Verdict{}, fmt.Errorf("the expected pattern: %w", err)
		}
		re, basis = own, Reference
	}
	if re == nil {
		return Verdict{}, errors.New("neither the judge nor the sample has a pattern")
	}
	one := func(a *Answer) finding {
		if why := a.Missing(); why != "" {
			return finding{detail: why}
		}
		return yes(re.MatchString(a.Text), "does not match", "")
	}
	b, c := one(&s.Baseline), one(&s.Candidate)
	return verdict(b.score, c.score, basis, both(b.detail, c.detail)), nil
}

// captured compares what a group of the pattern found first.
type captured struct {
	re    *regexp.Regexp
	group int
}

func (m captured) find(text string) (string, bool) {
	at := m.re.FindStringSubmatchIndex(text)
	if at == nil || at[2*m.group] < 0 {
		return "", false
	}
	return strings.TrimSpace(text[at[2*m.group]:at[2*m.group+1]]), true
}

func (captured) fits(w *Expected) error { return exact{}.fits(w) }

func (m captured) unusable(a *Answer) string {
	if _, ok := m.find(a.Text); !ok {
		return "does not match"
	}
	return ""
}

func (m captured) against(a *Answer, w *Expected) finding {
	got, _ := m.find(a.Text)
	for _, t := range w.Texts {
		if got == strings.TrimSpace(t) {
			return finding{score: 1}
		}
	}
	return yes(false, "has something else than expected", "%.60q for %.60q", got, w.Texts[0])
}

func (m captured) agree(a, b *Answer) finding {
	x, _ := m.find(a.Text)
	y, _ := m.find(b.Text)
	return yes(x == y, "the groups differ", "%.60q and %.60q", x, y)
}
