package gateway_test

import (
	"fmt"
	"strings"
	"testing"

	"freehold/internal/capture"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
)

// redactConfig has two providers of one dialect, the second the first's fallback.
const redactConfig = `
server: {listen: 127.0.0.1:0}
retries: {max: 0}
providers:
  a: {preset: PRESET, base_url: "%sBASE", api_key: k, probe: {enabled: false}}
  b: {preset: PRESET, base_url: "%sBASE", api_key: k, probe: {enabled: false}}
models:
  one: {provider: a, id: m, continuation: prefill}
  two: {provider: b, id: m, continuation: prefill}
  e: {provider: a, id: e, mode: embedding}
detectors:
  personal: {kinds: [email, card, credential], patterns: {case: 'AZ-\d+'}, on_hit: redact}
workloads:
  w: {model: one, fallbacks: [two]}
`

func redactFor(preset string) string {
	base := "/v1"
	if preset == "anthropic" {
		base = ""
	}
	return strings.NewReplacer("PRESET", preset, "BASE", base).Replace(redactConfig)
}

// secretsOf are the texts that no provider may see.
var secretsOf = []string{"bob@x.de", "anna@x.de", "4111", "hunter2!X", "AZ-12"}

// unseen checks every body that the mocks have received.
func unseen(t *testing.T, mocks ...*mock.Server) {
	t.Helper()
	for _, m := range mocks {
		for _, r := range m.Requests() {
			for _, s := range secretsOf {
				if strings.Contains(string(r.Body), s) {
					t.Errorf("a provider has seen %s: %s", s, r.Body)
				}
			}
		}
	}
}

func TestRedact(t *testing.T) {
	for _, profile := range []string{"vllm", "anthropic"} {
		a, b := mocktest.Start(t, mock.Options{Profile: mock.Profile(profile)}), mocktest.Start(t, mock.Options{Profile: mock.Profile(profile)})
		s := serve(t, redactFor(profile), a, b)
		for _, claude := range []bool{false, true} {
			for _, stream := range []bool{false, true} {
				name := fmt.Sprintf("%s, claude %v, stream %v", profile, claude, stream)
				c := client{url: s.URL, claude: claude}
				const text = "mail bob@x.de or anna@x.de about AZ-12, not [EMAIL_1]; card 4111 1111 1111 1111; bob@x.de again"
				got := c.ask(t, "w", "mock: echo\n"+text, stream, "")
				if got.Status != 200 || got.Text != text || !got.Ended {
					t.Errorf("%s: %v", name, got)
				}
				tools := `,"tools":[{"type":"function","function":{"name":"send","parameters":{"type":"object"}}}]`
				if claude {
					tools = `,"tools":[{"name":"send","input_schema":{"type":"object"}}]`
				}
				got = c.ask(t, "w", `mock: tools send {"to":"bob@x.de","about":"AZ-12","n":1}`, stream, tools)
				if args := strings.ReplaceAll(got.Tools, " ", ""); got.Status != 200 || !strings.HasPrefix(args, "send({") ||
					!strings.Contains(args, `"to":"bob@x.de"`) || !strings.Contains(args, `"about":"AZ-12"`) {
					t.Errorf("%s: %v", name, got)
				}
			}
		}
		unseen(t, a, b)
		for _, r := range s.Rows(t) {
			if len(r.Detected) == 0 || r.Detected[0].Action != "redact" || strings.Contains(fmt.Sprintf("%+v", r), "bob@x.de") {
				t.Errorf("on record: %+v", r)
			}
		}
	}
}

// An answer that is cut, in the middle of a placeholder too, goes on at another
// provider, which sees no more than the first.
func TestRedactedAnswerIsContinued(t *testing.T) {
	const text = "Please write to bob@x.de, then to anna@x.de, and never to bob@x.de before anna@x.de has had her answer, as she asked."
	for _, claude := range []bool{false, true} {
		for _, at := range []string{"10%", "20%", "35%", "50%", "65%", "80%", "90%"} {
			a, b := vllm(t, mock.Options{}), vllm(t, mock.Options{})
			s := serve(t, redactFor("vllm"), a, b)
			mocktest.Fail(t, a, "cut:"+at)
			got := client{url: s.URL, claude: claude}.ask(t, "w", "mock: echo\n"+text, true, "")
			if got.Status != 200 || got.Text != text || !got.Ended {
				t.Errorf("cut at %s: %v", at, got)
			}
			unseen(t, a, b)
			if b.Stats().Requests == 0 {
				t.Errorf("cut at %s: nobody continued", at)
			}
		}
	}
}

func TestRedactEmbedding(t *testing.T) {
	a, b := vllm(t, mock.Options{}), vllm(t, mock.Options{})
	s := serve(t, redactFor("vllm"), a, b)
	resp, err := mocktest.Client().Post(s.URL+"/v1/embeddings", "application/json", strings.NewReader(`{"model":"e","input":["about bob@x.de"]}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 200 || a.Stats().Requests != 1 {
		t.Errorf("status %d", resp.StatusCode)
	}
	unseen(t, a, b)
}

// What cannot be redacted does not leave.
func TestRedactFailsClosed(t *testing.T) {
	a, b := vllm(t, mock.Options{}), vllm(t, mock.Options{})
	s := serve(t, strings.NewReplacer("probe: {enabled: false}}\n  b:", "probe: {enabled: false}, owns: [gpt-]}\n  b:", "case: 'AZ-\\d+'", "quoted: '<<[^>]*>>'").Replace(redactFor("vllm")), a, b)
	c := client{url: s.URL}
	if got := c.ask(t, "w", "hi", false, `,"seed":4111111111111111`); got.Status != 403 || got.Err != "detector" || strings.Contains(got.Body, "4111") {
		t.Errorf("a number that the API needs: %v", got)
	}
	// A vendor's model name goes to the provider as it is.
	if got := c.ask(t, "gpt-bob@x.de", "hi", false, ""); got.Status != 403 || got.Err != "detector" {
		t.Errorf("a model's name: %v", got)
	}
	// The pattern takes a part of the arguments' JSON with it.
	call := `,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":null,"tool_calls":[{"id":"t","type":"function","function":{"name":"f","arguments":"{\"a\":\"<<x\",\"b\":[\">>\"]}"}}]},{"role":"tool","tool_call_id":"t","content":"x"}]`
	if got := c.ask(t, "w", "", false, call); got.Status != 403 || got.Err != "detector" {
		t.Errorf("more than a text: %v", got)
	}
	if n := a.Stats().Requests + b.Stats().Requests; n != 0 {
		t.Errorf("%d requests left", n)
	}
}

// Captured texts are as the provider saw them, unless the workload says otherwise.
func TestRedactedCapture(t *testing.T) {
	for unredacted, want := range map[bool]bool{false: false, true: true} {
		a, b := vllm(t, mock.Options{}), vllm(t, mock.Options{})
		config := redactFor("vllm") + "capture: {key: a-passphrase-that-is-long-enough}\n"
		config = strings.Replace(config, "fallbacks: [two]}", fmt.Sprintf("fallbacks: [two], capture: {enabled: true, unredacted: %v}}", unredacted), 1)
		s := serve(t, config, a, b)
		for _, stream := range []bool{false, true} {
			client{url: s.URL}.ask(t, "w", "mock: echo\nask bob@x.de", stream, `,"user":"bob@x.de"`)
		}
		s.WaitRows(t, 2)
		for _, r := range s.Rows(t) {
			text, err := s.App.Captures.Read(t.Context(), r.ID, reader)
			if err != nil {
				t.Fatal(err)
			}
			if text.User != "bob@x.de" {
				t.Errorf("the end user is kept as %q", text.User)
			}
			for what, body := range map[string]capture.Text{"request": text.Request, "answer": text.Answer} {
				if strings.Contains(string(body.Body), "bob@x.de") != want || !want && !strings.Contains(string(body.Body), "[EMAIL_1]") {
					t.Errorf("unredacted %v: the %s is kept as %s", unredacted, what, body.Body)
				}
			}
		}
	}
}
