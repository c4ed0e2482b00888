package budget

import "context"

// Account is what a meter counts of one scope in one period.
type Account struct {
	Meter
	Start int64 // of the period, Unix seconds
	Scope string
}

// Balance is what an account has.
type Balance struct {
	Spent    int64
	Reserved int64 // for attempts and requests under way
	Unpriced int64 // attempts whose cost is not known, and not in Spent
}

// Claim asks for an amount of an account.
type Claim struct {
	Account
	Amount int64 // 0 or more
	// Limit is what the account's Spent, Reserved and Amount together may be.
	Limit int64
}

// Posting changes a balance by what it says.
type Posting struct {
	Account
	Balance
}

// State holds the balances of accounts. Every account has one: nothing, until
// something is posted. Implementations are safe for concurrent use; budgettest
// holds the suite that each passes.
type State interface {
	// Reserve adds the amount of each claim to what its account has reserved, if
	// all of them have room, and returns -1; else it changes nothing and returns
	// the first claim that has none, with its account's balance.
	Reserve(ctx context.Context, claims []Claim) (refused int, b Balance, err error)

	// Post makes changes, all of them in one step. What is reserved is never
	// less than nothing.
	Post(ctx context.Context, changes []Posting) error

	// Seed sets what accounts have spent, from the record. Of several processes
	// that share a state, the first to seed an account is the one that counts.
	Seed(ctx context.Context, seeds []Posting) error

	// Balance returns what an account has.
	Balance(ctx context.Context, a Account) (Balance, error)

	// All returns the accounts that have anything, in no order.
	All(ctx context.Context) ([]Posting, error)

	// Sweep forgets the accounts that drop names, but for those of which
	// something is reserved.
	Sweep(ctx context.Context, drop func(Account) bool) error
}
