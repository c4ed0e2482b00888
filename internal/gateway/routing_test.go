package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
)

const routed = `
retries: {max: 0}
providers:
  a: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}
  b: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}
models:
  one: {provider: a, id: m}
  two: {provider: b, id: m}
  both: {balance: BALANCE, deployments: [{provider: a, id: m}, {provider: b, id: m}]}
data_classes: {public: {}}
workloads:
  spread: {model: both}
  prompt: {model: both, slo: {first_token: 100ms}}
  w:
    model: one
    route:
      - {name: count, when: turns > 0, model: two, dry: true}
      - {name: broken, when: 1 / (turns - 1) > 5, model: two}
      - {name: tagged, when: '"batch" in tags && "public" in data_class', model: two}
      - {name: tools, when: has_tools && stream, model: two, fallbacks: []}
      - {name: german, when: language == "de", model: two}
      - {name: long, when: prompt_tokens > 100 || max_tokens == 77, model: two}
`

// Rules see the same of a request in either dialect, and say so in the header
// and on record.
func TestRoute(t *testing.T) {
	a, b := vllm(t, mock.Options{}), vllm(t, mock.Options{})
	s := serve(t, strings.ReplaceAll(routed, "BALANCE", "priority"), a, b)
	tool := map[bool]string{
		false: `,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]`,
		true:  `,"tools":[{"name":"f","input_schema":{"type":"object"}}]`,
	}
	asked := 0
	for _, claude := range []bool{false, true} {
		for name, q := range map[string]struct {
			prompt, extra string
			stream        bool
			header        http.Header
			rule          string
		}{
			"plain":       {prompt: "Hi"},
			"tags":        {prompt: "Hi", header: http.Header{"X-Freehold-Tags": {"a, batch"}, "X-Freehold-Data-Class": {"public"}}, rule: "tagged"},
			"other tags":  {prompt: "Hi", header: http.Header{"X-Freehold-Tags": {"batches"}, "X-Freehold-Data-Class": {"public"}}},
			"tools":       {prompt: "Hi", extra: tool[claude], stream: true, rule: "tools"},
			"plain tools": {prompt: "Hi", extra: tool[claude]},
			"German":      {prompt: "Warum ist der Himmel am Abend rot und nicht blau?", rule: "german"},
			"long":        {prompt: strings.Repeat("one two ", 100), rule: "long"},
			"max_tokens":  {prompt: "Hi", extra: `,"max_tokens":77`, stream: true, rule: "long"},
		} {
			got := client{url: s.URL, claude: claude, header: q.header}.ask(t, "w", q.prompt, q.stream, q.extra)
			asked++
			model, why := "one", "workload"
			if q.rule != "" {
				model, why = "two", "rule "+q.rule
			}
			if h := got.Header; !got.Whole() || h.Get("X-Freehold-Model") != model || h.Get("X-Freehold-Route") != why {
				t.Errorf("%s (claude: %v): %s by %q because of %q, want %q because of %q", name, claude, got, h.Get("X-Freehold-Model"), h.Get("X-Freehold-Route"), model, why)
				continue
			}
			row := s.WaitRows(t, asked)[0]
			want := " | dry rule count would match | rule broken failed: at character 3: division by zero"
			if !strings.HasSuffix(row.Plan, want) || q.rule != "" && !strings.Contains(row.Plan, "two@b") || q.rule == "tools" && strings.Contains(row.Plan, "one@a") {
				t.Errorf("%s: plan on record: %s", name, row.Plan)
			}
		}
	}
	rules := s.App.Fleet().Workloads["w"].Rules
	for i, want := range []struct{ matches, errors int64 }{{16, 0}, {0, 16}, {2, 0}, {2, 0}, {2, 0}, {4, 0}} {
		if n := rules[i].Counts; n.Matches.Load() != want.matches || n.Errors.Load() != want.errors {
			t.Errorf("rule %s: %d matches and %d errors, want %+v", rules[i].Name, n.Matches.Load(), n.Errors.Load(), want)
		}
	}
	// A reload that leaves a rule as it is keeps its counts; one that changes it
	// begins anew.
	urls := strings.NewReplacer("BALANCE", "weighted", "turns > 0", "turns > 1")
	s.Configure(t, fill(urls.Replace(routed), a, b))
	after := s.App.Fleet().Workloads["w"].Rules
	if after[1].Counts.Errors.Load() != 16 || after[0].Counts.Matches.Load() != 0 {
		t.Errorf("after a reload: %d errors, %d matches", after[1].Counts.Errors.Load(), after[0].Counts.Matches.Load())
	}
}

func fill(config string, mocks ...*mock.Server) string {
	config = "server: {listen: 127.0.0.1:0}\n" + config
	for _, m := range mocks {
		config = strings.Replace(config, "%s", m.URL(), 1)
	}
	return config
}

// A conversation stays where it was answered, and another one need not.
func TestConversationStays(t *testing.T) {
	a, b := vllm(t, mock.Options{}), vllm(t, mock.Options{})
	s := serve(t, strings.ReplaceAll(routed, "BALANCE", "weighted"), a, b)
	c := client{url: s.URL}
	providers := map[string]bool{}
	for i := range 20 {
		prompt := "conversation " + strings.Repeat("x", i)
		first := c.ask(t, "spread", prompt, false, "").Header.Get("X-Freehold-Provider")
		providers[first] = true
		for range 3 {
			h := c.ask(t, "spread", prompt, true, "").Header
			if h.Get("X-Freehold-Provider") != first || h.Get("X-Freehold-Route") != "workload, same conversation" {
				t.Fatalf("began at %s, went on at %s because of %q", first, h.Get("X-Freehold-Provider"), h.Get("X-Freehold-Route"))
			}
		}
	}
	if len(providers) != 2 {
		t.Errorf("20 conversations at %v only", providers)
	}
	// Where it was is down: it goes elsewhere, and stays there.
	gone := c.ask(t, "spread", "moves", false, "").Header.Get("X-Freehold-Provider")
	failing, other := a, "b"
	if gone == "b" {
		failing, other = b, "a"
	}
	mocktest.Fail(t, failing, "500")
	for range 3 {
		if h := c.ask(t, "spread", "moves", false, "").Header; h.Get("X-Freehold-Provider") != other {
			t.Errorf("answered by %s, which is down", h.Get("X-Freehold-Provider"))
		}
	}
	mocktest.Fail(t, failing)
	if h := c.ask(t, "spread", "moves", false, "").Header; h.Get("X-Freehold-Provider") != other {
		t.Errorf("it moved back to %s", h.Get("X-Freehold-Provider"))
	}
}

// A share of all requests: a conversation stays on its side, and so does a request
// that is explained.
func TestDraw(t *testing.T) {
	a, b := vllm(t, mock.Options{}), vllm(t, mock.Options{})
	s := serve(t, strings.ReplaceAll(config2, "WORKLOAD", ", route: [{name: share, when: draw < 0.3, model: large}]"), a, b)
	c := client{url: s.URL}
	const all = 200
	for i := range all {
		prompt := fmt.Sprintf("question %d", i)
		first := c.ask(t, "w", prompt, false, "").Header.Get("X-Freehold-Provider")
		if again := c.ask(t, "w", prompt, true, "").Header.Get("X-Freehold-Provider"); again != first {
			t.Fatalf("%q began at %s and went on at %s", prompt, first, again)
		}
	}
	if n := b.Stats().Requests / 2; n < all/5 || n > 2*all/5 {
		t.Errorf("%d of %d conversations are in the share of 0.3", n, all)
	}
	for _, row := range s.WaitRows(t, 2*all) {
		if share := strings.Contains(row.Plan, "rule share: draw=0."); share != (row.Provider == "b") {
			t.Fatalf("%s answered by the plan %s", row.Provider, row.Plan)
		}
	}
}

// Who begins its streams too late is passed over, and asked all the same when
// nobody else answers.
func TestSLO(t *testing.T) {
	a, b := vllm(t, mock.Options{}), vllm(t, mock.Options{})
	s := serve(t, strings.ReplaceAll(routed, "BALANCE", "priority"), a, b)
	mocktest.Fail(t, a, "slow@stream:1ms:first=300ms")
	c := client{url: s.URL}
	// Plain answers have no first token: they say nothing.
	parallel(12, func() { c.ask(t, "prompt", "Hi", false, "") })
	parallel(10, func() {
		if got := c.ask(t, "prompt", "Hi", true, ""); got.Header.Get("X-Freehold-Provider") != "a" {
			t.Errorf("while nothing is known: %v", got.Header)
		}
	})
	s.WaitRows(t, 22)
	got := c.ask(t, "prompt", "Hi", true, "")
	h := got.Header
	if why := h.Get("X-Freehold-Route"); !got.Whole() || why != "workload, slo probe" && h.Get("X-Freehold-Provider") != "b" {
		t.Errorf("after ten slow answers: by %s because of %q", h.Get("X-Freehold-Provider"), why)
	}
	if plan := s.WaitRows(t, 23)[0].Plan; !strings.Contains(plan, "both@b > both@a (model, last: p95 of the first token is ") && !strings.Contains(plan, "tried again: p95") {
		t.Errorf("plan on record: %s", plan)
	}
	// A reload that leaves the deployments as they are forgets nothing.
	s.Configure(t, fill(strings.NewReplacer("BALANCE", "priority", "max: 0", "max: 1").Replace(routed), a, b))
	h = c.ask(t, "prompt", "Hi", true, "").Header
	if why := h.Get("X-Freehold-Route"); why != "workload, slo probe" && h.Get("X-Freehold-Provider") != "b" {
		t.Errorf("after a reload: by %s because of %q", h.Get("X-Freehold-Provider"), why)
	}
	mocktest.Fail(t, b, "500")
	if got = c.ask(t, "prompt", "Hi", true, ""); !got.Whole() || got.Header.Get("X-Freehold-Provider") != "a" {
		t.Errorf("with nobody else: %s", got)
	}
}

func parallel(n int, do func()) {
	var wg sync.WaitGroup
	for range n {
		wg.Go(do)
	}
	wg.Wait()
}
