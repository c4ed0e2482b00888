package mock

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"slices"
	"strings"
	"unicode"
)

// answer is one choice, the same in every dialect.
type answer struct {
	thinking string
	text     string
	refusal  string
	calls    []call
	finish   finish
	stop     string // the stop sequence that ended it
	// tokens counts everything, thoughts the thinking in it.
	tokens, thoughts int
	key              uint64
}

type finish string

const (
	finished finish = "stop"
	overlong finish = "length"
	calling  finish = "tools"
	filtered finish = "filter"
	stopped  finish = "sequence"
	refused  finish = "refusal"
	paused   finish = "pause"
)

// author writes answers.
type author struct {
	seed  uint64
	words int // of an ordinary answer: words..2*words-1
	// forgetful: a message that asks to continue is one like any other.
	forgetful bool
}

// answers are the choices of a request, with the directives of its last
// message.
func (a author) answers(q *request) ([]answer, directives, *problem) {
	message, results := lastUser(q.items)
	if before, _, ok := asksToContinue(q.items); ok && !a.forgetful { // the directives are the question's
		message, results = lastUser(before)
	}
	d, p := direct(message)
	if p != nil {
		return nil, d, p
	}
	if results {
		d.calls = nil
	}
	out := make([]answer, max(q.n, 1))
	for i := range out {
		out[i] = a.answer(q, d, i)
	}
	return out, d, nil
}

func (a author) answer(q *request, d directives, choice int) answer {
	var r answer
	items, prefix := q.items, ""
	if before, said, ok := ending(q.items); ok && q.resume {
		items, prefix = before, said
	} else if before, said, ok := asksToContinue(q.items); ok && !a.forgetful {
		items, prefix = before, said
	}
	r.key = mix(key(a.seed, items) + uint64(choice))
	r.finish = finished
	if q.think || d.think >= 0 {
		n := d.think
		if n < 0 {
			n = 12
		}
		r.thinking = prose(mix(r.key^0x7468)).words(0, n)
	}
	switch {
	case d.refuse:
		r.refusal, r.finish = "I am sorry, but I cannot help with that.", refused
	case d.pause:
		r.finish = paused
	case d.filter:
		r.finish = filtered
	}
	if prefix == "" && !d.refuse {
		r.calls = a.call(q, d, r.key)
	}
	switch {
	case len(r.calls) > 0:
		r.finish = calling
		if d.say != nil {
			r.text = *d.say
		}
	case r.refusal == "" && !d.empty:
		r.text = a.text(q, d, r.key, prefix)
	}
	if d.filter {
		t := tokens(r.text)
		r.text = strings.Join(t[:len(t)/2], "")
	}
	r.end(q)
	if q.echo {
		r.text = prefix + r.text
	}
	return r
}

// text is what follows prefix in the answer that the key stands for.
func (a author) text(q *request, d directives, key uint64, prefix string) string {
	p := prose(key)
	length := d.length
	if length == 0 {
		length = a.words + int(key%uint64(a.words))
	}
	var whole string
	switch {
	case d.say != nil:
		whole = *d.say
	case q.schema != nil:
		whole = compact(sample(q.schema, key))
	case q.asJSON || d.asJSON:
		whole = compact(map[string]any{"answer": p.words(0, 6), "count": json.Number("3"), "done": true})
	default:
		whole = p.words(0, length)
	}
	if rest, ok := strings.CutPrefix(whole, prefix); ok {
		return rest
	}
	if t := strings.TrimLeftFunc(prefix, unicode.IsSpace); t != "" && (t[0] == '{' || t[0] == '[') {
		// The beginning of JSON whose schema is not known here.
		if rest, ok := closing(prefix); ok {
			return rest
		}
	}
	return p.after(prefix, length)
}

// call makes the tool calls that are ordered or demanded.
func (a author) call(q *request, d directives, key uint64) []call {
	if len(d.calls) > 0 {
		out := slices.Clone(d.calls)
		if !q.parallel {
			out = out[:1]
		}
		return out
	}
	if q.forced == "" || len(q.tools) == 0 {
		return nil
	}
	t := q.tools[key%uint64(len(q.tools))]
	for _, o := range q.tools {
		if o.name == q.forced {
			t = o
		}
	}
	schema := t.schema
	if schema == nil {
		schema = map[string]any{"type": "object"}
	}
	return []call{{t.name, compact(sample(schema, key))}}
}

// end applies stop sequences and the limit, and counts.
func (r *answer) end(q *request) {
	at := -1
	for _, s := range q.stops {
		if i := strings.Index(r.text, s); i >= 0 && (at < 0 || i < at) {
			at, r.stop = i, s
		}
	}
	if at >= 0 {
		r.text, r.calls, r.finish = r.text[:at], nil, stopped
	}
	left := q.limit
	take := func(t string) string {
		parts := tokens(t)
		if q.limit > 0 && len(parts) > left {
			parts, r.finish, r.stop = parts[:left], overlong, ""
		}
		left -= len(parts)
		r.tokens += len(parts)
		return strings.Join(parts, "")
	}
	r.thinking = take(r.thinking)
	r.thoughts = r.tokens
	r.refusal = take(r.refusal)
	r.text = take(r.text)
	for i := range r.calls {
		c := &r.calls[i]
		n := 1 + (len(c.arguments)+3)/4
		if q.limit > 0 && n > left {
			r.finish = overlong
			r.tokens += left
			if left == 0 {
				r.calls = r.calls[:i]
				return
			}
			c.arguments = strings.ToValidUTF8(c.arguments[:min(4*(left-1), len(c.arguments))], "")
			r.calls = r.calls[:i+1]
			return
		}
		left -= n
		r.tokens += n
	}
}

// signature is what proves that thinking is ours.
func (a author) signature(thinking string) string {
	var k [8]byte
	binary.BigEndian.PutUint64(k[:], a.seed)
	m := hmac.New(sha256.New, k[:])
	m.Write([]byte(thinking))
	return base64.StdEncoding.EncodeToString(m.Sum(nil))
}
