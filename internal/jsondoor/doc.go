// Package jsondoor reads a JSON body once: it validates every byte, refuses
// what two JSON readers may understand differently, and remembers where the
// values are that a wire protocol knows, so that nobody has to read the body a
// second time to route, change or decode it.
//
// Parse refuses, at any depth: members of one object with the same name
// (compared unescaped), invalid UTF-8, escaped lone surrogates, truncated
// input, data after the end, a byte order mark, nesting deeper than MaxDepth.
// A Schema says which objects belong to the protocol and which member names
// they know; in those a name that is a known one in different case, or spelled
// with escapes, is refused too. Everything a Schema does not describe (tool
// schemas, arguments, metadata) is exempt from that rule only.
//
// The grammar is RFC 8259's, the choices where it leaves one are those of
// github.com/go-json-experiment/json/jsontext, against which the scanner is
// fuzzed. ParseLax is for answers of providers: same grammar, but duplicates,
// case variants and lone surrogates are let through.
//
// Reading costs a few allocations at most: a Doc comes from a pool and goes
// back with Release. Offsets are 32 bits, so a body is at most 2 GiB.
package jsondoor

import (
	"math"
	"sync"
)

// MaxDepth is the deepest nesting of objects and arrays that is read.
const MaxDepth = 128

// Kind is the JSON type of a value.
type Kind uint8

// Kinds. Missing is the kind of a value that is not there.
const (
	Missing Kind = iota
	Null
	False
	True
	Number
	String
	Array
	Object
)

// String returns the kind in the words of an error message.
func (k Kind) String() string {
	return [...]string{"nothing", "null", "a boolean", "a boolean", "a number", "a string", "an array", "an object"}[k]
}

// Doc is a body that was read: its raw bytes and the values the schema named.
type Doc struct {
	raw   []byte
	nodes []node
	lax   bool

	keys    []key // names of the objects that are open
	table   []slot
	used    int
	objects uint64
	scratch []byte
}

// node is one remembered value. Children follow their parent at once; next is
// the sibling, 0 for none.
type node struct {
	start, end       int32 // of the value
	keyStart, keyEnd int32 // of the member name, quotes included; equal: none
	next             int32
	kind             Kind
	flags            uint8
}

const (
	hasChildren uint8 = 1 << iota
	escaped           // the string value has escapes
	keyEscaped        // the member name has escapes
)

var pool = sync.Pool{New: func() any { return new(Doc) }}

// Parse reads raw, which must not change while the Doc is in use. An error is
// an *Error.
func Parse(raw []byte, s *Schema) (*Doc, error) { return parse(raw, s, false) }

// ParseLax reads raw as Parse does, but lets duplicate names, case variants
// and escaped lone surrogates through. Of duplicates Get returns the last.
func ParseLax(raw []byte, s *Schema) (*Doc, error) { return parse(raw, s, true) }

func parse(raw []byte, s *Schema, lax bool) (*Doc, error) {
	d := pool.Get().(*Doc)
	d.raw, d.lax = raw, lax
	if len(raw) > math.MaxInt32 {
		d.Release()
		return nil, &Error{Reason: TooLarge}
	}
	d.nodes = append(d.nodes[:0], node{})
	if err := d.scan(s); err != nil {
		err.locate(raw)
		d.Release()
		return nil, err
	}
	return d, nil
}

// Release gives the Doc back to the pool. No Value of it may be used after.
func (d *Doc) Release() {
	if d == nil {
		return
	}
	const keep = 1 << 15 // what one giant body needed is not kept for small ones
	d.raw = nil
	if cap(d.nodes) > keep {
		d.nodes = nil
	}
	if cap(d.keys) > keep {
		d.keys = nil
	}
	if cap(d.scratch) > keep {
		d.scratch = nil
	}
	if len(d.table) > keep {
		d.table = nil
	} else if d.used > 0 {
		clear(d.table)
	}
	d.keys, d.used, d.objects = d.keys[:0], 0, 0
	pool.Put(d)
}

// Raw returns the bytes that were read.
func (d *Doc) Raw() []byte { return d.raw }

// Root returns the outermost value.
func (d *Doc) Root() Value { return Value{d, 0} }
