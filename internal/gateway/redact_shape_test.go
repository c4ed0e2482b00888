package gateway_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"freehold/internal/app/apptest"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
)

// canned is a provider that says what it is told, and keeps what it was asked.
type canned struct {
	URL    string
	mu     sync.Mutex
	answer string
	asked  string
}

func newCanned(t *testing.T) *canned {
	t.Helper()
	c := &canned{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.asked = r.URL.Path + " " + string(body)
		w.Header().Set("Content-Type", "application/json")
		if strings.HasPrefix(c.answer, "data:") || strings.HasPrefix(c.answer, "event:") {
			w.Header().Set("Content-Type", "text/event-stream")
		}
		if _, err := io.WriteString(w, c.answer); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	c.URL = s.URL
	return c
}

// chunks is a stream of OpenAI's dialect; each text is a choice's number and a
// piece of its text.
func chunks(pieces ...string) string {
	var b strings.Builder
	for _, p := range pieces {
		choice, text, _ := strings.Cut(p, " ")
		fmt.Fprintf(&b, "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":%s,\"delta\":{\"content\":%s},\"finish_reason\":null}]}\n\n", choice, quoted(text))
	}
	for i := range 2 {
		if strings.Contains(b.String(), fmt.Sprintf(`"index":%d`, i)) {
			fmt.Fprintf(&b, "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":%d,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n", i)
		}
	}
	return b.String() + "data: [DONE]\n\n"
}

func quoted(text string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(text); err != nil {
		panic(err) // a string always encodes
	}
	return strings.TrimSpace(b.String())
}

// What an answer may hold beside one text: each form of it is restored, and what
// the provider was asked holds none of what was found.
func TestRedactedForms(t *testing.T) {
	open, claude := newCanned(t), newCanned(t)
	s := apptest.Start(t, fmt.Sprintf(`
server: {listen: 127.0.0.1:0}
retries: {max: 0}
providers:
  a: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}
  c: {preset: anthropic, base_url: "%s", api_key: k, probe: {enabled: false}}
models:
  a: {provider: a, id: m}
  c: {provider: c, id: claude-3-5-sonnet-20241022}
detectors:
  d: {kinds: [email, credential], patterns: {quoted: '<<[^>]*>>'}, on_hit: redact}
`, open.URL, claude.URL))
	const (
		say     = `"messages":[{"role":"user","content":"ask bob@x.de of <<a \"b\"\n>>, password: hunter2!X"}],"max_tokens":50`
		reply   = `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[%s],"usage":{"prompt_tokens":1,"completion_tokens":3,"total_tokens":4}}`
		message = `{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[%s],"stop_reason":"%s","stop_sequence":%s,"usage":{"input_tokens":1,"output_tokens":3}}`
	)
	for _, c := range []struct {
		name, path, body string
		answer           string // of the provider
		asked            string // must stand in what the provider was asked
		want             []string
	}{
		{"several choices", "/v1/chat/completions", `{"model":"a","n":2,` + say + `}`,
			fmt.Sprintf(reply, `{"index":0,"message":{"role":"assistant","content":"to [EMAIL_1]"},"finish_reason":"stop"},{"index":1,"message":{"role":"assistant","content":"with [CREDENTIAL_1]"},"finish_reason":"stop"}`),
			`ask [EMAIL_1] of [QUOTED_1], password: [CREDENTIAL_1]`, []string{`to bob@x.de`, `with hunter2!X`}},
		{"several choices, streamed", "/v1/chat/completions", `{"model":"a","n":2,"stream":true,` + say + `}`,
			chunks("0 to [EM", "1 with [CREDEN", "0 AIL_1", "1 TIAL_1]", "0 ]", "1 ."),
			`[EMAIL_1]`, []string{`"bob@x.de"`, `"hunter2!X"`}},
		{"what is no placeholder comes whole", "/v1/chat/completions", `{"model":"a","stream":true,` + say + `}`,
			chunks("0 [EMAIL_", "0 9] [", "0 x] [EMAIL_1"), `[EMAIL_1]`, []string{`[EMAIL_`, `"[EMAIL_1"`}},
		{"JSON", "/v1/chat/completions", `{"model":"a","response_format":{"type":"json_object"},` + say + `}`,
			fmt.Sprintf(reply, `{"index":0,"message":{"role":"assistant","content":"{\"q\":\"[QUOTED_1]\"}"},"finish_reason":"stop"}`),
			`json_object`, []string{quoted(`{"q":"<<a \"b\"\n>>"}`)}},
		{"a schema", "/v1/chat/completions", `{"model":"a","response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object","properties":{"to":{"enum":["bob@x.de"]}}}}},` + say + `}`,
			fmt.Sprintf(reply, `{"index":0,"message":{"role":"assistant","content":"{\"to\":\"[EMAIL_1]\"}"},"finish_reason":"stop"}`),
			`"enum":["[EMAIL_1]"]`, []string{quoted(`{"to":"bob@x.de"}`)}},
		{"a schema, at a provider of another dialect", "/v1/chat/completions", `{"model":"c","response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object","properties":{"to":{"enum":["bob@x.de"]}}}}},` + say + `}`,
			fmt.Sprintf(message, `{"type":"tool_use","id":"t","name":"x","input":{"q":"[QUOTED_1]"}}`, "tool_use", "null"),
			`[EMAIL_1]`, []string{quoted(`{"q":"<<a \"b\"\n>>"}`)}},
		{"a stop sequence", "/v1/messages", `{"model":"c","stop_sequences":["bob@x.de"],` + say + `}`,
			fmt.Sprintf(message, `{"type":"text","text":"ask "}`, "stop_sequence", `"[EMAIL_1]"`),
			`"stop_sequences":["[EMAIL_1]"]`, []string{`"stop_sequence":"bob@x.de"`}},
		{"arguments", "/v1/messages", `{"model":"c","tools":[{"name":"f","input_schema":{"type":"object"}}],` + say + `}`,
			fmt.Sprintf(message, `{"type":"thinking","thinking":"of [EMAIL_1]","signature":"s"},{"type":"tool_use","id":"t","name":"f","input":{"q":"[QUOTED_1]","[EMAIL_1]":1}}`, "tool_use", "null"),
			`[EMAIL_1]`, []string{`of bob@x.de`, `"q":"<<a \"b\"\n>>"`, `"bob@x.de":1`}},
		{"arguments, in OpenAI's dialect", "/v1/chat/completions", `{"model":"c","tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],` + say + `}`,
			fmt.Sprintf(message, `{"type":"tool_use","id":"t","name":"f","input":{"q":"[QUOTED_1]"}}`, "tool_use", "null"),
			`[EMAIL_1]`, []string{quoted(`{"q":"<<a \"b\"\n>>"}`)}},
		{"a history of tools", "/v1/chat/completions", `{"model":"a","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":null,"tool_calls":[{"id":"t","type":"function","function":{"name":"f","arguments":"{\"q\":\"<<a \\\"b\\\"\\n>>\",\"to\":\"bob@x.de\"}"}}]},{"role":"tool","tool_call_id":"t","content":"<<a \"b\"\n>> b\u006fb@x.de"}]}`,
			fmt.Sprintf(reply, `{"index":0,"message":{"role":"assistant","content":"[QUOTED_1] [EMAIL_1] [QUOTED_2]"},"finish_reason":"stop"}`),
			`"content":"[QUOTED_1] [EMAIL_1]"`, []string{quoted("<<a \"b\"\n>> bob@x.de [QUOTED_2]")}},
		{"a member of the provider's own", "/v1/chat/completions", `{"model":"a",` + say + `}`,
			strings.Replace(fmt.Sprintf(reply, `{"index":0,"message":{"role":"assistant","content":"x"},"finish_reason":"stop"}`), `"usage"`, `"own":{"about":"[QUOTED_1]"},"usage"`, 1),
			`[QUOTED_1]`, []string{`"own":{"about":"<<a \"b\"\n>>"}`}},
		{"completions", "/v1/completions", `{"model":"a","prompt":["to bob@x.de","of <<a>>"],"user":"bob@x.de"}`,
			`{"id":"c","object":"text_completion","created":1,"model":"m","choices":[{"index":0,"text":"[EMAIL_1]!","finish_reason":"stop"},{"index":1,"text":"[QUOTED_1]!","finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":3,"total_tokens":4}}`,
			`["to [EMAIL_1]","of [QUOTED_1]"],"user":"[EMAIL_1]"`, []string{`bob@x.de!`, `<<a>>!`}},
		{"counting", "/v1/messages/count_tokens", `{"model":"c","messages":[{"role":"user","content":"ask bob@x.de"}]}`, `{"input_tokens":7}`, `ask [EMAIL_1]`, []string{`"input_tokens":7`}},
	} {
		for _, p := range []*canned{open, claude} {
			p.mu.Lock()
			p.answer, p.asked = c.answer, ""
			p.mu.Unlock()
		}
		resp, err := mocktest.Client().Post(s.URL+c.path, "application/json", strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Fatal(err)
		}
		asked := open.asked + claude.asked
		if resp.StatusCode != 200 || !strings.Contains(asked, c.asked) {
			t.Errorf("%s: %d %s\nasked %s", c.name, resp.StatusCode, body, asked)
		}
		for _, secret := range []string{"bob@x.de", "hunter2", "<<a", `b\u006fb`} {
			if strings.Contains(asked, secret) {
				t.Errorf("%s: the provider has seen %s: %s", c.name, secret, asked)
			}
		}
		for _, w := range c.want {
			if !strings.Contains(string(body), w) {
				t.Errorf("%s: no %s in %s", c.name, w, body)
			}
		}
	}
}

// The placeholder that comes from a hedge is restored like any other.
func TestRedactedHedge(t *testing.T) {
	a, b := vllm(t, mock.Options{}), vllm(t, mock.Options{})
	s := serve(t, strings.Replace(redactFor("vllm"), "fallbacks: [two]}", "fallbacks: [two], hedge: {after: 1ms, max_share: 1}}", 1), a, b)
	mocktest.Fail(t, a, "stall:0e")
	got := client{url: s.URL}.ask(t, "w", "mock: echo\nmail bob@x.de", true, "")
	if got.Status != 200 || got.Text != "mail bob@x.de" || !got.Ended || b.Stats().Requests == 0 {
		t.Errorf("%v", got)
	}
	unseen(t, a, b)
}

// What a provider echoes of a continued text is what it was sent.
func TestRedactedEcho(t *testing.T) {
	const text = "Please write to bob@x.de, then to anna@x.de, and never to bob@x.de before anna@x.de has had her answer, as she asked."
	for _, second := range []string{"llama.cpp", "anthropic"} {
		a, b := vllm(t, mock.Options{}), mocktest.Start(t, mock.Options{Profile: profileOf(second)})
		s := serve(t, strings.NewReplacer(
			`b: {preset: vllm, base_url: "%s/v1"`, fmt.Sprintf(`b: {preset: %s, base_url: "%%s%s"`, second, map[string]string{"llama.cpp": "/v1"}[second]),
			"two: {provider: b, id: m, continuation: prefill}", fmt.Sprintf("two: {provider: b, id: %s, continuation: %s}", modelOf(second), continuation(second)),
		).Replace(redactFor("vllm")), a, b)
		for _, at := range []string{"20%", "50%", "80%"} {
			mocktest.Fail(t, a, "cut:"+at)
			got := client{url: s.URL}.ask(t, "w", "mock: echo\n"+text, true, "")
			if got.Status != 200 || got.Text != text || !got.Ended {
				t.Errorf("%s, cut at %s: %v", second, at, got)
			}
		}
		unseen(t, a, b)
		if b.Stats().Requests == 0 {
			t.Errorf("%s continued nothing", second)
		}
	}
}

// No raw path is redacted: it is refused, and so is what stands in its query.
func TestRedactedRawPath(t *testing.T) {
	a, b := vllm(t, mock.Options{}), vllm(t, mock.Options{})
	s := serve(t, strings.Replace(redactFor("vllm"), "probe: {enabled: false}", "probe: {enabled: false}, relay: [files]", 1), a, b)
	for _, c := range []struct {
		path, body string
		status     int
	}{
		{"/v1/files", "mail bob@x.de", 403},
		{"/v1/files?after=bob%40x.de", "", 403},
		{"/v1/files/bob@x.de", "", 403},
		{"/v1/files?after=%zzbob@x.de", "", 403},
	} {
		resp, err := mocktest.Client().Post(s.URL+c.path, "text/plain", strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != c.status || strings.Contains(string(body), "bob") {
			t.Errorf("%s: %d %s", c.path, resp.StatusCode, body)
		}
	}
	if n := a.Stats().Requests; n != 0 {
		t.Errorf("%d requests left", n)
	}
}
