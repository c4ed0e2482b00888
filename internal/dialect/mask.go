package dialect

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// secrets are what keys of providers look like: a known prefix, or the words
// Bearer or api key before a long token. OpenAI's 401 repeats part of the key.
var secrets = regexp.MustCompile(
	`\b(?:sk|pk|rk|gsk|xai|nvapi|hf|r8|fw|tgp|tok|key|csk|glpat|ghp|fh)[-_][A-Za-z0-9_\-*.]{6,}` +
		`|\bAIza[A-Za-z0-9_\-*]{10,}` +
		`|\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]+(?:\.[A-Za-z0-9_\-]*)?` +
		`|(?i:\b(?:bearer|api[- _]?key(?: provided)?)[:=]? +)[A-Za-z0-9_\-*.]{16,}`)

// maxMessage bounds a provider's message, in bytes.
const maxMessage = 2000

// Mask hides what looks like a key in a provider's text.
func Mask(s string) string {
	return secrets.ReplaceAllStringFunc(s, func(m string) string {
		if i := strings.LastIndexByte(m, ' '); i >= 0 {
			return m[:i+1] + "***"
		}
		return m[:min(3, len(m))] + "***"
	})
}

// Message makes a provider's text fit for a client: keys masked, control
// characters out, of bounded length.
func Message(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	s = strings.TrimSpace(Mask(s))
	if len(s) <= maxMessage {
		return s
	}
	cut := maxMessage
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "..."
}
