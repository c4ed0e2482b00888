package budget_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"freehold/internal/budget"
)

// world is a gateway in miniature: requests with attempts, a ledger of those
// that ended, and a keeper that is killed now and then.
type world struct {
	t     *rapid.T
	clock *clock
	rules []budget.Rule
	k     *budget.Keeper
	open  []*underway
	rows  []row // on record
}

// row is a request on record.
type row struct {
	at   time.Time
	who  budget.Subject
	used []budget.Use
}

type underway struct {
	*budget.Request
	row
	attempts []*try
}

type try struct {
	model    string
	bound    int64
	actual   int64
	hold     *budget.Hold
	ended    bool
	recorded int64 // what is on record of it: its bound while it is open there
}

// takes is what the attempt has used, or may.
func (a *try) takes() int64 {
	if a.ended {
		return a.actual
	}
	return a.bound
}

func (w *world) record(_ context.Context, since time.Time) ([]budget.Past, error) {
	var past []budget.Past
	for _, r := range w.rows {
		if r.at.Before(since) {
			continue
		}
		for _, u := range r.used {
			past = append(past, budget.Past{Subject: r.who, Use: u})
		}
	}
	return past, nil
}

func (w *world) start() {
	w.k = budget.New(budget.NewMemory(), w.clock.now, slog.New(slog.DiscardHandler))
	if err := w.k.Use(context.Background(), w.rules, w.record); err != nil {
		w.t.Fatal(err)
	}
}

var subjects = []budget.Subject{
	{Key: "k1", KeyName: "one", Workload: "chat"}, {Key: "k2", KeyName: "two", Workload: "mail"}, {Key: "k1", KeyName: "one"}, {},
}

func (w *world) arrive() {
	who := rapid.SampledFrom(subjects).Draw(w.t, "who")
	r := &underway{Request: new(budget.Request), row: row{at: w.clock.now(), who: who}}
	r.Open(context.Background(), w.k, who, r.at)
	w.open = append(w.open, r)
}

func (w *world) pick() *underway {
	if len(w.open) == 0 {
		w.t.Skip("nothing is under way")
	}
	return rapid.SampledFrom(w.open).Draw(w.t, "request")
}

func (w *world) try() {
	r := w.pick()
	model := rapid.SampledFrom([]string{"m", "n"}).Draw(w.t, "model")
	bound := rapid.Int64Range(0, 60).Draw(w.t, "bound")
	hold, over, err := r.Reserve(context.Background(), model, need(bound))
	if err != nil {
		w.t.Fatal(err)
	}
	if over != nil {
		return
	}
	r.attempts = append(r.attempts, &try{model: model, bound: bound, hold: hold, actual: rapid.Int64Range(0, bound).Draw(w.t, "actual")})
	for _, a := range r.attempts {
		a.recorded = a.takes()
	}
	r.Recorded(context.Background())
}

func (a *try) end() {
	a.ended = true
	a.hold.Used(usd(a.model, a.actual))
}

func (w *world) endAttempt() {
	for _, a := range w.pick().attempts {
		if !a.ended {
			a.end()
			return
		}
	}
}

func (w *world) settle() {
	r := w.pick()
	for _, a := range r.attempts {
		if !a.ended {
			a.end()
		}
		r.used = append(r.used, usd(a.model, a.actual))
	}
	err := r.Settle(context.Background(), func() []budget.Use { return r.used }, func() error {
		w.rows = append(w.rows, r.row)
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.leave(r)
}

func (w *world) leave(r *underway) {
	for i, o := range w.open {
		if o == r {
			w.open = append(w.open[:i], w.open[i+1:]...)
			return
		}
	}
}

// crash kills the process: what was open is put on record at its bound, and what
// had ended since counts as open.
func (w *world) crash() {
	for _, r := range w.open {
		for _, a := range r.attempts {
			r.used = append(r.used, usd(a.model, a.recorded))
		}
		w.rows = append(w.rows, r.row)
	}
	w.open = nil
	w.start()
}

func (w *world) wait() {
	w.clock.set(w.clock.now().Add(time.Duration(rapid.IntRange(1, 90).Draw(w.t, "minutes")) * time.Minute))
}

// reload takes the rules away, or back, and keeps what all of them count.
func (w *world) reload() {
	n := rapid.IntRange(0, len(w.rules)).Draw(w.t, "rules")
	for _, rules := range [][]budget.Rule{w.rules[:n], w.rules} {
		if len(w.open) > 0 && n < len(w.rules) {
			return // what strict rules had reserved would be gone
		}
		if err := w.k.Use(context.Background(), rules, w.record); err != nil {
			w.t.Fatal(err)
		}
	}
}

// scopeOf says, apart from the keeper's own code, what a rule counts.
func scopeOf(r budget.Rule, who budget.Subject, model string) string {
	scope := map[budget.Per]string{budget.PerAll: "all", budget.PerKey: who.Key, budget.PerWorkload: who.Workload, budget.PerModel: model}[r.Per]
	if r.Name != "" && r.Name != scope {
		return ""
	}
	return scope
}

// check holds that the keeper has counted what is on record and what is under
// way, and that no strict rule is exceeded, by whatever came to pass.
func (w *world) check(t *rapid.T) {
	w.t = t
	now := w.clock.now()
	status, err := w.k.Status(context.Background(), now)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range w.rules {
		want, got := map[string]budget.Balance{}, map[string]budget.Balance{}
		start, _ := r.Every.Period(now, r.Location)
		add := func(at time.Time, who budget.Subject, model string, spent, reserved int64) {
			s, _ := r.Every.Period(at, r.Location)
			if scope := scopeOf(r, who, model); scope != "" && s.Equal(start) && spent+reserved > 0 {
				b := want[scope]
				want[scope] = budget.Balance{Spent: b.Spent + spent, Reserved: b.Reserved + reserved}
			}
		}
		for _, row := range w.rows {
			for _, u := range row.used {
				add(row.at, row.who, u.Model, u.Money, 0)
			}
		}
		for _, o := range w.open {
			for _, a := range o.attempts {
				if r.Strict || sharesStrict(w.rules, r) {
					add(o.at, o.who, a.model, 0, a.recorded)
				}
			}
		}
		for _, s := range status[i].Scopes {
			scope := s.Scope
			if r.Per == budget.PerAll {
				scope = "all"
			}
			if s.Balance != (budget.Balance{}) {
				got[scope] = s.Balance
			}
			if b := s.Balance; r.Strict && b.Spent+b.Reserved > r.Limit {
				t.Fatalf("%s %s has %+v of %d", r.Meter, s.Scope, b, r.Limit)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", r.Meter, diff)
		}
	}
}

// sharesStrict reports whether a strict rule has the same meter.
func sharesStrict(rules []budget.Rule, r budget.Rule) bool {
	for _, o := range rules {
		if o.Strict && o.Meter == r.Meter {
			return true
		}
	}
	return false
}

// Whatever requests, ends, kills and reloads come in whatever order, the keeper
// has what is on record and under way, and strict limits hold.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{t: t, clock: &clock{t: noon}}
		pers := []budget.Per{budget.PerAll, budget.PerKey, budget.PerWorkload, budget.PerModel}
		seen := map[string]bool{}
		for range rapid.IntRange(1, 4).Draw(t, "rules") {
			per := rapid.SampledFrom(pers).Draw(t, "per")
			name := rapid.SampledFrom(map[budget.Per][]string{
				budget.PerAll: {""}, budget.PerKey: {"", "k1"}, budget.PerWorkload: {"", "chat"}, budget.PerModel: {"", "n"},
			}[per]).Draw(t, "name")
			r := rule(per, name, rapid.SampledFrom([]budget.Every{budget.Hour, budget.Day}).Draw(t, "every"),
				rapid.SampledFrom([]budget.Unit{budget.USD, budget.Tokens}).Draw(t, "unit"),
				rapid.Int64Range(50, 300).Draw(t, "limit"), budget.Block, rapid.IntRange(0, 3).Draw(t, "loose") > 0)
			r.Zone = rapid.SampledFrom([]string{"UTC", "Asia/Kolkata"}).Draw(t, "zone")
			r.Location = zone2(t, r.Zone)
			if id := r.Meter.String() + string(r.Unit); !seen[id] || r.Strict {
				seen[id] = true
				w.rules = append(w.rules, r)
			}
		}
		w.start()
		act := func(do func()) func(*rapid.T) {
			return func(t *rapid.T) {
				w.t = t
				do()
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"arrive": act(w.arrive), "try": act(w.try), "try again": act(w.try), "end an attempt": act(w.endAttempt),
			"settle": act(w.settle), "crash": act(w.crash), "wait": act(w.wait), "reload": act(w.reload), "": w.check,
		})
	})
}

func zone2(t *rapid.T, name string) *time.Location {
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}
