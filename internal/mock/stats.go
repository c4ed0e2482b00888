package mock

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"sync"
	"time"
)

// Stats are counters since the start or the last reset. An answer counts as
// completed before its last byte leaves, so that whoever has it finds it
// counted.
type Stats struct {
	Requests    int            `json:"requests"`
	InFlight    int            `json:"in_flight"`
	MaxInFlight int            `json:"max_in_flight"`
	Completed   int            `json:"completed"` // sent whole, errors too
	Canceled    int            `json:"canceled"`  // the client left before the end
	Broken      int            `json:"broken"`    // ended by a fault that drops the connection
	Faults      int            `json:"faults"`    // requests that a fault struck
	Refused     int            `json:"refused"`   // requests that were not in order
	Streams     int            `json:"streams"`
	Bytes       int64          `json:"bytes"` // of request bodies
	Paths       map[string]int `json:"paths"`
	Models      map[string]int `json:"models"`
	Statuses    map[int]int    `json:"statuses"`
}

// Request is one that was received.
type Request struct {
	Number int         `json:"number"` // from 1
	Time   time.Time   `json:"time"`
	Method string      `json:"method"`
	Path   string      `json:"path"`
	Query  string      `json:"query,omitempty"`
	Header http.Header `json:"header"` // GET /mock/stats leaves credentials out
	Body   []byte      `json:"-"`
	Model  string      `json:"model,omitempty"`
	Stream bool        `json:"stream,omitempty"`
	Status int         `json:"status,omitempty"`
	Fault  string      `json:"fault,omitempty"`
	// Problem is the error body if the request was refused.
	Problem string `json:"problem,omitempty"`
	// Outcome is completed, canceled, broken or, under way, empty.
	Outcome string `json:"outcome,omitempty"`
}

type entry = Request

// book keeps counters and requests.
type book struct {
	mu              sync.Mutex
	now             Stats
	kept            []*entry
	keep, keepBytes int
	number          int
	changed         chan struct{} // closed and replaced at every change
	generation      int
	begun           map[*entry]int // the generation of each entry in flight
}

func (b *book) init(keep, keepBytes int) {
	b.keep, b.keepBytes = keep, keepBytes
	b.changed = make(chan struct{})
	b.begun = map[*entry]int{}
	b.now = Stats{Paths: map[string]int{}, Models: map[string]int{}, Statuses: map[int]int{}}
}

// change runs f under the lock and wakes who waits.
func (b *book) change(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
	close(b.changed)
	b.changed = make(chan struct{})
}

func (b *book) begin(r *http.Request, now time.Time) *entry {
	e := &entry{Time: now, Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Header: r.Header.Clone()}
	b.change(func() {
		b.number++
		e.Number = b.number
		b.now.Requests++
		b.now.InFlight++
		b.now.MaxInFlight = max(b.now.MaxInFlight, b.now.InFlight)
		b.now.Paths[r.URL.Path]++
		b.begun[e] = b.generation
		b.kept = append(b.kept, e)
		if n := len(b.kept) - b.keep; n > 0 {
			b.kept = append(b.kept[:0:0], b.kept[n:]...)
		}
	})
	return e
}

func (b *book) body(e *entry, body []byte) {
	b.change(func() {
		e.Body = bytes.Clone(body[:min(len(body), b.keepBytes)])
		b.now.Bytes += int64(len(body))
	})
}

func (b *book) note(e *entry, model string, stream bool, status int, f *Fault, problem string) {
	b.change(func() {
		e.Model, e.Stream, e.Status, e.Problem = model, stream, status, problem
		if f != nil {
			e.Fault = f.String()
			b.now.Faults++
		}
		if problem != "" {
			b.now.Refused++
		}
		if stream {
			b.now.Streams++
		}
		if model != "" {
			b.now.Models[model]++
		}
		b.now.Statuses[status]++
	})
}

func (b *book) end(e *entry, o outcome) {
	b.change(func() {
		e.Outcome = string(o)
		b.now.InFlight--
		current := b.begun[e] == b.generation
		delete(b.begun, e)
		if !current { // reset since
			return
		}
		switch o {
		case completed:
			b.now.Completed++
		case canceled:
			b.now.Canceled++
		case broken:
			b.now.Broken++
		}
	})
}

func (b *book) reset() {
	b.change(func() {
		inFlight := b.now.InFlight
		b.now = Stats{Paths: map[string]int{}, Models: map[string]int{}, Statuses: map[int]int{}, InFlight: inFlight, MaxInFlight: inFlight}
		b.kept = nil
		b.number = 0
		b.generation++
	})
}

func (b *book) stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.copy()
}

func (b *book) copy() Stats {
	s := b.now
	s.Paths, s.Models, s.Statuses = maps.Clone(s.Paths), maps.Clone(s.Models), maps.Clone(s.Statuses)
	return s
}

func (b *book) requests() []Request {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]Request, 0, len(b.kept))
	for _, e := range b.kept {
		out = append(out, *e)
	}
	return out
}

func (b *book) wait(ctx context.Context, ok func(Stats) bool) error {
	for {
		b.mu.Lock()
		s, changed := b.copy(), b.changed
		b.mu.Unlock()
		if ok(s) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
