package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"freehold/internal/suggest"
	"freehold/internal/vector/address"
)

// Index is a vector index that applications reach under /pinecone, as they reach
// Pinecone's own.
type Index struct {
	// Name is the key under indexes.
	Name string `yaml:"-"`
	// Where it is: the name of a store under stores, or a Pinecone address such as pinecone://INDEX_HOST/INDEX.
	From string `yaml:"from" jsonschema:"required"`
	// Where it moves to: the name of a store, or an address such as qdrant://HOST:6334/COLLECTION.
	To string `yaml:"to" jsonschema:"required"`
	// Share of queries and fetches that the store which is not the authority answers, once it has all records.
	Reads Share `yaml:"reads" jsonschema:"minimum=0,maximum=1,default=0%"`
	// Share of queries that both stores are asked, to compare what they find. Clients never wait for the second.
	Shadow Share `yaml:"shadow" jsonschema:"minimum=0,maximum=1,default=10%"`
	// Data classes of its records, beside those of its stores.
	Data Names `yaml:"data"`

	// Source and Target are From and To, read; their Name is empty where no store of stores is meant.
	Source, Target *Store `yaml:"-"`
}

func (i *Index) defaults() { i.Shadow = 0.1 }

const pinecone = "pinecone"

// indexName is what Pinecone takes; its length is looked at apart.
var indexName = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$`)

func (c *checker) indexes() {
	classes := slices.Sorted(maps.Keys(c.cfg.DataClasses))
	var served []*Index
	for _, name := range slices.Sorted(maps.Keys(c.cfg.Indexes)) {
		x := c.cfg.Indexes[name]
		at := func(key ...string) []string { return append([]string{"indexes", name}, key...) }
		if c.told(at()...) {
			continue
		}
		if !indexName.MatchString(name) || len(name) > 45 || name == "indexes" {
			c.rep.errorf(c.keyPos(at()...), "1 to 45 lower case letters, digits and hyphens, as Pinecone has it", "the index %q has a name that no client of Pinecone's takes", name)
		}
		c.known("data class", x.Data, classes, at("data")...)
		x.Source, x.Target = c.indexEnd(x.From, at("from")), c.indexEnd(x.To, at("to"))
		if x.Source == nil || x.Target == nil {
			continue
		}
		if s := x.Source.Address.Store; s != pinecone {
			c.rep.errorf(c.pos(at("from")...), "applications that speak to "+s+" themselves need no front", "%s is no index of Pinecone", label(at("from")))
		}
		switch s := x.Target.Address.Store; s {
		case pinecone, address.File, "opensearch", "weaviate":
			c.rep.errorf(c.pos(at("to")...), "such as qdrant://HOST:6334/COLLECTION", "%s cannot be served from %s", label(at()), s)
		case "chroma":
			// Asked for all neighbours in a namespace of 250 records, 1.5.9 found 147.
			c.rep.errorf(c.pos(at("to")...), "it answers a query for many neighbours with fewer than there are, and has no sparse vectors; `freehold vectors copy` fills it", "%s cannot be served from chroma", label(at()))
		}
		for _, other := range served {
			if other.Target.Address.Same(&x.Target.Address) {
				c.rep.errorf(c.pos(at("to")...), "each index needs a collection of its own", "%s is that of indexes.%s already", label(at("to")), other.Name)
			}
		}
		served = append(served, x)
	}
}

// indexEnd is the store that one end of an index names; nil: it is told why there is none.
func (c *checker) indexEnd(text string, at []string) *Store {
	if text == "" {
		return nil // told: it is required
	}
	if !strings.Contains(text, ":") {
		if s := c.cfg.Stores[text]; s != nil {
			return s
		}
		c.rep.errorf(c.pos(at...), suggest.Hint(text, slices.Sorted(maps.Keys(c.cfg.Stores))), "%s: there is no store %q", label(at), text)
		return nil
	}
	a, err := address.Parse(text)
	if err != nil {
		c.rep.errorf(c.pos(at...), "the name of a store under stores, or an address", "%s: %v", label(at), err)
		return nil
	}
	if a.Key != "" {
		c.rep.errorf(c.pos(at...), "name the store under stores, with api_key: ${env:NAME}", "%s names a key", label(at))
		return nil
	}
	if s := c.cfg.StoreAt(&a); s != nil {
		return s
	}
	return &Store{Address: a, URL: text}
}
