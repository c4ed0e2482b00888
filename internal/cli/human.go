package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/shopspring/decimal"

	"freehold/internal/admin"
)

// none is shown for what is not there; unknown for what is not known.
const (
	none    = "-"
	unknown = "?"
)

// money shows an amount with its currency; six digits behind the point for
// small ones, so that no cost looks like none.
func money(d decimal.Decimal, currency string) string {
	places := int32(2)
	if d.Abs().LessThan(decimal.NewFromInt(1)) {
		places = 6
	}
	s := d.Round(places).String()
	if d.Sign() != 0 && d.Round(places).IsZero() {
		s = "<0.000001"
	}
	return s + " " + currency
}

func costOf(d decimal.NullDecimal, currency string) string {
	if !d.Valid {
		return unknown
	}
	return money(d.Decimal, currency)
}

// millis shows a number of milliseconds as a duration.
func millis(ms float64) string {
	switch {
	case ms <= 0:
		return none
	case ms < 0.1:
		return strconv.FormatFloat(ms*1000, 'f', 0, 64) + " µs"
	case ms < 10:
		return strconv.FormatFloat(ms, 'f', 1, 64) + " ms"
	case ms < 1000:
		return strconv.FormatFloat(ms, 'f', 0, 64) + " ms"
	case ms < 60_000:
		return strconv.FormatFloat(ms/1000, 'f', 2, 64) + " s"
	}
	return time.Duration(ms * float64(time.Millisecond)).Round(time.Second).String()
}

func latency(ms *float64) string {
	if ms == nil {
		return none
	}
	return millis(*ms)
}

// price shows input and output prices for a million tokens: four digits behind the
// point, and three that count, so that no price looks like none.
func price(p *admin.Price) string {
	if p == nil {
		return unknown
	}
	one := func(d decimal.NullDecimal) string {
		if !d.Valid {
			return unknown
		}
		first := d.Decimal.NumDigits() + int(d.Decimal.Exponent()) // where its first digit stands before the point
		return d.Decimal.Round(int32(max(4, 3-first))).String()
	}
	return one(p.Input) + "/" + one(p.Output) + " " + p.Currency
}

// size shows a size.
func size(n int64) string {
	const k = 1024
	switch {
	case n < k:
		return fmt.Sprintf("%d B", n)
	case n < k*k:
		return fmt.Sprintf("%.1f KiB", float64(n)/k)
	case n < k*k*k:
		return fmt.Sprintf("%.1f MiB", float64(n)/k/k)
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/k/k/k)
}

// count shows a number with its thousands apart.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// at shows a time, in UTC.
func at(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

// plural counts things in words.
func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(int64(n)) + " " + one + "s"
}

// agree is the form of a word that goes with a number of things.
func agree[N int | int64](n N, one, more string) string {
	if n == 1 {
		return one
	}
	return more
}

// length reads a length of time, in days too.
func length(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(s)
	if err == nil && d < 0 {
		err = errors.New("a length of time is not negative")
	}
	return d, err
}

// when reads a point in time: a date, a time, or how long ago (90m, 24h, 7d).
func when(s string, now time.Time) (time.Time, error) {
	if d, err := length(s); err == nil {
		return now.Add(-d), nil
	}
	for _, layout := range []string{"2006-01-02", "2006-01-02T15:04", "2006-01-02 15:04", time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errors.New("is no time: give 24h, 7d, 2026-01-31 or 2026-01-31T15:04:05Z")
}

// ahead reads a point in time to come: a date, a time, or in how long.
func ahead(s string, now time.Time) (t time.Time, err error) {
	if d, lerr := length(s); lerr == nil {
		t = now.Add(d)
	} else if t, err = when(s, now); err != nil {
		return t, err
	}
	if !t.After(now) {
		return t, errors.New("has passed already")
	}
	return t, nil
}
