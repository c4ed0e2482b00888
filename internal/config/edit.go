package config

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Edit sets the value at path ("workloads.chat.model") in the text of a
// configuration: it replaces what is there, or adds the key, and its parents
// where they are missing. Everything else stays as it was, byte for byte:
// comments, order, indentation, blank lines, quotes. An item of a list is its
// index; the index behind the last adds one.
//
// value is a text, number, bool, duration, decimal, list or map; a Secret
// only as its reference. The result has been read again: it is valid YAML
// that differs from src at path and nowhere else. It has not been checked as
// a configuration.
func Edit(src []byte, path string, value any) ([]byte, error) {
	return edit(src, path, func(ed *editor, segs []segment) error {
		e, rest := ed.doc.root.walk(segs)
		piece, err := render(value, ed.styleOf(e, rest))
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if len(rest) == 0 && e.merged {
			rest = []segment{{e.key, true}}
			e = ed.parentOf(e)
		}
		if ed.want, err = ed.expect(e, rest, piece); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if len(rest) == 0 {
			ed.replace(e, piece)
			return nil
		}
		for i := len(rest) - 1; i > 0; i-- {
			piece = "{" + renderKey(rest[i].text) + ": " + piece + "}"
		}
		return ed.insert(e, rest[0].text, piece, path)
	})
}

// Delete takes the key or list item at path out. Comments above it stay, one
// behind it goes with it. ErrNoKey is returned where there is no such key.
func Delete(src []byte, path string) ([]byte, error) {
	return edit(src, path, func(ed *editor, segs []segment) error {
		e, rest := ed.doc.root.walk(segs)
		if len(rest) > 0 || e == ed.doc.root {
			return fmt.Errorf("%s: %w", path, ErrNoKey)
		}
		if e.merged {
			return fmt.Errorf("%s comes in through << and can only be deleted where it stands", path)
		}
		parent := ed.parentOf(e)
		ed.want = without(plain(ed.doc.root.value), ed.keysTo(e))
		ed.remove(parent, e)
		return nil
	})
}

// ErrNoKey says that a path leads to nothing.
var ErrNoKey = errors.New("no such key")

// editor changes the text of one document.
type editor struct {
	doc  *document
	out  string
	want any // the tree that must come out
}

// edit parses, lets do change the text, and proves the result.
func edit(src []byte, path string, do func(*editor, []segment) error) ([]byte, error) {
	segs, err := splitPath(path)
	if err != nil {
		return nil, err
	}
	if len(segs) == 0 {
		return nil, errors.New("an edit needs a path")
	}
	doc, err := legible("configuration", src)
	if err != nil {
		return nil, fmt.Errorf("the configuration cannot be edited while it is broken:\n%w", err)
	}
	crlf := bytes.Count(src, []byte("\r\n"))
	if crlf > 0 && crlf != bytes.Count(src, []byte("\n")) {
		return nil, errors.New("the configuration mixes line ends (CRLF and LF): make them one before it is edited")
	}
	ed := &editor{doc: doc, out: doc.text}
	if err := do(ed, segs); err != nil {
		return nil, err
	}
	if err := ed.prove(path); err != nil {
		return nil, err
	}
	out := ed.out
	if crlf > 0 {
		out = strings.ReplaceAll(out, "\n", "\r\n")
	}
	if bytes.HasPrefix(src, []byte("\uFEFF")) {
		out = "\uFEFF" + out
	}
	return []byte(out), nil
}

// Legible says what is wrong with the syntax of the file at path, which hinders every
// edit; nil where nothing is.
func Legible(path string, src []byte) error {
	_, err := legible(path, src)
	return err
}

func legible(path string, src []byte) (*document, error) {
	rep := &report{}
	doc := parse(src, rep)
	if len(rep.list) > 0 || doc == nil || doc.root == nil {
		finish(rep, path, doc, nil)
		return nil, rep.list.Err()
	}
	return doc, nil
}

// prove reads the new text and holds it against what was asked.
func (ed *editor) prove(path string) error {
	rep := &report{}
	doc := parse([]byte(ed.out), rep)
	if len(rep.list) > 0 || doc == nil || doc.root == nil {
		finish(rep, "result", doc, nil)
		return fmt.Errorf("%s cannot be edited here without breaking the file; edit it by hand:\n%w", path, rep.list.Err())
	}
	if !reflect.DeepEqual(plain(doc.root.value), ed.want) {
		return fmt.Errorf("%s cannot be edited on its own: its value is shared through an anchor or merged in; edit it by hand", path)
	}
	return nil
}

// styleOf is the old text of a scalar, whose quotes its successor takes over.
func (ed *editor) styleOf(e *entry, rest []segment) string {
	if len(rest) > 0 || e.value.kind != kindScalar {
		return ""
	}
	return ed.doc.text[e.start:e.end]
}

// parentOf finds the entry that holds e.
func (ed *editor) parentOf(e *entry) *entry {
	keys := ed.keysTo(e)
	parent := ed.doc.root
	for _, k := range keys[:len(keys)-1] {
		parent = parent.value.get(k)
	}
	return parent
}

// keysTo are the exact keys from the root to e.
func (ed *editor) keysTo(e *entry) []string {
	var find func(from *entry, path []string) []string
	find = func(from *entry, path []string) []string {
		if from == e {
			return path
		}
		for _, c := range from.value.entries {
			if p := find(c, append(path[:len(path):len(path)], c.key)); p != nil {
				return p
			}
		}
		return nil
	}
	return find(ed.doc.root, []string{})
}

// expect is the tree with the new value at e, or at rest below it.
func (ed *editor) expect(e *entry, rest []segment, piece string) (any, error) {
	rep := &report{}
	doc := parse([]byte("v: "+piece), rep)
	if len(rep.list) > 0 || doc == nil || doc.root == nil {
		return nil, fmt.Errorf("the value cannot be written as YAML: %w", rep.list.Err())
	}
	keys := ed.keysTo(e)
	for _, s := range rest {
		keys = append(keys, s.text)
	}
	return with(plain(ed.doc.root.value), keys, plain(doc.root.lookup("v").value))
}

// replace puts piece where the value of e stands.
func (ed *editor) replace(e *entry, piece string) {
	t := ed.doc.text
	block := !e.value.flow && (e.value.kind == kindMap || e.value.kind == kindList)
	switch {
	case e.start == e.end: // nothing written yet
		ed.out = t[:e.colon] + " " + piece + t[e.colon:]
	case block && strings.Contains(t[e.colon:e.start], "\n"):
		between := strings.TrimRight(t[e.colon:e.start], " \t\n")
		ed.out = t[:e.colon] + " " + piece + between + t[e.end:]
	default:
		ed.out = t[:e.start] + piece + t[e.end:]
	}
}

// insert adds a key, or the next item of a list, to what e holds.
func (ed *editor) insert(e *entry, key, piece, path string) error {
	n := e.value
	if n.kind == kindList {
		if key != strconv.Itoa(len(n.entries)) {
			return fmt.Errorf("%s: the list has %d items", path, len(n.entries))
		}
		return ed.add(e, piece, "- "+piece)
	}
	pair := renderKey(key) + ": " + piece
	switch {
	case n.kind == kindScalar:
		return fmt.Errorf("%s: %q cannot be put below a single value", path, key)
	case n.kind == kindMap:
		return ed.add(e, pair, pair)
	case e == ed.doc.root:
		ed.out = ed.doc.text
		if ed.out != "" && !strings.HasSuffix(ed.out, "\n") {
			ed.out += "\n"
		}
		ed.out += pair + "\n"
	case e.inFlow || e.start != e.end:
		ed.replace(e, "{"+pair+"}")
	default:
		at := ed.lineEnd(e.colon)
		ed.out = ed.doc.text[:at] + "\n" + strings.Repeat(" ", ed.indent(e)+2) + pair + ed.doc.text[at:]
	}
	return nil
}

// add puts a member into a map or list that has brackets, or lines.
func (ed *editor) add(e *entry, flow, block string) error {
	n, t := e.value, ed.doc.text
	last := lastOwn(n)
	switch {
	case n.flow && last == nil:
		ed.out = t[:n.start+1] + flow + t[n.start+1:]
	case n.flow:
		ed.out = t[:last.end] + ", " + flow + t[last.end:]
	default:
		col := n.pos.Col - 1
		at := ed.lineEnd(n.end)
		ed.out = t[:at] + "\n" + strings.Repeat(" ", col) + block + t[at:]
	}
	return nil
}

// lastOwn is the last member in the text that did not come through <<.
func lastOwn(n *node) *entry {
	var last *entry
	for _, e := range n.entries {
		if !e.merged && (last == nil || e.end > last.end) {
			last = e
		}
	}
	return last
}

// lineEnd is the end of the line that holds at.
func (ed *editor) lineEnd(at int) int {
	if i := strings.IndexByte(ed.doc.text[at:], '\n'); i >= 0 {
		return at + i
	}
	return len(ed.doc.text)
}

func (ed *editor) lineStart(at int) int { return strings.LastIndexByte(ed.doc.text[:at], '\n') + 1 }

// indent is the column before the key of e.
func (ed *editor) indent(e *entry) int { return max(0, e.keyPos.Col-1) }

// remove takes e out of its parent.
func (ed *editor) remove(parent, e *entry) {
	t, siblings := ed.doc.text, parent.value.entries
	at := 0
	for i, s := range siblings {
		if s == e {
			at = i
		}
	}
	var next *entry
	if at+1 < len(siblings) && !siblings[at+1].merged {
		next = siblings[at+1]
	}
	start := ed.lineStart(e.keyStart)
	switch {
	case parent.value.flow && at > 0:
		ed.out = t[:siblings[at-1].end] + t[e.end:]
	case parent.value.flow && next != nil:
		ed.out = t[:e.keyStart] + t[next.keyStart:]
	case parent.value.flow:
		ed.out = t[:e.keyStart] + t[e.end:]
	case len(siblings) == 1 && parent.value.kind == kindList:
		ed.replace(parent, "[]")
	case strings.TrimSpace(t[start:e.keyStart]) != "" && next != nil:
		ed.out = t[:e.keyStart] + t[next.keyStart:]
	case strings.TrimSpace(t[start:e.keyStart]) != "":
		ed.out = t[:e.keyStart] + "{}" + t[e.end:]
	default:
		end := ed.lineEnd(e.end)
		if end < len(t) {
			end++
		} else if start > 0 {
			start--
		}
		ed.out = t[:start] + t[end:]
	}
}
