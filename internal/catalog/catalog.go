// Package catalog holds what freehold knows of the world outside: provider
// presets, facts about models, and price lists. All of it is data with a
// source and a date, embedded in the binary and refreshable from files without
// a new one; see docs/catalog.md.
//
// A Catalog is immutable and safe for concurrent use. Presets and models are
// small and decoded at Load; the price list (thousands of rows) stays
// compressed, and a lookup streams through it and keeps only what was asked
// for.
package catalog

import (
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
)

//go:embed data/presets/*.yaml data/models.yaml data/api-prices.json.gz data/prices-retired.json
var embedded embed.FS

// Date and name of the embedded price list; see data/README.md.
const (
	pricesSource  = "litellm 1.109.1"
	pricesAsOf    = "2026-11"
	retiredSource = "freehold prices-retired"
	retiredAsOf   = "2026-11"
)

// Options names files that refresh the embedded data. Each is optional.
type Options struct {
	// PresetsDir holds NAME.yaml files, one preset each; a name that exists
	// replaces the embedded preset, a new one is added.
	PresetsDir string
	// ModelsFile has the form of data/models.yaml; its entries come before the
	// embedded ones, an entry of the same name replaces it.
	ModelsFile string
	// PricesFile is a LiteLLM model_prices_and_context_window.json, plain or
	// gzipped; its rows come before the embedded ones.
	PricesFile string
	// PricesAsOf dates PricesFile (YYYY-MM-DD); the file's modification date if empty.
	PricesAsOf string
}

// Catalog is one immutable reading of all data.
type Catalog struct {
	presets map[string]*Preset
	models  *models
	prices  []priceList // in order of precedence
}

// Load reads the embedded data and lays the files of o over it. A file that
// cannot be read or is not valid is an error that names it; there is no partial
// result, so a caller keeps the catalog that it has.
func Load(o Options) (*Catalog, error) {
	c := &Catalog{presets: map[string]*Preset{}}
	if err := c.addPresets(embedded, "data/presets", "embedded"); err != nil {
		return nil, err
	}
	if o.PresetsDir != "" {
		if err := c.addPresets(os.DirFS(o.PresetsDir), ".", o.PresetsDir); err != nil {
			return nil, err
		}
	}
	base, err := fs.ReadFile(embedded, "data/models.yaml")
	if err != nil {
		return nil, fmt.Errorf("catalog: embedded models: %w", err)
	}
	files := []source{{"embedded models.yaml", base}}
	if o.ModelsFile != "" {
		text, err := os.ReadFile(o.ModelsFile)
		if err != nil {
			return nil, fmt.Errorf("catalog: models file: %w", err)
		}
		files = append(files, source{o.ModelsFile, text})
	}
	if c.models, err = readModels(files); err != nil {
		return nil, err
	}
	if c.prices, err = openPrices(o); err != nil {
		return nil, err
	}
	return c, nil
}

// source is a named text.
type source struct {
	name string
	text []byte
}

func (c *Catalog) addPresets(fsys fs.FS, dir, label string) error {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return fmt.Errorf("catalog: presets of %s: %w", label, err)
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".yaml")
		if !ok || e.IsDir() {
			continue
		}
		where := path.Join(label, e.Name())
		text, err := fs.ReadFile(fsys, path.Join(dir, e.Name()))
		if err != nil {
			return fmt.Errorf("catalog: preset %s: %w", where, err)
		}
		p, err := decodePreset(name, text)
		if err != nil {
			return fmt.Errorf("catalog: preset %s: %w", where, err)
		}
		c.presets[name] = p
	}
	return nil
}

// Preset returns the preset of that name. The value is shared: do not change
// what its maps and slices hold.
func (c *Catalog) Preset(name string) (Preset, bool) {
	p, ok := c.presets[name]
	if !ok {
		return Preset{}, false
	}
	return *p, true
}

// PresetNames lists all presets, sorted.
func (c *Catalog) PresetNames() []string { return slices.Sorted(maps.Keys(c.presets)) }

// Owners lists, sorted, the presets whose vendor owns this model name: where a
// request goes that asks for the vendor's own name (unknown_models: relay).
func (c *Catalog) Owners(model string) []string {
	var out []string
	for name, p := range c.presets {
		if p.OwnsModel(model) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
