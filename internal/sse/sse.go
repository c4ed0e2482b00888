// Package sse reads server-sent events (WHATWG HTML, section 9.2) as model
// providers send them: split at any byte, with LF, CRLF or CR line ends,
// mixed, and up to megabytes long.
package sse

// Event is one event. Its slices are valid until the next read.
type Event struct {
	// Raw is the event as received, its blank line included. Comments that
	// precede the event are part of it.
	Raw []byte
	// Name is the "event" field, empty if absent.
	Name []byte
	// Data is the "data" fields joined by LF.
	Data []byte
	// DataAt is where Data is in Raw if it is one line there; 0: it is not.
	DataAt int
	// Comment is true when the event holds comments only (keep-alive).
	Comment bool
}
