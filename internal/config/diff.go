package config

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// diffContext is the number of unchanged lines around a change.
const diffContext = 3

// Diff is the unified diff between two texts of a configuration, secrets
// taken out of both; empty where nothing that may be shown differs.
func Diff(name string, before, after []byte) string {
	return unified(name, string(redactForDiff(before)), string(redactForDiff(after)))
}

func redactForDiff(src []byte) []byte {
	if len(bytes.TrimSpace(src)) == 0 {
		return nil
	}
	return Redact(src)
}

type diffLine struct {
	op   byte // ' ', '-' or '+'
	text string
}

func unified(name, before, after string) string {
	if before == after {
		return ""
	}
	lines := diffLines(splitLines(before), splitLines(after))
	var b strings.Builder
	fmt.Fprintf(&b, "--- a/%s\n+++ b/%s\n", name, name)
	for from := 0; from < len(lines); {
		first := from
		for first < len(lines) && lines[first].op == ' ' {
			first++
		}
		if first == len(lines) {
			break
		}
		start, end, quiet := max(from, first-diffContext), first, 0
		for i := first; i < len(lines) && quiet <= 2*diffContext; i++ {
			if lines[i].op == ' ' {
				quiet++
			} else {
				quiet, end = 0, i+1
			}
		}
		stop := min(len(lines), end+diffContext)
		hunk(&b, lines, start, stop)
		from = stop
	}
	return b.String()
}

// hunk writes lines[start:stop] with their header.
func hunk(b *strings.Builder, lines []diffLine, start, stop int) {
	var oldAt, newAt, oldN, newN int
	for i, l := range lines[:stop] {
		o, n := l.op != '+', l.op != '-'
		switch {
		case i < start:
			oldAt, newAt = oldAt+count(o), newAt+count(n)
		default:
			oldN, newN = oldN+count(o), newN+count(n)
		}
	}
	fmt.Fprintf(b, "@@ -%s +%s @@\n", span(oldAt, oldN), span(newAt, newN))
	for _, l := range lines[start:stop] {
		b.WriteByte(l.op)
		b.WriteString(l.text)
		if !strings.HasSuffix(l.text, "\n") {
			b.WriteString("\n\\ No newline at end of file\n")
		}
	}
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

func span(before, n int) string {
	if n == 0 {
		return fmt.Sprintf("%d,0", before)
	}
	if n == 1 {
		return fmt.Sprint(before + 1)
	}
	return fmt.Sprintf("%d,%d", before+1, n)
}

func splitLines(s string) []string {
	if s == "" {
		return nil
	}
	l := strings.SplitAfter(s, "\n")
	if l[len(l)-1] == "" {
		l = l[:len(l)-1]
	}
	return l
}

// maxDiffCells bounds the table below; a larger change is shown as a whole.
const maxDiffCells = 4 << 20

// diffLines compares by the longest common subsequence, after what is equal
// at both ends has been set aside.
func diffLines(a, b []string) []diffLine {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	out := make([]diffLine, 0, len(a)+len(b))
	for _, l := range a[:head] {
		out = append(out, diffLine{' ', l})
	}
	out = append(out, middle(a[head:len(a)-tail], b[head:len(b)-tail])...)
	for _, l := range a[len(a)-tail:] {
		out = append(out, diffLine{' ', l})
	}
	return out
}

func middle(a, b []string) []diffLine {
	var out []diffLine
	w := len(b) + 1
	if len(a)*w > maxDiffCells {
		for _, l := range a {
			out = append(out, diffLine{'-', l})
		}
		for _, l := range b {
			out = append(out, diffLine{'+', l})
		}
		return out
	}
	common := make([]int32, (len(a)+1)*w) // of a[i:] and b[j:]
	for i := range slices.Backward(a) {
		for j := range slices.Backward(b) {
			if a[i] == b[j] {
				common[i*w+j] = common[(i+1)*w+j+1] + 1
			} else {
				common[i*w+j] = max(common[(i+1)*w+j], common[i*w+j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			out = append(out, diffLine{' ', a[i]})
			i, j = i+1, j+1
		case i < len(a) && (j == len(b) || common[(i+1)*w+j] >= common[i*w+j+1]):
			out = append(out, diffLine{'-', a[i]})
			i++
		default:
			out = append(out, diffLine{'+', b[j]})
			j++
		}
	}
	return out
}
