package cli

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"freehold/internal/admin"
	"freehold/internal/ledger"
)

func TestTame(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "größe 模型 🙂": "größe 模型 🙂", "\x1b]0;x\a": `\u001b]0;x\u0007`, "a\x7fb": `a\u007fb`, "\u009b2J": `\u009b2J`,
		"\x9b2J": `\x9b2J`, "a\r\nb\t": `a\u000d\u000ab\u0009`, "\u202egpt": `\u202egpt`, "\u2066x\u2069": `\u2066x\u2069`,
	} {
		if got := tame(in); got != want {
			t.Errorf("tame(%q) = %q, want %q", in, got, want)
		}
	}
	if got, want := tameLines("a\n\tb\r\x1b[2J\n"), "a\n\tb"+`\u000d\u001b[2J`+"\n"; got != want {
		t.Errorf("tameLines: %q, want %q", got, want)
	}
	rapid.Check(t, func(t *rapid.T) {
		in := string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
		got := tame(in)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, hidden) {
			t.Errorf("tame(%q) = %q", in, got)
		}
		if tame(got) != got {
			t.Errorf("tame(%q) changes again", got)
		}
	})
}

// What others wrote reaches the terminal as text wherever a request is shown.
func TestOutputIsTame(t *testing.T) {
	const bad = "x\x1b[2J\u202e"
	var out bytes.Buffer
	p := &program{out: &out, getenv: func(string) string { return "" }}
	p.printWhy(admin.WhyOut{
		Request: admin.Request{ID: bad, Asked: bad, Workload: bad, Outcome: bad, Deployment: bad, Route: bad, Tags: []string{bad}},
		Plan:    bad + " | " + bad, Features: []string{bad}, Dropped: []string{bad},
		Attempts: []admin.Attempt{{Deployment: bad, Cause: bad, Outcome: bad, Fault: bad}},
		Seams:    []ledger.Seam{{From: bad, To: bad, Method: bad, Cause: bad}},
	})
	table := table{columns: []column{{head: "A"}, {head: "B"}}}
	table.row(bad, bad)
	p.print(&table)
	if got := out.String(); strings.ContainsFunc(strings.ReplaceAll(got, "\n", ""), hidden) || !strings.Contains(got, `x\u001b[2J\u202e`) {
		t.Errorf("printed %q", got)
	}
}
