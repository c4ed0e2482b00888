package gateway

import (
	"sync/atomic"
	"time"

	"freehold/internal/fault"
)

// Room is the memory that answers under way may take, all together: those that
// are read whole, what of streams is held back, and what is kept of them to go
// on after a cut. Its zero value has none; a nil one does not end.
type Room struct {
	max  int64
	used atomic.Int64
}

// NewRoom makes room for max bytes.
func NewRoom(max int64) *Room { return &Room{max: max} }

// Used is how much of it is taken.
func (r *Room) Used() int64 { return r.used.Load() }

func (r *Room) take(n int64) bool {
	if r.used.Add(n) <= r.max {
		return true
	}
	r.used.Add(-n)
	return false
}

const (
	// smallAnswer is what any answer may take without being counted: the number
	// of requests at work bounds that.
	smallAnswer = 64 << 10
	// roomStep is how the shares of a Room grow.
	roomStep = 64 << 10
)

// share is what one answer has of a Room.
type share struct {
	room *Room
	has  int64
}

// Need makes the share large enough for size bytes, or reports that there is no
// room. It shrinks only in release.
func (s *share) Need(size int) bool {
	if size <= smallAnswer || int64(size) <= s.has || s.room == nil {
		return true
	}
	want := (int64(size) + roomStep - 1) / roomStep * roomStep
	if !s.room.take(want - s.has) {
		return false
	}
	s.has = want
	return true
}

// release gives the share back.
func (s *share) release() {
	if s.has > 0 {
		s.room.take(-s.has)
		s.has = 0
	}
}

// fullCode is the code of an answer for which there is no room. Another
// deployment may need less, but who needed too much is not asked again.
const fullCode = "answers_too_large"

func noRoom() *fault.Error {
	return &fault.Error{Kind: fault.Shed, Code: fullCode, RetryAfter: time.Second,
		Message: "the answers that this gateway holds at once take all the memory that they may",
		Hint:    "try again later or ask for less; its operator may raise server.limits.answers"}
}

// eventFactor is how often an event's bytes may be in memory at once: as it was
// read, in a buffer that grew, decoded, and encoded.
const eventFactor = 4

// reading is a leg as its stream's reader asks it for room.
type reading leg

// Need implements sse.Room.
func (r *reading) Need(size int) bool {
	l := (*leg)(r)
	l.buffered = eventFactor * size
	return l.share.Need(l.buffered + l.gate.held())
}

// hasRoom reports whether what is held back may be.
func (l *leg) hasRoom() bool { return l.share.Need(l.buffered + l.gate.held()) }
