package plan

import (
	"slices"

	"freehold/internal/vector"
)

// All are the namespaces that are copied: those of the plan, and those that appeared
// during the copy.
func (p *Plan) All() []string { return slices.Concat(p.Namespaces, p.Appeared) }

// New are the namespaces of the source that were not there when the plan was made, where
// it copies all that there were: more are copied, too; left cannot be kept apart in the
// target. Of a plan for some namespaces only there are none.
func (p *Plan) New(now *vector.Description, limits *vector.Limits) (more []string, left []vector.Namespace) {
	if p.Found.Source.Store == "" { // made by hand: it says itself what is copied
		return nil, nil
	}
	for _, was := range p.Found.Source.Namespaces {
		if !slices.Contains(p.Namespaces, was.Name) {
			return nil, nil
		}
	}
	m := &p.Mapping
	apart := m.Flat && (m.IDs == vector.UUIDs || m.IDs == vector.UUIDTexts) && m.KeepNamespace != ""
	for _, ns := range now.Namespaces {
		switch {
		case slices.Contains(p.All(), ns.Name) || ns.Count == 0:
		case apart, limits.Namespace && !m.Flat && (limits.Spaces == 0 || len(p.All())+len(more) < limits.Spaces):
			more = append(more, ns.Name)
		default:
			left = append(left, ns)
		}
	}
	return more, left
}
