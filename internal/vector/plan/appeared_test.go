package plan

import (
	"fmt"
	"testing"

	"freehold/internal/vector"
)

// TestNew: what appeared is copied where the plan copies all there was and keeps it
// apart, and is told otherwise.
func TestNew(t *testing.T) {
	spaces := func(names ...string) (out []vector.Namespace) {
		for _, n := range names {
			out = append(out, vector.Namespace{Name: n, Count: 5})
		}
		return out
	}
	apart := vector.Mapping{IDs: vector.KeepIDs}
	flat := vector.Mapping{IDs: vector.UUIDs, Flat: true, KeepNamespace: "_namespace"}
	texts := vector.Mapping{IDs: vector.UUIDTexts, Flat: true, KeepNamespace: "_namespace"}
	one := vector.Mapping{IDs: vector.KeepIDs, Flat: true, KeepNamespace: "_namespace"} // ids would collide
	for _, c := range []struct {
		name       string
		planned    []string
		mapping    vector.Mapping
		namespaces bool // of the target
		most       int  // of them
		more, left string
	}{
		{"a target with namespaces", []string{"", "a"}, apart, true, 0, "[new]", "[]"},
		{"a target with room for two", []string{"", "a"}, apart, true, 2, "[]", "[new]"},
		{"a target with room for three", []string{"", "a"}, apart, true, 3, "[new]", "[]"},
		{"one collection of texts", []string{"", "a"}, texts, false, 0, "[new]", "[]"},
		{"one collection", []string{"", "a"}, flat, false, 0, "[new]", "[]"},
		{"ids kept in one collection", []string{"", "a"}, one, false, 0, "[]", "[new]"},
		{"no namespaces planned, and none in the target", []string{"", "a"}, apart, false, 0, "[]", "[new]"},
		{"some only", []string{"a"}, apart, true, 0, "[]", "[]"},
	} {
		p := Plan{Namespaces: c.planned, Mapping: c.mapping}
		p.Found.Source = vector.Description{Store: "pinecone", Namespaces: spaces("", "a")}
		now := vector.Description{Namespaces: append(spaces("a", "new"), vector.Namespace{Name: "empty"})}
		more, left := p.New(&now, &vector.Limits{Namespace: c.namespaces, Spaces: c.most})
		var names []string
		for _, ns := range left {
			names = append(names, ns.Name)
		}
		if fmt.Sprint(more) != c.more || fmt.Sprint(names) != c.left {
			t.Errorf("%s: %v, left %v", c.name, more, left)
		}
		p.Appeared = more
		if more, _ := p.New(&now, &vector.Limits{Namespace: c.namespaces, Spaces: c.most}); len(more) > 0 {
			t.Errorf("%s: %v again", c.name, more)
		}
		q := p
		q.Appeared = append(q.Appeared, "another")
		if !p.Alike(&q) || len(q.All()) != len(p.All())+1 {
			t.Errorf("%s: plans are apart by what appeared", c.name)
		}
	}
}
