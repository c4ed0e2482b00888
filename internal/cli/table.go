package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// column of a table.
type column struct {
	head  string
	right bool // numbers
	keep  bool // not to be cut while another column can be
	below bool // to a second line of each row where one line is too short
	whole bool // never cut: on lines of its own, at the end, where one line is too short
}

// table is printed with columns as wide as they need. Where the terminal (80
// columns where there is none) is narrower, the columns that are shown whole go
// to lines of their own, then those that may go below do; what is still too
// wide is cut.
type table struct {
	columns []column
	rows    [][]string
}

func (t *table) row(cells ...string) {
	for i, c := range cells {
		cells[i] = tame(c)
	}
	t.rows = append(t.rows, cells)
}

// minColumn is how narrow a column can become.
const minColumn = 4

// natural are the widths that the columns need, and the sum of them with the
// space between.
func (t *table) natural() (w []int, sum int) {
	w = make([]int, len(t.columns))
	sum = 2 * (len(w) - 1)
	for i, c := range t.columns {
		w[i] = utf8.RuneCountInString(c.head)
		for _, r := range t.rows {
			w[i] = max(w[i], utf8.RuneCountInString(r[i]))
		}
		sum += w[i]
	}
	return w, sum
}

// widths fits the columns into total.
func (t *table) widths(total int) []int {
	w, sum := t.natural()
	for _, keep := range []bool{false, true} {
		for sum > total {
			widest := -1
			for i, c := range t.columns {
				if (keep || !c.keep) && w[i] > minColumn && (widest < 0 || w[i] > w[widest]) {
					widest = i
				}
			}
			if widest < 0 {
				break
			}
			w[widest]--
			sum--
		}
	}
	return w
}

// part is the table of some of the columns.
func (t *table) part(of func(column) bool) *table {
	out := &table{rows: make([][]string, len(t.rows))}
	for i, c := range t.columns {
		if !of(c) {
			continue
		}
		out.columns = append(out.columns, c)
		for j, r := range t.rows {
			out.rows[j] = append(out.rows[j], r[i])
		}
	}
	return out
}

// print writes the table.
func (p *program) print(t *table) {
	const indent = "  "
	total := p.width()
	fits := func(t *table) bool {
		_, sum := t.natural()
		return sum <= total
	}
	blocks := [][]string{nil}
	if !fits(t) {
		whole := t.part(func(c column) bool { return c.whole })
		t = t.part(func(c column) bool { return !c.whole })
		if lower := t.part(func(c column) bool { return c.below }); len(lower.columns) > 0 && !fits(t) {
			t = t.part(func(c column) bool { return !c.below })
			blocks = append(blocks, p.lines(lower, total-len(indent)))
		}
		for i := range whole.columns {
			text := []string{whole.columns[i].head}
			for _, r := range whole.rows {
				text = append(text, wrap(r[i], total-len(indent), "\n"+indent))
			}
			blocks = append(blocks, text)
		}
	}
	blocks[0] = p.lines(t, total)
	for i, line := range blocks[0] {
		fmt.Fprintln(p.out, line)
		for _, more := range blocks[1:] {
			if more[i] != "" {
				fmt.Fprintln(p.out, indent+more[i])
			}
		}
	}
}

// lines are the table's, the heads first. A cell is coloured after it was padded.
func (p *program) lines(t *table, total int) []string {
	w := t.widths(total)
	line := func(cells []string, head bool) string {
		var b strings.Builder
		for i, c := range t.columns {
			if i > 0 {
				b.WriteString("  ")
			}
			text := clip(cells[i], w[i])
			pad := strings.Repeat(" ", w[i]-utf8.RuneCountInString(text))
			if !head {
				text = p.paint(text)
			}
			switch {
			case c.right:
				b.WriteString(pad + text)
			case i == len(t.columns)-1:
				b.WriteString(text)
			default:
				b.WriteString(text + pad)
			}
		}
		return strings.TrimRight(b.String(), " ")
	}
	heads := make([]string, len(t.columns))
	for i, c := range t.columns {
		heads[i] = c.head
	}
	out := []string{line(heads, true)}
	for _, r := range t.rows {
		out = append(out, line(r, false))
	}
	return out
}

// clip cuts a text to n characters, visibly: a sentence at its end, a name in
// its middle, for what tells names apart stands at either end.
func clip(s string, n int) string {
	r := []rune(s)
	switch {
	case len(r) <= n:
		return s
	case n < 1:
		return ""
	case strings.ContainsRune(s, ' '):
		return string(r[:n-1]) + "…"
	}
	tail := (n - 1) / 2
	return string(r[:n-1-tail]) + "…" + string(r[len(r)-tail:])
}

// wrap breaks a text between words into lines of at most n characters where it
// can: a word is never broken. sep stands between the lines.
func wrap(s string, n int, sep string) string {
	var b strings.Builder
	used := 0
	for word := range strings.FieldsSeq(s) {
		long := utf8.RuneCountInString(word)
		switch {
		case used == 0:
		case used+1+long > n:
			b.WriteString(sep)
			used = 0
		default:
			b.WriteByte(' ')
			used++
		}
		b.WriteString(word)
		used += long
	}
	return b.String()
}

// say prints a line, broken where it is wider than the terminal. What is broken goes
// on two signs further in.
func (p *program) say(line string) {
	words := strings.TrimLeft(line, " ")
	in := line[:len(line)-len(words)]
	fmt.Fprintln(p.out, in+wrap(tame(words), p.width()-len(in)-2, "\n"+in+"  "))
}

// sayLines says each line of a text.
func (p *program) sayLines(text string) {
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		p.say(line)
	}
}

// folded breaks the lines of a text that have more than n characters, between words. What
// is broken goes on further in; words, and what stands between quotation marks, stay
// whole, so that paths, addresses and places in files can be copied.
func folded(text string, n int) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if utf8.RuneCountInString(line) <= n {
			continue
		}
		words := strings.TrimLeft(line, " ")
		in := line[:len(line)-len(words)]
		further := in + "  "
		if strings.HasPrefix(words, "hint: ") {
			further += "    "
		}
		used := len(in)
		var b strings.Builder
		b.WriteString(in)
		for j, word := range unbroken(words) {
			long := utf8.RuneCountInString(word)
			switch {
			case j == 0:
			case used+1+long > n:
				b.WriteString("\n" + further)
				used = len(further)
			default:
				b.WriteByte(' ')
				used++
			}
			b.WriteString(word)
			used += long
		}
		lines[i] = b.String()
	}
	return strings.Join(lines, "\n")
}

// longestQuote is the longest text between quotation marks that stays whole.
const longestQuote = 60

// unbroken are the words of a line, and what stands between quotation marks as one.
func unbroken(line string) (words []string) {
	for line = strings.TrimLeft(line, " "); line != ""; line = strings.TrimLeft(line, " ") {
		end, marked := len(line), rune(0)
		for i, r := range line {
			switch {
			case marked != 0 && r == marked:
				marked = 0
			case marked == 0 && (r == '"' || r == '`') && strings.ContainsRune(line[i+1:min(len(line), i+1+longestQuote)], r):
				marked = r
			case marked == 0 && r == ' ':
				end = i
			}
			if end < len(line) {
				break
			}
		}
		words, line = append(words, line[:end]), line[end:]
	}
	return words
}

// width is that of the terminal of standard output.
func (p *program) width() int { return width(p.out) }

// width is that of a terminal; 80 where there is none, or a narrower one.
func width(of any) int {
	if f, ok := of.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 80 {
			return w
		}
	}
	return 80
}

// terminal reports whether a stream is one.
func terminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// states that are shown in colour.
var colours = map[string]string{
	"ok": "32", "ready": "32", "active": "32",
	"degraded": "33", "failing over": "33", "trying": "33", "cooling": "33", "partial": "33", "shed": "33", "backoff": "33", "expired": "33",
	"open": "31", "broken": "31", "down": "31", "failed": "31", "revoked": "31",
}

// paint colours a word that tells a state, on a terminal that wants colours.
func (p *program) paint(text string) string {
	code, ok := colours[text]
	if !ok || !p.colour() {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p *program) colour() bool {
	return p.getenv("NO_COLOR") == "" && p.getenv("TERM") != "dumb" && terminal(p.out)
}

// printJSON prints facts for programs.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
