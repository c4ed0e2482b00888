package gateway_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"freehold/internal/app/apptest"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
)

// told is what a mock got last: system prompt, temperature and limit.
func told(t *testing.T, m *mock.Server) (system string, temperature *float64, limit int64) {
	t.Helper()
	all := m.Requests()
	if len(all) == 0 {
		t.Fatal("it was not asked")
	}
	var body struct {
		System      any
		Temperature *float64
		Max         int64 `json:"max_tokens"`
		Messages    []struct {
			Role    string
			Content any
		}
	}
	if err := json.Unmarshal(all[len(all)-1].Body, &body); err != nil {
		t.Fatal(err)
	}
	if body.System != nil {
		system = fmt.Sprint(body.System)
	}
	for _, m := range body.Messages {
		if m.Role == "system" {
			system += fmt.Sprint(m.Content)
		}
	}
	return system, body.Temperature, body.Max
}

const variantConfig = `
retries: {max: 0}
providers:
  a: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}
  b: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}
  c: {preset: anthropic, base_url: "%s", api_key: k, probe: {enabled: false}}
models:
  first: {provider: a, id: m, continuation: prefill}
  second: {provider: b, id: m, continuation: prefill}
  claude: {provider: c, id: claude-sonnet-4-20250514}
workloads:
  w:
    model: first
    fallbacks: [second]
    variants:
      second: {system: Second speaks., params: {temperature: 0.3, max_tokens: 40}, strip: [seed]}
      claude: {system: Claude speaks.}
  own: {model: first, variants: {first: {system: First speaks., system_mode: append}}}
  foreign: {model: claude, variants: {claude: {system: Claude speaks., params: {temperature: 0.4, max_tokens: 30}, strip: [logit_bias]}}}
  bare: {model: first}
`

func variantWorld(t *testing.T) (s *apptest.Server, a, b, c *mock.Server) {
	t.Helper()
	a, b, c = vllm(t, mock.Options{}), vllm(t, mock.Options{}), mocktest.Start(t, mock.Options{Profile: "anthropic"})
	return serve(t, variantConfig, a, b, c), a, b, c
}

// A variant holds for the model whose it is: as fallback, in both dialects, and
// not for the one that was asked before.
func TestVariantOfAFallback(t *testing.T) {
	s, a, b, _ := variantWorld(t)
	for i, claude := range []bool{false, true} {
		mocktest.Fail(t, a, "503")
		extra := `,"seed":1,"max_tokens":1000`
		if claude {
			extra = ""
		}
		got := client{url: s.URL, claude: claude}.ask(t, "w", "hi", false, extra)
		if got.Status != 200 {
			t.Fatalf("%v", got)
		}
		if system, temperature, _ := told(t, a); system != "" || temperature != nil {
			t.Errorf("claude %v: the first model was told %q, temperature %v", claude, system, temperature)
		}
		system, temperature, limit := told(t, b)
		if system != "Second speaks." || temperature == nil || *temperature != 0.3 || limit != 40 {
			t.Errorf("claude %v: the second model was told %q, temperature %v, limit %d", claude, system, temperature, limit)
		}
		row := s.WaitRows(t, i+1)[0]
		want := s.App.Config().Workloads["w"].Variants["second"].Made().Version
		if len(row.Attempts) != 2 || row.Attempts[0].Variant != "" || row.Attempts[1].Variant != want {
			t.Errorf("claude %v: attempts %+v, want variant %s", claude, row.Attempts, want)
		}
		if dropped := strings.Join(row.Dropped, ","); dropped != map[bool]string{false: "seed"}[claude] {
			t.Errorf("claude %v: dropped %q", claude, dropped)
		}
	}
}

// After a cut another model goes on, under its own system prompt.
func TestVariantInMidAnswer(t *testing.T) {
	s, a, b, _ := variantWorld(t)
	for i, claude := range []bool{false, true} {
		mocktest.Fail(t, a, "cut:5e")
		got := client{url: s.URL, claude: claude}.ask(t, "w", "hi", true, "")
		row := s.WaitRows(t, i+1)[0]
		if !got.Whole() || len(row.Seams) != 1 {
			t.Fatalf("claude %v: %v, seams %v, attempts %+v", claude, got, row.Seams, row.Attempts)
		}
		if system, _, _ := told(t, a); system != "" {
			t.Errorf("claude %v: the model that was cut was told %q", claude, system)
		}
		if system, temperature, limit := told(t, b); system != "Second speaks." || temperature == nil || limit <= 0 || limit > 40 {
			t.Errorf("claude %v: the one that went on was told %q, temperature %v, limit %d", claude, system, temperature, limit)
		}
		if last := row.Attempts[len(row.Attempts)-1]; last.Variant == "" || row.Attempts[0].Variant != "" {
			t.Errorf("claude %v: attempts %+v", claude, row.Attempts)
		}
	}
}

// From one dialect to the other, and to its own.
func TestVariantAcrossDialects(t *testing.T) {
	s, a, _, c := variantWorld(t)
	own := client{url: s.URL}.ask(t, "own", "hi", false, "")
	if system, _, _ := told(t, a); own.Status != 200 || system != "First speaks." {
		t.Errorf("%v: told %q", own, system)
	}
	for _, claude := range []bool{false, true} {
		got := client{url: s.URL, claude: claude}.ask(t, "foreign", "hi", false, "")
		system, temperature, limit := told(t, c)
		if got.Status != 200 || !strings.Contains(system, "Claude speaks.") || temperature == nil || *temperature != 0.4 || limit != 30 {
			t.Errorf("claude %v: %v, told %q, temperature %v, limit %d", claude, got, system, temperature, limit)
		}
	}
	if rows := s.WaitRows(t, 3); rows[0].Attempts[0].Variant == "" {
		t.Errorf("%+v", rows[0].Attempts)
	}
}

// A cascade's model is put as it needs it, in each attempt, and who answers after
// all is not.
func TestVariantOfACascade(t *testing.T) {
	w := newWeak(t, replies("Paris", "Rome")...)
	strong := vllm(t, mock.Options{})
	s := cascaded(t, w, strong, bySmall, "  v: {model: large, cascade: {model: small}, variants: {small: {system: Small speaks., params: {temperature: 0.6}}}}\n")
	got := client{url: s.URL}.ask(t, "v", "Capital of France?", false, "")
	row := s.WaitRows(t, 1)[0]
	if got.Status != 200 || row.Cascade == nil || row.Cascade.Decision != "escalated" || len(row.Attempts) != 3 {
		t.Fatalf("%v, %+v", got, row)
	}
	for i, a := range row.Attempts {
		if first := i < 2; (a.Variant != "") != first {
			t.Errorf("attempt %d: variant %q", i+1, a.Variant)
		}
	}
	if system, temperature, _ := told(t, strong); system != "" || temperature != nil {
		t.Errorf("the strong model was told %q, temperature %v", system, temperature)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, q := range w.asked {
		messages, _ := q["messages"].([]any)
		if len(messages) != 2 || fmt.Sprint(messages[0]) != "map[content:Small speaks. role:system]" || q["temperature"] != 0.6 {
			t.Errorf("the small model was asked %v", q)
		}
	}
	if len(w.asked) != 2 {
		t.Errorf("the small model was asked %d times", len(w.asked))
	}
}

// A workload without variants sends what it always sent.
func TestWithoutVariant(t *testing.T) {
	s, a, _, _ := variantWorld(t)
	if got := (client{url: s.URL}).ask(t, "bare", "hi", false, `,"seed":1,"temperature":0.7`); got.Status != 200 {
		t.Fatal(got)
	}
	bare := a.Requests()
	direct := (client{url: s.URL}).ask(t, "first", "hi", false, `,"seed":1,"temperature":0.7`)
	all := a.Requests()
	if direct.Status != 200 || string(bare[len(bare)-1].Body) != string(all[len(all)-1].Body) || !strings.Contains(string(all[0].Body), `"seed":1`) {
		t.Errorf("%v: %s and %s", direct, bare[len(bare)-1].Body, all[len(all)-1].Body)
	}
	if row := s.WaitRows(t, 2)[0]; row.Attempts[0].Variant != "" {
		t.Errorf("%+v", row.Attempts)
	}
}
