// Package cost says what it costs to go on as it is, and what it would cost to own
// instead: pure functions of prices and amounts. Money is decimal; amounts and prices have
// types of their own, so that one cannot be taken for the other.
package cost

import "github.com/shopspring/decimal"

// USD is an amount of money.
type USD struct{ decimal.Decimal }

// Plus is the sum.
func (a USD) Plus(b USD) USD { return USD{a.Add(b.Decimal)} }

// Minus is the difference.
func (a USD) Minus(b USD) USD { return USD{a.Sub(b.Decimal)} }

// Tokens are counted, not measured, and are never negative.
type Tokens struct{ decimal.Decimal }

// PerMillion is the price of a million tokens.
type PerMillion struct{ USD }

var million = decimal.NewFromInt(1_000_000)

// Of so many tokens.
func (p PerMillion) Of(t Tokens) USD { return USD{p.Mul(t.Decimal).Div(million)} }

// Hours is a time.
type Hours struct{ decimal.Decimal }

// Months is a time.
type Months struct{ decimal.Decimal }

// PerHour is the price of an hour.
type PerHour struct{ USD }

// PerMonth is the price of a month.
type PerMonth struct{ USD }

// For so many hours.
func (p PerHour) For(h Hours) USD { return USD{p.Mul(h.Decimal)} }

// Kilowatts is power.
type Kilowatts struct{ decimal.Decimal }

// PerKilowattHour is the price of a kilowatt for an hour.
type PerKilowattHour struct{ USD }

// Of a power is what it costs an hour.
func (p PerKilowattHour) Of(k Kilowatts) PerHour { return PerHour{USD{p.Mul(k.Decimal)}} }

// BreakEven is after how many months what is spent at first has come back, where owning
// saves so much each month; never says that it does not.
func BreakEven(first USD, saves PerMonth) (after Months, never bool) {
	if !saves.IsPositive() {
		return Months{}, first.IsPositive() || saves.IsNegative()
	}
	if !first.IsPositive() {
		return Months{}, false
	}
	return Months{first.DivRound(saves.Decimal, 12)}, false
}
