package budget

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Past is what the record says of attempts at one model by one subject.
type Past struct {
	Subject
	Use
	Unpriced int64 // attempts whose cost is not known
}

// Record reads what was spent on requests that arrived since a time.
type Record func(ctx context.Context, since time.Time) ([]Past, error)

// Keeper holds requests to the rules in use. A nil Keeper has none.
type Keeper struct {
	state State
	clock func() time.Time
	log   *slog.Logger

	// gate is held for reading while a request's end goes on record and is
	// counted, and for writing while new meters are read from the record: what is
	// on record is counted once.
	gate sync.RWMutex
	set  atomic.Pointer[set]

	swept atomic.Int64 // the hour in which accounts were last swept

	mu    sync.Mutex
	said  map[said]bool    // what the log was told of
	times map[Event]uint64 // how often rules acted
}

// set is the rules of one configuration, immutable.
type set struct {
	rules  []Rule
	meters []meter // of the rules, each once
}

// meter is a Meter with its rules.
type meter struct {
	Meter
	location *time.Location
	rules    []int // places in set.rules
	strict   bool  // one of them is
	limit    int64 // the lowest of those that are strict
}

// said is something that the log was told of.
type said struct {
	Account
	Action Action
}

// Event is something that rules do to requests.
type Event struct {
	Meter  Meter
	Action Action
}

// New returns a keeper without rules.
func New(state State, clock func() time.Time, log *slog.Logger) *Keeper {
	k := &Keeper{state: state, clock: clock, log: log, said: map[said]bool{}, times: map[Event]uint64{}}
	k.set.Store(&set{})
	return k
}

func newSet(rules []Rule) *set {
	s := &set{rules: slices.Clone(rules)}
	for i := range s.rules {
		r := &s.rules[i]
		at := slices.IndexFunc(s.meters, func(m meter) bool { return m.Meter == r.Meter })
		if at < 0 {
			at = len(s.meters)
			s.meters = append(s.meters, meter{Meter: r.Meter, location: r.Location})
		}
		m := &s.meters[at]
		m.rules = append(m.rules, i)
		if r.Strict && (!m.strict || r.Limit < m.limit) {
			m.strict, m.limit = true, r.Limit
		}
	}
	return s
}

func (m *meter) account(scope string, at time.Time) Account {
	start, _ := m.Every.Period(at, m.location)
	return Account{Meter: m.Meter, Start: start.Unix(), Scope: scope}
}

// Use takes rules into use, for requests under way too. Meters that are in use
// already keep what they have counted; what new ones have to count of their
// present periods is read from the record, and ends of requests wait for it. On
// an error nothing changes.
func (k *Keeper) Use(ctx context.Context, rules []Rule, record Record) error {
	next, old := newSet(rules), k.set.Load()
	known := func(s *set, id Meter) bool {
		return slices.ContainsFunc(s.meters, func(m meter) bool { return m.Meter == id })
	}
	var fresh []*meter
	for i := range next.meters {
		if m := &next.meters[i]; !known(old, m.Meter) {
			fresh = append(fresh, m)
		}
	}
	if len(fresh) > 0 {
		k.gate.Lock()
		defer k.gate.Unlock()
		if err := k.read(ctx, fresh, record); err != nil {
			return fmt.Errorf("budgets: what was spent so far cannot be read: %w", err)
		}
	}
	k.set.Store(next)
	k.sweep(ctx, func(a Account) bool { return !known(next, a.Meter) })
	return nil
}

// read seeds the accounts of new meters.
func (k *Keeper) read(ctx context.Context, fresh []*meter, record Record) error {
	now := k.clock()
	byStart := map[time.Time][]*meter{}
	for _, m := range fresh {
		start, _ := m.Every.Period(now, m.location)
		byStart[start.UTC()] = append(byStart[start.UTC()], m)
	}
	sums := map[Account]Balance{}
	for start, meters := range byStart {
		past, err := record(ctx, start)
		if err != nil {
			return err
		}
		for i := range past {
			p := &past[i]
			for _, m := range meters {
				scope, ok := m.scope(&p.Subject, p.Model)
				if !ok {
					continue
				}
				a := m.account(scope, now)
				b := sums[a]
				b.Spent = plus(b.Spent, p.of(m.Unit))
				if m.Unit == USD {
					b.Unpriced += p.Unpriced
				}
				sums[a] = b
			}
		}
	}
	seeds := make([]Posting, 0, len(sums))
	for a, b := range sums {
		seeds = append(seeds, Posting{a, b})
	}
	return k.state.Seed(ctx, seeds)
}

// On reports whether there are rules.
func (k *Keeper) On() bool { return k != nil && len(k.set.Load().rules) > 0 }

// tidy forgets accounts of periods that are over, once an hour. The period
// before the present one stays: requests that arrived in it may be under way.
func (k *Keeper) tidy(ctx context.Context) {
	now := k.clock()
	hour, was := now.Unix()/3600, k.swept.Load()
	if hour <= was || !k.swept.CompareAndSwap(was, hour) {
		return
	}
	s := k.set.Load()
	over := func(a Account) bool {
		i := slices.IndexFunc(s.meters, func(m meter) bool { return m.Meter == a.Meter })
		return i < 0 || a.Start < s.meters[i].oldest(now)
	}
	k.mu.Lock()
	for about := range k.said {
		if over(about.Account) {
			delete(k.said, about)
		}
	}
	k.mu.Unlock()
	k.sweep(ctx, over)
}

func (k *Keeper) sweep(ctx context.Context, drop func(Account) bool) {
	if err := k.state.Sweep(ctx, drop); err != nil {
		k.log.Error("budgets: accounts that are over cannot be forgotten", "error", err)
	}
}

// oldest is the beginning of the period before the present one, in Unix seconds.
func (m *meter) oldest(now time.Time) int64 {
	start, _ := m.Every.Period(now, m.location)
	start, _ = m.Every.Period(start.Add(-time.Second), m.location)
	return start.Unix()
}

// Note counts that a rule has acted, and tells the log of it once a period.
func (k *Keeper) Note(o *Over) {
	k.mu.Lock()
	k.times[Event{o.Rule.Meter, o.Rule.OnExceed}]++
	about := said{o.Account, o.Rule.OnExceed}
	told := k.said[about]
	if !told && len(k.said) < maxAccounts {
		k.said[about] = true
	}
	k.mu.Unlock()
	if !told {
		k.log.Warn("budget exceeded", "budget", o.Rule.String(), "scope", o.Scope, "on_exceed", string(o.Rule.OnExceed), "why", o.Error())
	}
}

// Events counts what rules have done since the start.
func (k *Keeper) Events() map[Event]uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := make(map[Event]uint64, len(k.times))
	for e, n := range k.times {
		out[e] = n
	}
	return out
}
