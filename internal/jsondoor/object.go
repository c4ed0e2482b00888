package jsondoor

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
)

// key is a member name of an open object.
type key struct {
	print      uint64 // see print
	start, end int32  // quotes excluded
	escaped    bool
}

// slot is an entry of the hash table that objects with many members share.
type slot struct {
	hash       uint64 // mixed with the object's number; 0: free
	start, end int32
	escaped    bool
}

// linear is how many members an object may have before their names are looked
// up in the hash table.
const linear = 24

// seed makes collisions unpredictable to a sender of bodies.
var seed = maphash.MakeSeed()

func (d *Doc) object(i int, s *Schema, depth int, self int32) (int, *Error) {
	if depth > MaxDepth {
		return 0, &Error{Reason: TooDeep, Offset: i}
	}
	record := s != nil && self >= 0 && (s.fields != nil || s.open)
	if i = d.space(i + 1); i < len(d.raw) && d.raw[i] == '}' {
		return i + 1, nil
	}
	d.objects++
	number, base := d.objects, len(d.keys)
	prev := int32(-1)
	for {
		if i >= len(d.raw) || d.raw[i] != '"' {
			return 0, d.bad(i)
		}
		start := i
		end, flags, err := d.text(i)
		if err != nil {
			return 0, err
		}
		name := "*" // for the path
		var child *Schema
		kid := int32(-1)
		if record {
			if child, name, err = d.member(s, start, end, flags); err != nil {
				return 0, err
			}
			kid = int32(len(d.nodes))
			n := node{keyStart: int32(start), keyEnd: int32(end)}
			if flags&escaped != 0 {
				n.flags = keyEscaped
			}
			d.nodes = append(d.nodes, n)
			d.link(self, prev, kid)
			prev = kid
		}
		if !d.lax && d.duplicate(key{start: int32(start + 1), end: int32(end - 1), escaped: flags&escaped != 0}, base, number) {
			return 0, (&Error{Reason: Duplicate, Offset: start}).in(name)
		}
		if i = d.space(end); i >= len(d.raw) || d.raw[i] != ':' {
			return 0, d.bad(i).in(name)
		}
		if i, err = d.value(d.space(i+1), child, depth, kid); err != nil {
			return 0, err.in(name)
		}
		if i = d.space(i); i >= len(d.raw) {
			return 0, d.bad(i)
		}
		switch d.raw[i] {
		case ',':
			i = d.space(i + 1)
		case '}':
			d.keys = d.keys[:base]
			return i + 1, nil
		default:
			return 0, d.bad(i)
		}
	}
}

// member looks the name at [start, end) up in a protocol object's schema.
func (d *Doc) member(s *Schema, start, end int, flags uint8) (*Schema, string, *Error) {
	if s.open {
		return s, "*", nil
	}
	raw := d.raw[start+1 : end-1]
	if flags&escaped == 0 {
		if f := s.lookup(raw); f != nil {
			return f.inside, f.name, nil
		}
	}
	if d.lax {
		return nil, "*", nil
	}
	name := raw
	if flags&escaped != 0 {
		d.scratch = appendUnescaped(d.scratch[:0], raw)
		name = d.scratch
	}
	if known, ok := s.variant(name); ok {
		return nil, "", (&Error{Reason: Variant, Known: known, Offset: start}).in("*")
	}
	if flags&escaped != 0 && s.Knows(string(name)) {
		return nil, "", (&Error{Reason: Variant, Known: string(name), Offset: start}).in("*")
	}
	return nil, "*", nil
}

// duplicate remembers a name of the object that is number number and whose
// names begin at base, and reports whether the object had it already.
func (d *Doc) duplicate(k key, base int, number uint64) bool {
	name := d.raw[k.start:k.end]
	if k.escaped {
		d.scratch = appendUnescaped(d.scratch[:0], name)
		name = d.scratch
	}
	open := d.keys[base:]
	if len(open) < linear {
		k.print = print(name)
		for j := range open {
			if o := &open[j]; o.print == k.print && d.sameName(o.start, o.end, o.escaped, name) {
				return true
			}
		}
		d.keys = append(d.keys, k)
		return false
	}
	if len(open) == linear {
		for _, o := range open {
			d.insert(o, number, d.unescapedName(o))
		}
		d.keys = append(d.keys, k) // marks the object as moved to the table
	}
	return d.insert(k, number, name)
}

// print returns eight bytes that differ for most names that differ. Which do
// not is easy to find, so it serves short lists only.
func print(name []byte) uint64 {
	n := len(name)
	var x uint64
	switch {
	case n >= 8:
		x = binary.LittleEndian.Uint64(name)*mix ^ binary.LittleEndian.Uint64(name[n-8:])
	case n >= 4:
		x = uint64(binary.LittleEndian.Uint32(name))<<32 | uint64(binary.LittleEndian.Uint32(name[n-4:]))
	case n > 0:
		x = uint64(name[0]) | uint64(name[n/2])<<8 | uint64(name[n-1])<<16
	}
	return x ^ uint64(n)<<56
}

const mix = 0x9E3779B97F4A7C15 // 2^64 / golden ratio

// unescapedName returns a name unescaped, in its own memory if it has escapes.
func (d *Doc) unescapedName(k key) []byte {
	if k.escaped {
		return appendUnescaped(nil, d.raw[k.start:k.end])
	}
	return d.raw[k.start:k.end]
}

func (d *Doc) sameName(start, end int32, esc bool, name []byte) bool {
	if esc {
		return bytes.Equal(appendUnescaped(nil, d.raw[start:end]), name)
	}
	return bytes.Equal(d.raw[start:end], name)
}

// insert puts a name into the table and reports whether it was there. Entries
// of closed objects stay: the object's number keeps them apart.
func (d *Doc) insert(k key, number uint64, name []byte) bool {
	if 2*(d.used+1) > len(d.table) {
		d.grow()
	}
	h := (maphash.Bytes(seed, name) ^ number*mix) | 1
	mask := uint64(len(d.table) - 1)
	for p := h >> 8 & mask; ; p = (p + 1) & mask {
		t := &d.table[p]
		if t.hash == 0 {
			*t = slot{hash: h, start: k.start, end: k.end, escaped: k.escaped}
			d.used++
			return false
		}
		if t.hash == h && d.sameName(t.start, t.end, t.escaped, name) {
			return true
		}
	}
}

func (d *Doc) grow() {
	old := d.table
	d.table = make([]slot, max(128, 2*len(old)))
	mask := uint64(len(d.table) - 1)
	for _, t := range old {
		if t.hash == 0 {
			continue
		}
		p := t.hash >> 8 & mask
		for d.table[p].hash != 0 {
			p = (p + 1) & mask
		}
		d.table[p] = t
	}
}
