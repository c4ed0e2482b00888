package vector

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/google/uuid"
)

// space is the namespace of freehold's UUIDv5 ids. It never changes: with another
// one a second copy would double each record.
var space = uuid.MustParse("6e9f6f0e-6a0c-5b61-9d5c-0f4e3a6f7a11")

// Mapping says how a source's records become a target's.
type Mapping struct {
	// Index is the source's name, from which ids are made where IDs is "uuid".
	Index string `json:"index"`
	// IDs: "keep" them, write them as "text", or make a "uuid" (version 5) of index,
	// namespace and id; "uuid-text" writes that as a text.
	IDs string `json:"ids"`
	// KeepID and KeepNamespace are fields of the payload in which the original id
	// and namespace stay; empty: they do not.
	KeepID        string `json:"keep_id,omitempty"`
	KeepNamespace string `json:"keep_namespace,omitempty"`
	// KeepLength is a field in which the length of the dense vector without a name
	// stays, where the target keeps directions only; empty: it does not.
	KeepLength string `json:"keep_length,omitempty"`
	// Flat: all namespaces become the default one.
	Flat bool `json:"flat,omitempty"`
	// Vectors are the target's names of the source's vectors, where they are others.
	Vectors map[string]string `json:"vectors,omitempty"`
	// DropVectors are vectors, by the source's names, that the target does not get.
	DropVectors []string `json:"drop_vectors,omitempty"`
	// Fields are changes of fields of the payload, by name.
	Fields map[string]FieldChange `json:"fields,omitempty"`
}

// FieldChange is what becomes of a field.
type FieldChange struct {
	// As: "int" makes whole doubles whole numbers, in lists too; "float" the other
	// way round; "drop" leaves the field out.
	As string `json:"as,omitempty"`
	// Name is the field's new name; empty: its old one.
	Name string `json:"name,omitempty"`
}

// The ways to map ids.
const (
	KeepIDs = "keep"
	TextIDs = "text"
	UUIDs   = "uuid"
	// UUIDTexts are for stores that have texts only.
	UUIDTexts = "uuid-text"
)

// The changes of fields.
const (
	AsInt   = "int"
	AsFloat = "float"
	Drop    = "drop"
)

// Check reports what is not right with a mapping by itself.
func (m *Mapping) Check() error {
	if !slices.Contains([]string{KeepIDs, TextIDs, UUIDs, UUIDTexts}, m.IDs) {
		return fmt.Errorf("ids: %q is none of %s, %s, %s, %s", m.IDs, KeepIDs, TextIDs, UUIDs, UUIDTexts)
	}
	taken := map[string]string{m.KeepID: "keep_id", m.KeepNamespace: "keep_namespace"}
	delete(taken, "")
	if m.KeepID != "" && m.KeepID == m.KeepNamespace {
		return fmt.Errorf("keep_id and keep_namespace are both %q", m.KeepID)
	}
	for name, c := range m.Fields {
		if c.As != "" && c.As != AsInt && c.As != AsFloat && c.As != Drop {
			return fmt.Errorf("fields.%s.as: %q is none of int, float, drop", name, c.As)
		}
		if c.Name == "" || c.As == Drop {
			continue
		}
		if other := taken[c.Name]; other != "" {
			return fmt.Errorf("fields.%s becomes %q, as %s does", name, c.Name, other)
		}
		taken[c.Name] = "fields." + name
	}
	return nil
}

// ID is the target's id of a source's record.
func (m *Mapping) ID(namespace string, id ID) ID {
	switch m.IDs {
	case KeepIDs:
		return id
	case TextIDs:
		return IDOf(id.String())
	}
	// The lengths keep what is joined apart: "a/b"+"c" is not "a"+"b/c".
	name := strconv.Itoa(len(m.Index)) + ":" + m.Index + strconv.Itoa(len(namespace)) + ":" + namespace + id.String()
	made := uuid.NewSHA1(space, []byte(name))
	if m.IDs == UUIDTexts {
		return IDOf(made.String())
	}
	return UUIDOf(made)
}

// Kinds are which kinds of ids those of the source become.
func (m *Mapping) Kinds(of []IDKind) []IDKind {
	switch m.IDs {
	case TextIDs, UUIDTexts:
		return []IDKind{TextID}
	case UUIDs:
		return []IDKind{UUIDID}
	}
	return of
}

// Namespace is the target's namespace of a source's.
func (m *Mapping) Namespace(name string) string {
	if m.Flat {
		return ""
	}
	return name
}

// Apply makes a target's record of a source's. An error says why there is none.
// Nothing of r is changed; what need not be changed is shared.
func (m *Mapping) Apply(r *Record) (Record, error) {
	out := Record{ID: m.ID(r.Namespace, r.ID), Namespace: m.Namespace(r.Namespace), Vectors: r.Vectors, Payload: r.Payload}
	if len(m.Vectors)+len(m.DropVectors) > 0 {
		out.Vectors = slices.DeleteFunc(slices.Clone(r.Vectors), func(v Vector) bool { return slices.Contains(m.DropVectors, v.Name) })
		for i := range out.Vectors {
			if name, ok := m.Vectors[out.Vectors[i].Name]; ok {
				out.Vectors[i].Name = name
			}
		}
	}
	if err := m.payload(r, &out); err != nil {
		return Record{}, err
	}
	return out, nil
}

func (m *Mapping) payload(r, out *Record) error {
	if len(m.Fields) == 0 && m.KeepID == "" && m.KeepNamespace == "" && m.KeepLength == "" {
		return nil
	}
	fields := make([]Field, 0, len(r.Payload)+2)
	for _, f := range r.Payload {
		c, ok := m.Fields[f.Name]
		if ok && c.As == Drop {
			continue
		}
		if ok {
			v, err := c.value(f.Value)
			if err != nil {
				return fmt.Errorf("field %s: %w", f.Name, err)
			}
			if f.Value = v; c.Name != "" {
				f.Name = c.Name
			}
		}
		fields = append(fields, f)
	}
	if m.KeepID != "" {
		fields = append(fields, Field{m.KeepID, TextOf(r.ID.String())})
	}
	if m.KeepNamespace != "" {
		fields = append(fields, Field{m.KeepNamespace, TextOf(r.Namespace)})
	}
	if v := r.Vector(""); v != nil && m.KeepLength != "" {
		fields = append(fields, Field{m.KeepLength, FloatOf(rounded(v.length()))})
	}
	n := len(fields)
	out.Payload = NewPayload(fields)
	if len(out.Payload) < n {
		seen := map[string]bool{}
		for _, f := range fields {
			if seen[f.Name] {
				return fmt.Errorf("two fields become one: the payload has a field %q, and another one gets that name", f.Name)
			}
			seen[f.Name] = true
		}
	}
	return nil
}

func (c FieldChange) value(v Value) (Value, error) {
	switch {
	case v.kind == List && (c.As == AsInt || c.As == AsFloat):
		list := make([]Value, len(v.list))
		for i := range v.list {
			x, err := c.value(v.list[i])
			if err != nil {
				return v, err
			}
			list[i] = x
		}
		return ListOf(list), nil
	case v.kind == Float && c.As == AsInt:
		if !v.Whole() {
			return v, fmt.Errorf("%s is no whole number, which the plan says it is", v.String())
		}
		return IntOf(int64(v.Float())), nil
	case v.kind == Int && c.As == AsFloat:
		f := float64(v.Int())
		if int64(f) != v.Int() {
			return v, fmt.Errorf("%s is too large to be a double", v.String())
		}
		return FloatOf(f), nil
	}
	return v, nil
}

// Back makes of a target's record the one that it was made of, with whole numbers as
// the doubles that they were. Fields and vectors that were left out stay out.
func (m *Mapping) Back(r *Record) Record {
	out := Record{ID: r.ID, Namespace: r.Namespace, Vectors: slices.Clone(r.Vectors)}
	old := map[string]string{}
	for was, is := range m.Vectors {
		old[is] = was
	}
	for i := range out.Vectors {
		if was, ok := old[out.Vectors[i].Name]; ok {
			out.Vectors[i].Name = was
		}
	}
	clear(old)
	for was, c := range m.Fields {
		if c.Name != "" {
			old[c.Name] = was
		}
	}
	fields := make([]Field, 0, len(r.Payload))
	for _, f := range r.Payload {
		switch f.Name {
		case "":
		case m.KeepID:
			out.ID = IDOf(f.Value.Text())
			continue
		case m.KeepNamespace:
			out.Namespace = f.Value.Text()
			continue
		case m.KeepLength:
			if v := out.Vector(""); v != nil {
				v.stretch(f.Value.Float())
			}
			continue
		}
		if was, ok := old[f.Name]; ok {
			f.Name = was
		}
		switch m.Fields[f.Name].As {
		case AsInt:
			f.Value = f.Value.as(Float)
		case AsFloat:
			f.Value = f.Value.as(Int)
		}
		fields = append(fields, f)
	}
	out.Payload = NewPayload(fields)
	return out
}

// length is the euclidean length of a dense vector.
func (v *Vector) length() float64 {
	if v.Length > 0 {
		return v.Length
	}
	var sum float64
	for _, x := range v.Dense {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum)
}

// rounded keeps 12 digits, which no store loses and no arithmetic moves.
func rounded(f float64) float64 {
	out, err := strconv.ParseFloat(strconv.FormatFloat(f, 'g', 12, 64), 64)
	if err != nil { // it is too large, or no number
		return f
	}
	return out
}

// stretch makes a dense vector as long as it was; what it shares stays as it is.
func (v *Vector) stretch(to float64) {
	is := v.length()
	if is == 0 || rounded(is) == to {
		return
	}
	out := make([]float32, len(v.Dense))
	for i, x := range v.Dense {
		out[i] = float32(float64(x) / is * to)
	}
	v.Dense, v.Length = out, to
}

// as is a number, or a list of them, as another kind of number.
func (v Value) as(k Kind) Value {
	switch {
	case v.kind == List:
		list := make([]Value, len(v.list))
		for i := range v.list {
			list[i] = v.list[i].as(k)
		}
		return ListOf(list)
	case v.kind == Int && k == Float:
		return FloatOf(float64(v.Int()))
	case v.kind == Float && k == Int:
		return IntOf(int64(v.Float()))
	}
	return v
}

// Filter is a filter of the source's records as one of the target's, in a namespace
// of the source.
func (m *Mapping) Filter(namespace string, f *Filter) *Filter {
	var all []Filter
	if m.Flat && m.KeepNamespace != "" {
		all = append(all, Filter{Op: Eq, Field: m.KeepNamespace, Value: TextOf(namespace)})
	}
	if f != nil {
		all = append(all, m.renamed(f))
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return &all[0]
	}
	return &Filter{Op: And, Of: all}
}

func (m *Mapping) renamed(f *Filter) Filter {
	out := *f
	if c, ok := m.Fields[f.Field]; ok && c.Name != "" {
		out.Field = c.Name
	}
	out.Of = make([]Filter, len(f.Of))
	for i := range f.Of {
		out.Of[i] = m.renamed(&f.Of[i])
	}
	return out
}

// Refuse says why a target cannot hold a record, "" where it can.
func (l *Limits) Refuse(r *Record) string {
	if !slices.Contains(l.IDs, r.ID.Kind()) {
		return fmt.Sprintf("its id is a %s", r.ID.Kind())
	}
	if l.TextID > 0 && r.ID.Kind() == TextID && len(r.ID.text) > l.TextID {
		return fmt.Sprintf("its id has %d bytes, and %d is the most", len(r.ID.text), l.TextID)
	}
	if !l.Namespace && r.Namespace != "" {
		return "it is in a namespace"
	}
	if l.Payload > 0 {
		size, about := l.PayloadSize, ""
		if size == nil {
			size, about = Payload.Size, "about "
		}
		if n := size(r.Payload); n > l.Payload {
			return fmt.Sprintf("its payload has %s%d bytes, and %d is the most", about, n, l.Payload)
		}
	}
	for i := range r.Vectors {
		v := &r.Vectors[i]
		if l.Positive && slices.ContainsFunc(v.Values, func(x float32) bool { return x < 0 }) {
			return fmt.Sprintf("vector %q has values below 0", v.Name)
		}
		if l.Vector == nil {
			continue
		}
		if why := l.Vector(v); why != "" {
			return fmt.Sprintf("vector %q %s", v.Name, why)
		}
	}
	for i := range r.Payload {
		if l.Field != nil && !l.Field(r.Payload[i].Name) {
			return "field " + r.Payload[i].Name + " has no column"
		}
		if why := l.refuse(&r.Payload[i].Value, true); why != "" {
			return "field " + r.Payload[i].Name + " " + why
		}
	}
	return ""
}

func (l *Limits) refuse(v *Value, top bool) string {
	switch v.kind {
	case Null:
		if !l.Nulls {
			return "is null"
		}
	case Int:
		if !l.Integers && int64(float64(v.Int())) != v.Int() {
			return "is a whole number that no double is"
		}
	case Map:
		if !l.Nested {
			return "is a map"
		}
		for i := range v.fields {
			if why := l.refuse(&v.fields[i].Value, false); why != "" {
				return why
			}
		}
	case List:
		for i := range v.list {
			if !l.Nested && (!top || v.list[i].kind != Text) {
				return "is a list of other things than texts"
			}
			if why := l.refuse(&v.list[i], false); why != "" {
				return why
			}
		}
	}
	return ""
}
