package app_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"freehold/internal/app"
	"freehold/internal/app/apptest"
	"freehold/internal/history"
	"freehold/internal/store/sqlite"
)

const editable = `server: {listen: 127.0.0.1:0, config_writes: WRITES} # stays
providers:
  a: {base_url: https://127.0.0.1:1/v1, dialect: openai, hosting: self}
models:
  m: {deployments: [{provider: a, id: x}]}
workloads:
  chat: {model: m}
`

// edited is what an edit may change, as one can see it from outside.
type edited struct {
	text, version string
	held          []sqlite.HeldChange
	records       int
}

func see(t *testing.T, s *apptest.Server) edited {
	t.Helper()
	text, err := os.ReadFile(s.App.ConfigPath)
	must(t, err)
	held, err := s.App.DB.Overlay(context.Background())
	must(t, err)
	records, err := s.App.History.List(context.Background(), history.Filter{})
	must(t, err)
	return edited{string(text), s.App.Fleet().Version, held, len(records)}
}

func (e edited) same(t *testing.T, now edited) {
	t.Helper()
	if now.text != e.text || now.version != e.version || now.records != e.records || len(now.held) != len(e.held) {
		t.Errorf("was\n%+v\nnow\n%+v", e, now)
	}
	for i := range now.held {
		if now.held[i] != e.held[i] {
			t.Errorf("held was %+v, is %+v", e.held[i], now.held[i])
		}
	}
}

func set(s *apptest.Server, path, value string) error {
	var v json.RawMessage
	if value != "" {
		v = json.RawMessage(value)
	}
	_, err := s.App.Edit(context.Background(), path, v, s.App.Who, "trying")
	return err
}

// What cannot be taken into use is taken back whole, and whoever asked is told why:
// certificates are read with the file and have a place there, a preset is not.
func TestEditTakenBack(t *testing.T) {
	for _, writes := range []string{"file", "overlay", "propose"} {
		t.Run(writes, func(t *testing.T) {
			presets := t.TempDir()
			must(t, os.WriteFile(filepath.Join(presets, "odd.yaml"),
				[]byte(`title: Odd
dialect: openai
base_url: https://127.0.0.1:1/v1
auth: bearer
key_optional: true
headers: {connection: close}
paths: {chat: /chat/completions}
hosting: self
openness: open
continuation: none
source: [{url: "https://odd.example", date: 2026-11}]
`), 0o600))
			s := apptest.Start(t, strings.Replace(editable, "WRITES", writes, 1)+"catalog: {presets: "+presets+"}\n")
			pem := filepath.Join(s.Dir, "no.pem")
			must(t, os.WriteFile(pem, []byte("no certificate"), 0o600))
			must(t, set(s, "providers.a.tls", `{"server_name": "a.example"}`))
			before := see(t, s)
			for path, value := range map[string]string{
				"providers.a.tls": `{"ca": "` + pem + `"}`,
				"server.tls":      `{"cert": "` + pem + `", "key": "` + pem + `"}`,
			} {
				err := set(s, path, value)
				var bad *app.ConfigError
				if !errors.As(err, &bad) || len(bad.Diagnostics.Errors()) != 1 || bad.Diagnostics.Errors()[0].Line == 0 || !strings.Contains(err.Error(), path) {
					t.Errorf("%s: %v", path, err)
				}
				before.same(t, see(t, s))
			}
			err := set(s, "providers.odd", `{"preset": "odd"}`)
			var unfit *app.UnfitError
			if !errors.As(err, &unfit) || !strings.Contains(err.Error(), "providers.odd: header Connection") {
				t.Errorf("a preset with a header that cannot be sent: %v", err)
			}
			before.same(t, see(t, s))
			if s.App.Refused() != nil {
				t.Errorf("the file counts as refused: %v", s.App.Refused())
			}
			must(t, set(s, "retries.max", "1"))
			if got := s.App.Config().Retries.Max; got != 1 {
				t.Errorf("the next edit gives %d retries", got)
			}
		})
	}
}

// A file that somebody is writing is not edited, and is named with the place.
func TestEditOfBrokenFile(t *testing.T) {
	for _, writes := range []string{"file", "overlay"} {
		t.Run(writes, func(t *testing.T) {
			s := apptest.Start(t, strings.Replace(editable, "WRITES", writes, 1))
			must(t, os.WriteFile(s.App.ConfigPath, []byte("models: {\n"), 0o600))
			err := set(s, "retries.max", "3")
			var edit *app.EditError
			if !errors.As(err, &edit) || !strings.Contains(err.Error(), "\n"+s.App.ConfigPath+":1:") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A state that takes no record leaves the configuration as it was, too.
func TestEditNotRecorded(t *testing.T) {
	for _, writes := range []string{"file", "overlay"} {
		for _, kind := range []history.Kind{history.KindConfig, history.KindOverlay} {
			t.Run(writes+" "+string(kind), func(t *testing.T) {
				s := apptest.Start(t, strings.Replace(editable, "WRITES", writes, 1))
				must(t, set(s, "retries.max", "3"))
				before := see(t, s)
				db, err := sql.Open("sqlite", "file:"+filepath.Join(s.Dir, "freehold.db")+"?_pragma=busy_timeout(30000)")
				must(t, err)
				defer db.Close()
				_, err = db.Exec(`CREATE TRIGGER full BEFORE INSERT ON history WHEN CAST(new.record AS TEXT) LIKE '%"` + string(kind) + `"%' BEGIN SELECT RAISE(FAIL, 'the disk is full'); END`)
				must(t, err)
				err = set(s, "retries.max", "1")
				if writes == "file" && kind == history.KindOverlay {
					must(t, err) // no such record is made
					return
				}
				if err == nil || !strings.Contains(err.Error(), "the disk is full") {
					t.Errorf("set: %v", err)
				}
				now := see(t, s)
				if kind == history.KindOverlay {
					// The configuration was on record as accepted, and is as taken back.
					last, err := s.App.History.List(context.Background(), history.Filter{Limit: 1})
					must(t, err)
					if now.records != before.records+2 || !strings.HasPrefix(last[0].Why, "taken back: ") {
						t.Errorf("%d records after %d, the last %+v", now.records, before.records, last[0])
					}
					now.records = before.records
				}
				before.same(t, now)
				if got := s.App.Config().Retries.Max; got != 3 {
					t.Errorf("%d retries are in use", got)
				}
				_, err = db.Exec(`DROP TRIGGER full`)
				must(t, err)
				must(t, set(s, "retries.max", "1"))
			})
		}
	}
}

// An edit is checked with all that is held beside it.
func TestEditOverHeld(t *testing.T) {
	s := apptest.Start(t, strings.Replace(editable, "WRITES", "overlay", 1))
	must(t, set(s, "models.n", `{"deployments": [{"provider": "a", "id": "y"}]}`))
	must(t, set(s, "workloads.chat.model", `"n"`)) // which the file does not have
	if got := s.App.Config().Workloads["chat"].Model; got != "n" {
		t.Errorf("chat is answered by %s", got)
	}
	before := see(t, s)
	var bad *app.ConfigError
	if err := set(s, "models.n", ""); !errors.As(err, &bad) { // the file has none anyway
		t.Errorf("a model in use is taken out: %v", err)
	}
	before.same(t, see(t, s))

	// Written in the file, a value takes the place of the one held.
	must(t, set(s, "server.config_writes", `"file"`))
	must(t, set(s, "workloads.chat.model", `"m"`))
	if got := s.App.Config().Workloads["chat"].Model; got != "m" {
		t.Errorf("chat is answered by %s", got)
	}
	if held := see(t, s).held; len(held) != 2 {
		t.Errorf("held: %+v", held)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A file that cannot be written is left, and the edit held; nothing was taken back.
func TestEditReadOnlyFile(t *testing.T) {
	s := apptest.Start(t, strings.Replace(editable, "WRITES", "file", 1))
	must(t, os.Chmod(s.App.ConfigPath, 0o400))
	before := see(t, s)
	must(t, set(s, "retries.max", "1"))
	now := see(t, s)
	if now.text != before.text || len(now.held) != 1 || now.records != before.records+2 || s.App.Config().Retries.Max != 1 {
		t.Errorf("was\n%+v\nis\n%+v", before, now)
	}
}

// A secret is set by reference only: as it is it would lie in the file, or in the
// state and in its copies.
func TestEditNoSecret(t *testing.T) {
	for _, writes := range []string{"file", "overlay", "propose"} {
		s := apptest.Start(t, strings.Replace(editable, "WRITES", writes, 1))
		before := see(t, s)
		for path, value := range map[string]string{
			"providers.a.api_key": `"sk-live-zzzzzzzz12345678"`,
			"providers.a":         `{"base_url":"https://127.0.0.1:1/v1","dialect":"openai","hosting":"self","api_key":"sk-live-zzzzzzzz12345678"}`,
		} {
			err := set(s, path, value)
			if err == nil || !strings.Contains(err.Error(), "by reference") || strings.Contains(err.Error(), "zzzz") {
				t.Errorf("%s, %s: %v", writes, path, err)
			}
			before.same(t, see(t, s))
		}
		t.Setenv("EDIT_TEST_KEY", "k")
		must(t, set(s, "providers.a.api_key", `"${env:EDIT_TEST_KEY}"`))
	}
}
