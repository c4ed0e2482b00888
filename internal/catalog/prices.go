package catalog

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"freehold/internal/meter"
)

// Ref names a model at a provider: a preset and the provider's model id.
type Ref struct{ Preset, ID string }

// Listing is a row of a price list that stands for a Ref.
type Listing struct {
	Ref
	// Row is the name of the row; Undated says that it is not the id itself
	// but the id without its date or other suffix.
	Row     string
	Undated bool
	// Price is the zero Price where Unpriced says why it is not known.
	Price    meter.Price
	Unpriced string
	// Mode is chat, completion, responses, embedding, rerank, ...
	Mode string
	// MaxInput and MaxOutput are in tokens; 0: unknown.
	MaxInput, MaxOutput int64
	// Features: tools, images, json_schema, reasoning, prompt_caching.
	Features []string
	// Deprecated is the date (YYYY-MM-DD) at which the vendor retires the model.
	Deprecated string
}

// Prices looks up models in one pass through the lists and returns what was
// found. A Ref that is not in the result is in no list. Exact names come before
// undated ones, a refreshed list before the embedded one.
func (c *Catalog) Prices(refs []Ref) (map[Ref]Listing, error) {
	want := map[string]bool{}
	for _, ref := range refs {
		for _, name := range c.candidates(ref) {
			want[name] = true
		}
	}
	found := map[Ref]Listing{}
	if len(want) == 0 {
		return found, nil
	}
	rows, err := c.rows(func(name string) bool { return want[name] })
	if err != nil {
		return nil, err
	}
	for _, ref := range refs {
		if l, ok := c.choose(ref, func(name string) []foundRow { return rows[name] }); ok {
			found[ref] = l
		}
	}
	return found, nil
}

// foundRow is a row and the list it stands in.
type foundRow struct {
	row
	name string
	list priceList
}

// rows streams once through all lists and decodes the rows that want asks for,
// by their name in lower case. Rows of one name are in order of precedence.
func (c *Catalog) rows(want func(name string) bool) (map[string][]foundRow, error) {
	out := map[string][]foundRow{}
	for _, l := range c.prices {
		err := l.scan(
			func(name string) bool { return want(strings.ToLower(name)) },
			func(name string, raw jsontext.Value) error {
				r, err := decodeRow(raw)
				if err != nil {
					return err
				}
				key := strings.ToLower(name)
				out[key] = append(out[key], foundRow{r, name, l})
				return nil
			})
		if err != nil {
			return nil, fmt.Errorf("catalog: prices of %s: %w", l.source, err)
		}
	}
	return out, nil
}

// choose takes the best row for ref: the first candidate name that has a row of
// the preset's own provider.
func (c *Catalog) choose(ref Ref, rows func(name string) []foundRow) (Listing, bool) {
	p := c.preset(ref.Preset)
	for i, name := range c.candidates(ref) {
		for _, r := range rows(name) {
			if slices.Contains(p.Prices.Providers, r.provider) {
				return r.listing(ref, i >= len(p.Prices.Prefixes)), true
			}
		}
	}
	return Listing{}, false
}

func (r foundRow) listing(ref Ref, undated bool) Listing {
	out := Listing{
		Ref: ref, Row: r.name, Undated: undated, Mode: r.mode,
		MaxInput: r.maxInput, MaxOutput: r.maxOutput,
		Features: r.features, Deprecated: r.deprecated,
	}
	switch {
	case !slices.Contains([]string{"chat", "completion", "responses", "embedding"}, r.mode):
		out.Unpriced = fmt.Sprintf("mode %q is not priced by the token", r.mode)
	case !r.rates.Input.Valid && !r.rates.Output.Valid:
		out.Unpriced = "listed at 0 or without a price, which says nothing of what the provider charges"
	default:
		out.Price = meter.Price{Rates: r.rates, Tiers: r.tiers, Source: r.list.source, AsOf: r.list.asOf}
	}
	return out
}
