package front

import (
	"hash/maphash"
	"slices"
	"sync"
)

// stripes is how many locks the ids of a namespace share.
const stripes = 256

// locks keep writes apart: those of the same id, and those of a whole namespace from
// all others in it.
type locks struct {
	seed maphash.Seed

	mu     sync.Mutex
	spaces map[string]*spaceLocks
}

type spaceLocks struct {
	whole sync.RWMutex
	ids   [stripes]sync.Mutex
}

func newLocks() *locks { return &locks{seed: maphash.MakeSeed(), spaces: map[string]*spaceLocks{}} }

func (l *locks) space(namespace string) *spaceLocks {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.spaces[namespace]
	if s == nil {
		s = &spaceLocks{}
		l.spaces[namespace] = s
	}
	return s
}

// hold takes the locks of ids, or of the whole namespace where there are none, and
// returns what gives them back.
func (l *locks) hold(namespace string, ids []string) (release func()) {
	s := l.space(namespace)
	if len(ids) == 0 {
		s.whole.Lock()
		return s.whole.Unlock
	}
	// In the order of their numbers, so that two holders never wait for each other.
	var of []int
	for _, id := range ids {
		of = append(of, int(maphash.String(l.seed, id)%stripes))
	}
	slices.Sort(of)
	of = slices.Compact(of)
	s.whole.RLock()
	for _, i := range of {
		s.ids[i].Lock()
	}
	return func() {
		for _, i := range of {
			s.ids[i].Unlock()
		}
		s.whole.RUnlock()
	}
}
