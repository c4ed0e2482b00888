package llm

// Events tells a whole answer as the events of a stream, each part in one piece:
// what an [Accumulator] makes the same answer of. Parts that only one dialect
// understands are left out, and usage that was not reported.
func (r *Response) Events() []Event {
	out := []Event{{Kind: EventStart, ID: r.ID, Meta: &Meta{
		Model: r.Model, Created: r.Created, Fingerprint: r.SystemFingerprint, ServiceTier: r.ServiceTier,
	}}}
	for i := range r.Choices {
		c := &r.Choices[i]
		n := 0
		for j := range c.Parts {
			p := &c.Parts[j]
			if p.Kind == PartOpaque {
				continue
			}
			out = append(out, Event{Kind: EventPartStart, Choice: c.Index, Part: n, PartKind: p.Kind, ID: p.ID, Name: p.Name, Raw: p.Opaque})
			text := p.Text
			if p.Kind == PartToolCall {
				text = p.Arguments
			}
			if text != "" {
				out = append(out, Event{Kind: EventDelta, Choice: c.Index, Part: n, Text: text})
			}
			if p.Signature != "" {
				out = append(out, Event{Kind: EventSignature, Choice: c.Index, Part: n, Text: p.Signature})
			}
			out = append(out, Event{Kind: EventPartStop, Choice: c.Index, Part: n})
			n++
		}
		out = append(out, Event{Kind: EventFinish, Choice: c.Index, Finish: c.Finish, StopSequence: c.StopSequence})
	}
	if r.Usage.Reported {
		out = append(out, Event{Kind: EventUsage, Meta: &Meta{Usage: r.Usage}})
	}
	return append(out, Event{Kind: EventEnd})
}
