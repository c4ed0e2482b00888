package gateway_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/shopspring/decimal"

	"freehold/internal/app/apptest"
	"freehold/internal/budget"
	"freehold/internal/ledger"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
)

// spender serves models at mocks whose every token costs a dollar the million
// (paid, dear: ten), nothing (free), or nobody knows what (unpriced).
type spender struct {
	*apptest.Server
	paid, dear, free, unpriced *mock.Server
}

func newSpender(t *testing.T, rest string) *spender {
	t.Helper()
	start := func(p mock.Profile) *mock.Server { return mocktest.Start(t, mock.Options{Profile: p, Words: 10}) }
	s := &spender{paid: start(mock.VLLM), dear: start(mock.Anthropic), free: start(mock.VLLM), unpriced: start(mock.VLLM)}
	s.Server = apptest.Start(t, s.config(rest))
	return s
}

func (s *spender) config(rest string) string {
	return fmt.Sprintf(`
server: {listen: 127.0.0.1:0}
retries: {max: 0}
timeouts: {connect: 20s, first_token: 20s, idle: 20s, total: 60s}
breaker: {failures: 1000000, rate: 1, min_requests: 1000000}
providers:
  paid: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}, relay: [files]}
  dear: {preset: anthropic, base_url: "%s", api_key: k, probe: {enabled: false}}
  free: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}
  unpriced: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}
models:
  paid: {provider: paid, id: m, continuation: prefill, price: {input: "1", output: "1"}}
  dear: {provider: dear, id: claude-x, continuation: prefill, price: {input: "10", output: "10"}}
  free: {provider: free, id: m, continuation: prefill, price: {input: "0", output: "0"}}
  unpriced: {provider: unpriced, id: m}
  embed: {provider: paid, id: e, mode: embedding, price: {input: "1"}}
workloads:
  w: {model: paid}
  both: {model: paid, fallbacks: [free]}
  local: {model: free, fallbacks: [paid]}
  ladder: {model: dear, fallbacks: [paid]}
  unknown: {model: unpriced, fallbacks: [paid]}
  raced: {model: dear, fallbacks: [paid], hedge: {after: 20ms, max_share: 1}}
%s
`, s.paid.URL(), s.dear.URL(), s.free.URL(), s.unpriced.URL(), rest)
}

// clients are one of each dialect.
func (s *spender) clients() []client { return []client{{url: s.URL}, {url: s.URL, claude: true}} }

// budgets is what the scopes of the configured budgets have, by budget and scope.
func (s *spender) budgets(t *testing.T) map[string]budget.Balance {
	t.Helper()
	list, err := s.App.Budgets.Status(t.Context(), s.App.Clock())
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]budget.Balance{}
	for i := range list {
		for _, sc := range list[i].Scopes {
			out[list[i].Meter.String()+" "+sc.Scope] = sc.Balance
		}
	}
	return out
}

// refused checks an answer of 429 for a budget.
func refused(t *testing.T, r result, says ...string) {
	t.Helper()
	if r.Status != http.StatusTooManyRequests || r.Header.Get("X-Should-Retry") != "false" || !strings.Contains(r.Body, "insufficient_quota") {
		t.Errorf("not refused for a budget: %v, headers %v", r, r.Header)
	}
	for _, s := range says {
		if !strings.Contains(r.Body, s) {
			t.Errorf("the refusal does not say %q: %s", s, r.Body)
		}
	}
}

// total is the exact sum of what rows cost, in parts of a dollar.
func total(rows []*ledger.Row) int64 {
	sum := decimal.Zero
	for _, r := range rows {
		sum = sum.Add(r.Cost.Decimal)
	}
	return sum.Shift(12).IntPart()
}

// A budget that blocks answers 429 in the client's dialect once it is spent, and
// asks nobody, not those that cost nothing either.
func TestBudgetBlocks(t *testing.T) {
	for _, limit := range []string{"0.000001 USD", "1 tokens"} {
		s := newSpender(t, `budgets: [{per: workload, name: both, every: month, limit: `+limit+`}]`)
		for _, c := range s.clients() {
			if r := c.ask(t, "w", "hi", false, ""); !r.Whole() {
				t.Errorf("a workload without a budget: %v", r)
			}
		}
		if r := s.clients()[0].ask(t, "both", "hi", true, ""); !r.Whole() || r.Header.Get("X-Freehold-Model") != "paid" {
			t.Errorf("within the budget: %v", r)
		}
		s.WaitRows(t, 3)
		before := s.paid.Stats().Requests + s.free.Stats().Requests
		for i, c := range s.clients() {
			refused(t, c.ask(t, "both", "hi", i > 0, ""), "workload both this month", strings.Split(limit, " ")[1], "begins anew at")
		}
		if after := s.paid.Stats().Requests + s.free.Stats().Requests; after != before {
			t.Errorf("%d providers were asked over the budget", after-before)
		}
		for _, r := range s.WaitRows(t, 5)[:2] {
			if r.Outcome != ledger.Refused || r.ErrorCode != "insufficient_quota" || r.Status != 429 || !strings.Contains(r.Plan, "not paid@paid: the budget") {
				t.Errorf("row: %s %s %d, plan %q", r.Outcome, r.ErrorCode, r.Status, r.Plan)
			}
		}
	}
}

// What is free is asked first: the budget has nothing to say.
func TestBudgetLetsTheFreeBeFirst(t *testing.T) {
	s := newSpender(t, `budgets: [{per: workload, every: day, limit: 0 USD}]`)
	if r := s.clients()[0].ask(t, "local", "hi", false, ""); !r.Whole() || r.Header.Get("X-Freehold-Model") != "free" {
		t.Errorf("a free model: %v", r)
	}
	// It fails, and the paid one is not there.
	mocktest.Fail(t, s.free, "500")
	if r := s.clients()[0].ask(t, "local", "hi", false, ""); r.Status != 503 || s.paid.Stats().Requests > 0 {
		t.Errorf("a free model that fails: %v; the paid one was asked %d times", r, s.paid.Stats().Requests)
	}
}

// With on_exceed: fallback those answer that cost nothing, and nobody else.
func TestBudgetFallsBack(t *testing.T) {
	for _, strict := range []bool{false, true} {
		s := newSpender(t, fmt.Sprintf(`budgets: [{per: all, every: hour, limit: 0.0003 USD, on_exceed: fallback, strict: %v}]`, strict))
		fell := false
		for i := range 20 {
			r := s.clients()[i%2].ask(t, "both", "hi", i%3 == 0, `,"max_tokens":30`)
			if !r.Whole() {
				t.Fatalf("request %d: %v", i, r)
			}
			rows := s.WaitRows(t, i+1)
			if free := r.Header.Get("X-Freehold-Model") == "free"; free && !fell {
				fell = true
				if !strings.Contains(rows[0].Plan, "| not paid@paid: the ") || !strings.HasPrefix(rows[0].Route, "fallback") {
					t.Errorf("why it fell back: %q, plan %q", rows[0].Route, rows[0].Plan)
				}
			} else if fell && !free && !strict { // a smaller one may still fit
				t.Errorf("request %d is answered by the paid model again", i)
			}
			if spent := s.budgets(t)["all:hour "]; spent.Spent != total(rows) || spent.Reserved != 0 || strict && spent.Spent > 300_000_000 {
				t.Fatalf("after %d requests: %+v, rows cost %d", i+1, spent, total(rows))
			}
		}
		if !fell {
			t.Errorf("strict %v: the budget was never spent: %+v", strict, s.budgets(t))
		}
		refused(t, s.clients()[0].ask(t, "w", strings.Repeat("hi ", 100), false, ""), "all requests this hour")
	}
}

// A warning is in the answer's headers, and the answer is whole.
func TestBudgetWarns(t *testing.T) {
	s := newSpender(t, `budgets: [{per: model, name: paid, every: day, limit: 1 tokens, on_exceed: warn, timezone: Asia/Kolkata}]`)
	for i, c := range append(s.clients(), s.clients()...) {
		r := c.ask(t, "w", "hi", true, "")
		want := "warn model:paid:day@Asia/Kolkata"
		if i == 0 {
			want = ""
		}
		if !r.Whole() || r.Header.Get("X-Freehold-Budget") != want {
			t.Errorf("request %d: %v, header %q", i, r, r.Header.Get("X-Freehold-Budget"))
		}
		s.WaitRows(t, i+1)
	}
	if n := s.App.Budgets.Events()[budget.Event{Meter: budget.Meter{Per: budget.PerModel, Name: "paid", Every: budget.Day, Zone: "Asia/Kolkata", Unit: budget.Tokens}, Action: budget.Warn}]; n != 3 {
		t.Errorf("%d warnings are counted, want 3", n)
	}
}

// sent is the last body that a provider received.
func sent(t *testing.T, s *mock.Server) map[string]any {
	t.Helper()
	list := s.Requests()
	var body map[string]any
	if err := json.Unmarshal(list[len(list)-1].Body, &body); err != nil {
		t.Fatal(err)
	}
	return body
}

// A strict budget sets a limit to answers that have none, and says so; a limit
// that the client set stays.
func TestStrictCapsAnswers(t *testing.T) {
	s := newSpender(t, `budgets:
  - {per: workload, name: w, every: day, limit: 1 USD, strict: true, max_tokens: 7}
  - {per: workload, name: ladder, every: day, limit: 1 USD, strict: true}`)
	for _, c := range []struct {
		claude      bool
		model, more string
		at          *mock.Server
		want        float64
		said        string
	}{
		{model: "w", at: s.paid, want: 7, said: "7"},
		{model: "w", more: `,"max_tokens":5`, at: s.paid, want: 5},
		{model: "w", more: `,"max_completion_tokens":9`, at: s.paid, want: 9},
		{claude: true, model: "w", more: `,"max_tokens":6`, at: s.paid, want: 6},
		{model: "ladder", at: s.dear, want: 4096},
		{model: "paid", at: s.paid},
	} {
		cl := client{url: s.URL, claude: c.claude}
		r := cl.ask(t, c.model, "hi", false, c.more)
		body := sent(t, c.at)
		got, _ := body["max_tokens"].(float64)
		if other, ok := body["max_completion_tokens"].(float64); ok {
			got = other
		}
		if !r.Whole() || got != c.want || r.Header.Get("X-Freehold-Max-Tokens") != c.said {
			t.Errorf("%+v: max_tokens %v sent, %q said: %v", c, got, r.Header.Get("X-Freehold-Max-Tokens"), r)
		}
	}
}

// What only requests under way have reserved is free again soon: the client may
// retry, and then is answered.
func TestStrictReserved(t *testing.T) {
	s := newSpender(t, `budgets: [{per: workload, name: w, every: day, limit: 0.01 USD, strict: true}]`)
	c := client{url: s.URL}
	var other budget.Request
	other.Open(t.Context(), s.App.Budgets, budget.Subject{Workload: "w"}, s.App.Clock())
	hold, over, err := other.Reserve(t.Context(), "paid", &budget.Need{Money: 9_900_000_000})
	if hold == nil || over != nil || err != nil {
		t.Fatalf("%v, %v, %v", hold, over, err)
	}
	r := c.ask(t, "w", "hi", false, `,"max_tokens":1000`)
	if r.Status != http.StatusTooManyRequests || r.Header.Get("X-Should-Retry") == "false" || r.Header.Get("Retry-After") != "1" ||
		!strings.Contains(r.Body, `"budget_reserved"`) || !strings.Contains(r.Body, "reserved for requests under way; what of that") {
		t.Errorf("%v, headers %v", r, r.Header)
	}
	refused(t, c.ask(t, "w", "hi", false, `,"max_tokens":20000`), "less than the")
	other.Close(t.Context())
	if r := c.ask(t, "w", "hi", false, `,"max_tokens":1000`); !r.Whole() {
		t.Errorf("after what was under way has ended: %v", r)
	}
}

// Under a strict budget nobody is asked whose price is not known, and no more is
// reserved than fits.
func TestStrictExcludes(t *testing.T) {
	ladder := `budgets:
  - {per: workload, name: unknown, every: day, limit: 1 USD, on_exceed: fallback, strict: true}
  - {per: workload, name: ladder, every: day, limit: 0.002 USD, on_exceed: fallback, strict: true, max_tokens: 300}`
	s := newSpender(t, ladder)
	c := client{url: s.URL}
	r := c.ask(t, "unknown", "hi", false, "")
	if !r.Whole() || r.Header.Get("X-Freehold-Model") != "paid" || s.unpriced.Stats().Requests > 0 {
		t.Errorf("a price that is not known: %v", r)
	}
	if row := s.WaitRows(t, 1)[0]; !strings.Contains(row.Plan, "not unpriced@unpriced: the strict budget") || !strings.Contains(row.Plan, "its price is not known") {
		t.Errorf("plan %q", row.Plan)
	}
	if r := c.ask(t, "unpriced", "hi", false, ""); !r.Whole() {
		t.Errorf("a price that is not known, without a budget: %v", r)
	}
	s.Configure(t, s.config(`budgets: [{per: model, name: unpriced, every: day, limit: 1 USD, strict: true}]`))
	for _, name := range []string{"unpriced", "unknown"} {
		refused(t, c.ask(t, name, "hi", false, ""), "model unpriced this day", "its price is not known; set price:")
	}
	s.Configure(t, s.config(ladder))
	// 300 tokens at the dear one are 0.003 USD: only the cheaper one fits.
	if r := c.ask(t, "ladder", "hi", false, ""); !r.Whole() || r.Header.Get("X-Freehold-Model") != "paid" || s.dear.Stats().Requests > 0 {
		t.Errorf("what fits: %v", r)
	}
	if r := c.ask(t, "ladder", "hi", false, `,"max_tokens":20`); !r.Whole() || r.Header.Get("X-Freehold-Model") != "dear" {
		t.Errorf("a shorter answer fits: %v", r)
	}
}

// Whatever becomes of attempts, what a budget has counted is what the ledger has,
// nothing stays reserved, and a strict limit holds.
func TestBudgetsFollowTheLedger(t *testing.T) {
	const limit = 8_000_000_000 // 0.008 USD
	s := newSpender(t, `budgets:
  - {per: all, every: month, limit: 0.008 USD, on_exceed: fallback, strict: true, max_tokens: 40}
  - {per: model, every: day, limit: 100M tokens}
  - {per: workload, every: day, limit: 100 USD, on_exceed: warn}
`)
	n := 0
	for _, faults := range [][2]string{
		{"", ""}, {"500", ""}, {"cut:30%", ""}, {"cut:30%", "cut@1:30%"}, {"429@1", ""}, {"errorevent:3e", ""}, {"empty", ""},
		{"garbage", ""}, {"500", "500"}, {"reset:head", ""}, {"400", ""},
	} {
		for _, stream := range []bool{true, false} {
			set := func(m *mock.Server, fault string) {
				if fault == "" {
					mocktest.Fail(t, m)
				} else {
					mocktest.Fail(t, m, fault)
				}
			}
			set(s.dear, faults[0])
			set(s.paid, faults[1])
			r, err := client{url: s.URL}.do(t.Context(), "ladder", "Tell me all about it.", stream, "")
			if err != nil {
				t.Logf("%v, stream %v: %v", faults, stream, err)
			}
			n++
			rows := s.WaitRows(t, n)
			have := s.budgets(t)
			if all := have["all:month "]; all.Spent != total(rows) || all.Reserved != 0 || all.Spent > limit {
				t.Errorf("%v, stream %v: %+v, rows cost %d: %v", faults, stream, all, total(rows), r)
			}
			tokens := map[string]int64{}
			for _, row := range rows {
				for i := range row.Attempts {
					a := &row.Attempts[i]
					tokens[a.Model()] += a.Tokens.In + a.Tokens.Out
				}
			}
			for _, model := range []string{"dear", "paid"} {
				if got := have["model:day "+model].Spent; got != tokens[model] {
					t.Errorf("%v, stream %v: %d tokens of %s are counted, %d on record", faults, stream, got, model, tokens[model])
				}
			}
			if got := have["workload:day ladder"]; got.Spent != total(rows) {
				t.Errorf("%v, stream %v: the workload has %+v, rows cost %d", faults, stream, got, total(rows))
			}
		}
	}
}

// Both attempts of a race are reserved and counted, the loser at the most that it
// may have cost.
func TestBudgetsCountRaces(t *testing.T) {
	s := newSpender(t, `budgets: [{per: all, every: month, limit: 1 USD, strict: true, max_tokens: 40}]`)
	mocktest.Fail(t, s.dear, "stall")
	for i, stream := range []bool{true, false} {
		r := client{url: s.URL}.ask(t, "raced", "hi", stream, "")
		rows := s.WaitRows(t, i+1)
		row := rows[0]
		if !r.Whole() || row.Model != "paid" || len(row.Attempts) != 2 || row.Attempts[0].Tokens.Out != 40 || row.Attempts[0].Cost.Decimal.LessThan(decimal.New(400, -6)) {
			t.Errorf("stream %v: %v, attempts %+v", stream, r, row.Attempts)
		}
		if b := s.budgets(t)["all:month "]; b.Spent != total(rows) || b.Reserved != 0 {
			t.Errorf("stream %v: %+v, rows cost %d", stream, b, total(rows))
		}
	}
	// With no room for both, the second is not asked.
	mocktest.Fail(t, s.dear, "slow@1:first=300ms")
	spent := s.budgets(t)["all:month "].Spent
	limit := decimal.New(spent, -12).Add(decimal.New(7700, -6)) // room for 770 tokens at the first, and then not for 77 more
	s.Configure(t, s.config(`budgets: [{per: all, every: month, limit: `+limit.String()+` USD, strict: true}]`))
	asked := s.paid.Stats().Requests
	r := client{url: s.URL}.ask(t, "raced", strings.Repeat("hi ", 200), true, `,"max_tokens":30`)
	if row := s.WaitRows(t, 3)[0]; !r.Whole() || row.Model != "dear" || len(row.Attempts) != 1 || s.paid.Stats().Requests != asked {
		t.Errorf("%d of %s USD are spent: %v, attempts %+v", spent, limit, r, row.Attempts)
	}
}

// What the provider does not say is charged as the most that it may have been,
// on record too, and only under a strict budget.
func TestStrictChargesWhatIsNotSaid(t *testing.T) {
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Good morning."},"finish_reason":"stop"}]}`)
	}))
	t.Cleanup(provider.Close)
	s := apptest.Start(t, `
providers: {a: {dialect: openai, base_url: "`+provider.URL+`/v1", probe: {enabled: false}}}
models: {m: {provider: a, price: {input: "1", output: "2"}}}
workloads: {strict: {model: m}, loose: {model: m}}
budgets:
  - {per: workload, name: strict, every: day, limit: 1 USD, strict: true}
  - {per: workload, name: loose, every: day, limit: 1 USD}
`)
	for i, w := range []string{"strict", "loose"} {
		if r := (client{url: s.URL}).ask(t, w, "hi", false, `,"max_tokens":1000`); !r.Whole() {
			t.Fatal(r)
		}
		row := s.WaitRows(t, i+1)[0]
		k := row.Tokens
		if w == "strict" && (k.Out != 1000 || k.In < 50 || !row.Cost.Decimal.Equal(decimal.New(k.In+2*k.Out, -6))) || w == "loose" && k.Out > 10 || !k.Estimated {
			t.Errorf("%s: %+v, cost %s", w, k, row.Cost.Decimal)
		}
	}
}

// relayed sends a request that is relayed unread.
func relayed(t *testing.T, url string) *http.Response {
	t.Helper()
	resp, err := mocktest.Client().Get(url + "/v1/files")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp
}

// What is relayed unread has no price: strict budgets of all refuse it, others
// let it pass until they are spent.
func TestBudgetsOfRelays(t *testing.T) {
	s := newSpender(t, `budgets: [{per: all, every: day, limit: 1 USD, strict: true}]`)
	if r := relayed(t, s.URL); r.StatusCode != 429 || s.paid.Stats().Requests != 0 {
		t.Errorf("a strict budget relays: %d", r.StatusCode)
	}
	s.Configure(t, s.config(`budgets: [{per: workload, every: day, limit: 0 USD, strict: true}, {per: all, every: day, limit: 1 tokens}]`))
	if r := relayed(t, s.URL); r.StatusCode == 429 || s.paid.Stats().Requests != 1 {
		t.Errorf("a budget that is not strict does not relay: %d", r.StatusCode)
	}
	if r := (client{url: s.URL}).ask(t, "paid", "hi", false, ""); !r.Whole() {
		t.Error(r)
	}
	s.WaitRows(t, 3)
	if r := relayed(t, s.URL); r.StatusCode != 429 || r.Header.Get("X-Should-Retry") != "false" {
		t.Errorf("a budget that is spent relays: %d", r.StatusCode)
	}
}

// Counting tokens is free, whatever is spent; embeddings count as read.
func TestBudgetsOfOtherOperations(t *testing.T) {
	s := newSpender(t, `budgets: [{per: all, every: day, limit: 0.00002 USD, strict: true}]`)
	post := func(path, body string) int {
		t.Helper()
		resp, err := mocktest.Client().Post(s.URL+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode
	}
	if got := post("/v1/embeddings", `{"model":"embed","input":"x"}`); got != 429 {
		t.Errorf("35 bytes are 35 tokens at most, over the budget of 20: %d", got)
	}
	s.Configure(t, s.config(`budgets: [{per: all, every: day, limit: 0.00005 USD, strict: true}]`))
	if got := post("/v1/embeddings", `{"model":"embed","input":"x"}`); got != 200 {
		t.Errorf("embeddings within the budget: %d", got)
	}
	rows := s.WaitRows(t, 2)
	if b := s.budgets(t)["all:day "]; b.Spent != total(rows) || b.Spent == 0 || b.Reserved != 0 {
		t.Errorf("%+v, rows cost %d", b, total(rows))
	}
	s.Configure(t, s.config(`budgets: [{per: all, every: day, limit: 0 USD}]`))
	if got := post("/v1/messages/count_tokens", `{"model":"dear","messages":[{"role":"user","content":"hi"}]}`); got != 200 {
		t.Errorf("counting tokens: %d", got)
	}
	if row := s.WaitRows(t, 3)[0]; !row.Cost.Valid || !row.Cost.Decimal.IsZero() || row.Tokens.In != 0 || len(row.Attempts) != 1 {
		t.Errorf("counting costs %v, tokens %+v, %d attempts", row.Cost, row.Tokens, len(row.Attempts))
	}
}

// A reload keeps what is spent and takes the new limits; a meter that is new
// begins with what the ledger has.
func TestBudgetsReload(t *testing.T) {
	s := newSpender(t, `budgets: [{per: workload, name: w, every: month, limit: 0.00001 USD}]`)
	c := client{url: s.URL}
	if r := c.ask(t, "w", "hi", false, ""); !r.Whole() {
		t.Fatal(r)
	}
	rows := s.WaitRows(t, 1)
	refused(t, c.ask(t, "w", "hi", false, ""))
	s.Configure(t, s.config(`budgets: [{per: workload, name: w, every: month, limit: 1 USD}, {per: model, every: day, limit: 1M tokens}]`))
	have := s.budgets(t)
	if got := have["workload:w:month w"].Spent; got != total(rows) {
		t.Errorf("%d are spent after a reload, %d before", got, total(rows))
	}
	if got := have["model:day paid"].Spent; got != rows[0].Tokens.In+rows[0].Tokens.Out {
		t.Errorf("a new budget begins with %d tokens, want %+v", got, rows[0].Tokens)
	}
	if r := c.ask(t, "w", "hi", false, ""); !r.Whole() {
		t.Errorf("under the new limit: %v", r)
	}
	s.Configure(t, s.config(""))
	if r := c.ask(t, "w", "hi", false, ""); !r.Whole() || s.App.Budgets.On() {
		t.Errorf("without budgets: %v", r)
	}
}

var upTo = regexp.MustCompile(`(?:up to|less than the) (\d+) tokens (?:more|that)`)

// What is reserved for a request covers all that it can be: bytes of text, each
// picture at its most, and no size that the body does not tell.
func TestStrictBounds(t *testing.T) {
	s := newSpender(t, `budgets: [{per: all, every: day, limit: 1 tokens, strict: true, max_tokens: 10}]`)
	picture := strings.Repeat("QUJD", 20_000) // 80 kB
	say := `,"messages":[{"role":"user","content":"hi"}]`
	part := func(parts string) string {
		return `,"messages":[{"role":"user","content":[{"type":"text","text":"hi"},` + parts + `]}]`
	}
	for _, c := range []struct {
		name, body string
		claude     bool
		low, high  int64 // tokens
		refused    string
	}{
		{name: "text", body: say, low: 70, high: 200},
		{name: "long text", body: strings.Replace(say, "hi", strings.Repeat("word ", 1000), 1), low: 5070, high: 5200},
		{name: "a limit of its own", body: say + `,"max_tokens":1000`, low: 1060, high: 1200},
		{name: "three answers", body: say + `,"n":3,"max_tokens":1000`, low: 3060, high: 3200},
		{name: "tools", body: say + `,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]`, low: 670, high: 900},
		{name: "a picture", body: part(`{"type":"image_url","image_url":{"url":"data:image/png;base64,` + picture + `"}}`), low: 50_100, high: 50_400},
		{name: "a picture of Claude's", claude: true, low: 50_100, high: 50_400,
			body: part(`{"type":"image","source":{"type":"base64","media_type":"image/png","data":"`+picture+`"}}`) + `,"max_tokens":9`},
		{name: "two by address", body: part(`{"type":"image_url","image_url":{"url":"https://x.example/a.png"}},{"type":"image_url","image_url":{"url":"https://x.example/b.png"}}`), low: 100_100, high: 100_500},
		{name: "sound", body: part(`{"type":"input_audio","input_audio":{"format":"wav","data":"` + picture + `"}}`), low: 80_100, high: 80_500},
		{name: "a video by address", body: part(`{"type":"video_url","video_url":{"url":"https://x.example/a.mp4"}}`), refused: "does not tell the size"},
		{name: "a file", body: part(`{"type":"file","file":{"file_id":"f"}}`), refused: "does not tell the size"},
		{name: "a vendor's tools", body: say + `,"web_search_options":{}`, refused: "tools of the provider"},
		{name: "no end", body: say + `,"max_tokens":5,"n_predict":-1`, low: 70, high: 300},
	} {
		r := client{url: s.URL, claude: c.claude}.ask(t, "paid", "hi", false, c.body)
		if c.refused != "" {
			refused(t, r, c.refused)
			continue
		}
		refused(t, r)
		m := upTo.FindStringSubmatch(r.Body)
		if m == nil {
			t.Errorf("%s: %v", c.name, r)
			continue
		}
		if n, err := strconv.ParseInt(m[1], 10, 64); err != nil || n < c.low || n > c.high {
			t.Errorf("%s: up to %d tokens, want %d to %d", c.name, n, c.low, c.high)
		}
	}
	// Where the plan would let it pass, the body that is sent is looked at.
	s.Configure(t, s.config(`budgets: [{per: all, every: day, limit: 5000 tokens, strict: true, max_tokens: 10}]`))
	refused(t, client{url: s.URL}.ask(t, "paid", "hi", false, say+`,"max_tokens":5,"n_predict":-1`), "no limit of the answer reaches the provider")
	if n := s.paid.Stats().Requests; n > 0 {
		t.Errorf("the provider was asked %d times", n)
	}
}
