package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"freehold/internal/auth"
	"freehold/internal/ledger"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
	"freehold/test/client"
)

// TestPerimeter sends requests with data classes on every way that bytes leave
// by: routing, fallback, hedging, continuation after a cut, token counting and
// raw relay. A provider outside of the perimeter never receives a byte, and
// where nobody is left the refusal names the rule.
func TestPerimeter(t *testing.T) {
	abroad := mocktest.Start(t, mock.Options{Profile: mock.VLLM, Words: 6})
	abroadToo := mocktest.Start(t, mock.Options{Profile: mock.Anthropic, Words: 6})
	inside := mocktest.Start(t, mock.Options{Profile: mock.VLLM, Words: 6})
	var relayed atomic.Int64
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		relayed.Add(1)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"object":"list","data":[]}`))
	}))
	defer files.Close()
	s := serve(t, fmt.Sprintf(`
server: {listen: 127.0.0.1:0, auth: keys}
timeouts: {connect: 1m, first_token: 1m, idle: 1m}
retries: {max: 0}
breaker: {failures: 1000000, rate: 1, min_requests: 1000000}
providers:
  abroad: {preset: vllm, base_url: "%s/v1", jurisdiction: US, probe: {enabled: false}}
  abroad-too: {preset: anthropic, base_url: "%s", api_key: k, jurisdiction: US, probe: {enabled: false}}
  inside: {preset: vllm, base_url: "%s/v1", inside: true, jurisdiction: EU, probe: {enabled: false}}
  files: {preset: openai, base_url: "%s/v1", api_key: k, jurisdiction: US, relay: [files], probe: {enabled: false}}
models:
  far: {provider: abroad, id: m, continuation: prefill}
  far-too: {provider: abroad-too, id: claude-3-5-sonnet-20241022, continuation: prefill}
  near: {provider: inside, id: m, continuation: prefill}
data_classes:
  public: {}
  restricted: {inside: true}
  eu-only: {jurisdictions: [EU]}
workloads:
  open: {model: far, fallbacks: [near, far-too], hedge: {after: 50ms, max_share: 1}}
  closed: {model: far, fallbacks: [near, far-too], data: restricted, hedge: {after: 50ms, max_share: 1}}
  eu: {model: far-too, fallbacks: [far, near], data: [public, eu-only]}
  nowhere: {model: far, fallbacks: [far-too], data: restricted}
  starts-inside: {model: near, fallbacks: [far, far-too], data: eu-only, timeouts: {first_token: 800ms, idle: 800ms}}
`, abroad.URL(), abroadToo.URL(), inside.URL(), files.URL))
	key := func(classes ...string) http.Header {
		_, plain, err := s.Keys.Create(t.Context(), auth.Request{Name: "test", Grant: auth.Grant{
			Workloads: []string{"*"}, Models: true, DataClasses: classes}})
		if err != nil {
			t.Fatal(err)
		}
		return http.Header{"Authorization": {"Bearer " + plain}}
	}
	free, restrictedKey := key(), key("restricted")
	with := func(h http.Header, classes string) http.Header {
		h = h.Clone()
		h.Set("X-Freehold-Data-Class", classes)
		return h
	}
	cs := both(t, s.url)
	outside := func() int {
		return abroad.Stats().Requests + abroadToo.Stats().Requests + int(relayed.Load())
	}

	t.Run("without a class they are asked", func(t *testing.T) {
		for _, c := range cs {
			c := *c
			c.Header = free
			if r := ask(t, &c, client.Request{Model: "far", Prompt: "hi"}); !r.Whole() {
				t.Errorf("%v", &r)
			}
		}
		if status, body := get(t, cs[0].HTTP, s.url+"/v1/files", free); status != http.StatusOK {
			t.Errorf("relay: %d %s", status, body)
		}
		if outside() != 3 {
			t.Fatalf("%d requests went outside, not 3: the rest of this test would prove nothing", outside())
		}
	})
	before := outside()

	t.Run("answered inside only", func(t *testing.T) {
		for _, way := range []struct {
			name, model string
			header      http.Header
		}{
			{"workload", "closed", free}, {"workload with two classes", "eu", free},
			{"key", "open", restrictedKey}, {"header", "open", with(free, "restricted")},
			{"header on a key's class", "open", with(restrictedKey, "public, eu-only")},
		} {
			for _, fault := range []string{"", "slow@1:1ms:first=200ms", "cut@1:3e"} {
				for _, stream := range []bool{false, true} {
					for _, c := range cs {
						c := *c
						c.Header = way.header
						inside.SetFaults()
						if fault != "" {
							mocktest.Fail(t, inside, fault)
						}
						r := ask(t, &c, client.Request{Model: way.model, Prompt: "hi", Stream: stream})
						by := r.Header.Get("X-Freehold-Provider")
						cutPlain := fault == "cut@1:3e" && !stream && r.Status == http.StatusServiceUnavailable
						if !cutPlain && (!r.Whole() || by != "inside") {
							t.Errorf("%s, %s, stream %v: answered by %q: %v", way.name, fault, stream, by, &r)
						}
					}
				}
			}
		}
		if n := outside() - before; n != 0 {
			t.Errorf("%d requests went outside", n)
		}
	})

	t.Run("a cut is not continued outside", func(t *testing.T) {
		for _, fault := range []string{"cut:3e", "500", "stall", "stall:3e"} {
			mocktest.Fail(t, inside, fault)
			for _, c := range cs {
				if c.Claude && strings.HasPrefix(fault, "stall") {
					continue // takes its time, and shows nothing else
				}
				c := *c
				c.Header = free
				r := ask(t, &c, client.Request{Model: "starts-inside", Prompt: "hi", Stream: true})
				// After a cut the same deployment may go on, else it is an error.
				if r.Whole() != (r.Err == "") || r.Whole() && fault != "cut:3e" {
					t.Errorf("%s: %v", fault, &r)
				}
			}
		}
		inside.SetFaults()
		if n := outside() - before; n != 0 {
			t.Errorf("%d requests went outside", n)
		}
	})

	t.Run("refused by name", func(t *testing.T) {
		for _, way := range []struct {
			name, model, rule string
			header            http.Header
		}{
			{"workload", "nowhere", "restricted", free}, {"model by key", "far", "restricted", restrictedKey},
			{"header", "far-too", "eu-only", with(free, "eu-only")}, {"unknown class", "open", "top-secret", with(free, "top-secret")},
		} {
			for _, c := range cs {
				c := *c
				c.Header = way.header
				r := ask(t, &c, client.Request{Model: way.model, Prompt: "hi", Stream: true})
				if r.Status != http.StatusForbidden || !strings.Contains(r.Body, way.rule) || c.Claude != strings.HasPrefix(r.Body, `{"type":"error"`) {
					t.Errorf("%s: %v", way.name, &r)
				}
				if row := s.rows(t)[r.ID()]; row == nil || row.Outcome != ledger.Refused || len(row.Attempts) != 0 {
					t.Errorf("%s: row %+v", way.name, row)
				}
			}
		}
		for _, h := range []http.Header{restrictedKey, with(free, "eu-only"), with(free, "top-secret")} {
			if status, body := get(t, cs[0].HTTP, s.url+"/v1/files", h); status != http.StatusForbidden {
				t.Errorf("relay: %d %s", status, body)
			}
		}
		if n := outside() - before; n != 0 {
			t.Errorf("%d requests went outside", n)
		}
	})

	t.Run("tokens are counted here", func(t *testing.T) {
		c := *cs[1]
		c.Header = free
		for _, model := range []string{"nowhere", "closed"} {
			resp, err := c.Open(t.Context(), "/v1/messages/count_tokens",
				[]byte(`{"model":"`+model+`","messages":[{"role":"user","content":"how many tokens"}]}`))
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK || resp.Header.Get("X-Freehold-Estimated") != "true" {
				t.Errorf("%s: status %d, header %v", model, resp.StatusCode, resp.Header)
			}
		}
		if n := outside() - before; n != 0 {
			t.Errorf("%d requests went outside", n)
		}
	})
}

// TestHedge: when the first deployment is slow the second answers, the first is
// let go at once, and the request is one row.
func TestHedge(t *testing.T) {
	slow := mocktest.Start(t, mock.Options{Profile: mock.VLLM, Words: 5})
	fast := mocktest.Start(t, mock.Options{Profile: mock.Anthropic, Words: 5})
	mocktest.Fail(t, slow, "stall")
	s := serve(t, fmt.Sprintf(`
timeouts: {first_token: 1m}
providers:
  slow: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}
  fast: {preset: anthropic, base_url: "%s", api_key: k, probe: {enabled: false}}
models: {one: {provider: slow, id: m}, two: {provider: fast, id: claude-3-5-sonnet-20241022}}
workloads:
  hedged: {model: one, fallbacks: [two], hedge: {after: 50ms, max_share: 1}}
  plain: {model: one, fallbacks: [two], timeouts: {first_token: 300ms}}
`, slow.URL(), fast.URL()))
	for _, c := range both(t, s.url) {
		for _, q := range []client.Request{
			{Model: "hedged", Prompt: "hi"}, {Model: "hedged", Prompt: "hi", Stream: true}, {Model: "plain", Prompt: "hi"},
		} {
			slow.Reset()
			mocktest.Fail(t, slow, "stall")
			begun := time.Now()
			r := ask(t, c, q)
			took := time.Since(begun)
			if limit := 50 * time.Second; !r.Whole() || r.Header.Get("X-Freehold-Provider") != "fast" || took > limit {
				t.Errorf("%+v: after %v: %v", q, took, &r)
			}
			mocktest.Wait(t, slow, func(s mock.Stats) bool { return s.InFlight == 0 })
			if st := slow.Stats(); st.Requests > 1 || st.Canceled != st.Requests {
				t.Errorf("the loser: %+v", st)
			}
			row := s.rows(t)[r.ID()]
			if row == nil || row.Outcome != ledger.OK || len(row.Attempts) > 2 || row.Provider != "fast" {
				t.Errorf("row: %+v", row)
			}
		}
	}
	if rows := s.rows(t); len(rows) != 6 {
		t.Errorf("%d rows for 6 requests", len(rows))
	}
}
