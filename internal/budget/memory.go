package budget

import (
	"context"
	"sync"
)

// maxAccounts bounds the memory of a state. Accounts come into being by what was
// spent, but who may ask for models by name can spend little on many names.
const maxAccounts = 1 << 16

// Others is the scope in which what is spent in further scopes of a meter is
// counted together, once there are too many accounts.
const Others = "(others)"

// Memory is a [State] for one process.
type Memory struct {
	mu       sync.Mutex
	accounts map[Account]*Balance
	max      int
}

var _ State = (*Memory)(nil)

// NewMemory returns a state of which nothing is spent.
func NewMemory() *Memory {
	return &Memory{accounts: map[Account]*Balance{}, max: maxAccounts}
}

// find returns an account's balance under m.mu, nil if it has none. One that is
// counted with the others of its meter has theirs.
func (m *Memory) find(a Account) (Account, *Balance) {
	b := m.accounts[a]
	if b == nil {
		a.Scope = Others
		b = m.accounts[a]
	}
	return a, b
}

// open is find, but for accounts that have none yet.
func (m *Memory) open(a Account) *Balance {
	if _, b := m.find(a); b != nil {
		return b
	}
	if len(m.accounts) >= m.max {
		a.Scope = Others
	}
	b := new(Balance)
	m.accounts[a] = b
	return b
}

// Reserve implements [State]. The error is always nil, here as elsewhere.
func (m *Memory) Reserve(_ context.Context, claims []Claim) (int, Balance, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range claims {
		c := &claims[i]
		var have Balance
		if _, b := m.find(c.Account); b != nil {
			have = *b
		}
		if plus(plus(have.Spent, have.Reserved), c.Amount) > c.Limit {
			return i, have, nil
		}
	}
	for i := range claims {
		if c := &claims[i]; c.Amount > 0 {
			b := m.open(c.Account)
			b.Reserved = plus(b.Reserved, c.Amount)
		}
	}
	return -1, Balance{}, nil
}

// Post implements [State].
func (m *Memory) Post(_ context.Context, changes []Posting) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range changes {
		c := &changes[i]
		at, b := m.find(c.Account)
		if b == nil {
			if c.Spent <= 0 && c.Reserved <= 0 && c.Unpriced <= 0 {
				continue // given back to an account that is forgotten
			}
			at, b = c.Account, m.open(c.Account)
		}
		b.Spent = plus(b.Spent, c.Spent)
		b.Reserved = max(0, plus(b.Reserved, c.Reserved))
		b.Unpriced += c.Unpriced
		if *b == (Balance{}) {
			delete(m.accounts, at)
		}
	}
	return nil
}

// Seed implements [State].
func (m *Memory) Seed(_ context.Context, seeds []Posting) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range seeds {
		s := &seeds[i]
		if at, b := m.find(s.Account); b != nil && at.Scope == s.Scope {
			b.Spent, b.Unpriced = s.Spent, s.Unpriced
			continue
		}
		b := m.open(s.Account)
		b.Spent, b.Unpriced = plus(b.Spent, s.Spent), b.Unpriced+s.Unpriced
	}
	return nil
}

// Balance implements [State].
func (m *Memory) Balance(_ context.Context, a Account) (Balance, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, b := m.find(a); b != nil {
		return *b, nil
	}
	return Balance{}, nil
}

// All implements [State].
func (m *Memory) All(context.Context) ([]Posting, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]Posting, 0, len(m.accounts))
	for a, b := range m.accounts {
		all = append(all, Posting{Account: a, Balance: *b})
	}
	return all, nil
}

// Sweep implements [State].
func (m *Memory) Sweep(_ context.Context, drop func(Account) bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for a, b := range m.accounts {
		if b.Reserved == 0 && drop(a) {
			delete(m.accounts, a)
		}
	}
	return nil
}
