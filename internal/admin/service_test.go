package admin_test

import (
	"bytes"
	"database/sql"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/shopspring/decimal"

	"freehold/internal/admin"
	"freehold/internal/history"
)

func TestModelsAndWorkloads(t *testing.T) {
	w := start(t)
	w.ask(t, "chat")
	models := call(t, w.socket, admin.Models, admin.None{}).Models
	if len(models) != 2 || models[0].Name != "llama" || models[1].Name != "m" {
		t.Fatalf("models: %+v", models)
	}
	m := models[1].Deployments[0]
	if m.Class != 1 || m.Health.State != "ok" || m.Traffic.Requests != 1 || m.Traffic.Total.P95 == nil {
		t.Errorf("m: %+v", m)
	}
	if !m.Price.Input.Decimal.Equal(decimal.NewFromInt(1)) || !m.Price.Output.Decimal.Equal(decimal.NewFromInt(2)) || m.Price.Currency != "USD" {
		t.Errorf("price of m: %+v", m.Price)
	}
	if models[0].Deployments[0].Price != nil {
		t.Errorf("llama has a price: %+v", models[0].Deployments[0].Price)
	}

	got := call(t, w.socket, admin.Workloads, admin.None{}).Workloads
	chat, private := got[0], got[1]
	if chat.Class != 1 || chat.Lowest != 1 || chat.Usable != 2 || chat.State != "ok" || !slices.Equal(chat.Aliases, []string{"gpt-4o-mini"}) || chat.Traffic.Requests != 1 {
		t.Errorf("chat: %+v", chat)
	}
	if private.Class != 5 || private.ClassName != "self-hosted" || private.Lowest != 1 || !slices.Equal(private.Hosting, []string{"self"}) {
		t.Errorf("private: %+v", private)
	}
}

func TestExplain(t *testing.T) {
	w := start(t)
	e := call(t, w.socket, admin.Explain, admin.ExplainIn{Workload: "gpt-4o-mini", Prompt: "Hello there"})
	if e.Kind != "alias" || e.Workload != "chat" || e.PromptTokens == 0 || !e.Live || e.Refused != nil {
		t.Errorf("alias: %+v", e)
	}
	if len(e.Candidates) != 2 || e.Candidates[0].Name != "m@a" || e.Candidates[0].Order != 1 || e.Candidates[1].Reason != "fallback 1" {
		t.Errorf("candidates: %+v", e.Candidates)
	}
	// The class lets nothing go where the jurisdiction is not known.
	e = call(t, w.socket, admin.Explain, admin.ExplainIn{Workload: "private"})
	if len(e.Excluded) != 1 || e.Excluded[0].Deployment != "llama@b" || !e.Excluded[0].Policy || len(e.Candidates) != 1 {
		t.Errorf("private: %+v", e)
	}
	e = call(t, w.socket, admin.Explain, admin.ExplainIn{Workload: "nothing"})
	if e.Refused == nil || e.Refused.Code != "model_not_found" {
		t.Errorf("unknown name: %+v", e.Refused)
	}
	e = call(t, w.socket, admin.Explain, admin.ExplainIn{Workload: "chat", Dialect: "anthropic",
		Body: []byte(`{"model":"x","max_tokens":10,"tools":[{"name":"f","input_schema":{"type":"object"}}],"messages":[{"role":"user","content":"Hi"}]}`)})
	if e.Refused != nil || !slices.Contains(e.Features, "tools") {
		t.Errorf("body: %+v", e)
	}
	if rows := call(t, w.socket, admin.Requests, admin.RequestsIn{}); len(rows.Requests) != 0 {
		t.Errorf("explaining left a request in the ledger: %+v", rows)
	}
}

// TestExplainLongPrompt: what the gateway would take is explained, however long; what
// it would not is refused as it would, with the bound.
func TestExplainLongPrompt(t *testing.T) {
	w := start(t)
	explain := admin.ExplainIn{Workload: "chat", Prompt: strings.Repeat("if a < b & c > d {\n", 5<<20/18)}
	if e := call(t, w.socket, admin.Explain, explain); e.Refused != nil || len(e.Candidates) == 0 || e.PromptTokens < 1<<20 {
		t.Errorf("5 MiB: %+v", e)
	}
	text, err := os.ReadFile(w.path)
	check(t, err)
	check(t, os.WriteFile(w.path, bytes.Replace(text, []byte("server: {"), []byte("server: {limits: {body: 1MiB}, "), 1), 0o600))
	call(t, w.socket, admin.Reload, admin.ReloadIn{})
	explain.Prompt = strings.Repeat("x", 2<<20)
	if e := call(t, w.socket, admin.Explain, explain); e.Refused == nil || e.Refused.Message != "the request's body is larger than 1048576 bytes" {
		t.Errorf("2 MiB: %+v", e.Refused)
	}
	explain.Prompt = strings.Repeat("x", 6<<20)
	f := fails(t, w.socket, admin.Explain, explain, "request_too_large")
	if f.Status != http.StatusRequestEntityTooLarge || f.Message != "the request's body is larger than 1048576 bytes" || f.Hint != "server.limits.body sets the bound" {
		t.Errorf("6 MiB: %d %s (%s)", f.Status, f.Message, f.Hint)
	}
}

func TestRequestsUsageWhy(t *testing.T) {
	w := start(t)
	id := w.ask(t, "chat")
	w.ask(t, "private")
	all := call(t, w.socket, admin.Requests, admin.RequestsIn{})
	if len(all.Requests) != 2 || all.Requests[1].ID != id || all.Next != "" {
		t.Fatalf("requests: %+v", all)
	}
	r := all.Requests[1]
	if r.Workload != "chat" || r.Deployment != "m@a" || r.Outcome != "ok" || r.Attempts != 1 || !r.Cost.Valid || r.CostSource == "" || r.Total <= 0 {
		t.Errorf("request: %+v", r)
	}
	page := call(t, w.socket, admin.Requests, admin.RequestsIn{Limit: 1})
	if next := call(t, w.socket, admin.Requests, admin.RequestsIn{Limit: 1, After: page.Next}); next.Requests[0].ID != id {
		t.Errorf("second page: %+v", next)
	}
	why := call(t, w.socket, admin.Why, admin.WhyIn{ID: id})
	if why.ID != id || len(why.Attempts) != 1 || why.Attempts[0].Deployment != "m@a" || why.Plan != "m@a > llama@b (fallback 1)" {
		t.Errorf("why: %+v", why)
	}
	fails(t, w.socket, admin.Why, admin.WhyIn{ID: "nothing"}, admin.CodeNotFound)

	u := call(t, w.socket, admin.Usage, admin.UsageIn{By: []string{"workload", "provider"}})
	if u.Sum.Requests != 2 || len(u.Groups) != 2 || u.Groups[0].By["workload"] != "chat" || u.Groups[0].By["provider"] != "a" {
		t.Errorf("usage: %+v", u)
	}
	if u.Groups[0].Cost.Sign() <= 0 || u.Groups[0].CostUnknown != 0 {
		t.Errorf("cost of chat: %+v", u.Groups[0])
	}
	none := call(t, w.socket, admin.Usage, admin.UsageIn{Filter: admin.Filter{Until: time.Now().Add(-time.Hour)}})
	if none.Sum != nil {
		t.Errorf("usage of another time: %+v", none.Sum)
	}
	fails(t, w.socket, admin.Usage, admin.UsageIn{By: []string{"colour"}}, admin.CodeInvalid)
	fails(t, w.socket, admin.Usage, admin.UsageIn{Filter: admin.Filter{Key: "nobody"}}, admin.CodeNotFound)
}

// TestKeyNotStored: a state that takes no key is not the caller's mistake.
func TestKeyNotStored(t *testing.T) {
	w := start(t)
	db, err := sql.Open("sqlite", "file:"+filepath.Join(filepath.Dir(w.path), "freehold.db")+"?_pragma=busy_timeout(30000)")
	check(t, err)
	defer db.Close()
	_, err = db.Exec(`CREATE TRIGGER full BEFORE INSERT ON keys BEGIN SELECT RAISE(FAIL, 'the disk is full'); END`)
	check(t, err)
	e := fails(t, w.socket, admin.KeysCreate, admin.KeysCreateIn{Name: "x"}, admin.CodeInternal)
	if e.Status != http.StatusInternalServerError || !strings.Contains(e.Message, "the disk is full") {
		t.Errorf("%d: %s", e.Status, e.Message)
	}
	for _, in := range []admin.KeysCreateIn{{}, {Name: "x", RPM: -1}, {Name: "x", Workloads: []string{"a*b*"}}, {Name: "x", Expires: time.Now().Add(-time.Hour)}} {
		fails(t, w.socket, admin.KeysCreate, in, admin.CodeInvalid)
	}
}

func TestKeys(t *testing.T) {
	w := start(t)
	made := call(t, w.socket, admin.KeysCreate, admin.KeysCreateIn{Name: "shop", Workloads: []string{"chat"}, RPM: 5, Reason: "a new shop"})
	if made.Key == "" || made.ID == "" || made.Name != "shop" {
		t.Fatalf("created: %+v", made)
	}
	list := call(t, w.socket, admin.KeysList, admin.None{}).Keys
	if len(list) != 1 || list[0].State != "active" || list[0].RPM != 5 || list[0].CreatedBy != "os:tester" {
		t.Errorf("list: %+v", list)
	}
	next := call(t, w.socket, admin.KeysRotate, admin.KeysRotateIn{ID: made.ID, Overlap: "1h"})
	if next.Replaces != made.ID || next.OldExpires == nil || next.Key == made.Key {
		t.Errorf("rotated: %+v", next)
	}
	fails(t, w.socket, admin.KeysRotate, admin.KeysRotateIn{ID: made.ID}, admin.CodeConflict) // it has a successor
	gone := call(t, w.socket, admin.KeysRevoke, admin.KeysRevokeIn{ID: next.ID, Reason: "leaked"})
	if gone.State != "revoked" || gone.Warning != "" {
		t.Errorf("revoked: %+v", gone)
	}
	fails(t, w.socket, admin.KeysRevoke, admin.KeysRevokeIn{ID: "nokey"}, admin.CodeNotFound)
	fails(t, w.socket, admin.KeysCreate, admin.KeysCreateIn{Name: "x", Workloads: []string{"nope"}}, admin.CodeInvalid)
	fails(t, w.socket, admin.KeysCreate, admin.KeysCreateIn{Name: "x", Workloads: []string{"index:nope"}}, admin.CodeInvalid)
	fails(t, w.socket, admin.KeysCreate, admin.KeysCreateIn{Name: "x", DataClasses: []string{"nope"}}, admin.CodeInvalid)

	var got []string
	for _, r := range call(t, w.socket, admin.HistoryList, admin.HistoryIn{Kind: []string{"key.create", "key.rotate", "key.revoke"}}).Records {
		got = append(got, string(r.Kind)+" "+r.Who.String()+" "+r.Why)
	}
	want := []string{"key.revoke os:tester leaked", "key.rotate os:tester ", "key.create os:tester a new shop"}
	if made := call(t, w.socket, admin.KeysCreate, admin.KeysCreateIn{Name: "books", Workloads: []string{"index:docs"}}); made.Key == "" {
		t.Error("no key for one index")
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("history (-want +got):\n%s", d)
	}
}

// tamper alters the hashes of the last record in the store.
func (w *world) tamper(t *testing.T) {
	t.Helper()
	_, err := w.app.DB.Write().ExecContext(t.Context(),
		`UPDATE history SET hashes = zeroblob(length(hashes)) WHERE seq = (SELECT max(seq) FROM history)`)
	check(t, err)
}

func TestTamperedHistory(t *testing.T) {
	w := start(t)
	made := call(t, w.socket, admin.KeysCreate, admin.KeysCreateIn{Name: "leaked"})
	w.tamper(t)

	fails(t, w.socket, admin.KeysCreate, admin.KeysCreateIn{Name: "another"}, admin.CodeTampered)
	fails(t, w.socket, admin.KeysRotate, admin.KeysRotateIn{ID: made.ID}, admin.CodeTampered)
	for _, k := range call(t, w.socket, admin.KeysList, admin.None{}).Keys {
		if (k.Name == "another") != (k.State == "revoked") {
			t.Errorf("a key that is not on record works, or the other does not: %+v", k)
		}
	}
	// A leaked key is closed all the same, and not quietly.
	gone := call(t, w.socket, admin.KeysRevoke, admin.KeysRevokeIn{ID: made.ID})
	if gone.State != "revoked" || !strings.Contains(gone.Warning, "NOT in the history") {
		t.Errorf("revoked: %+v", gone)
	}
	v := call(t, w.socket, admin.HistoryVerify, admin.HistoryVerifyIn{})
	if v.OK || len(v.Problems) == 0 {
		t.Errorf("verify: %+v", v)
	}
}

func TestHistory(t *testing.T) {
	w := start(t)
	v := call(t, w.socket, admin.HistoryVerify, admin.HistoryVerifyIn{})
	if !v.OK || v.AttestedUpTo != 0 || !strings.Contains(v.Text, "self-attested") || v.VerifierKey == "" {
		t.Errorf("verify: %+v", v)
	}
	r := call(t, w.socket, admin.HistoryShow, admin.HistoryShowIn{Seq: 2})
	if r.Kind != history.KindConfig || !strings.Contains(r.Diff, "workloads:") || strings.Contains(r.Diff, secret) {
		t.Errorf("show: %+v", r)
	}
	fails(t, w.socket, admin.HistoryShow, admin.HistoryShowIn{Seq: 99}, admin.CodeNotFound)
	remote := &admin.Client{Base: w.url}
	fails(t, remote, admin.HistoryVerify, admin.HistoryVerifyIn{Outside: []string{"/etc/passwd"}}, admin.CodeDenied)
}

func TestConfig(t *testing.T) {
	w := start(t)
	shown := call(t, w.socket, admin.ConfigShow, admin.None{})
	if strings.Contains(shown.Text, secret) || !strings.Contains(shown.Text, "${env:ADMIN_TEST_KEY}") || len(shown.Drift) != 0 {
		t.Errorf("shown: %+v", shown)
	}
	call(t, w.socket, admin.ConfigSet, admin.ConfigSetIn{Path: "workloads.chat.fallbacks", Value: []string{}})
	done := call(t, w.socket, admin.ConfigSet, admin.ConfigSetIn{Path: "workloads.chat.model", Value: "llama", Reason: "cheaper"})
	if done.How != "file" || !done.Result.Changed {
		t.Errorf("set: %+v", done)
	}
	text, err := os.ReadFile(w.path)
	check(t, err)
	if !strings.Contains(string(text), "chat: {model: llama") || !strings.HasPrefix(string(text), "# a comment that stays") {
		t.Errorf("file:\n%s", text)
	}
	if got := call(t, w.socket, admin.Workloads, admin.None{}).Workloads[0].Model; got != "llama" {
		t.Errorf("chat is answered by %s", got)
	}
	e := fails(t, w.socket, admin.ConfigSet, admin.ConfigSetIn{Path: "workloads.chat.model", Value: "nope"}, admin.CodeConfig)
	if !strings.Contains(e.Message, "nope") {
		t.Errorf("refused: %v", e)
	}
	for name, in := range map[string]admin.ConfigSetIn{
		"config/unset":              {Path: "workloads", Value: nil},
		"null cannot be written":    {Path: "workloads.chat", Value: map[string]any{"model": "llama", "data": nil}},
		"workloads.chat.model.deep": {Path: "workloads.chat.model.deep", Value: 1},
	} {
		e := fails(t, w.socket, admin.ConfigSet, in, admin.CodeInvalid)
		if e.Status != http.StatusBadRequest || !strings.Contains(e.Error(), name) || strings.Contains(e.Error(), "held change") {
			t.Errorf("%s: %d %v", name, e.Status, e)
		}
	}
	call(t, w.socket, admin.ConfigUnset, admin.ConfigUnsetIn{Path: "workloads.chat.aliases"})
	if got := call(t, w.socket, admin.Workloads, admin.None{}).Workloads[0].Aliases; len(got) != 0 {
		t.Errorf("aliases: %v", got)
	}
}

func TestReload(t *testing.T) {
	w := start(t)
	text, err := os.ReadFile(w.path)
	check(t, err)
	check(t, os.WriteFile(w.path, append(text, "bad: 1\n"...), 0o600))
	e := fails(t, w.socket, admin.Reload, admin.ReloadIn{}, admin.CodeConfig)
	if !strings.Contains(e.Message, "bad") {
		t.Errorf("refused with %v", e)
	}
	if st := call(t, w.socket, admin.Status, admin.None{}); st.Refused == "" || !st.Serving || st.Deployments["ok"] != 2 {
		t.Errorf("status: %+v", st)
	}
	check(t, os.WriteFile(w.path, append(text, "retries: {max: 3}\n"...), 0o600))
	if r := call(t, w.socket, admin.Reload, admin.ReloadIn{Reason: "more"}); r.Version == "" {
		t.Errorf("reload: %+v", r)
	}
	if st := call(t, w.socket, admin.Status, admin.None{}); st.Refused != "" || st.Reloads < 1 {
		t.Errorf("status: %+v", st)
	}
}

// While the file is broken, what does not come from it is told all the same.
func TestHeldBesideBrokenFile(t *testing.T) {
	w := start(t)
	call(t, w.socket, admin.ConfigSet, admin.ConfigSetIn{Path: "server.config_writes", Value: "overlay"})
	call(t, w.socket, admin.ConfigSet, admin.ConfigSetIn{Path: "retries.max", Value: 1})
	if st := call(t, w.socket, admin.Status, admin.None{}); st.Drift != 1 || st.DriftUnknown != "" {
		t.Errorf("status: %+v", st)
	}
	check(t, os.WriteFile(w.path, []byte("server: {"), 0o600))
	if st := call(t, w.socket, admin.Status, admin.None{}); !st.Serving || !strings.Contains(st.DriftUnknown, "broken") {
		t.Errorf("status: %+v", st)
	}
	if h := call(t, w.socket, admin.HistoryList, admin.HistoryIn{}); len(h.Records) == 0 || !strings.Contains(h.DriftUnknown, "broken") {
		t.Errorf("history: %+v", h)
	}
	if c := call(t, w.socket, admin.ConfigShow, admin.None{}); !strings.Contains(c.Text, "workloads:") || !strings.Contains(c.DriftUnknown, "broken") {
		t.Errorf("config: %+v", c)
	}
	fails(t, w.socket, admin.ConfigSet, admin.ConfigSetIn{Path: "retries.max", Value: 2}, admin.CodeInvalid)
}

// TestProgramsAreSetHere: an administration key from afar names no program that
// freehold would start.
func TestProgramsAreSetHere(t *testing.T) {
	w := start(t)
	for path, value := range map[string]any{
		"rollouts.chat.judge.command": []string{"/bin/sh"}, "rollouts": map[string]any{"chat": map[string]any{"judge": map[string]any{"command": []string{"/bin/sh"}}}},
	} {
		if e := fails(t, &admin.Client{Base: w.url}, admin.ConfigSet, admin.ConfigSetIn{Path: path, Value: value}, admin.CodeDenied); e.Status != http.StatusForbidden {
			t.Errorf("%s: %v", path, e)
		}
	}
}
