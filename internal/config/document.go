package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds of a file. They stand far above any real configuration and far
// below what a parser could choke on.
const (
	maxFile  = 1 << 20
	maxDepth = 64
	maxNodes = 100_000
)

// document is a parsed file: its text, its tree and where every token stands.
type document struct {
	src   []byte // as read
	text  string // without byte order mark, line ends as \n
	lines []int  // byte offset of each line in text
	root  *entry
	// comments are their byte ranges, in order.
	comments []byteRange
}

func (d *document) inComment(at int) bool {
	i, found := slices.BinarySearchFunc(d.comments, at, func(c byteRange, at int) int { return cmp.Compare(c.start, at) })
	return found || i > 0 && at < d.comments[i-1].end
}

// References stand in flow maps unquoted ({api_key: ${env:KEY}}), where plain
// YAML would read their braces as a map. Before parsing, the characters that
// mean something to YAML are replaced inside references by private ones,
// one by one, so that no position moves; scalars get them back.
var (
	reference = regexp.MustCompile(`\$\{[^{}\s"']*\}`)
	masker    = strings.NewReplacer("{", "\uE000", "}", "\uE001", ":", "\uE002", ",", "\uE003", "[", "\uE004", "]", "\uE005", "#", "\uE006")
	unmasker  = strings.NewReplacer("\uE000", "{", "\uE001", "}", "\uE002", ":", "\uE003", ",", "\uE004", "[", "\uE005", "]", "\uE006", "#")
)

func mask(s string) string { return reference.ReplaceAllStringFunc(s, masker.Replace) }

// parse reads a file into a tree. The document is nil where the text is
// unfit to be shown; its root is nil where it is not YAML.
func parse(src []byte, rep *report) *document {
	doc, err := guard(src)
	if err != nil {
		rep.add(Error, err.pos, err.hint, "%s", err.msg)
		return doc
	}
	doc.build(rep)
	return doc
}

type guardError struct {
	pos       Pos
	msg, hint string
}

// guard refuses what no configuration is, before a parser sees it.
func guard(src []byte) (*document, *guardError) {
	if len(src) > maxFile {
		return nil, &guardError{msg: fmt.Sprintf("the file is too large: at most %d bytes", maxFile), hint: "is this the right file?"}
	}
	text := bytes.TrimPrefix(src, []byte("\uFEFF"))
	for i, line := 0, 1; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		var msg string
		switch {
		case r == utf8.RuneError && n == 1:
			msg = "the file is not UTF-8 text"
		case r == '\r' && (i+1 == len(text) || text[i+1] != '\n'):
			msg = "a carriage return without a line feed"
		case r < ' ' && r != '\t' && r != '\n' && r != '\r', r == 0x7f, r == 0x85, r == 0x2028, r == 0x2029, r >= 0x80 && r < 0xa0, r == '\uFEFF', r >= 0xE000 && r <= 0xE006:
			msg = fmt.Sprintf("the character %U cannot stand in a configuration", r)
		}
		if msg != "" {
			start := bytes.LastIndexByte(text[:i], '\n') + 1
			return nil, &guardError{pos: Pos{line, utf8.RuneCount(text[start:i]) + 1}, msg: msg, hint: "save the file as plain UTF-8 text"}
		}
		if r == '\n' {
			line++
		}
		i += n
	}
	doc := &document{src: src, text: strings.ReplaceAll(string(text), "\r\n", "\n")}
	doc.lines = append(doc.lines, 0)
	for i := range len(doc.text) {
		if doc.text[i] == '\n' {
			doc.lines = append(doc.lines, i+1)
		}
	}
	if pos, deep := tooDeep(mask(doc.text)); deep {
		return doc, &guardError{pos: pos, msg: fmt.Sprintf("nested deeper than %d levels", maxDepth)}
	}
	return doc, nil
}

// tooDeep finds nesting that would exhaust a recursive parser. It reads
// loosely (quotes and comments are skipped only roughly): text that is really
// nested this deep is always found.
func tooDeep(text string) (Pos, bool) {
	depth, line, col, lead := 0, 1, 0, 0
	leading, comment := true, false
	prev := '\n'
	for _, r := range text {
		col++
		switch {
		case r == '\n':
			line, col, lead, leading, comment = line+1, 0, 0, true, false
		case comment:
		case r == '#' && (prev == ' ' || prev == '\t' || prev == '\n'):
			comment = true
		case r == '[' || r == '{':
			depth++
		case r == ']' || r == '}':
			depth = max(0, depth-1)
		case leading && (r == '-' || r == '?' || r == ':' || r == '!' || r == '&'):
			lead++
		case r != ' ':
			leading = r == '!' || r == '&'
		}
		if depth > maxDepth || lead > maxDepth {
			return Pos{line, col}, true
		}
		prev = r
	}
	return Pos{}, false
}

// offset is the byte offset of a position in the text.
func (d *document) offset(p Pos) int {
	if p.Line < 1 || p.Line > len(d.lines) {
		return len(d.text)
	}
	return d.advance(d.lines[p.Line-1], p.Col-1)
}

// advance goes n characters on from a byte offset, within the line.
func (d *document) advance(i, n int) int {
	for ; n > 0 && i < len(d.text) && d.text[i] != '\n'; n-- {
		_, size := utf8.DecodeRuneInString(d.text[i:])
		i += size
	}
	return i
}

// line is the text of a line, without its end.
func (d *document) line(n int) string {
	if d == nil || n < 1 || n > len(d.lines) {
		return ""
	}
	s := d.text[d.lines[n-1]:]
	if i := strings.IndexByte(s, '\n'); i >= 0 {
		s = s[:i]
	}
	return s
}

func (d *document) build(rep *report) {
	defer func() {
		// The parser is foreign code fed with any bytes an editor may hold
		// half-written: its panics are a syntax error here.
		if r := recover(); r != nil {
			d.root = nil
			rep.errorf(Pos{1, 1}, "", "this is not valid YAML (the parser gave up: %v)", r)
		}
	}()
	masked := mask(d.text)
	toks := lexer.Tokenize(masked)
	file, err := parser.Parse(toks, parser.ParseComments, parser.AllowDuplicateMapKey())
	if err != nil {
		d.syntaxError(rep, err)
		return
	}
	b := &builder{doc: d, rep: rep, anchors: map[string]*node{}, next: map[*token.Token]int{}, starts: map[*token.Token]int{}}
	b.index(toks)
	for _, t := range toks {
		if t.Type == token.CommentType {
			start := b.startOf(t)
			d.comments = append(d.comments, byteRange{start, start + len(t.Value) + 1})
		}
	}
	root := &entry{pos: Pos{1, 1}, value: &node{kind: kindNull, pos: Pos{1, 1}, size: 1}}
	bodies := 0
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType {
			continue
		}
		if bodies++; bodies > 1 {
			rep.errorf(b.item("", doc.Body, 0).pos, "keep one document, without --- between", "a second YAML document in the file")
			break
		}
		root = b.item("", doc.Body, 0)
	}
	if !b.full {
		d.root = root
	}
}

// syntaxError turns the parser's error into a diagnostic.
func (d *document) syntaxError(rep *report, err error) {
	var se interface {
		error
		GetToken() *token.Token
		GetMessage() string
	}
	if !errors.As(err, &se) || se.GetToken() == nil {
		rep.errorf(Pos{1, 1}, "", "this is not valid YAML")
		return
	}
	p := at(se.GetToken())
	msg := unmasker.Replace(se.GetMessage())
	if strings.Contains(msg, "found character '\t'") {
		rep.errorf(p, "indent with spaces", "a tab cannot indent YAML")
		return
	}
	hint := ""
	switch {
	case strings.Contains(msg, "mapping value is not allowed"):
		hint = "a value that holds \": \" needs quotes"
	case strings.Contains(msg, "reserved character"):
		hint = "put the value in quotes"
	case strings.Contains(msg, "end token"):
		hint = "a bracket is opened and not closed"
	}
	rep.errorf(p, hint, "not valid YAML: %s", firstLine(msg))
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

func at(t *token.Token) Pos {
	if t == nil || t.Position == nil {
		return Pos{1, 1}
	}
	return Pos{t.Position.Line, max(t.Position.Column, 1)}
}
