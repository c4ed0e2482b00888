package gateway_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"freehold/internal/dialect/openaichat"
	"freehold/internal/gateway"
	"freehold/internal/llm"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
)

// finder is an external detector of the name Zoe, in freehold's protocol.
type finder struct {
	URL   string
	fault atomic.Value // status text: empty answers
	calls atomic.Int64
	mu    sync.Mutex
	seen  strings.Builder
}

func newFinder(t *testing.T) *finder {
	t.Helper()
	f := &finder{}
	f.fault.Store("")
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Texts []string }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		f.calls.Add(1)
		f.mu.Lock()
		f.seen.WriteString(strings.Join(in.Texts, "|"))
		f.mu.Unlock()
		switch f.fault.Load() {
		case "500":
			w.WriteHeader(http.StatusInternalServerError)
			return
		case "silent":
			<-r.Context().Done()
			return
		case "garbage":
			_, _ = io.WriteString(w, "<html>")
			return
		case "offsets":
			_, _ = io.WriteString(w, `{"findings":[{"text":0,"start":0,"end":100000,"kind":"person"}]}`)
			return
		}
		findings := []map[string]any{}
		for i, text := range in.Texts {
			runes := []rune(text)
			for at := 0; at+3 <= len(runes); at++ {
				if string(runes[at:at+3]) == "Zoe" {
					findings = append(findings, map[string]any{"text": i, "start": at, "end": at + 3, "kind": "PERSON", "score": 0.9})
				}
			}
		}
		if err := json.NewEncoder(w).Encode(map[string]any{"findings": findings}); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	f.URL = s.URL + "/detect"
	return f
}

func TestExternalDetector(t *testing.T) {
	for _, hit := range []string{"tighten, class: restricted", "redact", "block"} {
		cloud, cluster := vllm(t, mock.Options{}), vllm(t, mock.Options{})
		f := newFinder(t)
		s := serve(t, perimeterConfig+`
detectors:
  people: {external: {url: "`+f.URL+`", inside: true, timeout: 2s}, on_hit: `+hit+`}
  keys: {kinds: [secret], on_hit: block}
`, cloud, cluster)
		action, _, _ := strings.Cut(hit, ",")
		for _, c := range []struct {
			fault, prompt string
			found         bool // or no answer
			kind          string
		}{
			{"", "hello", false, ""},
			{"", "tell Zoe: \"日本 😀 Zoe\"", true, "person=2"},
			{"500", "hello", true, "unavailable=1"},
			{"garbage", "hello", true, "unavailable=1"},
			{"offsets", "hello", true, "unavailable=1"},
			{"silent", "hello", true, "unavailable=1"},
		} {
			for _, claude := range []bool{false, true} {
				if c.fault == "silent" && claude {
					continue // takes its time, and shows nothing else
				}
				cloud.Reset()
				cluster.Reset()
				f.fault.Store(c.fault)
				got := client{url: s.URL, claude: claude}.ask(t, "w", "mock: echo\n"+c.prompt, claude, "")
				name := fmt.Sprintf("%s, %q, claude %v", action, c.fault+c.prompt, claude)
				row := s.Rows(t)[0]
				kind := ""
				for _, d := range row.Detected {
					kind = fmt.Sprintf("%s=%d", d.Kind, d.Count)
					if d.Detector != "people" || d.Action != action {
						t.Errorf("%s: %+v", name, d)
					}
				}
				if kind != c.kind {
					t.Errorf("%s: on record as %q, want %q", name, kind, c.kind)
				}
				status, provider := 200, "cloud"
				switch {
				case c.found && action == "tighten":
					provider = "cluster"
				case c.found && c.fault != "" && action != "tighten":
					status, provider = 503, ""
				case c.found && action == "block":
					status, provider = 403, ""
				}
				if got.Status != status || row.Provider != provider || status == 200 && got.Text != c.prompt {
					t.Errorf("%s: %v at %q, want %d at %q", name, got, row.Provider, status, provider)
				}
				if status != 200 && cloud.Stats().Requests+cluster.Stats().Requests > 0 {
					t.Errorf("%s: a request left", name)
				}
				if status == 503 && (row.ErrorCode != "detector_unavailable" || got.Header.Get("Retry-After") == "" || got.Header.Get("X-Should-Retry") == "false") {
					t.Errorf("%s: %q, %v", name, row.ErrorCode, got.Header)
				}
				for _, m := range []*mock.Server{cloud, cluster} {
					for _, r := range m.Requests() {
						if action == "redact" && strings.Contains(string(r.Body), "Zoe") {
							t.Errorf("%s: a provider has seen %s", name, r.Body)
						}
					}
				}
			}
		}
		f.fault.Store("")
		unreadable := 503
		if action == "tighten" {
			unreadable = 403
		}
		for body, status := range map[string]int{"plain": 404, "of Zoe": 403, "\xff": unreadable} { // the mock knows no files
			resp, err := mocktest.Client().Post(s.URL+"/v1/files", "text/plain", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if err := resp.Body.Close(); err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != status {
				t.Errorf("%s: raw %q: %d, want %d", action, body, resp.StatusCode, status)
			}
		}
		calls := f.calls.Load()
		if seen := f.seen.String(); !strings.Contains(seen, "Zoe") || strings.Contains(seen, "messages") {
			t.Errorf("%s: it has seen %q", action, seen)
		}
		// What cannot be read is not sent, and counts.
		if st := s.App.Fleet().Externals["people"].Stats(); st.Calls != calls+1 || st.Failures != 8 || st.Time <= 0 {
			t.Errorf("%s: %+v after %d calls", action, st, calls)
		}
	}
}

// A detector whose name resolves to a place out of its networks sees nothing.
func TestExternalDetectorStaysInItsNetworks(t *testing.T) {
	f := newFinder(t)
	cloud, cluster := vllm(t, mock.Options{}), vllm(t, mock.Options{})
	s := serve(t, perimeterConfig+`
detectors:
  people: {external: {url: "`+strings.Replace(f.URL, "127.0.0.1", "localhost", 1)+`", inside: true, networks: [10.0.0.0/8]}, on_hit: block}
`, cloud, cluster)
	got := client{url: s.URL}.ask(t, "w", "hi", false, "")
	if got.Status != 503 || f.calls.Load() != 0 || cloud.Stats().Requests != 0 {
		t.Errorf("%v after %d calls", got, f.calls.Load())
	}
}

// An explanation asks nobody, and says who would be asked.
func TestExplainAsksNoDetector(t *testing.T) {
	f := newFinder(t)
	cloud, cluster := vllm(t, mock.Options{}), vllm(t, mock.Options{})
	s := serve(t, perimeterConfig+`
detectors:
  people: {external: {url: "`+f.URL+`", inside: true}, on_hit: tighten, class: restricted}
`, cloud, cluster)
	planner, err := s.App.Planner(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := planner.Explain(&gateway.Call{
		ID: "explain", Received: time.Now(), Op: llm.Chat, Codec: openaichat.Codec{}, Fleet: s.App.Fleet(),
		Raw: []byte(`{"model":"w","messages":[{"role":"user","content":"of Zoe"}]}`),
	})
	if f.calls.Load() != 0 || len(out.Unasked) != 1 || out.Unasked[0].Remote.At != f.URL || len(out.Plan.Candidates) != 2 {
		t.Errorf("%+v after %d calls", out, f.calls.Load())
	}
}
