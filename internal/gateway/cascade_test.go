package gateway_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"freehold/internal/app/apptest"
	"freehold/internal/ledger"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
)

// cascaded serves the workload w, whose model is at strong and whose cascade asks
// weak. The weak model costs a dollar the million, the strong one a hundred.
func cascaded(t *testing.T, w *weak, strong *mock.Server, keys, rest string) *apptest.Server {
	t.Helper()
	return apptest.Start(t, cascadeConfig(w, strong, keys, rest))
}

func cascadeConfig(w *weak, strong *mock.Server, keys, rest string) string {
	return fmt.Sprintf(`
server: {listen: 127.0.0.1:0}
retries: {max: 0}
timeouts: {first_token: 1m, total: 2m}
breaker: {failures: 1000000, rate: 1, min_requests: 1000000}
providers:
  weak: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}
  streaming: {preset: llama.cpp, base_url: "%[1]s/v1", probe: {enabled: false}}
  strong: {preset: vllm, base_url: "%[2]s/v1", probe: {enabled: false}}
  reticent: {preset: mistral, base_url: "%[1]s/v1", api_key: k, probe: {enabled: false}}
  claude: {preset: anthropic, base_url: "%[1]s", api_key: k, probe: {enabled: false}}
models:
  small: {provider: weak, id: m, price: {input: "1", output: "1"}}
  llama: {provider: streaming, id: m, price: {input: "0", output: "0"}}
  mute: {provider: reticent, id: m}
  haiku: {provider: claude, id: m}
  large: {provider: strong, id: m, price: {input: "100", output: "100"}}
workloads:
  w: {model: large, cascade: {%[3]s}}
%[4]s`, w.url, strong.URL(), keys, rest)
}

const bySmall = "model: small"

// both are clients of each dialect, plain and streamed.
func both(t *testing.T, s *apptest.Server, test func(t *testing.T, c client, stream bool)) {
	t.Helper()
	for _, claude := range []bool{false, true} {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("claude %v, stream %v", claude, stream), func(t *testing.T) {
				test(t, client{url: s.URL, claude: claude}, stream)
			})
		}
	}
}

// Attempts that agree answer: the client has the first one's words, in its own
// dialect and with its own usage, and the strong model is not asked. All attempts
// are on record and paid.
func TestCascadeAgrees(t *testing.T) {
	for _, model := range []string{"small", "llama"} {
		w := newWeak(t, replies("It is **Paris**.", "it is paris", "It is Paris!")...)
		strong := vllm(t, mock.Options{})
		s := cascaded(t, w, strong, "model: "+model+", attempts: 3", "")
		n := 0
		both(t, s, func(t *testing.T, c client, stream bool) {
			got := c.ask(t, "w", "Capital of France?", stream, "")
			if !got.Whole() || got.Text != "It is **Paris**." || got.Header.Get("X-Freehold-Route") != "cascade agreed 3/3" ||
				got.Header.Get("X-Freehold-Attempts") != "3" || got.Header.Get("X-Freehold-Model") != model {
				t.Fatalf("%v, headers %v", got, got.Header)
			}
			if !got.Usage || got.In != 10 || got.Out != 5 {
				t.Errorf("usage %d in, %d out, want one attempt's", got.In, got.Out)
			}
			n++
			row := s.WaitRows(t, n)[0]
			want := ledger.Cascade{Model: model, By: "agreement", Attempts: 3, Decision: "kept"}
			if row.Cascade == nil || *row.Cascade != want || row.Outcome != ledger.OK || row.Model != model || row.Tokens.In != 30 || row.Tokens.Out != 15 {
				t.Errorf("on record: %+v, %+v", row.Cascade, row)
			}
			for _, a := range row.Attempts {
				if !strings.HasPrefix(a.Cause, "cascade ") || a.Outcome != ledger.OK || !a.Cost.Valid || a.Tokens.In != 10 {
					t.Errorf("attempt %+v", a)
				}
			}
			if model == "small" && row.Cost.Decimal.String() != "0.000045" {
				t.Errorf("cost %s, want all three attempts'", row.Cost.Decimal)
			}
			if !strings.Contains(row.Plan, "| cascade "+model+" agreed 3/3") {
				t.Errorf("plan %s", row.Plan)
			}
		})
		if strong.Stats().Requests != 0 {
			t.Errorf("the strong model was asked")
		}
		for _, q := range w.requests() {
			if _, has := q["logprobs"]; has || model == "small" && q["stream"] == true {
				t.Errorf("asked %v", q)
			}
		}
	}
}

// At a deployment that does one thing at a time, attempts wait for each other.
func TestCascadeAtOnePlace(t *testing.T) {
	w := newWeak(t, replies("Paris", "paris", "Paris!", "PARIS", "paris.")...)
	s := apptest.Start(t, strings.ReplaceAll(cascadeConfig(w, vllm(t, mock.Options{}), "model: small, attempts: 5", ""),
		`weak: {preset: vllm,`, `weak: {preset: vllm, max_concurrency: 1, queue: 4,`))
	for i := range 5 {
		got := client{url: s.URL}.ask(t, "w", fmt.Sprint("question ", i), false, "")
		if !got.Whole() || got.Header.Get("X-Freehold-Route") != "cascade agreed 5/5" {
			t.Fatalf("%v, headers %v", got, got.Header)
		}
	}
}

// What does not agree, or is no whole answer, is the strong model's, and the
// conversation stays there.
func TestCascadeEscalates(t *testing.T) {
	for name, c := range map[string]struct {
		answers []weakAnswer
		extra   string
		cause   string
	}{
		"disagree":          {replies("Paris", "Rome"), "", "disagree"},
		"one fails":         {[]weakAnswer{{text: "Paris"}, {status: 500}}, "", "failed"},
		"it refuses it":     {[]weakAnswer{{text: "Paris"}, {status: 400}}, "", "failed"},
		"the first fails":   {[]weakAnswer{{status: 503}, {text: "Paris"}}, "", "failed"},
		"one is cut":        {[]weakAnswer{{text: "Paris"}, {text: "Par", finish: "length"}}, "", "cut"},
		"a tool call":       {[]weakAnswer{{text: "Paris", tool: true, finish: "tool_calls"}, {text: "Paris"}}, "", "tool call"},
		"a filter":          {[]weakAnswer{{text: "Paris"}, {text: "Paris", finish: "content_filter"}}, "", "refused"},
		"nothing to say":    {replies("...", "..."), "", "disagree"},
		"no JSON":           {replies("Paris", "Paris"), `,"response_format":{"type":"json_object"}`, "disagree"},
		"JSON that differs": {replies(`{"a":1}`, `{"a":2}`), `,"response_format":{"type":"json_object"}`, "disagree"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWeak(t, c.answers...)
			strong := vllm(t, mock.Options{})
			s := cascaded(t, w, strong, bySmall, "")
			got := client{url: s.URL}.ask(t, "w", "Capital of France?", false, c.extra)
			if !got.Whole() || got.Header.Get("X-Freehold-Model") != "large" || got.Header.Get("X-Freehold-Route") != "workload, cascade escalated: "+c.cause {
				t.Fatalf("%v, headers %v", got, got.Header)
			}
			row := s.WaitRows(t, 1)[0]
			if row.Cascade == nil || row.Cascade.Decision != "escalated" || row.Cascade.Cause != c.cause || row.Model != "large" {
				t.Errorf("on record: %+v", row.Cascade)
			}
			if last := row.Attempts[len(row.Attempts)-1]; len(row.Attempts) < 2 || len(row.Attempts) > 3 || last.Cause != "escalated" || last.Outcome != ledger.OK {
				t.Errorf("attempts %+v", row.Attempts)
			}
			for _, a := range row.Attempts {
				if a.Outcome == "" {
					t.Errorf("attempt %+v is open", a)
				}
			}
			if !strings.Contains(row.Plan, "| cascade small escalated: "+c.cause) {
				t.Errorf("plan %s", row.Plan)
			}
			// The next turn goes straight to the strong model, unless the model
			// may be there again by then.
			again := client{url: s.URL}.ask(t, "w", "Capital of France?", false, c.extra)
			row = s.WaitRows(t, 2)[0]
			switch {
			case c.cause == "failed":
				if row.Cascade == nil {
					t.Error("a failure ends the cascade for the whole conversation")
				}
			case !again.Whole() || row.Cascade != nil || len(row.Attempts) != 1 || again.Header.Get("X-Freehold-Route") != "workload":
				t.Errorf("the same conversation again: %v, %+v", again, row)
			}
		})
	}
}

// An escalated request streams as any other.
func TestCascadeEscalatedStream(t *testing.T) {
	w := newWeak(t, replies("Paris", "Rome")...)
	strong := vllm(t, mock.Options{Words: 30})
	s := cascaded(t, w, strong, bySmall, "")
	both(t, s, func(t *testing.T, c client, stream bool) {
		got := c.ask(t, "w", t.Name(), stream, "")
		if !got.Whole() || got.Header.Get("X-Freehold-Route") != "workload, cascade escalated: disagree" || stream && got.Events < 10 {
			t.Errorf("%v in %d events, headers %v", got, got.Events, got.Header)
		}
	})
}

// JSON answers agree by their values, and the client gets the first as it is.
func TestCascadeJSON(t *testing.T) {
	w := newWeak(t, replies("{\"a\": 1.0, \"b\":[true]}", "{\"b\":[true],\"a\":1}")...)
	s := cascaded(t, w, vllm(t, mock.Options{}), bySmall, "")
	for _, stream := range []bool{false, true} {
		got := client{url: s.URL}.ask(t, "w", "as JSON", stream, `,"response_format":{"type":"json_object"}`)
		if got.Text != "{\"a\": 1.0, \"b\":[true]}" || got.Header.Get("X-Freehold-Route") != "cascade agreed 2/2" {
			t.Errorf("%v, %v", got, got.Header)
		}
	}
}

// By logprobs one attempt answers where it is sure enough, in the client's own
// words, and the logprobs that nobody asked for are not shown.
func TestCascadeLogprobs(t *testing.T) {
	for name, c := range map[string]struct {
		answer weakAnswer
		extra  string
		cause  string
	}{
		"sure":          {weakAnswer{text: "It is Paris", margin: 0.8}, "", ""},
		"unsure":        {weakAnswer{text: "It is Paris", margin: 0.3}, "", "margin"},
		"none are sent": {weakAnswer{text: "It is Paris"}, "", "no logprobs"},
		"cut":           {weakAnswer{text: "It is", margin: 0.8, finish: "length"}, "", "cut"},
		"JSON":          {weakAnswer{text: `{"a":1}`, margin: 0.8}, `,"response_format":{"type":"json_object"}`, ""},
		"no JSON":       {weakAnswer{text: "Paris", margin: 0.8}, `,"response_format":{"type":"json_object"}`, "no JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWeak(t, c.answer)
			s := cascaded(t, w, vllm(t, mock.Options{}), "model: small, by: logprobs, margin: 0.5", "")
			n := 0
			both(t, s, func(t *testing.T, cl client, stream bool) {
				if cl.claude && c.extra != "" {
					return // it has no such member
				}
				got := cl.ask(t, "w", t.Name(), stream, c.extra)
				n++
				row := s.WaitRows(t, n)[0]
				if row.Cascade == nil || row.Cascade.Cause != c.cause || row.Cascade.By != "logprobs" || row.Cascade.Attempts != 1 {
					t.Fatalf("on record: %+v", row.Cascade)
				}
				if c.answer.margin > 0 && c.cause != "cut" && math.Abs(row.Cascade.Margin-c.answer.margin) > 1e-5 {
					t.Errorf("margin %v, want %v", row.Cascade.Margin, c.answer.margin)
				}
				if c.cause == "" && (got.Text != c.answer.text || got.Header.Get("X-Freehold-Route") != "cascade sure: margin 0.80") || !got.Whole() {
					t.Errorf("%v, headers %v", got, got.Header)
				}
			})
			if q := w.requests()[0]; q["logprobs"] != true || q["top_logprobs"] != 2.0 {
				t.Errorf("asked %v", q)
			}
		})
	}
	// The bytes of the answer, too, hold none.
	w := newWeak(t, weakAnswer{text: "Paris", margin: 0.8})
	s := cascaded(t, w, vllm(t, mock.Options{}), "model: small, by: logprobs, margin: 0.5", "")
	_, _, raw := asked(t, s.URL+"/v1/chat/completions", `{"model":"w","messages":[{"role":"user","content":"hi"}]}`)
	if strings.Contains(raw, "top_logprobs") || !strings.Contains(raw, "Paris") {
		t.Errorf("got %s", raw)
	}
}

// The client's words are those of the first attempt; to the others an instruction
// is added behind them, and nothing else differs. max_tokens limits all of them.
func TestCascadePhrasings(t *testing.T) {
	w := newWeak(t, replies("Paris", "Paris", "Paris")...)
	s := cascaded(t, w, vllm(t, mock.Options{}), "model: small, attempts: 3, max_tokens: 50", "")
	got := client{url: s.URL}.ask(t, "w", "Capital of France?", true, `,"temperature":0.3,"max_tokens":500,"seed":4,"metadata":{"a":"b"}`)
	if !got.Whole() {
		t.Fatal(got)
	}
	seen := map[string]bool{}
	for _, q := range w.requests() {
		m := q["messages"].([]any)[0].(map[string]any)
		text := m["content"].(string)
		rest, ok := strings.CutPrefix(text, "Capital of France?")
		if !ok || seen[rest] {
			t.Errorf("asked %q", text)
		}
		seen[rest] = true
		if q["temperature"] != 0.3 || q["max_tokens"] != 50.0 || q["seed"] != 4.0 || fmt.Sprint(q["metadata"]) != "map[a:b]" || q["stream"] == true || q["stream_options"] != nil {
			t.Errorf("asked %v", q)
		}
	}
	if len(seen) != 3 || !seen[""] {
		t.Errorf("asked in the words %v", seen)
	}
}

// Requests that are none for a cascade take the usual way, and the record says
// why.
func TestCascadeDoesNotApply(t *testing.T) {
	const rest = `
  ruled: {model: large, route: [{name: always, when: "true", model: large}], cascade: {model: small}}
  secret: {model: large, data: inside, cascade: {model: small}}
  quiet: {model: large, cascade: {model: mute, by: logprobs}}
  foreign: {model: large, cascade: {model: haiku, by: logprobs}}
data_classes: {inside: {providers: [strong]}}
`
	for name, c := range map[string]struct{ workload, extra, says string }{
		"tools":     {"w", `,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]`, "not asked: the request has tools"},
		"choices":   {"w", `,"n":2`, "not asked: several choices"},
		"logprobs":  {"w", `,"logprobs":true`, "not asked: the request asks for logprobs"},
		"a rule":    {"ruled", "", "not asked: rule always chose the model"},
		"perimeter": {"secret", "", "not asked: small@weak: data class inside"},
		"a preset":  {"quiet", "", "cascade mute not asked: mute@reticent: cannot be asked for logprobs: The parameters 'logprobs'"},
		"a dialect": {"foreign", "", "cascade haiku not asked: haiku@claude: cannot be asked for logprobs: logprobs, top_logprobs: the Anthropic Messages API has no equivalent"},
		"context":   {"w", `,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"I"}]`, "not asked: the answer is begun"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWeak(t, replies("Paris", "Paris")...)
			s := cascaded(t, w, vllm(t, mock.Options{}), bySmall, rest)
			body := fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"hi"}]%s}`, c.workload, c.extra)
			if strings.Contains(c.extra, "messages") {
				body = fmt.Sprintf(`{"model":%q%s}`, c.workload, c.extra)
			}
			resp, err := mocktest.Client().Post(s.URL+"/v1/chat/completions", "application/json", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != 200 || len(w.requests()) != 0 || strings.Contains(resp.Header.Get("X-Freehold-Route"), "cascade") {
				t.Errorf("status %d, %d requests, headers %v", resp.StatusCode, len(w.requests()), resp.Header)
			}
			if row := s.WaitRows(t, 1)[0]; !strings.Contains(row.Plan, c.says) || row.Cascade != nil || row.Model != "large" {
				t.Errorf("plan %s, %+v", row.Plan, row.Cascade)
			}
		})
	}
}

// Where parameters may be dropped, logprobs are none of them here.
func TestCascadeDropsNoLogprobs(t *testing.T) {
	w := newWeak(t, replies("Paris")...)
	s := apptest.Start(t, strings.Replace(cascadeConfig(w, vllm(t, mock.Options{}), "model: mute, by: logprobs", ""), "server: {", "server: {drop_unsupported: true, ", 1))
	if got := (client{url: s.URL}).ask(t, "w", "hi", false, ""); !got.Whole() || len(w.requests()) != 0 {
		t.Error(got)
	}
	if row := s.WaitRows(t, 1)[0]; !strings.Contains(row.Plan, "not asked: mute@reticent: gives no logprobs") {
		t.Errorf("plan %s", row.Plan)
	}
}

// A client that leaves ends all attempts; each is on record as canceled.
func TestCascadeClientLeaves(t *testing.T) {
	w := newWeak(t, weakAnswer{}, weakAnswer{})
	strong := vllm(t, mock.Options{})
	s := cascaded(t, w, strong, bySmall, "")
	ctx, leave := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := client{url: s.URL}.do(ctx, "w", "hi", false, "")
		done <- err
	}()
	<-w.began
	<-w.began
	leave()
	if err := <-done; err == nil {
		t.Fatal("the client has an answer")
	}
	row := s.WaitRows(t, 1)[0]
	if row.Outcome != ledger.Canceled || len(row.Attempts) != 2 || row.Cascade != nil || strong.Stats().Requests != 0 {
		t.Errorf("on record: %+v", row)
	}
	for _, a := range row.Attempts {
		if a.Outcome != ledger.Canceled || a.Total == 0 && a.Start.IsZero() {
			t.Errorf("attempt %+v", a)
		}
	}
}

// An attempt that fails ends the others, which nobody needs any more; so does
// the time that the first content may take.
func TestCascadeEndsWhatIsNotNeeded(t *testing.T) {
	w := newWeak(t, weakAnswer{}, weakAnswer{status: 500})
	s := cascaded(t, w, vllm(t, mock.Options{}), bySmall, "")
	if got := (client{url: s.URL}).ask(t, "w", "hi", false, ""); !got.Whole() || got.Header.Get("X-Freehold-Model") != "large" {
		t.Fatal(got)
	}
	row := s.WaitRows(t, 1)[0]
	outcomes := map[ledger.Outcome]int{}
	for _, a := range row.Attempts {
		outcomes[a.Outcome]++
	}
	if outcomes[ledger.Canceled] != 1 || outcomes[ledger.Failed] != 1 || outcomes[ledger.OK] != 1 {
		t.Errorf("attempts %+v", row.Attempts)
	}

	w = newWeak(t, weakAnswer{}, weakAnswer{})
	s = cascaded(t, w, vllm(t, mock.Options{}), bySmall, "  x: {model: large, timeouts: {first_token: 30ms}, cascade: {model: small}}\n")
	if got := (client{url: s.URL}).ask(t, "x", "hi", false, ""); got.Status == 200 && got.Header.Get("X-Freehold-Route") != "workload, cascade escalated: late" {
		t.Errorf("%v, headers %v", got, got.Header)
	}
	if row := s.WaitRows(t, 1)[0]; row.Cascade == nil || row.Cascade.Cause != "late" {
		t.Errorf("on record: %+v", row)
	}
}

// A strict budget that has no room for the attempts lets none of them leave, and
// says nothing of the model; what is charged is what was used.
func TestCascadeStrictBudget(t *testing.T) {
	w := newWeak(t, weakAnswer{}, weakAnswer{}) // who is asked keeps its reservation
	s := cascaded(t, w, vllm(t, mock.Options{}), bySmall, "budgets: [{per: model, name: small, every: day, limit: 0.000045 USD, strict: true, on_exceed: fallback, max_tokens: 20}]\n")
	// One attempt needs its body and 20 tokens: the first two do not fit.
	got := client{url: s.URL}.ask(t, "w", strings.Repeat("x", 400), false, "")
	if !got.Whole() || got.Header.Get("X-Freehold-Model") != "large" || len(w.requests()) != 0 {
		t.Fatalf("%v after %d requests, headers %v", got, len(w.requests()), got.Header)
	}
	row := s.WaitRows(t, 1)[0]
	if row.Cascade != nil || !strings.Contains(row.Plan, "not asked: small@weak: the strict budget") || len(row.Attempts) != 1 {
		t.Errorf("on record: %+v, plan %s", row.Cascade, row.Plan)
	}

	// With room for one of two attempts only one leaves, and the request goes on.
	s.Configure(t, cascadeConfig(w, vllm(t, mock.Options{}), bySmall, "budgets: [{per: model, name: small, every: day, limit: 0.0003 USD, strict: true, on_exceed: fallback, max_tokens: 20}]\n"))
	got = client{url: s.URL}.ask(t, "w", "Capital of France?", false, "")
	if !got.Whole() || got.Header.Get("X-Freehold-Route") != "workload, cascade escalated: budget" {
		t.Fatalf("%v, headers %v", got, got.Header)
	}
	row = s.WaitRows(t, 2)[0]
	if row.Cascade == nil || row.Cascade.Cause != "budget" || row.Cascade.Attempts != 1 || row.Attempts[0].Outcome != ledger.Canceled {
		t.Errorf("on record: %+v, %+v", row.Cascade, row.Attempts)
	}
}

// A cascade that nearly always escalates turns itself off, says so, and comes
// back; a reload forgets nothing of it.
func TestCascadeTurnsItselfOff(t *testing.T) {
	w := newWeak(t, replies("Paris", "Rome")...)
	strong := vllm(t, mock.Options{})
	s := cascaded(t, w, strong, bySmall, "")
	c := client{url: s.URL}
	n := 0
	ask := func() result {
		n++
		return c.ask(t, "w", fmt.Sprint("question ", n), false, "")
	}
	for range 50 {
		ask()
	}
	if len(w.requests()) != 100 {
		t.Fatalf("%d requests before it is off", len(w.requests()))
	}
	for range 19 {
		if got := ask(); got.Header.Get("X-Freehold-Route") != "workload, cascade off" || !got.Whole() {
			t.Fatalf("%v, headers %v", got, got.Header)
		}
	}
	if len(w.requests()) != 100 {
		t.Fatalf("asked while it was off")
	}
	if row := s.WaitRows(t, n)[0]; !strings.Contains(row.Plan, "not asked: off: 100 % of the last requests were escalated") {
		t.Errorf("plan %s", row.Plan)
	}
	ask()
	if len(w.requests()) != 102 {
		t.Error("the twentieth request did not try it")
	}
	s.Configure(t, cascadeConfig(w, strong, bySmall, "  other: {model: large}\n"))
	if got := ask(); got.Header.Get("X-Freehold-Route") != "workload, cascade off" {
		t.Errorf("after a reload: %v", got.Header)
	}
	s.Configure(t, cascadeConfig(w, strong, bySmall+", attempts: 3", ""))
	w.answers = replies("Paris", "Rome", "Oslo")
	if got := ask(); got.Header.Get("X-Freehold-Route") != "workload, cascade escalated: disagree" {
		t.Errorf("another cascade: %v", got.Header)
	}
}

// A model's own name has no cascade, whatever workloads have.
func TestCascadeLeavesOthersAlone(t *testing.T) {
	w := newWeak(t, replies("Paris", "Paris")...)
	s := cascaded(t, w, vllm(t, mock.Options{}), bySmall, "")
	got := client{url: s.URL}.ask(t, "large", "hi", false, "")
	if !got.Whole() || len(w.requests()) != 0 || got.Header.Get("X-Freehold-Route") != "model" {
		t.Errorf("%v, headers %v", got, got.Header)
	}
}

// What is redacted reaches the cheap model no more than any other, and the answer
// that stands has it back.
func TestCascadeRedacts(t *testing.T) {
	for _, model := range []string{"small", "llama"} {
		w := newWeak(t, replies("It is [EMAIL_1].", "it is [EMAIL_1]")...)
		s := cascaded(t, w, vllm(t, mock.Options{}), "model: "+model, "detectors: {personal: {kinds: [email], on_hit: redact}}\n")
		both(t, s, func(t *testing.T, c client, stream bool) {
			got := c.ask(t, "w", "Whose address is bob@x.de?", stream, "")
			if got.Text != "It is bob@x.de." || got.Header.Get("X-Freehold-Route") != "cascade agreed 2/2" || !got.Whole() {
				t.Errorf("%v, headers %v", got, got.Header)
			}
		})
		for _, q := range w.requests() {
			if text := fmt.Sprint(q); strings.Contains(text, "bob@x.de") || !strings.Contains(text, "[EMAIL_1]") {
				t.Errorf("asked %s", text)
			}
		}
	}
}
