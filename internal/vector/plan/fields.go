package plan

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"freehold/internal/vector"
)

// fieldsOf is what fields a sample has, by name.
func fieldsOf(sample []vector.Record) []Field {
	all := map[string]*Field{}
	for i := range sample {
		for j := range sample[i].Payload {
			f := &sample[i].Payload[j]
			x := all[f.Name]
			if x == nil {
				x = &Field{Name: f.Name, Kinds: map[string]int{}}
				all[f.Name] = x
			}
			x.Kinds[f.Value.Kind().String()]++
			if f.Value.Whole() {
				x.Whole++
			}
		}
	}
	out := []Field{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out = append(out, *all[name])
	}
	return out
}

// decide says how ids, namespaces and fields become the target's.
func (p *Plan) decide(source *vector.Description, limits *vector.Limits, sample []vector.Record) {
	m := &p.Mapping
	m.Index, m.IDs = source.Name, vector.KeepIDs
	several := len(p.Namespaces) > 1 || len(p.Namespaces) == 1 && p.Namespaces[0] != ""
	m.Flat = several && (!limits.Namespace || limits.Spaces > 0 && len(p.Namespaces) > limits.Spaces)
	kinds := kindsOf(source, sample)
	fits := !limits.OneID || len(kinds) <= 1
	for _, k := range kinds {
		fits = fits && slices.Contains(limits.IDs, k)
	}
	texts, uuids := slices.Contains(limits.IDs, vector.TextID), slices.Contains(limits.IDs, vector.UUIDID)
	switch {
	case m.Flat && len(p.Namespaces) > 1 || !fits && !texts:
		m.IDs, m.KeepID = vector.UUIDs, p.free("_id")
		if texts && !uuids {
			m.IDs = vector.UUIDTexts
		}
	case !fits:
		m.IDs = vector.TextIDs
	}
	p.Create.IDs = m.Kinds(kinds)
	if m.Flat {
		m.KeepNamespace = p.free("_namespace")
	}
	m.Fields = map[string]vector.FieldChange{}
	for i := range p.Found.Fields {
		f := &p.Found.Fields[i]
		if f.As, f.Why = f.becomes(source, limits); f.As != "" {
			m.Fields[f.Name] = vector.FieldChange{As: f.As}
		}
	}
}

// kindsOf is which kinds of ids the source can have and those of the sample are of.
func kindsOf(source *vector.Description, sample []vector.Record) []vector.IDKind {
	kinds := slices.Clone(source.IDs)
	for i := range sample {
		if k := sample[i].ID.Kind(); !slices.Contains(kinds, k) {
			kinds = append(kinds, k)
		}
	}
	slices.Sort(kinds)
	return kinds
}

// free is a name that no field of the sample has.
func (p *Plan) free(name string) string {
	for slices.ContainsFunc(p.Found.Fields, func(f Field) bool { return f.Name == name }) {
		name = "_freehold" + name
	}
	return name
}

// becomes decides the type of a field's numbers. A store that has doubles only does
// not say which were whole numbers; a field of which each is one is taken for one,
// and a later one that is not is refused, not rounded.
func (f *Field) becomes(source *vector.Description, limits *vector.Limits) (as, why string) {
	doubles, ints := f.Kinds[vector.Float.String()], f.Kinds[vector.Int.String()]
	switch {
	case !limits.Integers && ints > 0:
		return vector.AsFloat, "the target has doubles only"
	case limits.Integers && source.Store == "pinecone" && doubles > 0 && f.Whole == doubles:
		return vector.AsInt, fmt.Sprintf("all of %d are whole numbers; Pinecone keeps doubles only", doubles)
	case limits.Integers && source.Store == "pinecone" && f.Whole > 0:
		return "", fmt.Sprintf("%d of %d are whole numbers, so they stay doubles", f.Whole, doubles)
	}
	return "", ""
}

// losses says what of the sample the target will not have.
func (p *Plan) losses(limits *vector.Limits, sample []vector.Record) {
	counts := map[string]int{}
	for i := range sample {
		r, err := p.Mapping.Apply(&sample[i])
		if err != nil {
			counts[err.Error()]++
			continue
		}
		if why := limits.Refuse(&r); why != "" {
			counts[why]++
		}
		for j := range r.Vectors {
			to := p.Create.Vector(r.Vectors[j].Name)
			if to == nil {
				counts[fmt.Sprintf("the target has no place for vector %q", r.Vectors[j].Name)]++
				continue
			}
			if why := outside(&r.Vectors[j], to); why != "" {
				counts[why]++
			}
		}
		for j := range p.Create.Vectors {
			name := p.Create.Vectors[j].Name
			if embedded := p.Embed != nil && p.Embed.Vector == name; limits.Whole && r.Vector(name) == nil && !embedded {
				counts[fmt.Sprintf("they have no vector %q, and the target wants all of each record", name)]++
			}
		}
	}
	for why, n := range counts {
		p.Found.Losses = append(p.Found.Losses, Loss{What: "records", Why: why, Share: float64(n) / float64(len(sample)), Refused: true})
	}
	if n := doubles(sample); n > 0 && limits.Rounds {
		p.Found.Losses = append(p.Found.Losses, Loss{What: "last bit of doubles", Why: "the target reads about one of ten as the double beside it; to compare them by == may fail", Share: float64(n) / float64(len(sample))})
	}
	for name, c := range p.Mapping.Fields {
		if c.As == vector.Drop {
			p.Found.Losses = append(p.Found.Losses, Loss{What: "field " + name, Why: "the plan drops it"})
		}
	}
	slices.SortFunc(p.Found.Losses, func(a, b Loss) int {
		return cmp.Or(cmp.Compare(b.Share, a.Share), cmp.Compare(a.What, b.What), cmp.Compare(a.Why, b.Why))
	})
}

// collisions names records of the sample whose ids become one with others of the source.
func (p *Plan) collisions(ctx context.Context, s vector.Source, kinds []vector.IDKind, sample []vector.Record) error {
	n, first := 0, ""
	for len(sample) > 0 { // which is by namespaces
		end := 1
		for end < len(sample) && sample[end].Namespace == sample[0].Namespace {
			end++
		}
		of := sample[:end]
		sample = sample[end:]
		found, err := p.Mapping.Collisions(ctx, s, kinds, of)
		if err != nil {
			return fmt.Errorf("the source: %w", err)
		}
		n += len(found)
		for i := range of {
			if first == "" {
				first = found[of[i].ID]
			}
		}
	}
	if n > 0 {
		p.Found.Losses = slices.Insert(p.Found.Losses, 0, Loss{What: "records with colliding ids", Why: "neither of two is copied; the first: " + first, Share: float64(n) / float64(p.Found.Sampled), Refused: true})
	}
	return nil
}

// create is the collection that the copy makes, or that is there.
func (p *Plan) create(name string, source, target *vector.Description, limits *vector.Limits, sample []vector.Record) {
	var kept []vector.Spec
	for _, v := range source.Vectors {
		if !slices.Contains(limits.Forms, v.Form) {
			p.drop(&v, fmt.Sprintf("the target has no %s vectors", v.Form))
			continue
		}
		v.Normalised, v.Assumed = false, false // that is the target's to say
		kept = append(kept, v)
	}
	if target != nil {
		p.Create = vector.Description{Store: target.Store, Name: target.Name, Vectors: target.Vectors, Fields: target.Fields, IDs: target.IDs}
		if !limits.Named && len(kept) == 1 && len(target.Vectors) == 1 && target.Vector(kept[0].Name) == nil {
			p.Mapping.Vectors = map[string]string{kept[0].Name: target.Vectors[0].Name}
		}
		return
	}
	p.Create.Name, p.Create.Vectors = name, kept
	if scheme(p.From) == scheme(p.To) { // types of fields are in a store's own words
		p.Create.Fields = source.Fields
	}
	if limits.Column != nil {
		p.columns(limits, sample)
	}
	if !limits.Named && len(kept) == 1 && kept[0].Form == vector.Dense && kept[0].Name != "" {
		p.Mapping.Vectors = map[string]string{kept[0].Name: ""}
		kept[0].Name = ""
	}
	if !limits.Named && len(kept) > 1 {
		for i := range kept[1:] {
			p.drop(&kept[1+i], "the target has one vector for each record")
		}
		p.Create.Vectors = kept[:1]
	}
}

// columns are those that a target makes of the sample's fields. An index that the source
// has of a field stays with it.
func (p *Plan) columns(limits *vector.Limits, sample []vector.Record) {
	values := map[string][]vector.Value{}
	for i := range sample {
		r, err := p.Mapping.Apply(&sample[i])
		if err != nil {
			continue // it is told among the losses
		}
		for _, f := range r.Payload {
			values[f.Name] = append(values[f.Name], f.Value)
		}
	}
	had := p.Create.Fields
	p.Create.Fields = nil
	for _, name := range slices.Sorted(maps.Keys(values)) {
		kind := limits.Column(name, values[name])
		if kind == "" {
			continue
		}
		indexed := slices.ContainsFunc(had, func(f vector.FieldSpec) bool { return f.Name == name && f.Indexed })
		p.Create.Fields = append(p.Create.Fields, vector.FieldSpec{Name: name, Type: kind, Indexed: indexed})
	}
}

// scheme is which kind of store a URL names.
func scheme(url string) string {
	s, _, _ := strings.Cut(url, ":")
	return s
}

// doubles counts records with numbers of so many digits that reading them as JSON may
// round them.
func doubles(sample []vector.Record) (n int) {
	for i := range sample {
		for _, f := range sample[i].Payload {
			if f.Value.Kind() == vector.Float && len(strconv.FormatFloat(f.Value.Float(), 'g', -1, 64)) > 16 {
				n++
				break
			}
		}
	}
	return n
}

// drop leaves a vector out.
func (p *Plan) drop(v *vector.Spec, why string) {
	p.Mapping.DropVectors = append(p.Mapping.DropVectors, v.Name)
	p.Found.Losses = append(p.Found.Losses, Loss{What: fmt.Sprintf("vector %q", v.Name), Why: why, Share: 1})
}
