package health

import (
	"sync"
	"time"
)

// Distribution is a latency distribution that forgets, for who keeps latencies
// apart from a deployment's own. The zero value is ready; it is safe for
// concurrent use.
type Distribution struct {
	mu sync.Mutex
	h  histogram
}

// Add puts in one latency.
func (d *Distribution) Add(now time.Time, v time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.h.add(now, v)
}

// Quantile is the q-quantile (0 to 1) of the recent latencies, how many they are,
// and how many of them are above a limit, both weighted by age; 0 without any.
func (d *Distribution) Quantile(now time.Time, q float64, limit time.Duration) (v time.Duration, samples, above int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.h.age(now)
	return d.h.quantile(q), d.h.samples(), d.h.above(limit)
}
