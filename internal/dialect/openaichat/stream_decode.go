package openaichat

import (
	"bytes"

	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/jsondoor"
	"freehold/internal/llm"
	"freehold/internal/sse"
)

// streamDecoder reads the chunks of one answer.
type streamDecoder struct {
	started bool
	id      string
	choices []choiceState
	calls   int  // tool calls without an id so far
	failed  bool // the provider reported an error
	done    bool // the end mark was seen
	pieces  dialect.Pieces
	scratch []byte
	mould   mould
}

// choiceState is one alternative under way.
type choiceState struct {
	parts    []partState
	open     int // the open part, -1 for none
	finished bool
	called   bool // has tool calls
}

type partState struct {
	kind  llm.PartKind
	index int64 // of a tool call, as the provider numbers them
	id    string
	args  int // bytes of arguments
	json  nesting
	done  bool
}

// NewStreamDecoder implements dialect.Codec.
func (Codec) NewStreamDecoder(op llm.Operation) dialect.StreamDecoder {
	return &streamDecoder{}
}

var _ dialect.RelayDecoder = (*streamDecoder)(nil)

// Decode implements dialect.StreamDecoder.
func (s *streamDecoder) Decode(dst []llm.Event, ev *sse.Event) ([]llm.Event, error) {
	if g, ok := s.glance(ev); ok {
		return s.running(dst, &g), nil
	}
	dst, _, err := s.decode(dst, nil, ev, nil)
	return dst, err
}

// DecodeRelay implements dialect.RelayDecoder.
func (s *streamDecoder) DecodeRelay(dst []llm.Event, out []byte, ev *sse.Event, v dialect.View) ([]llm.Event, []byte, error) {
	if g, ok := s.glance(ev); ok && ev.DataAt > 0 {
		return s.running(dst, &g), g.rewrite(out, ev, v.Model), nil
	}
	return s.decode(dst, out, ev, &v)
}

// decode reads any event; with a view its bytes are relayed to out.
func (s *streamDecoder) decode(dst []llm.Event, out []byte, ev *sse.Event, v *dialect.View) ([]llm.Event, []byte, error) {
	relayed := out
	if v != nil {
		relayed = append(relayed, ev.Raw...)
	}
	data := ev.Data
	switch {
	case ev.Comment:
		return append(dst, llm.Event{Kind: llm.EventPing}), relayed, nil
	case len(bytes.TrimSpace(data)) == 0:
		return dst, relayed, nil
	case string(bytes.TrimSpace(data)) == "null": // llama.cpp, between the answers to several prompts
		return dst, out, nil
	case string(bytes.TrimSpace(data)) == "[DONE]":
		if !s.complete() {
			// An end mark does not make an unfinished answer whole, and must
			// not be shown as if it did.
			return dst, out, unfinished()
		}
		if !s.done {
			s.done = true
			dst = append(dst, llm.Event{Kind: llm.EventEnd})
		}
		return dst, relayed, nil
	}
	d, err := jsondoor.ParseLax(data, answer)
	if err != nil {
		return dst, out, malformed(err)
	}
	defer d.Release()
	r := d.Root()
	if r.Kind() != jsondoor.Object {
		return dst, out, fault.New(fault.Malformed, "a chunk of the provider's stream is %s", r.Kind())
	}
	if complains(r.Get("error")) || string(ev.Name) == "error" || r.Get("object").Is("error") {
		s.failed = true
		f := reported(data)
		if f == nil {
			f = fault.New(fault.StreamError, "the provider reported an error inside the stream")
		}
		dst = append(dst, llm.Event{Kind: llm.EventError, Err: f})
	} else if dst, err = s.chunk(dst, r); err != nil {
		return dst, out, err
	}
	if v != nil {
		relayed = rewriteChunk(relayed[:len(out)], ev, d, *v)
	}
	return dst, relayed, nil
}

func (s *streamDecoder) chunk(dst []llm.Event, r jsondoor.Value) ([]llm.Event, error) {
	choices := r.Get("choices")
	if !s.started && (choices.First().Exists() || r.Get("id").Size() > 0) {
		s.started = true
		m := &llm.Meta{
			Model:       r.Get("model").Text(),
			Fingerprint: r.Get("system_fingerprint").Text(), ServiceTier: r.Get("service_tier").Text(),
		}
		m.Created, _ = r.Get("created").Int()
		s.id = r.Get("id").Text()
		dst = append(dst, llm.Event{Kind: llm.EventStart, ID: s.id, Meta: m})
	}
	for c := choices.First(); c.Exists(); c = c.Next() {
		n, _ := c.Get("index").Int()
		if n < 0 || n >= maxChoices {
			return dst, fault.New(fault.Malformed, "a chunk of the provider's stream has choice number %d", n)
		}
		dst = s.choice(dst, int(n), c)
	}
	if u := usageIn(r); u.Kind() == jsondoor.Object {
		dst = append(dst, llm.Event{Kind: llm.EventUsage, Meta: &llm.Meta{Usage: usageOf(u)}})
	}
	return dst, nil
}

func (s *streamDecoder) choice(dst []llm.Event, n int, c jsondoor.Value) []llm.Event {
	for len(s.choices) <= n {
		s.choices = append(s.choices, choiceState{open: -1})
	}
	logprobs := c.Get("logprobs")
	delta := c.Get("delta")
	if delta.Kind() != jsondoor.Object { // some servers send the last chunk as a whole message
		delta = c.Get("message")
	}
	dst = s.thinking(dst, n, delta)
	dst = s.text(dst, n, llm.PartText, c.Get("text"), logprobs)
	dst = s.content(dst, n, delta.Get("content"), logprobs)
	dst = s.text(dst, n, llm.PartRefusal, delta.Get("refusal"), logprobs)
	for t := delta.Get("tool_calls").First(); t.Exists(); t = t.Next() {
		dst = s.call(dst, n, t)
	}
	if f := delta.Get("function_call"); f.Kind() == jsondoor.Object {
		dst = s.function(dst, n, jsondoor.Value{}, f, -1, "")
	}
	for m := delta.First(); m.Exists(); m = m.Next() {
		if (m.Named("annotations") || m.Named("audio")) && m.Present() && string(m.Raw()) != "[]" {
			dst = append(dst, llm.Event{Kind: llm.EventOpaque, Choice: n, Name: m.Name(), Raw: clone(m)})
		}
	}
	return s.finish(dst, n, c.Get("finish_reason"))
}

func (s *streamDecoder) finish(dst []llm.Event, n int, v jsondoor.Value) []llm.Event {
	reason, failed := finishOf(v)
	if failed {
		s.failed = true
		return append(dst, llm.Event{Kind: llm.EventError, Choice: n, Err: brokeOff(v)})
	}
	st := &s.choices[n]
	if reason == "" || st.finished {
		return dst
	}
	st.finished = true
	whole := reason != llm.FinishLength && reason != llm.FinishContext
	for i := range st.parts {
		if !st.parts[i].done {
			dst = s.stop(dst, n, i, whole)
		}
	}
	st.open = -1
	return append(dst, llm.Event{Kind: llm.EventFinish, Choice: n, Finish: withCalls(reason, st.called)})
}

// thinking reads thinking in either spelling, and blocks with signatures.
func (s *streamDecoder) thinking(dst []llm.Event, n int, delta jsondoor.Value) []llm.Event {
	text := thinkingText(delta)
	said := text.Size() > 0
	if said {
		dst = s.text(dst, n, llm.PartThinking, text, jsondoor.Value{})
	}
	for b := delta.Get("thinking_blocks").First(); b.Exists(); b = b.Next() {
		if b.Get("type").Is("redacted_thinking") {
			dst = s.close(dst, n)
			dst = s.start(dst, n, partState{kind: llm.PartRedactedThinking}, llm.Event{Raw: clone(b.Get("data"))})
			dst = s.close(dst, n)
			continue
		}
		if t := b.Get("thinking"); t.Size() > 0 && !said {
			dst = s.text(dst, n, llm.PartThinking, t, jsondoor.Value{})
		}
		if sig := b.Get("signature"); sig.Size() > 0 {
			dst = s.ensure(dst, n, llm.PartThinking)
			dst = append(dst, llm.Event{Kind: llm.EventSignature, Choice: n, Part: s.choices[n].open, Text: sig.Text()})
			dst = s.close(dst, n) // what follows is another block
		}
	}
	return dst
}

// content reads a delta's text, or Mistral's list of parts.
func (s *streamDecoder) content(dst []llm.Event, n int, v, logprobs jsondoor.Value) []llm.Event {
	if v.Kind() == jsondoor.String {
		return s.text(dst, n, llm.PartText, v, logprobs)
	}
	for p := v.First(); p.Exists(); p = p.Next() {
		if p.Get("type").Is("thinking") {
			for t := p.Get("thinking").First(); t.Exists(); t = t.Next() {
				dst = s.text(dst, n, llm.PartThinking, t.Get("text"), jsondoor.Value{})
			}
			continue
		}
		dst = s.text(dst, n, llm.PartText, p.Get("text"), logprobs)
	}
	return dst
}

func (s *streamDecoder) text(dst []llm.Event, n int, kind llm.PartKind, v, logprobs jsondoor.Value) []llm.Event {
	if v.Size() == 0 {
		return dst
	}
	dst = s.ensure(dst, n, kind)
	e := llm.Event{Kind: llm.EventDelta, Choice: n, Part: s.choices[n].open, Text: s.pieces.String(v.Bytes())}
	if logprobs.Present() {
		e.Raw = clone(logprobs)
	}
	return append(dst, e)
}

// ensure makes a part of the given kind the open one.
func (s *streamDecoder) ensure(dst []llm.Event, n int, kind llm.PartKind) []llm.Event {
	st := &s.choices[n]
	if st.open >= 0 && st.parts[st.open].kind == kind {
		return dst
	}
	dst = s.close(dst, n)
	return s.start(dst, n, partState{kind: kind}, llm.Event{})
}

func (s *streamDecoder) start(dst []llm.Event, n int, p partState, e llm.Event) []llm.Event {
	st := &s.choices[n]
	st.open = len(st.parts)
	st.parts = append(st.parts, p)
	e.Kind, e.PartKind, e.Choice, e.Part = llm.EventPartStart, p.kind, n, st.open
	return append(dst, e)
}

// close ends the open part, for another one. A tool call whose arguments are
// not closed stays: its server sends several calls at once.
func (s *streamDecoder) close(dst []llm.Event, n int) []llm.Event {
	st := &s.choices[n]
	if st.open < 0 {
		return dst
	}
	if p := &st.parts[st.open]; p.json.closed() {
		dst = s.stop(dst, n, st.open, true)
	}
	st.open = -1
	return dst
}

// stop ends a part. A whole tool call without arguments gets "{}".
func (s *streamDecoder) stop(dst []llm.Event, n, at int, whole bool) []llm.Event {
	p := &s.choices[n].parts[at]
	if p.kind == llm.PartToolCall && p.args == 0 && whole {
		dst = append(dst, llm.Event{Kind: llm.EventDelta, Choice: n, Part: at, Text: "{}"})
	}
	p.done = true
	return append(dst, llm.Event{Kind: llm.EventPartStop, Choice: n, Part: at})
}

// complete reports whether every alternative has a finish reason.
func (s *streamDecoder) complete() bool {
	for i := range s.choices {
		if !s.choices[i].finished {
			return false
		}
	}
	return len(s.choices) > 0 && !s.failed
}

// End implements dialect.StreamDecoder.
func (s *streamDecoder) End(dst []llm.Event) ([]llm.Event, error) {
	if s.complete() {
		return dst, nil
	}
	return dst, unfinished()
}

func unfinished() error {
	return fault.New(fault.Cut, "the provider's stream ended without a finish reason")
}
