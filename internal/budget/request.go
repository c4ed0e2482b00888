package budget

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Request is one request as the rules see it, from its arrival until its end is
// on record. It counts in the periods in which it arrived, as in the ledger. Its
// attempts may come at the same time.
type Request struct {
	k       *Keeper
	subject Subject
	at      time.Time

	mu    sync.Mutex
	holds []*Hold           // of its attempts
	held  map[Account]int64 // what is reserved for them
}

// Open begins a request that arrived at a time. A keeper that is nil has no
// rules for it.
func (r *Request) Open(ctx context.Context, k *Keeper, s Subject, at time.Time) {
	if r.k, r.subject, r.at = k, s, at; k.On() {
		k.tidy(ctx)
	}
}

// Over is what a rule has no room for.
type Over struct {
	Rule Rule
	Account
	Balance
	Need   int64     // the most that the attempt could use, where the rule is strict
	Why    string    // what keeps that from being known
	Resets time.Time // when the next period begins
}

// Error says which budget it is, what is left of it, and when it begins anew;
// where that would change nothing, what would.
func (o *Over) Error() string {
	u := o.Rule.Unit
	limit, need := Format(u, o.Rule.Limit), Format(u, o.Need)
	var s string
	switch {
	case o.Why != "":
		return fmt.Sprintf("the strict budget of %s for %s cannot hold what may cost anything: %s", limit, o.whose(), o.Why)
	case o.Rule.Strict && o.Need > o.Rule.Limit:
		return fmt.Sprintf("the strict budget of %s for %s is less than the %s that this request may use: lower max_tokens (of the request or of the budget), send less, or raise the limit",
			limit, o.whose(), need)
	case o.Rule.Strict:
		s = fmt.Sprintf("the strict budget of %s for %s has no room for up to %s more: %s spent", limit, o.whose(), need, Format(u, o.Spent))
		if o.Reserved > 0 {
			s += ", " + Format(u, o.Reserved) + " reserved for requests under way"
		}
		if o.Passing() {
			return s + "; what of that they do not use is free when they end"
		}
	default:
		s = fmt.Sprintf("the budget of %s for %s is used up: %s spent", limit, o.whose(), Format(u, o.Spent))
	}
	return s + "; it begins anew at " + o.Resets.Format(time.RFC3339)
}

// Passing reports a strict budget that has room for the request as soon as those
// under way have ended, whatever they use less than is reserved for them.
func (o *Over) Passing() bool {
	return o.Rule.Strict && o.Why == "" && o.Reserved > 0 && plus(o.Spent, o.Need) <= o.Rule.Limit
}

// whose says what the budget is for, and for how long.
func (o *Over) whose() string {
	every := " this " + string(o.Rule.Every)
	switch {
	case o.Rule.Per == PerAll:
		return "all requests" + every
	case o.Rule.Per == PerKey && o.Rule.Name == "":
		return "this key" + every
	}
	return string(o.Rule.Per) + " " + o.Scope + every
}

// Verdict is what the rules say of an attempt.
type Verdict struct {
	Over *Over // it is not to be made
	Warn *Over // it may be made, and is to be warned of
}

// Check asks what the rules would say of an attempt now, and changes nothing. Of
// several that have no room, one that blocks counts.
func (r *Request) Check(ctx context.Context, model string, n *Need) (Verdict, error) {
	var v Verdict
	if !r.k.On() {
		return v, nil
	}
	s := r.k.set.Load()
	for i := range s.meters {
		m := &s.meters[i]
		scope, ok := m.scope(&r.subject, model)
		if !ok {
			continue
		}
		a := m.account(scope, r.at)
		b, err := r.k.state.Balance(ctx, a)
		if err != nil {
			return v, fmt.Errorf("budget %s: %w", m, err)
		}
		for _, place := range m.rules {
			rule := &s.rules[place]
			o := rule.over(b, n)
			if o == nil {
				continue
			}
			o.at(a, m.location)
			switch {
			case rule.OnExceed == Warn:
				if v.Warn == nil {
					v.Warn = o
				}
			case v.Over == nil || rule.OnExceed == Block && v.Over.Rule.OnExceed != Block:
				v.Over = o
			}
		}
	}
	return v, nil
}

func (o *Over) at(a Account, loc *time.Location) {
	o.Account = a
	_, o.Resets = a.Every.Period(time.Unix(a.Start, 0), loc)
}

// over says what the rule has no room for, nil if it has.
func (r *Rule) over(b Balance, n *Need) *Over {
	if r.Unit == USD && n.Free {
		return nil
	}
	o := &Over{Rule: *r, Balance: b}
	if !r.Strict {
		if b.Spent < r.Limit {
			return nil
		}
		return o
	}
	if o.Need, o.Why = n.of(r.Unit); o.Why == "" && plus(plus(b.Spent, b.Reserved), o.Need) <= r.Limit {
		return nil
	}
	return o
}

// Strict reports whether a strict rule counts attempts at a model, and the
// lowest limit that such rules set for answers; 0: none.
func (r *Request) Strict(model string) (strict bool, limit int64) {
	if !r.k.On() {
		return false, 0
	}
	s := r.k.set.Load()
	for i := range s.meters {
		m := &s.meters[i]
		if _, ok := m.scope(&r.subject, model); !ok || !m.strict {
			continue
		}
		strict = true
		for _, place := range m.rules {
			if rule := &s.rules[place]; rule.Strict && rule.Cap > 0 && (limit == 0 || rule.Cap < limit) {
				limit = rule.Cap
			}
		}
	}
	return strict, limit
}

// Hold is what one attempt takes of the budgets.
type Hold struct {
	request *Request
	model   string
	need    Need
	use     *Use // once it has ended
}

// of is what the attempt takes in a unit: what it can use at most, or what it used.
func (h *Hold) of(u Unit) int64 {
	if h.use != nil {
		return h.use.of(u)
	}
	n, _ := h.need.of(u)
	return n
}

// Reserve reserves what an attempt at a model can use at most, of all accounts
// that strict rules count it in. Where one has no room, nothing is reserved, and
// the attempt must not be sent.
//
// What earlier attempts of the request had reserved and not used is there for
// this one, but not yet for others: see Recorded.
func (r *Request) Reserve(ctx context.Context, model string, n *Need) (*Hold, *Over, error) {
	if !r.k.On() {
		return nil, nil, nil
	}
	s := r.k.set.Load()
	r.mu.Lock()
	defer r.mu.Unlock()
	h := &Hold{request: r, model: model, need: *n}
	var claims []Claim
	var meters []*meter
	for i := range s.meters {
		m := &s.meters[i]
		scope, ok := m.scope(&r.subject, model)
		if !ok || !m.strict || m.Unit == USD && n.Free {
			continue
		}
		a := m.account(scope, r.at)
		need, why := n.of(m.Unit)
		if why == "" && a.Start < m.oldest(r.k.clock()) {
			why = "the request is older than the period before"
		}
		if why != "" {
			b, err := r.k.state.Balance(ctx, a)
			return nil, m.refusal(s, a, b, need, why), err
		}
		claims = append(claims, Claim{Account: a, Amount: max(0, plus(r.taken(m, scope), need)-r.held[a]), Limit: m.limit})
		meters = append(meters, m)
	}
	if len(claims) == 0 {
		return nil, nil, nil
	}
	refused, b, err := r.k.state.Reserve(ctx, claims)
	if err != nil {
		return nil, nil, fmt.Errorf("budget: %w", err)
	}
	if refused >= 0 {
		return nil, meters[refused].refusal(s, claims[refused].Account, b, claims[refused].Amount, ""), nil
	}
	if r.held == nil {
		r.held = map[Account]int64{}
	}
	for i := range claims {
		r.held[claims[i].Account] += claims[i].Amount
	}
	r.holds = append(r.holds, h)
	return h, nil, nil
}

// taken is what the request's attempts take of an account, under r.mu.
func (r *Request) taken(m *meter, scope string) (sum int64) {
	for _, h := range r.holds {
		if s, ok := m.scope(&r.subject, h.model); ok && s == scope {
			sum = plus(sum, h.of(m.Unit))
		}
	}
	return sum
}

// Used says that the attempt has ended, and what it has used. A nil Hold has
// reserved nothing.
func (h *Hold) Used(u Use) {
	if h != nil {
		h.request.mu.Lock()
		defer h.request.mu.Unlock()
		h.use = &u
	}
}

// Recorded says that it is on record which attempts have ended with what, and
// which are open: what ended ones did not use is then given back. Not before:
// should the process die, they count as what they may have used.
func (r *Request) Recorded(ctx context.Context) {
	if r.k == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.holds) == 0 || len(r.holds) == 1 && r.holds[0].use == nil {
		return // what is reserved is what the one attempt takes
	}
	s := r.k.set.Load()
	var changes []Posting
	for a, held := range r.held {
		i := slices.IndexFunc(s.meters, func(m meter) bool { return m.Meter == a.Meter })
		if i < 0 {
			continue
		}
		if rest := held - r.taken(&s.meters[i], a.Scope); rest > 0 {
			r.held[a] -= rest
			changes = append(changes, Posting{a, Balance{Reserved: -rest}})
		}
	}
	r.k.post(ctx, changes)
}

// refusal is by the meter's strict rule of the lowest limit.
func (m *meter) refusal(s *set, a Account, b Balance, need int64, why string) *Over {
	for _, place := range m.rules {
		if r := &s.rules[place]; r.Strict && r.Limit == m.limit {
			o := &Over{Rule: *r, Balance: b, Need: need, Why: why}
			o.at(a, m.location)
			return o
		}
	}
	return nil // no meter is strict without such a rule
}

// Settle puts the end of the request on record with end, and counts in the same
// step what its attempts have used; what was reserved for them is given back.
// used is called only if there are rules. The error is end's; one of the state
// is told to the log: what is on record is counted at the next start.
func (r *Request) Settle(ctx context.Context, used func() []Use, end func() error) error {
	if r.k == nil {
		return end()
	}
	r.k.gate.RLock()
	defer r.k.gate.RUnlock()
	err := end()
	changes := r.release()
	s := r.k.set.Load()
	var uses []Use
	if len(s.meters) > 0 {
		uses = used()
	}
	for i := range s.meters {
		m := &s.meters[i]
		for j := range uses {
			u := &uses[j]
			scope, ok := m.scope(&r.subject, u.Model)
			if !ok {
				continue
			}
			b := Balance{Spent: u.of(m.Unit)}
			if m.Unit == USD && !u.Priced {
				b.Unpriced = 1
			}
			if b != (Balance{}) {
				changes = append(changes, Posting{m.account(scope, r.at), b})
			}
		}
	}
	r.k.post(ctx, changes)
	return err
}

// Close gives back what is still reserved: of a request that never got to its
// end.
func (r *Request) Close(ctx context.Context) {
	if r.k != nil {
		r.k.post(ctx, r.release())
	}
}

// release takes back what is reserved for the request.
func (r *Request) release() (changes []Posting) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for a, held := range r.held {
		if held > 0 {
			changes = append(changes, Posting{a, Balance{Reserved: -held}})
		}
	}
	r.held, r.holds = nil, nil
	return changes
}

func (k *Keeper) post(ctx context.Context, changes []Posting) {
	if len(changes) == 0 {
		return
	}
	if err := k.state.Post(ctx, changes); err != nil {
		k.log.Error("budgets: what a request has used cannot be counted", "error", err)
	}
}
