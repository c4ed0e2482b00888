package gateway

import (
	"freehold/internal/detect"
	"freehold/internal/fault"
	"freehold/internal/fleet"
	"freehold/internal/llm"
	"freehold/internal/redact"
)

// redact replaces what the detectors that redact have found, hits being all that
// was found, and reads the body anew: from here on it is what leaves.
func (x *exchange) redact(d *fleet.Detectors, hits []detect.Hit) error {
	var rules uint64
	var by string
	for _, h := range hits {
		for i := range d.List {
			if d.List[i].Action == fleet.Redact && h.Rules>>i&1 != 0 {
				rules |= 1 << i
				by = d.List[i].Name
			}
		}
	}
	if rules == 0 {
		return nil
	}
	refuse := func(why string) error {
		return &fault.Error{Kind: fault.PolicyDenied, Code: "detector", NoRetry: true, Message: "detector " + by + " cannot redact the request: " + why}
	}
	if x.body == nil {
		return refuse("a raw path is sent as it is, or not at all")
	}
	names := redact.New(d.Set, rules)
	raw, err := names.JSON(x.call.Raw, hits)
	if err != nil {
		return refuse(err.Error())
	}
	body, err := x.call.Codec.Read(x.call.Op, raw)
	if err != nil {
		return refuse("what it found stands where the API needs something else than text")
	}
	if x.route.Kind == "vendor" && body.Facts.Model != x.body.Facts.Model { // it goes to the provider
		body.Release()
		return refuse("it stands in the model's name")
	}
	// The name that was resolved, and by what a conversation and its end user are known:
	// placeholders are alike for different people.
	body.Facts.Model, body.Facts.Conversation, body.Facts.EndUser = x.body.Facts.Model, x.body.Facts.Conversation, x.body.Facts.EndUser
	x.body.Release()
	x.body, x.names, x.request = body, names, nil
	return nil
}

// shows reports that the answer may hold placeholders.
func (x *exchange) shows() bool {
	return x.names != nil && x.call.Op != llm.Embedding && x.call.Op != llm.CountTokens
}

// restorer puts back, in the events of one leg, what was redacted. What may be
// the beginning of a placeholder waits for the rest of it.
type restorer struct {
	names *redact.Names
	json  bool // texts are JSON
	parts map[partAt]*redact.Stream
	out   []llm.Event
}

type partAt struct{ choice, part int }

func (x *exchange) newRestorer() *restorer {
	return &restorer{names: x.names, json: x.asksJSON(), parts: map[partAt]*redact.Stream{}}
}

// asksJSON reports that the answer's texts are to be JSON.
func (x *exchange) asksJSON() bool {
	return x.body.Facts.Features&(llm.FeatureJSONObject|llm.FeatureJSONSchema) != 0
}

// apply returns the events to be shown. They are valid until the next call.
func (r *restorer) apply(events []llm.Event) []llm.Event {
	r.out = r.out[:0]
	for i := range events {
		e := events[i]
		at := partAt{e.Choice, e.Part}
		switch e.Kind {
		case llm.EventPartStart:
			r.parts[at] = &redact.Stream{Names: r.names, JSON: e.PartKind == llm.PartToolCall || r.json && e.PartKind == llm.PartText}
			e.Name, e.Raw = r.names.Restore(e.Name, false), r.raw(e.Raw)
		case llm.EventDelta:
			s := r.parts[at]
			if s == nil { // of a text that another leg began
				s = &redact.Stream{Names: r.names, JSON: r.json}
				r.parts[at] = s
			}
			if e.Text = s.Push(e.Text); e.Text == "" && len(e.Raw) == 0 {
				continue
			}
		case llm.EventPartStop:
			r.rest(at)
		case llm.EventFinish:
			for at := range r.parts {
				if at.choice == e.Choice {
					r.rest(at)
				}
			}
			e.StopSequence = r.names.Restore(e.StopSequence, false)
		case llm.EventOpaque:
			e.Raw = r.raw(e.Raw)
		}
		r.out = append(r.out, e)
	}
	return r.out
}

// rest shows what a part that has ended holds.
func (r *restorer) rest(at partAt) {
	if s := r.parts[at]; s != nil {
		if text := s.Rest(); text != "" {
			r.out = append(r.out, llm.Event{Kind: llm.EventDelta, Choice: at.choice, Part: at.part, Text: text})
		}
	}
}

// raw restores JSON that is passed on unread.
func (r *restorer) raw(text []byte) []byte {
	if len(text) == 0 {
		return text
	}
	return []byte(r.names.Restore(string(text), true))
}

// restoreReply puts back what was redacted in a whole answer.
func (x *exchange) restoreReply(reply *llm.Response) {
	r := x.newRestorer()
	for i := range reply.Extra {
		reply.Extra[i].Raw = r.raw(reply.Extra[i].Raw)
	}
	for i := range reply.Choices {
		reply.Choices[i].StopSequence = r.names.Restore(reply.Choices[i].StopSequence, false)
		for j := range reply.Choices[i].Parts {
			p := &reply.Choices[i].Parts[j]
			p.Text = r.names.Restore(p.Text, r.json && p.Kind == llm.PartText)
			p.Name = r.names.Restore(p.Name, false)
			p.Arguments = r.names.Restore(p.Arguments, true)
			p.Opaque = r.raw(p.Opaque)
		}
	}
}

// kept are the request and a way to make what is kept of its answer: without
// what was redacted, unless the workload wants the texts as they are.
func (x *exchange) kept() (request []byte, answer func([]byte) ([]byte, error)) {
	if x.names == nil || x.route.Capture.Unredacted {
		return x.call.Raw, func(body []byte) ([]byte, error) { return body, nil }
	}
	names, set := x.names, x.route.Detectors.Set
	if !x.shows() { // numbers
		return x.body.Raw, func(body []byte) ([]byte, error) { return body, nil }
	}
	return x.body.Raw, func(body []byte) ([]byte, error) { return names.Shown(body, set.JSON(body)) }
}
