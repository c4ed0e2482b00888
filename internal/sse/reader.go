package sse

import (
	"bytes"
	"errors"
	"io"
)

// DefaultMax is the largest event that is read unless said otherwise, in bytes.
const DefaultMax = 16 << 20

const (
	firstSize = 2 << 10  // enough for a slow stream, of which there may be many
	burstSize = 16 << 10 // as far as the buffer grows for reads that fill it
	keepSize  = 64 << 10 // a larger buffer is not kept by Reset
)

// ErrTooLarge is returned for an event larger than the reader's limit.
var ErrTooLarge = errors.New("sse: event larger than the limit")

// ErrNoRoom is returned for an event for which the reader has no room.
var ErrNoRoom = errors.New("sse: no room for the event")

// Room says whether a buffer may have so many bytes.
type Room interface{ Need(size int) bool }

// Reader reads events. It reads ahead no more than one Read gives, and hands
// an event on as soon as its blank line has come.
type Reader struct {
	// Room bounds the buffer of a large event; nil does not. Reset clears it.
	Room Room

	src io.Reader
	max int
	err error // of src, delivered after what is buffered

	buf        []byte
	start, end int  // the bytes not handed on yet
	short      bool // the last read filled buf: more may have been there
	begun      bool // the first bytes were looked at for a byte order mark

	// The event under way, offsets from start.
	line     int    // where the line under way begins
	seen     int    // how far that line was searched for a CR
	newline  int    // where the first LF after seen is, or how far there is none
	spans    []span // data fields
	name     span
	fields   bool // a field other than a comment was seen
	comments bool
	ready    int  // the length of the event if it is whole, else 0
	lf       bool // the last byte handed on was a CR: a LF that follows belongs to it

	ev     Event
	joined []byte
}

type span struct{ from, to int }

// NewReader returns a Reader of src whose events may be max bytes long (0:
// DefaultMax).
func NewReader(src io.Reader, max int) *Reader {
	r := &Reader{}
	r.Reset(src, max)
	return r
}

// Reset makes the reader read from src as a new one would, keeping its buffer.
func (r *Reader) Reset(src io.Reader, max int) {
	if max <= 0 {
		max = DefaultMax
	}
	buf, joined, spans := r.buf, r.joined, r.spans
	if cap(buf) > keepSize {
		buf = nil
	}
	if cap(joined) > keepSize {
		joined = nil
	}
	*r = Reader{src: src, max: max, buf: buf, joined: joined[:0], spans: spans[:0]}
}

// Next returns the next event, which is valid until the call after. The error
// is io.EOF if the source ended after a whole event, io.ErrUnexpectedEOF if it
// ended within one, ErrTooLarge, or the source's own.
func (r *Reader) Next() (*Event, error) {
	for !r.parse() {
		if r.err != nil {
			return nil, r.ended()
		}
		if r.end-r.start > r.max {
			r.err = ErrTooLarge
			return nil, r.err
		}
		r.fill()
	}
	if r.ready > r.max {
		r.err = ErrTooLarge
		return nil, r.err
	}
	return r.take(), nil
}

// Buffered reports whether Next would return an event without reading.
func (r *Reader) Buffered() bool { return !errors.Is(r.err, ErrTooLarge) && r.parse() }

func (r *Reader) ended() error {
	if r.err != io.EOF { //nolint:errorlint // a source ends with io.EOF itself
		return r.err
	}
	if len(bytes.Trim(r.buf[r.start:r.end], "\r\n")) > 0 {
		return io.ErrUnexpectedEOF
	}
	return io.EOF
}

// nowReader is a source that can tell what is there already. ReadNow does not
// wait: 0 and no error say that nothing is.
type nowReader interface {
	ReadNow(p []byte) (int, error)
}

// Poll is Buffered after a look at the source that does not wait. Where the
// source has no ReadNow it is Buffered.
func (r *Reader) Poll() bool {
	if r.Buffered() {
		return true
	}
	src, ok := r.src.(nowReader)
	if !ok || r.err != nil {
		return false
	}
	if !r.room() {
		return false
	}
	n, err := src.ReadNow(r.buf[r.end:])
	r.got(n)
	r.err = err
	return r.Buffered()
}

// room makes room for a read. What is left of the event under way is moved to
// the front while that is little to move, so that one read takes a whole burst.
// False says that there is none.
func (r *Reader) room() bool {
	if rest := r.end - r.start; r.start > 0 && (rest <= len(r.buf)/4 || len(r.buf)-r.end < len(r.buf)/4) {
		copy(r.buf, r.buf[r.start:r.end])
		r.start, r.end = 0, rest
	}
	if r.end == len(r.buf) || r.short {
		size := max(firstSize, 2*len(r.buf))
		if size > keepSize && r.Room != nil && !r.Room.Need(size) {
			return false
		}
		grown := make([]byte, size)
		copy(grown, r.buf[:r.end])
		r.buf, r.short = grown, false
	}
	return true
}

// got takes n bytes that were read.
func (r *Reader) got(n int) {
	r.end += n
	r.short = r.end == len(r.buf) && len(r.buf) < burstSize
}

// fill reads once.
func (r *Reader) fill() {
	if !r.room() {
		r.err = ErrNoRoom
		return
	}
	// A reader may return nothing without an error; a hundred times is too often.
	for range 100 {
		n, err := r.src.Read(r.buf[r.end:])
		r.got(n)
		if err != nil {
			r.err = err
			return
		}
		if n > 0 {
			return
		}
	}
	r.err = io.ErrNoProgress
}

// parse looks for the end of the event under way in what is buffered.
func (r *Reader) parse() bool {
	if r.ready > 0 {
		return true
	}
	if !r.begun && !r.mark() {
		return false
	}
	for {
		b := r.buf[r.start:r.end]
		if r.lf && len(b) > 0 {
			// The LF of a CRLF whose CR ended the event before.
			r.lf = false
			if b[0] == '\n' && r.line == 0 {
				r.line, r.seen = 1, 1
			}
		}
		eol := r.findLF(b)
		whole := eol < len(b)
		next := eol + 1
		if c := bytes.IndexByte(b[r.seen:eol], '\r'); c >= 0 {
			eol = r.seen + c
			next = eol + 1
			switch {
			case next < len(b):
				if b[next] == '\n' {
					next++
				}
			case eol > r.line:
				// Whether a LF follows decides nothing but whose it is:
				// the next line will see.
				r.seen = eol
				return false
			}
		} else if !whole {
			r.seen = len(b)
			return false
		}
		line := b[r.line:eol]
		from := r.line
		r.line, r.seen = next, next
		if len(line) > 0 {
			r.field(line, from)
			continue
		}
		if r.fields || r.comments {
			r.ready = next
			r.lf = b[next-1] == '\r'
			return true
		}
	}
}

// findLF returns where the first LF after seen is, len(b) for none. What was
// searched once is not searched again, however many lines end in CR alone.
func (r *Reader) findLF(b []byte) int {
	if from := max(r.seen, r.newline); from == r.newline && from < len(b) && b[from] == '\n' {
		return from
	} else if n := bytes.IndexByte(b[from:], '\n'); n >= 0 {
		r.newline = from + n
	} else {
		r.newline = len(b)
	}
	return r.newline
}

// mark drops a byte order mark at the very beginning; false: not known yet.
func (r *Reader) mark() bool {
	const bom = "\uFEFF"
	b := r.buf[r.start:r.end]
	if len(b) < len(bom) && string(b) == bom[:len(b)] && r.err == nil {
		return false
	}
	r.begun = true
	if len(b) >= len(bom) && string(b[:len(bom)]) == bom {
		r.start += len(bom)
	}
	return true
}

// field notes what one line of the event says; from is its offset.
func (r *Reader) field(line []byte, from int) {
	colon := bytes.IndexByte(line, ':')
	if colon == 0 {
		r.comments = true
		return
	}
	r.fields = true
	value := span{from + len(line), from + len(line)}
	if colon > 0 {
		value.from = from + colon + 1
		if value.from < value.to && line[colon+1] == ' ' {
			value.from++
		}
		line = line[:colon]
	}
	switch string(line) {
	case "data":
		r.spans = append(r.spans, value)
	case "event":
		r.name = value
	}
}

// take hands the event on that parse found.
func (r *Reader) take() *Event {
	raw := r.buf[r.start : r.start+r.ready : r.start+r.ready]
	r.ev = Event{Raw: raw, Name: cut(raw, r.name), Comment: !r.fields}
	switch len(r.spans) {
	case 0:
	case 1:
		r.ev.Data, r.ev.DataAt = cut(raw, r.spans[0]), r.spans[0].from
	default:
		r.joined = r.joined[:0]
		for i, s := range r.spans {
			if i > 0 {
				r.joined = append(r.joined, '\n')
			}
			r.joined = append(r.joined, raw[s.from:s.to]...)
		}
		r.ev.Data = r.joined
	}
	r.start += r.ready
	r.newline = max(0, r.newline-r.ready)
	r.line, r.seen, r.ready = 0, 0, 0
	r.spans, r.name, r.fields, r.comments = r.spans[:0], span{}, false, false
	return &r.ev
}

func cut(b []byte, s span) []byte {
	if s.from == s.to {
		return nil
	}
	return b[s.from:s.to:s.to]
}
