package h1

import (
	"bytes"
	"errors"
	"net/http"
	"net/textproto"
	"strings"
)

// readHead reads answers until a final one and fills resp. The stage tells
// whether anything had come when it failed.
func (c *conn) readHead(resp *Response, method string, limit int) (Stage, error) {
	if c.rb == nil {
		c.rb, c.off = getBuf(), 0
	}
	total := 0
	for {
		n, err := c.fillHead(limit - total)
		if err != nil {
			if total == 0 && len(c.buffered()) == 0 {
				return StageWait, err
			}
			return StageHead, err
		}
		head := string((*c.rb)[c.off : c.off+n])
		c.off += n
		total += n
		if err := parseHead(head, method, resp); err != nil {
			return StageHead, err
		}
		if resp.Status == http.StatusSwitchingProtocols {
			return StageHead, ProtocolError("101 without an upgrade asked for")
		}
		if resp.Status >= 200 {
			break
		}
	}
	if c.off == len(*c.rb) {
		c.release()
	}
	return StageBody, nil
}

// fillHead reads until the buffer holds a whole head and returns its length,
// blank line included.
func (c *conn) fillHead(limit int) (int, error) {
	line, scanned := 0, 0 // both relative to off
	for {
		b := (*c.rb)[c.off:]
		for {
			i := bytes.IndexByte(b[scanned:], '\n')
			if i < 0 {
				scanned = len(b)
				break
			}
			i += scanned
			if i == 0 || b[i-1] != '\r' {
				return 0, ProtocolError("line ends without CR")
			}
			if i+1 > limit {
				return 0, ProtocolError("head is too large")
			}
			if i-1 == line { // empty line
				if line == 0 {
					return 0, ProtocolError("status line is empty")
				}
				return i + 1, nil
			}
			line, scanned = i+1, i+1
		}
		if len(b) >= limit {
			return 0, ProtocolError("head is too large")
		}
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
}

// fill reads once more into the buffer, which grows when it is full.
func (c *conn) fill() error {
	if c.off > 0 { // an interim answer went before: its room is free
		*c.rb = append((*c.rb)[:0], (*c.rb)[c.off:]...)
		c.off = 0
	}
	b := *c.rb
	if len(b) == cap(b) {
		b = append(b, make([]byte, len(b))...)[:len(b)]
		*c.rb = b
	}
	n, err := c.read(b[len(b):cap(b)])
	*c.rb = b[:len(b)+n]
	if n > 0 {
		return nil
	}
	if err == nil {
		err = errors.New("read returned nothing")
	}
	return err
}

// parseHead reads one whole head into resp: status, header and what frames the
// body. The strings share head's memory.
func parseHead(head, method string, resp *Response) error {
	line, rest, _ := strings.Cut(head, "\r\n")
	if err := parseStatus(line, resp); err != nil {
		return err
	}
	lines := strings.Count(rest, "\r\n") - 1 // the last one is the blank line
	h := make(http.Header, lines)
	values := make([]string, lines) // one array for all single values
	fr := frame{length: -1}
	for range lines {
		line, rest, _ = strings.Cut(rest, "\r\n")
		name, value, ok := strings.Cut(line, ":")
		// A token has no spaces: this refuses folded lines and blanks before
		// the colon (RFC 9112 5.1, 5.2).
		if !ok || !isToken(name) {
			return ProtocolError("bad header name")
		}
		value = trimBlanks(value)
		if !isValue(value) {
			return ProtocolError("control character in a header value")
		}
		name = textproto.CanonicalMIMEHeaderKey(name)
		if err := fr.note(name, value); err != nil {
			return err
		}
		if old := h[name]; old != nil {
			h[name] = append(old, value)
			continue
		}
		values[0] = value
		h[name], values = values[:1:1], values[1:]
	}
	resp.Header = h
	return fr.apply(method, resp)
}

// parseStatus reads "HTTP/1.x SP 3DIGIT [SP reason]".
func parseStatus(line string, resp *Response) error {
	switch {
	case strings.HasPrefix(line, "HTTP/1.1 "):
		resp.Proto = "HTTP/1.1"
	case strings.HasPrefix(line, "HTTP/1.0 "):
		resp.Proto = "HTTP/1.0"
	default:
		return ProtocolError("not an HTTP/1 status line")
	}
	code := line[len("HTTP/1.1 "):]
	if len(code) < 3 || len(code) > 3 && code[3] != ' ' || !isValue(line) {
		return ProtocolError("bad status line")
	}
	n := 0
	for i := range 3 {
		if code[i] < '0' || code[i] > '9' {
			return ProtocolError("bad status code")
		}
		n = n*10 + int(code[i]-'0')
	}
	if n < 100 {
		return ProtocolError("bad status code")
	}
	resp.Status = n
	return nil
}

// frame collects the headers that say where the body ends and whether the
// connection lives on.
type frame struct {
	length    int64 // -1: none
	chunked   bool
	close     bool
	keepAlive bool
}

func (f *frame) note(name, value string) error {
	switch name {
	case "Content-Length":
		n, ok := parseLength(value)
		if !ok {
			return ProtocolError("bad Content-Length")
		}
		if f.length >= 0 && f.length != n {
			return ProtocolError("two different Content-Length")
		}
		f.length = n
	case "Transfer-Encoding":
		if f.chunked || !strings.EqualFold(value, "chunked") {
			return ProtocolError("Transfer-Encoding is not just chunked")
		}
		f.chunked = true
	case "Connection":
		for tok := range strings.SplitSeq(value, ",") {
			switch tok = trimBlanks(tok); {
			case strings.EqualFold(tok, "close"):
				f.close = true
			case strings.EqualFold(tok, "keep-alive"):
				f.keepAlive = true
			}
		}
	}
	return nil
}

// apply settles RFC 9112 6.3: how the body is framed.
func (f *frame) apply(method string, resp *Response) error {
	b := resp.Body
	if f.chunked && f.length >= 0 {
		return ProtocolError("both Content-Length and Transfer-Encoding")
	}
	if f.chunked && resp.Proto == "HTTP/1.0" {
		return ProtocolError("Transfer-Encoding in HTTP/1.0")
	}
	b.keep = !f.close && (resp.Proto == "HTTP/1.1" || f.keepAlive)
	resp.Delimited = true
	switch s := resp.Status; {
	case method == http.MethodHead: // the length is that of a GET's answer
		b.mode, resp.ContentLength = modeNone, f.length
	case s == http.StatusNotModified:
		b.mode, resp.ContentLength = modeNone, 0
	case s < 200 || s == http.StatusNoContent:
		if f.chunked || f.length > 0 {
			return ProtocolError("a body announced where there is none")
		}
		b.mode, resp.ContentLength = modeNone, 0
	case f.chunked:
		b.mode, resp.ContentLength = modeChunked, -1
	case f.length == 0:
		b.mode, resp.ContentLength = modeNone, 0
	case f.length > 0:
		b.mode, b.left, resp.ContentLength = modeLength, f.length, f.length
	default:
		b.mode, b.keep, resp.ContentLength, resp.Delimited = modeClose, false, -1, false
	}
	return nil
}

// parseLength reads 1*DIGIT below 2^63.
func parseLength(s string) (int64, bool) {
	var n int64
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' || n > (1<<63-1-int64(c-'0'))/10 {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, len(s) > 0
}

// trimBlanks cuts spaces and tabs only: a stray CR must stay to be refused.
func trimBlanks(s string) string { return strings.Trim(s, " \t") }
