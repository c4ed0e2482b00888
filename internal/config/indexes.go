package config

import (
	"fmt"
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
	// Another model's vectors for the new store. Absent: the records keep those that they have.
	Embeddings *IndexEmbeddings `yaml:"embeddings"`

	// Source and Target are From and To, read; their Name is empty where no store of stores is meant.
	Source, Target *Store `yaml:"-"`
}

// IndexEmbeddings have a workload for embeddings go over to another model together with
// the index.
type IndexEmbeddings struct {
	// Workload that applications name at /v1/embeddings for this index. Its own model has made Pinecone's vectors, and answers until the cutover.
	Alias string `yaml:"alias" jsonschema:"required"`
	// Model that makes the new store's vectors, and answers for the workload after the cutover.
	Model string `yaml:"model" jsonschema:"required"`
	// Field of the metadata that has the text of a record.
	Text string `yaml:"text" jsonschema:"required"`
	// Sent with the texts of records, to models that know it: search_document.
	InputType string `yaml:"input_type"`
}

// IndexOf is the index whose embeddings a workload makes; nil: it is no index's.
func (c *Config) IndexOf(workload string) *Index {
	for _, x := range c.Indexes {
		if x.Embeddings != nil && x.Embeddings.Alias == workload {
			return x
		}
	}
	return nil
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
		c.indexEmbeddings(x, at)
		x.Source, x.Target = c.indexEnd(x.From, at("from")), c.indexEnd(x.To, at("to"))
		if x.Source == nil || x.Target == nil {
			continue
		}
		if s := x.Source.Address.Store; s != pinecone {
			c.rep.errorf(c.pos(at("from")...), "applications that speak to "+s+" themselves need no front", "%s is no index of Pinecone", label(at("from")))
		}
		switch s := x.Target.Address.Store; s {
		case pinecone, address.File, "opensearch", "weaviate":
			c.rep.errorf(c.pos(at("to")...), "an index is served from qdrant, milvus or postgres (pgvector)", "%s cannot be served from %s", label(at()), s)
		case "chroma":
			// Asked for all neighbours in a namespace of 250 records, 1.5.9 found 147.
			c.rep.errorf(c.pos(at("to")...), "asked for all 250 neighbours it found 147, and it has no sparse vectors: qdrant, milvus and postgres (pgvector) serve an index; `freehold vectors copy` fills chroma", "%s cannot be served from chroma", label(at()))
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

// indexEmbeddings checks the two models of an index. After it all vectors of its alias
// are of one of them, and nothing else decides of which.
func (c *checker) indexEmbeddings(x *Index, at func(...string) []string) {
	e := x.Embeddings
	if e == nil || c.told(at("embeddings")...) || e.Alias == "" || e.Model == "" {
		return // told: they are required
	}
	here := func(key string) []string { return at("embeddings", key) }
	alias := label(here("alias"))
	w := c.cfg.Workloads[e.Alias]
	if w == nil {
		hint := suggest.Hint(e.Alias, slices.Sorted(maps.Keys(c.cfg.Workloads)))
		for _, name := range slices.Sorted(maps.Keys(c.cfg.Workloads)) {
			if slices.Contains(c.cfg.Workloads[name].Aliases, e.Alias) {
				hint = "it is another name of " + name + ": write that"
			}
		}
		if _, is := c.cfg.Models[e.Alias]; is {
			hint = "this is a model, which stands for itself: make a workload of it, and have applications name that"
		}
		c.rep.errorf(c.pos(here("alias")...), hint, "%s: unknown workload %q", alias, e.Alias)
		return
	}
	for _, other := range slices.Sorted(maps.Keys(c.cfg.Indexes)) {
		if o := c.cfg.Indexes[other].Embeddings; other < x.Name && o != nil && o.Alias == e.Alias {
			c.rep.errorf(c.pos(here("alias")...), "each index has a workload of its own, since each goes over at its own time", "%s: %s is that of indexes.%s already", alias, e.Alias, other)
		}
	}
	if old := c.cfg.Models[w.Model]; old != nil && old.Mode != ModeEmbedding {
		c.rep.errorf(c.pos(here("alias")...), "name the workload that applications ask for embeddings", "%s: the model of %s, %s, makes no embeddings", alias, e.Alias, w.Model)
	}
	for _, k := range []struct {
		is  bool
		key string
	}{{len(w.Fallbacks) > 0, "fallbacks"}, {len(w.Route) > 0, "route"}, {w.Cascade != nil, "cascade"}} {
		if k.is {
			c.rep.errorf(c.pos("workloads", e.Alias, k.key), "take it away; a second deployment of the model stands in for the first", "workloads.%s.%s can lead to another model than that of the index %s, whose vectors are of one", e.Alias, k.key, x.Name)
		}
	}
	if _, is := c.cfg.Rollouts[e.Alias]; is {
		c.rep.errorf(c.keyPos("rollouts", e.Alias), "take it away: freehold vectors cutover "+x.Name+" moves it", "rollouts.%s: the model of %s changes with the index %s, and with nothing else", e.Alias, e.Alias, x.Name)
	}
	m := c.cfg.Models[e.Model]
	switch {
	case m == nil:
		hint := suggest.Hint(e.Model, slices.Sorted(maps.Keys(c.cfg.Models)))
		if _, is := c.cfg.Workloads[e.Model]; is {
			hint = "this is a workload; name a model"
		}
		c.rep.errorf(c.pos(here("model")...), hint, "unknown model %q", e.Model)
	case m.Mode != ModeEmbedding:
		c.rep.errorf(c.pos(here("model")...), "models."+e.Model+".mode: embedding says that it does", "%s: %s makes no embeddings", label(here("model")), e.Model)
	case e.Model == w.Model:
		c.rep.errorf(c.pos(here("model")...), "workloads."+e.Alias+".model is the one before the cutover. Of an index that has gone over for good, take embeddings away", "%s: %s is the model of %s already", label(here("model")), e.Model, e.Alias)
	default:
		c.textsGo(x, w, m, here("model"))
	}
}

// textsGo warns where the texts of an index cannot go to its new model: their data
// classes are those of the index, of its stores and of the workload.
func (c *checker) textsGo(x *Index, w *Workload, m *Model, path []string) {
	own := *w
	own.Data = slices.Concat(w.Data, x.Data)
	for _, end := range []string{x.From, x.To} {
		if s := c.cfg.Stores[end]; s != nil {
			own.Data = append(own.Data, s.Data...)
		}
	}
	var reasons []string
	for _, d := range m.Deployments {
		p := c.cfg.Providers[d.Provider]
		if p == nil {
			return // told already
		}
		class, rule := c.refusal(&own, p)
		if class == "" {
			return
		}
		reasons = append(reasons, fmt.Sprintf("%s: data class %s: %s", d.Provider, class, rule))
	}
	if len(reasons) > 0 {
		c.rep.warnf(c.pos(path...), strings.Join(slices.Compact(reasons), "; "), "%s: the texts of the index %s can never go to %s: their data class excludes every deployment", label(path), x.Name, m.Name)
	}
}
