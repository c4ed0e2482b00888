// Package policy decides which places may receive a request's bytes. It is the
// only maker of a Permit, and upstream sends nothing without one: there is no
// other way out. It fails closed: an unknown class, or a place of which a
// demanded fact is unknown, is refused.
package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Class is one data class: where its bytes may go. The zero value allows every
// place. A nil list does not constrain; an empty one admits nothing.
type Class struct {
	Name          string
	Inside        bool     // only places inside the company's own perimeter
	Jurisdictions []string // only operators under one of these laws
	Regions       []string // bytes processed only in one of these; eu-* is eu and every region that begins with eu-
	Providers     []string // only these providers by name
	Contract      Terms    // what the contract with the operator must say
}

// Place is what is known of where a deployment's bytes go. Empty facts are unknown.
type Place struct {
	Provider     string
	Inside       bool
	Region       string
	Jurisdiction string
	// Own is a process of this freehold: there is no operator to have a contract
	// with.
	Own      bool
	Contract Contract
}

// Tenant is a customer on whose behalf requests are made. It only narrows: its
// classes hold beside all others, and its providers are a rule of their own.
type Tenant struct {
	Name    string
	Classes []string
	Allow   []string // only these providers; nil: any
	Deny    []string // never these
}

// Classes are the data classes of one configuration, by name.
type Classes map[string]Class

// Perimeter is the combination of the classes of one request, and of its
// tenant: a place must satisfy every one of them.
type Perimeter struct {
	classes []Class
	tenant  *Tenant
}

// UnknownClassError is returned for a class that the configuration does not have.
type UnknownClassError struct{ Name string }

func (e *UnknownClassError) Error() string {
	return fmt.Sprintf("data class %q is not defined under data_classes", e.Name)
}

// Perimeter combines the named classes. An unknown name is an *UnknownClassError.
func (c Classes) Perimeter(names ...string) (Perimeter, error) {
	return c.For(nil, names...)
}

// For combines the named classes with a tenant and its classes. A nil tenant is
// none.
func (c Classes) For(t *Tenant, names ...string) (Perimeter, error) {
	p := Perimeter{tenant: t}
	if t != nil {
		names = slices.Concat(names, t.Classes)
	}
	for _, n := range names {
		class, ok := c[n]
		if !ok {
			return Perimeter{}, &UnknownClassError{Name: n}
		}
		if !slices.ContainsFunc(p.classes, func(h Class) bool { return h.Name == n }) {
			p.classes = append(p.classes, class)
		}
	}
	return p, nil
}

// Names lists the combined classes.
func (p Perimeter) Names() []string {
	var out []string
	for _, c := range p.classes {
		out = append(out, c.Name)
	}
	return out
}

// Permit allows one request's bytes to go to one provider. Its zero value
// allows nothing, and only this package makes another.
type Permit struct {
	provider string
}

// Allows reports whether bytes may go to the provider.
func (p Permit) Allows(provider string) bool { return p.provider != "" && p.provider == provider }

// Permit asks for a place at a time. When it is refused, reason says which class
// or tenant forbids it and why ("data class eu-only: jurisdiction US is not
// among EU").
func (p Perimeter) Permit(place Place, now time.Time) (permit Permit, reason string) {
	for i := range p.classes {
		if why := p.classes[i].Forbids(place, now); why != "" {
			return Permit{}, "data class " + p.classes[i].Name + ": " + why
		}
	}
	if p.tenant != nil {
		if why := p.tenant.Forbids(place); why != "" {
			return Permit{}, "tenant " + p.tenant.Name + ": " + why
		}
	}
	return Permit{provider: place.Provider}, ""
}

// Inside permits bytes of every class to go to a service of the company's own,
// such as a detector that must see them all. Of a place that is not inside it is
// the zero Permit.
func Inside(place Place) Permit {
	if !place.Inside {
		return Permit{}
	}
	return Permit{provider: place.Provider}
}

// Forbids says why bytes of the class may not go to a place, or "". A fact that
// is demanded and unknown forbids.
func (c *Class) Forbids(p Place, now time.Time) string {
	switch {
	case c.Inside && !p.Inside:
		return "provider " + p.Provider + " is not inside"
	case c.Jurisdictions != nil && !has(c.Jurisdictions, p.Jurisdiction):
		return "jurisdiction " + known(p.Jurisdiction) + " is not among " + list(c.Jurisdictions)
	case c.Regions != nil && !has(c.Regions, p.Region):
		return "region " + known(p.Region) + " is not among " + list(c.Regions)
	case c.Providers != nil && !slices.Contains(c.Providers, p.Provider):
		return "provider " + p.Provider + " is not among " + list(c.Providers)
	case p.Own:
		return ""
	}
	return c.Contract.unmet(p, now)
}

// Forbids says why the tenant's bytes may not go to a place, or "".
func (t *Tenant) Forbids(p Place) string {
	switch {
	case slices.Contains(t.Deny, p.Provider):
		return "provider " + p.Provider + " is denied"
	case t.Allow != nil && !slices.Contains(t.Allow, p.Provider):
		return "provider " + p.Provider + " is not among " + list(t.Allow)
	}
	return ""
}

func has(patterns []string, v string) bool {
	return v != "" && slices.ContainsFunc(patterns, func(p string) bool {
		if prefix, ok := strings.CutSuffix(p, "*"); ok {
			return strings.EqualFold(v, strings.TrimSuffix(prefix, "-")) ||
				len(v) >= len(prefix) && strings.EqualFold(v[:len(prefix)], prefix)
		}
		return strings.EqualFold(p, v)
	})
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func known(v string) string {
	if v == "" {
		return "unknown"
	}
	return v
}
