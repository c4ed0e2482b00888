package shelf

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"freehold/internal/classify"
)

// TestShelf: models get versions; one is in use, and the way back leads through
// those that were.
func TestShelf(t *testing.T) {
	s := Beside(filepath.Join(t.TempDir(), "state.db"))
	inUse := func(wantNow, wantBefore string) {
		t.Helper()
		if now, before, err := s.InUse(); err != nil || now != wantNow || before != wantBefore {
			t.Errorf("in use: %q, before %q, %v; want %q and %q", now, before, err, wantNow, wantBefore)
		}
	}
	inUse(Embedded, "")
	if v, err := s.Versions(); err != nil || len(v) != 0 {
		t.Errorf("versions of an empty shelf: %v, %v", v, err)
	}
	if _, err := s.To(Previous); err == nil {
		t.Error("there is a way back from the first model")
	}
	m, err := classify.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"v0001", "v0002"} {
		if name, err := s.Add(m); err != nil || name != want {
			t.Fatalf("added as %q, %v; want %q", name, err, want)
		}
	}
	inUse(Embedded, "")
	for _, name := range []string{"v0001", "v0002", "v0002"} {
		use(t, s, name, name)
	}
	inUse("v0002", "v0001")
	if name, got, err := s.Current(); err != nil || name != "v0002" || got.Digest() != m.Digest() {
		t.Errorf("the model in use is another one: %v", err)
	}
	for _, want := range []string{"v0001", Embedded} {
		use(t, s, Previous, want)
	}
	inUse(Embedded, "")
}

// TestUnusable: what does not load is not put in use, nor gone back to.
func TestUnusable(t *testing.T) {
	s := Beside(filepath.Join(t.TempDir(), "state.db"))
	m, err := classify.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := s.Add(m); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"v0001", "v0002"} {
		use(t, s, name, name)
	}
	if err := os.WriteFile(s.path("v0001"), []byte("no model"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.To(Previous); err == nil || !strings.Contains(err.Error(), "v0001.bin") {
		t.Errorf("went back to a broken model: %v", err)
	}
	for _, name := range []string{"v0001", "v0003", "../v0002", ""} {
		if _, err := s.To(name); err == nil {
			t.Errorf("%q would be in use", name)
		}
	}
	if now, _, err := s.InUse(); err != nil || now != "v0002" {
		t.Errorf("in use: %q, %v", now, err)
	}
}

// TestUnusableInUse: a model in use whose file broke is not said to be usable.
func TestUnusableInUse(t *testing.T) {
	s := Beside(filepath.Join(t.TempDir(), "state.db"))
	m, err := classify.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	name, err := s.Add(m)
	if err != nil {
		t.Fatal(err)
	}
	use(t, s, name, name)
	if err := os.Truncate(s.path(name), 1000); err != nil {
		t.Fatal(err)
	}
	if _, err := s.To(name); err == nil || !strings.Contains(err.Error(), "v0001.bin") {
		t.Errorf("a cut file could be used: %v", err)
	}
	use(t, s, Previous, Embedded)
}

// use makes a change, which leads to want.
func use(t *testing.T, s Shelf, name, want string) {
	t.Helper()
	c, err := s.To(name)
	if err != nil {
		t.Fatal(err)
	}
	if c.To != want || c.Model == nil {
		t.Errorf("%s leads to %q, want %q", name, c.To, want)
	}
	if err := s.Make(c); err != nil {
		t.Fatal(err)
	}
}
