package vector_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"freehold/internal/vector"
)

// TestKeepLength: a vector of which a store keeps the direction comes back as it was,
// and is the same record when it goes there once more.
func TestKeepLength(t *testing.T) {
	m := vector.Mapping{IDs: vector.KeepIDs, KeepLength: "_length"}
	r := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		v := make([]float32, 8)
		for i := range v {
			v[i] = float32(r.NormFloat64() * 10)
		}
		was := vector.Record{ID: vector.IDOf("a"), Vectors: []vector.Vector{{Dense: v}}}
		there, err := m.Apply(&was)
		if err != nil {
			t.Fatal(err)
		}
		kept, _ := there.Payload.Get("_length")
		unit := make([]float32, len(v))
		for i, x := range v {
			unit[i] = float32(float64(x) / kept.Float())
		}
		// The store may read the length as the double beside it.
		there.Vectors = []vector.Vector{{Dense: unit}}
		there.Payload = vector.NewPayload([]vector.Field{{Name: "_length", Value: vector.FloatOf(math.Nextafter(kept.Float(), 0))}})
		back := m.Back(&there)
		for i, x := range back.Vectors[0].Dense {
			if math.Abs(float64(x-v[i])) > 1e-6*kept.Float() {
				t.Fatalf("%v became %v", v[i], x)
			}
		}
		again, err := m.Apply(&back)
		if err != nil {
			t.Fatal(err)
		}
		if length, _ := again.Payload.Get("_length"); !length.Equal(&kept) {
			t.Fatalf("the length %v became %v", kept.Float(), length.Float())
		}
	}
}

// TestRounds: doubles of a store that rounds them may be those beside, and no others.
func TestRounds(t *testing.T) {
	of := func(f float64) *vector.Record {
		return &vector.Record{ID: vector.IDOf("a"), Payload: vector.NewPayload([]vector.Field{{Name: "f", Value: vector.ListOf([]vector.Value{vector.FloatOf(f)})}})}
	}
	const x = 3.4071059240559918
	beside, apart := math.Nextafter(x, 0), math.Nextafter(math.Nextafter(x, 0), 0)
	for _, c := range []struct {
		rounds bool
		got    float64
		same   bool
	}{{false, x, true}, {false, beside, false}, {true, beside, true}, {true, apart, false}} {
		if d := vector.Differences(of(x), of(c.got), &vector.Description{Rounds: c.rounds}); (len(d) == 0) != c.same {
			t.Errorf("%+v: %v", c, d)
		}
	}
	for got, n := range map[float64]int{x: 0, beside: 1, apart: 0} {
		if r := vector.Rounded(of(x), of(got)); r != n {
			t.Errorf("%v for %v: %d rounded", got, float64(x), r)
		}
	}
}
