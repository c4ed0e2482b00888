package config

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"freehold/internal/policy"
	"freehold/internal/suggest"
	"freehold/internal/vector/address"
)

// Store is a vector store by a name of your own. After Load, Hosting, Inside, Region
// and Jurisdiction are effective: the file's word, else what follows for this machine.
type Store struct {
	// Name is the key under stores.
	Name string `yaml:"-"`
	// Address of the collection, such as qdrant://qdrant.internal:6334/docs; a key never stands in it.
	URL string `yaml:"url" jsonschema:"required"`
	// Key of the store; a reference such as ${env:PINECONE_API_KEY} or ${file:/run/secrets/pinecone}.
	APIKey Secret `yaml:"api_key"`
	// Data classes of its records. Absent: all of them, where it is asked where they may go.
	Data Names `yaml:"data"`
	// Who runs the machines: api, managed, serverless, kubernetes or self.
	Hosting Hosting `yaml:"hosting"`
	// Whether records there stay within your own perimeter.
	Inside bool `yaml:"inside" jsonschema:"default=false"`
	// Where records are kept, such as eu-central-1.
	Region string `yaml:"region"`
	// Whose law binds the operator, such as EU or US. Absent means unknown, and unknown fails closed.
	Jurisdiction string `yaml:"jurisdiction"`
	// What the contract with the operator says, for data classes that demand it.
	Contract Contract `yaml:"contract"`
	// Networks (CIDR) to which its host name may resolve; anything else is refused before a byte is sent.
	Networks []netip.Prefix `yaml:"networks"`

	// Address is the URL, read.
	Address address.Address `yaml:"-"`
}

// Place is what policy is told of where the store's records are.
func (s *Store) Place() policy.Place {
	return policy.Place{
		Provider: s.Name, Inside: s.Inside, Region: s.Region, Jurisdiction: s.Jurisdiction, Own: s.Address.Store == address.File,
		Contract: s.Contract.policy(),
	}
}

// Where is [Store.Place], also of a store that is not under stores, of which nothing is
// known.
func (s *Store) Where() policy.Place {
	if s.Name == "" {
		return policy.Place{Provider: s.Address.String()}
	}
	return s.Place()
}

// StoreAt is the store that has an address, whatever the address's options; nil: none
// has.
func (c *Config) StoreAt(a *address.Address) *Store {
	for _, name := range slices.Sorted(maps.Keys(c.Stores)) {
		if s := c.Stores[name]; s.Address.Same(a) {
			return s
		}
	}
	return nil
}

// ThisMachine is the place of a file, which freehold itself reads and writes.
func (c *Config) ThisMachine() policy.Place {
	return policy.Place{Provider: "file", Inside: true, Own: true, Region: c.Server.Region, Jurisdiction: c.Server.Jurisdiction}
}

func (c *checker) stores() {
	classes := slices.Sorted(maps.Keys(c.cfg.DataClasses))
	for _, name := range slices.Sorted(maps.Keys(c.cfg.Stores)) {
		s := c.cfg.Stores[name]
		at := func(key ...string) []string { return append([]string{"stores", name}, key...) }
		if c.told(at()...) {
			continue
		}
		if _, taken := c.cfg.Providers[name]; taken {
			c.rep.errorf(c.keyPos(at()...), "rename one of them: data classes name both alike", "the store %q has the name of a provider", name)
		}
		if strings.ContainsAny(name, ":/?") {
			c.rep.errorf(c.keyPos(at()...), "a name has none of : / ?", "the store %q would be taken for an address", name)
		}
		c.known("data class", s.Data, classes, at("data")...)
		c.store(s, at)
	}
}

func (c *checker) store(s *Store, at func(...string) []string) {
	if s.URL == "" {
		return // told: it is required
	}
	a, err := address.Parse(s.URL)
	if err != nil {
		c.rep.errorf(c.pos(at("url")...), "such as qdrant://HOST:6334/COLLECTION or file:PATH.jsonl", "%s: %v", label(at("url")), err)
		return
	}
	if a.Key != "" {
		c.rep.errorf(c.pos(at("url")...), "move it to api_key: ${env:NAME}", "%s names a key", label(at("url")))
	}
	local := a.Store == address.File
	if local {
		a.Path = c.cfg.Resolve(a.Path)
		for _, k := range []string{"api_key", "networks", "hosting"} {
			if c.has(at(k)...) {
				c.rep.errorf(c.keyPos(at(k)...), "take it away", "%s has no meaning for a file", label(at(k)))
			}
		}
		s.Hosting = HostingSelf
		s.Inside = s.Inside || !c.has(at("inside")...)
	}
	if local || s.Inside && address.Loopback(a.Host) {
		s.Region, s.Jurisdiction = or(s.Region, c.cfg.Server.Region), or(s.Jurisdiction, c.cfg.Server.Jurisdiction)
	}
	s.Address = a
	if other := c.cfg.StoreAt(&a); other != nil && other != s {
		c.rep.errorf(c.pos(at("url")...), "one place has one entry", "%s is that of %s already", label(at("url")), other.Name)
	}
	if host, err := netip.ParseAddr(a.Hostname()); err == nil {
		c.inside(host, s.Networks, at("url"))
	}
	if e := s.Contract.Expires.Time(); !e.IsZero() && !c.now().Before(e) {
		c.rep.warnf(c.pos(at("contract", "expires")...), "renew it, or take its facts away", "the contract of %s has expired: no data class that demands one lets records go there", label(at()))
	}
}

// places are the names that data classes may list.
func (c *checker) places() []string {
	return slices.Sorted(func(yield func(string) bool) {
		for _, names := range []func(func(string) bool){maps.Keys(c.cfg.Providers), maps.Keys(c.cfg.Stores)} {
			for name := range names {
				if !yield(name) {
					return
				}
			}
		}
	})
}

// placed refuses names of a data class that are neither a provider's nor a store's.
func (c *checker) placed(d *DataClass) {
	for i, p := range d.Providers {
		if places := c.places(); !slices.Contains(places, p) {
			c.rep.errorf(c.pos("data_classes", d.Name, "providers", fmt.Sprint(i)), suggest.Hint(p, places), "data_classes.%s: unknown provider %q", d.Name, p)
		}
	}
}
