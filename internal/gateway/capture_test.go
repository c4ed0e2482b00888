package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"freehold/internal/app/apptest"
	"freehold/internal/capture"
	"freehold/internal/history"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
)

// newCapturing serves the workload "w" with capture, "off" without, and "part"
// with a share of 0, on a first provider with a fallback.
func newCapturing(t *testing.T, first, second string) pair {
	t.Helper()
	p := pair{
		first:  mocktest.Start(t, mock.Options{Profile: profileOf(first), Words: 12}),
		second: mocktest.Start(t, mock.Options{Profile: profileOf(second), Words: 12}),
	}
	p.Server = apptest.Start(t, fmt.Sprintf(`
retries: {max: 0}
breaker: {failures: 1000000, rate: 1, min_requests: 1000000}
capture: {key: aa23456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef}
data_classes: {inner: {}}
providers:
  first: {preset: %s, base_url: "%s", api_key: k, probe: {enabled: false}}
  second: {preset: %s, base_url: "%s", api_key: k, probe: {enabled: false}}
models:
  one: {provider: first, id: %s, continuation: prefill}
  two: {provider: second, id: %s, continuation: prefill}
workloads:
  w: {model: one, fallbacks: [two], data: inner, aliases: [gpt-x], capture: {enabled: true, retention: 2h}}
  off: {model: one, fallbacks: [two], capture: {enabled: false}}
  part: {model: one, capture: {enabled: true, share: 0}}
`, first, base(first, p.first.URL()), second, base(second, p.second.URL()), modelOf(first), modelOf(second)))
	return p
}

var reader = capture.By{Who: history.Who{Via: "os", Name: "tester"}}

// post sends a body as it is and returns the bytes that come back.
func post(t *testing.T, url string, claude bool, body string) (*http.Response, []byte) {
	t.Helper()
	path := "/v1/chat/completions"
	if claude {
		path = "/v1/messages"
	}
	resp, err := mocktest.Client().Post(url+path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, got
}

func question(claude, stream bool, model, prompt string) string {
	tools := `[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]`
	more := `,"user":"customer-17"`
	switch {
	case claude:
		tools = `[{"name":"f","input_schema":{"type":"object"}}]`
		more = `,"max_tokens":4096,"metadata":{"user_id":"customer-17"}`
	case stream:
		more = `,"safety_identifier":"customer-17","stream_options":{"include_usage":true}`
	}
	// The white space is the client's, and is kept.
	return fmt.Sprintf(`{ "model":%q, "stream":%v, "tools":%s, "messages":[{"role":"user","content":%q}]%s}`, model, stream, tools, prompt, more)
}

// TestCaptured holds that what is kept is what went over the wire: the client's
// bytes, and the answer that the client saw, for every pair of dialects, plain
// and streamed, as text and as tool calls, and across a seam.
func TestCaptured(t *testing.T) {
	for _, preset := range []string{"vllm", "anthropic"} {
		p := newCapturing(t, preset, preset)
		n := 0
		for _, claude := range []bool{false, true} {
			for _, stream := range []bool{false, true} {
				for _, c := range []struct{ prompt, fault string }{
					{"tell me", ""}, {"please\nmock: tools f {\"city\":\"Paris\"}", ""}, {"go on", "503"}, {"go on", "cut:6e"},
				} {
					name := fmt.Sprintf("%s, claude %v, stream %v, %q, %s", preset, claude, stream, c.prompt, c.fault)
					if c.fault == "cut:6e" && !stream {
						continue
					}
					p.first.Reset()
					if c.fault != "" {
						mocktest.Fail(t, p.first, c.fault)
					}
					body := question(claude, stream, "gpt-x", c.prompt)
					resp, wire := post(t, p.URL, claude, body)
					n++
					row := p.WaitRows(t, n)[0]
					rec, err := p.App.Captures.Read(t.Context(), resp.Header.Get("X-Request-Id"), reader)
					if err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					if string(rec.Request.Body) != body || rec.User != "customer-17" || rec.Workload != "w" || rec.Outcome != string(row.Outcome) ||
						!rec.Time.Equal(row.Time) || rec.Expires.Sub(rec.Time) != 2*time.Hour || len(rec.Classes) != 1 {
						t.Errorf("%s: %+v\n%s", name, rec.Entry, rec.Request.Body)
					}
					if !stream {
						if !bytes.Equal(rec.Answer.Body, wire) {
							t.Errorf("%s: kept\n%s\nof\n%s", name, rec.Answer.Body, wire)
						}
						continue
					}
					var saw, kept result
					if err := saw.Stream(bytes.NewReader(wire), claude); err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					if err := kept.Plain(rec.Answer.Body, claude); err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					kept.Events = saw.Events // a plain answer has none
					if d := cmp.Diff(saw, kept, cmpopts.IgnoreUnexported(result{})); d != "" || saw.Text+saw.Tools == "" {
						t.Errorf("%s (-shown +kept):\n%s", name, d)
					}
					if c.fault == "cut:6e" && len(row.Seams) == 0 {
						t.Errorf("%s: there is no seam", name)
					}
				}
			}
		}
	}
}

// TestCapturedFailures: a request that no provider answered keeps its prompt, an
// answer that broke off keeps what was shown of it.
func TestCapturedFailures(t *testing.T) {
	p := newCapturing(t, "vllm", "vllm")
	mocktest.Fail(t, p.first, "503")
	mocktest.Fail(t, p.second, "503")
	body := question(false, true, "w", "tell me")
	resp, _ := post(t, p.URL, false, body)
	rec, err := p.App.Captures.Read(t.Context(), resp.Header.Get("X-Request-Id"), reader)
	if err != nil || string(rec.Request.Body) != body || len(rec.Answer.Body) != 0 || rec.Outcome != "failed" {
		t.Errorf("nobody answered: %v, %+v", err, rec)
	}
	p.first.Reset()
	p.second.Reset()
	mocktest.Fail(t, p.first, "cut:6e")
	mocktest.Fail(t, p.second, "cut:6e")
	resp, wire := post(t, p.URL, false, strings.Replace(body, `"model"`, `"n":1,"logprobs":true,"model"`, 1)) // not to be continued
	rec, err = p.App.Captures.Read(t.Context(), resp.Header.Get("X-Request-Id"), reader)
	var saw, kept result
	if err != nil {
		t.Fatal(err)
	}
	if err := saw.Stream(bytes.NewReader(wire), false); err != nil {
		t.Fatal(err)
	}
	if err := kept.Plain(rec.Answer.Body, false); err != nil {
		t.Fatalf("%v: %s", err, rec.Answer.Body)
	}
	if saw.Err == "" || kept.Text != saw.Text || saw.Text == "" || rec.Outcome != "partial" {
		t.Errorf("a part was shown: %v, kept %v, %s", saw, kept, rec.Outcome)
	}
}

// TestNotCaptured: without capture nothing is kept, whatever becomes of the
// request.
func TestNotCaptured(t *testing.T) {
	p := newCapturing(t, "vllm", "anthropic")
	for i, model := range []string{"off", "one", "part", "unknown"} {
		for _, stream := range []bool{false, true} {
			post(t, p.URL, false, question(false, stream, model, "tell me"))
		}
		p.WaitRows(t, 2*i+2)
	}
	post(t, p.URL, false, `{"model":"w"}`) // refused before anybody is asked
	post(t, p.URL, true, `{"model":"w", broken`)
	p.WaitRows(t, 10)
	list, err := p.App.Captures.List(context.Background(), capture.Filter{}, reader)
	if err != nil || len(list) > 0 {
		t.Errorf("%v, %+v", err, list)
	}
	if s := p.App.Captures.Stats(); s != (capture.Stats{}) {
		t.Errorf("%+v", s)
	}
}
