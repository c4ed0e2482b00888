package ledger

import (
	"fmt"
	"math/big"
	"math/bits"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"
)

// Money is encoded as the text of its coefficient and exponent, 123e-9: exact,
// and written and read without arithmetic.

// appendMoney appends the encoding of d.
func appendMoney(b []byte, d decimal.Decimal) []byte {
	if d.NumDigits() <= int64Digits {
		b = strconv.AppendInt(b, d.CoefficientInt64(), 10)
	} else {
		b = d.Coefficient().Append(b, 10)
	}
	return strconv.AppendInt(append(b, 'e'), int64(d.Exponent()), 10)
}

// int64Digits is how many digits every int64 has room for.
const int64Digits = 18

// parseMoney returns what s encodes as units × 10^exp, or in rest if the units
// are too many.
func parseMoney(s string) (units int64, exp int32, rest *big.Int, err error) {
	coefficient, exponent, ok := strings.Cut(s, "e")
	e, err := strconv.ParseInt(exponent, 10, 32)
	if !ok || err != nil {
		return 0, 0, nil, fmt.Errorf("%q is no amount of money", s)
	}
	if len(coefficient) <= int64Digits {
		if units, err = strconv.ParseInt(coefficient, 10, 64); err == nil {
			return units, int32(e), nil, nil
		}
	}
	rest, ok = new(big.Int).SetString(coefficient, 10)
	if !ok {
		return 0, 0, nil, fmt.Errorf("%q is no amount of money", s)
	}
	return 0, int32(e), rest, nil
}

// decimal reads money.
func (d *decoder) decimal() decimal.NullDecimal {
	units, exp, rest, err := parseMoney(d.text())
	switch {
	case err != nil:
		d.fail(err)
		return decimal.NullDecimal{}
	case rest != nil:
		return decimal.NewNullDecimal(decimal.NewFromBigInt(rest, exp))
	}
	return decimal.NewNullDecimal(decimal.New(units, exp))
}

// amount is money that adds up fast: what is a whole number of trillionths of a
// dollar, as prices of tokens are, and not too much is a machine word. The zero
// value is unknown.
type amount struct {
	known bool
	pico  int64
	rest  decimal.Decimal // what pico has no room for
}

// picoExp is the exponent of amount.pico.
const picoExp = -12

// amount reads money.
func (d *decoder) amount() amount {
	units, exp, rest, err := parseMoney(d.text())
	switch {
	case err != nil:
		d.fail(err)
		return amount{}
	case rest != nil:
		return amount{known: true, rest: decimal.NewFromBigInt(rest, exp)}
	}
	if pico, ok := scale(units, exp-picoExp); ok {
		return amount{known: true, pico: pico}
	}
	return amount{known: true, rest: decimal.New(units, exp)}
}

// scale returns n × 10^by if that is a whole number and fits.
func scale(n int64, by int32) (int64, bool) {
	if by < 0 || by > int64Digits {
		return 0, n == 0
	}
	factor := int64(1)
	for range by {
		factor *= 10
	}
	high, low := bits.Mul64(uint64(max(n, -n)), uint64(factor))
	return n * factor, high == 0 && low < 1<<63
}

// add adds b, which is known.
func (a *amount) add(b *amount) {
	a.known = true
	sum := a.pico + b.pico
	if (sum > a.pico) != (b.pico > 0) && b.pico != 0 {
		// An overflow: what there is gives way.
		a.rest = a.rest.Add(decimal.New(a.pico, picoExp))
		sum = b.pico
	}
	a.pico = sum
	if !b.rest.IsZero() {
		a.rest = a.rest.Add(b.rest)
	}
}

// decimal returns the amount as what it is.
func (a *amount) decimal() decimal.Decimal { return a.rest.Add(decimal.New(a.pico, picoExp)) }
