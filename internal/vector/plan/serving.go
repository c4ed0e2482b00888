package plan

import (
	"slices"

	"freehold/internal/vector"
)

// Serve changes the plan so that whatever applications write tomorrow comes back as it
// was, not only what is there today: any id, any namespace, any number. source is an
// index of Pinecone's, whose ids are texts.
func (p *Plan) Serve(limits *vector.Limits) {
	m := &p.Mapping
	m.Flat = !limits.Namespace || limits.Spaces > 0
	texts, uuids := slices.Contains(limits.IDs, vector.TextID), slices.Contains(limits.IDs, vector.UUIDID)
	const longest = 512 * 4 // bytes of an id of Pinecone's
	switch {
	case !m.Flat && texts && (limits.TextID == 0 || limits.TextID >= longest):
		m.IDs, m.KeepID = vector.KeepIDs, ""
	case uuids:
		m.IDs, m.KeepID = vector.UUIDs, p.free("_id")
	default:
		m.IDs, m.KeepID = vector.UUIDTexts, p.free("_id")
	}
	if m.KeepNamespace = ""; m.Flat {
		m.KeepNamespace = p.free("_namespace")
		if scheme(p.To) == "qdrant" && p.Found.Target == nil { // each query asks for it
			p.Create.Fields = append(p.Create.Fields, vector.FieldSpec{Name: m.KeepNamespace, Type: "keyword", Indexed: true})
		}
	}
	// An application may write 2003.5 tomorrow where all numbers are whole today. Filters
	// compare by size all the same.
	for name, c := range m.Fields {
		if c.As == vector.AsInt {
			c.As = ""
		}
		if m.Fields[name] = c; c == (vector.FieldChange{}) {
			delete(m.Fields, name)
		}
	}
	// A vector that no record has and that the target could not leave out is left to be
	// refused, should one come: never dropped in silence.
	none := func(name string) bool { return p.Found.Lacking[name] == p.Found.Sampled }
	m.DropVectors = slices.DeleteFunc(m.DropVectors, none)
	if limits.Whole && p.Found.Target == nil {
		p.Create.Vectors = slices.DeleteFunc(p.Create.Vectors, func(v vector.Spec) bool { return v.Form == vector.Sparse && none(v.Name) })
	}
	p.Create.IDs = m.Kinds([]vector.IDKind{vector.TextID})
}

// Whole says why records cannot be served as they were, "" where they can.
func (p *Plan) Whole() string {
	m := &p.Mapping
	switch {
	case (m.IDs == vector.UUIDs || m.IDs == vector.UUIDTexts) && m.KeepID == "":
		return "the plan makes UUIDs of ids and keeps the ids nowhere"
	case m.Flat && m.KeepNamespace == "":
		return "the plan puts all namespaces into one and keeps their names nowhere"
	case len(m.DropVectors) > 0:
		return "the plan leaves a vector out"
	}
	for name, c := range m.Fields {
		if c.As == vector.Drop {
			return "the plan leaves the field " + name + " out"
		}
	}
	return ""
}
