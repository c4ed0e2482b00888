package milvus

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"freehold/internal/vector"
)

// Facts of a collection.
const (
	FactVersion      = "version" // of the server
	FactAlias        = "alias"   // by which the collection was named
	FactAliases      = "aliases" // all of them
	FactShards       = "shards"
	FactPartitionKey = "partition_key"
	FactAutoID       = "auto_id"
	FactDynamic      = "dynamic_fields"
	// FactMade are vectors that the server makes of a text (BM25): they are not copied,
	// since they can be neither read nor written.
	FactMade  = "made_by_functions"
	FactIndex = "index." // NAME: the type of a vector's index
)

// Describe reads the collection's schema and indexes, and counts its records.
func (s *Store) Describe(ctx context.Context) (*vector.Description, error) {
	found, err := s.lookAgain(ctx)
	if err == nil {
		err = s.ready(ctx, found)
	}
	if err != nil {
		return nil, err
	}
	version, err := s.serverVersion(ctx)
	if err != nil {
		return nil, err
	}
	d := &vector.Description{
		Store: "milvus", Name: found.name, IDs: []vector.IDKind{found.ids()},
		Facts: map[string]string{FactVersion: version, FactDynamic: strconv.FormatBool(found.dynamic)},
	}
	for i := range found.vectors {
		v := &found.vectors[i]
		d.Vectors = append(d.Vectors, v.Spec)
		d.Facts[FactIndex+v.Name] = v.index
	}
	slices.SortFunc(d.Vectors, func(a, b vector.Spec) int { return strings.Compare(a.Name, b.Name) })
	d.Fields = append(d.Fields, vector.FieldSpec{Name: found.key.name, Type: found.key.words() + primaryKey})
	for i := range found.columns {
		f := vector.FieldSpec{Name: found.columns[i].name, Type: found.columns[i].words()}
		if f.Name == found.by {
			f.Type += partitionKey
		}
		d.Fields = append(d.Fields, f)
	}
	found.facts(d.Facts, s.options.Collection)
	d.Namespaces, err = s.namespaces(ctx, found)
	return d, err
}

func (s *schema) facts(facts map[string]string, asked string) {
	set := func(name, value string) {
		if value != "" {
			facts[name] = value
		}
	}
	set(FactPartitionKey, s.by)
	set(FactMade, strings.Join(s.made, ", "))
	set(FactAliases, strings.Join(slices.Sorted(slices.Values(s.about.GetAliases())), ", "))
	if s.name != asked {
		facts[FactAlias] = asked
	}
	if n := s.about.GetShards(); n > 0 {
		facts[FactShards] = strconv.Itoa(int(n))
	}
	if s.key.auto {
		facts[FactAutoID] = "true"
	}
}

// namespaces counts each. Those without records are none.
func (s *Store) namespaces(ctx context.Context, found *schema) ([]vector.Namespace, error) {
	names := []string{""}
	switch own := s.options.Namespace; {
	case own != nil:
		names = []string{*own}
	case found.by == "":
		all, err := s.listPartitions(ctx, found)
		if err != nil {
			return nil, err
		}
		names = names[:0]
		for _, p := range all {
			names = append(names, namespaceOf(p))
		}
		slices.Sort(names)
	}
	var out []vector.Namespace
	for _, name := range names {
		n, err := s.Count(ctx, name)
		if err != nil {
			return nil, err
		}
		if n > 0 {
			out = append(out, vector.Namespace{Name: name, Count: n})
		}
	}
	if len(out) == 0 {
		out = []vector.Namespace{{Name: names[0]}}
	}
	return out, nil
}
