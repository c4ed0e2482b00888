package llm

import (
	"encoding/json"
	"strings"
)

// Accumulator folds the events of a stream into the answer so far. It serves
// continuation after a cut (what was sent), the ledger (usage, finish) and
// encoders that start in mid-answer.
type Accumulator struct {
	ID      string
	Model   string
	Created int64
	// Fingerprint and ServiceTier are what the start told of the provider.
	Fingerprint, ServiceTier string
	Usage                    Usage
	Ended                    bool // the dialect's own end mark was seen
	Choices                  []AccChoice
	// Keep bounds the bytes of text and arguments that are kept, 0 does not.
	// From the first piece on that is over it, none is, and Cut is true.
	Keep int
	Cut  bool
	size int
}

// Size is how many bytes of text and arguments are kept.
func (a *Accumulator) Size() int { return a.size }

// keep reports whether n more bytes are kept.
func (a *Accumulator) keep(n int) bool {
	if a.Cut = a.Cut || a.Keep > 0 && a.size+n > a.Keep; a.Cut {
		return false
	}
	a.size += n
	return true
}

// AccChoice is one alternative of an answer under way.
type AccChoice struct {
	Parts        []AccPart
	Finish       FinishReason
	StopSequence string
}

// AccPart is one part of an answer under way.
type AccPart struct {
	Kind     PartKind
	ID, Name string
	Stopped  bool
	body     []byte
	sig      []byte
	Raw      []byte
}

// Body returns the part's text or tool arguments so far.
func (p *AccPart) Body() string { return string(p.body) }

// Len returns the number of bytes of text or arguments so far.
func (p *AccPart) Len() int { return len(p.body) }

// Signature returns the thinking signature so far.
func (p *AccPart) Signature() string { return string(p.sig) }

// Add folds one event in.
func (a *Accumulator) Add(e *Event) {
	switch e.Kind {
	case EventStart:
		a.ID = e.ID
		if m := e.Meta; m != nil {
			a.Model, a.Created, a.Fingerprint, a.ServiceTier = m.Model, m.Created, m.Fingerprint, m.ServiceTier
			if m.Usage.Reported {
				a.Usage = m.Usage
			}
		}
	case EventPartStart:
		c := a.choice(e.Choice)
		c.Parts = append(c.Parts, AccPart{Kind: e.PartKind, ID: e.ID, Name: e.Name, Raw: e.Raw})
	case EventDelta:
		if p := a.part(e); p != nil && a.keep(len(e.Text)) {
			p.body = append(p.body, e.Text...)
		}
	case EventSignature:
		if p := a.part(e); p != nil && a.keep(len(e.Text)) {
			p.sig = append(p.sig, e.Text...)
		}
	case EventPartStop:
		if p := a.part(e); p != nil {
			p.Stopped = true
		}
	case EventFinish:
		c := a.choice(e.Choice)
		c.Finish, c.StopSequence = e.Finish, e.StopSequence
	case EventUsage:
		a.Usage = e.Usage()
	case EventEnd:
		a.Ended = true
	}
}

func (a *Accumulator) choice(i int) *AccChoice {
	for len(a.Choices) <= i {
		a.Choices = append(a.Choices, AccChoice{})
	}
	return &a.Choices[i]
}

func (a *Accumulator) part(e *Event) *AccPart {
	c := a.choice(e.Choice)
	if e.Part < 0 || e.Part >= len(c.Parts) {
		return nil
	}
	return &c.Parts[e.Part]
}

// Complete reports whether every choice has a finish reason and there is one.
func (a *Accumulator) Complete() bool {
	for i := range a.Choices {
		if a.Choices[i].Finish == "" {
			return false
		}
	}
	return len(a.Choices) > 0
}

// Text returns the text parts of a choice, joined.
func (a *Accumulator) Text(choice int) string {
	if choice >= len(a.Choices) {
		return ""
	}
	var b strings.Builder
	for i := range a.Choices[choice].Parts {
		if p := &a.Choices[choice].Parts[i]; p.Kind == PartText {
			b.Write(p.body)
		}
	}
	return b.String()
}

// Response returns the answer so far: of a whole stream, the plain answer that
// the provider would have given, but for logprobs and what a stream tells in
// opaque events (annotations, citations).
func (a *Accumulator) Response() *Response {
	r := &Response{ID: a.ID, Model: a.Model, Created: a.Created, Usage: a.Usage,
		SystemFingerprint: a.Fingerprint, ServiceTier: a.ServiceTier}
	for i := range a.Choices {
		c := &a.Choices[i]
		out := Choice{Index: i, Finish: c.Finish, StopSequence: c.StopSequence}
		for j := range c.Parts {
			p := &c.Parts[j]
			part := Part{Kind: p.Kind, ID: p.ID, Name: p.Name, Signature: p.Signature(), Opaque: p.Raw}
			if p.Kind == PartToolCall {
				part.Arguments = p.Body()
				cut := c.Finish == FinishLength || c.Finish == FinishContext
				part.Incomplete = cut && !json.Valid(p.body)
			} else {
				part.Text = p.Body()
			}
			out.Parts = append(out.Parts, part)
		}
		r.Choices = append(r.Choices, out)
	}
	return r
}
