package app

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"freehold/internal/classify/shelf"
	"freehold/internal/dialect"
)

// The model in use answers; where its file does not load, the embedded one
// does, and the log says so.
func TestClassifier(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state.db")
	var log strings.Builder
	c := &classifier{shelf: shelf.Beside(state), log: slog.New(slog.NewTextHandler(&log, nil))}
	prompt := dialect.Prompt{User: "Summarize the following article in two sentences:\n\n" + strings.Repeat("The council met on Monday to discuss the new bridge. ", 20)}
	first := c.classify(prompt)
	if first.Task != "summarize" || first.Confidence < 0.5 || first.Complexity <= 0 || first.Complexity >= 1 {
		t.Errorf("%+v", first)
	}
	if log.Len() > 0 {
		t.Errorf("log: %s", log.String())
	}
	s := shelf.Beside(state)
	m, err := s.Current()
	if err != nil {
		t.Fatal(err)
	}
	name, err := s.Add(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Use(name); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.Dir(), name+".bin"), []byte("no model"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.take(); err == nil || !strings.Contains(err.Error(), name) {
		t.Errorf("a broken file is taken: %v", err)
	}
	if got := c.model.Load(); got == nil || got.Digest() != m.Digest() {
		t.Error("the model before went for a broken one")
	}
	if _, err := s.Back(); err != nil {
		t.Fatal(err)
	}
	if got, err := c.take(); err != nil || got != shelf.Embedded {
		t.Errorf("took %q, %v", got, err)
	}
	if err := os.WriteFile(filepath.Join(s.Dir(), "in-use.txt"), []byte(name+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.forget()
	if got := c.classify(prompt); got != first {
		t.Errorf("with a broken file: %+v, want the embedded model's %+v", got, first)
	}
	if !strings.Contains(log.String(), name) {
		t.Errorf("the log does not name the file: %s", log.String())
	}
}
