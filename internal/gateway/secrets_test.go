package gateway_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"freehold/internal/app/apptest"
	"freehold/internal/mock/mocktest"
)

// What a provider is sent to know us by is in none of its errors that a client
// sees: neither its key nor a header or query parameter of the configuration.
func TestSecretsAreHidden(t *testing.T) {
	const key, header, query = "key-of-the-provider", "header/of+the-company", "query-of-the-company"
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		said := fmt.Sprintf("you sent %s, %s and %s", r.Header.Get("Authorization"), r.Header.Get("X-Company"), r.URL.Query().Get("pass"))
		body, err := json.Marshal(map[string]any{"error": map[string]any{"message": said, "type": "invalid_request_error", "code": "c", "all": said}})
		if err != nil {
			t.Error(err)
		}
		ask, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		switch {
		case strings.Contains(string(ask), `"stream":true`):
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = fmt.Fprintf(w, "data: %s\n\n", body)
		default:
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write(body)
		}
	}))
	t.Cleanup(provider.Close)
	s := apptest.Start(t, fmt.Sprintf(`
retries: {max: 0}
providers:
  a: {preset: vllm, base_url: "%s/v1", api_key: %s, headers: {X-Company: Basic %s}, query: {pass: %s}, relay: [files], probe: {enabled: false}}
models: {m: {provider: a}}
`, provider.URL, key, header, query))
	check := func(what, text string) {
		t.Helper()
		if !strings.Contains(text, "[secret]") {
			t.Errorf("%s: the error does not come from the provider: %s", what, text)
		}
		for _, secret := range []string{key, header, query} {
			if strings.Contains(strings.ReplaceAll(text, `\/`, "/"), secret) {
				t.Errorf("%s: %s is shown: %s", what, secret, text)
			}
		}
	}
	for _, claude := range []bool{false, true} {
		for _, stream := range []bool{false, true} {
			got := client{url: s.URL, claude: claude}.ask(t, "m", "hi", stream, "")
			check(fmt.Sprintf("claude client %v, stream %v", claude, stream), got.Body)
		}
	}
	resp, err := mocktest.Client().Get(s.URL + "/v1/files/x")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if cerr := resp.Body.Close(); err != nil || cerr != nil {
		t.Fatal(err, cerr)
	}
	check("raw relay", string(body))
}
