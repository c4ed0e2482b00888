package front

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"freehold/internal/vector/pinecone/plane"
)

// clock is a time that is set.
type clock struct{ now time.Time }

func (c *clock) read() time.Time { return c.now }

func random(r *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return v
}

// TestGiven: a vector is known by its numbers, whatever they went through, for an hour
// and for as many as there is room.
func TestGiven(t *testing.T) {
	c := &clock{time.Unix(1e9, 0)}
	g := NewGiven(c.read)
	r := rand.New(rand.NewPCG(1, 2))
	old, young, never := random(r, 64), random(r, 64), random(r, 64)
	old[3], young[5] = float32(math.Copysign(0, -1)), 1e-42
	g.Add(false, old)
	g.Add(true, young)
	known := func(v []float32, byNew, want bool) {
		t.Helper()
		if b, ok := g.Of(v); ok != want || ok && b != byNew {
			t.Errorf("known %v, by the new model %v", ok, b)
		}
	}
	known(never, false, false)
	for _, format := range []int{32, 64} { // as JSON of a float32, and of the double that it is
		for byNew, v := range map[bool][]float32{false: old, true: young} {
			texts := make([]json.Number, len(v))
			for i, x := range v {
				texts[i] = json.Number(strconv.FormatFloat(float64(x), 'g', -1, format))
			}
			back := make([]float32, len(v))
			for i, text := range texts {
				f, err := strconv.ParseFloat(text.String(), 64)
				if err != nil {
					t.Fatal(err)
				}
				back[i] = float32(f)
			}
			known(back, byNew, true)
		}
	}
	c.now = c.now.Add(59 * time.Minute)
	known(old, false, true)
	g.Add(true, random(r, 64))
	c.now = c.now.Add(40 * time.Minute)
	known(young, true, true)
	c.now = c.now.Add(3 * time.Hour)
	known(young, true, false)
}

// TestGivenIsBounded: the last ones are known, and those before them are forgotten.
func TestGivenIsBounded(t *testing.T) {
	c := &clock{time.Unix(1e9, 0)}
	g := NewGiven(c.read)
	g.most = 100
	r := rand.New(rand.NewPCG(3, 4))
	var all [][]float32
	for range 1000 {
		v := random(r, 8)
		g.Add(len(all)%2 == 1, v)
		all = append(all, v)
	}
	if n := len(g.now) + len(g.before); n > 200 {
		t.Errorf("%d are remembered", n)
	}
	for i := 900; i < 1000; i++ {
		if byNew, ok := g.Of(all[i]); !ok || byNew != (i%2 == 1) {
			t.Fatalf("%d is known: %v, by the new model: %v", i, ok, byNew)
		}
	}
	if _, ok := g.Of(all[0]); ok {
		t.Error("nothing is forgotten")
	}
}

// TestMaker: who made a vector is told by its length, else by what was handed out; what an
// earlier process may have handed out is not guessed.
func TestMaker(t *testing.T) {
	c := &clock{time.Unix(1e9, 0)}
	r := rand.New(rand.NewPCG(5, 6))
	ix := &Index{old: plane.Contract{Dimension: 8}}
	ix.Clock, ix.Served, ix.Models = c.read, &Served{Contract: plane.Contract{Dimension: 8}}, &Models{Given: NewGiven(c.read)}
	old, young := random(r, 8), random(r, 8)
	ix.Models.Given.Add(false, old)
	ix.Models.Given.Add(true, young)
	e := &Embeddings{Dim: 8}
	want := func(m Move, v []float32, by maker) {
		t.Helper()
		if got := ix.maker(&m, v); got != by {
			t.Errorf("phase %s: %d, not %d", m.Phase, got, by)
		}
	}
	for _, p := range []Phase{Relay, Sync, Cut, Own} {
		m := Move{Phase: p, Embeddings: e, Turned: c.now.Add(-time.Hour)}
		own, other := old, young
		if p.Newer() {
			own, other = young, old
		}
		want(m, own, ownModel)
		want(m, other, otherModel)
		want(m, random(r, 8), ownModel)
	}
	// The process began after the model changed: it does not know what was handed out.
	m := Move{Phase: Cut, Embeddings: e, Turned: c.now.Add(-time.Minute)}
	want(m, random(r, 8), someModel)
	want(m, old, otherModel)
	want(m, young, ownModel)
	c.now = c.now.Add(time.Hour)
	want(m, random(r, 8), ownModel)
	// Models of different lengths need no memory.
	ix.Served.Contract.Dimension, e.Dim = 5, 5
	m.Turned = c.now
	want(m, random(r, 5), ownModel)
	want(m, random(r, 8), otherModel)
	m.Phase = Sync
	want(m, random(r, 5), otherModel)
	want(m, random(r, 8), ownModel)
	want(m, random(r, 3), ownModel) // refused by its length
}
