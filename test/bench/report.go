package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
)

// Report is the whole result; -json prints it.
type Report struct {
	Machine Machine  `json:"machine"`
	Quick   bool     `json:"quick"`
	Pairs   int      `json:"turns"`
	Seconds float64  `json:"seconds_per_turn"`
	Figures []Figure `json:"figures"`
}

func (r *Report) json(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

var groups = []string{sameGroup, crossGroup, latencyGroup, memoryGroup, localGroup}

// in are the figures of a group.
func (r *Report) in(group string) []Figure {
	var out []Figure
	for _, f := range r.Figures {
		if f.Group == group {
			out = append(out, f)
		}
	}
	return out
}

// how says how it was measured.
func (r *Report) how() string {
	s := fmt.Sprintf("%d turns of %.3g s for each figure", r.Pairs, r.Seconds)
	if r.Quick {
		s += " (quick: for orientation only)"
	}
	return s
}

// missed are the names of the figures that missed their goal.
func (r *Report) missed() []string {
	var out []string
	for _, f := range r.Figures {
		if f.Verdict == missed {
			out = append(out, f.Name)
		}
	}
	return out
}

func (r *Report) summary() string {
	if m := r.missed(); len(m) > 0 {
		return fmt.Sprintf("%d of %d figures missed their goal: %s.", len(m), len(r.Figures), strings.Join(m, "; "))
	}
	return fmt.Sprintf("All %d figures met their goal or were only reported or skipped.", len(r.Figures))
}

func (r *Report) text(w io.Writer) error {
	m := r.Machine
	fmt.Fprintf(w, "%s, %d cores, %s; Linux %s, %s; load %s; freehold %s; %s; %s\n\n",
		m.CPU, m.Cores, m.Memory, m.Kernel, m.Go, m.Load, m.Version, m.Date, r.how())
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, g := range groups {
		figures := r.in(g)
		if len(figures) == 0 {
			continue
		}
		fmt.Fprintf(t, "%s\n", strings.ToUpper(g))
		for _, f := range figures {
			fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%s\n", f.Name, f.middle(), f.budget(), f.Verdict, f.spread(), f.made())
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s\n", r.summary())
	return err
}

func (r *Report) markdown() string {
	var b strings.Builder
	m := r.Machine
	fmt.Fprintf(&b, "Measured %s at %s, %s.\n\n", m.Date, m.Version, r.how())
	fmt.Fprintf(&b, "| machine | |\n|---|---|\n| processor | %s, %d cores |\n| memory | %s |\n| kernel | Linux %s |\n| Go | %s |\n| load average at the start | %s |\n\n",
		m.CPU, m.Cores, m.Memory, m.Kernel, m.Go, m.Load)
	b.WriteString(r.summary() + "\n")
	for _, g := range groups {
		figures := r.in(g)
		if len(figures) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n### %s\n\n| figure | median | goal: at most | | smallest - largest | made of |\n|---|---|---|---|---|---|\n", g)
		for _, f := range figures {
			verdict := f.Verdict
			if verdict == missed {
				verdict = "**" + verdict + "**"
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", f.Name, f.middle(), f.budget(), verdict, f.spread(), f.made())
		}
	}
	return b.String()
}

// The generated part of the page stands between these.
const (
	beginMark = "<!-- begin: written by `make bench`, do not edit -->\n"
	endMark   = "<!-- end -->\n"
)

// splice puts text between the marks of a page.
func splice(page, text string) (string, error) {
	before, rest, ok := strings.Cut(page, beginMark)
	if !ok {
		return "", fmt.Errorf("the page has no line %q", strings.TrimSpace(beginMark))
	}
	_, after, ok := strings.Cut(rest, endMark)
	if !ok {
		return "", fmt.Errorf("the page has no line %q after the first mark", strings.TrimSpace(endMark))
	}
	return before + beginMark + "\n" + text + "\n" + endMark + after, nil
}

// writeInto replaces the generated part of a page.
func (r *Report) writeInto(path string) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	out, err := splice(string(page), r.markdown())
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, []byte(out), 0o644)
}
