package app_test

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"freehold/internal/app"
	"freehold/internal/app/apptest"
	"freehold/internal/capture"
	"freehold/internal/history"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
)

const (
	captureKey = "aa23456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	canary     = "canary-of-the-prompt"
)

// capturing is a configuration with one workload, whose capture is setting.
func capturing(provider *mock.Server, setting string) string {
	return `server: {listen: 127.0.0.1:0}
capture: {key: "${env:APP_TEST_CAPTURE_KEY}"}
providers: {p: {dialect: openai, base_url: "` + provider.URL() + `/v1", api_key: "${env:APP_TEST_CAPTURE_KEY}"}}
models: {m: {provider: p}}
workloads:
  other: {model: m}
  chat: {model: m, capture: {` + setting + `}}
`
}

func ask(t *testing.T, s *apptest.Server) string {
	t.Helper()
	resp, err := mocktest.Client().Post(s.URL+"/v1/chat/completions", "application/json",
		strings.NewReader(`{"model":"chat","user":"canary-user","messages":[{"role":"user","content":"`+canary+`"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d", resp.StatusCode)
	}
	return resp.Header.Get("X-Request-Id")
}

var by = capture.By{Who: history.Who{Via: "os", Name: "tester"}, Why: "a ticket"}

// TestCaptureSwitches: each change of a workload's capture is on record before
// it holds, with who and why, once, over reloads and starts; and it holds.
func TestCaptureSwitches(t *testing.T) {
	t.Setenv("APP_TEST_CAPTURE_KEY", captureKey)
	provider := mocktest.Start(t, mock.Options{})
	path := filepath.Join(t.TempDir(), "config.yaml")
	// The settings are in the environment, so that no file watch is in the way.
	text := capturing(provider, `enabled: "${env:ON}", retention: "${env:KEEP}", share: "${env:SHARE}"`)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	set := func(on, keep, share string) {
		t.Setenv("ON", on)
		t.Setenv("KEEP", keep)
		t.Setenv("SHARE", share)
	}
	kept := func(s *apptest.Server) int {
		ask(t, s)
		list, err := s.App.Captures.List(t.Context(), capture.Filter{}, by)
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	who := history.Who{Via: "os", Name: "owner"}
	reload := func(s *apptest.Server, why string) {
		if _, err := s.App.Reload(t.Context(), who, why); err != nil {
			t.Fatal(err)
		}
	}

	set("false", "7d", "1")
	s := apptest.Serve(t, path)
	if n := kept(s); n != 0 {
		t.Errorf("off: %d are kept", n)
	}
	set("true", "7d", "1")
	reload(s, "a trial")
	if n := kept(s); n != 1 {
		t.Errorf("on: %d are kept", n)
	}
	set("true", "168h", "1.0")
	reload(s, "the same in other words")
	set("true", "36h", "0.5")
	reload(s, "less")
	set("false", "36h", "0.5")
	reload(s, "enough")
	if n := kept(s); n != 1 {
		t.Errorf("off again: %d are kept", n)
	}
	s.Stop(t)
	set("true", "7d", "1")
	s = apptest.Serve(t, path)
	defer s.Stop(t)

	records, err := s.App.History.List(t.Context(), history.Filter{Kinds: []history.Kind{history.KindCapture}})
	if err != nil {
		t.Fatal(err)
	}
	type change struct{ Subject, Before, After, Who, Why string }
	var got []change
	for _, r := range records {
		got = append(got, change{r.Subject, r.Details["before"], r.Details["after"], r.Who.String(), r.Why})
		if r.ConfigHash == "" {
			t.Errorf("record %d does not name its configuration", r.Seq)
		}
	}
	const on, half = "on for 7d, share 1", "on for 36h0m0s, share 0.5"
	want := []change{
		{"chat", "off", on, s.App.Who.String(), ""},
		{"chat", half, "off", who.String(), "enough"},
		{"chat", on, half, who.String(), "less"},
		{"chat", "off", on, who.String(), "a trial"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestCaptureAtRest: what a server kept is sealed in every file of its state; a
// command reads it with the key in its environment, and says so without.
func TestCaptureAtRest(t *testing.T) {
	t.Setenv("APP_TEST_CAPTURE_KEY", captureKey)
	provider := mocktest.Start(t, mock.Options{})
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(capturing(provider, "enabled: true")), 0o600); err != nil {
		t.Fatal(err)
	}
	s := apptest.Serve(t, path)
	id := ask(t, s)
	if _, err := s.App.Captures.Read(t.Context(), id, by); err != nil {
		t.Fatal(err)
	}
	sealed := func() {
		t.Helper()
		err := filepath.WalkDir(filepath.Dir(path), func(file string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || file == path {
				return err
			}
			data, err := os.ReadFile(file)
			for _, text := range []string{canary, "canary-user", captureKey} {
				if strings.Contains(string(data), text) {
					t.Errorf("%s is in %s", text, filepath.Base(file))
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	sealed() // while it runs
	s.Stop(t)
	sealed()

	read := func() (capture.Record, error) {
		a, err := app.Open(t.Context(), app.Options{ConfigPath: path, Lenient: true})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := a.Close(context.Background()); err != nil {
				t.Error(err)
			}
		}()
		return a.Captures.Read(t.Context(), id, by)
	}
	if r, err := read(); err != nil || !strings.Contains(string(r.Request.Body), canary) || r.User != "canary-user" {
		t.Errorf("with the key: %v, %+v", err, r)
	}
	if err := os.Unsetenv("APP_TEST_CAPTURE_KEY"); err != nil {
		t.Fatal(err)
	}
	if _, err := read(); !errors.Is(err, capture.ErrNoKey) {
		t.Errorf("without the key: %v", err)
	}
	t.Setenv("APP_TEST_CAPTURE_KEY", strings.Repeat("another key ", 3))
	if _, err := read(); !errors.Is(err, capture.ErrWrongKey) {
		t.Errorf("with another key: %v", err)
	}
}
