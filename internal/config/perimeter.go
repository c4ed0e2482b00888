package config

import (
	"fmt"
	"time"

	"freehold/internal/policy"
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
	// The only providers that may be asked, and stores that may be written.
	Providers []string `yaml:"providers"`
	// What the contract with the provider must say. What is not known of a contract, or has expired, is not fulfilled; engines that freehold runs need none.
	Contract Terms `yaml:"contract"`
}

// Terms are what a data class demands of a provider's contract.
type Terms struct {
	// Whether a data processing agreement must be signed.
	DPA YesNo `yaml:"dpa"`
	// Whether the provider must keep nothing of a request.
	ZeroRetention YesNo `yaml:"zero_retention"`
	// Whether the provider may train on requests; no forbids it.
	Training YesNo `yaml:"training"`
}

// Contract is what the contract with a provider says. What is absent is unknown.
type Contract struct {
	// A data processing agreement is signed.
	DPA YesNo `yaml:"dpa"`
	// First day on which the contract is no longer in force, YYYY-MM-DD (UTC). From then on it fulfils nothing.
	Expires Date `yaml:"expires"`
	// The provider keeps nothing of a request.
	ZeroRetention YesNo `yaml:"zero_retention"`
	// The provider trains on requests.
	Training YesNo `yaml:"training"`
}

// YesNo is yes or no, also written true or false; the empty text is unknown.
type YesNo string

// Date is a day, YYYY-MM-DD.
type Date string

// Time is the beginning of the day in UTC, the zero time for an absent one.
func (d Date) Time() time.Time {
	t, err := time.Parse(time.DateOnly, string(d))
	if err != nil {
		return time.Time{} // absent: others were refused
	}
	return t
}

func parseYesNo(s string) (YesNo, error) {
	switch s {
	case "yes", "true":
		return "yes", nil
	case "no", "false":
		return "no", nil
	}
	return "", fmt.Errorf("%q is not yes or no", s)
}

func parseDate(s string) (Date, error) {
	if _, err := time.Parse(time.DateOnly, s); err != nil {
		return "", fmt.Errorf("%q is not a day", s)
	}
	return Date(s), nil
}

func (y YesNo) fact() policy.Fact {
	return map[YesNo]policy.Fact{"yes": policy.Yes, "no": policy.No}[y]
}

// Class is the rule for policy, which alone decides by it.
func (c *DataClass) Class() policy.Class {
	return policy.Class{
		Name: c.Name, Inside: c.Inside, Jurisdictions: c.Jurisdictions, Regions: c.Regions, Providers: c.Providers,
		Contract: policy.Terms{DPA: c.Contract.DPA.fact(), ZeroRetention: c.Contract.ZeroRetention.fact(), Training: c.Contract.Training.fact()},
	}
}

// Place is what policy is told of where the provider's bytes go.
func (p *Provider) Place() policy.Place {
	return policy.Place{
		Provider: p.Name, Inside: p.Inside, Region: p.Region, Jurisdiction: p.Jurisdiction, Own: p.Local(),
		Contract: p.Contract.policy(),
	}
}

func (c *Contract) policy() policy.Contract {
	return policy.Contract{DPA: c.DPA.fact(), ZeroRetention: c.ZeroRetention.fact(), Training: c.Training.fact(), Expires: c.Expires.Time()}
}

// Policy is the tenant as policy knows it.
func (t *Tenant) Policy() *policy.Tenant {
	return &policy.Tenant{Name: t.Name, Classes: t.Classes, Allow: t.Providers.Allow, Deny: t.Providers.Deny}
}

// refusal is the first of a workload's classes that refuses a provider.
func (c *checker) refusal(w *Workload, p *Provider) (class, rule string) {
	for _, name := range w.Data {
		if dc := c.cfg.DataClasses[name]; dc != nil {
			class := dc.Class()
			if rule := class.Forbids(p.Place(), c.now()); rule != "" {
				return name, rule
			}
		}
	}
	return "", ""
}

// now is the present, or the zero time, at which no contract has expired.
func (c *checker) now() time.Time {
	if c.env.Now == nil {
		return time.Time{}
	}
	return c.env.Now()
}
