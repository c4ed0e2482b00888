package config

import (
	"fmt"
	"slices"
	"strings"
)

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

// Refuses gives the rule that keeps data of this class away from a provider,
// or "" where it may go there. Unknown facts about a provider refuse. Several
// classes on one request all have to admit: the perimeter is the
// intersection.
func (c *DataClass) Refuses(p *Provider) string {
	switch {
	case c.Inside && !p.Inside:
		return "inside: true, and the provider is not inside"
	case c.Jurisdictions != nil && !slices.ContainsFunc(c.Jurisdictions, func(j string) bool { return p.Jurisdiction != "" && strings.EqualFold(j, p.Jurisdiction) }):
		return fmt.Sprintf("jurisdictions: %s, and the provider's is %s", list(c.Jurisdictions), orUnknown(p.Jurisdiction))
	case c.Regions != nil && !slices.ContainsFunc(c.Regions, func(r string) bool { return regionMatches(r, p.Region) }):
		return fmt.Sprintf("regions: %s, and the provider's is %s", list(c.Regions), orUnknown(p.Region))
	case c.Providers != nil && !slices.Contains(c.Providers, p.Name):
		return fmt.Sprintf("providers: %s", list(c.Providers))
	}
	return ""
}

func regionMatches(pattern, region string) bool {
	if region == "" {
		return false
	}
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.EqualFold(strings.TrimSuffix(prefix, "-"), region) ||
			len(region) >= len(prefix) && strings.EqualFold(region[:len(prefix)], prefix)
	}
	return strings.EqualFold(pattern, region)
}

func list(s []string) string { return "[" + strings.Join(s, ", ") + "]" }

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

// refusal is the first of a workload's classes that refuses a provider.
func (c *Config) refusal(w *Workload, p *Provider) (class, rule string) {
	for _, name := range w.Data {
		if dc := c.DataClasses[name]; dc != nil {
			if rule := dc.Refuses(p); rule != "" {
				return name, rule
			}
		}
	}
	return "", ""
}
