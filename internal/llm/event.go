package llm

import "encoding/json"

// EventKind says what an Event of a streamed answer tells.
type EventKind uint8

// Event kinds, in the order in which a stream shows them: Start, then per part
// PartStart, Delta..., PartStop, then Finish per choice, Usage where the
// provider reports it (also earlier), and End.
const (
	EventStart     EventKind = iota + 1 // ID, Meta: not output
	EventPartStart                      // Choice, Part, PartKind; tool calls: ID, Name, Raw as Part.Opaque
	EventDelta                          // Text is appended to the part's text or arguments; Raw are its logprobs, as received
	EventSignature                      // Text is appended to a thinking part's signature
	EventPartStop                       // the part is whole
	EventFinish                         // Choice, Finish, StopSequence
	EventUsage                          // Meta.Usage, cumulative for the whole answer
	EventEnd                            // the dialect's own end mark was seen
	EventPing                           // keep-alive
	EventError                          // Err: the provider reported a failure inside the stream
	EventOpaque                         // Raw: something only the same dialect understands
)

// Event is one step of a streamed answer. Choice and Part number the
// alternative and the part within it, both from 0, in the order of appearance.
// Most events of a stream are deltas; what only a few carry stands apart, so
// that an event is small.
type Event struct {
	Kind         EventKind
	PartKind     PartKind // PartStart
	Choice, Part int
	ID, Name     string
	Text         string
	Finish       FinishReason
	StopSequence string
	Raw          json.RawMessage // Opaque; PartStart of an opaque part or tool call; Delta: logprobs
	Meta         *Meta           // Start, Usage; nil says nothing
	Err          error
}

// Meta is what an event tells of the answer as a whole.
type Meta struct {
	Model       string
	Created     int64
	Fingerprint string // OpenAI's system_fingerprint
	ServiceTier string // as the provider names it
	Usage       Usage
}

// Usage is the usage that the event tells.
func (e *Event) Usage() Usage {
	if e.Meta == nil {
		return Usage{}
	}
	return e.Meta.Usage
}

// IsOutput reports whether the event carries something of the answer itself,
// so that it cannot be taken back once a client has seen it. Starts, pings,
// role-only chunks, empty deltas and usage are not output (wire trap 5).
func (e *Event) IsOutput() bool {
	switch e.Kind {
	case EventDelta, EventSignature:
		return e.Text != ""
	case EventPartStart:
		return e.PartKind == PartToolCall || e.PartKind == PartRedactedThinking || e.PartKind == PartOpaque
	case EventOpaque:
		return true
	}
	return false
}
