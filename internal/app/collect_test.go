package app

import (
	"runtime"
	"runtime/metrics"
	"testing"
)

func TestGCPercent(t *testing.T) {
	for _, c := range []struct {
		live uint64
		want int
	}{
		{0, 400}, {1 << 20, 400}, {3 << 20, 400}, {7 << 20, 200}, {14 << 20, 100}, {50 << 20, 28}, {1 << 40, 25},
	} {
		if got := gcPercent(c.live); got != c.want {
			t.Errorf("%d live bytes: %d percent, want %d", c.live, got, c.want)
		}
	}
}

// Each collection is noticed, and much that is alive lowers the percentage.
func TestGCTunerFollowsTheHeap(t *testing.T) {
	set := make(chan int, 64)
	tuner := &gcTuner{
		set:    func(p int) int { set <- p; return 0 },
		sample: []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}},
		stop:   make(chan struct{}), percent: gcMost,
	}
	defer close(tuner.stop)
	tuner.arm()
	hold := make([]byte, 8*gcRoom)
	for p := gcMost; p != gcLeast; {
		runtime.GC()
		select {
		case p = <-set:
		default:
			runtime.Gosched() // cleanups run in a goroutine of their own
		}
	}
	runtime.KeepAlive(hold)
}
