package ledger

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"slices"
	"time"
)

// Histogram counts durations in fixed buckets that grow with the duration, so
// that histograms of different hours add up. A bucket spans a sixteenth of a
// power of two: a quantile is exact to 3.2%.
//
// The zero value is empty and ready for use.
type Histogram struct {
	counts []int64 // by bucket; trailing buckets that are empty may be missing
}

// subBuckets is how many buckets a power of two is split into.
const (
	subBits    = 4
	subBuckets = 1 << subBits
	// maxBucket bounds what is decoded: 2^40 µs are twelve days.
	maxBucket = (41 - subBits) * subBuckets
)

// bucket returns the bucket of us microseconds: below 16 its own, then 16
// linear steps for each power of two.
func bucket(us int64) int {
	if us < subBuckets {
		return int(max(us, 0))
	}
	exp := bits.Len64(uint64(us)) - 1 - subBits
	return min(exp*subBuckets+int(us>>exp), maxBucket-1)
}

// middle returns the microseconds in the middle of bucket i.
func middle(i int) int64 {
	if i < subBuckets {
		return int64(i)
	}
	exp := i/subBuckets - 1
	low := int64(i-exp*subBuckets) << exp
	return low + (int64(1)<<exp)/2
}

// Add counts one duration.
func (h *Histogram) Add(d time.Duration) { h.add(bucket(d.Microseconds()), 1) }

func (h *Histogram) add(i int, n int64) {
	if i >= len(h.counts) {
		h.counts = append(h.counts, make([]int64, i+1-len(h.counts))...)
	}
	h.counts[i] = plus(h.counts[i], n)
}

// Merge adds the counts of o.
func (h *Histogram) Merge(o *Histogram) {
	if n := len(o.counts); n > 0 {
		h.add(n-1, 0) // room for all
	}
	for i, n := range o.counts {
		if n != 0 {
			h.add(i, n)
		}
	}
}

// Count returns how many durations were added.
func (h *Histogram) Count() (n int64) {
	for _, c := range h.counts {
		n = plus(n, c)
	}
	return n
}

// Quantile returns the duration that a share q (0 to 1) of those added does
// not exceed, or 0 when there are none.
func (h *Histogram) Quantile(q float64) time.Duration {
	total := h.Count()
	if total == 0 {
		return 0
	}
	rank := min(int64(q*float64(total)), total-1)
	for i, n := range h.counts {
		if rank -= n; rank < 0 {
			return time.Duration(middle(i)) * time.Microsecond
		}
	}
	return 0
}

// AppendBinary appends the histogram as pairs of varints, the distance to the
// bucket before and its count, of the buckets that are not empty.
func (h *Histogram) AppendBinary(b []byte) ([]byte, error) {
	last := 0
	for i, n := range h.counts {
		if n != 0 {
			b = binary.AppendUvarint(b, uint64(i-last))
			b = binary.AppendUvarint(b, uint64(n))
			last = i
		}
	}
	return b, nil
}

// UnmarshalBinary sets the histogram to what data encodes.
func (h *Histogram) UnmarshalBinary(data []byte) error {
	var counts [maxBucket]int64
	h.counts = nil
	i, last := uint64(0), -1
	for len(data) > 0 {
		step, n := binary.Uvarint(data)
		if n <= 0 {
			return errors.New("histogram: truncated")
		}
		count, m := binary.Uvarint(data[n:])
		if m <= 0 {
			return errors.New("histogram: truncated")
		}
		data = data[n+m:]
		if i += step; step >= maxBucket || i >= maxBucket || count > 1<<62 {
			return errors.New("histogram: out of range")
		}
		counts[i] = plus(counts[i], int64(count))
		last = int(i)
	}
	if last >= 0 {
		h.counts = slices.Clone(counts[:last+1])
	}
	return nil
}
