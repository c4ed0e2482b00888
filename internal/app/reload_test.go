package app_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"freehold/internal/app/apptest"
	"freehold/internal/history"
)

// A system prompt in a file is read again when it changes, and the change is in
// the history by its version.
func TestReloadSystemFile(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("v.txt", "You are V.")
	write("config.yaml", `server: {listen: 127.0.0.1:0}
providers: {p: {dialect: openai, base_url: "http://127.0.0.1:9/v1"}}
models: {m: {provider: p}}
workloads: {w: {model: m, variants: {m: {system_file: v.txt}}}}
`)
	s := apptest.Serve(t, filepath.Join(dir, "config.yaml"))
	ctx := context.Background()
	variant := func() string { return s.App.Config().Workloads["w"].Variants["m"].Made().Version }
	first, version := variant(), s.App.Fleet().Version
	if r, err := s.App.Reload(ctx, s.App.Who, "nothing changed"); err != nil || r.Changed {
		t.Errorf("%+v, %v", r, err)
	}
	write("v.txt", "You are W.")
	r, err := s.App.Reload(ctx, s.App.Who, "another prompt")
	if err != nil || variant() == first || r.Version == version {
		t.Errorf("%+v, %v; variant %s", r, err, variant())
	}
	records, err := s.App.History.List(ctx, history.Filter{Kinds: []history.Kind{history.KindConfig}})
	if err != nil {
		t.Fatal(err)
	}
	diff := ""
	for _, rec := range records {
		diff += rec.Diff
	}
	for _, want := range []string{
		"-# workloads.w.variants.m: version " + first + ", 10 bytes of v.txt\n", "+# workloads.w.variants.m: version " + variant() + ", 10 bytes of v.txt\n",
	} {
		if len(records) != 2 || !strings.Contains(diff, want) {
			t.Errorf("%d records; %q is not in %q", len(records), want, diff)
		}
	}
	write("v.txt", "")
	if _, err := s.App.Reload(ctx, s.App.Who, ""); err == nil || !strings.Contains(err.Error(), "the file is empty") {
		t.Errorf("an empty prompt: %v", err)
	}
}

// A reload says what it cannot change, refuses what is broken, and has each
// accepted configuration in the history.
func TestReload(t *testing.T) {
	const first = "server: {listen: 127.0.0.1:0}\nmodels: {}\n"
	s := apptest.Start(t, first)
	ctx := context.Background()
	version := s.App.Fleet().Version
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(s.Dir, "config.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("server: {listen: 127.0.0.1:0, log: {level: debug}, limits: {queue: 3, body: 1MiB}}\nmodels: {}\n")
	r, err := s.App.Reload(ctx, s.App.Who, "trying")
	if err != nil {
		t.Fatal(err)
	}
	if !r.Changed || r.Version == version || !slices.Equal(r.Restart, []string{"server.limits (all but body and body_timeout)", "server.log"}) {
		t.Errorf("%+v", r)
	}
	write("server: {listen: nowhere\n")
	if _, err := s.App.Reload(ctx, s.App.Who, ""); err == nil || s.App.Refused() == nil || s.App.Fleet().Version != r.Version {
		t.Errorf("a broken file: error %v, refused %v, version %s", err, s.App.Refused(), s.App.Fleet().Version)
	}
	write(first)
	if _, err := s.App.Reload(ctx, s.App.Who, "back"); err != nil || s.App.Refused() != nil {
		t.Errorf("a mended file: %v, %v", err, s.App.Refused())
	}
	var diffs, whys []string
	report, err := s.App.History.Verify(ctx, history.VerifyOptions{})
	if err != nil || !report.OK {
		t.Errorf("verify: %v, %+v", err, report)
	}
	records, err := s.App.History.List(ctx, history.Filter{Kinds: []history.Kind{history.KindConfig}})
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range records {
		diffs, whys = append(diffs, rec.Diff), append(whys, rec.Why)
	}
	if len(records) != 3 || !slices.Contains(whys, "trying") || !slices.Contains(whys, "back") || !strings.Contains(strings.Join(diffs, ""), "+server: {listen: 127.0.0.1:0, log: {level: debug}") {
		t.Errorf("history: whys %q, diffs %q", whys, diffs)
	}
}
