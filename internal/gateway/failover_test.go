package gateway_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"freehold/internal/app/apptest"
	"freehold/internal/ledger"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
)

// pair is a freehold before two providers that would say the same.
type pair struct {
	*apptest.Server
	first, second *mock.Server
}

// profileOf is the mock that stands for a preset.
func profileOf(preset string) mock.Profile { return mock.Profile(preset) }

// newPair serves the workload "w": a model at the first provider with a
// fallback at the second. Breakers, probes and limits of time are out of the
// way: each test is about what a request sees. The workloads "hasty" and
// "stalled" are for silent providers only: in hasty the first one has little
// time and the second all it needs, in stalled both have little.
func newPair(t *testing.T, first, second, workload string) pair {
	t.Helper()
	p := pair{
		first:  mocktest.Start(t, mock.Options{Profile: profileOf(first), Words: 12}),
		second: mocktest.Start(t, mock.Options{Profile: profileOf(second), Words: 12}),
	}
	p.Server = apptest.Start(t, fmt.Sprintf(`
timeouts: {connect: 1m, first_token: 1m, idle: 1m, total: 5m}
retries: {max: 0}
breaker: {failures: 1000000, rate: 1, min_requests: 1000000}
providers:
  first: {preset: %s, base_url: "%s", api_key: k, probe: {enabled: false}}
  second: {preset: %s, base_url: "%s", api_key: k, probe: {enabled: false}}
models:
  one: {provider: first, id: %[5]s, continuation: %[6]s}
  hasty-one: {provider: first, id: %[5]s, continuation: %[6]s, timeouts: {first_token: 400ms, idle: 400ms}}
  two: {provider: second, id: %[7]s, continuation: %[8]s}
  hasty-two: {provider: second, id: %[7]s, continuation: %[8]s, timeouts: {first_token: 400ms, idle: 400ms}}
workloads:
  w: {model: one, fallbacks: [two]%[9]s}
  hasty: {model: hasty-one, fallbacks: [two]%[9]s}
  stalled: {model: hasty-one, fallbacks: [hasty-two]%[9]s}
`, first, base(first, p.first.URL()), second, base(second, p.second.URL()), modelOf(first), continuation(first), modelOf(second), continuation(second), workload))
	return p
}

// workloadFor is the workload to ask while the first provider fails so.
func workloadFor(fault string) string {
	if strings.HasPrefix(fault, "stall") {
		return "hasty"
	}
	return "w"
}

func base(preset, url string) string {
	if preset == "anthropic" {
		return url
	}
	return url + "/v1"
}

func continuation(preset string) string {
	if preset == "llama.cpp" {
		return "prefill-echo"
	}
	return "prefill"
}

func modelOf(preset string) string {
	if preset == "anthropic" {
		return "claude-3-5-sonnet-20241022"
	}
	return "some-model"
}

// Faults that another deployment mends before anything was shown.
var invisible = []string{
	"401", "402", "403", "404", "408", "409", "425", "429", "429:30s", "500", "502", "503", "504", "529",
	"auth", "refuse", "reset:head", "cut:head", "stall", "garbage:html", "garbage:text", "garbage:json",
	"garbage:empty-object", "empty", "empty:answer", "empty:choices", "errorevent:0e", "cutclean:0e", "cut:0e",
	"stall:0e",
}

// Faults in the middle of an answer.
var visible = []string{"cut", "cutclean", "reset", "stall:4e", "errorevent:5e", "garbage:4e", "nofinish", "cut:90%", "cutclean:90%"}

// Whatever the first provider does, the client gets the answer that it would
// have given, whole, once, in its own dialect; and the ledger has one row.
func TestNoFailureIsSeen(t *testing.T) {
	for _, dialects := range [][2]string{{"vllm", "vllm"}, {"vllm", "anthropic"}, {"anthropic", "vllm"}, {"anthropic", "anthropic"}} {
		for _, claude := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s to %s, claude client %v", dialects[0], dialects[1], claude), func(t *testing.T) {
				t.Parallel()
				p := newPair(t, dialects[0], dialects[1], "")
				c := client{url: p.URL, claude: claude}
				n := 0
				for _, stream := range []bool{false, true} {
					want := c.ask(t, "two", "tell me", stream, "")
					n++
					if want.Status != 200 || want.Text == "" || !want.Ended {
						t.Fatalf("without faults: %v", want)
					}
					faults := invisible
					if stream {
						faults = append(append([]string{}, invisible...), visible...)
					}
					for _, fault := range faults {
						mocktest.Fail(t, p.first, fault)
						got := c.ask(t, workloadFor(fault), "tell me", stream, "")
						n++
						if got.Status != 200 || got.Text != want.Text || got.Finish != want.Finish || !got.Ended || got.Err != "" {
							t.Errorf("stream %v, fault %s: %v\nwant %v", stream, fault, got, want)
						}
					}
				}
				rows := p.Rows(t)
				if len(rows) != n {
					t.Errorf("%d rows for %d requests", len(rows), n)
				}
				for _, r := range rows {
					if r.Outcome != ledger.OK || r.Deployment == "" || r.Tokens.Out == 0 {
						t.Errorf("row %s: outcome %s, %d attempts, tokens %+v, error %s", r.ID, r.Outcome, len(r.Attempts), r.Tokens, r.ErrorCode)
					}
				}
			})
		}
	}
}

// A cut at any byte of any stream is not seen by the client.
func TestCutAnywhere(t *testing.T) {
	for _, dialects := range [][2]string{{"vllm", "vllm"}, {"vllm", "anthropic"}, {"anthropic", "vllm"}, {"llama.cpp", "llama.cpp"}} {
		t.Run(dialects[0]+" to "+dialects[1], func(t *testing.T) {
			t.Parallel()
			p := newPair(t, dialects[0], dialects[1], "")
			c := client{url: p.URL}
			rapid.Check(t, func(rt *rapid.T) {
				prompt := fmt.Sprintf("tell me about %d", rapid.IntRange(0, 1000).Draw(rt, "prompt"))
				c.claude = rapid.Bool().Draw(rt, "claude client")
				kind := rapid.SampledFrom([]string{"cut", "cutclean"}).Draw(rt, "kind")
				fault := fmt.Sprintf("%s:%db", kind, rapid.IntRange(0, 4000).Draw(rt, "bytes"))
				want := c.ask(t, "two", prompt, true, "")
				mocktest.Fail(t, p.first, fault)
				got := c.ask(t, "w", prompt, true, "")
				if got.Text != want.Text || got.Finish != want.Finish || !got.Ended || got.Err != "" {
					rt.Fatalf("fault %s: %v\nwant %v", fault, got, want)
				}
			})
		})
	}
}

// A provider that says something else after a cut: what was sent stays, and
// the stream is whole.
func TestForeignContinuation(t *testing.T) {
	first := mocktest.Start(t, mock.Options{Profile: "vllm", Words: 12})
	second := mocktest.Start(t, mock.Options{Profile: "vllm", Words: 12, Seed: 7, Prefill: "never"})
	s := apptest.Start(t, fmt.Sprintf(`
retries: {max: 0}
breaker: {failures: 1000, min_requests: 1000}
providers:
  first: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}
  second: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}
models:
  one: {provider: first, id: m, continuation: none}
  two: {provider: second, id: m, continuation: instruct}
workloads: {w: {model: one, fallbacks: [two]}}
`, first.URL(), second.URL()))
	c := client{url: s.URL}
	whole := c.ask(t, "one", "tell me", true, "")
	for n := 1; n < 12; n++ {
		mocktest.Fail(t, first, fmt.Sprintf("cut:%de", n+1))
		got := c.ask(t, "w", "tell me", true, "")
		shared := 0
		for shared < len(got.Text) && shared < len(whole.Text) && got.Text[shared] == whole.Text[shared] {
			shared++
		}
		if got.Finish == "" || !got.Ended || got.Err != "" || shared < len("Fine") && n > 1 {
			t.Errorf("cut after %d events: %v", n, got)
		}
	}
	for _, r := range s.Rows(t) {
		for _, seam := range r.Seams {
			if seam.From == "" || seam.To == "" || seam.Method == "" || seam.Cause == "" {
				t.Errorf("seam %+v", seam)
			}
		}
	}
}

// Tool calls are never shown in part: a cut among them is invisible.
func TestToolsAreHeld(t *testing.T) {
	tools := `,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}},{"type":"function","function":{"name":"g","parameters":{"type":"object"}}}]`
	claudeTools := `,"tools":[{"name":"f","input_schema":{"type":"object"}},{"name":"g","input_schema":{"type":"object"}}]`
	prompt := "please\nmock: tools f {\"city\":\"Paris\",\"n\":[1,2,3]} g {}"
	for _, claude := range []bool{false, true} {
		extra := tools
		if claude {
			extra = claudeTools
		}
		p := newPair(t, "vllm", "anthropic", "")
		c := client{url: p.URL, claude: claude}
		want := c.ask(t, "two", prompt, true, extra)
		if !strings.Contains(want.Tools, "Paris") || !strings.Contains(want.Tools, "g(") {
			t.Fatalf("without faults: %v", want)
		}
		for at := 0; at < 100; at += 7 {
			mocktest.Fail(t, p.first, fmt.Sprintf("cut:%d%%", at))
			if got := c.ask(t, "w", prompt, true, extra); got.Tools != want.Tools || got.Finish != want.Finish || got.Err != "" {
				t.Errorf("cut at %d%%: %v\nwant %v", at, got, want)
			}
		}
	}
}

// A tool call that is held in many pieces is shown whole, to a client of the
// provider's dialect and of another one.
func TestLargeToolCall(t *testing.T) {
	args := `{"text":"` + strings.Repeat("abcdefgh ", 8<<10) + `"}`
	for _, claude := range []bool{false, true} {
		extra := `,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]`
		if claude {
			extra = `,"tools":[{"name":"f","input_schema":{"type":"object"}}],"max_tokens":1000000`
		}
		p := newPair(t, "vllm", "vllm", "")
		for _, stream := range []bool{false, true} {
			got := client{url: p.URL, claude: claude}.ask(t, "w", "please\nmock: tools f "+args, stream, extra)
			if got.Tools != "f("+args+")" || got.Err != "" || !got.Ended {
				t.Errorf("claude client %v, stream %v: %.200v, %d bytes of tools", claude, stream, got, len(got.Tools))
			}
		}
	}
}

// What cannot be mended is told: an error in the client's dialect, never a
// made-up end.
func TestNothingLeft(t *testing.T) {
	for _, c := range []struct {
		first, second string
		stream        bool
		status        int
		code          string
	}{
		{"500", "503", false, 503, "upstreams_exhausted"},
		{"500", "503", true, 503, "upstreams_exhausted"},
		{"401", "403", false, 502, "upstream_credentials"},
		{"stall", "stall", true, 504, "upstream_timeout"},
		{"429:7s", "429:3s", false, 503, "upstreams_exhausted"},
		{"cut:5e", "cut:2e", true, 200, "cut"},
		{"422", "", false, 422, ""},
		{"400", "", true, 400, ""},
	} {
		for _, claude := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s %s stream %v claude %v", c.first, c.second, c.stream, claude), func(t *testing.T) {
				t.Parallel()
				p := newPair(t, "vllm", "vllm", ", continue: off")
				mocktest.Fail(t, p.first, c.first)
				if c.second != "" {
					mocktest.Fail(t, p.second, c.second)
				}
				workload := "w"
				if c.second == "stall" {
					workload = "stalled"
				}
				got := client{url: p.URL, claude: claude}.ask(t, workload, "tell me", c.stream, "")
				if got.Status != c.status || got.Err == "" || got.Finish != "" || got.Ended || c.code != "" && !strings.Contains(got.Body, c.code) {
					t.Errorf("%v, want status %d, code %s", got, c.status, c.code)
				}
				if strings.HasPrefix(c.first, "429") && got.Header.Get("Retry-After") != "3" {
					t.Errorf("Retry-After %q", got.Header.Get("Retry-After"))
				}
				row := p.Rows(t)[0]
				if row.Outcome == ledger.OK || row.ErrorCode == "" {
					t.Errorf("row: outcome %s, error %q", row.Outcome, row.ErrorCode)
				}
				if !strings.Contains(got.Body, row.ID) {
					t.Errorf("the error does not carry the request id %s: %s", row.ID, got.Body)
				}
			})
		}
	}
}

// The client leaves: the provider is free at once, in streams, before the
// first byte, and in plain calls.
func TestClientLeaves(t *testing.T) {
	for name, c := range map[string]struct {
		fault  string
		stream bool
	}{
		"stream":                {"slow:50ms", true},
		"before the first byte": {"stall", true},
		"plain":                 {"stall", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, "vllm", "vllm", "")
			mocktest.Fail(t, p.first, c.fault)
			ctx, leave := context.WithCancel(context.Background())
			go func() {
				_, _ = client{url: p.URL}.do(ctx, "w", "tell me\nmock: length 2000", c.stream, "") // it is cut off on purpose
			}()
			mocktest.Wait(t, p.first, func(s mock.Stats) bool { return s.InFlight == 1 })
			leave()
			mocktest.Wait(t, p.first, func(s mock.Stats) bool { return s.InFlight == 0 && s.Canceled == 1 })
			if rows := p.WaitRows(t, 1); len(rows) != 1 || rows[0].Outcome != ledger.Canceled || !rows[0].Tokens.Estimated {
				t.Errorf("rows: %+v", rows)
			}
			if n := p.second.Stats().Requests; n != 0 {
				t.Errorf("%d requests went to the fallback after the client had left", n)
			}
		})
	}
}
