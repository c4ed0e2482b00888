package cost_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"freehold/internal/cost"
)

// TestPublished: each cell of the table of arXiv 2509.18101 comes out as it was published.
func TestPublished(t *testing.T) {
	text, err := os.ReadFile("testdata/break-even-published.json")
	if err != nil {
		t.Fatal(err)
	}
	p, err := cost.ReadPublished(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	cells, err := p.Replay()
	if err != nil {
		t.Fatal(err)
	}
	if len(cells) != 20 {
		t.Errorf("%d cells, not 20", len(cells))
	}
	for _, c := range p.Off(cells) {
		t.Errorf("%s against %s: %v months, published %s", c.Model, c.API, c.Computed.Decimal, c.Published)
	}
}

// TestPublishedBad says what about a table cannot be.
func TestPublishedBad(t *testing.T) {
	good := `{"source":"s","formula":"f","tolerance_months":0.06,"hours_per_month":176,"usd_per_kwh":0.15,"kw_per_gpu":{"A100":0.3},"api_usd_per_million_tokens_in_out":{"X":[1,2]},"models":{"M":{"capex_usd":1000,"gpus":1,"gpu":"A100","output_tokens_per_s":100,"published_break_even_months":{"X":1}}}}`
	if p, err := cost.ReadPublished(strings.NewReader(good)); err != nil {
		t.Fatal(err)
	} else if _, err := p.Replay(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, is, want string }{
		{`176`, `0`, "hours_per_month"},
		{`176`, `"x"`, "no number"},
		{`0.15`, `-1`, "usd_per_kwh"},
		{`"A100":0.3`, ``, "kw_per_gpu"},
		{`"X":[1,2]`, ``, "api_usd_per_million"},
		{`"X":[1,2]`, `"X":[1]`, ""},
		{`"output_tokens_per_s":100`, `"output_tokens_per_s":0`, "output_tokens_per_s"},
		{`"source"`, `"sauce"`, "sauce"},
		{good, ``, ""},
		{good, `[]`, ""},
	} {
		p, err := cost.ReadPublished(strings.NewReader(strings.Replace(good, c.old, c.is, 1)))
		if err == nil {
			_, err = p.Replay()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s as %s: %v, not %q", c.old, c.is, err, c.want)
		}
	}
	// One that costs more than it saves never breaks even.
	p, err := cost.ReadPublished(strings.NewReader(strings.Replace(good, `"A100":0.3`, `"A100":30000`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	cells, err := p.Replay()
	if err != nil || cells[0].Computed.Valid || len(p.Off(cells)) != 1 {
		t.Errorf("%+v %v", cells, err)
	}
}

// TestBreakEven: dearer hardware never hastens it, a dearer API never delays it.
func TestBreakEven(t *testing.T) {
	usd := func(t *rapid.T, name string, least int64) cost.USD {
		return cost.USD{Decimal: decimal.New(rapid.Int64Range(least, 1e9).Draw(t, name), -2)}
	}
	rapid.Check(t, func(t *rapid.T) {
		first, saves, more := usd(t, "first", 0), usd(t, "saves", -1e9), usd(t, "more", 0)
		was, never := cost.BreakEven(first, cost.PerMonth{USD: saves})
		dear, dearNever := cost.BreakEven(first.Plus(more), cost.PerMonth{USD: saves})
		if never && !dearNever || !never && !dearNever && dear.LessThan(was.Decimal) {
			t.Fatalf("%s more at first: %s, not %s (never %v, %v)", more, dear, was, dearNever, never)
		}
		soon, soonNever := cost.BreakEven(first, cost.PerMonth{USD: saves.Plus(more)})
		if !never && (soonNever || soon.GreaterThan(was.Decimal)) {
			t.Fatalf("%s more saved: %s, not %s", more, soon, was)
		}
	})
}
