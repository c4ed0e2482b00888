package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"freehold/internal/fault"
	"freehold/internal/fleet"
	"freehold/internal/llm"
	"freehold/internal/routing"
)

// shortContext is the context that is reckoned with where a deployment's is not
// known: that of the smallest models for embeddings.
const shortContext = 512

// embeds reports that a request for embeddings is not one provider's to answer
// as it stands: it may have to be split, an input may be too long, or vectors
// have to be looked at.
func (x *exchange) embeds() bool {
	return x.call.Op == llm.Embedding && (x.remembered() || slices.ContainsFunc(x.queue, func(c routing.Candidate) bool { return !x.asItIs(c.Deployment) }))
}

// remembered reports whether somebody wants to know which vectors the client gets. Those
// that are not read here (of several types at once) nobody searches an index with.
func (x *exchange) remembered() bool {
	return x.g.Vectors != nil && x.call.Aside == nil && x.route.Stands != nil && !x.body.Facts.Whole && x.g.Vectors.Remembers(x.route.Workload)
}

// asItIs reports that d is asked with the request for embeddings as it stands.
func (x *exchange) asItIs(d *fleet.Deployment) bool {
	f, e := &x.body.Facts, &d.Embedding
	switch {
	case d.Provider.Codec.Name() != x.call.Codec.Name():
		return false
	case f.Whole:
		return true
	case f.Tokens, f.Truncates, f.Parameters&llm.ParamDimensions != 0:
		return false
	case e.MaxInputs > 0 && f.Inputs > e.MaxInputs, e.MaxTokens > 0 && int64(f.TextBytes) > e.MaxTokens:
		return false
	}
	longest := f.LongestBytes
	if longest == 0 {
		longest = f.TextBytes
	}
	return int64(longest)+around <= contextOf(d)
}

// errWhich says that a request for embeddings was refused as it stood, since an input is
// too long: which one is found out by [exchange.embed].
var errWhich = errors.New("which input is too long is found out")

// which reports whether err is a candidate's refusal of an input that is too long, in
// words that do not tell which one. The candidate is then asked once more, in parts.
func (x *exchange) which(c routing.Candidate, err error) bool {
	var f *fault.Error
	if x.call.Op != llm.Embedding || x.body.Facts.Whole || !errors.As(err, &f) || f.Kind != fault.ContextLength {
		return false
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.queue = append([]routing.Candidate{c}, x.queue...)
	x.long = &long{c.Deployment, f}
	return true
}

// long is who has refused all inputs at once as too long, and how.
type long struct {
	d *fleet.Deployment
	f *fault.Error
}

func contextOf(d *fleet.Deployment) int64 {
	if d.Context > 0 {
		return d.Context
	}
	return shortContext
}

// embed answers a request for embeddings in as many parts as who is asked needs.
// All vectors are of one model. A part that fails is asked for elsewhere, where
// the same model is, or all of them are: no answer lacks one.
func (x *exchange) embed(ctx context.Context) error {
	r, err := x.canonical()
	if err != nil {
		return err
	}
	if x.call.Aside != nil { // texts of freehold's own questions are whole, or refused
		r.Truncate = llm.TruncateNone
	}
	e := newEmbedding(r)
	for {
		c, ok := x.next()
		if !ok {
			if err := x.again(ctx); err != nil {
				return err
			}
			continue
		}
		l, err := x.embedAt(ctx, c, e)
		if err == nil {
			return x.giveVectors(l, e)
		}
		if err := x.goOn(ctx, c, err); err != nil {
			return err
		}
	}
}

// embedAt asks one candidate for the vectors that are not there yet. The leg is
// that of the last part.
func (x *exchange) embedAt(ctx context.Context, c routing.Candidate, e *embedding) (*leg, error) {
	s := &sweep{x: x, c: c, e: e}
	if e.model != c.Model { // vectors of two models do not fit together
		e.forget(c.Model)
	}
	shape, f := e.shapeAt(c.Deployment)
	if f != nil {
		return nil, f
	}
	s.shape = shape
	if f := e.prepare(c.Deployment); f != nil {
		return nil, f
	}
	s.todo = e.parts(c.Deployment)
	s.total = len(s.todo)
	ctx, s.stop = context.WithCancel(ctx)
	defer s.stop()
	if l := x.long; l != nil && l.d == c.Deployment && s.total == 1 { // it was asked for that already
		x.long = nil
		if p, _ := s.take(); !s.recover(p, l.f) {
			return nil, s.err
		}
	}
	s.workers = min(max(c.Embedding.Parallel, 1), len(s.todo))
	var all sync.WaitGroup
	for range s.workers {
		all.Go(func() { s.work(ctx) })
	}
	all.Wait()
	if s.err != nil {
		return nil, s.err
	}
	return s.last, nil
}

// part is some of the inputs, by their places, that are asked for at once.
type part struct {
	n  int // which it is, from 1
	at []int
}

// sweep asks one candidate for all parts, several at a time.
type sweep struct {
	x     *exchange
	c     routing.Candidate
	e     *embedding
	shape shape
	total int
	stop  context.CancelFunc

	mu      sync.Mutex
	todo    []part
	workers int
	last    *leg
	err     error
}

func (s *sweep) work(ctx context.Context) {
	for {
		p, ok := s.take()
		if !ok {
			return
		}
		l, reply, err := s.ask(ctx, p)
		if err == nil {
			err = s.keep(p, l, reply)
		}
		if err != nil && !s.recover(p, err) {
			return
		}
	}
}

// take takes the next part; none once one has failed.
func (s *sweep) take() (part, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil || len(s.todo) == 0 {
		return part{}, false
	}
	p := s.todo[0]
	s.todo = s.todo[1:]
	return p, true
}

// keep takes an answer's vectors in.
func (s *sweep) keep(p part, l *leg, reply *llm.Response) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range reply.Embeddings {
		v := &reply.Embeddings[i]
		s.e.held += 8*len(v.Values) + len(v.Base64)
		s.e.vectors[p.at[v.Index]] = v
	}
	if !s.x.share.Need(2 * s.e.held) { // as they came, and encoded
		return noRoom()
	}
	s.e.usage = sum(s.e.usage, l.estimated())
	s.e.usage.Reported = true // it is the best that the client can be told
	if s.e.name == "" {
		s.e.name = reply.Model
	}
	s.last = l
	return nil
}

// recover decides what follows a part's failure. It reports whether the worker
// goes on.
func (s *sweep) recover(p part, err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	var f *fault.Error
	if !errors.As(err, &f) {
		f = &fault.Error{Kind: fault.Canceled, Message: err.Error(), Cause: err}
	}
	switch {
	case s.err != nil: // it is over already
		return false
	case f.Kind == fault.ContextLength && len(p.at) > 1:
		half := len(p.at) / 2 // to find which input it is
		s.todo = append([]part{{p.n, p.at[:half]}, {p.n, p.at[half:]}}, s.todo...)
		return true
	case f.Kind == fault.ContextLength && len(p.at) == 1:
		if s.e.cut(p.at[0], s.c.Deployment, f) {
			s.todo = append([]part{p}, s.todo...)
			return true
		}
		err = s.e.tooLong(p.at[0], s.c.Deployment, f)
	case (f.Kind == fault.Shed && f.Code != fullCode || f.Kind == fault.BreakerOpen) && s.workers > 1:
		s.workers-- // fewer at once: our own parts may be what is in the way
		s.todo = append([]part{p}, s.todo...)
		return false
	}
	s.err = err
	if fault.BlameOf(f.Kind) != fault.Provider {
		s.stop() // nobody is to be asked for the rest
	}
	return false
}

// ask asks for one part and reads its answer.
func (s *sweep) ask(ctx context.Context, p part) (*leg, *llm.Response, error) {
	x := s.x
	sub, size := s.e.partOf(p)
	sub.Dimensions = s.shape.ask
	cause := ""
	if s.total > 1 {
		cause = partCause + strconv.Itoa(p.n) + "/" + strconv.Itoa(s.total)
	}
	l, err := x.tryAs(ctx, s.c, cause, &asking{request: sub, promptIn: size})
	if err != nil {
		return nil, nil, err
	}
	var reply *llm.Response
	if !l.share.Need(3 * len(l.body)) {
		err = noRoom()
	} else if reply, err = l.response(); err == nil {
		err = s.judge(p, l, reply)
	}
	l.end(err)
	l.close()
	return l, reply, err
}

// partCause begins the cause of an attempt that asks for a part.
const partCause = "part "

// judge says whether an answer has the vectors that were asked for.
func (s *sweep) judge(p part, l *leg, reply *llm.Response) error {
	if len(reply.Embeddings) != len(p.at) {
		return l.fault(fault.Malformed, fmt.Sprintf("the answer has %d vectors for %d inputs", len(reply.Embeddings), len(p.at)))
	}
	seen := make([]bool, len(p.at))
	for i := range reply.Embeddings {
		v := &reply.Embeddings[i]
		if v.Index < 0 || v.Index >= len(seen) || seen[v.Index] {
			return l.fault(fault.Malformed, fmt.Sprintf("the answer's vectors are numbered wrongly: %d of %d", v.Index, len(seen)))
		}
		seen[v.Index] = true
		if f := s.shape.fit(v, s.c.Deployment); f != nil {
			return f
		}
	}
	return s.e.whole(p, l)
}

// giveVectors sends the answer.
func (x *exchange) giveVectors(l *leg, e *embedding) error {
	x.joined(l)
	x.row.Route = x.reason(l)
	reply, err := e.reply()
	if err != nil {
		return err
	}
	if x.truncated = e.truncated(); len(x.truncated) > 0 {
		x.row.Dropped = append(x.row.Dropped, "the end of input "+x.cutInputs())
	}
	if x.remembered() {
		vectors, err := singles(reply.Embeddings)
		if err != nil {
			return err
		}
		x.g.Vectors.Given(x.route.Workload, e.model.Name, vectors)
	}
	body, err := x.call.Codec.EncodeReply(reply, x.call.Op, x.view())
	if err != nil {
		return err
	}
	return x.sendWhole(l, body)
}

// singles are vectors as the numbers that stores keep, whatever form the client gets.
func singles(vectors []llm.Vector) ([][]float32, error) {
	out := make([][]float32, len(vectors))
	for i := range vectors {
		v := &vectors[i]
		if v.Base64 != "" {
			var err error
			if out[i], err = decodeVector(v.Base64); err != nil {
				return nil, err
			}
			continue
		}
		out[i] = make([]float32, len(v.Values))
		for j, f := range v.Values {
			out[i][j] = float32(f)
		}
	}
	return out, nil
}

// maxNamed is how many cut inputs are named.
const maxNamed = 50

// cutInputs names the inputs that were cut.
func (x *exchange) cutInputs() string {
	var b strings.Builder
	for n, i := range x.truncated {
		if n == maxNamed {
			fmt.Fprintf(&b, " and %d more", len(x.truncated)-n)
			break
		}
		if n > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.Itoa(i))
	}
	return b.String()
}
