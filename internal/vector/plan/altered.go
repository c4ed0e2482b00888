package plan

import (
	"fmt"
	"math"

	"freehold/internal/vector"
)

// altered names what the target makes of vectors that it takes.
func (p *Plan) altered(source *vector.Description, limits *vector.Limits, sample []vector.Record) {
	lost := func(what, why string, share float64) {
		p.Found.Losses = append(p.Found.Losses, Loss{What: what, Why: why, Share: share})
	}
	for i := range source.Vectors {
		v := &source.Vectors[i]
		to := p.Create.Vector(p.place(v.Name))
		if to == nil || to.Form != v.Form { // it is left out, or the plan is refused
			continue
		}
		if p.Found.Target != nil && otherMetric(v, to) {
			lost(fmt.Sprintf("nearness of vector %q", v.Name), fmt.Sprintf("the target measures by %s, the source by %s: what is nearest there is not what is nearest here", to.Metric, v.Metric), 1)
		}
		if why := coarser(v, to); why != "" {
			lost(fmt.Sprintf("precision of vector %q", v.Name), why, 1)
		}
		if p.directions(to, limits) {
			if long := stretched(sample, v.Name); long > 0 {
				lost(fmt.Sprintf("length of vector %q", v.Name), "the target keeps directions, as vectors of length 1", float64(long)/float64(len(sample)))
			} else {
				lost(fmt.Sprintf("last bits of vector %q", v.Name), fmt.Sprintf("the target keeps directions, to %g of the length", vector.NearDirection), 0)
			}
		}
	}
}

// directions reports whether the target keeps the direction of a vector only. What is
// not there yet says so by the limits.
func (p *Plan) directions(to *vector.Spec, limits *vector.Limits) bool {
	if p.Found.Target != nil {
		return to.Normalised
	}
	return limits.Directions != nil && limits.Directions(to)
}

// coarser says what the type of the target's numbers loses, "" where it loses nothing.
func coarser(v, to *vector.Spec) string {
	if v.Element == to.Element {
		return ""
	}
	switch to.Element {
	case "float16", "bfloat16":
		return fmt.Sprintf("the target keeps numbers of 16 bits (%s)", to.Element)
	case "uint8":
		return "the target keeps whole numbers from 0 to 255 only (uint8): a record with another one is refused"
	case "int8":
		return "the target keeps whole numbers from -128 to 127 only (int8): a record with another one is refused"
	}
	return ""
}

// outside says that a vector has a number that its place cannot hold, "" where it can.
func outside(v *vector.Vector, to *vector.Spec) string {
	least, most := float32(0), float32(255)
	switch to.Element {
	case "uint8":
	case "int8":
		least, most = -128, 127
	default:
		return ""
	}
	for _, x := range v.Dense {
		if x < least || x > most || x != float32(math.Trunc(float64(x))) {
			return fmt.Sprintf("vector %q has numbers that are not whole, or not from %g to %g", v.Name, least, most)
		}
	}
	return ""
}

// stretched counts records whose vector is not of length 1.
func stretched(sample []vector.Record, name string) (n int) {
	for i := range sample {
		v := sample[i].Vector(name)
		if v == nil || len(v.Dense) == 0 {
			continue
		}
		rows := max(1, v.Rows)
		width := len(v.Dense) / rows
		for r := range rows {
			var sum float64
			for _, x := range v.Dense[r*width : (r+1)*width] {
				sum += float64(x) * float64(x)
			}
			if math.Abs(math.Sqrt(sum)-1) > vector.NearDirection {
				n++
				break
			}
		}
	}
	return n
}
