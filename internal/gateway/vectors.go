package gateway

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"freehold/internal/fault"
	"freehold/internal/fleet"
	"freehold/internal/llm"
)

// shape is how long vectors are to be, and who makes them so.
type shape struct {
	want int64  // 0: as long as they are
	ask  *int64 // what the provider is asked for
	here bool   // longer ones may be shortened here
}

// shapeAt is how d's vectors get the length that was asked for. Where they
// cannot, the request is refused: a parameter is not ignored.
func (e *embedding) shapeAt(d *fleet.Deployment) (shape, *fault.Error) {
	if e.request.Dimensions == nil {
		return shape{}, nil
	}
	want, k := *e.request.Dimensions, &d.Embedding
	refuse := func(format string, a ...any) (shape, *fault.Error) {
		return shape{}, &fault.Error{Kind: fault.Unsupported, Code: "unsupported_parameter", Param: "dimensions", NoRetry: true, Message: fmt.Sprintf(format, a...)}
	}
	s := shape{want: want, here: k.Shortest > 0 && want >= k.Shortest}
	switch {
	case want <= 0:
		return shape{}, &fault.Error{Kind: fault.BadRequest, Code: "invalid_value", Param: "dimensions", NoRetry: true, Message: "dimensions must be 1 or more"}
	case !k.ShortensAny && !k.NoDimensions: // the provider knows what its models can
		s.ask = &want
		return s, nil
	case k.Size == want:
		return s, nil
	case k.Size > 0 && want > k.Size:
		return refuse("vectors of %s have %d numbers, not %d", d.Model.Name, k.Size, want)
	case s.here || k.Size == 0 && k.ShortensAny:
		if k.ShortensAny {
			s.ask = &want
		}
		return s, nil
	case k.Shortest > 0:
		return refuse("%s was trained for vectors of %d to %d numbers, not %d", d.Model.Name, k.Shortest, k.Size, want)
	case k.Size > 0:
		return refuse("vectors of %s have %d numbers, and it was not trained to have them shortened", d.Model.Name, k.Size)
	}
	return refuse("%s does not know dimensions, and whether %s was trained to have its vectors shortened is not known", d.Provider.Name, d.Model.Name)
}

// fit makes a vector as long as was asked for.
func (s *shape) fit(v *llm.Vector, d *fleet.Deployment) *fault.Error {
	has := int64(len(v.Values))
	if v.Base64 != "" {
		has = int64(len(strings.TrimRight(v.Base64, "="))) * 3 / 4 / 4
	}
	switch {
	case has == 0:
		return &fault.Error{Kind: fault.Malformed, Provider: d.Provider.Name, Message: "a vector of the answer is empty"}
	case s.want == 0 || has == s.want:
		return nil
	case !s.here || has < s.want:
		return &fault.Error{Kind: fault.Unsupported, Code: "unsupported_parameter", Param: "dimensions", NoRetry: true, Provider: d.Provider.Name,
			Message: fmt.Sprintf("vectors of %s have %d numbers: dimensions has no effect on them", d.Model.Name, has)}
	}
	if err := toValues(v); err != nil {
		return &fault.Error{Kind: fault.Malformed, Provider: d.Provider.Name, Message: err.Error(), Cause: err}
	}
	v.Values = shortened(v.Values, int(s.want))
	return nil
}

// shortened are the first n numbers of a vector, made to length one again.
func shortened(v []float64, n int) []float64 {
	out := make([]float64, n)
	square := 0.0
	for _, f := range v[:n] {
		square += f * f
	}
	if square == 0 {
		return out
	}
	length := math.Sqrt(square)
	for i := range out {
		out[i] = single(float32(v[i] / length))
	}
	return out
}

// single is a float32 as the shortest decimal that means it.
func single(f float32) float64 {
	d, err := strconv.ParseFloat(strconv.FormatFloat(float64(f), 'g', -1, 32), 64)
	if err != nil {
		return float64(f) // it is no number
	}
	return d
}

func decodeVector(text string) ([]float32, error) {
	out, err := llm.Unpack(text)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Malformed, Message: "a vector of the answer is not base64 of float32", Cause: err}
	}
	return out, nil
}

// toValues gives a vector as numbers.
func toValues(v *llm.Vector) error {
	if v.Base64 == "" {
		return nil
	}
	values, err := decodeVector(v.Base64)
	if err != nil {
		return err
	}
	v.Base64, v.Values = "", make([]float64, len(values))
	for i, f := range values {
		v.Values[i] = single(f)
	}
	return nil
}

// toBase64 gives a vector as base64 of float32.
func toBase64(v *llm.Vector) {
	v.Base64, v.Values = v.Packed(), nil
}
