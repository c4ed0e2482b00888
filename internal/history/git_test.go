package history

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestGitState(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git command")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	state := func() *Git {
		t.Helper()
		g, err := GitState(t.Context(), file)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	// No checkout above may be taken for ours.
	t.Setenv("GIT_CEILING_DIRECTORIES", filepath.Dir(dir))
	write("a: 1\n")
	if g := state(); g != nil {
		t.Errorf("outside a checkout: %+v", g)
	}
	git("init", "-q")
	if g := state(); g != nil {
		t.Errorf("without a commit: %+v", g)
	}
	git("add", ".")
	git("commit", "-q", "-m", "one")
	g := state()
	if g == nil || len(g.Commit) < 40 || g.Dirty || g.Author != "Ada <ada@example.org>" {
		t.Errorf("committed: %+v", g)
	}
	write("a: 2\n")
	if g := state(); g == nil || !g.Dirty {
		t.Errorf("changed: %+v", g)
	}
	file = filepath.Join(dir, "new.yaml")
	write("a: 1\n")
	if g := state(); g == nil || !g.Dirty || g.Author != "" {
		t.Errorf("a file in no commit: %+v", g)
	}
}
