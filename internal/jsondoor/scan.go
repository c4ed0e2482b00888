package jsondoor

func (d *Doc) scan(s *Schema) *Error {
	i := d.space(0)
	if len(d.raw) >= 3 && d.raw[0] == 0xEF && d.raw[1] == 0xBB && d.raw[2] == 0xBF {
		return &Error{Reason: Mark}
	}
	i, err := d.value(i, s, 0, 0)
	if err != nil {
		return err
	}
	if i = d.space(i); i < len(d.raw) {
		return &Error{Reason: Trailing, Offset: i}
	}
	return nil
}

func (d *Doc) space(i int) int {
	if i < len(d.raw) && d.raw[i] > ' ' {
		return i
	}
	return skipSpace(d.raw, i)
}

func skipSpace(b []byte, i int) int {
	for i < len(b) {
		switch b[i] {
		case ' ', '\n', '\r', '\t':
			i++
		default:
			return i
		}
	}
	return i
}

func (d *Doc) bad(i int) *Error { return bad(d.raw, i) }

// bad is the error of an unexpected byte, or of the end, at i.
func bad(b []byte, i int) *Error {
	if i >= len(b) {
		return &Error{Reason: Truncated, Offset: len(b)}
	}
	return &Error{Reason: Syntax, Offset: i}
}

// value reads the value at i and returns the offset after it. self is its
// node, -1 if it is not remembered.
func (d *Doc) value(i int, s *Schema, depth int, self int32) (int, *Error) {
	if i >= len(d.raw) {
		return 0, d.bad(i)
	}
	start, flags := i, uint8(0)
	var kind Kind
	var err *Error
	switch c := d.raw[i]; c {
	case '"':
		kind = String
		i, flags, err = d.text(i)
	case '{':
		kind = Object
		i, err = d.object(i, s, depth+1, self)
	case '[':
		kind = Array
		i, err = d.array(i, s, depth+1, self)
	case 't':
		kind = True
		i, err = scanLiteral(d.raw, i, "true")
	case 'f':
		kind = False
		i, err = scanLiteral(d.raw, i, "false")
	case 'n':
		kind = Null
		i, err = scanLiteral(d.raw, i, "null")
	default:
		kind = Number
		i, err = scanNumber(d.raw, i)
	}
	if err != nil {
		return 0, err
	}
	if self >= 0 {
		n := &d.nodes[self]
		n.start, n.end, n.kind = int32(start), int32(i), kind
		n.flags |= flags & escaped
	}
	return i, nil
}

func scanLiteral(b []byte, i int, word string) (int, *Error) {
	if end := i + len(word); end <= len(b) && string(b[i:end]) == word {
		return end, nil
	}
	for j := range len(word) {
		if i+j >= len(b) || b[i+j] != word[j] {
			return 0, bad(b, i+j)
		}
	}
	return i + len(word), nil
}

func scanNumber(b []byte, i int) (int, *Error) {
	if i < len(b) && b[i] == '-' {
		i++
	}
	switch {
	case i < len(b) && b[i] == '0':
		i++
	case i < len(b) && '1' <= b[i] && b[i] <= '9':
		i = digits(b, i)
	default:
		return 0, bad(b, i)
	}
	if i < len(b) && b[i] == '.' {
		j := digits(b, i+1)
		if j == i+1 {
			return 0, bad(b, j)
		}
		i = j
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		j := digits(b, i)
		if j == i {
			return 0, bad(b, j)
		}
		i = j
	}
	return i, nil
}

func digits(b []byte, i int) int {
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		i++
	}
	return i
}

func (d *Doc) array(i int, s *Schema, depth int, self int32) (int, *Error) {
	if depth > MaxDepth {
		return 0, &Error{Reason: TooDeep, Offset: i}
	}
	record := s != nil && s.array && self >= 0
	var elem *Schema
	if record {
		elem = s.elem
	}
	if i = d.space(i + 1); i < len(d.raw) && d.raw[i] == ']' {
		return i + 1, nil
	}
	prev := int32(-1)
	for n := 0; ; n++ {
		kid := int32(-1)
		if record {
			kid = int32(len(d.nodes))
			d.nodes = append(d.nodes, node{})
			d.link(self, prev, kid)
			prev = kid
		}
		var err *Error
		if i, err = d.value(i, elem, depth, kid); err != nil {
			return 0, err.index(n)
		}
		i = d.space(i)
		if i >= len(d.raw) {
			return 0, d.bad(i).index(n)
		}
		switch d.raw[i] {
		case ',':
			i = d.space(i + 1)
		case ']':
			return i + 1, nil
		default:
			return 0, d.bad(i).index(n)
		}
	}
}

func (d *Doc) link(parent, prev, kid int32) {
	if prev < 0 {
		d.nodes[parent].flags |= hasChildren
	} else {
		d.nodes[prev].next = kid
	}
}

// text reads the string at i and returns the offset after its closing quote.
func (d *Doc) text(i int) (int, uint8, *Error) { return scanText(d.raw, i, d.lax) }
