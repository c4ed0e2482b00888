package pgvector

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"freehold/internal/vector"
)

// value reads a vector in the extension's binary format.
func (v *vectorColumn) value(b []byte) (vector.Vector, error) {
	out := vector.Vector{Name: v.spec.Name}
	if len(b) < 4 {
		return out, errShort
	}
	switch v.base {
	case "vector", "halfvec": // numbers, 0, and then they
		n, size := int(binary.BigEndian.Uint16(b)), 4
		if v.base == "halfvec" {
			size = 2
		}
		if b = b[4:]; len(b) != size*n {
			return out, errShort
		}
		out.Dense = make([]float32, n)
		if size == 4 {
			for i := range out.Dense {
				out.Dense[i] = math.Float32frombits(binary.BigEndian.Uint32(b[4*i:]))
			}
			return out, nil
		}
		for i := range out.Dense {
			out.Dense[i] = fromHalf(binary.BigEndian.Uint16(b[2*i:]))
		}
	case "sparsevec": // dimension, numbers, 0, indices, numbers
		if len(b) < 12 {
			return out, errShort
		}
		n := int(binary.BigEndian.Uint32(b[4:]))
		if b = b[12:]; len(b) != 8*n {
			return out, errShort
		}
		out.Indices, out.Values = make([]uint32, n), make([]float32, n)
		for i := range n {
			out.Indices[i] = binary.BigEndian.Uint32(b[4*i:])
			out.Values[i] = math.Float32frombits(binary.BigEndian.Uint32(b[4*(n+i):]))
		}
	default: // bits, and then they
		if n := int(binary.BigEndian.Uint32(b)); len(b) != 4+(n+7)/8 {
			return out, errShort
		}
		out.Bits = slices.Clone(b[4:])
	}
	return out, nil
}

// refuse says why the column cannot hold a vector as it is.
func (v *vectorColumn) refuse(x *vector.Vector) string {
	name := "the vector"
	if x.Name != "" {
		name = fmt.Sprintf("vector %q", x.Name)
	}
	switch {
	case x.Rows > 0:
		return name + " is of several rows, which pgvector has not"
	case v.spec.Form == vector.Dense && x.Dense == nil, v.spec.Form == vector.Sparse && x.Indices == nil, v.spec.Form == vector.Binary && x.Bits == nil:
		return fmt.Sprintf("%s is not %s, as column %q is", name, v.spec.Form, v.name)
	case v.spec.Form == vector.Dense && v.spec.Dim > 0 && len(x.Dense) != v.spec.Dim:
		return fmt.Sprintf("%s has %d numbers, and column %q has %d", name, len(x.Dense), v.name, v.spec.Dim)
	case v.spec.Form == vector.Dense && (len(x.Dense) == 0 || len(x.Dense) > maxDim):
		return fmt.Sprintf("%s has %d numbers, and pgvector has 1 to %d", name, len(x.Dense), maxDim)
	case v.spec.Form == vector.Binary && len(x.Bits) != (v.spec.Dim+7)/8:
		return fmt.Sprintf("%s has %d bits, and column %q has %d", name, 8*len(x.Bits), v.name, v.spec.Dim)
	}
	if rest := v.spec.Dim % 8; v.spec.Form == vector.Binary && rest > 0 && x.Bits[len(x.Bits)-1]<<rest != 0 {
		return fmt.Sprintf("%s has bits set behind the %d of column %q", name, v.spec.Dim, v.name)
	}
	for i, f := range x.Dense {
		if f-f != 0 || v.base == "halfvec" && math.Abs(float64(f)) >= 65520 {
			return fmt.Sprintf("%s has %v at place %d, which a %s cannot hold", name, f, i, v.base)
		}
	}
	for i, f := range x.Values {
		if f-f != 0 {
			return fmt.Sprintf("%s has %v at index %d", name, f, x.Indices[i])
		}
	}
	if why := noSparse(x, v.sparse()); why != "" {
		return name + " " + why
	}
	return ""
}

// noSparse says why no sparsevec of a width can hold a vector.
func noSparse(x *vector.Vector, width uint32) string {
	switch {
	case x.Indices == nil:
	case len(x.Indices) > maxDim:
		return fmt.Sprintf("has more than %d numbers, which no sparsevec has", maxDim)
	case slices.ContainsFunc(x.Indices, func(i uint32) bool { return i >= width }):
		return fmt.Sprintf("has an index above %d, at which the sparsevec ends", width-1)
	case slices.Contains(x.Values, 0):
		return "has a number that is 0, which a sparsevec does not keep"
	}
	return ""
}

// sparse is what the indices of a sparse vector are below.
func (v *vectorColumn) sparse() uint32 {
	if v.width > 0 {
		return v.width
	}
	return maxSparse
}

// append appends a vector in the extension's binary format.
func (v *vectorColumn) append(b []byte, x *vector.Vector) []byte {
	switch v.base {
	case "vector":
		b = binary.BigEndian.AppendUint32(b, uint32(len(x.Dense))<<16)
		at := len(b)
		b = append(b, make([]byte, 4*len(x.Dense))...)
		for i, f := range x.Dense {
			binary.BigEndian.PutUint32(b[at+4*i:], math.Float32bits(f))
		}
	case "halfvec":
		b = binary.BigEndian.AppendUint32(b, uint32(len(x.Dense))<<16)
		for _, f := range x.Dense {
			b = binary.BigEndian.AppendUint16(b, toHalf(f))
		}
	case "sparsevec":
		b = binary.BigEndian.AppendUint32(b, v.sparse())
		b = binary.BigEndian.AppendUint32(b, uint32(len(x.Indices)))
		b = binary.BigEndian.AppendUint32(b, 0)
		for _, i := range x.Indices {
			b = binary.BigEndian.AppendUint32(b, i)
		}
		for _, f := range x.Values {
			b = binary.BigEndian.AppendUint32(b, math.Float32bits(f))
		}
	default:
		b = binary.BigEndian.AppendUint32(b, uint32(v.spec.Dim))
		b = append(b, x.Bits...)
	}
	return b
}

// typed is the type in SQL; dim 0: without one.
func (v *vectorColumn) typed(schema string) string {
	name := v.base
	if name != "bit" {
		name = schema + "." + quote(name)
	}
	switch {
	case v.base == "sparsevec":
		return fmt.Sprintf("%s(%d)", name, v.sparse())
	case v.spec.Dim > 0:
		return fmt.Sprintf("%s(%d)", name, v.spec.Dim)
	}
	return name
}

// operators are those of the metrics, and of operator classes the middle.
var operators = map[vector.Metric]struct{ sql, class string }{
	vector.Euclid: {"<->", "l2"}, vector.Dot: {"<#>", "ip"}, vector.Cosine: {"<=>", "cosine"}, vector.Manhattan: {"<+>", "l1"},
	vector.Hamming: {"<~>", "hamming"}, vector.Jaccard: {"<%>", "jaccard"},
}

// score is a distance of pgvector's as a score.
func score(m vector.Metric, distance float64) float64 {
	switch m {
	case vector.Cosine:
		return 1 - distance
	case vector.Dot:
		return -distance
	}
	return distance
}

// toHalf rounds to the nearest number of 16 bits, of two equally near to the even one.
func toHalf(f float32) uint16 {
	bits := math.Float32bits(f)
	sign, rest := uint16(bits>>16)&0x8000, bits&0x7fffffff
	switch {
	case rest >= 0x477ff000: // 65520 and above
		return sign | 0x7c00
	case rest >= 0x38800000: // normal
		rest -= 112 << 23
		return sign | uint16((rest+0xfff+rest>>13&1)>>13)
	case rest < 0x33000000: // below half of the least
		return sign
	}
	shift := 126 - rest>>23
	whole := rest&0x7fffff | 0x800000
	half, low := whole>>shift, whole&(1<<shift-1)
	if mid := uint32(1) << (shift - 1); low > mid || low == mid && half&1 == 1 {
		half++
	}
	return sign | uint16(half)
}

func fromHalf(h uint16) float32 {
	sign, exp, frac := uint32(h&0x8000)<<16, uint32(h>>10&0x1f), uint32(h&0x3ff)
	switch exp {
	case 0:
		f := float32(frac) / (1 << 24)
		if sign != 0 {
			return -f
		}
		return f
	case 31:
		return math.Float32frombits(sign | 0x7f800000 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}

// vectorPrefix begins the names of columns that are made for vectors.
const vectorPrefix = "embedding"

// columnName is a name for the column of a vector that is free and short enough.
func columnName(vector string, taken map[string]bool) string {
	name := vectorPrefix
	if vector != "" {
		name += "_" + strings.ReplaceAll(strings.ToValidUTF8(vector, "_"), "\x00", "_")
	}
	for len(name) > longestName-4 {
		r := []rune(name)
		name = string(r[:len(r)-1])
	}
	free := name
	for n := 2; taken[free]; n++ {
		free = fmt.Sprintf("%s_%d", name, n)
	}
	taken[free] = true
	return free
}
