package gateway

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"freehold/internal/dialect"
	"freehold/internal/fault"
	"freehold/internal/fleet"
	"freehold/internal/ledger"
	"freehold/internal/llm"
	"freehold/internal/routing"
)

// resume is the continuation of an answer that was cut after a part of it had
// been sent.
type resume struct {
	candidates []routing.Candidate
	text       string // text sent so far, trailing white space included
	prefix     string // text without its trailing white space: what is sent as prefill
	space      string // that white space
	from       *fleet.Deployment
	cause      fault.Kind
	req        *llm.Request
}

// maxSeams bounds how often one answer is continued: providers that cut after a
// few words each time must not be asked for ever. Each of them is asked once
// more at most, see mayTry.
const maxSeams = 8

// maxTaken is the longest text that another deployment is asked to take up: no
// model's context holds more.
const maxTaken = 8 << 20

// takeUp prepares to go on with an answer after its leg failed with err: with
// neither done nor an error, another deployment is to be asked. done says that
// the answer is whole: it had reached the client's limit. An error is what the
// client gets.
func (x *exchange) takeUp(ctx context.Context, l *leg, err error) (done bool, _ error) {
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	f := x.faultOf(err)
	if f.Kind == fault.Canceled || f.Kind == fault.Storage || f.Kind == fault.Internal || f.Code == tooLong {
		return false, f
	}
	if !x.out.begun() || x.shown() == nil {
		// Nothing was shown but perhaps a keep-alive: an ordinary failure.
		x.began, x.encoder = nil, nil
		x.note(l.d, f)
		return false, nil
	}
	if why := x.cannotResume(); why != "" {
		return false, &fault.Error{Kind: f.Kind, Message: "the answer was cut and cannot be continued: " + why, Cause: f}
	}
	if !x.share.Need(4 * x.sent.Size()) { // sent, to be sent again, twice in a body
		return false, noRoom()
	}
	x.usage = sum(x.usage, l.estimated())
	if x.spend(l) {
		return true, x.endAtLimit()
	}
	r := &resume{text: x.sent.Text(0), from: l.d, cause: f.Kind}
	r.prefix = strings.TrimRight(r.text, " \t\r\n")
	r.space = r.text[len(r.prefix):]
	if x.names != nil { // the next provider sees no more than the first did
		var nerr error
		if r.prefix, nerr = x.names.Text(r.prefix); nerr != nil {
			return false, &fault.Error{Kind: f.Kind, Message: "the answer was cut and cannot be continued: " + nerr.Error(), Cause: f}
		}
	}
	x.cutBy(l)
	r.candidates = x.successors(l.d, r.text != "")
	if len(r.candidates) == 0 {
		return false, &fault.Error{Kind: f.Kind, Message: "the answer was cut and no deployment is left that may continue it", Cause: f}
	}
	x.resume = r
	x.mu.Lock()
	x.queue, x.round = r.candidates, 0
	x.faults = nil
	x.mu.Unlock()
	return false, nil
}

// cannotResume says what forbids a continuation whoever would make it, or "".
func (x *exchange) cannotResume() string {
	switch {
	case x.route.Continue == fleet.ContinueOff:
		return "the workload says continue: off"
	case len(x.row.Seams) >= maxSeams:
		return "it was cut too often"
	case len(x.sent.Choices) > 1 || x.body.Facts.N > 1:
		return "it has several choices"
	case x.body.Facts.Features.Has(llm.FeatureLogprobs):
		return "it carries logprobs"
	}
	if x.sent.Cut {
		return "more of it was sent than is kept to go on from"
	}
	for i := range x.sent.Choices[0].Parts {
		p := &x.sent.Choices[0].Parts[i]
		if p.Kind != llm.PartText && p.Kind != llm.PartThinking {
			return "it holds more than text"
		}
	}
	return ""
}

// cutBy remembers who has cut the answer, and with which attempt first.
func (x *exchange) cutBy(l *leg) {
	if x.cuts == nil {
		x.cuts = map[*fleet.Deployment]int{}
	}
	if _, before := x.cuts[l.d]; !before {
		x.cuts[l.d] = l.n
	}
}

// mayTry reports whether d may be asked to continue the answer: who has cut it
// already is asked once more and then no longer.
func (x *exchange) mayTry(d *fleet.Deployment) bool {
	first, cut := x.cuts[d]
	if !cut {
		return true
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range x.row.Attempts {
		if a := &x.row.Attempts[i]; i > first && a.Deployment == d.Name {
			return false
		}
	}
	return true
}

// successors are who may continue, in order: the same model elsewhere, the
// fallbacks, and last who has cut this answer once. With text to take up, only
// those that can.
func (x *exchange) successors(failed *fleet.Deployment, text bool) []routing.Candidate {
	var same, other, again []routing.Candidate
	for _, c := range x.plan.Candidates {
		_, cut := x.cuts[c.Deployment]
		switch {
		case text && (c.Continue == dialect.ContinueNone || c.Continue == ""):
		case x.route.Continue != fleet.ContinueAny && c.Model != failed.Model:
		case !x.mayTry(c.Deployment):
		case cut:
			again = append(again, c)
		case c.Model == failed.Model:
			same = append(same, c)
		default:
			other = append(other, c)
		}
	}
	return slices.Concat(same, other, again)
}

// request is the canonical request without what a continuation cannot honour:
// a JSON format, whose grammar would begin anew. Hedges may ask at the same time.
func (r *resume) request(x *exchange) (*llm.Request, error) {
	req, err := x.canonical()
	if err != nil {
		return nil, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if r.req == nil {
		c := *req
		if r.text != "" {
			c.Format = llm.Format{}
		}
		r.req = &c
	}
	return r.req, nil
}

// maxTokens is what is left of the client's limit; 0 if it set none.
func (r *resume) maxTokens(x *exchange) int64 {
	if limit := x.body.Facts.MaxTokens; limit > 0 {
		return limit - x.spent // above 0: see spend
	}
	return 0
}

// continuation is how d takes the text up; nil where there is none yet.
func (r *resume) continuation(d *fleet.Deployment) *dialect.Continuation {
	if r.text == "" {
		return nil
	}
	return &dialect.Continuation{Prefix: r.prefix, Method: d.Continue}
}

func (r *resume) seam(l *leg) ledger.Seam {
	s := ledger.Seam{Offset: int64(utf8.RuneCountInString(r.text)), From: r.from.Name, To: l.d.Name, Cause: string(r.cause), Method: "restart"}
	if r.text != "" {
		s.Method = string(l.d.Continue)
	}
	return s
}

// splice fits the events of the continuing leg to what was sent.
func (r *resume) splice(l *leg) *splice {
	s := &splice{sent: &l.x.sent, hasText: r.text != ""}
	if s.hasText {
		s.space = r.space
		if l.d.Continue == dialect.PrefillEcho {
			s.echo = r.prefix
		}
	}
	return s
}

// splice renumbers the parts of a continuing leg behind those that were sent,
// joins its first text to the text that was open, and takes out an echo of the
// prefix and the white space that the prefix was sent without. An echo is
// taken out only if it equals the whole prefix.
type splice struct {
	sent    *llm.Accumulator
	hasText bool   // text was sent: thinking about its rest is not shown
	echo    string // expected echo; "" once it is settled
	space   string // white space already shown after the prefix
	held    []byte // text that may yet prove to be echo or space

	out     []llm.Event
	base    int  // parts sent before, -1 until the first part
	ready   bool // base is known
	textAt  int  // the leg's own index of the text part that is joined, -1 if none
	skipped []int
	joined  bool
	textNow int // part number under which the joined text is shown
}

func (s *splice) apply(in []llm.Event) []llm.Event {
	s.out = s.out[:0]
	for i := range in {
		e := in[i]
		switch e.Kind {
		case llm.EventStart, llm.EventPing:
			continue // the client has seen a start
		case llm.EventPartStart:
			s.partStart(e)
			continue
		case llm.EventDelta, llm.EventSignature, llm.EventPartStop:
			if slices.Contains(s.skipped, e.Part) {
				continue
			}
		}
		switch e.Kind {
		case llm.EventDelta:
			if s.isJoined(e.Part) {
				e.Part = s.textNow
				s.text(e)
				continue
			}
			e.Part += s.base
		case llm.EventSignature:
			e.Part += s.base
		case llm.EventPartStop:
			if s.isJoined(e.Part) {
				s.release()
				e.Part = s.textNow
			} else {
				e.Part += s.base
			}
		case llm.EventFinish:
			s.release()
		}
		s.out = append(s.out, e)
	}
	return s.out
}

func (s *splice) isJoined(part int) bool { return s.joined && part == s.textAt }

// partStart opens a part of the leg behind those already shown.
func (s *splice) partStart(e llm.Event) {
	if !s.ready {
		s.ready, s.textAt = true, -1
		if len(s.sent.Choices) > 0 {
			s.base = len(s.sent.Choices[0].Parts)
		}
	}
	if s.hasText && (e.PartKind == llm.PartThinking || e.PartKind == llm.PartRedactedThinking) {
		// Thinking about a text that is already being read is of no use.
		s.skipped = append(s.skipped, e.Part)
		s.base--
		return
	}
	if e.PartKind == llm.PartText && !s.joined {
		if open := s.openText(); open >= 0 {
			s.joined, s.textAt, s.textNow = true, e.Part, open
			s.base-- // this part takes no number of its own
			return
		}
	}
	s.closeOpen()
	e.Part += s.base
	s.out = append(s.out, e)
}

// openText is the number of the last part sent if it is a text that is open.
func (s *splice) openText() int {
	parts := s.sent.Choices[0].Parts
	if n := len(parts); n > 0 && parts[n-1].Kind == llm.PartText && !parts[n-1].Stopped {
		return n - 1
	}
	return -1
}

// closeOpen ends the part that the cut left open.
func (s *splice) closeOpen() {
	if len(s.sent.Choices) == 0 || s.joined {
		return
	}
	parts := s.sent.Choices[0].Parts
	if n := len(parts); n > 0 && !parts[n-1].Stopped {
		parts[n-1].Stopped = true
		s.out = append(s.out, llm.Event{Kind: llm.EventPartStop, Part: n - 1})
	}
}

// text passes a delta of the joined text, once it is known to be no echo.
func (s *splice) text(e llm.Event) {
	if s.echo == "" && s.space == "" {
		s.out = append(s.out, e)
		return
	}
	s.held = append(s.held, e.Text...)
	if s.undecided() {
		return
	}
	s.release()
}

// undecided reports whether what is held may still grow into echo and space.
func (s *splice) undecided() bool {
	h := string(s.held)
	if s.echo != "" {
		if len(h) < len(s.echo) {
			return strings.HasPrefix(s.echo, h)
		}
		if !strings.HasPrefix(h, s.echo) {
			return false
		}
		h = h[len(s.echo):]
	}
	return len(h) < len(s.space) && strings.HasPrefix(s.space, h)
}

// release lets go what is held, without a whole echo and the space already shown.
func (s *splice) release() {
	if len(s.held) == 0 {
		return
	}
	h := string(s.held)
	h = strings.TrimPrefix(h, s.echo)
	n := 0
	for n < len(s.space) && n < len(h) && h[n] == s.space[n] {
		n++
	}
	h = h[n:]
	s.held, s.echo, s.space = nil, "", ""
	if h != "" {
		s.out = append(s.out, llm.Event{Kind: llm.EventDelta, Part: s.textNow, Text: h})
	}
}

// flush ends the splice: what is still held is let go.
func (s *splice) flush() []llm.Event {
	s.out = s.out[:0]
	s.release()
	return s.out
}
