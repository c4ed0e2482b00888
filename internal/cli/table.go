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
}

// table is printed with columns as wide as they need, cut to the width of the
// terminal; 80 where there is none.
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

// widths fits the columns into total.
func (t *table) widths(total int) []int {
	w := make([]int, len(t.columns))
	sum := 2 * (len(w) - 1)
	for i, c := range t.columns {
		w[i] = utf8.RuneCountInString(c.head)
		for _, r := range t.rows {
			w[i] = max(w[i], utf8.RuneCountInString(r[i]))
		}
		sum += w[i]
	}
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

// print writes the table; paint colours a cell after it was padded.
func (p *program) print(t *table) {
	w := t.widths(p.width())
	line := func(cells []string, head bool) {
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
		fmt.Fprintln(p.out, strings.TrimRight(b.String(), " "))
	}
	heads := make([]string, len(t.columns))
	for i, c := range t.columns {
		heads[i] = c.head
	}
	line(heads, true)
	for _, r := range t.rows {
		line(r, false)
	}
}

// clip cuts a text to n characters, visibly.
func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	if n < 1 {
		return ""
	}
	return string([]rune(s)[:n-1]) + "…"
}

// width is that of the terminal; 80 where there is none, or a narrower one.
func (p *program) width() int {
	if f, ok := p.out.(*os.File); ok {
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
	"open": "31", "down": "31", "failed": "31", "revoked": "31",
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
