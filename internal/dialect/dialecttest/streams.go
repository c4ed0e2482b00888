package dialecttest

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/iotest"

	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/llm"
	"freehold/internal/sse"
)

// decodeStream decodes a whole stream; the error is the decoder's, or of End.
func decodeStream(c dialect.Codec, op llm.Operation, r io.Reader) ([]llm.Event, error) {
	reader, dec := sse.NewReader(r, 0), c.NewStreamDecoder(op)
	var events []llm.Event
	for {
		ev, err := reader.Next()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return dec.End(events)
		}
		if err != nil {
			return events, err
		}
		if events, err = dec.Decode(events, ev); err != nil {
			return events, err
		}
	}
}

func accumulate(events []llm.Event) *llm.Accumulator {
	a := &llm.Accumulator{}
	for i := range events {
		a.Add(&events[i])
	}
	return a
}

func streams(t *testing.T, c dialect.Codec, f Fixtures) {
	for _, s := range f.Streams {
		t.Run(s.Name, func(t *testing.T) {
			events, err := decodeStream(c, s.Op, bytes.NewReader(s.Data))
			if err != nil {
				t.Fatalf("decode: %v", err)
			}
			if a := accumulate(events); !a.Complete() {
				t.Fatal("the stream is not complete")
			}
			golden(t, s.Golden, events)
			order(t, events)
			for name, r := range map[string]io.Reader{
				"byte by byte": iotest.OneByteReader(bytes.NewReader(s.Data)),
				"halved":       iotest.HalfReader(bytes.NewReader(s.Data)),
				"with CRLF":    bytes.NewReader(bytes.ReplaceAll(s.Data, []byte("\n"), []byte("\r\n"))),
			} {
				if got, err := decodeStream(c, s.Op, r); err != nil || same(events, got) != "" {
					t.Errorf("read %s: %v, events (-want +got):\n%s", name, err, same(events, got))
				}
			}
			cuts(t, c, s)
			resume(t, c, f, s, events)
			relay(t, c, s, events)
			assemble(t, c, f, s, events)
			atOnce(t, c, s.Op, s.Data)
		})
	}
	for _, junk := range []string{"data: <html>\n\n", "data: {\n\n", "data: []\n\n", "data: \"x\"\n\n"} {
		if _, err := decodeStream(c, llm.Chat, bytes.NewReader([]byte(junk))); err == nil {
			t.Errorf("%q is taken for a stream", junk)
		}
	}
	if _, err := decodeStream(c, llm.Chat, bytes.NewReader(nil)); !fault.Is(err, fault.Cut) {
		t.Errorf("an empty stream: %v", err)
	}
}

// order checks the grammar of events: parts begin, in order, before their
// deltas; nothing comes after a part's stop or a choice's finish.
func order(t *testing.T, events []llm.Event) {
	t.Helper()
	type state struct {
		stopped  []bool
		finished bool
	}
	choices := map[int]*state{}
	for i, e := range events {
		switch e.Kind {
		case llm.EventPartStart, llm.EventDelta, llm.EventSignature, llm.EventPartStop, llm.EventFinish:
		default:
			continue
		}
		st := choices[e.Choice]
		if st == nil {
			st = &state{}
			choices[e.Choice] = st
		}
		bad := st.finished
		switch e.Kind {
		case llm.EventPartStart:
			bad = bad || e.Part != len(st.stopped)
			st.stopped = append(st.stopped, false)
		case llm.EventFinish:
			st.finished = true
		default:
			if bad = bad || e.Part >= len(st.stopped) || st.stopped[e.Part]; !bad && e.Kind == llm.EventPartStop {
				st.stopped[e.Part] = true
			}
		}
		if bad {
			t.Errorf("event %d is out of order: %+v", i, e)
			return
		}
	}
}

// cuts: a stream cut after any event is whole only if all of the answer was
// there, and never panics when it is cut at any byte.
func cuts(t *testing.T, c dialect.Codec, s Sample) {
	t.Helper()
	reader := sse.NewReader(bytes.NewReader(s.Data), 0)
	at := 0
	for {
		events, err := decodeStream(c, s.Op, bytes.NewReader(s.Data[:at]))
		a := accumulate(events)
		if whole := a.Complete(); whole && err != nil || !whole && !fault.Is(err, fault.Cut) {
			t.Errorf("cut after %d bytes: complete %v, error %v", at, whole, err)
		}
		ev, err := reader.Next()
		if err != nil {
			break
		}
		at += len(ev.Raw)
	}
	for n := 0; n < len(s.Data); n += 1 + n/200 {
		if _, err := decodeStream(c, s.Op, bytes.NewReader(s.Data[:n])); err != nil && !fault.Is(err, fault.Cut) {
			t.Errorf("cut after %d bytes: %v", n, err)
		}
	}
}

// encodeStream shows events to a client, taken up at event number at by a
// second encoder that knows only what the client has seen.
func encodeStream(t *testing.T, c dialect.Codec, s Sample, events []llm.Event, at int) []byte {
	t.Helper()
	view := dialect.View{IncludeUsage: true, Created: 1, ID: "1"}
	enc := c.NewStreamEncoder(s.Op, view, nil)
	var out []byte
	var err error
	var sofar llm.Accumulator
	for i := range events {
		if i == at {
			enc = c.NewStreamEncoder(s.Op, view, &sofar)
		}
		if out, err = enc.Encode(out, &events[i]); err != nil {
			t.Fatalf("encode event %d of %d, taken up at %d: %v", i, len(events), at, err)
		}
		sofar.Add(&events[i])
	}
	return enc.End(out)
}

// resume: encoded and decoded again the answer is the same, taken up at any
// event after the first output (what a client has seen begins there).
func resume(t *testing.T, c dialect.Codec, f Fixtures, s Sample, events []llm.Event) {
	t.Helper()
	want := f.shown(accumulate(events).Response())
	first := 0
	for first < len(events) && !events[first].IsOutput() {
		first++
	}
	for at := -1; at <= len(events); at++ {
		if at >= 0 && at <= first {
			continue
		}
		out := encodeStream(t, c, s, events, at)
		again, err := decodeStream(c, s.Op, bytes.NewReader(out))
		if err != nil {
			t.Errorf("taken up at %d: %v\n%s", at, err, clip(string(out)))
			return
		}
		got := accumulate(again).Response()
		if want.ID == "" || want.Created == 0 {
			got.ID, got.Created = want.ID, want.Created
		}
		if diff := same(want, got); diff != "" {
			t.Errorf("taken up at %d (-want +got):\n%s", at, diff)
			return
		}
	}
}

// relay: relayed bytes differ in the model's name only.
func relay(t *testing.T, c dialect.Codec, s Sample, events []llm.Event) {
	t.Helper()
	rewrite := func(v dialect.View) []byte {
		reader := sse.NewReader(bytes.NewReader(s.Data), 0)
		var out []byte
		for {
			ev, err := reader.Next()
			if err != nil {
				return out
			}
			out = c.RewriteEvent(out, ev, v)
		}
	}
	if got := rewrite(dialect.View{IncludeUsage: true}); !bytes.Equal(got, bytes.TrimPrefix(s.Data, []byte("\uFEFF"))) {
		t.Errorf("relayed without need to change:\n%s", clip(string(got)))
	}
	for _, usage := range []bool{true, false} {
		got, err := decodeStream(c, s.Op, bytes.NewReader(rewrite(dialect.View{Model: "ours", IncludeUsage: usage})))
		if err != nil {
			t.Fatalf("relayed with another model: %v", err)
		}
		a, b := accumulate(events).Response(), accumulate(got).Response()
		if a.Model != "" {
			a.Model = "ours"
		}
		if !usage {
			b.Usage = a.Usage
		}
		if diff := same(a, b); diff != "" {
			t.Errorf("relayed with another model (-want +got):\n%s", diff)
		}
	}
}

// assemble: gathered and encoded as a plain answer, a stream says the same.
func assemble(t *testing.T, c dialect.Codec, f Fixtures, s Sample, events []llm.Event) {
	t.Helper()
	want := accumulate(events).Response()
	body, err := c.EncodeReply(want, s.Op, dialect.View{Created: 1, ID: "1"})
	if err != nil {
		t.Fatalf("as a plain answer: %v", err)
	}
	sum, err := c.Summarize(s.Op, body)
	if err != nil || !sum.Complete {
		t.Errorf("as a plain answer: complete %v, %v: %s", sum.Complete, err, clip(string(body)))
	}
	got, err := c.DecodeReply(s.Op, body)
	if err != nil {
		t.Fatalf("as a plain answer: %v: %s", err, clip(string(body)))
	}
	if want.ID == "" || want.Created == 0 {
		got.ID, got.Created = want.ID, want.Created
	}
	if diff := same(plain(f.shown(want)), plain(got)); diff != "" {
		t.Errorf("as a plain answer (-want +got):\n%s\nbody: %s", diff, clip(string(body)))
	}
}

// plain is an answer with each choice's text, refusal and thinking joined: how
// many pieces they came in is not for a plain answer to say.
func plain(r *llm.Response) *llm.Response {
	out := *r
	out.Choices = nil
	for _, ch := range r.Choices {
		joined := llm.Choice{Index: ch.Index, Finish: ch.Finish, StopSequence: ch.StopSequence}
		at := map[llm.PartKind]int{}
		for _, p := range ch.Parts {
			switch {
			case p.Kind == llm.PartText && p.Text == "":
				continue
			case p.Kind == llm.PartRedactedThinking:
				p.Dialect = ""
			case p.Kind == llm.PartOpaque: // what streamed beside it is inside of it now
				p = llm.Part{Kind: p.Kind, Name: p.Name}
			case p.Incomplete: // a dialect may have no form for arguments that are cut
				p.Arguments = ""
			}
			i, ok := at[p.Kind]
			if ok && (p.Kind == llm.PartText || p.Kind == llm.PartRefusal || p.Kind == llm.PartThinking && p.Signature == "") {
				joined.Parts[i].Text += p.Text
				continue
			}
			at[p.Kind] = len(joined.Parts)
			joined.Parts = append(joined.Parts, p)
		}
		slices.SortStableFunc(joined.Parts, func(a, b llm.Part) int { return int(a.Kind) - int(b.Kind) })
		out.Choices = append(out.Choices, joined)
	}
	return &out
}

// atOnce: a decoder that rewrites what it decodes does both as they are done
// apart.
func atOnce(t *testing.T, c dialect.Codec, op llm.Operation, data []byte) {
	t.Helper()
	for _, v := range []dialect.View{{}, {Model: "ours"}, {Model: "a \"b\"", IncludeUsage: true}, {IncludeUsage: true}} {
		both, ok := c.NewStreamDecoder(op).(dialect.RelayDecoder)
		if !ok {
			return
		}
		apart := c.NewStreamDecoder(op)
		reader := sse.NewReader(bytes.NewReader(data), 0)
		for {
			ev, err := reader.Next()
			if err != nil {
				break
			}
			want, wantErr := apart.Decode(nil, ev)
			before := []byte("before")
			got, out, gotErr := both.DecodeRelay(nil, before, ev, v)
			if diff := same(want, got); diff != "" || (wantErr == nil) != (gotErr == nil) {
				t.Fatalf("%s: errors %v and %v, events (-apart +at once):\n%s", clip(string(ev.Raw)), wantErr, gotErr, diff)
			}
			if wantErr != nil {
				if string(out) != "before" {
					t.Fatalf("%s: %v, but relayed %q", clip(string(ev.Raw)), wantErr, out)
				}
				break
			}
			if want := c.RewriteEvent(before, ev, v); !bytes.Equal(want, out) {
				t.Fatalf("%s shown as %+v:\napart   %s\nat once %s", clip(string(ev.Raw)), v, want, out)
			}
		}
	}
}
