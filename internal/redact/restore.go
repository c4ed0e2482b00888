package redact

import "strings"

// Restore puts back what placeholders stand for. In a text that is JSON, they
// stand in strings.
func (n *Names) Restore(text string, json bool) string {
	s := Stream{Names: n, JSON: json}
	return s.Push(text) + s.Rest()
}

// Stream restores a text that comes in pieces: a placeholder may be spread over
// several.
type Stream struct {
	Names *Names
	JSON  bool   // the text is JSON
	held  string // may be the beginning of a placeholder
}

// Push takes a piece and returns what is now known to be whole.
func (s *Stream) Push(piece string) string {
	if s.held == "" && strings.IndexByte(piece, '[') < 0 {
		return piece
	}
	text := s.held + piece
	s.held = ""
	var b strings.Builder
	for {
		i := strings.IndexByte(text, '[')
		if i < 0 {
			b.WriteString(text)
			return b.String()
		}
		b.WriteString(text[:i])
		text = text[i:]
		n, whole := placeholder(text)
		switch {
		case n == len(text) && !whole && n < maxLength:
			s.held = text
			return b.String()
		case whole:
			if v, ok := s.value(text[:n]); ok {
				b.WriteString(v)
				text = text[n:]
				continue
			}
		}
		b.WriteByte('[')
		text = text[1:]
	}
}

// Rest returns what is held when the text has ended.
func (s *Stream) Rest() string {
	rest := s.held
	s.held = ""
	return rest
}

// value is what a placeholder stands for, in the form that the text needs.
// Models that write Markdown put a backslash before an underscore.
func (s *Stream) value(p string) (string, bool) {
	s.Names.mu.Lock()
	v, ok := s.Names.values[strings.ReplaceAll(p, `\`, "")]
	s.Names.mu.Unlock()
	if ok && s.JSON {
		v = escaped(v)
	}
	return v, ok
}

// placeholder reads as much of text, which begins with a bracket, as may be a
// placeholder, and whether it is one.
func placeholder(text string) (n int, whole bool) {
	for n = 1; n < len(text) && n < maxLength; n++ {
		switch c := text[n]; {
		case c >= 'A' && c <= 'Z', n > 1 && (c >= '0' && c <= '9' || c == '_' || c == '\\'):
		case c == ']' && n > 3:
			return n + 1, true
		default:
			return n, false
		}
	}
	return n, false
}
