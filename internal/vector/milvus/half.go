package milvus

import "math"

// halfToFloat is the number of an IEEE float16.
func halfToFloat(h uint16) float32 {
	sign, exponent, fraction := uint32(h>>15)<<31, uint32(h>>10)&31, uint32(h)&1023
	switch exponent {
	case 0: // zero, and what is below the smallest normal one
		f := float32(fraction) / (1 << 24)
		return math.Float32frombits(math.Float32bits(f) | sign)
	case 31:
		return math.Float32frombits(sign | 255<<23 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+112)<<23 | fraction<<13)
}

// floatToHalf rounds to the nearest float16, of two to the even one.
func floatToHalf(f float32) uint16 {
	bits := math.Float32bits(f)
	sign := uint16(bits>>16) & 0x8000
	abs := math.Float32frombits(bits &^ (1 << 31))
	switch {
	case abs >= 65520: // from here on it is rounded to infinity
		return sign | 0x7c00
	case abs < 1.0/(1<<14):
		return sign | uint16(math.RoundToEven(float64(abs)*(1<<24)))
	}
	bits = math.Float32bits(abs)
	half := (bits - 112<<23) >> 13
	if rest := bits & 0x1fff; rest > 0x1000 || rest == 0x1000 && half&1 == 1 {
		half++
	}
	return sign | uint16(half)
}

// floatToBFloat rounds to the nearest bfloat16, of two to the even one.
func floatToBFloat(f float32) uint16 {
	bits := math.Float32bits(f)
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}
