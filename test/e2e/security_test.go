package e2e

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"freehold/internal/app"
	"freehold/internal/auth"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
	"freehold/test/client"
)

// TestPublicAddressNeedsKeys: what could be reached from elsewhere is not served
// without authentication.
func TestPublicAddressNeedsKeys(t *testing.T) {
	for _, listen := range []string{"0.0.0.0:0", "[::]:0", ":0", "192.0.2.1:4000", "example.com:4000"} {
		path := writeConfig(t, t.TempDir(), fmt.Sprintf("server: {listen: %q}\nproviders: {p: {preset: vllm, base_url: \"http://127.0.0.1:1/v1\"}}\nmodels: {m: {provider: p, id: m}}\n", listen))
		err := app.Serve(t.Context(), app.Options{ConfigPath: path}, app.Hooks{Ready: func(app.Ready) { t.Errorf("%s is served", listen) }})
		if err == nil || !strings.Contains(err.Error(), "server.listen") {
			t.Errorf("%s: %v", listen, err)
		}
	}
}

// TestKeys: who may ask for what, in both dialects, and how soon a change counts.
func TestKeys(t *testing.T) {
	provider := mocktest.Start(t, mock.Options{Profile: mock.VLLM, Words: 4})
	s := serve(t, fmt.Sprintf(`
server: {listen: 127.0.0.1:0, auth: keys}
providers: {p: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}}
models: {m: {provider: p, id: m}}
workloads: {w: {model: m}, other: {model: m}}
`, provider.URL()))
	issue := func(r auth.Request) (auth.Key, string) {
		t.Helper()
		r.Name = "test"
		k, plain, err := s.Keys.Create(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return k, plain
	}
	_, good := issue(auth.Request{})
	scoped, scopedPlain := issue(auth.Request{Grant: auth.Grant{Workloads: []string{"w"}}})
	_, brief := issue(auth.Request{Expires: time.Now().Add(time.Second)})
	_, limited := issue(auth.Request{Grant: auth.Grant{Limits: auth.Limits{RequestsPerMinute: 2, TokensPerMinute: 100_000}}})
	mistyped := good[:len(good)-1] + "x"
	if mistyped == good {
		mistyped = good[:len(good)-1] + "y"
	}
	cs := both(t, s.url)
	as := func(c *client.Client, header, key string) *client.Client {
		d := *c
		d.Header = http.Header{header: {key}}
		return &d
	}
	expect := func(c *client.Client, model string, status int, code string) client.Result {
		t.Helper()
		r := ask(t, c, client.Request{Model: model, Prompt: "hi", Stream: true})
		if r.Status != status || !strings.Contains(r.Body, code) || r.Status != 200 && c.Claude != strings.HasPrefix(r.Body, `{"type":"error"`) {
			t.Errorf("%s, claude %v: want %d %s: %v", model, c.Claude, status, code, &r)
		}
		return r
	}
	for _, c := range cs {
		sent := provider.Stats().Requests
		expect(c, "w", http.StatusUnauthorized, "missing_key")
		expect(as(c, "X-Api-Key", "fh_nonsense"), "w", http.StatusUnauthorized, "invalid_key")
		expect(as(c, "Authorization", "Bearer "+mistyped), "w", http.StatusUnauthorized, "invalid_key")
		expect(as(c, "Authorization", "Bearer "+scopedPlain), "other", http.StatusForbidden, "scope_denied")
		expect(as(c, "Authorization", "Bearer "+scopedPlain), "m", http.StatusForbidden, "scope_denied")
		if n := provider.Stats().Requests - sent; n != 0 {
			t.Errorf("%d refused requests reached the provider", n)
		}
		for _, header := range []string{"X-Api-Key", "Api-Key", "X-Goog-Api-Key"} {
			expect(as(c, header, good), "w", http.StatusOK, "")
		}
		expect(as(c, "Authorization", "Bearer "+scopedPlain), "w", http.StatusOK, "")
	}
	first := expect(as(cs[0], "X-Api-Key", limited), "w", http.StatusOK, "")
	if h := first.Header; h.Get("X-Ratelimit-Limit-Requests") != "2" || h.Get("X-Ratelimit-Remaining-Requests") != "1" || h.Get("X-Ratelimit-Limit-Tokens") != "100000" {
		t.Errorf("rate limit headers: %v", h)
	}
	expect(as(cs[1], "X-Api-Key", limited), "w", http.StatusOK, "")
	for _, c := range cs {
		if r := expect(as(c, "X-Api-Key", limited), "w", http.StatusTooManyRequests, "rate"); r.Header.Get("Retry-After") == "" {
			t.Errorf("no Retry-After: %v", r.Header)
		}
	}

	// Another process revokes: the server takes notice by itself. (How soon, the
	// keyring's own tests hold.)
	other, err := app.Open(t.Context(), app.Options{ConfigPath: s.path})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Keys.Revoke(t.Context(), scoped.ID); err != nil {
		t.Fatal(err)
	}
	if err := other.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct{ key, code string }{{scopedPlain, "revoked_key"}, {brief, "expired_key"}} {
		eventually(t, want.code, func() bool {
			r := ask(t, as(cs[0], "X-Api-Key", want.key), client.Request{Model: "w", Prompt: "hi"})
			return r.Status == http.StatusUnauthorized && strings.Contains(r.Body, want.code)
		})
	}
}

// TestAdministration: the admin API is for its key, or for this machine where
// there is none, and never for a web page.
func TestAdministration(t *testing.T) {
	const providers = "providers: {p: {preset: vllm, base_url: \"http://127.0.0.1:1/v1\", probe: {enabled: false}}}\nmodels: {m: {provider: p, id: m}}\n"
	open := serve(t, providers)
	t.Setenv("ADMIN_KEY", "admin-key-of-this-test")
	keyed := serve(t, "server: {listen: 127.0.0.1:0, auth: keys, admin_key: \"${env:ADMIN_KEY}\"}\n"+providers)
	_, user, err := keyed.Keys.Create(t.Context(), auth.Request{Name: "user"})
	if err != nil {
		t.Fatal(err)
	}
	_, admin, err := keyed.Keys.Create(t.Context(), auth.Request{Name: "admin", Grant: auth.Grant{Admin: true}})
	if err != nil {
		t.Fatal(err)
	}
	bearer := func(key string) http.Header { return http.Header{"Authorization": {"Bearer " + key}} }
	h := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, c := range []struct {
		name   string
		url    string
		header http.Header
		want   int
	}{
		{"this machine", open.url, nil, 200},
		{"a web page", open.url, http.Header{"Origin": {"https://evil.example"}}, 403},
		{"a web page by a rebound name", open.url, http.Header{"Host": {"evil.example"}}, 403},
		{"no key", keyed.url, nil, 401},
		{"the admin key", keyed.url, bearer("admin-key-of-this-test"), 200},
		{"nearly the admin key", keyed.url, bearer("admin-key-of-this-tesT"), 401},
		{"a user's key", keyed.url, bearer(user), 403},
		{"an administrator's key", keyed.url, bearer(admin), 200},
	} {
		for _, path := range []string{"/admin/v1/status", "/admin/v1/config", "/admin/v1/openapi.json", "/admin/v1/requests"} {
			if status, body := get(t, h, c.url+path, c.header); status != c.want {
				t.Errorf("%s, %s: %d, want %d: %.300s", c.name, path, status, c.want, body)
			}
		}
	}
}

// TestSecretsStaySecret runs a whole session with secrets that would be
// recognized anywhere, every failure included, and looks for them in everything
// that freehold wrote or said.
func TestSecretsStaySecret(t *testing.T) {
	const (
		providerKey = "CANARY-provider-1f3a9c"
		secondKey   = "CANARY-second-77e0b2"
		adminKey    = "CANARY-admin-0c5d1e44"
		header      = "CANARY-header-a91b73"
	)
	provider := mocktest.Start(t, mock.Options{Profile: mock.VLLM, Words: 4, Keys: []string{providerKey}})
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "second"), []byte(secondKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := `server: {listen: "127.0.0.1:0", auth: keys, admin_key: "${env:ADMIN_KEY}", log: {level: debug}}
timeouts: {connect: 1s, first_token: 500ms, idle: 500ms}
retries: {max: 0}
providers:
  p: {preset: vllm, base_url: "%s/v1", api_key: "${env:PROVIDER_KEY}", headers: {x-tenant: "${env:TENANT}"}, probe: {enabled: false}}
  q: {preset: vllm, base_url: "%s/v1", api_key: "${file:second}", probe: {enabled: false}}
  dead: {preset: vllm, base_url: "http://127.0.0.1:1/v1", api_key: "${env:PROVIDER_KEY}", probe: {every: 100ms}}
models: {m: {provider: p, id: m}, n: {provider: q, id: m}, d: {provider: dead, id: m}}
workloads: {w: {model: m, fallbacks: [n]}, refused: {model: n}, down: {model: d}}
%s`
	text := fmt.Sprintf(config, provider.URL(), provider.URL(), "")
	path := writeConfig(t, dir, text)
	env := []string{"PROVIDER_KEY=" + providerKey, "ADMIN_KEY=" + adminKey, "TENANT=" + header}
	p := launch(t, path, env)
	cs := both(t, p.url)
	admin := http.Header{"Authorization": {"Bearer " + adminKey}}
	var said strings.Builder // everything the server answered
	tell := func(method, path string, h http.Header, body string) string {
		status, text := send(t, cs[0].HTTP, method, p.url+path, h, body)
		fmt.Fprintf(&said, "%s %s: %d %s\n", method, path, status, text)
		return text
	}
	_, created := send(t, cs[0].HTTP, http.MethodPost, p.url+"/admin/v1/keys", admin, `{"name":"canary"}`) // shown this once
	var issued struct{ ID, Key string }
	if err := json.Unmarshal([]byte(created), &issued); err != nil || issued.Key == "" {
		t.Fatalf("%v: %s", err, created)
	}
	for _, c := range cs {
		c.Header = http.Header{"Authorization": {"Bearer " + issued.Key}}
		for _, fault := range []string{"", "401:message=" + providerKey, "500:message=bad%20key%20" + providerKey, "garbage", "cut", "errorevent:1e:message=" + providerKey,
			"400:message=" + providerKey, "422:message=" + providerKey, "refuse@1"} {
			mocktest.Fail(t, provider, append([]string{}, strings.Fields(fault)...)...)
			for _, model := range []string{"w", "refused", "down", "no-such-model"} {
				for _, stream := range []bool{false, true} {
					r := ask(t, c, client.Request{Model: model, Prompt: "hi", Stream: stream})
					fmt.Fprintf(&said, "%v %v %v\n", &r, r.Header, r.Body)
				}
			}
			provider.Reset()
		}
		for _, bad := range []string{adminKey + "x", issued.Key + "x", providerKey} {
			c.Header = http.Header{"X-Api-Key": {bad}}
			r := ask(t, c, client.Request{Model: "w", Prompt: "hi"})
			fmt.Fprintf(&said, "%v\n", &r)
		}
	}
	version := tell(http.MethodGet, "/admin/v1/status", admin, "")
	replace(t, path, []byte(fmt.Sprintf(config, provider.URL(), provider.URL(), "broken: [\n")))
	tell(http.MethodPost, "/admin/v1/reload", admin, "")
	replace(t, path, []byte(fmt.Sprintf(config, provider.URL(), provider.URL(), "data_classes: {public: {}}\n")))
	tell(http.MethodPost, "/admin/v1/reload", admin, "")
	if after := tell(http.MethodGet, "/admin/v1/status", admin, ""); after == version {
		t.Error("the reload did nothing")
	}
	for _, path := range []string{"/metrics", "/admin/v1/config", "/admin/v1/requests?limit=1000", "/admin/v1/usage", "/admin/v1/keys",
		"/admin/v1/history", "/admin/v1/history/verify", "/admin/v1/models", "/admin/v1/workloads", "/admin/v1/openapi.json"} {
		tell(http.MethodGet, path, admin, "")
	}
	metrics := tell(http.MethodGet, "/metrics", admin, "")
	if !strings.Contains(metrics, "freehold_requests_total") {
		t.Errorf("/metrics: %.500s", metrics)
	}
	t.Setenv("PROVIDER_KEY", providerKey)
	t.Setenv("ADMIN_KEY", adminKey)
	t.Setenv("TENANT", header)
	for _, command := range [][]string{{"check"}, {"models"}, {"history", "list"}, {"keys", "list"}, {"usage", "--requests", "--json"}} {
		said.WriteString(freehold(t, path, command...))
	}
	p.terminate(t)

	secrets := []string{providerKey, secondKey, adminKey, header, issued.Key, strings.TrimPrefix(issued.Key, "fh_"+issued.ID)}
	look := func(where, text string) {
		for _, secret := range secrets {
			if i := strings.Index(text, secret); i >= 0 {
				t.Errorf("%s has the secret %s: ...%.300s", where, secret, text[max(0, i-150):])
			}
		}
	}
	look("the log", p.log.String())
	look("an answer", said.String())
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "second" || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		look(path, string(data))
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if p.log.String() == "" || said.Len() < 10_000 {
		t.Error("there was nothing to look at")
	}
}
