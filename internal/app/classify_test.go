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
	_, m, err := s.Current()
	if err != nil {
		t.Fatal(err)
	}
	name, err := s.Add(m)
	if err != nil {
		t.Fatal(err)
	}
	change, err := s.To(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Make(change); err != nil {
		t.Fatal(err)
	}
	c.forget()
	if got := c.classify(prompt); got.Model != name {
		t.Errorf("the decision names %q, not %q", got.Model, name)
	}
	if err := os.WriteFile(filepath.Join(s.Dir(), name+".bin"), []byte("no model"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.take(shelf.Embedded, m)
	if got := c.classify(prompt); got != first || got.Model != shelf.Embedded {
		t.Errorf("the model that was taken says %+v, want %+v", got, first)
	}
	c.forget()
	if got := c.classify(prompt); got != first {
		t.Errorf("with a broken file: %+v, want the embedded model's %+v", got, first)
	}
	if !strings.Contains(log.String(), name) {
		t.Errorf("the log does not name the file: %s", log.String())
	}
}
