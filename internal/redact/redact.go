// Package redact puts placeholders such as [EMAIL_1] in the place of what
// detectors find in a request, and what they stand for back into its answer.
//
// The same text gets the same placeholder throughout a request, numbered in the
// order in which it first appears, in the messages last: a conversation that
// grows at its end keeps its placeholders from turn to turn, and with them its
// prompt cache.
package redact

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"freehold/internal/detect"
)

// Names are the placeholders of one request. They hold what must not be seen:
// they live as long as the request, and are neither logged nor kept. Names are
// safe for concurrent use.
type Names struct {
	set   *detect.Set
	rules uint64

	mu     sync.Mutex
	of     map[entry]string  // placeholder
	values map[string]string // by placeholder
	kinds  map[string]string // by value: the kind that it was first found as
	count  map[string]int    // by kind
	taken  map[string]bool   // placeholders that the request's own text has
}

type entry struct{ kind, value string }

// maxNames bounds how many different texts are replaced in one request.
const maxNames = 10_000

// maxLength is how long a placeholder is at most, with a backslash before each
// of its underscores.
const maxLength = 128

// New returns names for what the rules of a set, one bit each, find.
func New(set *detect.Set, rules uint64) *Names {
	return &Names{set: set, rules: rules, of: map[entry]string{}, values: map[string]string{}, kinds: map[string]string{},
		count: map[string]int{}, taken: map[string]bool{}}
}

// span is a piece of text to be replaced by a placeholder.
type span struct {
	start, end int
	kind       string
	value      string // what stands there
	bare       bool   // a number of a JSON text, which stands in no string
}

// placeholders are as Restore understands them: with backslashes.
var placeholders = regexp.MustCompile(`\[[A-Z][A-Z0-9_\\]*[0-9]\\*\]`)

// JSON replaces what is found in a JSON text, hits being what the set found in
// it, and what was found once because of what stood before it where it stands
// alone: a password in an answer of an earlier turn. A number becomes a string.
// The text stays JSON, or there is an error.
func (n *Names) JSON(text []byte, hits []detect.Hit) ([]byte, error) {
	return n.replace(text, hits, true, false)
}

// Shown is JSON of a text that came of the answer: what placeholders stood for
// is replaced wherever it stands, within words too.
func (n *Names) Shown(text []byte, hits []detect.Hit) ([]byte, error) {
	return n.replace(text, hits, true, true)
}

// Text is Shown of a text that is no JSON.
func (n *Names) Text(text string) (string, error) {
	out, err := n.replace([]byte(text), n.set.Text([]byte(text)), false, true)
	return string(out), err
}

func (n *Names) replace(text []byte, hits []detect.Hit, isJSON, anywhere bool) ([]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.take(text, isJSON)
	r := reader{text: text, json: isJSON}
	spans := n.merge(hits)
	if err := r.read(spans); err != nil {
		return nil, err
	}
	spans, err := r.join(spans, n.again(text, spans, isJSON, anywhere))
	if err != nil {
		return nil, err
	}
	if isJSON && r.breaks(spans) {
		return nil, errors.New("what was found is more than a text within JSON, such as the arguments of a tool call")
	}
	names, err := n.nameAll(text, spans)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, len(text))
	at, bare := 0, false
	for i := range spans {
		s, name := &spans[i], names[i]
		if s.start < at { // of one number
			continue
		}
		out = append(out, text[at:s.start]...)
		if s.bare {
			name, bare = `"`+name+`"`, true
		}
		out = append(out, name...)
		at = s.end
	}
	out = append(out, text[at:]...)
	if bare && !json.Valid(out) {
		return nil, errors.New("what was found outside of strings is no number")
	}
	return out, nil
}

// nameAll gives spans their placeholders: first those around the messages of a
// request, wherever they stand, for the messages grow.
func (n *Names) nameAll(text []byte, spans []span) ([]string, error) {
	names := make([]string, len(spans))
	from, to := messages(text)
	for _, within := range []bool{false, true} {
		for i := range spans {
			s := &spans[i]
			if (s.start >= from && s.start < to) != within {
				continue
			}
			var err error
			if names[i], err = n.name(s.kind, s.value); err != nil {
				return nil, err
			}
		}
	}
	return names, nil
}

// messages is where the messages of a request stand in it; nowhere in another
// text.
func messages(text []byte) (from, to int) {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 1 && from > 0 {
				return from, i + 1
			}
		case '"':
			start := i + 1
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
			if depth != 1 || from > 0 || string(text[start:min(i, len(text))]) != "messages" {
				continue
			}
			if after := bytes.TrimLeft(text[min(i+1, len(text)):], " \t\r\n"); len(after) > 0 && after[0] == ':' {
				from = i + 1
			}
		}
	}
	return 0, 0
}

// take notes the placeholders that a text has of its own: they mean themselves.
func (n *Names) take(text []byte, isJSON bool) {
	if !bytes.ContainsAny(text, "[\\") {
		return
	}
	for _, p := range placeholders.FindAll(detect.Fold(text, isJSON), -1) {
		name := strings.ReplaceAll(string(p), `\`, "")
		if _, ours := n.values[name]; !ours {
			n.taken[name] = true
		}
	}
}

// merge makes of hits spans that do not overlap.
func (n *Names) merge(hits []detect.Hit) []span {
	var out []span
	for _, h := range hits {
		switch last := len(out) - 1; {
		case h.Rules&n.rules == 0:
		case last >= 0 && h.Start < out[last].end:
			out[last].end = max(out[last].end, h.End)
		default:
			out = append(out, span{start: h.Start, end: h.End, kind: h.Kind})
		}
	}
	return out
}

// name is the placeholder of a value.
func (n *Names) name(kind, value string) (string, error) {
	key := entry{kind, value}
	if p, ok := n.of[key]; ok {
		return p, nil
	}
	if len(n.values) >= maxNames {
		return "", fmt.Errorf("more than %d different texts would have to be replaced", maxNames)
	}
	word := strings.ToUpper(strings.ReplaceAll(kind, "-", "_"))
	for {
		n.count[kind]++
		p := "[" + word + "_" + strconv.Itoa(n.count[kind]) + "]"
		if n.taken[p] {
			continue
		}
		n.of[key], n.values[p] = p, value
		if n.kinds[value] == "" {
			n.kinds[value] = kind
		}
		return p, nil
	}
}

// minAgain is how long a value must be to be looked for as a word of its own.
const minAgain = 6

// again finds where the values of spans, and of placeholders given before,
// stand in a text.
func (n *Names) again(text []byte, spans []span, isJSON, anywhere bool) []span {
	kinds := maps.Clone(n.kinds)
	for i := range spans {
		if s := &spans[i]; kinds[s.value] == "" && !s.bare {
			kinds[s.value] = s.kind
		}
	}
	values := slices.Sorted(maps.Keys(kinds))
	if !anywhere {
		values = slices.DeleteFunc(values, func(v string) bool { return len(v) < minAgain })
	}
	var out []span
	for _, m := range detect.Find(text, isJSON, values, !anywhere) {
		out = append(out, span{start: m.Start, end: m.End, kind: kinds[values[m.Value]]})
	}
	if !isJSON {
		return out
	}
	inside, i := insideOf(text, out), -1
	return slices.DeleteFunc(out, func(span) bool { i++; return !inside[i] })
}

// insideOf says of each span, in the order of the text, whether it stands in a
// string of the JSON text.
func insideOf(text []byte, spans []span) []bool {
	out := make([]bool, len(spans))
	in, at := false, 0
	for i, s := range spans {
		for ; at < s.start; at++ {
			switch {
			case text[at] == '"':
				in = !in
			case text[at] == '\\' && in:
				at++
			}
		}
		out[i] = in
	}
	return out
}

// reader reads what spans of a text stand for.
type reader struct {
	text []byte
	json bool

	// from and to are the string that was looked at last.
	from, to int
	nested   bool
}

// read reads the values of spans, in the order of the text.
func (r *reader) read(spans []span) error {
	var inside []bool
	if r.json {
		inside = insideOf(r.text, spans)
	}
	for i := range spans {
		s := &spans[i]
		if s.bare = r.json && !inside[i]; s.bare {
			r.number(s)
		}
		if !r.json || s.bare {
			s.value = string(r.text[s.start:s.end])
			continue
		}
		if err := r.unescape(s); err != nil {
			return err
		}
	}
	return nil
}

// number widens a span to all of the number in which it lies.
func (r *reader) number(s *span) {
	part := func(c byte) bool { return word(c) || c == '+' || c == '-' || c == '.' }
	for s.start > 0 && part(r.text[s.start-1]) {
		s.start--
	}
	for s.end < len(r.text) && part(r.text[s.end]) {
		s.end++
	}
}

// word reports a letter or digit.
func word(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// join is spans and what stands again, without overlaps: the larger of two takes
// the smaller in, and two that cross become one.
func (r *reader) join(spans, again []span) ([]span, error) {
	if len(again) == 0 {
		return spans, nil
	}
	all := slices.Concat(spans, again)
	slices.SortStableFunc(all, func(a, b span) int { return cmp.Or(a.start-b.start, b.end-a.end) })
	out := all[:0]
	for _, s := range all {
		if last := len(out) - 1; last >= 0 && s.start < out[last].end {
			out[last].end = max(out[last].end, s.end)
			continue
		}
		out = append(out, s)
	}
	return out, r.read(out)
}

// unescape reads the value of a span within a string.
func (r *reader) unescape(s *span) error {
	if err := json.Unmarshal(slices.Concat([]byte{'"'}, r.text[s.start:s.end], []byte{'"'}), &s.value); err != nil {
		return fmt.Errorf("what %s found cannot be replaced: it is no part of a string", s.kind)
	}
	if strings.IndexByte(s.value, '\\') < 0 {
		return nil
	}
	if s.start < r.from || s.start >= r.to {
		r.look(s.start)
	}
	if r.nested { // what stands in it is escaped twice
		var inner string
		if err := json.Unmarshal([]byte(`"`+s.value+`"`), &inner); err == nil {
			s.value = inner
		}
	}
	return nil
}

// look looks at the string of a JSON text in which i lies: whether it is JSON
// itself, as the arguments of tool calls are.
func (r *reader) look(i int) {
	r.from, r.to, r.nested = i, i, false
	for r.from > 0 && !(r.text[r.from-1] == '"' && !quoted(r.text, r.from-1)) {
		r.from--
	}
	for r.to < len(r.text) && r.text[r.to] != '"' {
		if r.text[r.to] == '\\' {
			r.to++
		}
		r.to++
	}
	if r.from > 0 && r.to < len(r.text) {
		r.nested = isJSON(r.text[r.from:r.to])
	}
}

// isJSON reports that what stands between the quotes of a string is JSON with
// members or elements.
func isJSON(literal []byte) bool {
	begin := bytes.TrimLeft(literal, " ")
	if len(begin) == 0 || begin[0] != '{' && begin[0] != '[' && begin[0] != '\\' {
		return false
	}
	var inner string
	if json.Unmarshal(slices.Concat([]byte{'"'}, literal, []byte{'"'}), &inner) != nil {
		return false
	}
	inner = strings.TrimSpace(inner)
	return (strings.HasPrefix(inner, "{") || strings.HasPrefix(inner, "[")) && json.Valid([]byte(inner))
}

// breaks reports that a string that is JSON would be none any more.
func (r *reader) breaks(spans []span) bool {
	for i := 0; i < len(spans); {
		if spans[i].bare {
			i++
			continue
		}
		r.look(spans[i].start)
		var left []byte
		at := r.from
		for first := i; i == first || i < len(spans) && spans[i].start < r.to; i++ {
			if r.nested {
				left = append(append(left, r.text[at:spans[i].start]...), "[X_1]"...)
				at = spans[i].end
			}
		}
		if r.nested && !isJSON(append(left, r.text[at:r.to]...)) {
			return true
		}
	}
	return false
}

// quoted reports a character with an odd number of backslashes before it.
func quoted(text []byte, i int) bool {
	n := 0
	for i-n > 0 && text[i-n-1] == '\\' {
		n++
	}
	return n%2 == 1
}

// escaped is a value as it stands in a JSON string.
func escaped(v string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return v // a string always encodes
	}
	text := b.String()
	return text[1 : len(text)-2]
}
