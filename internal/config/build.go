package config

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"freehold/internal/suggest"
)

// builder turns the parser's tree into ours: aliases and merge keys resolved,
// every value with its position and its bytes.
type builder struct {
	doc     *document
	rep     *report
	anchors map[string]*node // nil while the anchor's own value is being read
	toks    token.Tokens
	next    map[*token.Token]int // index of the token after
	starts  map[*token.Token]int // byte offset of the token
	full    bool                 // a bound was hit and told: the tree is not whole
}

func (b *builder) index(toks token.Tokens) {
	b.toks = toks
	last, off := Pos{1, 1}, 0
	for i, t := range toks {
		b.next[t] = i + 1
		// On from the token before: a long line is walked once, not once a token.
		if p := at(t); p.Line == last.Line && p.Col >= last.Col {
			off = b.doc.advance(off, p.Col-last.Col)
			last = p
		} else {
			off, last = b.doc.offset(p), p
		}
		b.starts[t] = off
	}
}

// startOf is the byte offset of a token.
func (b *builder) startOf(t *token.Token) int {
	if off, ok := b.starts[t]; ok {
		return off
	}
	return b.doc.offset(at(t))
}

// endOf is the byte offset behind a token's own text.
func (b *builder) endOf(t *token.Token) int {
	start := b.startOf(t)
	i, ok := b.next[t]
	if !ok {
		return start
	}
	stop := len(b.doc.text)
	if i < len(b.toks) {
		stop = max(start, b.startOf(b.toks[i]))
	}
	return start + len(strings.TrimRight(b.doc.text[start:stop], " \t\n"))
}

// item reads a value and the bytes it takes.
func (b *builder) item(key string, n ast.Node, depth int) *entry {
	e := &entry{key: key}
	e.start, e.end = b.span(n)
	e.value = b.value(n, depth)
	e.pos = e.value.pos
	if n != nil && n.Type() == ast.AliasType {
		e.pos = at(n.GetToken())
	}
	return e
}

// span is the byte range of a value as written.
func (b *builder) span(n ast.Node) (start, end int) {
	if n == nil {
		return 0, 0
	}
	start = b.startOf(first(n))
	return start, max(start, b.end(n))
}

// first is the token a value begins with.
func first(n ast.Node) *token.Token {
	for {
		switch v := n.(type) {
		case *ast.MappingNode:
			if v.IsFlowStyle || len(v.Values) == 0 {
				return v.Start
			}
			n = v.Values[0]
		case *ast.MappingValueNode:
			n = v.Key
		case *ast.MappingKeyNode:
			return v.Start
		case *ast.SequenceNode:
			return v.Start
		case *ast.AnchorNode:
			return v.Start
		case *ast.AliasNode:
			return v.Start
		case *ast.TagNode:
			return v.Start
		case *ast.LiteralNode:
			return v.Start
		default:
			return n.GetToken()
		}
	}
}

// end is the byte offset behind a value. It follows the last member down, so
// its cost is the depth.
func (b *builder) end(n ast.Node) int {
	switch n := n.(type) {
	case *ast.MappingNode:
		switch {
		case n.IsFlowStyle:
			return b.endOf(n.End)
		case len(n.Values) > 0:
			return b.end(n.Values[len(n.Values)-1])
		}
	case *ast.MappingValueNode:
		if b.implicit(n.Value) {
			return b.endOf(n.Start)
		}
		return max(b.endOf(n.Start), b.end(n.Value))
	case *ast.MappingKeyNode:
		return b.endOf(n.Value.GetToken())
	case *ast.SequenceNode:
		switch {
		case n.IsFlowStyle:
			return b.endOf(n.End)
		case len(n.Values) == 0:
			return b.startOf(n.Start)
		}
		last := n.Values[len(n.Values)-1]
		if b.implicit(last) {
			return b.endOf(n.Entries[len(n.Entries)-1].Start)
		}
		return b.end(last)
	case *ast.AnchorNode:
		end := b.endOf(n.Name.GetToken())
		if b.implicit(n.Value) {
			return end
		}
		return max(end, b.end(n.Value))
	case *ast.AliasNode:
		return b.endOf(n.Value.GetToken())
	case *ast.TagNode:
		if b.implicit(n.Value) {
			return b.endOf(n.Start)
		}
		return b.end(n.Value)
	case *ast.LiteralNode:
		end := b.endOf(n.Start)
		if i, ok := b.next[n.Start]; ok && i < len(b.toks) && n.Value != nil && b.toks[i] == n.Value.GetToken() {
			end = max(end, b.endOf(b.toks[i]))
		}
		return end
	}
	return b.endOf(n.GetToken())
}

// implicit reports a value that is not written at all.
func (b *builder) implicit(n ast.Node) bool {
	if n == nil {
		return true
	}
	if n.Type() != ast.NullType {
		return false
	}
	_, written := b.next[n.GetToken()]
	return !written
}

func (b *builder) value(n ast.Node, depth int) *node {
	if n == nil {
		return &node{kind: kindNull, size: 1}
	}
	out := &node{pos: at(n.GetToken()), size: 1}
	out.start, out.end = b.span(n)
	if b.full {
		return out
	}
	if depth > maxDepth {
		b.full = true
		b.rep.errorf(out.pos, "", "nested deeper than %d levels", maxDepth)
		return out
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		out.flow = n.IsFlowStyle
		b.mapping(out, n.Values, depth)
	case *ast.MappingValueNode:
		b.mapping(out, []*ast.MappingValueNode{n}, depth)
	case *ast.SequenceNode:
		out.kind, out.flow, out.pos = kindList, n.IsFlowStyle, at(n.Start)
		for i, v := range n.Values {
			e := b.item(strconv.Itoa(i), v, depth+1)
			e.keyStart, e.inFlow = e.start, n.IsFlowStyle
			if !n.IsFlowStyle && i < len(n.Entries) {
				e.keyStart = b.startOf(n.Entries[i].Start)
				e.colon = b.endOf(n.Entries[i].Start)
				if b.implicit(v) {
					e.start = b.endOf(n.Entries[i].Start)
					e.end, e.pos = e.start, at(n.Entries[i].Start)
				}
			}
			e.keyPos = e.pos
			b.adopt(out, e)
		}
	case *ast.AnchorNode:
		name := n.Name.GetToken().Value
		b.anchors[name] = nil
		out = b.value(n.Value, depth)
		b.anchors[name] = out
	case *ast.AliasNode:
		name := n.Value.GetToken().Value
		target, known := b.anchors[name]
		switch {
		case !known:
			b.rep.errorf(at(n.Start), suggest.Hint(name, slices.Sorted(maps.Keys(b.anchors))), "alias *%s has no anchor &%s before it", name, name)
		case target == nil:
			b.rep.errorf(at(n.Start), "", "alias *%s stands inside its own anchor", name)
		default:
			out = target
		}
	case *ast.TagNode:
		tag := n.Start.Value
		out = b.value(n.Value, depth)
		switch {
		case tag == "!!str" && out.kind == kindScalar:
			cp := *out
			cp.typ, cp.quoted = typeString, true
			out = &cp
		case tag == "!!int" || tag == "!!float" || tag == "!!bool" || tag == "!!null" || tag == "!!map" || tag == "!!seq":
		default:
			b.rep.errorf(at(n.Start), "take the tag away", "the tag %s has no meaning here", tag)
		}
	case *ast.StringNode:
		t := n.GetToken().Type
		b.scalar(out, n.Value, typeString, t == token.SingleQuoteType || t == token.DoubleQuoteType)
	case *ast.LiteralNode:
		text := ""
		if n.Value != nil {
			text = n.Value.Value
		}
		out.pos = at(n.Start)
		b.scalar(out, text, typeString, true)
	case *ast.IntegerNode:
		b.scalar(out, n.GetToken().Value, typeInt, false)
	case *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		b.scalar(out, n.GetToken().Value, typeFloat, false)
	case *ast.BoolNode:
		b.scalar(out, n.GetToken().Value, typeBool, false)
	case *ast.NullNode, *ast.CommentGroupNode:
	default:
		b.rep.errorf(out.pos, "", "this kind of YAML value cannot stand here")
	}
	return out
}

func (b *builder) scalar(n *node, text string, typ scalarType, quoted bool) {
	n.kind, n.text, n.typ, n.quoted = kindScalar, unmasker.Replace(text), typ, quoted
}

// adopt adds a child and keeps count: aliases of aliases grow without bound.
func (b *builder) adopt(n *node, e *entry) {
	n.entries = append(n.entries, e)
	if n.byKey == nil {
		n.byKey = map[string]*entry{}
	}
	n.byKey[e.key] = e
	if n.size += e.value.size; n.size > maxNodes {
		if !b.full {
			b.full = true
			b.rep.errorf(e.pos, "aliases multiply what they stand for", "the file stands for more than %d values", maxNodes)
		}
	}
}

func (b *builder) mapping(out *node, values []*ast.MappingValueNode, depth int) {
	out.kind = kindMap
	var merges []ast.Node
	for i, v := range values {
		kt := v.Key.GetToken()
		if mk, ok := v.Key.(*ast.MappingKeyNode); ok {
			kt = mk.Value.GetToken()
			if !isScalar(mk.Value) {
				b.rep.errorf(at(mk.Start), "", "a key must be a single value")
				continue
			}
		}
		if i == 0 && !out.flow {
			out.pos = at(kt)
		}
		if v.Key.IsMergeKey() {
			merges = append(merges, v.Value)
			continue
		}
		key := unmasker.Replace(kt.Value)
		e := b.item(key, v.Value, depth+1)
		e.keyPos = at(kt)
		e.keyStart, _ = b.span(v.Key)
		e.colon, e.inFlow = b.endOf(v.Start), out.flow
		if b.implicit(v.Value) {
			if v.Start.Type != token.MappingValueType { // {a, b}: a key alone
				e.colon = b.endOf(kt)
			}
			e.start, e.end, e.pos = e.colon, e.colon, e.keyPos
			e.value.pos = e.keyPos
		}
		if first := out.get(key); first != nil {
			b.rep.errorf(e.keyPos, "keep one of them", "the key %q is already given in line %d", key, first.keyPos.Line)
			continue
		}
		b.adopt(out, e)
	}
	for _, m := range merges {
		b.merge(out, m, depth)
	}
}

// merge adds what << brings; keys of the map itself win, then earlier merges.
func (b *builder) merge(out *node, m ast.Node, depth int) {
	src := b.value(m, depth+1)
	var maps []*node
	switch {
	case src.kind == kindMap:
		maps = []*node{src}
	case src.kind == kindList:
		for _, e := range src.entries {
			maps = append(maps, e.value)
		}
	}
	for _, from := range maps {
		if from.kind != kindMap {
			maps = nil
		}
	}
	if maps == nil {
		b.rep.errorf(at(m.GetToken()), "write <<: *name of an anchored map", "<< merges maps only")
		return
	}
	for _, from := range maps {
		for _, e := range from.entries {
			if out.get(e.key) == nil {
				cp := *e
				cp.merged = true
				b.adopt(out, &cp)
			}
		}
	}
}

func isScalar(n ast.Node) bool {
	_, ok := n.(ast.ScalarNode)
	return ok
}
