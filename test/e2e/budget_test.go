//go:build unix

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/shopspring/decimal"

	"freehold/internal/app"
	"freehold/internal/budget"
	"freehold/internal/ledger"
	"freehold/internal/mock"
	"freehold/internal/mock/mocktest"
	"freehold/test/client"
)

// budgeted is a configuration with one workload, the first of two providers of
// which costs money, and a budget of it.
func budgeted(primary, backup *mock.Server, rule string) string {
	return fmt.Sprintf(`
server: {listen: 127.0.0.1:0}
breaker: {failures: 1000000, rate: 1, min_requests: 1000000}
providers:
  primary: {preset: vllm, base_url: "%s/v1", probe: {enabled: false}}
  backup: {preset: anthropic, base_url: "%s", api_key: "${env:BACKUP_KEY}", probe: {enabled: false}}
models:
  one: {provider: primary, id: some-model, continuation: prefill, price: {input: "1", output: "2"}}
  two: {provider: backup, id: claude-3-5-sonnet-20241022, continuation: prefill, price: {input: "3", output: "15", cached_input: "0.3"}}
workloads: {w: {model: one, fallbacks: [two]}}
budgets: [%s]
`, primary.URL(), backup.URL(), rule)
}

// small are plain and streamed requests of short answers.
func small(n int) client.Request {
	return client.Request{Model: "w", Prompt: fmt.Sprintf("question %d", n), Stream: n%2 == 0, MaxTokens: 40}
}

// settled checks that each request had a whole answer or was told of its budget,
// and returns how many there were of each. Where the budget is strict, a provider
// that fails, also twice in one answer, may leave nobody for whom there is room.
func settled(t *testing.T, all []*asked, strict bool) (whole, refused int) {
	t.Helper()
	for _, a := range all {
		switch {
		case a.err == nil && a.result.Whole():
			whole++
		case a.err == nil && a.result.Status == 429 && a.result.Err == "insufficient_quota" && a.result.Header.Get("X-Should-Retry") == "false":
			refused++
		case strict && a.err == nil && a.result.Status == 429 && a.result.Err == "budget_reserved" && a.result.Header.Get("Retry-After") == "1":
			refused++ // until others have ended
		case strict && a.err == nil && (a.result.Status == 200 && (a.result.Err == "insufficient_quota" || a.result.Err == "budget_reserved" || a.result.Err == "cut") || a.result.Err == "upstreams_exhausted"):
		default:
			t.Errorf("neither answered nor refused: %v", a)
		}
	}
	return whole, refused
}

// spentOn is what rows cost, and the most that one did.
func spentOn(t *testing.T, rows map[string]*ledger.Row) (sum, most decimal.Decimal) {
	t.Helper()
	for _, r := range rows {
		if !r.Cost.Valid {
			t.Errorf("row %s has no cost: %+v", r.ID, r)
		}
		sum, most = sum.Add(r.Cost.Decimal), decimal.Max(most, r.Cost.Decimal)
	}
	return sum, most
}

// TestBudgetUnderLoad lets 64 clients ask at once until a budget is spent: a
// strict one is never exceeded, another by no more than what was under way; and
// what it has counted is exactly what the ledger has. Some providers fail.
func TestBudgetUnderLoad(t *testing.T) {
	t.Setenv("BACKUP_KEY", "b")
	const clients = 64
	limit := decimal.RequireFromString("0.05")
	for _, strict := range []bool{true, false} {
		t.Run(fmt.Sprintf("strict %v", strict), func(t *testing.T) {
			latency := mock.Latency{FirstToken: 5 * time.Millisecond, PerToken: time.Millisecond}
			primary := mocktest.Start(t, mock.Options{Profile: mock.VLLM, Words: 10, Latency: latency})
			backup := mocktest.Start(t, mock.Options{Profile: mock.Anthropic, Words: 10, Latency: latency})
			mocktest.Fail(t, primary, "500@%13", "cut@%7@stream")
			s := serve(t, budgeted(primary, backup, fmt.Sprintf("{per: workload, name: w, every: month, limit: %s USD, strict: %v}", limit, strict)))
			l := &load{clients: both(t, s.url), next: small}
			all := l.run(t.Context(), 3000, clients)
			whole, refused := settled(t, all, strict)
			rows := s.rows(t)
			sum, most := spentOn(t, rows)
			over := sum.Sub(limit)
			switch {
			case whole == 0 || refused == 0:
				t.Errorf("%d answers, %d refusals: the budget was not reached", whole, refused)
			case strict && over.IsPositive():
				t.Errorf("%s USD were spent of %s", sum, limit)
			case over.GreaterThan(most.Mul(decimal.NewFromInt(clients))):
				t.Errorf("%s USD were spent of %s, at most %s by one of %d", sum, limit, most, clients)
			}
			st, err := s.Budgets.Status(t.Context(), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if b := st[0].Scopes[0].Balance; b.Spent != sum.Shift(12).IntPart() || b.Reserved != 0 {
				t.Errorf("the budget has %+v, rows cost %s", b, sum)
			}
			t.Logf("%d answers, %d refusals, %s USD of %s", whole, refused, sum, limit)
		})
	}
}

// shownBudgets is what `freehold usage budgets --json` prints.
type shownBudgets struct {
	Budgets []struct {
		Scopes []struct {
			Scope           string
			Spent, Reserved decimal.Decimal
		}
	}
}

// TestBudgetSurvivesKill kills freehold again and again while clients spend a
// strict budget: what was spent before counts after, to the last digit of the
// ledger, what was under way counts at the most it may have cost, and all of it
// together never exceeds the limit.
func TestBudgetSurvivesKill(t *testing.T) {
	const rule = "{per: workload, every: month, limit: 0.06 USD, strict: true}"
	limit := decimal.RequireFromString("0.06")
	latency := mock.Latency{PerToken: 2 * time.Millisecond}
	primary := mocktest.Start(t, mock.Options{Profile: mock.VLLM, Words: 10, Latency: latency})
	backup := mocktest.Start(t, mock.Options{Profile: mock.Anthropic, Words: 10, Latency: latency})
	mocktest.Fail(t, primary, "cut@%7", "500@%11")
	env := []string{"BACKUP_KEY=b"}
	t.Setenv("BACKUP_KEY", "b")
	path := writeConfig(t, t.TempDir(), budgeted(primary, backup, rule))
	random := rand.New(rand.NewPCG(5, 11))
	spent := func(p *process) decimal.Decimal {
		t.Helper()
		var shown shownBudgets
		if err := json.Unmarshal([]byte(freehold(t, path, "usage", "budgets", "--json")), &shown); err != nil {
			t.Fatal(err)
		}
		sum := decimal.Zero
		for _, s := range shown.Budgets[0].Scopes {
			sum = sum.Add(s.Spent)
			if !s.Reserved.IsZero() {
				t.Errorf("%s USD are reserved for nobody", s.Reserved)
			}
		}
		return sum
	}
	before, refused := decimal.Zero, false
	for round := 0; round < 100 && (round < *rounds || !refused); round++ { // a slow machine answers little in one
		p := launch(t, path, env)
		now := spent(p)
		if now.LessThan(before) || now.GreaterThan(limit) {
			t.Errorf("round %d: %s USD are spent, %s before the kill, of %s", round, now, before, limit)
		}
		before = now
		l := &load{clients: both(t, p.url), next: small}
		stop := l.start(16)
		eventually(t, "a client has an answer", func() bool {
			l.mu.Lock()
			defer l.mu.Unlock()
			return len(l.done) > 0
		})
		time.Sleep(time.Duration(random.Int64N(int64(200 * time.Millisecond)))) // the moment of the kill is any
		killed := make(chan []*asked)
		go func() { killed <- stop() }()
		p.kill(t)
		whole := 0
		for _, a := range <-killed {
			refused = refused || a.result.Err == "insufficient_quota"
			if a.err == nil && a.result.Whole() {
				whole++
			}
		}
		t.Logf("round %d: began with %s USD, %d answers, refused %v", round, now, whole, refused)
	}
	if !refused {
		t.Error("the budget was never spent: nothing is proven")
	}
	p := launch(t, path, env)
	end := spent(p)
	p.terminate(t)
	a, err := app.Open(t.Context(), app.Options{ConfigPath: path})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	all, err := a.Ledger.Requests(t.Context(), ledger.Query{})
	if err != nil {
		t.Fatal(err)
	}
	unknown := 0
	for _, r := range all {
		if r.Outcome == ledger.Unknown {
			unknown++
			last := r.Attempts[len(r.Attempts)-1]
			if out := last.Tokens.Out; last.N == 1 && out != 40 || out <= 0 || last.Tokens.In < 60 {
				t.Errorf("an attempt that was cut off counts less than it may have used: %+v", last)
			}
		}
	}
	sum, _ := spentOn(t, byID(t, all))
	if !end.Equal(sum) || sum.GreaterThan(limit) || unknown == 0 {
		t.Errorf("%s USD on record, %s counted, of %s; %d requests of unknown end", sum, end, limit, unknown)
	}
	k, err := a.BudgetsNow(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	st, err := k.Status(t.Context(), time.Now())
	if err != nil || len(st) != 1 || st[0].Unit != budget.USD || st[0].Scopes[0].Spent != sum.Shift(12).IntPart() {
		t.Errorf("without a server: %+v, %v; %s USD on record", st, err, sum)
	}
}
