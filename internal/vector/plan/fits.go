package plan

import (
	"fmt"
	"slices"

	"freehold/internal/vector"
)

// Fits refuses a plan that is not of the source as it is now: one that was made of
// another state of it, or that was edited so that it cannot be.
func (p *Plan) Fits(now *vector.Description) error {
	if was := &p.Found.Source; was.Store != "" { // else it was made by hand
		if now.Store != was.Store || now.Name != was.Name {
			return fmt.Errorf("the plan was made of %s %q, and the source is %s %q: plan anew", was.Store, was.Name, now.Store, now.Name)
		}
		for _, v := range slices.Concat(was.Vectors, now.Vectors) {
			if a, b := was.Vector(v.Name), now.Vector(v.Name); a == nil || b == nil || a.Form != b.Form || a.Dim != b.Dim || a.Metric != b.Metric {
				return fmt.Errorf("the source has changed since the plan: its vector %q was %s, and is %s: plan anew", v.Name, specText(a), specText(b))
			}
		}
	}
	for _, ns := range p.Namespaces {
		if !slices.ContainsFunc(now.Namespaces, func(n vector.Namespace) bool { return n.Name == ns }) {
			return fmt.Errorf("the source has no namespace %q: take it out of namespaces, or plan anew", ns)
		}
	}
	for i := range now.Vectors {
		v := &now.Vectors[i]
		if slices.Contains(p.Mapping.DropVectors, v.Name) {
			continue
		}
		name := v.Name
		if to, ok := p.Mapping.Vectors[v.Name]; ok {
			name = to
		}
		switch to := p.Create.Vector(name); {
		case to == nil:
			return fmt.Errorf("create.vectors has no vector %q for the source's %q: add it, name another one in mapping.vectors, or put it into mapping.drop_vectors", name, v.Name)
		case to.Form != v.Form || to.Dim != v.Dim:
			return fmt.Errorf("create.vectors: vector %q is %s, and the source's is %s", name, specText(to), specText(v))
		}
	}
	return nil
}

func specText(v *vector.Spec) string {
	switch {
	case v == nil:
		return "not there"
	case v.Dim == 0:
		return fmt.Sprintf("%s by %s", v.Form, v.Metric)
	}
	return fmt.Sprintf("%s of %d by %s", v.Form, v.Dim, v.Metric)
}
