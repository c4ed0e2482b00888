package cli

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// tame is a text that others wrote (model names, errors of providers, tags) as
// one line that a terminal only shows. Control characters (C0, DEL, C1), which
// could move its cursor or set its title, and those that turn the direction of
// writing, which could make a line read as another, are written as \u001b.
func tame(s string) string { return escape(s, false) }

// tameLines is tame for a text of many lines, which keeps its tabs too.
func tameLines(s string) string { return escape(s, true) }

func escape(s string, lines bool) string {
	var b strings.Builder
	kept := 0 // what of s is in b, or needs no change
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		word := ""
		switch {
		case r == utf8.RuneError && n == 1: // a byte, which some terminals take for C1
			word = fmt.Sprintf(`\x%02x`, s[i])
		case lines && (r == '\n' || r == '\t'):
		case hidden(r):
			word = fmt.Sprintf(`\u%04x`, r)
		}
		if word != "" {
			b.WriteString(s[kept:i] + word)
			kept = i + n
		}
		i += n
	}
	if kept == 0 {
		return s
	}
	return b.String() + s[kept:]
}

// hidden reports whether a character acts on what is shown instead of being
// shown: C0, DEL, C1, the line and paragraph separators, and the bidirectional
// controls of Unicode (UAX #9).
func hidden(r rune) bool {
	return r < ' ' || r >= 0x7f && r <= 0x9f || r == 0x061c || r == 0x200e || r == 0x200f ||
		r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}
