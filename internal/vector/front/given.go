package front

import (
	"encoding/binary"
	"hash/maphash"
	"math"
	"sync"
	"time"
)

// Given remembers which of an index's two models made the vectors that were handed out,
// by fingerprints of them: the last ones, for about an hour. It is of this process: what
// an earlier one handed out is not known. Its methods may be used concurrently.
type Given struct {
	since time.Time
	clock func() time.Time
	seed  maphash.Seed
	most  int // fingerprints of one generation

	mu sync.Mutex
	// now and before are fingerprints; the lowest bit is set of those of the new model.
	now, before map[uint64]struct{}
	began       time.Time // now
}

const (
	// givenFor is how long a vector that was handed out is surely told from one of the
	// other model, unless so many were that it is forgotten.
	givenFor = time.Hour
	// givenMost bounds what is remembered to some 5 MB.
	givenMost = 200_000
)

// NewGiven remembers nothing yet.
func NewGiven(clock func() time.Time) *Given {
	now := clock()
	return &Given{since: now, clock: clock, seed: maphash.MakeSeed(), most: givenMost, now: map[uint64]struct{}{}, began: now}
}

// fingerprint is of the numbers as they are in float32, in which stores have them; both
// zeroes are one. Its lowest bit is 0.
func (g *Given) fingerprint(v []float32) uint64 {
	var h maphash.Hash
	h.SetSeed(g.seed)
	var four [4]byte
	for _, x := range v {
		if x == 0 {
			x = 0
		}
		binary.LittleEndian.PutUint32(four[:], math.Float32bits(x))
		_, _ = h.Write(four[:]) // it never fails
	}
	return h.Sum64() &^ 1
}

// Add remembers vectors that one of the models made. They are known before anybody has
// them.
func (g *Given) Add(byNew bool, vectors ...[]float32) {
	prints := make([]uint64, len(vectors))
	for i, v := range vectors {
		prints[i] = g.fingerprint(v)
		if byNew {
			prints[i] |= 1
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.turn()
	for _, p := range prints {
		if len(g.now) == g.most {
			g.before, g.now, g.began = g.now, map[uint64]struct{}{}, g.clock()
		}
		g.now[p] = struct{}{}
	}
}

// Of is which model made a vector; known is false where that is not remembered.
func (g *Given) Of(v []float32) (byNew, known bool) {
	p := g.fingerprint(v)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.turn()
	for _, m := range []map[uint64]struct{}{g.now, g.before} {
		if _, ok := m[p|1]; ok {
			return true, true
		}
		if _, ok := m[p]; ok {
			return false, true
		}
	}
	return false, false
}

// turn begins a new generation when the one of now is old. mu is held.
func (g *Given) turn() {
	now := g.clock()
	switch age := now.Sub(g.began); {
	case age >= 2*givenFor: // nobody has asked for so long
		g.before, g.now, g.began = nil, map[uint64]struct{}{}, now
	case age >= givenFor:
		g.before, g.now, g.began = g.now, map[uint64]struct{}{}, now
	}
}
