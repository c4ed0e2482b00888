package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Severity of a diagnostic.
type Severity int

// A configuration with an Error is refused; a Warning is told and served.
const (
	Error Severity = iota
	Warning
)

func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// MarshalText makes a severity readable in JSON.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Pos is a place in the file; both count from 1, columns in characters.
type Pos struct {
	Line int `json:"line"`
	Col  int `json:"col"`
}

// Diagnostic is one problem. Line 0 concerns the whole file.
type Diagnostic struct {
	File     string   `json:"file"`
	Pos               // where
	Severity Severity `json:"severity"`
	// Message says what is wrong, Hint what to do; neither holds a secret.
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	// Source is the line, with literal secrets taken out.
	Source string `json:"source,omitempty"`
	// caret is the column in Source, which differs from Pos.Col behind a
	// secret that was taken out.
	caret int
}

// maxShown is how much of a long source line is printed, in characters.
const maxShown = 160

// String is `config.yaml:12:5: message`, then the line, a caret and a hint.
// A warning says so before its message.
func (d Diagnostic) String() string {
	var b strings.Builder
	b.WriteString(d.File)
	if d.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", d.Line, d.Col)
	}
	b.WriteString(": ")
	if d.Severity == Warning {
		b.WriteString("warning: ")
	}
	b.WriteString(d.Message)
	if d.Line > 0 && d.Source != "" {
		line, caret := window(d.Source, max(d.caret, 1))
		b.WriteString("\n  " + line + "\n  " + caret + "^")
	}
	if d.Hint != "" {
		b.WriteString("\n  hint: " + d.Hint)
	}
	return b.String()
}

// window cuts a long line to the part around col and gives the white space
// that puts a caret below it.
func window(line string, col int) (shown, pad string) {
	rs := []rune(line)
	at := min(col-1, len(rs))
	from, to := 0, len(rs)
	if len(rs) > maxShown {
		from = max(0, min(at-maxShown/2, len(rs)-maxShown))
		to = from + maxShown
	}
	var p strings.Builder
	for _, r := range rs[from:at] {
		if r == '\t' {
			p.WriteByte('\t')
		} else {
			p.WriteByte(' ')
		}
	}
	return printable(string(rs[from:to])), p.String()
}

// printable replaces what could confuse a terminal, one character by one.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || (r < ' ' && r != '\t') || (r >= 0x7f && r < 0xa0) {
			return '?'
		}
		return r
	}, s)
}

// Diagnostics are all problems of one file, in the order of the file.
type Diagnostics []Diagnostic

// Err is nil where nothing is wrong or there are warnings only.
func (ds Diagnostics) Err() error {
	if errs := ds.of(Error); len(errs) > 0 {
		return errors.New(errs.String())
	}
	return nil
}

// Warnings are the problems that do not stop the configuration.
func (ds Diagnostics) Warnings() Diagnostics { return ds.of(Warning) }

// Errors are the problems that do.
func (ds Diagnostics) Errors() Diagnostics { return ds.of(Error) }

func (ds Diagnostics) of(s Severity) Diagnostics {
	var out Diagnostics
	for _, d := range ds {
		if d.Severity == s {
			out = append(out, d)
		}
	}
	return out
}

func (ds Diagnostics) String() string {
	lines := make([]string, len(ds))
	for i, d := range ds {
		lines[i] = d.String()
	}
	return strings.Join(lines, "\n")
}

// WriteTo prints every problem, each on its own lines.
func (ds Diagnostics) WriteTo(w io.Writer) (int64, error) {
	if len(ds) == 0 {
		return 0, nil
	}
	n, err := io.WriteString(w, ds.String()+"\n")
	return int64(n), err
}

// sorted orders by place and takes out what was said twice.
func (ds Diagnostics) sorted() Diagnostics {
	slices.SortStableFunc(ds, func(a, b Diagnostic) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col), cmp.Compare(a.Severity, b.Severity), cmp.Compare(a.Message, b.Message))
	})
	return slices.CompactFunc(ds, func(a, b Diagnostic) bool {
		return a.Pos == b.Pos && a.Severity == b.Severity && a.Message == b.Message
	})
}

// report collects the problems of one load.
type report struct{ list Diagnostics }

func (r *report) errorf(p Pos, hint, format string, args ...any) {
	r.add(Error, p, hint, format, args...)
}

func (r *report) warnf(p Pos, hint, format string, args ...any) {
	r.add(Warning, p, hint, format, args...)
}

func (r *report) add(s Severity, p Pos, hint, format string, args ...any) {
	r.list = append(r.list, Diagnostic{Pos: p, Severity: s, Message: fmt.Sprintf(format, args...), Hint: hint})
}
