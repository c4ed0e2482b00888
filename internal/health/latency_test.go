package health

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A quantile is the true one or at most 1/16 (and a microsecond) above it.
func TestQuantile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		us := rapid.SliceOfN(rapid.Int64Range(256, 1<<30-1), 1, 300).Draw(t, "us")
		q := rapid.SampledFrom([]float64{0, 0.5, 0.9, 0.95, 0.99, 1}).Draw(t, "q")
		var h histogram
		now := newClock().t
		for _, v := range us {
			h.add(now, time.Duration(v)*time.Microsecond)
		}
		slices.Sort(us)
		want := time.Duration(us[max(int(math.Ceil(q*float64(len(us)*one)))-1, 0)/one]) * time.Microsecond
		got := h.quantile(q)
		if got < want || float64(got) > float64(want)*(1+1.0/16)+1000 {
			t.Fatalf("q%.2f: %v, true %v", q, got, want)
		}
		if n := h.percentiles().Samples; n != len(us) {
			t.Fatalf("%d samples", n)
		}
	})
}

func TestLatencyBounds(t *testing.T) {
	for _, d := range []time.Duration{-1, 0, 1, time.Microsecond, time.Hour, 1000 * time.Hour} {
		if i := bucketOf(d); i < 0 || i >= buckets {
			t.Errorf("%v: bucket %d", d, i)
		}
	}
	for i := 1; i < buckets; i++ {
		if bucketTop(i) <= bucketTop(i-1) {
			t.Fatalf("bucket %d ends at %v, the one before at %v", i, bucketTop(i), bucketTop(i-1))
		}
		if got := bucketOf(bucketTop(i) - time.Microsecond); got != i {
			t.Fatalf("%v is in bucket %d, not %d", bucketTop(i), got, i)
		}
	}
}

// New latencies outweigh old ones soon; old ones alone stay known for a while.
func TestLatencyForgets(t *testing.T) {
	f := newFixture(t, BreakerConfig{})
	done := func(d time.Duration) {
		a, _ := f.d.Begin(f.now())
		a.End(f.now(), Outcome{Result: Success, FirstToken: d, Total: 2 * d})
	}
	for range 100 {
		done(100 * time.Millisecond)
	}
	f.advance(4 * time.Minute)
	if p := f.d.FirstToken(f.now(), 0.5); p < 100*time.Millisecond || p > 107*time.Millisecond {
		t.Errorf("old ones are lost: %v", p)
	}
	for range 20 {
		done(time.Second)
	}
	if p := f.d.FirstToken(f.now(), 0.5); p < time.Second {
		t.Errorf("old ones still rule: %v", p)
	}
	if p := f.d.Total(f.now(), 0.5); p < 2*time.Second {
		t.Errorf("total %v", p)
	}
	f.advance(time.Hour)
	if p := f.d.FirstToken(f.now(), 0.5); p != 0 {
		t.Errorf("never forgotten: %v", p)
	}
	a, _ := f.d.Begin(f.now())
	a.End(f.now(), Outcome{Result: Failure, FirstToken: time.Second, Total: time.Second})
	if p := f.d.FirstToken(f.now(), 0.5); p != 0 {
		t.Errorf("a failure's time was counted: %v", p)
	}
}
