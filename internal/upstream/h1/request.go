package h1

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
)

// appendHead appends the request line and all header lines. What could end a
// line early is refused, so that no value can smuggle a line or a request.
func appendHead(b []byte, r *Request) ([]byte, error) {
	if !isToken(r.Method) {
		return b, errors.New("method is not a token")
	}
	if !strings.HasPrefix(r.Target, "/") || !isGraphic(r.Target) {
		return b, errors.New("request target is not an absolute path")
	}
	if r.Host == "" || !isGraphic(r.Host) {
		return b, errors.New("host is empty or not printable")
	}
	b = append(b, r.Method...)
	b = append(b, ' ')
	b = append(b, r.Target...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, r.Host...)
	b = append(b, "\r\n"...)
	var err error
	if r.Auth.Name != "" {
		if b, err = appendField(b, r.Auth.Name, r.Auth.Value); err != nil {
			return b, err
		}
	}
	for i := range r.Fields {
		if b, err = appendField(b, r.Fields[i].Name, r.Fields[i].Value); err != nil {
			return b, err
		}
	}
	for name, values := range r.Header {
		if r.Skip != nil && r.Skip(name) {
			continue
		}
		for _, v := range values {
			if b, err = appendField(b, name, v); err != nil {
				return b, err
			}
		}
	}
	// RFC 9110 8.6: a request whose method expects content carries its length
	// even when that is 0.
	if len(r.Body) > 0 || (r.Method != http.MethodGet && r.Method != http.MethodHead) {
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, int64(len(r.Body)), 10)
		b = append(b, "\r\n"...)
	}
	return append(b, "\r\n"...), nil
}

func appendField(b []byte, name, value string) ([]byte, error) {
	if !isToken(name) {
		return b, errors.New("header name is not a token")
	}
	if framing(name) {
		return b, errors.New("header " + name + " belongs to the connection, not to the request")
	}
	if !isValue(value) {
		return b, errors.New("header " + name + " has a control character in its value")
	}
	b = append(b, name...)
	b = append(b, ": "...)
	b = append(b, value...)
	return append(b, "\r\n"...), nil
}

// framing names the headers that this package alone decides.
func framing(name string) bool {
	switch len(name) {
	case 2:
		return strings.EqualFold(name, "TE")
	case 4:
		return strings.EqualFold(name, "Host")
	case 6:
		return strings.EqualFold(name, "Expect")
	case 7:
		return strings.EqualFold(name, "Trailer") || strings.EqualFold(name, "Upgrade")
	case 10:
		return strings.EqualFold(name, "Connection") || strings.EqualFold(name, "Keep-Alive")
	case 14:
		return strings.EqualFold(name, "Content-Length")
	case 17:
		return strings.EqualFold(name, "Transfer-Encoding")
	}
	return false
}

// tokenByte marks the characters of an RFC 9110 token.
var tokenByte = func() (t [256]bool) {
	for _, c := range []byte("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") {
		t[c] = true
	}
	return t
}()

func isToken[S ~string | ~[]byte](s S) bool {
	for i := range len(s) {
		if !tokenByte[s[i]] {
			return false
		}
	}
	return len(s) > 0
}

// isGraphic reports whether s is visible ASCII without spaces.
func isGraphic(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// isValue reports whether s may stand in a header value: no control character
// but the tab.
func isValue[S ~string | ~[]byte](s S) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
