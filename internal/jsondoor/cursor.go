package jsondoor

import "math"

// Cursor reads JSON from left to right and remembers nothing: for bodies that
// are many and nearly alike, as the chunks of a stream are, where the reader
// knows what it expects and takes the way of ParseLax when it finds something
// else. What a Cursor read to the end, Done being true, ParseLax accepts too.
//
// Every method may be called after a failure; it then fails too.
type Cursor struct {
	b     []byte
	i     int // -1: failed
	depth int
	fresh bool // an object or array was opened and nothing of it was read
}

// NewCursor returns a cursor before the outermost value of b.
func NewCursor(b []byte) Cursor { return Cursor{b: b, i: skipSpace(b, 0)} }

// Object steps into the object that comes next, and reports whether one does.
func (c *Cursor) Object() bool { return c.enter('{') }

// Array steps into the array that comes next, and reports whether one does.
func (c *Cursor) Array() bool { return c.enter('[') }

func (c *Cursor) enter(open byte) bool {
	if c.Peek() != open || c.depth == MaxDepth {
		return c.fail()
	}
	c.depth++
	c.i, c.fresh = skipSpace(c.b, c.i+1), true
	return true
}

// Member reads the next member's name, quotes excluded, and stands before its
// value. false: the object has ended, or the cursor has failed, as it does at a
// name with escapes.
func (c *Cursor) Member() (name []byte, ok bool) {
	if !c.next('}') {
		return nil, false
	}
	name, escaped, ok := c.text()
	if !ok || escaped || c.Peek() != ':' {
		return nil, c.fail()
	}
	c.i = skipSpace(c.b, c.i+1)
	return name, true
}

// Element stands before the next element. false: the array has ended, or the
// cursor has failed.
func (c *Cursor) Element() bool { return c.next(']') }

// next steps over the comma before the next member or element, or over the end.
func (c *Cursor) next(end byte) bool {
	fresh := c.fresh
	c.fresh = false
	switch c.Peek() {
	case end:
		c.depth--
		c.i = skipSpace(c.b, c.i+1)
		return false
	case ',':
		if fresh {
			return c.fail()
		}
		c.i = skipSpace(c.b, c.i+1)
		return true
	}
	return fresh || c.fail()
}

// Peek returns the first byte of what comes next, 0 at the end.
func (c *Cursor) Peek() byte {
	if c.i < 0 || c.i >= len(c.b) {
		return 0
	}
	return c.b[c.i]
}

// Offset is where the cursor stands.
func (c *Cursor) Offset() int { return c.i }

// Text reads a string and returns its inside, as it stands in the body; the
// text of one that is escaped is what Unescape makes of it.
func (c *Cursor) Text() (raw []byte, escaped, ok bool) {
	if c.Peek() != '"' {
		return nil, false, c.fail()
	}
	return c.text()
}

func (c *Cursor) text() (raw []byte, esc, ok bool) {
	if raw, esc, ok = TextAt(c.b, c.i); !ok {
		return nil, false, c.fail()
	}
	c.i = skipSpace(c.b, c.i+len(raw)+2)
	return raw, esc, true
}

// TextAt reads the string that begins at i of b, as Cursor.Text does.
func TextAt(b []byte, i int) (raw []byte, esc, ok bool) {
	if i < 0 || i >= len(b) || b[i] != '"' {
		return nil, false, false
	}
	end, flags, err := scanText(b, i, true)
	if err != nil {
		return nil, false, false
	}
	return b[i+1 : end-1], flags&escaped != 0, true
}

// Int reads a number that is written as an integer, 0 or more, and fits.
func (c *Cursor) Int() (int64, bool) {
	var n int64
	from := c.i
	if from < 0 {
		return 0, false
	}
	i := from
	for ; i < len(c.b) && '0' <= c.b[i] && c.b[i] <= '9'; i++ {
		if n > (math.MaxInt64-9)/10 {
			return 0, c.fail()
		}
		n = n*10 + int64(c.b[i]-'0')
	}
	end, err := scanNumber(c.b, from)
	if err != nil || end != i {
		return 0, c.fail()
	}
	c.i = skipSpace(c.b, end)
	return n, true
}

// Null reads a null, and reports whether one comes next. If not, the cursor
// stands where it stood.
func (c *Cursor) Null() bool {
	if c.Peek() != 'n' {
		return false
	}
	return c.Skip()
}

// Skip reads any value.
func (c *Cursor) Skip() bool {
	if c.i < 0 {
		return false
	}
	end, ok := skipValue(c.b, c.i, c.depth)
	if !ok {
		return c.fail()
	}
	c.i = skipSpace(c.b, end)
	return true
}

// Done reports whether the whole body was read.
func (c *Cursor) Done() bool { return c.i == len(c.b) && c.depth == 0 }

// Failed reports whether the body was not as the reader expected.
func (c *Cursor) Failed() bool { return c.i < 0 }

func (c *Cursor) fail() bool {
	c.i = -1
	return false
}

// skipValue returns the offset after the value at i, which is in depth objects
// and arrays.
func skipValue(b []byte, i, depth int) (int, bool) {
	if i >= len(b) {
		return 0, false
	}
	var err *Error
	switch b[i] {
	case '"':
		i, _, err = scanText(b, i, true)
	case '{', '[':
		return skipInside(b, i, depth+1)
	case 't':
		i, err = scanLiteral(b, i, "true")
	case 'f':
		i, err = scanLiteral(b, i, "false")
	case 'n':
		i, err = scanLiteral(b, i, "null")
	default:
		i, err = scanNumber(b, i)
	}
	return i, err == nil
}

func skipInside(b []byte, i, depth int) (int, bool) {
	object, end := b[i] == '{', b[i]+2 // ']' and '}' are two above '[' and '{'
	if depth > MaxDepth {
		return 0, false
	}
	if i = skipSpace(b, i+1); i < len(b) && b[i] == end {
		return i + 1, true
	}
	for {
		if object {
			if i >= len(b) || b[i] != '"' {
				return 0, false
			}
			at, _, err := scanText(b, i, true)
			if at = skipSpace(b, at); err != nil || at >= len(b) || b[at] != ':' {
				return 0, false
			}
			i = skipSpace(b, at+1)
		}
		var ok bool
		if i, ok = skipValue(b, i, depth); !ok {
			return 0, false
		}
		switch i = skipSpace(b, i); {
		case i >= len(b):
			return 0, false
		case b[i] == end:
			return i + 1, true
		case b[i] != ',':
			return 0, false
		}
		i = skipSpace(b, i+1)
	}
}

// Unescape appends the text of a string's inside, which a Cursor read.
func Unescape(dst, raw []byte) []byte { return appendUnescaped(dst, raw) }
