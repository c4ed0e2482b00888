package auth

import (
	"log/slog"
	"sync"
	"time"
)

// refusals counts refusals by reason and logs at most one a second and reason.
// Its size is that of the set of reasons: a flood of bad keys, each different,
// fills neither memory nor disk.
type refusals struct {
	mu    sync.Mutex
	codes map[Code]*refusal
}

type refusal struct {
	count      int64
	logged     time.Time
	suppressed int64 // since logged
}

const refusalLogInterval = time.Second

func (r *refusals) note(d *Denied, now time.Time, logger *slog.Logger) {
	r.mu.Lock()
	if r.codes == nil {
		r.codes = map[Code]*refusal{}
	}
	entry := r.codes[d.Code]
	if entry == nil {
		entry = &refusal{}
		r.codes[d.Code] = entry
	}
	entry.count++
	if !entry.logged.IsZero() && now.Sub(entry.logged) < refusalLogInterval {
		entry.suppressed++
		r.mu.Unlock()
		return
	}
	suppressed := entry.suppressed
	entry.logged, entry.suppressed = now, 0
	r.mu.Unlock()
	logger.Warn("request refused", "code", string(d.Code), "key_id", d.KeyID, "reason", d.Message, "suppressed", suppressed)
}

func (r *refusals) counts() map[Code]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	counts := make(map[Code]int64, len(r.codes))
	for code, entry := range r.codes {
		counts[code] = entry.count
	}
	return counts
}
