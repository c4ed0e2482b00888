package gateway

import (
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"

	"freehold/internal/fault"
	"freehold/internal/fleet"
	"freehold/internal/llm"
	"freehold/internal/meter"
)

// embedding is a request for embeddings under way: what is sent of each input,
// and the vectors so far.
type embedding struct {
	request *llm.Request
	texts   []string  // what is sent of each input,
	ids     [][]int64 // or of each that is given as token ids
	cuts    []int     // how often each was cut
	byThem  []bool    // whose end the server did not read

	model   *fleet.Model  // whose vectors they are
	vectors []*llm.Vector // of each input; nil: not there yet
	held    int           // what they take
	name    string        // the provider's own name of the model
	usage   llm.Usage
}

func newEmbedding(r *llm.Request) *embedding {
	return &embedding{request: r}
}

// forget begins anew, with the vectors of another model.
func (e *embedding) forget(m *fleet.Model) {
	n := max(len(e.request.Input), len(e.request.InputTokens))
	*e = embedding{
		request: e.request, model: m, texts: slices.Clone(e.request.Input), ids: slices.Clone(e.request.InputTokens),
		cuts: make([]int, n), byThem: make([]bool, n), vectors: make([]*llm.Vector, n),
	}
}

// around is how many tokens a model puts around a text (its beginning and its
// end). Not all servers count them.
const around = 2

// most is at most how many tokens an input has: no token is shorter than a byte.
// Token ids are counted.
func (e *embedding) most(i int) int64 {
	if len(e.ids) > 0 {
		return int64(len(e.ids[i]))
	}
	return int64(len(e.texts[i])) + around
}

// mayCut is what becomes of inputs that are too long for d.
func (e *embedding) mayCut(d *fleet.Deployment) llm.Truncate {
	switch {
	case e.request.Truncate != "":
		return e.request.Truncate
	case d.Embedding.Truncate:
		return llm.TruncateEnd
	}
	return llm.TruncateNone
}

// hopeless is how many bytes a token has at most, as far as inputs are cut
// before they are sent.
const hopeless = 16

// prepare refuses or cuts what is known to be too long before anything is sent.
func (e *embedding) prepare(d *fleet.Deployment) *fault.Error {
	if d.Embedding.NoTokens && len(e.ids) > 0 {
		return &fault.Error{Kind: fault.Unsupported, Param: "input", Code: "unsupported_parameter", NoRetry: true,
			Message: d.Provider.Name + " takes texts, and no token ids"}
	}
	how := e.mayCut(d)
	for i := range e.vectors {
		if d.Context <= 0 || e.vectors[i] != nil || e.most(i) <= d.Context {
			continue
		}
		switch {
		case d.Embedding.Cuts && how == llm.TruncateStart:
			return &fault.Error{Kind: fault.Unsupported, Param: "truncate", Code: "unsupported_parameter", NoRetry: true,
				Message: d.Provider.Name + " cuts off the end of inputs that are too long, not the beginning"}
		case len(e.ids) > 0 && how == llm.TruncateNone:
			return e.tooLong(i, d, nil)
		case len(e.ids) > 0:
			e.shorten(i, how, int(d.Context))
		case how != llm.TruncateNone && e.most(i) > hopeless*d.Context:
			e.shorten(i, how, int(hopeless*d.Context))
		}
	}
	return nil
}

// shorten keeps n tokens or bytes of an input.
func (e *embedding) shorten(i int, how llm.Truncate, n int) {
	e.cuts[i]++
	if len(e.ids) > 0 {
		if ids := e.ids[i]; how == llm.TruncateStart {
			e.ids[i] = ids[len(ids)-n:]
		} else {
			e.ids[i] = ids[:n]
		}
		return
	}
	text := e.texts[i]
	if how == llm.TruncateStart {
		at := len(text) - n
		for at < len(text) && !utf8.RuneStart(text[at]) {
			at++
		}
		e.texts[i] = text[at:]
		return
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	e.texts[i] = text[:n]
}

// maxCuts is how often one input is cut before it is given up.
const maxCuts = 24

// cut makes an input shorter that d has refused as too long, if that is wanted.
func (e *embedding) cut(i int, d *fleet.Deployment, f *fault.Error) bool {
	how := e.mayCut(d)
	if how == llm.TruncateNone || d.Embedding.Cuts || e.cuts[i] >= maxCuts {
		return false
	}
	has := e.most(i) - around
	keep := has * 4 / 5
	if tokens, limit := e.said(i, d, f); tokens > limit && limit > 0 {
		keep = min(has*limit/tokens*49/50, has-1)
	}
	if keep <= 0 {
		return false
	}
	e.shorten(i, how, int(keep))
	return true
}

// said is how many tokens an input has and may have, as far as the refusal's
// words or the configuration tell; 0: unknown.
func (e *embedding) said(i int, d *fleet.Deployment, f *fault.Error) (tokens, limit int64) {
	limit = d.Context
	if len(e.ids) > 0 {
		if tokens = e.most(i); f != nil && (limit == 0 || limit >= tokens) { // it takes less than is known of it
			limit = below(numbersIn(f.Message), tokens)
		}
		return tokens, limit
	}
	if f == nil {
		return 0, limit
	}
	numbers := numbersIn(f.Message)
	for _, n := range numbers { // the largest that the input can have
		if n <= e.most(i)+around {
			tokens = max(tokens, n)
		}
	}
	if limit == 0 || tokens <= limit { // unknown, or more than the server really takes
		limit = below(numbers, tokens)
	}
	if limit == 0 {
		return 0, 0
	}
	return tokens, limit
}

// below is the largest of some numbers that is smaller than n; 0: none is.
func below(numbers []int64, n int64) (most int64) {
	for _, m := range numbers {
		if m < n {
			most = max(most, m)
		}
	}
	return most
}

// numbersIn are the whole numbers in a text.
func numbersIn(s string) []int64 {
	var out []int64
	for at := 0; at < len(s); at++ {
		end := at
		for end < len(s) && s[end] >= '0' && s[end] <= '9' {
			end++
		}
		if end == at {
			continue
		}
		if n, err := strconv.ParseInt(s[at:end], 10, 64); err == nil {
			out = append(out, n)
		}
		at = end
	}
	return out
}

// tooLong is the fault of an input that is too long for d; f is what d said, if
// it was asked.
func (e *embedding) tooLong(i int, d *fleet.Deployment, f *fault.Error) *fault.Error {
	tokens, limit := e.said(i, d, f)
	what := fmt.Sprintf("at most %d tokens (one for each byte)", e.most(i))
	if tokens > 0 {
		what = fmt.Sprintf("%d tokens", tokens)
	}
	may := "more than it takes"
	if limit > 0 {
		may = fmt.Sprintf("and the limit is %d", limit)
	}
	out := &fault.Error{Kind: fault.ContextLength, Code: "context_length_exceeded", Param: "input", NoRetry: true,
		Message: fmt.Sprintf("input %d (counted from 0) is too long for %s: %s, %s", i, d.Model.Name, what, may),
		Hint:    "split it into several inputs; truncate: true at the model in config.yaml cuts it instead, and says so"}
	if f != nil {
		out.Provider, out.ProviderStatus, out.Cause = f.Provider, f.ProviderStatus, f
	}
	return out
}

// inputTooLong is the fault of a request for embeddings of which an input is
// surely too long for d.
func (x *exchange) inputTooLong(d *fleet.Deployment) error {
	r, err := x.canonical()
	if err != nil {
		return err
	}
	e := newEmbedding(r)
	e.forget(d.Model)
	longest := 0
	for i := range e.vectors {
		if e.most(i) > e.most(longest) {
			longest = i
		}
	}
	f := e.tooLong(longest, d, nil)
	if len(e.ids) == 0 {
		f.Message = fmt.Sprintf("input %d (counted from 0) is too long for %s: %d tokens or so, and the limit is %d", longest, d.Model.Name, meter.Bytes(len(e.texts[longest])), d.Context)
	}
	return f
}

// whole holds against the context what a server counted that may cut an input
// without a word. Such an input was asked for alone.
func (e *embedding) whole(p part, l *leg) error {
	d := l.d
	if !d.Embedding.Cuts || d.Context <= 0 || len(p.at) != 1 || e.most(p.at[0]) <= d.Context {
		return nil
	}
	i := p.at[0]
	if l.usage.Reported && l.usage.Input < d.Context-around {
		return nil
	}
	if e.mayCut(d) != llm.TruncateNone {
		e.byThem[i] = true
		return nil
	}
	f := e.tooLong(i, d, nil)
	f.Message = fmt.Sprintf("input %d (counted from 0) fills the %d tokens that %s takes, and %s cuts what is longer", i, d.Context, d.Model.Name, d.Provider.Name)
	return f
}

// parts are the inputs without vectors as d takes them: not more at once than
// it may have; and where it cuts what is too long without a word, those that may
// be too long alone, for its count to tell.
func (e *embedding) parts(d *fleet.Deployment) []part {
	var out []part
	var now []int
	tokens := int64(0)
	done := func() {
		if len(now) > 0 {
			out = append(out, part{n: len(out) + 1, at: now})
		}
		now, tokens = nil, 0
	}
	limit := &d.Embedding
	for i := range e.vectors {
		if e.vectors[i] != nil {
			continue
		}
		n := e.most(i)
		if limit.Cuts && d.Context > 0 && n > d.Context {
			out = append(out, part{n: len(out) + 1, at: []int{i}})
			continue
		}
		if limit.MaxInputs > 0 && len(now) == limit.MaxInputs || limit.MaxTokens > 0 && len(now) > 0 && tokens+n > limit.MaxTokens {
			done()
		}
		now = append(now, i)
		tokens += n
	}
	done()
	if len(out) == 0 { // nothing that this way knows; who is asked says so
		out = []part{{n: 1}}
	}
	return out
}

// partOf is the request for a part, and an estimate of its tokens.
func (e *embedding) partOf(p part) (*llm.Request, int64) {
	sub := *e.request
	sub.Input, sub.InputTokens, sub.Truncate = nil, nil, llm.TruncateNone
	size := 0
	for _, i := range p.at {
		if len(e.ids) > 0 {
			sub.InputTokens = append(sub.InputTokens, e.ids[i])
			size += 4 * len(e.ids[i])
			continue
		}
		sub.Input = append(sub.Input, e.texts[i])
		size += len(e.texts[i])
	}
	return &sub, meter.Bytes(size)
}

// truncated lists the inputs that were cut, here or by the server.
func (e *embedding) truncated() []int {
	var out []int
	for i := range e.cuts {
		if e.cuts[i] > 0 || e.byThem[i] {
			out = append(out, i)
		}
	}
	return out
}

// reply is the whole answer, with the vectors in the inputs' order and in the
// form that was asked for. It takes what is held.
func (e *embedding) reply() (*llm.Response, error) {
	r := &llm.Response{Model: e.name, Usage: e.usage, Embeddings: make([]llm.Vector, len(e.vectors))}
	for i, v := range e.vectors {
		out := &r.Embeddings[i]
		*out = *v
		out.Index, e.vectors[i] = i, nil
		if e.request.EncodingFormat == "base64" {
			toBase64(out)
		} else if err := toValues(out); err != nil {
			return nil, err
		}
	}
	return r, nil
}
