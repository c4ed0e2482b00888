package mock

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const page = "<!DOCTYPE html>\n<html><head><title>Just a moment...</title></head><body><h1>502 Bad Gateway</h1></body></html>\n"

// strike edits the script as the fault says. Statuses are made by the dialect
// before there is a script.
func (f *Fault) strike(s *script, d dialect) {
	switch f.kind {
	case "cut":
		f.cutAt(s, dropped)
	case "reset":
		f.cutAt(s, reset)
	case "cutclean":
		f.cutAt(s, properly)
		s.header.Del("Content-Length")
	case "stall":
		f.silence(s)
	case "slow":
		s.pause += f.first
		for i := range s.steps {
			s.steps[i].wait += f.delay
		}
	case "garbage":
		f.garbage(s)
	case "empty":
		if f.style == "body" { // the others are made by the dialect
			s.steps = nil
		}
	case "errorevent":
		f.errorEvent(s, d)
	case "noend":
		s.without(endMark)
	case "nofinish":
		s.without(closingStep)
	case "badutf8":
		s.edit(content, func(b []byte) []byte { return d.spoil(b) })
	case "dupkeys":
		s.edit(content, func(b []byte) []byte {
			return bytes.Replace(b, []byte("{"), []byte(`{"mock":1,"mock":2,`), 1)
		})
	case "hugeevent":
		s.edit(content, func(b []byte) []byte {
			i := bytes.IndexByte(b, '{') + 1
			return slices.Concat(b[:i], bytes.Repeat([]byte(" "), f.size), b[i:])
		})
	}
}

// place is the number of bytes before the fault's place.
func (f *Fault) place(s *script) int {
	switch f.after.unit {
	case 'e':
		n := 0
		for _, st := range s.steps[:min(f.after.n, len(s.steps))] {
			n += len(st.data)
		}
		return n
	case '%':
		return s.size() * f.after.n / 100
	}
	return min(f.after.n, s.size())
}

// cutAt leaves the bytes before the place.
func (f *Fault) cutAt(s *script, e tail) {
	if f.after.unit == 'h' {
		if e == properly {
			e = dropped
		}
		s.steps, s.ending = nil, noHead
		if e == reset {
			s.status, s.ending = 0, reset
		}
		return
	}
	n := f.place(s)
	if e != properly && !s.stream { // what was promised is not kept
		s.header.Set("Content-Length", strconv.Itoa(s.size()))
	}
	s.ending = e
	for i := range s.steps {
		if n <= len(s.steps[i].data) {
			s.steps[i].data = s.steps[i].data[:n]
			if n == 0 {
				s.steps = s.steps[:i]
			} else {
				s.steps = s.steps[:i+1]
			}
			return
		}
		n -= len(s.steps[i].data)
	}
}

func (f *Fault) silence(s *script) {
	if f.after.unit == 'h' {
		s.pause += f.delay
		s.hang = f.delay == 0
		return
	}
	n := f.place(s)
	if !s.stream {
		// Silence after the last promised byte is none: the client has its answer
		// and would send its next request into the stall.
		n = max(0, min(n, s.size()-1))
	}
	quiet := step{kind: inserted, wait: f.delay, hang: f.delay == 0}
	for i, st := range s.steps {
		if n <= len(st.data) {
			before, behind := st, st
			before.data, behind.data, behind.wait = st.data[:n], st.data[n:], 0
			s.steps = slices.Concat(s.steps[:i:i], []step{before, quiet, behind}, s.steps[i+1:])
			return
		}
		n -= len(st.data)
	}
}

func (f *Fault) garbage(s *script) {
	body, kind := page, "text/html; charset=utf-8"
	switch f.style {
	case "text":
		body, kind = "upstream connect error or disconnect/reset before headers", "text/plain"
	case "json":
		body, kind = `["not","an","answer",1]`, "application/json"
	case "empty-object":
		body, kind = `{}`, "application/json"
	case "middle":
		junk := []byte("data: <html>{\"choices\": [{\"delta\": \n\n")
		if !s.stream {
			junk = []byte("\x00<html>")
		}
		f.insert(s, junk)
		return
	}
	if s.stream && f.style != "html" {
		s.steps = []step{{kind: inserted, data: []byte("data: " + body + "\n\n")}}
		return
	}
	s.stream = false
	s.header.Set("Content-Type", kind)
	s.steps = []step{{kind: inserted, data: []byte(body)}}
}

// insert puts data at the fault's place.
func (f *Fault) insert(s *script, data []byte) {
	n := f.place(s)
	for i, st := range s.steps {
		if n <= len(st.data) {
			before, behind := st, st
			before.data, behind.data, behind.wait = st.data[:n], st.data[n:], 0
			s.steps = slices.Concat(s.steps[:i:i], []step{before, {kind: inserted, data: data}, behind}, s.steps[i+1:])
			return
		}
		n -= len(st.data)
	}
}

func (f *Fault) errorEvent(s *script, d dialect) {
	code, message := f.code, f.message
	if message == "" {
		message = "The server had an error while processing your request."
	}
	body := d.failure(http.StatusInternalServerError, code, "", message, "")
	if !s.stream {
		s.steps = []step{{kind: inserted, data: body}}
		return
	}
	f.cutAt(s, properly)
	s.ending = properly
	s.steps = append(s.steps, step{kind: inserted, data: d.errorEvent(body)})
}

// without leaves out the events of this kind.
func (s *script) without(k stepKind) {
	s.steps = slices.DeleteFunc(s.steps, func(st step) bool { return st.kind == k })
}

// edit changes the first event of this kind.
func (s *script) edit(k stepKind, f func([]byte) []byte) {
	for i := range s.steps {
		if s.steps[i].kind == k {
			s.steps[i].data = f(slices.Clone(s.steps[i].data))
			return
		}
	}
}

// retryHeaders are those of a status fault.
func (f *Fault) retryHeaders(h http.Header, now time.Time) {
	if f.retry >= 0 {
		seconds := int((f.retry + time.Second - 1) / time.Second)
		h.Set("Retry-After", strconv.Itoa(seconds))
		switch f.style {
		case "ms":
			h.Set("Retry-After-Ms", strconv.Itoa(int(f.retry/time.Millisecond)))
		case "date":
			h.Set("Retry-After", now.Add(f.retry).UTC().Format(http.TimeFormat))
		}
	}
	if f.never {
		h.Set("X-Should-Retry", "false")
	}
}

// spoil puts a byte that is no UTF-8 into the text that follows one of the
// marks.
func spoil(b []byte, marks ...string) []byte {
	for _, m := range marks {
		if i := strings.Index(string(b), m); i >= 0 {
			i += len(m)
			return slices.Concat(b[:i], []byte{0xff}, b[i:])
		}
	}
	return b
}
