package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"freehold/internal/app/apptest"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
)

// wholeConfig has a provider abroad, one under the law of the EU and one inside,
// and workloads that would ask all of them. Beside them stand one inside that
// sends everybody elsewhere, and one whose name resolves to an address that is
// none of its networks.
const wholeConfig = `
server: {listen: 127.0.0.1:0, keep_alive: 1m}
retries: {max: 1, base: 1ms, cap: 2ms}
timeouts: {first_token: 300ms, idle: 300ms, total: 5s}
breaker: {failures: 1000, min_requests: 100000}
providers:
  abroad: {preset: vllm, base_url: "%s/v1", jurisdiction: US, probe: {enabled: false}, relay: [files], batches: {inputs: 1}}
  union: {preset: vllm, base_url: "%s/v1", jurisdiction: EU, contract: {dpa: yes}, probe: {enabled: false}, batches: {inputs: 1}}
  cluster: {preset: vllm, base_url: "%s/v1", jurisdiction: EU, inside: true, probe: {enabled: false}, batches: {inputs: 1}}
  moved: {preset: vllm, base_url: "%s/v1", jurisdiction: EU, inside: true, contract: {dpa: yes}, probe: {enabled: false}}
  rebound: {preset: vllm, base_url: "%s/v1", jurisdiction: EU, inside: true, contract: {dpa: yes}, networks: [10.0.0.0/8], probe: {enabled: false}}
models:
  large: {balance: weighted, deployments: [{provider: moved, id: m}, {provider: rebound, id: m}, {provider: abroad, id: m, weight: 5, continuation: prefill}, {provider: union, id: m, weight: 5, continuation: prefill}]}
  small: {provider: cluster, id: m, continuation: prefill}
  vectors: {mode: embedding, balance: weighted, deployments: [{provider: abroad, id: e}, {provider: union, id: e}, {provider: cluster, id: e}]}
data_classes:
  inside: {inside: true}
  eu: {jurisdictions: [EU]}
  signed: {contract: {dpa: yes}}
detectors:
  mail: {kinds: [email], on_hit: tighten, class: inside}
  cards: {kinds: [card], on_hit: redact}
  keys: {kinds: [secret], on_hit: block}
  people: {external: {url: "%s", inside: true}, on_hit: tighten, class: inside}
tenants:
  acme: {header: {name: x-tenant, value: acme}, providers: {deny: [abroad]}}
workloads:
  open: {model: large, fallbacks: [small], hedge: {after: 1ms, max_share: 1}}
  european: {model: large, fallbacks: [small], data: eu}
  closed: {model: small, fallbacks: [large], data: inside}
`

// allowedBy says for each rule of wholeConfig which providers it leaves.
var allowedBy = map[string][]string{
	"inside": {"cluster"}, "eu": {"union", "cluster"}, "signed": {"union"}, "acme": {"union", "cluster"},
}

// perServer is how many requests one server gets.
const perServer = 50

var wholeFaults = []string{
	"", "", "", "", "", "", "", "", "500", "429:0s", "307", "529", "cut:40%", "cutclean:80%", "reset:60%", "garbage:text", "garbage:html",
	"empty:answer", "errorevent:2e", "noend", "nofinish", "badutf8", "dupkeys",
}

// Whole requests, over real connections to providers that fail in every way: none
// of their bytes reaches one that may not see them.
func TestWholeRequestsStayInside(t *testing.T) {
	n, seed := 200, uint64(1)
	if v := os.Getenv("FREEHOLD_PERIMETER_WHOLE"); v != "" {
		var err error
		if n, err = strconv.Atoi(v); err != nil {
			t.Fatal(err)
		}
	}
	if n > 200 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 2))
	mocks := map[string]*mock.Server{}
	var list []*mock.Server
	for _, name := range []string{"abroad", "union", "cluster"} {
		mocks[name] = mocktest.Start(t, mock.Options{Profile: "vllm", Keep: 16})
		list = append(list, mocks[name])
	}
	trap, trapped := trapdoor(t, http.StatusOK, "")
	moved, redirected := trapdoor(t, http.StatusTemporaryRedirect, trap+"/v1/chat/completions")
	elsewhere, rebound := trapdoor(t, http.StatusOK, "")
	_, port, _ := strings.Cut(strings.TrimPrefix(elsewhere, "http://"), ":")
	people := newFinder(t)
	config := fmt.Sprintf(wholeConfig, list[0].URL(), list[1].URL(), list[2].URL(), moved, "http://localhost:"+port, people.URL)
	ways, statuses := map[string]int{}, map[int]int{}
	// A server's breakers know too much after a while to ask everybody.
	for batch := 0; batch < n && !t.Failed(); batch += perServer {
		t.Run(fmt.Sprint(batch), func(t *testing.T) {
			s := apptest.Start(t, config)
			for i := batch; i < min(n, batch+perServer); i++ {
				var faults []string
				for _, m := range list {
					m.Reset()
					f := one(r, wholeFaults)
					if r.IntN(100) == 0 {
						f = "stall:1e" // each costs its time
					}
					if r.IntN(200) == 0 {
						f = one(r, []string{"401", "404"}) // each closes a deployment for a minute
					}
					if f != "" {
						faults = append(faults, f)
						if err := m.Fail(f); err != nil {
							t.Fatalf("%s: %v", f, err)
						}
					}
				}
				rules, mark := []string{}, fmt.Sprintf("mark-%d-", i)
				c := client{url: s.URL, claude: r.IntN(2) == 0, header: http.Header{}}
				workload := one(r, []string{"open", "european", "closed"})
				way := one(r, []string{"ask", "ask", "ask", "ask", "ask", "ask", "embeddings", "messages/count_tokens", "files"})
				ways[way]++
				if way != "ask" {
					c.claude = false
				}
				if way == "embeddings" || way == "files" {
					workload = "vectors"
				}
				switch workload {
				case "european":
					rules = append(rules, "eu")
				case "closed":
					rules = append(rules, "inside")
				}
				if r.IntN(4) == 0 {
					class := one(r, []string{"inside", "eu", "signed"})
					c.header.Set("X-Freehold-Data-Class", class)
					rules = append(rules, class)
				}
				if r.IntN(4) == 0 {
					c.header.Set("X-Tenant", "acme")
					rules = append(rules, "acme")
				}
				people.fault.Store("")
				if r.IntN(10) == 0 {
					people.fault.Store(one(r, []string{"500", "garbage", "offsets"}))
					rules = append(rules, "inside")
				}
				prompt := mark + "hello there, tell me something long"
				switch r.IntN(5) {
				case 0:
					prompt += " about b\u200bob＠x.de"
					rules = append(rules, "inside")
				case 1:
					prompt += " about Zoe"
					rules = append(rules, "inside")
				case 2:
					prompt += " about 4111 1111 1111 1111"
				}
				if way == "ask" {
					got, err := c.do(context.Background(), workload, prompt, r.IntN(2) == 0, "")
					if err == nil {
						statuses[got.Status]++
					}
				} else {
					statuses[statusOf(t, s.URL+"/v1/"+way, c.header, rawBody(way, workload, prompt))]++
				}
				for name, m := range mocks {
					for _, q := range m.Requests() {
						if !bytes.Contains(q.Body, []byte(mark)) {
							continue
						}
						for _, rule := range rules {
							if !slices.Contains(allowedBy[rule], name) {
								t.Fatalf("%s got a request under %v (faults %v): %s", name, rules, faults, q.Body)
							}
						}
						if bytes.Contains(q.Body, []byte("4111")) {
							t.Fatalf("%s got what is to be redacted (faults %v): %s", name, faults, q.Body)
						}
					}
				}
			}
		})
	}
	t.Logf("statuses %v, ways %v, %d were redirected", statuses, ways, redirected.Load())
	if statuses[200] == 0 || statuses[403] == 0 || redirected.Load() == 0 {
		t.Errorf("statuses %v, %d redirected: the test has not tried all", statuses, redirected.Load())
	}
	if trapped.Load() != 0 || rebound.Load() != 0 {
		t.Errorf("%d requests followed a redirect, %d a name out of its networks", trapped.Load(), rebound.Load())
	}
}

// trapdoor is a server that counts the requests it gets.
func trapdoor(t *testing.T, status int, location string) (string, *atomic.Int64) {
	t.Helper()
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n.Add(1)
		if location != "" {
			w.Header().Set("Location", location)
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	return s.URL, &n
}

func rawBody(way, model, prompt string) string {
	switch way {
	case "files":
		return prompt
	case "embeddings":
		return fmt.Sprintf(`{"model":%q,"input":[%s,%s]}`, model, quoted(prompt), quoted(prompt+", twice"))
	}
	return fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":%s}]}`, model, quoted(prompt))
}

// statusOf posts, and returns the status of the answer, 0 for none.
func statusOf(t *testing.T, url string, header http.Header, body string) int {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	resp, err := mocktest.Client().Do(req)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, resp.Body) // a raw answer may be cut
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode
}
