package llm

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
)

// Vector is one embedding: Values, or Base64 of little-endian float32.
type Vector struct {
	Index  int
	Values []float64
	Base64 string
}

// Packed is the vector as base64 of little-endian float32.
func (v *Vector) Packed() string {
	if v.Base64 != "" {
		return v.Base64
	}
	raw := make([]byte, 0, 4*len(v.Values))
	for _, f := range v.Values {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(float32(f)))
	}
	return base64.StdEncoding.EncodeToString(raw)
}

// Unpack reads base64 of little-endian float32.
func Unpack(text string) ([]float32, error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, err
	}
	if len(raw)%4 != 0 {
		return nil, errors.New("not a whole number of float32")
	}
	out := make([]float32, len(raw)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return out, nil
}
