package app_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"freehold/internal/app/apptest"
	"freehold/internal/auth"
	"freehold/internal/ledger"
	"freehold/internal/vector/pinecone/sim"
)

// TestIndexPerimeter: classes of the header, the key and the tenant, and of the index
// itself, keep requests of an index from its stores, and are on record.
func TestIndexPerimeter(t *testing.T) {
	t.Setenv("APP_TEST_PINECONE_KEY", "a-key")
	p, err := sim.New(sim.Options{Key: "a-key"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	for _, name := range []string{"docs", "eu"} {
		if _, err := p.Add(sim.Index{Name: name, Dimension: 2, Metric: "cosine"}); err != nil {
			t.Fatal(err)
		}
	}
	s := apptest.Start(t, `server: {listen: 127.0.0.1:0, auth: keys}
stores:
  old: {url: "pinecone://`+p.Address()+`/docs", api_key: "${env:APP_TEST_PINECONE_KEY}", jurisdiction: US}
  older: {url: "pinecone://`+p.Address()+`/eu", api_key: "${env:APP_TEST_PINECONE_KEY}", jurisdiction: US, data: eu-only}
data_classes: {public: {}, eu-only: {jurisdictions: [EU]}}
tenants: {acme: {keys: [acme-app], classes: [eu-only]}}
indexes:
  docs: {from: old, to: "qdrant://127.0.0.1:1/docs", data: public}
  eu: {from: older, to: "qdrant://127.0.0.1:1/eu"}
`)
	secrets := map[string]string{}
	for name, classes := range map[string][]string{"app": nil, "eu-app": {"eu-only"}, "acme-app": nil} {
		_, secret, err := s.App.Keys.Create(t.Context(), auth.Request{Name: name, Grant: auth.Grant{DataClasses: classes}})
		if err != nil {
			t.Fatal(err)
		}
		secrets[name] = secret
	}
	n := 0
	ask := func(index, key, class string) (int, string, *ledger.Row) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/pinecone/"+index+"/vectors/upsert", strings.NewReader(`{"vectors": [{"id": "a", "values": [1, 2]}]}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Api-Key", secrets[key])
		if class != "" {
			r.Header.Set("X-Freehold-Data-Class", class)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		out, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		n++
		return resp.StatusCode, string(out), s.WaitRows(t, n)[0]
	}
	for _, index := range []string{"docs", "eu"} { // they are opened beside
		for code := http.StatusServiceUnavailable; code == http.StatusServiceUnavailable && t.Context().Err() == nil; {
			code, _, _ = ask(index, "app", "")
		}
	}
	for _, c := range []struct {
		index, key, class string
		code              int
		says, classes     string
	}{
		{"docs", "app", "", 200, "upserted", "public"},
		{"docs", "app", "public", 200, "upserted", "public"},
		{"docs", "app", "eu-only", 403, "store old may not be asked: data class eu-only: jurisdiction US", "public eu-only"},
		{"docs", "app", "nonsense", 400, `data class \"nonsense\" is not defined`, "public"},
		{"docs", "eu-app", "", 403, "data class eu-only", "public eu-only"},
		{"docs", "eu-app", "public", 403, "data class eu-only", "public eu-only"},
		{"docs", "acme-app", "", 403, "data class eu-only", "public eu-only"},
		{"eu", "app", "", 403, "store older may not be asked: data class eu-only", "eu-only"},
	} {
		code, text, row := ask(c.index, c.key, c.class)
		slices.Sort(row.DataClasses)
		slices.Reverse(row.DataClasses)
		if code != c.code || !strings.Contains(text, c.says) || !strings.Contains(text, "code") && code != 200 {
			t.Errorf("%+v: %d %s", c, code, text)
		}
		if got := strings.Join(row.DataClasses, " "); got != c.classes || row.Status != c.code || code == 403 && (len(row.Attempts) != 0 || row.Outcome != ledger.Refused) {
			t.Errorf("%+v: %s %+v", c, got, row)
		}
	}
}
