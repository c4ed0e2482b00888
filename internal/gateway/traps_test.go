package gateway_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"freehold/internal/app/apptest"
	"freehold/internal/fault"
	"freehold/internal/ledger"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
)

// What traps of the wire cannot be seen in a codec alone.

// says is a provider that answers everything with one body.
func says(t *testing.T, contentType, body string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // else its end closes the connection
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("X-Request-Id", "req_always_the_same")
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

const sseType = "text/event-stream"

// named puts events of Anthropic's dialect together.
func named(events ...string) string {
	var b strings.Builder
	for _, data := range events {
		var e struct{ Type string }
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			panic(err)
		}
		fmt.Fprintf(&b, "event: %s\ndata: %s\n\n", e.Type, data)
	}
	return b.String()
}

// A stream that ends after its starts, of whatever kind, was nothing: the next
// deployment answers anew, without a seam.
func TestTrap5StartsAreHeldBack(t *testing.T) {
	const head = `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[`
	openAI := map[string]string{
		"a-role":            head + `{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}` + "\n\n",
		"empty-choices":     head + "]}\n\n",
		"usage":             head + `],"usage":{"prompt_tokens":3,"completion_tokens":0,"total_tokens":3}}` + "\n\n",
		"comments":          ": one\n\n: two\n\n",
		"an-empty-thought":  head + `{"index":0,"delta":{"reasoning_content":""},"finish_reason":null}]}` + "\n\n",
		"no-tool-calls-yet": head + `{"index":0,"delta":{"tool_calls":[]},"finish_reason":null}]}` + "\n\n",
	}
	const start = `{"type":"message_start","message":{"id":"m1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"usage":{"input_tokens":7,"output_tokens":1}}}`
	claude := map[string]string{
		"message_start":       named(start),
		"ping":                named(start, `{"type":"ping"}`),
		"content_block_start": named(start, `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`),
		"a-thinking-block": named(start, `{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}`,
			`{"type":"content_block_stop","index":0}`),
		"an-empty-delta": named(start, `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":""}}`),
	}
	providers := fmt.Sprintf("  good: {preset: vllm, base_url: \"%s/v1\", probe: {enabled: false}}\n", vllm(t, mock.Options{}).URL())
	models, workloads := "  good: {provider: good, id: m, continuation: prefill}\n", ""
	var names []string
	for preset, streams := range map[string]map[string]string{"vllm": openAI, "anthropic": claude} {
		for name, stream := range streams {
			providers += fmt.Sprintf("  p-%s: {preset: %s, base_url: %q, api_key: k, probe: {enabled: false}}\n", name, preset, base(preset, says(t, sseType, stream)))
			models += fmt.Sprintf("  m-%s: {provider: p-%[1]s, id: m, continuation: prefill}\n", name)
			workloads += fmt.Sprintf("  %s: {model: m-%[1]s, fallbacks: [good]}\n", name)
			names = append(names, name)
		}
	}
	s := apptest.Start(t, "retries: {max: 0}\nproviders:\n"+providers+"models:\n"+models+"workloads:\n"+workloads)
	n := 0
	for _, name := range names {
		for _, claude := range []bool{false, true} {
			got := client{url: s.URL, claude: claude}.ask(t, name, "tell me", true, "")
			n++
			row := s.WaitRows(t, n)[0]
			if !got.Whole() || got.Header.Get("X-Freehold-Model") != "good" || len(row.Seams) > 0 || len(row.Attempts) != 2 {
				t.Errorf("%s, claude client %v: %v, by %q, row %+v", name, claude, got, got.Header.Get("X-Freehold-Model"), row)
			}
		}
	}
}

// A tool call that the limit has cut is shown as it is, with the finish that says
// so: it is no failure that another deployment should mend.
func TestTrap11CutToolCall(t *testing.T) {
	const head = `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":`
	stream := head + `{"tool_calls":[{"index":0,"id":"t","type":"function","function":{"name":"f","arguments":"{\"city\": \"Par"}}]},"finish_reason":null}]}` + "\n\n" +
		head + `{},"finish_reason":"length"}]}` + "\n\ndata: [DONE]\n\n"
	other := vllm(t, mock.Options{})
	s := apptest.Start(t, fmt.Sprintf(`
providers:
  a: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}
  b: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}
models: {one: {provider: a, id: m}, two: {provider: b, id: m}}
workloads: {w: {model: one, fallbacks: [two]}}
`, says(t, sseType, stream), other.URL()))
	for claude, finish := range map[bool]string{false: "length", true: "max_tokens"} {
		tools := `,"tools":[{"type":"function","function":{"name":"f"}}]`
		if claude {
			tools = `,"tools":[{"name":"f","input_schema":{"type":"object"}}]`
		}
		got := client{url: s.URL, claude: claude}.ask(t, "w", "hi", true, tools)
		if !got.Whole() || got.Finish != finish || !strings.HasPrefix(got.Tools, `f({"city": "Par`) || got.Header.Get("X-Freehold-Attempts") != "1" {
			t.Errorf("claude client %v: %v", claude, got)
		}
	}
	if n := other.Stats().Requests; n != 0 {
		t.Errorf("%d requests went to the fallback", n)
	}
}

// A provider that only shows that it is alive has not begun to answer: the limit
// to the first content is one, whatever comes meanwhile.
func TestTrap13SignsOfLifeAreNoContent(t *testing.T) {
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // else its leaving is not noticed
		w.Header().Set("Content-Type", sseType)
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, ": still loading\n\n"+`data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}`+"\n\n")
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
			case <-time.After(20 * time.Millisecond): // well within the limit between events
			}
		}
	}))
	t.Cleanup(provider.Close)
	s := apptest.Start(t, fmt.Sprintf(`
timeouts: {idle: 1m}
providers:
  a: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}, timeouts: {first_token: 300ms}}
  b: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}, timeouts: {first_token: 1m}}
models: {one: {provider: a, id: m}, two: {provider: b, id: m}}
workloads: {w: {model: one, fallbacks: [two]}}
`, provider.URL, vllm(t, mock.Options{}).URL()))
	got := client{url: s.URL, header: http.Header{"X-Freehold-Timeout-Ms": {"60000"}}}.ask(t, "w", "hi", true, "")
	row := s.WaitRows(t, 1)[0]
	if !got.Whole() || got.Header.Get("X-Freehold-Model") != "two" || row.Attempts[0].Fault != string(fault.FirstTokenTime) {
		t.Errorf("%v, attempts %+v", got, row.Attempts)
	}
}

// SDKs send again by themselves, and obey x-should-retry: it says so where that
// cannot help.
func TestTrap37ShouldRetry(t *testing.T) {
	a := vllm(t, mock.Options{})
	s := serve(t, `
retries: {max: 0}
breaker: {failures: 1000000, rate: 1, min_requests: 1000000}
providers: {a: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}}
models: {m: {provider: a, id: m}}
`, a)
	for _, c := range []struct {
		model, fault string
		status       int
		should       string
	}{
		{"no-such-model", "", 404, "false"},
		{"m", "401", 502, "false"}, // our key: asking again does not mend it
		{"m", "503", 503, ""},
		{"m", "429:2s", 503, ""},
	} {
		mocktest.Fail(t, a, strings.Fields(c.fault)...)
		got := client{url: s.URL}.ask(t, c.model, "hi", false, "")
		if got.Status != c.status || got.Header.Get("X-Should-Retry") != c.should || (got.Header.Get("Retry-After") == "") != (c.should == "false") {
			t.Errorf("%s %s: %v, x-should-retry %q, retry-after %q", c.model, c.fault, got, got.Header.Get("X-Should-Retry"), got.Header.Get("Retry-After"))
		}
	}
}

// Anthropic needs a limit: who gives none gets the model's, the provider's, or
// that of the catalog.
func TestTrap16DefaultLimit(t *testing.T) {
	claude := mocktest.Start(t, mock.Options{Profile: mock.Anthropic})
	s := apptest.Start(t, fmt.Sprintf(`
providers:
  plain: {preset: anthropic, base_url: "%s", api_key: k, probe: {enabled: false}}
  set: {preset: anthropic, base_url: "%[1]s", api_key: k, default_max_tokens: 555, probe: {enabled: false}}
models:
  catalog: {provider: plain, id: claude-3-5-sonnet-20241022}
  provider: {provider: set, id: claude-3-5-sonnet-20241022}
  model: {provider: set, id: claude-3-5-sonnet-20241022, params: {defaults: {max_tokens: 77}}}
`, claude.URL()))
	for model, want := range map[string]int{"catalog": 4096, "provider": 555, "model": 77} {
		for extra, want := range map[string]int{"": want, `,"max_tokens":9`: 9, `,"max_completion_tokens":9`: 9} {
			if got := (client{url: s.URL}).ask(t, model, "hi", false, extra); !got.Whole() {
				t.Errorf("%s: %v", model, got)
			}
			var sent struct {
				Max int `json:"max_tokens"`
			}
			r := claude.Requests()
			if err := json.Unmarshal(r[len(r)-1].Body, &sent); err != nil || sent.Max != want {
				t.Errorf("%s %s: max_tokens %d, want %d (%v)", model, extra, sent.Max, want, err)
			}
		}
	}
}

// Ollama fetches no images and cuts long prompts without a word: neither is
// sent there. Another deployment answers, or the caller is told.
func TestTrap24Ollama(t *testing.T) {
	ollama, other := mocktest.Start(t, mock.Options{Profile: mock.Ollama}), vllm(t, mock.Options{})
	s := serve(t, `
retries: {max: 0}
providers:
  a: {preset: ollama, base_url: "%s/v1", probe: {enabled: false}}
  b: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}
models: {small: {provider: a, id: llava}, large: {provider: b, id: llava}}
workloads: {w: {model: small, fallbacks: [large]}}
`, ollama, other)
	const image = `,"messages":[{"role":"user","content":[{"type":"text","text":"What is it?"},{"type":"image_url","image_url":{"url":"%s"}}]}]`
	const claudeImage = `,"messages":[{"role":"user","content":[{"type":"text","text":"What is it?"},{"type":"image","source":{"type":"url","url":"%s"}}]}]`
	long := strings.Repeat("many words ", 5000)
	for _, claude := range []bool{false, true} {
		c := client{url: s.URL, claude: claude}
		remote := fmt.Sprintf(image, "https://example.com/a.png")
		if claude {
			remote = fmt.Sprintf(claudeImage, "https://example.com/a.png")
		}
		for name, ask := range map[string]func(model string) result{
			"an image by its address":  func(model string) result { return c.ask(t, model, "", false, remote) },
			"more than 4,096 tokens":   func(model string) result { return c.ask(t, model, long, false, "") },
			"a tool that must be used": func(model string) result { return c.ask(t, model, "x", false, mustUse(claude)) },
		} {
			if got := ask("w"); !got.Whole() || got.Header.Get("X-Freehold-Model") != "large" {
				t.Errorf("%s, claude client %v: %v", name, claude, got)
			}
			if got := ask("small"); got.Status != http.StatusBadRequest || got.Err == "" {
				t.Errorf("%s, alone, claude client %v: %v", name, claude, got)
			}
		}
	}
	if n := ollama.Stats().Requests; n != 0 {
		t.Errorf("Ollama was sent %d requests that it cannot serve", n)
	}
	inline := fmt.Sprintf(image, "data:image/png;base64,iVBORw0KGgo=")
	if got := (client{url: s.URL}).ask(t, "w", "", false, inline); !got.Whole() || got.Header.Get("X-Freehold-Model") != "small" {
		t.Errorf("an image inside the request: %v", got)
	}
}

func mustUse(claude bool) string {
	if claude {
		return `,"tools":[{"name":"f","input_schema":{"type":"object"}}],"tool_choice":{"type":"any"}`
	}
	return `,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"tool_choice":"required"`
}

// What a provider cannot honour is refused by name, or left out and told in a
// header where the configuration allows it.
func TestTrap27Dropped(t *testing.T) {
	claude := mocktest.Start(t, mock.Options{Profile: mock.Anthropic})
	for setting, want := range map[string]int{"": http.StatusBadRequest, ", drop_unsupported: true": http.StatusOK} {
		s := serve(t, "server: {listen: 127.0.0.1:0"+setting+`}
providers: {a: {preset: anthropic, base_url: "%s", api_key: k, probe: {enabled: false}}}
models: {m: {provider: a, id: claude-3-5-sonnet-20241022}}
`, claude)
		for _, stream := range []bool{false, true} {
			got := client{url: s.URL}.ask(t, "m", "hi", stream, `,"seed":7,"logit_bias":{"5":1}`)
			row := s.Rows(t)[0]
			dropped := got.Header.Get("X-Freehold-Dropped")
			if got.Status != want || want == http.StatusOK && (dropped != "seed, logit_bias" || strings.Join(row.Dropped, " ") != "logit_bias seed") ||
				want != http.StatusOK && (got.Err != "unsupported_parameter" || dropped != "" || !strings.Contains(got.Body, "seed, logit_bias: ")) {
				t.Errorf("%q, stream %v: %v, dropped %q, on record %q", setting, stream, got, dropped, row.Dropped)
			}
		}
	}
}

// Long coding turns and large replies are normal: megabytes pass whole, within
// a dialect and across.
func TestTrap31Megabytes(t *testing.T) {
	turn := strings.Repeat("if err != nil {\n\treturn fmt.Errorf(\"reading \\\"%s\\\": %w\", näme, err)\n}\n", 20_000)
	const vectors, numbers = 512, 3072
	reply := `{"object":"list","model":"e","usage":{"prompt_tokens":512,"total_tokens":512},"data":[` +
		strings.TrimSuffix(strings.Repeat(`{"object":"embedding","index":0,"embedding":[`+strings.TrimSuffix(strings.Repeat("0.0123456789,", numbers), ",")+`]},`, vectors), ",") + `]}`
	// The provider says the turn back in one piece.
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked struct {
			Stream   bool
			Messages []struct{ Content json.RawMessage }
		}
		if strings.HasSuffix(r.URL.Path, "/embeddings") {
			_, _ = io.WriteString(w, reply)
			return
		}
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || len(asked.Messages) != 1 {
			http.Error(w, "not what was asked", http.StatusInternalServerError)
			return
		}
		said := string(asked.Messages[0].Content)
		switch claude := strings.HasSuffix(r.URL.Path, "/messages"); {
		case claude && asked.Stream:
			said = named(`{"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"usage":{"input_tokens":1,"output_tokens":1}}}`,
				`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`, `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":`+said+`}}`,
				`{"type":"content_block_stop","index":0}`, `{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}}`, `{"type":"message_stop"}`)
		case claude:
			said = `{"id":"m","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":` + said + `}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":9}}`
		case asked.Stream:
			said = `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":` + said + `},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"
		default:
			said = `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":` + said + `},"finish_reason":"stop"}]}`
		}
		if asked.Stream {
			w.Header().Set("Content-Type", sseType)
		}
		_, _ = io.WriteString(w, said)
	}))
	t.Cleanup(provider.Close)
	s := apptest.Start(t, fmt.Sprintf(`
timeouts: {first_token: 1m}
providers:
  open: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}
  closed: {preset: anthropic, base_url: "%[1]s", api_key: k, probe: {enabled: false}}
models:
  o: {provider: open, id: m}
  c: {provider: closed, id: claude-sonnet-4-5, context: 100000000}
  e: {provider: open, id: e, mode: embedding}
`, provider.URL))
	for _, model := range []string{"o", "c"} {
		for _, claude := range []bool{false, true} {
			for _, stream := range []bool{false, true} {
				if got := (client{url: s.URL, claude: claude}).ask(t, model, turn, stream, ""); !got.Whole() || got.Text != turn {
					t.Errorf("%s, claude client %v, stream %v: %d of %d bytes came back: %v", model, claude, stream, len(got.Text), len(turn), got)
				}
			}
		}
	}
	resp, err := mocktest.Client().Post(s.URL+"/v1/embeddings", "application/json", strings.NewReader(`{"model":"e","input":["x"]}`))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if cerr := resp.Body.Close(); err != nil || cerr != nil {
		t.Fatal(err, cerr)
	}
	if resp.StatusCode != http.StatusOK || !bytes.Equal(body, []byte(reply)) {
		t.Errorf("a reply of %d bytes: status %d, %d bytes", len(reply), resp.StatusCode, len(body))
	}
}

// Requests are told apart by ids of our own. The provider's may repeat (replays,
// caches), and so may the client's.
func TestTrap40RequestIDs(t *testing.T) {
	s := apptest.Start(t, fmt.Sprintf(`
providers: {a: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}}
models: {m: {provider: a, id: m, price: {input: "1", output: "1"}}}
`, says(t, "application/json", `{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`)))
	c := client{url: s.URL, header: http.Header{"X-Request-Id": {"mine"}, "Idempotency-Key": {"once"}}}
	ids := map[string]bool{}
	for range 3 {
		got := c.ask(t, "m", "hi", false, "")
		if !got.Whole() {
			t.Fatal(got)
		}
		ids[got.ID()] = true
	}
	rows := s.Rows(t)
	if len(rows) != 3 || len(ids) != 3 {
		t.Errorf("%d rows and ids %v for three requests", len(rows), ids)
	}
	for _, r := range rows {
		if !ids[r.ID] || r.ClientID != "mine" || r.Attempts[0].RequestID != "req_always_the_same" || !r.Cost.Valid || r.Cost.Decimal.IsZero() {
			t.Errorf("%+v", r)
		}
	}
}

// A stream that fails or says nothing is no success, and what was said of it is
// not free.
func TestTrap41FailedStreamsAreNoSuccess(t *testing.T) {
	faults := map[string]struct {
		outcome ledger.Outcome
		costs   bool
	}{
		"cut:4e":        {ledger.Partial, true},
		"cutclean:4e":   {ledger.Partial, true},
		"errorevent:5e": {ledger.Partial, true},
		"nofinish":      {ledger.Partial, true},
		"garbage:5e":    {ledger.Partial, true},
		"empty":         {ledger.Failed, false},
		"empty:answer":  {ledger.Failed, true}, // the provider counts its tokens
		"errorevent:0e": {ledger.Failed, false},
		"cut:head":      {ledger.Failed, false},
		"500":           {ledger.Failed, false},
	}
	for _, preset := range []string{"vllm", "anthropic"} {
		m := mocktest.Start(t, mock.Options{Profile: profileOf(preset), Words: 12})
		s := apptest.Start(t, fmt.Sprintf(`
retries: {max: 0}
breaker: {failures: 1000000, rate: 1, min_requests: 1000000}
providers: {a: {preset: %s, base_url: "%s", api_key: k, probe: {enabled: false}}}
models: {m: {provider: a, id: %s, price: {input: "1", output: "2"}}}
workloads: {w: {model: m, continue: "off"}}
`, preset, base(preset, m.URL()), modelOf(preset)))
		n := 0
		for fault, want := range faults {
			for _, claude := range []bool{false, true} {
				mocktest.Fail(t, m, fault)
				got := client{url: s.URL, claude: claude}.ask(t, "w", "tell me", true, "")
				n++
				row := s.WaitRows(t, n)[0]
				if got.Err == "" || got.Ended || row.Outcome != want.outcome || row.ErrorCode == "" || row.Attempts[0].Outcome != want.outcome ||
					!row.Cost.Valid || row.Cost.Decimal.IsPositive() != want.costs || want.outcome == ledger.Partial && (row.Tokens.Out == 0 || !row.Tokens.Estimated) {
					t.Errorf("%s, %s, claude client %v: %v, row: outcome %s, error %q, tokens %+v, cost %v", preset, fault, claude, got, row.Outcome, row.ErrorCode, row.Tokens, row.Cost)
				}
			}
		}
	}
}
