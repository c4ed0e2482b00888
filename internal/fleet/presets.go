package fleet

import (
	"freehold/internal/catalog"
	"freehold/internal/config"
)

// Presets shows the catalog to the configuration.
type Presets struct{ Catalog *catalog.Catalog }

// PresetNames implements config.Catalog.
func (p Presets) PresetNames() []string { return p.Catalog.PresetNames() }

// Preset implements config.Catalog.
func (p Presets) Preset(name string) (config.PresetInfo, bool) {
	c, ok := p.Catalog.Preset(name)
	if !ok {
		return config.PresetInfo{}, false
	}
	info := config.PresetInfo{
		BaseURL: c.BaseURL, Dialect: config.Dialect(c.Dialect), Hosting: config.Hosting(c.Hosting),
		Openness: config.Openness(c.Openness), Region: c.Region, Jurisdiction: c.Jurisdiction,
		Continuation: config.Continuation(c.Continuation), NeedsKey: !c.KeyOptional, Owns: c.Owns,
	}
	if len(c.Placeholders()) > 0 {
		info.BaseURL = "" // an account's own address: the configuration must give it
	}
	if len(c.KeyEnv) > 0 {
		info.KeyEnv = c.KeyEnv[0]
	}
	return info, true
}
