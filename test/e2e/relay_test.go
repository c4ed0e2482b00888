package e2e

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"freehold/internal/auth"
	"freehold/internal/ledger"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
	"freehold/test/client"
)

// got is what a raw provider received.
type got struct {
	method, path, query string
	header              http.Header
	body                []byte
}

// TestRelay passes other OpenAI paths to the one provider that takes them, byte
// for byte, and says of the rest that they are not there.
func TestRelay(t *testing.T) {
	var mu sync.Mutex
	var last *got
	answer := make([]byte, 300<<10)
	if _, err := rand.Read(answer); err != nil {
		t.Fatal(err)
	}
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the test misses it
		}
		mu.Lock()
		last = &got{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, r.Header.Clone(), body}
		mu.Unlock()
		switch {
		case strings.HasSuffix(r.URL.Path, "/content"):
			w.Header().Set("Content-Type", "application/octet-stream")
			_, _ = w.Write(answer)
		case strings.HasSuffix(r.URL.Path, "/missing"):
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"error":{"message":"No such File object"}}`)
		default:
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"id":"file-1","object":"file"}`)
		}
	}))
	defer provider.Close()
	s := serve(t, fmt.Sprintf(`
server: {listen: 127.0.0.1:0, auth: keys}
providers: {openai: {preset: openai, base_url: "%s/v1", api_key: provider-key, relay: [files, batches, audio], probe: {enabled: false}}}
models: {m: {provider: openai, id: gpt-4o}}
workloads: {w: {model: m}}
`, provider.URL))
	issue := func(g auth.Grant) http.Header {
		_, key, err := s.Keys.Create(t.Context(), auth.Request{Name: "k", Grant: g})
		if err != nil {
			t.Fatal(err)
		}
		return http.Header{"Authorization": {"Bearer " + key}}
	}
	free := issue(auth.Grant{Models: true})
	openAI, _ := clients(t, s.url)
	received := func() *got {
		mu.Lock()
		defer mu.Unlock()
		g := last
		last = nil
		return g
	}

	t.Run("multipart upload", func(t *testing.T) {
		var form bytes.Buffer
		w := multipart.NewWriter(&form)
		part, err := w.CreateFormFile("file", "data.jsonl")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write(answer); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		h := free.Clone()
		h.Set("Content-Type", w.FormDataContentType())
		h.Set("Cookie", "session=1")
		status, body := send(t, openAI.HTTP, http.MethodPost, s.url+"/v1/files?purpose=batch&x=%2F", h, form.String())
		g := received()
		if status != http.StatusOK || !strings.Contains(body, "file-1") || g == nil {
			t.Fatalf("%d %s", status, body)
		}
		if g.method != http.MethodPost || g.path != "/v1/files" || g.query != "purpose=batch&x=%2F" || !bytes.Equal(g.body, form.Bytes()) ||
			g.header.Get("Content-Type") != w.FormDataContentType() {
			t.Errorf("the provider received %s %s?%s, %d bytes, %v", g.method, g.path, g.query, len(g.body), g.header)
		}
		if g.header.Get("Authorization") != "Bearer provider-key" || g.header.Get("Cookie") != "" {
			t.Errorf("credentials: %v", g.header)
		}
	})
	t.Run("download and errors pass unchanged", func(t *testing.T) {
		status, body := get(t, openAI.HTTP, s.url+"/v1/files/file-1/content", free)
		if status != http.StatusOK || body != string(answer) {
			t.Errorf("%d, %d bytes", status, len(body))
		}
		status, body = get(t, openAI.HTTP, s.url+"/v1/files/missing", free)
		if status != http.StatusNotFound || !strings.Contains(body, "No such File object") {
			t.Errorf("%d %s", status, body)
		}
		if status, _ := send(t, openAI.HTTP, http.MethodDelete, s.url+"/v1/batches/b-1", free, ""); status != http.StatusOK {
			t.Errorf("delete: %d", status)
		}
		if g := received(); g == nil || g.method != http.MethodDelete || g.path != "/v1/batches/b-1" {
			t.Errorf("the provider received %+v", g)
		}
	})
	t.Run("no path leads out of its family", func(t *testing.T) {
		for _, path := range []string{"/v1/files/..%2Fchat%2Fcompletions", "/v1/files/%2e%2e/chat/completions", "/v1/batches/b%2F1"} {
			status, body := send(t, openAI.HTTP, http.MethodPost, s.url+path, free, "{}")
			if status < 400 || status >= 500 || received() != nil {
				t.Errorf("%s: %d %s", path, status, body)
			}
		}
	})
	t.Run("what nobody takes is not there", func(t *testing.T) {
		received()
		for _, path := range []string{"/v1/images/generations", "/v1/assistants", "/v1/filesystem", "/v2/files", "/v1/responses"} {
			status, body := send(t, openAI.HTTP, http.MethodPost, s.url+path, free, "{}")
			if status != http.StatusNotFound || !strings.Contains(body, `"error"`) || received() != nil {
				t.Errorf("%s: %d %s", path, status, body)
			}
		}
		h := free.Clone()
		h.Set("Anthropic-Version", "2023-06-01")
		if status, body := get(t, openAI.HTTP, s.url+"/v1/messages/batches", h); status != http.StatusNotFound || !strings.HasPrefix(body, `{"type":"error"`) {
			t.Errorf("in Anthropic's dialect: %d %s", status, body)
		}
	})
	t.Run("under keys and limits", func(t *testing.T) {
		received()
		if status, _ := get(t, openAI.HTTP, s.url+"/v1/files", nil); status != http.StatusUnauthorized {
			t.Errorf("without a key: %d", status)
		}
		if status, _ := get(t, openAI.HTTP, s.url+"/v1/files", issue(auth.Grant{Workloads: []string{"w"}})); status != http.StatusForbidden {
			t.Errorf("with a key for a workload: %d", status)
		}
		if received() != nil {
			t.Error("they reached the provider")
		}
		limited := issue(auth.Grant{Models: true, Limits: auth.Limits{RequestsPerMinute: 2}})
		var statuses []int
		for range 4 {
			status, _ := get(t, openAI.HTTP, s.url+"/v1/files", limited)
			statuses = append(statuses, status)
		}
		if statuses[1] != http.StatusOK || statuses[2] != http.StatusTooManyRequests || statuses[3] != http.StatusTooManyRequests {
			t.Errorf("a key with two requests a minute: %v", statuses)
		}
	})
	for _, r := range s.rows(t) {
		if r.Cost.Valid && r.Outcome == ledger.OK && len(r.Attempts) > 0 {
			t.Errorf("a relayed request has a price: %+v", r)
		}
	}
}

// TestVendorNames: applications may go on to ask for gpt-4o, unless the owner
// says otherwise; a slip of the pen is met with a suggestion.
func TestVendorNames(t *testing.T) {
	provider := mocktest.Start(t, mock.Options{Profile: mock.OpenAI, Words: 5, Keys: []string{"k"}, Models: []string{"gpt-4o", "real"}})
	config := func(unknown string) string {
		return fmt.Sprintf(`
server: {listen: 127.0.0.1:0, unknown_models: %s}
providers: {openai: {preset: openai, base_url: "%s/v1", api_key: k, probe: {enabled: false}}}
models: {m: {provider: openai, id: real}}
workloads: {support-summaries: {model: m}}
`, unknown, provider.URL())
	}
	s := serve(t, config("relay"))
	for _, c := range both(t, s.url) {
		if r := ask(t, c, client.Request{Model: "gpt-4o", Prompt: "hi"}); !r.Whole() {
			t.Errorf("a vendor's name: %v", &r)
		}
		for name, hint := range map[string]string{"suport-summaries": "support-summaries", "gpt-9-nothing": "", "something else": ""} {
			r := ask(t, c, client.Request{Model: name, Prompt: "hi", Stream: true})
			if r.Status != http.StatusNotFound || !strings.Contains(r.Body, hint) || !strings.Contains(r.Body, name) {
				t.Errorf("%s: %v", name, &r)
			}
		}
	}
	replace(t, s.path, []byte(config("refuse")))
	eventually(t, "vendor names are refused", func() bool {
		openAI, _ := clients(t, s.url)
		r := ask(t, openAI, client.Request{Model: "gpt-4o", Prompt: "hi"})
		return r.Status == http.StatusNotFound && strings.Contains(r.Body, "model_not_found")
	})
}
