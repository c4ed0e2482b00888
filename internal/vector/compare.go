package vector

import (
	"fmt"
	"math"
	"slices"
)

// Difference is one way in which a target's record is not what it should be.
type Difference struct {
	Namespace string `json:"namespace,omitempty"`
	ID        string `json:"id"`
	// Source is which record of the source it is, where that is known.
	Source *Origin `json:"source,omitempty"`
	What   string  `json:"what"` // missing, extra, vector NAME, field NAME
	Want   string  `json:"want,omitempty"`
	Got    string  `json:"got,omitempty"`
}

// Origin names a record of the source.
type Origin struct {
	Namespace string `json:"namespace,omitempty"`
	ID        string `json:"id"`
}

// NearDirection is how far a component of a vector of length 1 may be off: what
// is lost when two stores normalise in float32, each in its own way.
const NearDirection = 4e-6

// Near says as what [Differences] compares a vector that need not be the same to the bit,
// "" of one that must.
func (s *Spec) Near() string {
	half := s.Element == "float16"
	switch {
	case s.Normalised && half:
		return "direction, to half precision"
	case s.Normalised:
		return fmt.Sprintf("direction, to %g", NearDirection)
	case half:
		return "numbers, to half precision"
	}
	return ""
}

// Differences compares a record with what it should be. spec is of the target's
// vectors: those that are kept by their direction are compared by that, in float16
// as exactly as that is, all others to the bit, and doubles of a store that rounds
// them to the one beside.
func Differences(want, got *Record, target *Description) []Difference {
	var out []Difference
	add := func(what, w, g string) {
		out = append(out, Difference{Namespace: want.Namespace, ID: want.ID.String(), What: what, Want: w, Got: g})
	}
	for i := range want.Vectors {
		w := &want.Vectors[i]
		g := got.Vector(w.Name)
		if g == nil {
			add("vector "+w.Name, w.String(), "none")
			continue
		}
		if !w.same(g, target.Vector(w.Name)) {
			add("vector "+w.Name, w.String(), g.String())
		}
	}
	for i := range got.Vectors {
		if g := &got.Vectors[i]; want.Vector(g.Name) == nil {
			add("vector "+g.Name, "none", g.String())
		}
	}
	for i, j := 0, 0; i < len(want.Payload) || j < len(got.Payload); {
		switch {
		case j == len(got.Payload) || i < len(want.Payload) && want.Payload[i].Name < got.Payload[j].Name:
			add("field "+want.Payload[i].Name, typed(&want.Payload[i].Value), "none")
			i++
		case i == len(want.Payload) || got.Payload[j].Name < want.Payload[i].Name:
			add("field "+got.Payload[j].Name, "none", typed(&got.Payload[j].Value))
			j++
		default:
			if w, g := &want.Payload[i].Value, &got.Payload[j].Value; !w.Equal(g) && !(target.Rounds && w.beside(g)) {
				wt, gt := apart(w, g)
				add("field "+want.Payload[i].Name, wt, gt)
			}
			i, j = i+1, j+1
		}
	}
	return out
}

// Rounded counts the numbers of a record's fields that a store which rounds doubles
// keeps as the one beside: a filter by their exact value does not find them there.
func Rounded(want, got *Record) (n int) {
	for i := range want.Payload {
		if g, ok := got.Payload.Get(want.Payload[i].Name); ok {
			n += want.Payload[i].Value.rounded(&g)
		}
	}
	return n
}

func (v *Value) rounded(w *Value) (n int) {
	switch {
	case v.kind != w.kind || len(v.list) != len(w.list) || len(v.fields) != len(w.fields):
		return 0
	case v.kind == Float && !v.Equal(w) && v.beside(w):
		return 1
	}
	for i := range v.list {
		n += v.list[i].rounded(&w.list[i])
	}
	for i := range v.fields {
		n += v.fields[i].Value.rounded(&w.fields[i].Value)
	}
	return n
}

// beside reports whether both are the same but for the last bit of doubles.
func (v *Value) beside(w *Value) bool {
	if v.kind != w.kind || len(v.list) != len(w.list) || len(v.fields) != len(w.fields) {
		return false
	}
	switch v.kind {
	case Float:
		x, y := v.Float(), w.Float()
		return x == y || math.Nextafter(x, y) == y
	case List:
		for i := range v.list {
			if !v.list[i].beside(&w.list[i]) {
				return false
			}
		}
		return true
	case Map:
		for i := range v.fields {
			if v.fields[i].Name != w.fields[i].Name || !v.fields[i].Value.beside(&w.fields[i].Value) {
				return false
			}
		}
		return true
	}
	return v.Equal(w)
}

// typed shows a value with its kind, a nested one as JSON.
func typed(v *Value) string { return v.kind.String() + " " + v.shown(0) }

// apart shows two values that differ: of long JSON the part in which they do.
func apart(v, w *Value) (string, string) {
	from := 0
	if v.kind == w.kind && (v.kind == List || v.kind == Map) {
		const before = 20
		a, b := v.runes(), w.runes()
		for from < min(len(a), len(b)) && a[from] == b[from] {
			from++
		}
		from = max(0, from-before)
	}
	return v.kind.String() + " " + v.shown(from), w.kind.String() + " " + w.shown(from)
}

// shown is the value for people, of a nested one the JSON from a place on, if that does
// not fit as a whole.
func (v *Value) shown(from int) string {
	const most = 80
	if v.kind != List && v.kind != Map {
		return v.String()
	}
	text := v.runes()
	if len(text) <= most {
		return string(text)
	}
	out := ""
	if from > 0 {
		out, text = "...", text[from:]
	}
	if len(text) > most {
		return out + string(text[:most]) + "..."
	}
	return out + string(text)
}

func (v *Value) runes() []rune {
	text, err := v.AppendJSON(nil)
	if err != nil { // NaN and infinities have no JSON
		return []rune(v.String())
	}
	return []rune(string(text))
}

func (v *Vector) same(w *Vector, spec *Spec) bool {
	if !slices.Equal(v.Indices, w.Indices) || !slices.Equal(v.Bits, w.Bits) || v.Rows != w.Rows || len(v.Dense) != len(w.Dense) || len(v.Values) != len(w.Values) {
		return false
	}
	near := func(a, b float32) bool { return a == b }
	if spec != nil && spec.Element == "float16" {
		near = func(a, b float32) bool {
			return math.Abs(float64(a-b)) <= math.Max(math.Abs(float64(a)), math.Abs(float64(b)))/1024+6e-8
		}
	}
	if spec != nil && spec.Normalised {
		rows := max(1, v.Rows)
		n := len(v.Dense) / rows
		for r := range rows {
			if !sameDirection(v.Dense[r*n:(r+1)*n], w.Dense[r*n:(r+1)*n], spec.Element == "float16") {
				return false
			}
		}
	} else if !slices.EqualFunc(v.Dense, w.Dense, near) {
		return false
	}
	return slices.EqualFunc(v.Values, w.Values, near)
}

func sameDirection(a, b []float32, half bool) bool {
	la, lb := length(a), length(b)
	if la == 0 || lb == 0 {
		return la == lb
	}
	most := NearDirection
	if half {
		most = 1.0 / 1024
	}
	for i := range a {
		if math.Abs(float64(a[i])/la-float64(b[i])/lb) > most {
			return false
		}
	}
	return true
}

func length(v []float32) float64 {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum)
}

// String shows the vector to people, by its first numbers.
func (v *Vector) String() string {
	const most = 4
	switch {
	case v.Bits != nil:
		return fmt.Sprintf("%d bits", 8*len(v.Bits))
	case v.Indices != nil && v.Dense == nil:
		return fmt.Sprintf("%d of sparse %v %v", len(v.Indices), v.Indices[:min(most, len(v.Indices))], v.Values[:min(most, len(v.Values))])
	case v.Rows > 0:
		return fmt.Sprintf("%d rows of %d %v", v.Rows, len(v.Dense)/v.Rows, v.Dense[:min(most, len(v.Dense))])
	}
	return fmt.Sprintf("%d of %v", len(v.Dense), v.Dense[:min(most, len(v.Dense))])
}
