package main

import (
	"fmt"
	"slices"
)

// Figure is one measured thing and its budget.
type Figure struct {
	Group string `json:"group"`
	Name  string `json:"name"`
	// Unit of Goal, Min, Median and Max: x (a ratio), MiB, KiB or ms.
	Unit string  `json:"unit"`
	Goal float64 `json:"goal"` // at most; 0: only reported
	// Aim is what would be better still, 0 for nothing.
	Aim    float64 `json:"aim,omitempty"`
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	Max    float64 `json:"max"`
	Turns  int     `json:"turns"`
	// Ours and Floor say what the ratio is made of: medians, as text.
	Ours  string `json:"freehold,omitempty"`
	Floor string `json:"floor,omitempty"`
	// Errors are requests that failed in the turns at freehold; a figure with
	// errors has missed, whatever it says.
	Errors int    `json:"errors"`
	Note   string `json:"note,omitempty"`
	// Skipped says why there are no numbers.
	Skipped string `json:"skipped,omitempty"`
	Verdict string `json:"verdict"` // met, MISSED, reported, skipped
}

// The verdicts.
const (
	met      = "met"
	missed   = "MISSED"
	reported = "reported"
	skipped  = "skipped"
)

// judge sets the verdict: the median counts.
func (f *Figure) judge() {
	switch {
	case f.Skipped != "":
		f.Verdict = skipped
	case f.Errors > 0 || f.Goal > 0 && f.Median > f.Goal:
		f.Verdict = missed
	case f.Goal == 0:
		f.Verdict = reported
	default:
		f.Verdict = met
	}
}

// of takes the turns' values.
func (f *Figure) of(values []float64) {
	f.Turns = len(values)
	f.Min, f.Median, f.Max = slices.Min(values), median(values), slices.Max(values)
}

// value is a number with its unit.
func (f *Figure) value(v float64) string {
	if f.Unit == "x" {
		return fmt.Sprintf("%.2fx", v)
	}
	return fmt.Sprintf("%.3g %s", v, f.Unit)
}

// spread is the smallest and the largest turn, where there are several.
func (f *Figure) spread() string {
	if f.Skipped != "" || f.Turns < 2 {
		return ""
	}
	return f.value(f.Min) + " - " + f.value(f.Max)
}

// middle is the median, or nothing where nothing was measured.
func (f *Figure) middle() string {
	if f.Skipped != "" {
		return "-"
	}
	return f.value(f.Median)
}

// budget is the goal with the aim behind it.
func (f *Figure) budget() string {
	switch {
	case f.Goal == 0:
		return "-"
	case f.Aim > 0:
		return f.value(f.Goal) + " (aim " + f.value(f.Aim) + ")"
	}
	return f.value(f.Goal)
}

// made says what the figure is made of.
func (f *Figure) made() string {
	s := f.Ours
	if f.Floor != "" {
		s += " : " + f.Floor
	}
	if f.Errors > 0 {
		s += fmt.Sprintf("; %d requests failed", f.Errors)
	}
	for _, more := range []string{f.Note, f.Skipped} {
		switch {
		case more == "":
		case s == "":
			s = more
		default:
			s += "; " + more
		}
	}
	return s
}

func (f *Figure) line() string {
	return fmt.Sprintf("%-8s %s: %s of %s (%s) %s", f.Verdict, f.Name, f.middle(), f.budget(), f.spread(), f.made())
}

// median of values, which must not be empty.
func median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}
