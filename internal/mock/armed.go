package mock

import "sync"

// subject is what a fault's conditions look at.
type subject struct {
	model, path, key string
	stream           bool
}

// armed are the faults in force, with their counters.
type armed struct {
	mu     sync.Mutex
	seed   uint64
	faults []*Fault
	counts []int
}

func (a *armed) set(faults []*Fault) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.faults, a.counts = faults, make([]int, len(faults))
}

func (a *armed) list() []*Fault {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.faults
}

// choose counts the request at every fault and returns the first that strikes.
func (a *armed) choose(s subject) *Fault {
	a.mu.Lock()
	defer a.mu.Unlock()
	var hit *Fault
	for i, f := range a.faults {
		if !f.named(s) {
			continue
		}
		a.counts[i]++
		if hit == nil && f.due(a.counts[i], hash(a.seed, f.spec)) {
			hit = f
		}
	}
	return hit
}

// named says whether the request meets the conditions that need no counting.
func (f *Fault) named(s subject) bool {
	for _, w := range f.whens {
		ok := true
		switch w.word {
		case "model":
			ok = w.name == s.model
		case "path":
			ok = w.name == s.path
		case "key":
			ok = w.name == s.key
		case "stream":
			ok = s.stream
		case "plain":
			ok = !s.stream
		}
		if !ok {
			return false
		}
	}
	return true
}

// due says whether the nth request is struck.
func (f *Fault) due(n int, key uint64) bool {
	for _, w := range f.whens {
		ok := true
		switch w.word {
		case "n":
			ok = n >= w.low && n <= w.high
		case "every":
			ok = n%w.low == 0
		case "p":
			ok = float64(mix(key+uint64(n))>>11)/(1<<53) < w.share
		}
		if !ok {
			return false
		}
	}
	return true
}
