// Package purse holds what a command spends on models to a limit.
package purse

import (
	"context"
	"fmt"
	"sync"

	"github.com/shopspring/decimal"
)

// LimitError says that the money is spent.
type LimitError struct{ Limit, Spent, Most decimal.Decimal }

func (e *LimitError) Error() string {
	return fmt.Sprintf("the next question could cost %s USD, more than what is left of %s USD: %s USD are spent", e.Most.Round(6), e.Limit, e.Spent.Round(6))
}

// Purse holds spending to a limit. What is under way counts as the most that it can
// cost. It may be used concurrently.
type Purse struct {
	Limit decimal.NullDecimal // in US dollars; not valid: none

	mu          sync.Mutex
	spent, held decimal.Decimal
	under       int           // questions under way
	unknown     int           // answers of which nobody knows what they cost
	settled     chan struct{} // closed when one of them has ended; nil: nobody waits
}

// Take reserves the most that a question can cost. Where there is no room for it, it
// waits for what is under way, which may cost less than it can.
func (p *Purse) Take(ctx context.Context, most decimal.NullDecimal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.Limit.Valid && p.spent.Add(p.held).Add(most.Decimal).GreaterThan(p.Limit.Decimal) {
		if p.under == 0 {
			return &LimitError{p.Limit.Decimal, p.spent, most.Decimal}
		}
		if p.settled == nil {
			p.settled = make(chan struct{})
		}
		settled := p.settled
		p.mu.Unlock()
		select {
		case <-settled:
		case <-ctx.Done():
		}
		p.mu.Lock()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	p.held = p.held.Add(most.Decimal)
	p.under++
	return nil
}

// Settle puts the real cost in the place of the most.
func (p *Purse) Settle(most, cost decimal.NullDecimal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = p.held.Sub(most.Decimal)
	p.under--
	if !cost.Valid {
		p.unknown++
		cost = most
	}
	p.spent = p.spent.Add(cost.Decimal)
	if p.settled != nil {
		close(p.settled)
		p.settled = nil
	}
}

// Spent is what was spent, and of how many answers nobody knows what they cost.
func (p *Purse) Spent() (usd decimal.Decimal, unknown int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.spent, p.unknown
}
