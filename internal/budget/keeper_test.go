package budget_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"freehold/internal/budget"
)

// noon is when tests begin: a Sunday, in UTC.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = t
}

// nothing is a record without requests.
func nothing(context.Context, time.Time) ([]budget.Past, error) { return nil, nil }

func rule(per budget.Per, name string, every budget.Every, unit budget.Unit, limit int64, do budget.Action, strict bool) budget.Rule {
	return budget.Rule{
		Meter: budget.Meter{Per: per, Name: name, Every: every, Zone: "UTC", Unit: unit}, Location: time.UTC,
		Limit: limit, OnExceed: do, Strict: strict,
	}
}

func keep(t testing.TB, c *clock, record budget.Record, rules ...budget.Rule) *budget.Keeper {
	t.Helper()
	k := budget.New(budget.NewMemory(), c.now, slog.New(slog.DiscardHandler))
	if err := k.Use(t.Context(), rules, record); err != nil {
		t.Fatal(err)
	}
	return k
}

func begin(t testing.TB, k *budget.Keeper, s budget.Subject, at time.Time) *budget.Request {
	r := new(budget.Request)
	r.Open(t.Context(), k, s, at)
	return r
}

// usd is an attempt at a model that costs an amount of money, and as many tokens.
func usd(model string, n int64) budget.Use {
	return budget.Use{Model: model, Money: n, Priced: true, Tokens: n}
}

func need(n int64) *budget.Need { return &budget.Need{Money: n, Tokens: n} }

func settle(t testing.TB, r *budget.Request, used ...budget.Use) {
	t.Helper()
	if err := r.Settle(t.Context(), func() []budget.Use { return used }, func() error { return nil }); err != nil {
		t.Error(err)
	}
}

// spend has a request of the subject use an amount at a model.
func spend(t testing.TB, k *budget.Keeper, s budget.Subject, at time.Time, used ...budget.Use) {
	t.Helper()
	settle(t, begin(t, k, s, at), used...)
}

func check(t testing.TB, r *budget.Request, model string, n *budget.Need) budget.Verdict {
	t.Helper()
	v, err := r.Check(t.Context(), model, n)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// balances are what scopes of a keeper's first rule have.
func balances(t testing.TB, k *budget.Keeper, now time.Time) map[string]budget.Balance {
	t.Helper()
	list, err := k.Status(t.Context(), now)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]budget.Balance{}
	for _, s := range list[0].Scopes {
		out[s.Scope] = s.Balance
	}
	return out
}

func TestScopes(t *testing.T) {
	chat := budget.Subject{Key: "k1", KeyName: "team-a", Workload: "chat", Tenant: "acme"}
	mail := budget.Subject{Key: "k2", KeyName: "team-b", Workload: "mail"}
	nobody := budget.Subject{}
	for _, c := range []struct {
		per  budget.Per
		name string
		want map[string]int64
	}{
		{budget.PerAll, "", map[string]int64{"": 111}},
		{budget.PerKey, "", map[string]int64{"k1": 1, "k2": 10}},
		{budget.PerKey, "team-b", map[string]int64{"team-b": 10}},
		{budget.PerKey, "k1", map[string]int64{"k1": 1}},
		{budget.PerWorkload, "", map[string]int64{"chat": 1, "mail": 10}},
		{budget.PerWorkload, "chat", map[string]int64{"chat": 1}},
		{budget.PerModel, "", map[string]int64{"m": 11, "n": 100}},
		{budget.PerModel, "n", map[string]int64{"n": 100}},
		{budget.PerTenant, "", map[string]int64{"acme": 1}},
		{budget.PerTenant, "other", map[string]int64{"other": 0}},
	} {
		k := keep(t, &clock{t: noon}, nothing, rule(c.per, c.name, budget.Day, budget.USD, 1000, budget.Block, false))
		spend(t, k, chat, noon, usd("m", 1))
		spend(t, k, mail, noon, usd("m", 10))
		spend(t, k, nobody, noon, usd("n", 100))
		got := map[string]int64{}
		for scope, b := range balances(t, k, noon) {
			got[scope] = b.Spent
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("per %s %q (-want +got):\n%s", c.per, c.name, diff)
		}
	}
}

func TestVerdicts(t *testing.T) {
	chat := budget.Subject{Workload: "chat"}
	spent := usd("m", 95)
	unknown := &budget.Need{Unpriced: "no price", Uncounted: "no size"}
	free := &budget.Need{Free: true, Tokens: 50}
	for name, c := range map[string]struct {
		unit   budget.Unit
		limit  int64
		do     budget.Action
		strict bool
		need   *budget.Need
		want   string // over, warn, or part of a text
	}{
		"room":                           {unit: budget.USD, limit: 96, do: budget.Block, need: need(1000), want: ""},
		"none left":                      {unit: budget.USD, limit: 95, do: budget.Block, need: need(1), want: "used up"},
		"free":                           {unit: budget.USD, limit: 95, do: budget.Block, need: free, want: ""},
		"free takes tokens":              {unit: budget.Tokens, limit: 95, do: budget.Block, need: free, want: "used up"},
		"a price that is not known":      {unit: budget.USD, limit: 96, do: budget.Block, need: unknown, want: ""},
		"strict, fits":                   {unit: budget.USD, limit: 100, do: budget.Block, strict: true, need: need(5), want: ""},
		"strict, does not fit":           {unit: budget.USD, limit: 100, do: budget.Fallback, strict: true, need: need(6), want: "no room"},
		"strict, never fits":             {unit: budget.USD, limit: 100, do: budget.Block, strict: true, need: need(101), want: "lower max_tokens (of"},
		"strict, free":                   {unit: budget.USD, limit: 5, do: budget.Block, strict: true, need: free, want: ""},
		"strict, tokens of the free":     {unit: budget.Tokens, limit: 100, do: budget.Block, strict: true, need: free, want: "no room"},
		"strict, price not known":        {unit: budget.USD, limit: 1000, do: budget.Block, strict: true, need: unknown, want: "no price"},
		"strict tokens, size not known":  {unit: budget.Tokens, limit: 1000, do: budget.Block, strict: true, need: unknown, want: "no size"},
		"strict tokens, price not known": {unit: budget.Tokens, limit: 1000, do: budget.Block, strict: true, need: &budget.Need{Unpriced: "no price"}, want: ""},
		"a warning":                      {unit: budget.USD, limit: 95, do: budget.Warn, need: need(1), want: "warn"},
	} {
		k := keep(t, &clock{t: noon}, nothing, rule(budget.PerWorkload, "", budget.Month, c.unit, c.limit, c.do, c.strict))
		spend(t, k, chat, noon, spent)
		v := check(t, begin(t, k, chat, noon), "m", c.need)
		got := ""
		switch {
		case v.Over != nil && v.Warn != nil:
			t.Errorf("%s: both over and a warning", name)
		case v.Over != nil:
			got = v.Over.Error()
			// Where the next period changes nothing, nobody is told to wait for it.
			waits := strings.Contains(got, "it begins anew at 2026-04-01T00:00:00Z")
			if !v.Over.Resets.Equal(noon.AddDate(0, 1, 0).Truncate(24*time.Hour)) || waits != (c.want == "used up" || c.want == "no room") || !strings.Contains(got, "chat") {
				t.Errorf("%s: %s resets %s", name, got, v.Over.Resets)
			}
		case v.Warn != nil:
			got = "warn"
		}
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		// What a strict rule has no room for cannot be reserved either.
		_, over, err := begin(t, k, chat, noon).Reserve(t.Context(), "m", c.need)
		if err != nil || (over != nil) != (c.strict && c.want != "") {
			t.Errorf("%s: Reserve: %v, %v", name, over, err)
		}
	}
}

// Of several rules without room, one that blocks decides; a warning comes beside.
func TestRulesTogether(t *testing.T) {
	chat := budget.Subject{Workload: "chat"}
	warn := rule(budget.PerWorkload, "chat", budget.Day, budget.USD, 10, budget.Warn, false)
	fallback := rule(budget.PerWorkload, "chat", budget.Day, budget.USD, 20, budget.Fallback, false)
	block := rule(budget.PerAll, "", budget.Month, budget.USD, 30, budget.Block, true)
	k := keep(t, &clock{t: noon}, nothing, warn, fallback, block)
	for _, c := range []struct {
		spend int64
		want  string
	}{{9, ""}, {1, "warn"}, {10, "warn fallback"}, {10, "warn block"}} {
		r := begin(t, k, chat, noon)
		settle(t, r, usd("m", c.spend))
		v := check(t, begin(t, k, chat, noon), "m", need(1))
		var got []string
		if v.Warn != nil {
			got = append(got, string(v.Warn.Rule.OnExceed))
		}
		if v.Over != nil {
			got = append(got, string(v.Over.Rule.OnExceed))
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("after another %d: %q, want %q", c.spend, s, c.want)
		}
	}
}

// A strict rule and a wider one share a meter: what is reserved for the one is
// not spent for the other.
func TestReservations(t *testing.T) {
	chat := budget.Subject{Workload: "chat"}
	strict := rule(budget.PerWorkload, "", budget.Day, budget.USD, 100, budget.Fallback, true)
	loose := rule(budget.PerWorkload, "", budget.Day, budget.USD, 60, budget.Warn, false)
	k := keep(t, &clock{t: noon}, nothing, strict, loose)
	ctx := t.Context()
	first, second := begin(t, k, chat, noon), begin(t, k, chat, noon)
	hold, over, err := first.Reserve(ctx, "m", need(70))
	if hold == nil || over != nil || err != nil {
		t.Fatalf("Reserve: %v, %v", over, err)
	}
	if v := check(t, second, "m", need(1)); v.Over != nil || v.Warn != nil {
		t.Errorf("what is reserved counts as spent: %+v", v)
	}
	if _, over, err = second.Reserve(ctx, "m", need(31)); err != nil || over == nil || over.Reserved != 70 || over.Need != 31 || over.Rule.Limit != 100 {
		t.Errorf("Reserve beyond the limit: %+v, %v", over, err)
	}
	if strict, limit := second.Strict("m"); !strict || limit != 0 {
		t.Errorf("Strict = %v, %d", strict, limit)
	}
	// The attempt used less: the rest is there for the next one of its request at
	// once, and for others when that is on record.
	hold.Used(usd("m", 10))
	if _, over, err = second.Reserve(ctx, "m", need(31)); err != nil || over == nil {
		t.Errorf("Reserve of what others had reserved, before it is on record: %v, %v", over, err)
	}
	if hold, over, err = first.Reserve(ctx, "m", need(30)); err != nil || over != nil {
		t.Errorf("Reserve of the request's own: %v, %v", over, err)
	}
	reserved := func(want int64) {
		t.Helper()
		if diff := cmp.Diff(map[string]budget.Balance{"chat": {Reserved: want}}, balances(t, k, noon)); diff != "" {
			t.Error(diff)
		}
	}
	reserved(70)
	first.Recorded(ctx)
	reserved(40)
	if _, over, err = second.Reserve(ctx, "m", need(60)); err != nil || over != nil {
		t.Errorf("Reserve of what was given back: %v, %v", over, err)
	}
	// A third attempt of the first request has no more room, and its end is counted.
	if _, over, err = first.Reserve(ctx, "m", need(1)); err != nil || over == nil {
		t.Errorf("Reserve of nothing left: %v, %v", over, err)
	}
	hold.Used(usd("m", 30))
	settle(t, first, usd("m", 10), usd("m", 30))
	second.Close(ctx)
	second.Close(ctx)
	if diff := cmp.Diff(map[string]budget.Balance{"chat": {Spent: 40}}, balances(t, k, noon)); diff != "" {
		t.Error(diff)
	}
}

// A request counts in the period in which it arrived, however late it ends, and
// the next period begins empty.
// What an attempt had reserved and not used is given back when the next one is on
// record, also where no strict budget counts that one.
func TestGivenBackBesideUncounted(t *testing.T) {
	k := keep(t, &clock{t: noon}, nothing, rule(budget.PerModel, "n", budget.Day, budget.USD, 100, budget.Block, true))
	r := begin(t, k, budget.Subject{}, noon)
	hold, over, err := r.Reserve(t.Context(), "n", need(40))
	if err != nil || over != nil || balances(t, k, noon)["n"].Reserved != 40 {
		t.Fatalf("reserve: %v, %v", over, err)
	}
	r.Recorded(t.Context())
	if b := balances(t, k, noon)["n"]; b.Reserved != 40 {
		t.Errorf("given back while it is under way: %+v", b)
	}
	hold.Used(usd("n", 10))
	if none, over, err := r.Reserve(t.Context(), "m", need(5)); none != nil || over != nil || err != nil {
		t.Fatalf("a model without a budget: %v, %v, %v", none, over, err)
	}
	r.Recorded(t.Context())
	if b := balances(t, k, noon)["n"]; b.Reserved != 10 {
		t.Errorf("not given back: %+v", b)
	}
}

func TestPeriodsRoll(t *testing.T) {
	for _, every := range []budget.Every{budget.Hour, budget.Day, budget.Month} {
		_, next := every.Period(noon, time.UTC)
		c := &clock{t: next.Add(-time.Second)}
		k := keep(t, c, nothing, rule(budget.PerAll, "", every, budget.USD, 100, budget.Block, true))
		late := begin(t, k, budget.Subject{}, c.now())
		if _, over, err := late.Reserve(t.Context(), "m", need(60)); over != nil || err != nil {
			t.Fatal(over, err)
		}
		c.set(next)
		fresh := begin(t, k, budget.Subject{}, c.now())
		if _, over, err := fresh.Reserve(t.Context(), "m", need(100)); over != nil || err != nil {
			t.Errorf("%s: the new period is not empty: %v, %v", every, over, err)
		}
		settle(t, fresh, usd("m", 7))
		if _, over, err := late.Reserve(t.Context(), "m", need(41)); over == nil || err != nil {
			t.Errorf("%s: a request of the old period counts in the new one: %v", every, err)
		}
		settle(t, late, usd("m", 60))
		if diff := cmp.Diff(map[string]budget.Balance{"": {Spent: 7}}, balances(t, k, next)); diff != "" {
			t.Errorf("%s: the new period:\n%s", every, diff)
		}
		if diff := cmp.Diff(map[string]budget.Balance{"": {Spent: 60}}, balances(t, k, next.Add(-time.Second))); diff != "" {
			t.Errorf("%s: the old period:\n%s", every, diff)
		}
		// Two periods on the old one is forgotten, and who still comes from it
		// gets nothing more.
		_, end := every.Period(next, time.UTC)
		c.set(end)
		begin(t, k, budget.Subject{}, end)
		if diff := cmp.Diff(map[string]budget.Balance{"": {}}, balances(t, k, next.Add(-time.Second))); diff != "" {
			t.Errorf("%s: what is over is kept:\n%s", every, diff)
		}
		if _, over, err := late.Reserve(t.Context(), "m", need(1)); over == nil || err != nil {
			t.Errorf("%s: a request of a forgotten period reserves anew: %v", every, err)
		}
	}
}

// What was spent before is read from the record once for a new meter, by its own
// period; meters in use keep what they have counted.
func TestRecord(t *testing.T) {
	c := &clock{t: noon}
	var asked []time.Time
	record := func(_ context.Context, since time.Time) ([]budget.Past, error) {
		asked = append(asked, since.UTC())
		s := budget.Subject{Workload: "chat", Key: "k1"}
		past := []budget.Past{{Subject: s, Use: usd("m", 30)}, {Subject: s, Use: budget.Use{Model: "n", Tokens: 4}, Unpriced: 2}}
		if since.Equal(noon) {
			past = past[:1]
		}
		return past, nil
	}
	month := rule(budget.PerWorkload, "", budget.Month, budget.USD, 100, budget.Block, true)
	k := keep(t, c, record, month)
	if diff := cmp.Diff(map[string]budget.Balance{"chat": {Spent: 30, Unpriced: 2}}, balances(t, k, noon)); diff != "" {
		t.Error(diff)
	}
	spend(t, k, budget.Subject{Workload: "chat"}, noon, usd("m", 5))
	// A new limit and a new meter.
	month.Limit = 40
	tokens := rule(budget.PerModel, "", budget.Hour, budget.Tokens, 10, budget.Warn, false)
	if err := k.Use(t.Context(), []budget.Rule{month, tokens}, record); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]time.Time{noon.Truncate(24 * time.Hour), noon}, asked); diff != "" {
		t.Errorf("asked since (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]budget.Balance{"chat": {Spent: 35, Unpriced: 2}}, balances(t, k, noon)); diff != "" {
		t.Errorf("a meter that stayed (-want +got):\n%s", diff)
	}
	if _, over, err := begin(t, k, budget.Subject{Workload: "chat"}, noon).Reserve(t.Context(), "m", need(6)); over == nil || err != nil || over.Rule.Limit != 40 {
		t.Errorf("the new limit does not hold: %v, %v", over, err)
	}
	// A record that cannot be read changes nothing.
	broken := errors.New("broken")
	other := rule(budget.PerAll, "", budget.Day, budget.USD, 1, budget.Block, false)
	err := k.Use(t.Context(), []budget.Rule{other}, func(context.Context, time.Time) ([]budget.Past, error) { return nil, broken })
	if !errors.Is(err, broken) {
		t.Errorf("Use with a record that fails: %v", err)
	}
	if st, err := k.Status(t.Context(), noon); err != nil || len(st) != 2 || st[0].Limit != 40 {
		t.Errorf("after a reload that failed: %+v, %v", st, err)
	}
	// What is no longer counted is read anew when it is wanted again.
	if err := k.Use(t.Context(), nil, nothing); err != nil || k.On() {
		t.Error(err)
	}
	if err := k.Use(t.Context(), []budget.Rule{month}, nothing); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]budget.Balance{}, balances(t, k, noon)); diff != "" {
		t.Errorf("a meter that was away (-want +got):\n%s", diff)
	}
}

// A rule that only watches counts, limits nothing and is not shown.
func TestWatch(t *testing.T) {
	c := &clock{t: noon}
	watch := rule(budget.PerKey, "", budget.Day, budget.USD, math.MaxInt64, budget.Watch, false)
	k := keep(t, c, nothing, watch)
	who := budget.Subject{Key: "k1"}
	spend(t, k, who, noon, usd("m", 7))
	if v := check(t, begin(t, k, who, noon), "m", need(math.MaxInt64)); v.Over != nil || v.Warn != nil {
		t.Errorf("a rule that watches acts: %+v", v)
	}
	if st, err := k.Status(t.Context(), noon); err != nil || len(st) != 0 {
		t.Errorf("Status = %+v, %v", st, err)
	}
	for _, c := range []struct {
		who  budget.Subject
		unit budget.Unit
		want int64
		ok   bool
	}{{who, budget.USD, 7, true}, {budget.Subject{Key: "k2"}, budget.USD, 0, true}, {budget.Subject{}, budget.USD, 0, false}, {who, budget.Tokens, 0, false}} {
		m := watch.Meter
		m.Unit = c.unit
		if n, ok := k.Spent(t.Context(), m, c.who); n != c.want || ok != c.ok {
			t.Errorf("Spent of %+v in %s = %d, %v; want %d, %v", c.who, c.unit, n, ok, c.want, c.ok)
		}
	}
	c.set(noon.Add(24 * time.Hour))
	if n, ok := k.Spent(t.Context(), watch.Meter, who); n != 0 || !ok {
		t.Errorf("on the next day %d, %v are spent", n, ok)
	}
}

// A request that is under way when a meter is new is counted in it at its end.
func TestUnderWayAtReload(t *testing.T) {
	k := keep(t, &clock{t: noon}, nothing)
	r := begin(t, k, budget.Subject{Workload: "chat"}, noon)
	if err := k.Use(t.Context(), []budget.Rule{rule(budget.PerWorkload, "", budget.Day, budget.USD, 10, budget.Block, false)}, nothing); err != nil {
		t.Fatal(err)
	}
	settle(t, r, usd("m", 3))
	if diff := cmp.Diff(map[string]budget.Balance{"chat": {Spent: 3}}, balances(t, k, noon)); diff != "" {
		t.Error(diff)
	}
}

// The log hears of a budget once a period, the counts every time.
func TestNote(t *testing.T) {
	var log bytes.Buffer
	c := &clock{t: noon}
	k := budget.New(budget.NewMemory(), c.now, slog.New(slog.NewTextHandler(&log, nil)))
	hourly := rule(budget.PerWorkload, "", budget.Hour, budget.USD, 1, budget.Warn, false)
	if err := k.Use(t.Context(), []budget.Rule{hourly}, nothing); err != nil {
		t.Fatal(err)
	}
	for hour := range 2 {
		at := noon.Add(time.Duration(3*hour) * time.Hour)
		c.set(at)
		spend(t, k, budget.Subject{Workload: "chat"}, at, usd("m", 1))
		for range 3 {
			k.Note(check(t, begin(t, k, budget.Subject{Workload: "chat"}, at), "m", need(1)).Warn)
		}
		if n := strings.Count(log.String(), "budget exceeded"); n != hour+1 {
			t.Errorf("the log was told %d times in %d hours:\n%s", n, hour+1, log.String())
		}
	}
	if n := k.Events()[budget.Event{Meter: hourly.Meter, Action: budget.Warn}]; n != 6 {
		t.Errorf("%d warnings are counted, want 6", n)
	}
}

// A state that cannot be reached lets nobody reserve.
func TestBrokenState(t *testing.T) {
	broken := &brokenState{State: budget.NewMemory()}
	k := budget.New(broken, (&clock{t: noon}).now, slog.New(slog.DiscardHandler))
	if err := k.Use(t.Context(), []budget.Rule{rule(budget.PerAll, "", budget.Day, budget.USD, 10, budget.Block, true)}, nothing); err != nil {
		t.Fatal(err)
	}
	broken.err = errors.New("no connection")
	r := begin(t, k, budget.Subject{}, noon)
	if _, err := r.Check(t.Context(), "m", need(1)); !errors.Is(err, broken.err) {
		t.Errorf("Check: %v", err)
	}
	if hold, _, err := r.Reserve(t.Context(), "m", need(1)); !errors.Is(err, broken.err) || hold != nil {
		t.Errorf("Reserve: %v, %v", hold, err)
	}
}

type brokenState struct {
	budget.State
	err error
}

func (s *brokenState) Balance(ctx context.Context, a budget.Account) (budget.Balance, error) {
	b, err := s.State.Balance(ctx, a)
	return b, errors.Join(s.err, err)
}

func (s *brokenState) Reserve(ctx context.Context, c []budget.Claim) (int, budget.Balance, error) {
	n, b, err := s.State.Reserve(ctx, c)
	return n, b, errors.Join(s.err, err)
}

// Sixty-four at once never exceed a strict limit, not for a moment, and a
// limit that is not strict only by what was under way.
func TestConcurrent(t *testing.T) {
	const clients, each, most = 64, 50, 90
	for _, strict := range []bool{true, false} {
		const limit = 20_000
		k := keep(t, &clock{t: noon}, nothing,
			rule(budget.PerWorkload, "chat", budget.Day, budget.USD, limit, budget.Block, strict),
			rule(budget.PerAll, "", budget.Month, budget.USD, 2*limit, budget.Block, strict))
		var mu sync.Mutex
		total, refused := int64(0), 0
		var group sync.WaitGroup
		for n := range uint64(clients) {
			group.Go(func() {
				rng := rand.New(rand.NewPCG(n, 5))
				for range each {
					bound := 1 + rng.Int64N(most)
					r := begin(t, k, budget.Subject{Workload: "chat"}, noon)
					v := check(t, r, "m", need(bound))
					var over *budget.Over
					var hold *budget.Hold
					if v.Over == nil {
						var err error
						if hold, over, err = r.Reserve(context.Background(), "m", need(bound)); err != nil {
							t.Error(err)
						}
					}
					if v.Over != nil || over != nil {
						mu.Lock()
						refused++
						mu.Unlock()
						r.Close(context.Background())
						continue
					}
					used := usd("m", rng.Int64N(bound+1))
					if rng.IntN(2) == 0 {
						hold.Used(used)
						r.Recorded(context.Background())
					}
					settle(t, r, used)
					mu.Lock()
					total += used.Money
					mu.Unlock()
					for scope, b := range balances(t, k, noon) {
						if strict && b.Spent+b.Reserved > limit {
							t.Errorf("%s has %+v of %d", scope, b, limit)
						}
					}
				}
			})
		}
		group.Wait()
		allowed := int64(limit)
		if !strict {
			allowed += clients * most
		}
		if b := balances(t, k, noon)["chat"]; b.Spent != total || b.Reserved != 0 || total > allowed || refused == 0 || total < limit-most {
			t.Errorf("strict %v: %+v, %d used, %d refused; at most %d", strict, b, total, refused, allowed)
		}
	}
}
