package cost

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/shopspring/decimal"
)

// number is a JSON number read as it is written.
type number struct{ decimal.Decimal }

// UnmarshalJSON refuses what is no number.
func (n *number) UnmarshalJSON(text []byte) error {
	d, err := decimal.NewFromString(string(text))
	if err != nil {
		return fmt.Errorf("%s is no number", text)
	}
	n.Decimal = d
	return nil
}

// Published is a table of break-even months that somebody has published, with what it was
// computed from: hardware that is bought, which makes tokens for some hours of a month, one
// third of them input, against the price of an API for as many tokens.
//
// Source of the form and of the formula: arXiv 2509.18101 (Pan et al. 2025).
type Published struct {
	Source    string               `json:"source"`
	Formula   string               `json:"formula"`
	Tolerance number               `json:"tolerance_months"`
	Hours     number               `json:"hours_per_month"`
	Power     number               `json:"usd_per_kwh"`
	PerGPU    map[string]number    `json:"kw_per_gpu"`
	APIs      map[string][2]number `json:"api_usd_per_million_tokens_in_out"`
	Models    map[string]struct {
		Capex     number            `json:"capex_usd"`
		GPUs      number            `json:"gpus"`
		GPU       string            `json:"gpu"`
		Rate      number            `json:"output_tokens_per_s"`
		BreakEven map[string]number `json:"published_break_even_months"`
	} `json:"models"`
}

// Cell is one of its cells, computed again. Computed and Error are null where it never
// breaks even.
type Cell struct {
	Model, API      string
	Published       decimal.Decimal
	Computed, Error decimal.NullDecimal
}

// ReadPublished reads such a table.
func ReadPublished(in io.Reader) (*Published, error) {
	p := &Published{}
	if err := json.UnmarshalRead(in, p, json.RejectUnknownMembers(true)); err != nil {
		return nil, err
	}
	for _, n := range []struct {
		name string
		n    number
	}{{"hours_per_month", p.Hours}, {"tolerance_months", p.Tolerance}} {
		if !n.n.IsPositive() {
			return nil, fmt.Errorf("%s is %s; it must be more than 0", n.name, n.n)
		}
	}
	if p.Power.IsNegative() {
		return nil, fmt.Errorf("usd_per_kwh is %s; it must not be negative", p.Power)
	}
	if len(p.Models) == 0 {
		return nil, errors.New("it has no models")
	}
	return p, nil
}

// Replay computes each cell, in order of models and APIs by name.
func (p *Published) Replay() ([]Cell, error) {
	out := []Cell{}
	hours := Hours{p.Hours.Decimal}
	three := decimal.NewFromInt(3)
	for _, model := range slices.Sorted(maps.Keys(p.Models)) {
		m := p.Models[model]
		watt, ok := p.PerGPU[m.GPU]
		switch {
		case !ok:
			return nil, fmt.Errorf("models.%s: kw_per_gpu has no %q", model, m.GPU)
		case !m.Rate.IsPositive() || m.Capex.IsNegative() || m.GPUs.IsNegative() || watt.IsNegative():
			return nil, fmt.Errorf("models.%s: output_tokens_per_s must be more than 0, and capex_usd, gpus and kw_per_gpu not negative", model)
		}
		made := Tokens{m.Rate.Mul(decimal.NewFromInt(3600)).Mul(hours.Decimal)}
		power := PerKilowattHour{USD{p.Power.Decimal}}.Of(Kilowatts{m.GPUs.Mul(watt.Decimal)}).For(hours)
		for _, api := range slices.Sorted(maps.Keys(m.BreakEven)) {
			prices, ok := p.APIs[api]
			if !ok {
				return nil, fmt.Errorf("models.%s.published_break_even_months.%s: api_usd_per_million_tokens_in_out has no %q", model, api, api)
			}
			in := PerMillion{USD{prices[0].Decimal}}.Of(Tokens{made.DivRound(three, 12)})
			more := PerMillion{USD{prices[1].Decimal}}.Of(Tokens{made.Mul(decimal.NewFromInt(2)).DivRound(three, 12)})
			cell := Cell{Model: model, API: api, Published: m.BreakEven[api].Decimal}
			if after, never := BreakEven(USD{m.Capex.Decimal}, PerMonth{in.Plus(more).Minus(power)}); !never {
				cell.Computed = decimal.NewNullDecimal(after.Round(4))
				cell.Error = decimal.NewNullDecimal(after.Sub(cell.Published).Round(4))
			}
			out = append(out, cell)
		}
	}
	return out, nil
}

// Off are the cells that are further from what was published than the table's tolerance.
func (p *Published) Off(cells []Cell) (off []Cell) {
	for _, c := range cells {
		if !c.Error.Valid || c.Error.Decimal.Abs().GreaterThan(p.Tolerance.Decimal) {
			off = append(off, c)
		}
	}
	return off
}
