package config

import (
	"cmp"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// What looks like a secret; the group is the secret. Shapes from keyedShapes
// on go by the key before it.
var secretShapes = []*regexp.Regexp{
	regexp.MustCompile(`\b((?:sk|pk|rk)-[A-Za-z0-9_-]{16,}|gsk_[A-Za-z0-9]{16,}|hf_[A-Za-z0-9]{16,}|AKIA[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{30,}|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}(?:\.[A-Za-z0-9_-]+)?)`),
	regexp.MustCompile(`(?i)\bbearer\s+([A-Za-z0-9._~+/=-]{8,})`),
	regexp.MustCompile(`://[^/\s:@"']*:([^/\s@"']+)@`),
	regexp.MustCompile(`[?&](?:api_key|password|token)=([^&\s"'#]+)`),
	regexp.MustCompile(`(?i)\b(?:api[_-]?keys?|admin_key|x-api-key|password|secret|authorization|token)["']?[ \t]*[:=][ \t]*(?:-[ \t]*)?["']?([^\s"',\[\]{}$*&][^\s"',\]}]{7,})`),
	regexp.MustCompile(`(?i)\bapi_keys["']?[ \t]*:[ \t]*\[([^\]$]{8,})\]?`),
}

// plainHeaders may stand in the clear: their values are no secrets and
// readers of a diff want to see them.
var plainHeaders = []string{
	"accept", "anthropic-beta", "anthropic-version", "api-version", "content-type", "http-referer",
	"openai-beta", "openai-organization", "openai-project", "referer", "user-agent", "x-title",
}

// shown reports a place of type Secret whose literal may be shown.
func shown(where []string, text string) bool {
	if len(where) == 0 {
		return false
	}
	last := strings.ToLower(where[len(where)-1])
	if last == "proxy" {
		return !strings.Contains(text, "@")
	}
	return len(where) > 1 && (where[len(where)-2] == "headers" || where[len(where)-2] == "query") && slices.Contains(plainHeaders, last)
}

const keyedShapes = 4

type byteRange struct{ start, end int }

// redaction knows which bytes of a text are secret.
type redaction struct {
	doc    *document
	hidden []byteRange // sorted, apart, none across a line end
	values []string    // the secrets themselves
}

func newRedaction(doc *document, literals []*node) *redaction {
	r := &redaction{doc: doc}
	if doc == nil {
		return r
	}
	for _, n := range literals {
		r.hide(n.start, n.end)
		if len(n.text) >= 6 {
			r.values = append(r.values, n.text)
		}
	}
	for _, v := range r.values {
		for from := 0; ; {
			i := strings.Index(doc.text[from:], v)
			if i < 0 {
				break
			}
			r.hide(from+i, from+i+len(v))
			from += i + len(v)
		}
	}
	for i, re := range secretShapes {
		for _, m := range re.FindAllStringSubmatchIndex(doc.text, -1) {
			// What a key says of its value is the decoder's to judge where
			// there is a tree; in comments and broken files it is all we have.
			if strings.HasPrefix(doc.text[m[2]:], "${") || i >= keyedShapes && doc.root != nil && !doc.inComment(m[2]) {
				continue
			}
			r.hide(m[2], m[3])
		}
	}
	r.join()
	return r
}

// hide marks a range, line by line, without the white space around.
func (r *redaction) hide(start, end int) {
	for start < end {
		stop := end
		if i := strings.IndexByte(r.doc.text[start:end], '\n'); i >= 0 {
			stop = start + i
		}
		part := r.doc.text[start:stop]
		from := start + len(part) - len(strings.TrimLeft(part, " \t"))
		if to := start + len(strings.TrimRight(part, " \t")); from < to {
			r.hidden = append(r.hidden, byteRange{from, to})
		}
		start = stop + 1
	}
}

func (r *redaction) join() {
	slices.SortFunc(r.hidden, func(a, b byteRange) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.end, b.end))
	})
	out := r.hidden[:0]
	for _, h := range r.hidden {
		if n := len(out); n > 0 && h.start < out[n-1].end {
			out[n-1].end = max(out[n-1].end, h.end)
			continue
		}
		out = append(out, h)
	}
	r.hidden = out
}

// all is the whole text without its secrets.
func (r *redaction) all() string {
	s, _ := r.cut(0, len(r.doc.text), 0)
	return s
}

// line is a line without its secrets, and where col then stands.
func (r *redaction) line(n, col int) (string, int) {
	if n > len(r.doc.lines) {
		return "", col
	}
	start := r.doc.lines[n-1]
	s, at := r.cut(start, start+len(r.doc.line(n)), r.doc.offset(Pos{n, col}))
	return s, max(at, 1)
}

// cut renders text[start:end] and gives the column in it of the byte at.
func (r *redaction) cut(start, end, at int) (string, int) {
	var b strings.Builder
	col, done := 0, false
	mark := func(next int) {
		if !done && at < next {
			b2 := r.doc.text[start:max(start, at)]
			col, done = utf8.RuneCountInString(b.String())+utf8.RuneCountInString(b2)+1, true
		}
	}
	for _, h := range r.hidden {
		if h.end <= start || h.start >= end {
			continue
		}
		mark(h.start)
		b.WriteString(r.doc.text[start:h.start])
		start = h.start
		if !done && at < h.end {
			col, done = utf8.RuneCountInString(b.String())+1, true
		}
		b.WriteString(quoteFor(r.doc.text, h))
		start = h.end
	}
	mark(end + 1)
	b.WriteString(r.doc.text[start:end])
	return b.String(), col
}

// quoteFor gives the placeholder quotes where it replaces a whole YAML
// value, so that the redacted text is still YAML.
func quoteFor(text string, h byteRange) string {
	if first := text[h.start]; first == '"' || first == '\'' || h.start > 0 && (text[h.start-1] == ' ' || text[h.start-1] == '[') {
		return `"` + redacted + `"`
	}
	return redacted
}

// text takes secrets out of a message.
func (r *redaction) text(s string) string {
	for _, v := range r.values {
		s = strings.ReplaceAll(s, v, redacted)
	}
	for _, re := range secretShapes[:keyedShapes] {
		for _, m := range slices.Backward(re.FindAllStringSubmatchIndex(s, -1)) {
			if !strings.HasPrefix(s[m[2]:], "${") {
				s = s[:m[2]] + redacted + s[m[3]:]
			}
		}
	}
	return s
}

// Redact gives the text of a configuration with every secret that stands in
// it replaced by "[secret]"; references stay readable. It works on broken
// files too, more broadly then. Line ends become \n.
func Redact(src []byte) []byte {
	rep := &report{}
	doc := parse(src, rep)
	if doc == nil {
		return []byte(redacted + "\n")
	}
	var literals []*node
	if doc.root != nil && doc.root.value.kind == kindMap {
		dec := &decoder{rep: rep, exp: &expander{files: map[string]bool{}}}
		dec.decode(doc.root, reflect.ValueOf(&Config{}).Elem(), nil, limits{})
		literals = slices.Concat(dec.literals, dec.hidden)
	}
	return []byte(newRedaction(doc, literals).all())
}

// Redacted is the text of the configuration as it may be shown and kept.
func (c *Config) Redacted() []byte { return Redact(c.doc.src) }
