package gateway

import (
	"encoding/json"
	"errors"
	"strings"
	"unsafe"

	"freehold/internal/fleet"
	"freehold/internal/llm"
)

// gate holds back what a client must not see yet: everything before the first
// real content, so that failing over stays invisible; tool calls until the
// answer's arguments are known to parse; and JSON answers until they are whole,
// where the workload says so. What it holds is lost without a trace when the
// leg fails.
type gate struct {
	events []llm.Event
	raw    []byte   // the provider's own bytes of events, where these are relayed
	stowed [][]byte // what came before raw, when all of it is held
	output bool     // real content came
	open   bool     // the answer ended whole: nothing is held any more

	// free and freeRaw are how much of events and raw may be shown: a stream that
	// comes in bursts is shown in bursts, not event by event.
	free, freeRaw int

	tools, structured bool // what is held
	holding           bool // from here on until the end
	size              int

	// text is that of the last event, a delta that is held: what follows it in
	// the same part joins it, for an event takes more than the words of most.
	text strings.Builder
}

const (
	// maxHeld bounds what is held back of one answer, in bytes.
	maxHeld = 32 << 20
	// eventSize is what an event takes beside its text: deltas are short.
	eventSize = int(unsafe.Sizeof(llm.Event{}))
)

var (
	errHeld = errors.New("the part of the answer that must be held back until it is whole is too large")
	errArgs = errors.New("the arguments of a tool call are not valid JSON")
	errJSON = errors.New("the answer is not the JSON that was asked for")
)

func (g *gate) init(x *exchange) {
	h := x.route.Hold
	g.tools = h != fleet.HoldOff && x.body.Facts.Features.Has(llm.FeatureTools)
	g.structured = h == fleet.HoldStructured && x.body.Facts.Features&(llm.FeatureJSONObject|llm.FeatureJSONSchema) != 0
	// A plain answer that comes as a stream is shown whole.
	g.holding = g.structured || !x.body.Facts.Stream
}

// push takes one event.
func (g *gate) push(e *llm.Event) error {
	if e.Kind == llm.EventPing {
		return nil
	}
	g.output = g.output || e.IsOutput()
	if g.tools && e.Kind == llm.EventPartStart && e.PartKind == llm.PartToolCall {
		g.holding = true
	}
	if g.join(e) {
		return nil
	}
	g.seal()
	g.events = append(g.events, *e)
	g.size += eventSize + len(e.Text) + len(e.Raw)
	if g.held() > maxHeld && !g.ready() {
		return errHeld
	}
	if e.Kind == llm.EventFinish && g.holding && e.Finish != llm.FinishLength && e.Finish != llm.FinishContext {
		return g.check(e.Choice)
	}
	return nil
}

// maxJoined is how large one event of joined deltas becomes: a text that grows in
// one piece leaves behind what it outgrew.
const maxJoined = 32 << 10

// join adds a delta to the one before it, if both are held.
func (g *gate) join(e *llm.Event) bool {
	n := len(g.events)
	if !g.holding || g.open || e.Kind != llm.EventDelta || n == g.free || g.text.Len() > maxJoined || g.held() > maxHeld {
		return false
	}
	last := &g.events[n-1]
	if last.Kind != llm.EventDelta || last.Part != e.Part || last.Choice != e.Choice || len(last.Raw)+len(e.Raw) > 0 {
		return false
	}
	if g.text.Len() == 0 {
		g.text.WriteString(last.Text)
		last.Text = ""
	}
	g.text.WriteString(e.Text)
	g.size += len(e.Text)
	return true
}

// stow puts bytes that are held aside when they are many, as maxJoined does for text.
func (g *gate) stow() {
	if len(g.raw) > maxJoined && g.freeRaw == 0 && !g.ready() {
		g.stowed, g.size, g.raw = append(g.stowed, g.raw), g.size+len(g.raw), nil
	}
}

// seal gives the last event its joined text.
func (g *gate) seal() {
	if g.text.Len() > 0 {
		g.events[len(g.events)-1].Text = g.text.String()
		g.text = strings.Builder{}
	}
}

// held is about how many bytes of memory the gate holds.
func (g *gate) held() int { return g.size + len(g.raw) }

// check proves that what was held back of a choice parses.
func (g *gate) check(choice int) error {
	g.seal()
	type place struct{ choice, part int }
	args := map[place][]byte{}
	for i := range g.events {
		e := &g.events[i]
		at := place{e.Choice, e.Part}
		switch {
		case e.Choice != choice:
		case e.Kind == llm.EventPartStart && (e.PartKind == llm.PartToolCall || g.structured && e.PartKind == llm.PartText):
			args[at] = []byte{}
		case e.Kind == llm.EventDelta && args[at] != nil:
			args[at] = append(args[at], e.Text...)
		}
	}
	for at, b := range args {
		if len(b) > 0 && !json.Valid(b) {
			if g.kind(at.choice, at.part) == llm.PartText {
				return errJSON
			}
			return errArgs
		}
	}
	return nil
}

func (g *gate) kind(choice, part int) llm.PartKind {
	for i := range g.events {
		if e := &g.events[i]; e.Kind == llm.EventPartStart && e.Choice == choice && e.Part == part {
			return e.PartKind
		}
	}
	return 0
}

// ready reports whether what is held may be shown now.
func (g *gate) ready() bool { return g.open || g.output && !g.holding }

// release frees what is there to be shown, unless it is held. It comes after an
// event was taken whole.
func (g *gate) release() {
	if g.ready() {
		g.seal()
		g.free, g.freeRaw = len(g.events), len(g.raw)
	}
}

// maxFree is how many events wait at most to be shown together.
const maxFree = 16

// waiting reports whether there is something to show, full whether it must not
// wait for more.
func (g *gate) waiting() bool { return g.free+g.freeRaw > 0 }
func (g *gate) full() bool    { return g.free >= maxFree || g.freeRaw >= 8<<10 }

// clear forgets what was shown.
func (g *gate) clear() {
	n := copy(g.events, g.events[g.free:])
	clear(g.events[n:])
	g.events = g.events[:n]
	g.raw = g.raw[:copy(g.raw, g.raw[g.freeRaw:])]
	g.free, g.freeRaw = 0, 0
	if n == 0 {
		g.size = 0
	}
}
