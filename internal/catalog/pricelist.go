package catalog

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/shopspring/decimal"

	"freehold/internal/meter"
	"freehold/internal/regular"
)

// priceList is one list, gzipped, in LiteLLM's form: one object, a member a
// model.
type priceList struct {
	gz     []byte
	source string
	asOf   string
}

// maxPriceFile bounds a price file (the full list of 2026-11 has 2.5 MB).
const maxPriceFile = 64 << 20

func openPrices(o Options) ([]priceList, error) {
	gz, err := fs.ReadFile(embedded, "data/api-prices.json.gz")
	if err != nil {
		return nil, fmt.Errorf("catalog: embedded prices: %w", err)
	}
	retired, err := fs.ReadFile(embedded, "data/prices-retired.json")
	if err != nil {
		return nil, fmt.Errorf("catalog: embedded prices: %w", err)
	}
	lists := []priceList{
		{gz, pricesSource, pricesAsOf},
		{retired, retiredSource, retiredAsOf},
	}
	if o.PricesFile == "" {
		return lists, nil
	}
	l, err := readPriceFile(o.PricesFile, o.PricesAsOf)
	if err != nil {
		return nil, fmt.Errorf("catalog: price file %s: %w", o.PricesFile, err)
	}
	return append([]priceList{l}, lists...), nil
}

// readPriceFile reads and checks a whole file once and keeps it gzipped, so
// that later look-ups read what was checked, whatever becomes of the file.
func readPriceFile(name, asOf string) (priceList, error) {
	f, info, err := regular.Open(name)
	if err != nil {
		return priceList{}, err
	}
	defer f.Close()
	if asOf == "" {
		asOf = info.ModTime().UTC().Format("2006-01-02")
	}
	text, err := io.ReadAll(io.LimitReader(f, maxPriceFile+1))
	if err != nil {
		return priceList{}, err
	}
	if len(text) > maxPriceFile {
		return priceList{}, fmt.Errorf("larger than %d MiB", maxPriceFile>>20)
	}
	l := priceList{gz: text, source: filepath.Base(name), asOf: asOf}
	if !gzipped(text) {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		if _, err := w.Write(text); err != nil {
			return priceList{}, err
		}
		if err := w.Close(); err != nil {
			return priceList{}, err
		}
		l.gz = b.Bytes()
	}
	rows := 0
	err = l.scan(func(string) bool { return true }, func(name string, raw jsontext.Value) error {
		rows++
		_, err := decodeRow(raw)
		return err
	})
	if err == nil && rows == 0 {
		err = errors.New("no rows")
	}
	return l, err
}

func gzipped(text []byte) bool { return len(text) > 1 && text[0] == 0x1f && text[1] == 0x8b }

// scan streams through the list and calls row for each model that want asks for.
func (l priceList) scan(want func(name string) bool, row func(name string, raw jsontext.Value) error) error {
	var r io.Reader = bytes.NewReader(l.gz)
	if gzipped(l.gz) {
		zr, err := gzip.NewReader(r)
		if err != nil {
			return err
		}
		r = io.LimitReader(zr, maxPriceFile)
	}
	d := jsontext.NewDecoder(r)
	if tok, err := d.ReadToken(); err != nil {
		return err
	} else if tok.Kind() != '{' {
		return errors.New("not a JSON object with one member a model")
	}
	for d.PeekKind() == '"' {
		tok, err := d.ReadToken()
		if err != nil {
			return err
		}
		name := tok.String()
		if !want(name) {
			if err := d.SkipValue(); err != nil {
				return fmt.Errorf("row %q: %w", name, err)
			}
			continue
		}
		raw, err := d.ReadValue()
		if err != nil {
			return fmt.Errorf("row %q: %w", name, err)
		}
		if err := row(name, raw); err != nil {
			return fmt.Errorf("row %q: %w", name, err)
		}
	}
	if _, err := d.ReadToken(); err != nil { // the closing brace
		return err
	}
	return nil
}

// row is one decoded row of a price list.
type row struct {
	provider, mode, deprecated string
	maxInput, maxOutput        int64
	features                   []string
	rates                      meter.Rates
	tiers                      []meter.Tier
}

// features of the list and what we call them.
var rowFeatures = map[string]string{
	"supports_function_calling": "tools",
	"supports_vision":           "images",
	"supports_response_schema":  "json_schema",
	"supports_reasoning":        "reasoning",
	"supports_prompt_caching":   "prompt_caching",
}

// decodeRow reads a row. Amounts are taken from the JSON text digit by digit,
// never through a float. Members that it does not know are skipped.
func decodeRow(raw jsontext.Value) (row, error) {
	var r row
	d := jsontext.NewDecoder(bytes.NewReader(raw))
	if tok, err := d.ReadToken(); err != nil {
		return r, err
	} else if tok.Kind() != '{' {
		return r, errors.New("not an object")
	}
	for d.PeekKind() == '"' {
		tok, err := d.ReadToken()
		if err != nil {
			return r, err
		}
		name := tok.String()
		value, err := d.ReadValue()
		if err != nil {
			return r, err
		}
		if err := r.set(name, value); err != nil {
			return r, fmt.Errorf("%s: %w", name, err)
		}
	}
	slices.SortFunc(r.tiers, func(a, b meter.Tier) int { return int(a.Above - b.Above) })
	slices.Sort(r.features)
	return r, nil
}

func (r *row) set(name string, value jsontext.Value) error {
	switch name {
	case "litellm_provider":
		return text(value, &r.provider)
	case "mode":
		return text(value, &r.mode)
	case "deprecation_date":
		return text(value, &r.deprecated)
	case "max_input_tokens":
		r.maxInput = count(value)
	case "max_output_tokens":
		r.maxOutput = count(value)
	default:
		if f := rowFeatures[name]; f != "" {
			if value.Kind() == 't' {
				r.features = append(r.features, f)
			}
			return nil
		}
		return r.setRate(name, value)
	}
	return nil
}

// rateFields are the prices of a list that we meter.
var rateFields = map[string]func(*meter.Rates) *decimal.NullDecimal{
	"input_cost_per_token":            func(r *meter.Rates) *decimal.NullDecimal { return &r.Input },
	"output_cost_per_token":           func(r *meter.Rates) *decimal.NullDecimal { return &r.Output },
	"cache_read_input_token_cost":     func(r *meter.Rates) *decimal.NullDecimal { return &r.CachedInput },
	"cache_creation_input_token_cost": func(r *meter.Rates) *decimal.NullDecimal { return &r.CacheWrite },
	"output_cost_per_reasoning_token": func(r *meter.Rates) *decimal.NullDecimal { return &r.Reasoning },
}

// setRate takes the prices per token; "..._above_200k_tokens" makes a tier.
func (r *row) setRate(name string, value jsontext.Value) error {
	base, above, tiered := strings.Cut(name, "_above_")
	field := rateFields[base]
	if field == nil || value.Kind() == 'n' {
		return nil
	}
	rates := &r.rates
	if tiered {
		k, ok := strings.CutSuffix(above, "k_tokens")
		if !ok {
			return nil // above_1hr and other variants that we do not meter
		}
		n, err := strconv.ParseInt(k, 10, 32)
		if err != nil {
			return nil //nolint:nilerr // above_batch_k_tokens and the like: a variant as well
		}
		rates = r.tier(n * 1000)
	}
	if value.Kind() != '0' {
		return fmt.Errorf("%s is not a number", value)
	}
	amount, err := decimal.NewFromString(string(value))
	if err != nil {
		return err
	}
	if amount.IsNegative() {
		return fmt.Errorf("%s is negative", value)
	}
	if amount.IsPositive() { // a listed 0 is an unknown price, see README.md
		*field(rates) = decimal.NewNullDecimal(amount)
	}
	return nil
}

func (r *row) tier(above int64) *meter.Rates {
	for i := range r.tiers {
		if r.tiers[i].Above == above {
			return &r.tiers[i].Rates
		}
	}
	r.tiers = append(r.tiers, meter.Tier{Above: above})
	return &r.tiers[len(r.tiers)-1].Rates
}

func text(v jsontext.Value, into *string) error {
	if v.Kind() != '"' {
		return nil
	}
	b, err := jsontext.AppendUnquote(nil, v)
	*into = string(b)
	return err
}

// count reads a token limit; the list writes some as floats or in words.
func count(v jsontext.Value) int64 {
	d, err := decimal.NewFromString(string(v))
	if err != nil || d.IsNegative() {
		return 0
	}
	return d.IntPart()
}
