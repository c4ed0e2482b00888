package gateway_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"freehold/internal/app/apptest"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
)

// Tokens are counted by the provider where it can, else estimated here; the
// estimate sends nothing anywhere and says that it is one.
func TestCountTokens(t *testing.T) {
	claude := mocktest.Start(t, mock.Options{Profile: "anthropic"})
	open := mocktest.Start(t, mock.Options{Profile: "vllm"})
	s := apptest.Start(t, fmt.Sprintf(`
providers:
  claude: {preset: anthropic, base_url: "%s", api_key: k, probe: {enabled: false}}
  open: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}
models:
  c: {provider: claude, id: claude-3-5-sonnet-20241022}
  o: {provider: open, id: m}
`, claude.URL(), open.URL()))
	for model, estimated := range map[string]string{"c": "", "o": "true"} {
		body := fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"one two three four five six"}]}`, model)
		resp, err := mocktest.Client().Post(s.URL+"/v1/messages/count_tokens", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		var answer struct {
			Tokens int64 `json:"input_tokens"`
		}
		err = json.NewDecoder(resp.Body).Decode(&answer)
		if cerr := resp.Body.Close(); err != nil || cerr != nil {
			t.Fatal(err, cerr)
		}
		if resp.StatusCode != http.StatusOK || answer.Tokens < 6 || answer.Tokens > 40 || resp.Header.Get("X-Freehold-Estimated") != estimated {
			t.Errorf("%s: status %d, %d tokens, estimated %q", model, resp.StatusCode, answer.Tokens, resp.Header.Get("X-Freehold-Estimated"))
		}
	}
	if n := open.Stats().Requests; n != 0 {
		t.Errorf("%d requests left for an estimate", n)
	}
	if rows := s.Rows(t); len(rows) != 2 {
		t.Errorf("%d rows", len(rows))
	}
}
