package history

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// ConfigHash is what [Change.ConfigHash] holds of a configuration file's bytes:
// SHA-256, in hexadecimal.
func ConfigHash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// contextLines stand around a change in a diff, as in diff -u.
const contextLines = 3

// maxEdits bounds the search for the shortest diff: its time and memory grow
// with the square of the edits. Beyond, the files have so little in common that
// the old one is shown as removed and the new one as added.
const maxEdits = 1000

// Diff returns the unified diff between two texts of a YAML configuration, or
// "" if they are the same. The lines are compared as they are and shown as
// redact shows them, so a changed secret appears as a changed line and stays
// hidden; redact must keep the number of lines. [Redact] is one.
func Diff(oldName, newName, before, after string, redact func(string) string) string {
	if before == after {
		return ""
	}
	a, b := splitLines(before), splitLines(after)
	shownA, shownB := splitLines(redact(before)), splitLines(redact(after))
	if len(shownA) != len(a) || len(shownB) != len(b) {
		// Which line hides what is unknown then: show nothing.
		return fmt.Sprintf("--- %s\n+++ %s\n(not shown: the redaction changed the number of lines)\n", oldName, newName)
	}
	return render(oldName, newName, shownA, shownB, script(a, b))
}

func splitLines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// edit is one line of a diff: kept (' '), removed ('-') or added ('+'), with
// the index of the line in the old (kept, removed) or new text.
type edit struct {
	op   byte
	a, b int // lines of the old and the new text before this edit
}

// script finds a shortest edit script (Myers, An O(ND) Difference Algorithm,
// 1986): for each number of edits d, the furthest point reached on each
// diagonal; then the way back through the remembered points.
func script(a, b []string) []edit {
	limit := len(a) + len(b)
	furthest := make([]int, 2*limit+3) // of diagonal k at index k+offset
	offset := limit + 1
	var trace [][]int // what furthest was before each d, diagonals -d..d
	for d := 0; d <= min(limit, maxEdits); d++ {
		trace = append(trace, append([]int(nil), furthest[offset-d-1:offset+d+2]...))
		for k := -d; k <= d; k += 2 {
			x := furthest[offset+k-1] + 1
			if k == -d || k != d && furthest[offset+k-1] < furthest[offset+k+1] {
				x = furthest[offset+k+1]
			}
			for x < len(a) && x-k < len(b) && a[x] == b[x-k] {
				x++
			}
			furthest[offset+k] = x
			if x >= len(a) && x-k >= len(b) {
				return walkBack(trace, len(a), len(b))
			}
		}
	}
	var all []edit
	for i := range a {
		all = append(all, edit{'-', i, 0})
	}
	for i := range b {
		all = append(all, edit{'+', len(a), i})
	}
	return all
}

func walkBack(trace [][]int, x, y int) []edit {
	var back []edit
	for d := len(trace) - 1; d >= 0; d-- {
		at := func(k int) int { return trace[d][k+d+1] }
		k := x - y
		from := k - 1
		if k == -d || k != d && at(k-1) < at(k+1) {
			from = k + 1
		}
		fromX := at(from)
		fromY := fromX - from
		for d > 0 && x > fromX && y > fromY || d == 0 && x > 0 {
			x, y = x-1, y-1
			back = append(back, edit{' ', x, y})
		}
		if d == 0 {
			break
		}
		if from == k-1 {
			back = append(back, edit{'-', fromX, fromY})
		} else {
			back = append(back, edit{'+', fromX, fromY})
		}
		x, y = fromX, fromY
	}
	for i, j := 0, len(back)-1; i < j; i, j = i+1, j-1 {
		back[i], back[j] = back[j], back[i]
	}
	return back
}

// render writes the hunks: runs of changes with at most twice the context
// between them.
func render(oldName, newName string, a, b []string, edits []edit) string {
	var out strings.Builder
	fmt.Fprintf(&out, "--- %s\n+++ %s\n", oldName, newName)
	changed := false
	for start := 0; start < len(edits); {
		if edits[start].op == ' ' {
			start++
			continue
		}
		end := start // after the hunk's last change
		for i := start; i < len(edits) && i-end <= 2*contextLines; i++ {
			if edits[i].op != ' ' {
				end = i + 1
			}
		}
		hunk := edits[max(0, start-contextLines):min(len(edits), end+contextLines)]
		writeHunk(&out, a, b, hunk)
		changed = true
		start = end
	}
	if !changed { // the texts differ, their lines do not
		out.WriteString("(only the line feed at the end changed)\n")
	}
	return out.String()
}

func writeHunk(out *strings.Builder, a, b []string, hunk []edit) {
	removed, added := 0, 0
	for _, e := range hunk {
		if e.op != '+' {
			removed++
		}
		if e.op != '-' {
			added++
		}
	}
	span := func(before, n int) string {
		if n > 0 {
			before++ // an empty span names the line before it
		}
		return fmt.Sprintf("%d,%d", before, n)
	}
	fmt.Fprintf(out, "@@ -%s +%s @@\n", span(hunk[0].a, removed), span(hunk[0].b, added))
	for _, e := range hunk {
		var line string
		if e.op == '+' {
			line = b[e.b]
		} else {
			line = a[e.a]
		}
		fmt.Fprintf(out, "%c%s\n", e.op, line)
	}
}
