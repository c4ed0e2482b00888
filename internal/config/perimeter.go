package config

import "freehold/internal/policy"

// DataClass is a rule for where bytes may go. A nil list does not constrain;
// an empty list admits nothing.
type DataClass struct {
	// Name is the key under data_classes.
	Name string `yaml:"-"`
	// Only providers inside your own perimeter.
	Inside bool `yaml:"inside" jsonschema:"default=false"`
	// Whose law may bind the operator. A provider of unknown jurisdiction is refused.
	Jurisdictions []string `yaml:"jurisdictions"`
	// Where bytes may be processed; eu-* admits eu and every region that begins with eu-. A provider of unknown region is refused.
	Regions []string `yaml:"regions"`
	// The only providers that may be asked.
	Providers []string `yaml:"providers"`
}

// Class is the rule for policy, which alone decides by it.
func (c *DataClass) Class() policy.Class {
	return policy.Class{Name: c.Name, Inside: c.Inside, Jurisdictions: c.Jurisdictions, Regions: c.Regions, Providers: c.Providers}
}

// Place is what policy is told of where the provider's bytes go.
func (p *Provider) Place() policy.Place {
	return policy.Place{Provider: p.Name, Inside: p.Inside, Region: p.Region, Jurisdiction: p.Jurisdiction}
}

// refusal is the first of a workload's classes that refuses a provider.
func (c *Config) refusal(w *Workload, p *Provider) (class, rule string) {
	for _, name := range w.Data {
		if dc := c.DataClasses[name]; dc != nil {
			class := dc.Class()
			if rule := class.Forbids(p.Place()); rule != "" {
				return name, rule
			}
		}
	}
	return "", ""
}
