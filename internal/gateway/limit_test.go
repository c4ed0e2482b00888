package gateway_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"freehold/internal/app/apptest"
	"freehold/internal/ledger"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
)

// cutters is one model at three providers, all of which cut after a few words.
func cutters(t *testing.T, presets [3]string, fault, settings string) (*apptest.Server, [3]*mock.Server) {
	t.Helper()
	var m [3]*mock.Server
	config := "retries: {max: 3, base: 1ms, cap: 1ms}\nbreaker: {failures: 1000000, rate: 1, min_requests: 1000000}\n" +
		"timeouts: {first_token: 1m, idle: 1m}\n" + settings + "\nproviders:\n"
	deployments := ""
	for i, preset := range presets {
		m[i] = mocktest.Start(t, mock.Options{Profile: profileOf(preset), Words: 40})
		mocktest.Fail(t, m[i], fault)
		name := string(rune('a' + i))
		config += fmt.Sprintf("  %s: {preset: %s, base_url: %q, api_key: k, probe: {enabled: false}}\n", name, preset, base(preset, m[i].URL()))
		deployments += fmt.Sprintf("{provider: %s, id: %s},", name, modelOf(preset))
	}
	return apptest.Start(t, config+"models: {m: {continuation: prefill, deployments: ["+deployments+"]}}\n"), m
}

// However often an answer is cut, the client's limit holds over all of its
// parts; when nothing is left of it, the answer ends as a provider ends it.
func TestLimitAcrossSeams(t *testing.T) {
	for _, claude := range []bool{false, true} {
		for _, presets := range [][3]string{{"vllm", "vllm", "vllm"}, {"anthropic", "vllm", "anthropic"}} {
			t.Run(fmt.Sprintf("%v, claude client %v", presets, claude), func(t *testing.T) {
				t.Parallel()
				s, mocks := cutters(t, presets, "cut:4e", "")
				c, end := client{url: s.URL, claude: claude}, "length"
				if claude {
					end = "max_tokens"
				}
				for _, m := range mocks {
					mocktest.Fail(t, m)
				}
				whole := c.ask(t, "m", "tell me", true, "")
				for _, m := range mocks {
					mocktest.Fail(t, m, "cut:4e")
				}
				const most = 12
				for limit := 1; limit <= most; limit++ {
					got := c.ask(t, "m", "tell me", true, fmt.Sprintf(`,"max_tokens":%d`, limit))
					if !strings.HasPrefix(whole.Text, got.Text) || len(strings.Fields(got.Text)) > limit || got.Text == "" ||
						got.Finish != end || !got.Ended || got.Err != "" || claude && got.Out == 0 {
						t.Errorf("limit %d: %v, want a part of %q", limit, got, whole.Text)
					}
				}
				seams, atLimit := 0, 0
				for _, r := range s.WaitRows(t, most+1) {
					seams = max(seams, len(r.Seams))
					if r.Outcome != ledger.OK {
						t.Errorf("row of %d attempts: %s %s", len(r.Attempts), r.Outcome, r.ErrorCode)
					}
					if last := r.Attempts[len(r.Attempts)-1]; last.Fault == "cut" {
						atLimit++
					}
				}
				if seams < 2 || atLimit == 0 {
					t.Errorf("at most %d seams, %d answers that were cut at their limit: the test shows nothing", seams, atLimit)
				}
			})
		}
	}
}

// What a provider counts of a part that it cut is taken off the limit, not what
// the part's size looks like.
func TestLimitByReportedTokens(t *testing.T) {
	var mu sync.Mutex
	var asked []int
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q struct {
			MaxTokens int `json:"max_tokens"`
		}
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			t.Error(err)
		}
		mu.Lock()
		asked = append(asked, q.MaxTokens)
		mu.Unlock()
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, `data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m",`+
			`"choices":[{"index":0,"delta":{"content":"Wort "},"finish_reason":null}],`+
			`"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12}}`+"\n\n") // and then no end
	}))
	t.Cleanup(provider.Close)
	s := apptest.Start(t, fmt.Sprintf(`
retries: {max: 0}
providers:
  a: {preset: vllm, base_url: "%[1]s/v1", probe: {enabled: false}}
  b: {preset: vllm, base_url: "%[1]s/v1", probe: {enabled: false}}
models: {m: {continuation: prefill, deployments: [{provider: a, id: m}, {provider: b, id: m}]}}
`, provider.URL))
	got := client{url: s.URL}.ask(t, "m", "hi", true, `,"max_tokens":20`)
	if got.Finish != "length" || !got.Ended || got.Err != "" || got.Out != 21 || got.Text != "Wort Wort Wort " {
		t.Error(got)
	}
	if want := []int{20, 13, 6}; !slices.Equal(asked, want) {
		t.Errorf("asked with limits %v, want %v", asked, want)
	}
}

// Who has cut an answer is asked for the rest of it once more at most, after all
// others, however it fails then; rounds of retries do not change that.
func TestCutterIsAskedOnceMore(t *testing.T) {
	for name, faults := range map[string][]string{
		"cuts again":   {"cut:4e"},
		"stalls again": {"stall:4e"},
		"then refuses": {"cut@1:4e", "500"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			limits := ""
			if name == "stalls again" {
				limits = ", timeouts: {idle: 400ms}"
			}
			a, b := vllm(t, mock.Options{Words: 40}), vllm(t, mock.Options{Words: 40})
			s := serve(t, `
retries: {max: 3, base: 1ms, cap: 1ms}
breaker: {failures: 1000000, rate: 1, min_requests: 1000000}
timeouts: {first_token: 1m, idle: 1m}
providers:
  a: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}
  b: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}
models:
  one: {provider: a, continuation: prefill`+limits+`}
  two: {continuation: prefill, deployments: [{provider: a}, {provider: b}]`+limits+`}
`, a, b)
			for model, want := range map[string][2]int{"one": {2, 0}, "two": {2, 2}} {
				mocktest.Fail(t, a, faults...)
				mocktest.Fail(t, b, faults...)
				before := [2]int{a.Stats().Requests, b.Stats().Requests}
				got := client{url: s.URL}.ask(t, model, "tell me", true, "")
				if got.Err == "" || got.Ended || got.Finish != "" {
					t.Errorf("%s: %v", model, got)
				}
				if asked := [2]int{a.Stats().Requests - before[0], b.Stats().Requests - before[1]}; asked != want {
					t.Errorf("%s: the providers were asked %d times, want %d", model, asked, want)
				}
			}
		})
	}
}
