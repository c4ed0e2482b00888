package cli

import (
	"bytes"
	"flag"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "write the golden files anew")

func tester() (*program, *bytes.Buffer) {
	var out bytes.Buffer
	return &program{
		in: strings.NewReader(""), out: &out, err: io.Discard, clock: time.Now, getenv: func(string) string { return "" },
	}, &out
}

// each calls f for every command that is ours.
func each(c *cobra.Command, f func(*cobra.Command)) {
	f(c)
	for _, below := range c.Commands() {
		if below.Name() != "help" && below.Name() != "completion" {
			each(below, f)
		}
	}
}

// TestHelp holds the help of all commands against a golden file: every one has
// an example, and no line is wider than 80 columns.
func TestHelp(t *testing.T) {
	p, _ := tester()
	var all bytes.Buffer
	each(p.root(), func(c *cobra.Command) {
		if c.Example == "" || c.Short == "" {
			t.Errorf("%s has no example or no description", c.CommandPath())
		}
		p, out := tester()
		args := slices.Concat(strings.Fields(c.CommandPath())[1:], []string{"--help"})
		if code := p.run(t.Context(), args); code != 0 {
			t.Errorf("%v ends with %d", args, code)
		}
		all.WriteString("==== " + c.CommandPath() + "\n" + out.String() + "\n")
	})
	for line := range strings.Lines(all.String()) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	golden(t, "testdata/help.golden", all.Bytes())
}

// TestExamples parses every example of the help as the command line it is.
func TestExamples(t *testing.T) {
	p, _ := tester()
	each(p.root(), func(c *cobra.Command) {
		for line := range strings.Lines(strings.ReplaceAll(c.Example, "\\\n", " ")) { // lines that go on are one
			for _, command := range strings.Split(line, "&&") {
				_, command, ok := strings.Cut(command, "freehold ")
				if !ok {
					continue
				}
				command, _, _ = strings.Cut(command, " > ")
				command, _, _ = strings.Cut(command, " | ")
				words := split(strings.TrimSpace(command))
				q, _ := tester()
				found, rest, err := q.root().Find(words)
				// Two do something by themselves, too.
				group := found.HasSubCommands() && found.Name() != "usage" && found.Name() != "drill"
				if err != nil || !found.Runnable() || group {
					t.Errorf("%q is no command: %v", command, err)
					continue
				}
				if err := found.ParseFlags(rest); err != nil {
					t.Errorf("%q: %v", command, err)
				} else if err := found.ValidateArgs(found.Flags().Args()); err != nil {
					t.Errorf("%q: %v", command, err)
				}
			}
		}
	})
}

// split reads a command line with double quotes, as the examples have them.
func split(line string) []string {
	var out []string
	for i, part := range strings.Split(line, `"`) {
		if i%2 == 1 {
			out = append(out, part)
		} else {
			out = append(out, strings.Fields(part)...)
		}
	}
	return out
}

// TestFlags holds what every command promises: --json where it prints facts,
// --reason where it changes something.
func TestFlags(t *testing.T) {
	json := map[string]bool{}
	reason := map[string]bool{}
	p, _ := tester()
	each(p.root(), func(c *cobra.Command) {
		path := strings.TrimPrefix(c.CommandPath(), "freehold ")
		json[path] = c.Flags().Lookup("json") != nil
		reason[path] = c.Flags().Lookup("reason") != nil
		if c.InheritedFlags().Lookup("config") == nil && c.PersistentFlags().Lookup("config") == nil {
			t.Errorf("%s has no --config", path)
		}
	})
	for _, path := range []string{"check", "chat", "models", "workloads", "explain", "why", "usage", "usage budgets", "engine list", "keys create",
		"keys list", "keys revoke", "keys rotate", "history list", "history show", "history verify", "capture list", "capture show", "capture erase", "bench", "version"} {
		if !json[path] {
			t.Errorf("%s has no --json", path)
		}
	}
	for _, path := range []string{"keys create", "keys revoke", "keys rotate", "capture list", "capture show", "capture erase"} {
		if !reason[path] {
			t.Errorf("%s has no --reason", path)
		}
	}
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (-want +got):\n%s", file, d)
	}
}
