package health

import (
	"math"
	"math/bits"
	"time"
)

// Buckets of a latency histogram: 16 to each doubling, from 256 us to 18 min,
// so that a percentile is at most 1/16 off. Faster and slower ones count into
// the first and last bucket.
const (
	perOctave = 16
	lowOctave = 8 // 2^8 us
	octaves   = 22
	buckets   = octaves * perOctave
	// one is what a fresh sample weighs; halving keeps its fractions.
	one = 64
)

// halfLife is how long a latency takes to count half. Without traffic the old
// ones fade too, but are not forgotten before some ten half-lives.
const halfLife = time.Minute

// histogram is a latency distribution that forgets: fixed memory, no lock.
type histogram struct {
	count [buckets]uint32
	total uint64
	aged  time.Time // when it was last halved
}

func bucketOf(d time.Duration) int {
	us := uint64(max(d.Microseconds(), 0))
	if us < 1<<lowOctave {
		return 0
	}
	exp := bits.Len64(us) - 1
	if exp >= lowOctave+octaves {
		return buckets - 1
	}
	return (exp-lowOctave)*perOctave + int(us>>(exp-4))&(perOctave-1)
}

// bucketTop is the upper bound of a bucket.
func bucketTop(i int) time.Duration {
	exp, sub := lowOctave+i/perOctave, i%perOctave
	return time.Duration((uint64(perOctave+sub+1) << exp) >> 4 * 1000)
}

func (h *histogram) add(now time.Time, d time.Duration) {
	h.age(now)
	h.count[bucketOf(d)] += one
	h.total += one
}

// age halves all counts once for each half-life that has passed.
func (h *histogram) age(now time.Time) {
	if h.aged.IsZero() {
		h.aged = now
		return
	}
	n := now.Sub(h.aged) / halfLife
	if n <= 0 {
		return
	}
	h.aged = h.aged.Add(n * halfLife)
	if h.total == 0 {
		return
	}
	h.total = 0
	for i, c := range h.count {
		c >>= min(n, 31)
		h.count[i] = c
		h.total += uint64(c)
	}
}

// quantile is the upper bound of the bucket that holds the q-quantile; 0
// without samples.
func (h *histogram) quantile(q float64) time.Duration {
	if h.total == 0 {
		return 0
	}
	rank := max(uint64(math.Ceil(q*float64(h.total))), 1) // nearest rank
	var sum uint64
	for i, c := range h.count {
		if sum += uint64(c); sum >= rank {
			return bucketTop(i)
		}
	}
	return bucketTop(buckets - 1)
}

// above is how many latencies are in buckets above that of a limit, weighted by
// age, rounded up.
func (h *histogram) above(limit time.Duration) int {
	var sum uint64
	for _, c := range h.count[bucketOf(limit)+1:] {
		sum += uint64(c)
	}
	return int((sum + one - 1) / one)
}

func (h *histogram) percentiles() Percentiles {
	return Percentiles{
		P50: h.quantile(0.50), P95: h.quantile(0.95), P99: h.quantile(0.99),
		Samples: h.samples(),
	}
}

// samples is how many latencies there are, weighted by age, rounded up.
func (h *histogram) samples() int { return int((h.total + one - 1) / one) }
