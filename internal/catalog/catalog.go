// Package catalog holds what freehold knows of the world outside: provider
// presets, facts about models, and price lists. All of it is data with a
// source and a date, embedded in the binary and refreshable from files without
// a new one; see docs/catalog.md.
//
// A Catalog is safe for concurrent use, and what it says never changes. It is
// made to cost next to nothing at start: presets are decoded when they are
// asked for, and the price lists (thousands of rows) stay compressed; a look-up
// streams through them and keeps only what was asked for.
package catalog

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"freehold/internal/regular"
)

//go:embed data/presets/*.yaml data/models.json data/api-prices.json.gz data/prices-retired.json
var embedded embed.FS

// Names and dates of the embedded price lists; see data/README.md.
const (
	pricesSource  = "litellm 1.109.1"
	pricesAsOf    = "2026-11"
	retiredSource = "freehold prices-retired"
	retiredAsOf   = "2026-11"
)

// maxFile bounds a file of models or a preset (the embedded ones have 18 KB).
const maxFile = 4 << 20

// Options names files that refresh the embedded data. Each is optional.
type Options struct {
	// PresetsDir holds NAME.yaml files, one preset each; a name that exists
	// replaces the embedded preset, a new one is added.
	PresetsDir string
	// ModelsFile has the form of data/models.json; an entry of the same name
	// replaces the embedded one, family rules come before the embedded ones.
	ModelsFile string
	// PricesFile is a LiteLLM model_prices_and_context_window.json, plain or
	// gzipped; its rows come before the embedded ones.
	PricesFile string
	// PricesAsOf dates PricesFile (YYYY-MM-DD); the file's modification date if empty.
	PricesAsOf string
}

// Catalog is one reading of all data.
type Catalog struct {
	presets map[string]func() *Preset
	names   []string // of presets, sorted
	models  *models
	prices  []priceList // in order of precedence
}

// Load reads the embedded data and lays the files of o over it. A file that
// cannot be read or is not valid is an error that names it; there is no partial
// result, so a caller keeps the catalog that it has. The files are not read
// again after Load.
func Load(o Options) (*Catalog, error) {
	c := &Catalog{presets: map[string]func() *Preset{}}
	if err := c.addEmbeddedPresets(); err != nil {
		return nil, err
	}
	if o.PresetsDir != "" {
		if err := c.addPresets(o.PresetsDir); err != nil {
			return nil, err
		}
	}
	for name := range c.presets {
		c.names = append(c.names, name)
	}
	slices.Sort(c.names)

	base, err := fs.ReadFile(embedded, "data/models.json")
	if err != nil {
		return nil, fmt.Errorf("catalog: embedded models: %w", err)
	}
	files := []source{{"embedded models.json", base}}
	if o.ModelsFile != "" {
		text, err := regular.Read(o.ModelsFile, maxFile)
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

// addEmbeddedPresets lists them; each is decoded once, on first use.
func (c *Catalog) addEmbeddedPresets() error {
	const dir = "data/presets"
	entries, err := fs.ReadDir(embedded, dir)
	if err != nil {
		return fmt.Errorf("catalog: embedded presets: %w", err)
	}
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), ".yaml")
		c.presets[name] = sync.OnceValue(func() *Preset {
			text, err := fs.ReadFile(embedded, path.Join(dir, e.Name()))
			if err != nil {
				panic(fmt.Sprintf("embedded preset %s: %v", name, err)) // the binary is damaged
			}
			p, err := decodePreset(name, text)
			if err != nil {
				panic(fmt.Sprintf("embedded preset %s: %v", name, err)) // TestEmbeddedPresets decodes them all
			}
			return p
		})
	}
	return nil
}

// addPresets decodes every preset of a directory at once.
func (c *Catalog) addPresets(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("catalog: presets: %w", err)
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".yaml")
		if !ok || e.IsDir() {
			continue
		}
		where := path.Join(dir, e.Name())
		text, err := regular.Read(where, maxFile)
		if err != nil {
			return fmt.Errorf("catalog: preset: %w", err)
		}
		p, err := decodePreset(name, text)
		if err != nil {
			return fmt.Errorf("catalog: preset %s: %w", where, err)
		}
		c.presets[name] = func() *Preset { return p }
	}
	return nil
}

// Preset returns the preset of that name. The value is shared: do not change
// what its maps and slices hold.
func (c *Catalog) Preset(name string) (Preset, bool) {
	if p := c.preset(name); p != nil {
		return *p, true
	}
	return Preset{}, false
}

// preset returns nil for a name that is unknown.
func (c *Catalog) preset(name string) *Preset {
	if get, ok := c.presets[name]; ok {
		return get()
	}
	return nil
}

// PresetNames lists all presets, sorted.
func (c *Catalog) PresetNames() []string { return slices.Clone(c.names) }

// Owners lists, sorted, the presets whose vendor owns this model name: where a
// request goes that asks for the vendor's own name (unknown_models: relay). It
// decodes every preset; on a request's way ask the configured ones
// (Preset.OwnsModel).
func (c *Catalog) Owners(model string) []string {
	var out []string
	for _, name := range c.names {
		if c.preset(name).OwnsModel(model) {
			out = append(out, name)
		}
	}
	return out
}
