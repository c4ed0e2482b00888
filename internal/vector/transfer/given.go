package transfer

import (
	"fmt"
	"iter"
	"slices"

	"freehold/internal/vector"
)

// GivenReport holds what a source was read of, by ids that were given, against what it
// says it has: ids that nobody gave are not found in any other way.
type GivenReport struct {
	IDs     int64    `json:"ids"`             // that were given, each counted once
	Nowhere int64    `json:"nowhere"`         // those that are in no namespace
	Some    []string `json:"some,omitempty"`  // of these, the first
	Read    int64    `json:"read"`            // records
	Has     int64    `json:"has"`             // that the source says of itself, in all namespaces
	Short   []Short  `json:"short,omitempty"` // namespaces of which fewer were read
}

// Short is a namespace of the source that has records whose ids were not given.
type Short struct {
	Namespace string `json:"namespace"`
	Read      int64  `json:"read"`
	Has       int64  `json:"has"`
}

// Whole reports whether each id is one of a record, and each record's id was given.
func (g *GivenReport) Whole() bool { return g == nil || g.Nowhere == 0 && len(g.Short) == 0 }

// given are ids that were given, and which of them were found. nil: a source lists them.
type given struct {
	ids     iter.Seq2[string, error]
	numbers []uint64 // that stand for them, sorted
	found   []bool
	read    map[string]int64 // records, by namespace
}

func givenOf(s vector.Source) (*given, error) {
	from, ok := s.(vector.Given)
	if !ok || from.Given() == nil {
		return nil, nil
	}
	g := &given{ids: from.Given(), read: map[string]int64{}}
	for id, err := range g.ids {
		if err != nil {
			return nil, fmt.Errorf("the ids that are given: %w", err)
		}
		g.numbers = append(g.numbers, numberOf(id))
	}
	slices.Sort(g.numbers)
	g.numbers = slices.Compact(g.numbers)
	g.found = make([]bool, len(g.numbers))
	return g, nil
}

func numberOf(id string) uint64 {
	_, _, n := hashOf(vector.IDOf(id))
	return n
}

// add notes records that were read, of one namespace.
func (g *given) add(records []vector.Record) {
	if g == nil {
		return
	}
	g.read[records[0].Namespace] += int64(len(records))
	for i := range records {
		if at, ok := slices.BinarySearch(g.numbers, numberOf(records[i].ID.String())); ok {
			g.found[at] = true
		}
	}
}

// report names as many ids as most.
func (g *given) report(source *vector.Description, namespaces []string, most int) (*GivenReport, error) {
	if g == nil {
		return nil, nil
	}
	out := &GivenReport{IDs: int64(len(g.numbers))}
	for _, ns := range source.Namespaces {
		if !slices.Contains(namespaces, ns.Name) {
			continue
		}
		read := g.read[ns.Name]
		out.Read, out.Has = out.Read+read, out.Has+ns.Count
		if read < ns.Count {
			out.Short = append(out.Short, Short{Namespace: ns.Name, Read: read, Has: ns.Count})
		}
	}
	if !slices.Contains(g.found, false) {
		return out, nil
	}
	for id, err := range g.ids {
		if err != nil {
			return nil, fmt.Errorf("the ids that are given: %w", err)
		}
		at, ok := slices.BinarySearch(g.numbers, numberOf(id))
		if !ok || g.found[at] {
			continue // it was given since, or found
		}
		g.found[at] = true // it is told once
		if out.Nowhere++; len(out.Some) < most {
			out.Some = append(out.Some, id)
		}
	}
	return out, nil
}
