package config

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestDiffOfNothing(t *testing.T) {
	if d := Diff("c", []byte("a: 1\n"), []byte("a: 1\n")); d != "" {
		t.Errorf("got %q", d)
	}
}

// TestDiffApplies: what unified prints turns the one text into the other,
// judged by applying it line by line as git apply would.
func TestDiffApplies(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		line := rapid.SampledFrom([]string{"a", "b", "c", "d", ""})
		text := func(name string) string {
			s := strings.Join(rapid.SliceOfN(line, 0, 30).Draw(rt, name), "\n")
			if s != "" && rapid.Bool().Draw(rt, name+" end") {
				s += "\n"
			}
			return s
		}
		before, after := text("before"), text("after")
		got, err := applyUnified(before, unified("c", before, after))
		if err != nil || got != after {
			rt.Fatalf("%v: got %q, want %q by\n%s", err, got, after, unified("c", before, after))
		}
	})
}

func applyUnified(before, patch string) (string, error) {
	if patch == "" {
		return before, nil
	}
	old, at := splitLines(before), 0
	var out strings.Builder
	lines := splitLines(patch)
	for i := 2; i < len(lines); i++ {
		l := lines[i]
		text := l[1:]
		if i+1 < len(lines) && strings.HasPrefix(lines[i+1], `\`) {
			text = strings.TrimSuffix(text, "\n")
		}
		switch l[0] {
		case '@':
			var start int
			if _, err := fmt.Sscanf(l, "@@ -%d", &start); err != nil {
				return "", err
			}
			if !strings.Contains(strings.Fields(l)[1], ",0") {
				start--
			}
			for ; at < start; at++ {
				out.WriteString(old[at])
			}
		case ' ', '-':
			if at >= len(old) || old[at] != text {
				return "", fmt.Errorf("line %d does not fit: %q", at+1, text)
			}
			if l[0] == ' ' {
				out.WriteString(text)
			}
			at++
		case '+':
			out.WriteString(text)
		}
	}
	for ; at < len(old); at++ {
		out.WriteString(old[at])
	}
	return out.String(), nil
}

// TestPatchAppliesWithGit holds the format against the real tool, where there is one.
func TestPatchAppliesWithGit(t *testing.T) {
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip("no git here")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	src := strings.Replace(editable, "&base", "", 1)
	src = strings.Replace(src, "<<: *base, ", "", 1)
	o := Overlay{{Path: "server.auth"}, {Path: "workloads.chat.model", Value: []byte(`"n"`)}, {Path: "models.x", Value: []byte(`{"provider":"base"}`)}}
	patch, err := Patch(file, []byte(src), o)
	if err != nil {
		t.Fatal(err)
	}
	want, err := o.Apply([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{git, "apply", "-"}, {"patch", "-p1"}} {
		if _, err := exec.LookPath(command[0]); err != nil {
			t.Logf("no %s here", command[0])
			continue
		}
		if err := os.WriteFile(file, []byte(src), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(command[0], command[1:]...)
		cmd.Dir, cmd.Stdin = dir, strings.NewReader(patch)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v %s\n%s", command, err, out, patch)
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != string(want) {
			t.Errorf("%s: %v\n%s", command, err, got)
		}
	}
}
