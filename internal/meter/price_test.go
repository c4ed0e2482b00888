package meter

import (
	"math"
	"testing"

	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"freehold/internal/llm"
)

func usd(s string) decimal.NullDecimal { return decimal.NewNullDecimal(decimal.RequireFromString(s)) }

func TestCost(t *testing.T) {
	sonnet := Price{Rates: Rates{Input: usd("3e-6"), Output: usd("15e-6"), CachedInput: usd("3e-7"), CacheWrite: usd("3.75e-6")}}
	plain := Price{Rates: Rates{Input: usd("1e-6"), Output: usd("2e-6")}}
	thinker := Price{Rates: Rates{Input: usd("1e-6"), Output: usd("2e-6"), Reasoning: usd("5e-6")}}
	tiered := Price{Rates: Rates{Input: usd("1e-6"), Output: usd("2e-6"), CachedInput: usd("1e-7")}, Tiers: []Tier{
		{Above: 128_000, Rates: Rates{Input: usd("2e-6"), Output: usd("4e-6")}},
		{Above: 200_000, Rates: Rates{Input: usd("3e-6")}},
	}}
	embedding := Price{Rates: Rates{Input: usd("2e-8")}}
	free := Price{Rates: Rates{Input: usd("0"), Output: usd("0")}}
	for _, tc := range []struct {
		name  string
		u     llm.Usage
		p     Price
		want  string
		known bool
	}{
		{"plain", llm.Usage{Input: 1000, Output: 500}, plain, "0.002", true},
		// Wire trap 32. OpenAI says prompt_tokens 1000 of which 800 cached;
		// Anthropic says input_tokens 200, cache_read 800: both are Input 1000.
		{"cached tokens once", llm.Usage{Input: 1000, CachedInput: 800, Output: 10}, sonnet, "0.00099", true},
		{"cache write", llm.Usage{Input: 1000, CacheWrite: 600, CachedInput: 400, Output: 0}, sonnet, "0.00237", true},
		{"no cached price: the input's", llm.Usage{Input: 1000, CachedInput: 800, CacheWrite: 100, Output: 500}, plain, "0.002", true},
		{"reasoning once, at the output's price", llm.Usage{Input: 0, Output: 100, Reasoning: 90}, plain, "0.0002", true},
		{"reasoning at its own", llm.Usage{Input: 0, Output: 100, Reasoning: 90}, thinker, "0.00047", true},
		{"tier not reached", llm.Usage{Input: 128_000, Output: 10}, tiered, "0.12802", true},
		{"tier", llm.Usage{Input: 128_001, Output: 10}, tiered, "0.256042", true},
		{"two tiers", llm.Usage{Input: 200_001, Output: 10}, tiered, "0.600043", true},
		{"tier keeps the cached price", llm.Usage{Input: 200_001, CachedInput: 1, Output: 0}, tiered, "0.6000001", true},
		{"embedding", llm.Usage{Input: 5}, embedding, "0.0000001", true},
		{"output without a price", llm.Usage{Input: 5, Output: 1}, embedding, "0", false},
		{"unknown price", llm.Usage{Input: 5, Output: 1}, Price{}, "0", false},
		{"unknown price, nothing used", llm.Usage{}, Price{}, "0", false},
		{"nothing used", llm.Usage{}, plain, "0", true},
		{"configured as free", llm.Usage{Input: 5, Output: 1}, free, "0", true},
		{"cached beside input", llm.Usage{Input: 200, CachedInput: 800}, sonnet, "0", false},
		{"cached and written overlap", llm.Usage{Input: 1000, CachedInput: 800, CacheWrite: 201}, sonnet, "0", false},
		{"reasoning beside output", llm.Usage{Output: 10, Reasoning: 11}, sonnet, "0", false},
		{"negative", llm.Usage{Input: -1}, sonnet, "0", false},
		{"no rounding", llm.Usage{Input: 3}, Price{Rates: Rates{Input: usd("1.0000000000000001e-07")}}, "0.00000030000000000000003", true},
	} {
		got, known := Cost(tc.u, tc.p)
		if got.String() != tc.want || known != tc.known {
			t.Errorf("%s: %s, %v; want %s, %v", tc.name, got, known, tc.want, tc.known)
		}
	}
}

func genRate(t *rapid.T, name string) decimal.NullDecimal {
	if !rapid.Bool().Draw(t, name+" known") {
		return decimal.NullDecimal{}
	}
	return decimal.NewNullDecimal(decimal.New(rapid.Int64Range(0, 1e6).Draw(t, name), int32(rapid.IntRange(-18, -5).Draw(t, name+" exp"))))
}

func genRates(t *rapid.T) Rates {
	return Rates{
		Input: genRate(t, "input"), Output: genRate(t, "output"), CachedInput: genRate(t, "cached"),
		CacheWrite: genRate(t, "write"), Reasoning: genRate(t, "reasoning"),
	}
}

// genUsage draws a usage that keeps its rules.
func genUsage(t *rapid.T) llm.Usage {
	u := llm.Usage{Input: rapid.Int64Range(0, 2e6).Draw(t, "in"), Output: rapid.Int64Range(0, 2e5).Draw(t, "out")}
	u.CachedInput = rapid.Int64Range(0, u.Input).Draw(t, "cached")
	u.CacheWrite = rapid.Int64Range(0, u.Input-u.CachedInput).Draw(t, "write")
	u.Reasoning = rapid.Int64Range(0, u.Output).Draw(t, "reasoning")
	return u
}

// No token is billed twice: with every rate the same r, the cost is exactly
// (Input + Output) x r, however the tokens are cached or spent on reasoning.
func TestNothingIsBilledTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u := genUsage(t)
		rate := decimal.New(rapid.Int64Range(0, 1e9).Draw(t, "rate"), -12)
		r := decimal.NewNullDecimal(rate)
		unknown := decimal.NullDecimal{}
		p := Price{Rates: Rates{Input: r, Output: r, CachedInput: r, CacheWrite: r, Reasoning: r}}
		if rapid.Bool().Draw(t, "fall back") {
			p.CachedInput, p.CacheWrite, p.Reasoning = unknown, unknown, unknown
		}
		got, known := Cost(u, p)
		want := rate.Mul(decimal.NewFromInt(u.Input + u.Output))
		if !known || !got.Equal(want) {
			t.Fatalf("%+v at %s: %s, %v; want %s", u, rate, got, known, want)
		}
	})
}

// More tokens of any kind never cost less, within a tier and across tiers whose
// prices rise.
func TestCostIsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Price{Rates: genRates(t)}
		if rapid.Bool().Draw(t, "tiered") {
			double := func(d decimal.NullDecimal) decimal.NullDecimal {
				d.Decimal = d.Decimal.Mul(decimal.NewFromInt(2))
				return d
			}
			p.Tiers = []Tier{{Above: rapid.Int64Range(0, 2e6).Draw(t, "above"), Rates: Rates{
				Input: double(p.Input), Output: double(p.Output), CachedInput: double(p.CachedInput),
				CacheWrite: double(p.CacheWrite), Reasoning: double(p.Reasoning),
			}}}
		}
		u := genUsage(t)
		before, known := Cost(u, p)
		more := rapid.Int64Range(1, 1e5).Draw(t, "more")
		switch rapid.SampledFrom([]string{"input", "cached", "write", "output", "reasoning"}).Draw(t, "kind") {
		case "input":
			u.Input += more
		case "cached":
			u.Input, u.CachedInput = u.Input+more, u.CachedInput+more
		case "write":
			u.Input, u.CacheWrite = u.Input+more, u.CacheWrite+more
		case "output":
			u.Output += more
		case "reasoning":
			u.Output, u.Reasoning = u.Output+more, u.Reasoning+more
		}
		after, still := Cost(u, p)
		if still && (!known || after.LessThan(before)) {
			t.Fatalf("%s (%v) became %s", before, known, after)
		}
	})
}

// How a decimal is written changes nothing; every other difference counts.
func TestPriceEqual(t *testing.T) {
	p := Price{Rates: Rates{Input: usd("1e-6")}, Tiers: []Tier{{Above: 1, Rates: Rates{Output: usd("1")}}}, Source: "a"}
	q := Price{Rates: Rates{Input: usd("0.0000010")}, Tiers: []Tier{{Above: 1, Rates: Rates{Output: usd("1.0")}}}, Source: "a"}
	if !p.Equal(q) {
		t.Error("the same price is not equal")
	}
	for name, change := range map[string]func(*Price){
		"source":  func(p *Price) { p.Source = "b" },
		"date":    func(p *Price) { p.AsOf = "2026" },
		"rate":    func(p *Price) { p.Input = usd("2e-6") },
		"unknown": func(p *Price) { p.Input = decimal.NullDecimal{} },
		"tier":    func(p *Price) { p.Tiers = []Tier{{Above: 2}} },
		"no tier": func(p *Price) { p.Tiers = nil },
	} {
		q := p
		change(&q)
		if p.Equal(q) {
			t.Errorf("%s: equal", name)
		}
	}
}

func TestPerMillion(t *testing.T) {
	d := decimal.RequireFromString("0.15")
	if got := PerMillion(&d); !got.Valid || got.Decimal.String() != "0.00000015" {
		t.Errorf("0.15 a million is %v a token", got)
	}
	if PerMillion(nil).Valid {
		t.Error("an unknown price is known")
	}
	if zero := decimal.Zero; !PerMillion(&zero).Valid {
		t.Error("a configured 0 is unknown")
	}
}

func BenchmarkCost(b *testing.B) {
	p := Price{Rates: Rates{Input: usd("3e-6"), Output: usd("15e-6"), CachedInput: usd("3e-7")}}
	u := llm.Usage{Input: 12345, CachedInput: 10000, Output: 678}
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := Cost(u, p); !ok {
			b.Fatal("unknown")
		}
	}
}

// No request costs more than its tokens at the dearest rates, and some costs
// as much.
func TestDearest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Price{Rates: genRates(t)}
		above := int64(0)
		for range rapid.IntRange(0, 2).Draw(t, "tiers") {
			above += rapid.Int64Range(1, 1e6).Draw(t, "above")
			p.Tiers = append(p.Tiers, Tier{Above: above, Rates: genRates(t)})
		}
		u := genUsage(t)
		in, out := p.Dearest(u.Input + rapid.Int64Range(0, 1e6).Draw(t, "more"))
		if in.Valid != p.Input.Valid || out.Valid != p.Output.Valid {
			t.Fatalf("%+v: %v, %v", p, in, out)
		}
		cost, known := Cost(u, p)
		if !known || u.Input > 0 && !in.Valid || u.Output > 0 && !out.Valid {
			return
		}
		most := in.Decimal.Mul(decimal.NewFromInt(u.Input)).Add(out.Decimal.Mul(decimal.NewFromInt(u.Output)))
		if cost.GreaterThan(most) {
			t.Fatalf("%+v at %+v costs %s, over %s", u, p, cost, most)
		}
	})
	cached := Price{Rates: Rates{Input: usd("3e-6"), Output: usd("15e-6"), CachedInput: usd("3e-7"), CacheWrite: usd("3.75e-6"), Reasoning: usd("2e-5")},
		Tiers: []Tier{{Above: 200_000, Rates: Rates{Input: usd("6e-6")}}}}
	for input, want := range map[int64]string{100: "0.00000375 0.00002", 200_000: "0.00000375 0.00002", 200_001: "0.000006 0.00002"} {
		in, out := cached.Dearest(input)
		if got := in.Decimal.String() + " " + out.Decimal.String(); got != want {
			t.Errorf("of %d tokens: %s, want %s", input, got, want)
		}
	}
	if in, out := (Price{}).Dearest(1); in.Valid || out.Valid {
		t.Error("an unknown price has rates")
	}
}

func TestPico(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "1": 1e12, "0.000000000001": 1, "0.0000000000011": 2, "9000000": 9e18, "10000000": math.MaxInt64} {
		if got := Pico(decimal.RequireFromString(text)); got != want {
			t.Errorf("%s USD are %d, want %d", text, got, want)
		}
	}
}
