package fleet

import (
	"freehold/internal/catalog"
	"freehold/internal/config"
	"freehold/internal/upstream"
)

// Presets shows the catalog to the configuration.
type Presets struct{ Catalog *catalog.Catalog }

// PresetNames implements config.Catalog.
func (p Presets) PresetNames() []string { return p.Catalog.PresetNames() }

// Answers implements config.Catalog. Lists that cannot be read know no price.
func (p Presets) Answers(places []config.Place) map[config.Place]config.Listed {
	refs := make([]catalog.Ref, len(places))
	for i, at := range places {
		refs[i] = catalog.Ref{Preset: at.Preset, ID: at.ID}
	}
	prices, err := p.Catalog.Prices(refs)
	out := map[config.Place]config.Listed{}
	for i, at := range places {
		var l config.Listed
		if price, ok := prices[refs[i]]; ok && err == nil {
			l.Output = price.Price.Output
		}
		preset, _ := p.Catalog.Preset(at.Preset)
		model, _ := p.Catalog.Model(at.ID)
		if l.MaxTokens = preset.Quirks.For(at.ID).DefaultMaxTokens; l.MaxTokens <= 0 {
			l.MaxTokens = model.MaxOutput
		}
		out[at] = l
	}
	return out
}

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
		KeyHeader: upstream.Auth(c.Auth).Header(),
	}
	if len(c.Placeholders()) > 0 {
		info.BaseURL = "" // an account's own address: the configuration must give it
	}
	if len(c.KeyEnv) > 0 {
		info.KeyEnv = c.KeyEnv[0]
	}
	return info, true
}
