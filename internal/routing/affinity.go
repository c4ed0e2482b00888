package routing

import (
	"container/list"
	"sync"
	"time"
)

// Affinity remembers which deployment answered a conversation last: its prompt
// cache holds what the next turn begins with. It is bounded, forgets who is
// quiet, and lives in memory only.
type Affinity struct {
	most int
	keep time.Duration

	mu     sync.Mutex
	by     map[talk]*list.Element
	recent list.List // of *stay, the latest first
}

// talk is a conversation with one workload.
type talk struct{ route, conversation string }

type stay struct {
	talk       talk
	deployment string
	at         time.Time
}

// NewAffinity remembers at most so many conversations, each for keep after its
// last answer.
func NewAffinity(most int, keep time.Duration) *Affinity {
	return &Affinity{most: most, keep: keep, by: map[talk]*list.Element{}}
}

// Deployment is the name of the deployment that answered last, or "".
func (a *Affinity) Deployment(route, conversation string, now time.Time) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	e := a.by[talk{route, conversation}]
	if e == nil {
		return ""
	}
	s := e.Value.(*stay)
	if now.Sub(s.at) > a.keep {
		a.forget(e)
		return ""
	}
	return s.deployment
}

// Answered notes who answered.
func (a *Affinity) Answered(route, conversation, deployment string, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := talk{route, conversation}
	if e := a.by[t]; e != nil {
		s := e.Value.(*stay)
		s.deployment, s.at = deployment, now
		a.recent.MoveToFront(e)
		return
	}
	a.by[t] = a.recent.PushFront(&stay{t, deployment, now})
	// The longest quiet go first, and a few of those whose time is over with each
	// new one, so that memory follows the traffic down.
	for range 2 {
		last := a.recent.Back()
		if len(a.by) > a.most || now.Sub(last.Value.(*stay).at) > a.keep {
			a.forget(last)
		}
	}
}

// Len is how many conversations are remembered.
func (a *Affinity) Len() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.by)
}

func (a *Affinity) forget(e *list.Element) {
	a.recent.Remove(e)
	delete(a.by, e.Value.(*stay).talk)
}
