package jsondoor

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// Reason says why a body was refused. Its text is stable.
type Reason string

// Reasons.
const (
	Truncated Reason = "unexpected end of the body"
	Syntax    Reason = "not valid JSON"
	Encoding  Reason = "not valid UTF-8"
	Surrogate Reason = "an escaped surrogate without its other half"
	Duplicate Reason = "a member name appears twice in one object"
	Variant   Reason = "a member name is a variant of a protocol name"
	Trailing  Reason = "data after the end of the body"
	Mark      Reason = "a byte order mark before the body"
	TooDeep   Reason = "nesting deeper than 128"
	TooLarge  Reason = "body larger than 2 GiB"
)

// Error says where and why a body was refused. It never holds text of the
// body: Path shows only names that the protocol knows, others as "*".
type Error struct {
	Reason Reason
	Known  string // Variant: the protocol's name
	Path   string // messages[3].content; empty at the outermost value
	Offset int    // bytes from 0
	Line   int    // from 1
	Column int    // characters from 1
}

// Error implements error.
func (e *Error) Error() string {
	s := string(e.Reason)
	if e.Known != "" {
		s += " (" + e.Known + ")"
	}
	if e.Path != "" {
		s += " at " + e.Path
	}
	return s + ", line " + strconv.Itoa(e.Line) + ", column " + strconv.Itoa(e.Column) +
		" (byte " + strconv.Itoa(e.Offset) + ")"
}

func (e *Error) locate(raw []byte) {
	before := raw[:min(e.Offset, len(raw))]
	e.Line = 1 + bytes.Count(before, []byte{'\n'})
	e.Column = 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
}

// in puts a member name in front of the path.
func (e *Error) in(name string) *Error {
	if e.Path != "" && e.Path[0] != '[' {
		name += "."
	}
	e.Path = name + e.Path
	return e
}

// index puts an array index in front of the path.
func (e *Error) index(i int) *Error {
	s := "[" + strconv.Itoa(i) + "]"
	if e.Path != "" && e.Path[0] != '[' {
		s += "."
	}
	e.Path = s + e.Path
	return e
}
