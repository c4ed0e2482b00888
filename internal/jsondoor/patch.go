package jsondoor

import "slices"

// Patch collects changes to a body. Bytes that no change concerns stay as they
// are, order and white space included. A change inside a value that another
// change removes or replaces is void.
type Patch struct {
	d    *Doc
	ops  []op
	cuts []edit
	// The usual few changes need no memory of their own.
	fewOps  [4]op
	fewCuts [4]edit
}

type op struct {
	do     action
	object int32  // insert
	node   int32  // the others
	name   string // insert, rename
	raw    []byte // insert, replace, ahead, behind
}

type action uint8

const (
	replace action = iota
	rename
	remove
	insert
	ahead
	behind
)

// edit puts lead, the name as a member's, and raw in the place of [start, end).
type edit struct {
	start, end int
	lead       string
	name       string
	colon      bool
	raw        []byte
	comma      bool // behind raw
}

// Patch returns a patch of the body without changes.
func (d *Doc) Patch() *Patch {
	p := &Patch{d: d}
	p.ops, p.cuts = p.fewOps[:0], p.fewCuts[:0]
	return p
}

// Changed reports whether the patch holds changes.
func (p *Patch) Changed() bool { return len(p.ops) > 0 }

// Replace puts raw, a JSON value, in the place of v.
func (p *Patch) Replace(v Value, raw []byte) {
	p.ops = append(p.ops, op{do: replace, node: v.i, raw: raw})
}

// Rename gives the member v another name.
func (p *Patch) Rename(v Value, name string) {
	p.ops = append(p.ops, op{do: rename, node: v.i, name: name})
}

// Delete removes the member or element v.
func (p *Patch) Delete(v Value) {
	p.ops = append(p.ops, op{do: remove, node: v.i})
}

// Insert adds a member at the end of object, which must not have it.
func (p *Patch) Insert(object Value, name string, raw []byte) {
	p.ops = append(p.ops, op{do: insert, object: object.i, name: name, raw: raw})
}

// InsertBefore adds an element to an array before the element v, which must stay.
func (p *Patch) InsertBefore(v Value, raw []byte) {
	p.ops = append(p.ops, op{do: ahead, node: v.i, raw: raw})
}

// InsertBehind adds an element to an array behind the element v, which must stay.
func (p *Patch) InsertBehind(v Value, raw []byte) {
	p.ops = append(p.ops, op{do: behind, node: v.i, raw: raw})
}

// Set replaces the value of an object's member, or inserts it. Setting one
// name twice is a mistake of the caller.
func (p *Patch) Set(object Value, name string, raw []byte) {
	if v := object.Get(name); v.Exists() {
		p.Replace(v, raw)
		return
	}
	p.Insert(object, name, raw)
}

// Bytes returns the changed body in one new slice.
func (p *Patch) Bytes() []byte { return p.Append(nil) }

// Append appends the changed body to dst.
func (p *Patch) Append(dst []byte) []byte {
	p.plan()
	raw, size := p.d.raw, len(p.d.raw)
	for i := range p.cuts {
		size += len(p.cuts[i].raw) + len(p.cuts[i].name) + 8
	}
	dst = slices.Grow(dst, size)
	at := 0
	for i := range p.cuts {
		e := &p.cuts[i]
		if e.start < at {
			at = max(at, e.end) // inside, or going on from, what is gone already
			continue
		}
		dst = append(dst, raw[at:e.start]...)
		dst = append(dst, e.lead...)
		if e.name != "" {
			dst = AppendString(dst, e.name)
		}
		if e.colon {
			dst = append(dst, ':')
		}
		dst = append(dst, e.raw...)
		if e.comma {
			dst = append(dst, ',')
		}
		at = e.end
	}
	return append(dst, raw[at:]...)
}

// plan turns the changes into edits of the bytes, in order.
func (p *Patch) plan() {
	p.cuts = p.cuts[:0]
	for i := range p.ops {
		o := &p.ops[i]
		n := &p.d.nodes[o.node]
		switch o.do {
		case replace:
			p.cuts = append(p.cuts, edit{start: int(n.start), end: int(n.end), raw: o.raw})
		case rename:
			p.cuts = append(p.cuts, edit{start: int(n.keyStart), end: int(n.keyEnd), name: o.name})
		case ahead:
			p.cuts = append(p.cuts, edit{start: int(n.start), end: int(n.start), raw: o.raw, comma: true})
		case behind:
			p.cuts = append(p.cuts, edit{start: int(n.end), end: int(n.end), lead: ",", raw: o.raw})
		case remove:
			p.cuts = append(p.cuts, p.removal(o.node))
		case insert:
			at, empty := p.tail(o.object)
			e := edit{start: at, end: at, lead: ",", name: o.name, colon: true, raw: o.raw}
			if empty && !p.insertedBefore(i) {
				e.lead = ""
			}
			p.cuts = append(p.cuts, e)
		}
	}
	slices.SortStableFunc(p.cuts, func(a, b edit) int {
		if a.start != b.start {
			return a.start - b.start
		}
		return min(a.end-a.start, 1) - min(b.end-b.start, 1) // insertions first
	})
}

// removal is the edit that takes node out with the comma that goes with it.
func (p *Patch) removal(i int32) edit {
	n := &p.d.nodes[i]
	if n.next != 0 {
		return edit{start: p.d.begin(i), end: p.d.begin(n.next)}
	}
	at, _ := p.tail(p.parent(i))
	return edit{start: at, end: int(n.end)}
}

// begin is where a member (its name) or an element starts.
func (d *Doc) begin(i int32) int {
	if n := &d.nodes[i]; n.keyEnd > n.keyStart {
		return int(n.keyStart)
	}
	return int(d.nodes[i].start)
}

// parent finds the object or array that node i is in.
func (p *Patch) parent(i int32) int32 {
	for j := i - 1; j > 0; j-- {
		if n := &p.d.nodes[j]; n.start <= p.d.nodes[i].start && n.end >= p.d.nodes[i].end {
			return j
		}
	}
	return 0
}

// tail returns the end of the last member of an object that stays, or the
// offset after its brace if none does.
func (p *Patch) tail(object int32) (at int, empty bool) {
	n := &p.d.nodes[object]
	at, empty = int(n.start)+1, true
	if n.flags&hasChildren == 0 {
		return at, empty
	}
	for i := object + 1; i != 0; i = p.d.nodes[i].next {
		if !p.removed(i) {
			at, empty = int(p.d.nodes[i].end), false
		}
	}
	return at, empty
}

func (p *Patch) removed(i int32) bool {
	for j := range p.ops {
		if p.ops[j].do == remove && p.ops[j].node == i {
			return true
		}
	}
	return false
}

func (p *Patch) insertedBefore(i int) bool {
	for j := range i {
		if p.ops[j].do == insert && p.ops[j].object == p.ops[i].object {
			return true
		}
	}
	return false
}
