package app

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// gcRoom is by how much the heap may grow over what is alive before it is
	// collected, in bytes.
	gcRoom = 14 << 20
	// gcLeast and gcMost bound that room in percent of what is alive: a large
	// heap must not be collected all the time, a small one not left to grow to
	// many times its size.
	gcLeast, gcMost = 25, 400
)

// gcPercent is the GOGC value that gives a heap with so many live bytes its room.
//
// Little is alive while requests pass through, so that Go's fixed 100 percent
// collects all the time, at a fifth of the CPU of a small request; thousands of
// open streams keep much alive, and a percentage that suits the former would
// let them take several times what they need (docs/benchmarks.md).
func gcPercent(live uint64) int {
	return int(min(max(gcRoom*100/max(live, 1), gcLeast), gcMost))
}

// tuneGC sets GOGC anew after each collection, until stop is called. GOGC in
// the environment wins.
func tuneGC() (stop func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	t := &gcTuner{
		set:    debug.SetGCPercent,
		sample: []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}},
		stop:   make(chan struct{}),
	}
	before := debug.SetGCPercent(gcMost)
	t.percent = gcMost
	t.arm()
	return func() {
		close(t.stop)
		debug.SetGCPercent(before)
	}
}

// gcTuner is told of collections by the cleanup of an object that each of them
// finds dead. Cleanups of one tuner never overlap: each arms the next.
type gcTuner struct {
	set     func(percent int) int
	sample  []metrics.Sample
	percent int
	stop    chan struct{}
}

// canary has a size of its own: the smallest objects share memory and are not
// found dead one by one.
type canary struct{ _ [64]byte }

func (t *gcTuner) arm() {
	runtime.AddCleanup(new(canary), (*gcTuner).collected, t)
}

func (t *gcTuner) collected() {
	select {
	case <-t.stop:
		return
	default:
	}
	metrics.Read(t.sample)
	live := t.sample[0].Value.Uint64() + t.sample[1].Value.Uint64()
	// Setting it stops the world for a moment: small changes are not worth it.
	if p := gcPercent(live); p < t.percent*9/10 || p > t.percent*11/10 {
		t.percent = p
		t.set(p)
	}
	t.arm()
}
