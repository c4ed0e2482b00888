package fleet_test

import (
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"freehold/internal/catalog"
	"freehold/internal/config"
	"freehold/internal/dialect"
	"freehold/internal/dialect/openaichat"
	"freehold/internal/fleet"
	"freehold/internal/health"
)

// An external detector is reached over TLS with its own authority and key, and a
// reload that changes nothing of it keeps it and what it has counted.
func TestExternals(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.EscapedPath() != "/a%2Fb/detect" || r.Header.Get("Authorization") != "Bearer a-key-of-ours" {
			t.Errorf("%s %v", r.URL.EscapedPath(), r.Header)
		}
		if _, err := io.WriteString(w, `{"findings":[{"text":0,"start":0,"end":1,"kind":"person"}]}`); err != nil {
			t.Error(err)
		}
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // one client trusts nobody
	s.StartTLS()
	t.Cleanup(s.Close)
	dir := t.TempDir()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), ca, 0o600); err != nil {
		t.Fatal(err)
	}
	cat, err := catalog.Load(catalog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	build := func(more string, previous *fleet.Fleet) *fleet.Fleet {
		t.Helper()
		text := fmt.Sprintf(`
providers: {p: {preset: vllm, base_url: "http://127.0.0.1:1/v1"}}
models: {m: {provider: p, id: m}}
detectors:
  people: {external: {url: "%s/a%%2Fb/detect", inside: true, api_key: "${env:KEY}", timeout: 1m%s}, on_hit: redact}
workloads: {w: {model: m}}
`, s.URL, more)
		cfg, ds := config.Parse(filepath.Join(dir, "config.yaml"), []byte(text), config.Env{
			Catalog: fleet.Presets{Catalog: cat}, Now: time.Now, LookupEnv: func(string) (string, bool) { return "a-key-of-ours", true },
		})
		if cfg == nil {
			t.Fatal(ds)
		}
		f, err := fleet.Build(fleet.Sources{
			Config: cfg, Catalog: cat, Prices: cat.PriceBook(nil), Health: health.New(health.Options{Now: time.Now}), Log: slog.New(slog.DiscardHandler),
			Codecs: map[string]dialect.Codec{"openai": openaichat.Codec{}}, Previous: previous,
		})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	first := build(", tls: {ca: ca.pem}", nil)
	d := first.Workloads["w"].Detectors.List[0].Remote
	if d == nil || d != first.Externals["people"] || d != first.Detectors.List[0].Remote {
		t.Fatalf("%+v", first.Externals)
	}
	body := []byte(`{"model":"w","x":["Zoe"]}`)
	ask := func(e *fleet.External) error {
		hits, err := e.JSON(t.Context(), body)
		if err == nil && (len(hits) != 1 || string(body[hits[0].Start:hits[0].End]) != "w") {
			t.Errorf("%+v", hits)
		}
		return err
	}
	if err := ask(d); err != nil {
		t.Error(err)
	}
	same := build(", tls: {ca: ca.pem}", first)
	first.Retire(same)
	if e := same.Externals["people"]; e != d || e.Stats().Calls != 1 {
		t.Errorf("a reload has made another detector of it: %+v", e)
	} else if err := ask(e); err != nil {
		t.Errorf("after a reload: %v", err)
	}
	changed := build(", min_score: 0.5, tls: {ca: ca.pem}", same)
	same.Retire(changed)
	if changed.Externals["people"] == d {
		t.Error("a changed detector is the old one")
	} else if err := ask(changed.Externals["people"]); err != nil {
		t.Error(err)
	}
	if ask(d) == nil {
		t.Error("a retired detector is still asked")
	}
	if ask(build("", nil).Externals["people"]) == nil {
		t.Error("an unknown authority is trusted")
	}
}
