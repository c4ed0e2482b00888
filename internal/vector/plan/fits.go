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
	return p.Places(now)
}

// Places refuses a plan that has no place for one of the source's vectors.
func (p *Plan) Places(now *vector.Description) error {
	for i := range now.Vectors {
		v := &now.Vectors[i]
		if slices.Contains(p.Mapping.DropVectors, v.Name) {
			continue
		}
		name := p.place(v.Name)
		switch to := p.Create.Vector(name); {
		case to == nil && p.Found.Source.Store != "" && p.Found.Lacking[v.Name] == p.Found.Sampled: // should a record have one, it is refused
		case to == nil && p.Found.Target != nil:
			return fmt.Errorf("the target is there, and has no vector %q for the source's %q: copy into another collection, name another vector in mapping.vectors, or put it into mapping.drop_vectors", name, v.Name)
		case to == nil:
			return fmt.Errorf("create.vectors has no vector %q for the source's %q: add it, name another one in mapping.vectors, or put it into mapping.drop_vectors", name, v.Name)
		case to.Form == v.Form && (to.Dim == v.Dim || p.Found.Target != nil && (to.Dim == 0 || v.Dim == 0)): // a table may take any, and an empty one not know yet
		case p.Found.Target != nil:
			return fmt.Errorf("the target is there, and its vector %q is %s, where the source's is %s: copy into another collection, or put it into mapping.drop_vectors", name, specText(to), specText(v))
		default:
			return fmt.Errorf("create.vectors: vector %q is %s, and the source's is %s", name, specText(to), specText(v))
		}
	}
	return nil
}

// place is the target's name of a vector of the source.
func (p *Plan) place(name string) string {
	if to, ok := p.Mapping.Vectors[name]; ok {
		return to
	}
	return name
}

// Measures refuses a collection that is there and measures by another metric, unless the
// plan says that it may.
func (p *Plan) Measures() error {
	if p.Found.Target == nil || p.AllowMetric {
		return nil
	}
	for i := range p.Found.Source.Vectors {
		v := &p.Found.Source.Vectors[i]
		if to := p.Create.Vector(p.place(v.Name)); !slices.Contains(p.Mapping.DropVectors, v.Name) && otherMetric(v, to) {
			return fmt.Errorf("the target is there, and measures its vector %q by %s, where the source does by %s: what is nearest there is not what is nearest here. Copy into a collection by %s, or set allow_metric: true in the plan", to.Name, to.Metric, v.Metric, v.Metric)
		}
	}
	return nil
}

// otherMetric reports whether both are known, and differ.
func otherMetric(v, to *vector.Spec) bool {
	return to != nil && !v.Assumed && !to.Assumed && v.Metric != "" && to.Metric != "" && v.Metric != to.Metric
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
