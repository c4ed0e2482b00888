package judge

import (
	"errors"
	"fmt"
)

// tools compares calls: names, and arguments as JSON values.
type tools struct {
	anyOrder bool
	fields   fields
}

func newTools(spec Spec) (Judge, error) {
	f, err := newFields(spec)
	if err != nil {
		return nil, err
	}
	return scored{tools{spec.AnyOrder, f}}, nil
}

func (tools) fits(w *Expected) error {
	if w.Tools == nil {
		return errors.New("the expected answer says nothing of tool calls: an empty list says that none is right")
	}
	return nil
}

func (tools) unusable(*Answer) string { return "" }

func (m tools) against(a *Answer, w *Expected) finding { return m.share(a.Tools, w.Tools) }

func (m tools) agree(a, b *Answer) finding { return m.share(a.Tools, b.Tools) }

// maxCalls is how many calls of an answer are compared; those behind count as
// different.
const maxCalls = 100

// share is how many calls are in both lists, of as many as the longer one has.
func (m tools) share(a, b []Call) finding {
	most := max(len(a), len(b))
	if most == 0 {
		return finding{score: 1}
	}
	same := m.matrix(a[:min(len(a), maxCalls)], b[:min(len(b), maxCalls)])
	n := inOrder(same)
	if m.anyOrder {
		n = paired(same)
	}
	if n == most {
		return finding{score: 1}
	}
	return finding{float64(n) / float64(most), fmt.Sprintf("%d of %d calls are the same", n, most), m.first(a, b)}
}

// first tells a difference that is easily seen.
func (m tools) first(a, b []Call) string {
	if len(a) != len(b) {
		return fmt.Sprintf("%d calls and %d", len(a), len(b))
	}
	for i := range a {
		if a[i].Name != b[i].Name {
			return fmt.Sprintf("%.40q and %.40q", a[i].Name, b[i].Name)
		}
	}
	return "the arguments differ"
}

// matrix tells which call of a is which of b.
func (m tools) matrix(a, b []Call) [][]bool {
	read := func(calls []Call) []any {
		out := make([]any, len(calls))
		for i, c := range calls {
			v, err := parseJSON(c.Arguments)
			switch {
			case err == nil:
				out[i] = v
			case c.Arguments == "":
				out[i] = map[string]any{}
			default:
				out[i] = err // no call that could be made
			}
		}
		return out
	}
	x, y := read(a), read(b)
	out := make([][]bool, len(a))
	for i := range a {
		out[i] = make([]bool, len(b))
		for j := range b {
			out[i][j] = a[i].Name == b[j].Name && m.arguments(x[i], y[j], a[i].Arguments == b[j].Arguments)
		}
	}
	return out
}

// arguments compares two calls' arguments. Those that are no JSON are only the
// same where their texts are.
func (m tools) arguments(a, b any, text bool) bool {
	_, bad := a.(error)
	_, too := b.(error)
	if bad || too {
		return text
	}
	return m.fields.share(a, b).score == 1
}

// inOrder is the length of the longest list of pairs in the order of both.
func inOrder(same [][]bool) int {
	if len(same) == 0 {
		return 0
	}
	row := make([]int, len(same[0])+1)
	for i := range same {
		diagonal := 0
		for j := range same[i] {
			above := row[j+1]
			if same[i][j] {
				row[j+1] = diagonal + 1
			} else {
				row[j+1] = max(above, row[j])
			}
			diagonal = above
		}
	}
	return row[len(row)-1]
}

// paired is how many pairs can be made at most, each call in one: with a
// tolerance one call may be like several.
func paired(same [][]bool) int {
	if len(same) == 0 {
		return 0
	}
	owner := make([]int, len(same[0])) // of each call of b, counted from 1
	var seek func(i int, tried []bool) bool
	seek = func(i int, tried []bool) bool {
		for j, like := range same[i] {
			if !like || tried[j] {
				continue
			}
			tried[j] = true
			if owner[j] == 0 || seek(owner[j]-1, tried) {
				owner[j] = i + 1
				return true
			}
		}
		return false
	}
	n := 0
	for i := range same {
		if seek(i, make([]bool, len(owner))) {
			n++
		}
	}
	return n
}
